#include "trust/answer.h"

#include "base/cursor.h"

enum { LABEL_MOST = 63, WIRE_NAME_MOST = 255 };

enum status answer_text(struct view rdata, struct arena *a, struct view *ret_text)
{
	struct cursor c = cursor_over(rdata);
	char *p = arena_alloc(a, rdata.n);
	size_t n = 0;

	if (p == NULL)
		return arena_status(a);
	while (cursor_left(&c)) {
		struct view s = take_bytes(&c, take_u8(&c));

		if (!cursor_ok(&c))
			return ST_SYNTAX;
		if (s.n)
			memcpy(p + n, s.p, s.n);
		n += s.n;
	}
	*ret_text = view_make(p, n);
	return ST_OK;
}

static bool is_plain(struct view label)
{
	for (size_t i = 0; i < label.n; i++)
		if (label.p[i] < ' ' || label.p[i] > '~' || label.p[i] == '.' || label.p[i] == '\\')
			return false;
	return true;
}

static enum status take_name(struct cursor *c, struct arena *a, struct view *ret_name)
{
	char *p = arena_alloc(a, WIRE_NAME_MOST + 1);
	size_t n = 0;

	if (p == NULL)
		return arena_status(a);
	for (;;) {
		uint8_t length = take_u8(c);
		struct view label;

		if (length > LABEL_MOST || n + length > WIRE_NAME_MOST)
			return ST_SYNTAX;
		label = take_bytes(c, length);
		if (!cursor_ok(c) || !is_plain(label))
			return ST_SYNTAX;
		if (length == 0)
			break;
		for (size_t i = 0; i < label.n; i++)
			p[n++] = ascii_lower(label.p[i]);
		p[n++] = '.';
	}
	*ret_name = view_make(p, n ? n - 1 : 0);
	return ST_OK;
}

enum status answer_name(struct view rdata, struct arena *a, struct view *ret_name)
{
	struct cursor c = cursor_over(rdata);
	struct view name;
	enum status st = take_name(&c, a, &name);

	if (st != ST_OK)
		return st;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret_name = name;
	return ST_OK;
}

enum status answer_mx(struct view rdata, struct arena *a, uint16_t *ret_preference, struct view *ret_name)
{
	struct cursor c = cursor_over(rdata);
	unsigned high = take_u8(&c), low = take_u8(&c);
	struct view name;
	enum status st = cursor_ok(&c) ? take_name(&c, a, &name) : ST_SYNTAX;

	if (st != ST_OK)
		return st;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret_preference = (uint16_t)(high << 8 | low);
	*ret_name = name;
	return ST_OK;
}
