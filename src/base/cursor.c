#include "base/cursor.h"

static uint64_t take_le(struct cursor *c, size_t n)
{
	uint64_t x = 0;

	if (cursor_left(c) < n) {
		c->failed = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		x |= (uint64_t)(uint8_t)c->p[i] << (8 * i);
	c->p += n;
	return x;
}

uint8_t take_u8(struct cursor *c)
{
	return (uint8_t)take_le(c, 1);
}

uint16_t take_u16(struct cursor *c)
{
	return (uint16_t)take_le(c, 2);
}

uint32_t take_u32(struct cursor *c)
{
	return (uint32_t)take_le(c, 4);
}

uint64_t take_u64(struct cursor *c)
{
	return take_le(c, 8);
}

struct view take_bytes(struct cursor *c, size_t n)
{
	struct view v;

	if (cursor_left(c) < n) {
		c->failed = true;
		return VIEW_NONE;
	}
	v = view_make(c->p, n);
	if (n)
		c->p += n;
	return v;
}

struct view take_view(struct cursor *c)
{
	uint32_t n = take_u32(c);

	return take_bytes(c, n);
}

char peek_char(const struct cursor *c)
{
	return cursor_left(c) ? *c->p : '\0';
}

bool take_char(struct cursor *c, char want)
{
	if (cursor_left(c) == 0 || *c->p != want)
		return false;
	c->p++;
	return true;
}

struct view take_while(struct cursor *c, bool (*is)(char))
{
	const char *from = c->p;

	while (cursor_left(c) && is(*c->p))
		c->p++;
	return view_make(from, (size_t)(c->p - from));
}
