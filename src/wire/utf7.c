/* utf7.c - modified UTF-7, the names of mailboxes in IMAP4rev1 (RFC 3501 5.1.3). */
#include "wire/imap.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void put_utf8(struct buf *out, uint32_t x)
{
	if (x < 0x80) {
		buf_putc(out, (char)x);
	} else if (x < 0x800) {
		buf_putc(out, (char)(0xc0 | x >> 6));
		buf_putc(out, (char)(0x80 | (x & 0x3f)));
	} else if (x < 0x10000) {
		buf_putc(out, (char)(0xe0 | x >> 12));
		buf_putc(out, (char)(0x80 | (x >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (x & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | x >> 18));
		buf_putc(out, (char)(0x80 | (x >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (x >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (x & 0x3f)));
	}
}

/* The UTF-16 units of one run, one after another. */
struct units {
	uint32_t high;		/* a high surrogate that waits for its low one */
	struct buf *out;
};

/* False for what an encoder would not have put into a run. */
static bool put_unit(struct units *u, uint32_t x)
{
	bool low = x >= 0xdc00 && x < 0xe000, high = x >= 0xd800 && x < 0xdc00;

	if (low != (u->high != 0))
		return false;
	if (high) {
		u->high = x;
		return true;
	}
	if (low)
		x = 0x10000 + ((u->high - 0xd800) << 10) + (x - 0xdc00);
	else if (x < 0x80 && x >= 0x20 && x != 0x7f)
		return false;	/* it must stand for itself */
	else if (x < 0x20 || x == 0x7f)
		return false;	/* no control characters in names */
	u->high = 0;
	put_utf8(u->out, x);
	return true;
}

/* Behind "&", up to "-". */
static enum status take_run(struct cursor *c, struct buf *out)
{
	struct units u = { 0, out };
	uint32_t bits = 0;
	int held = 0;

	while (cursor_left(c) && *c->p != '-') {
		int d = digit_of(*c->p++);

		if (d < 0)
			return ST_SYNTAX;
		bits = bits << 6 | (uint32_t)d;
		held += 6;
		if (held < 16)
			continue;
		held -= 16;
		if (!put_unit(&u, bits >> held & 0xffff))
			return ST_SYNTAX;
		bits &= (1u << held) - 1;
	}
	if (!take_char(c, '-') || u.high || held >= 6 || bits)
		return ST_SYNTAX;
	/* Two runs side by side would have been one. */
	if (peek_char(c) == '&' && c->p + 1 < c->end && c->p[1] != '-')
		return ST_SYNTAX;
	return ST_OK;
}

enum status imap_utf7_decode(struct view name, struct buf *out)
{
	struct cursor c = cursor_over(name);
	enum status st = ST_OK;

	while (st == ST_OK && cursor_left(&c)) {
		char x = *c.p++;

		if (x < ' ' || x == 127)
			return ST_SYNTAX;	/* 8-bit too: char is signed */
		if (x != '&')
			buf_putc(out, x);
		else if (take_char(&c, '-'))
			buf_putc(out, '&');
		else
			st = take_run(&c, out);
	}
	return st == ST_OK ? buf_status(out) : st;
}

enum { NOT_UTF8 = -1 };

/* One character of UTF-8, or NOT_UTF8. */
static int32_t take_utf8(struct cursor *c)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	uint32_t x = (uint8_t)*c->p++;
	int more = x < 0x80 ? 0 : x >= 0xf0 && x < 0xf8 ? 3 : x >= 0xe0 ? 2 : x >= 0xc0 ? 1 : -1;

	if (more < 0 || x >= 0xf8)
		return NOT_UTF8;
	if (more)
		x &= 0x3fu >> more;
	for (int i = 0; i < more; i++) {
		if (cursor_left(c) == 0 || ((uint8_t)*c->p & 0xc0) != 0x80)
			return NOT_UTF8;
		x = x << 6 | ((uint8_t)*c->p++ & 0x3f);
	}
	return x < least[more] || x > 0x10ffff || (x >= 0xd800 && x < 0xe000) ? NOT_UTF8 : (int32_t)x;
}

bool imap_is_utf8(struct view v)
{
	struct cursor c = cursor_over(v);

	while (cursor_left(&c))
		if (take_utf8(&c) == NOT_UTF8)
			return false;
	return true;
}

struct writer {
	struct buf *out;
	uint32_t bits;
	int held;
	bool open;	/* within & ... - */
};

static void put_bits(struct writer *w, uint32_t unit)
{
	if (!w->open)
		buf_putc(w->out, '&');
	w->open = true;
	w->bits = w->bits << 16 | unit;
	w->held += 16;
	while (w->held >= 6) {
		w->held -= 6;
		buf_putc(w->out, digits[w->bits >> w->held & 0x3f]);
	}
	w->bits &= (1u << w->held) - 1;
}

static void close_run(struct writer *w)
{
	if (!w->open)
		return;
	if (w->held)
		buf_putc(w->out, digits[w->bits << (6 - w->held) & 0x3f]);
	buf_putc(w->out, '-');
	*w = (struct writer){ .out = w->out };
}

void imap_utf7_encode(struct view utf8, struct buf *out)
{
	struct cursor c = cursor_over(utf8);
	struct writer w = { .out = out };

	while (cursor_left(&c)) {
		int32_t taken = take_utf8(&c);
		uint32_t x = taken == NOT_UTF8 ? 0xfffd : (uint32_t)taken;

		if (x >= 0x10000) {
			put_bits(&w, 0xd800 + ((x - 0x10000) >> 10));
			put_bits(&w, 0xdc00 + ((x - 0x10000) & 0x3ff));
		} else if (x < ' ' || x > 126) {
			put_bits(&w, x);
		} else {
			close_run(&w);
			buf_putc(out, (char)x);
			if (x == '&')
				buf_putc(out, '-');
		}
	}
	close_run(&w);
}
