#include "wire/rdata.h"

#include "base/buf.h"
#include "base/cursor.h"
#include "wire/dns.h"

static bool is_host_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static bool take_label(struct cursor *c, struct view *ret)
{
	uint8_t n = take_u8(c);

	*ret = take_bytes(c, n);
	if (!cursor_ok(c) || n > 63)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_host_char(ret->p[i]))
			return false;
	return true;
}

static bool take_name(struct cursor *c, struct arena *a, struct view *ret)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct view label;
	bool good;

	while ((good = take_label(c, &label)) && label.n) {
		if (name.n)
			buf_putc(&name, '.');
		for (size_t i = 0; i < label.n; i++)
			buf_putc(&name, ascii_lower(label.p[i]));
	}
	good = good && buf_status(&name) == ST_OK;
	if (good)
		*ret = arena_copy(a, buf_view(&name));
	buf_free(&name);
	return good && arena_status(a) == ST_OK;
}

bool rdata_mx(struct view rdata, struct arena *a, uint16_t *ret_preference, struct view *ret_name)
{
	struct cursor c = cursor_over(rdata);
	uint16_t high = take_u8(&c), low = take_u8(&c);
	struct view name;

	if (!take_name(&c, a, &name) || !cursor_end(&c))
		return false;
	*ret_preference = (uint16_t)(high << 8 | low);
	*ret_name = name;
	return true;
}

bool rdata_tlsa(struct view rdata, struct tlsa *ret)
{
	struct cursor c = cursor_over(rdata);
	struct tlsa t;

	t.usage = take_u8(&c);
	t.selector = take_u8(&c);
	t.matching = take_u8(&c);
	t.data = take_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c) || t.data.n == 0)
		return false;
	*ret = t;
	return true;
}
