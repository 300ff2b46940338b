#include "mta/relay/records.h"

#include "base/buf.h"
#include "base/cursor.h"
#include "wire/dns.h"

static bool is_host_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static void put_label(struct buf *name, struct view label)
{
	if (name->n)
		buf_putc(name, '.');
	for (size_t i = 0; i < label.n; i++)
		buf_putc(name, is_host_char(label.p[i]) ? ascii_lower(label.p[i]) : '\\');
}

static bool take_name(struct cursor *c, struct buf *name)
{
	uint8_t n;

	while ((n = take_u8(c)) != 0) {
		struct view label = take_bytes(c, n);

		if (!cursor_ok(c) || n > 63)
			return false;
		put_label(name, label);
	}
	return cursor_ok(c) && buf_status(name) == ST_OK;
}

enum status dns_read_mx(struct view rdata, struct arena *a, struct dns_mx *ret)
{
	struct cursor c = cursor_over(rdata);
	struct buf name = BUF(DNS_NAME_MAX);
	uint16_t high = take_u8(&c), low = take_u8(&c);
	bool good = take_name(&c, &name) && cursor_end(&c);

	if (good)
		*ret = (struct dns_mx){ (uint16_t)(high << 8 | low), arena_copy(a, buf_view(&name)) };
	buf_free(&name);
	return good ? arena_status(a) : ST_SYNTAX;
}

enum status dns_read_tlsa(struct view rdata, struct dns_tlsa *ret)
{
	struct cursor c = cursor_over(rdata);
	struct dns_tlsa t;

	t.usage = take_u8(&c);
	t.selector = take_u8(&c);
	t.matching = take_u8(&c);
	t.data = take_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c) || t.data.n == 0)
		return ST_SYNTAX;
	*ret = t;
	return ST_OK;
}
