#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_free(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->p);
	*b = BUF(b->max);
}

void buf_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->st = ST_OK;
}

static size_t grown(const struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 256;

	while (cap < need) {
		if (cap > b->max / 2)
			return b->max;
		cap *= 2;
	}
	return cap < b->max ? cap : b->max;
}

enum status buf_reserve(struct buf *b, size_t n, char **ret_p)
{
	if (b->st != ST_OK)
		return b->st;
	if (n > b->max - b->n)
		return b->st = ST_LIMIT;
	if (b->n + n > b->cap) {
		size_t cap = grown(b, b->n + n);
		char *p = realloc(b->p, cap);

		if (p == NULL)
			return b->st = ST_NOMEM;
		b->p = p;
		b->cap = cap;
	}
	*ret_p = b->p ? b->p + b->n : NULL;	/* nothing asked of an empty one */
	return ST_OK;
}

void buf_put(struct buf *b, struct view v)
{
	char *p;

	if (v.n == 0 || buf_reserve(b, v.n, &p) != ST_OK)
		return;
	memcpy(p, v.p, v.n);
	b->n += v.n;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, view_cstr(s));
}

void buf_putc(struct buf *b, char c)
{
	if (b->st == ST_OK && b->n < b->cap)
		b->p[b->n++] = c;
	else
		buf_put(b, view_make(&c, 1));
}

void buf_putu(struct buf *b, uint64_t x)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + x % 10);
		x /= 10;
	} while (x);
	buf_put(b, view_make(digits + i, sizeof digits - i));
}

void buf_put_hex(struct buf *b, const void *octets, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *x = octets;

	for (size_t i = 0; i < n; i++) {
		buf_putc(b, digits[x[i] >> 4]);
		buf_putc(b, digits[x[i] & 15]);
	}
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	size_t spare = b->st == ST_OK ? b->cap - b->n : 0;
	char *p = spare ? b->p + b->n : NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(p, spare, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < spare) {
		b->n += (size_t)n;
	} else if (n >= 0 && buf_reserve(b, (size_t)n + 1, &p) == ST_OK) {
		vsnprintf(p, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

static void put_le(struct buf *b, uint64_t x, size_t n)
{
	char *p;

	if (buf_reserve(b, n, &p) != ST_OK)
		return;
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(uint8_t)(x >> (8 * i));
	b->n += n;
}

void put_u8(struct buf *b, uint8_t x)
{
	put_le(b, x, 1);
}

void put_u16(struct buf *b, uint16_t x)
{
	put_le(b, x, 2);
}

void put_u32(struct buf *b, uint32_t x)
{
	put_le(b, x, 4);
}

void put_u64(struct buf *b, uint64_t x)
{
	put_le(b, x, 8);
}

void put_view(struct buf *b, struct view v)
{
	if (v.n > UINT32_MAX) {
		b->st = b->st ? b->st : ST_LIMIT;
		return;
	}
	put_u32(b, (uint32_t)v.n);
	buf_put(b, v);
}
