#include "ipc/route.h"

#include "base/cursor.h"

static bool is_host_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool is_literal_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == ':' || c == '.';
}

static bool take_scheme(struct cursor *c, struct route *r)
{
	struct view left = view_make(c->p, cursor_left(c));

	r->tls_first = view_starts_i(left, VIEW("smtps://"));
	if (!r->tls_first && !view_starts_i(left, VIEW("smtp://")))
		return false;
	c->p += r->tls_first ? 8 : 7;
	return true;
}

enum status route_parse(struct view text, struct route *ret)
{
	struct route r = { 0 };
	struct cursor c = cursor_over(text);
	uint64_t port;

	if (text.n == 0 || view_eq_i(text, VIEW("mx"))) {
		*ret = (struct route){ .mx = true };
		return ST_OK;
	}
	if (!take_scheme(&c, &r))
		return ST_SYNTAX;
	r.literal = take_char(&c, '[');
	r.host = take_while(&c, r.literal ? is_literal_char : is_host_char);
	if (r.host.n == 0 || r.host.n > 255 || (r.literal && !take_char(&c, ']')))
		return ST_SYNTAX;
	port = r.tls_first ? ROUTE_PORT_SMTPS : ROUTE_PORT_SMTP;
	if (take_char(&c, ':') && (!view_u64(take_bytes(&c, cursor_left(&c)), &port) || port == 0 || port > 65535))
		return ST_SYNTAX;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	r.port = (uint16_t)port;
	*ret = r;
	return ST_OK;
}

/* ---- the table ---- */

struct entry {
	bool sender;
	struct view pattern, route;
};

/* False at the end of the table; an entry without "=" has no pattern. */
static bool next_entry(struct view *table, struct entry *ret)
{
	struct view text;
	size_t eq;

	do {
		if (table->n == 0)
			return false;
		text = view_head(*table, view_find(*table, ','));
		*table = view_skip(*table, text.n + 1);
		text = view_trim(text);
	} while (text.n == 0);
	*ret = (struct entry){ 0 };
	eq = view_find(text, '=');
	if (eq == text.n)
		return true;
	ret->pattern = view_trim(view_head(text, eq));
	ret->route = view_trim(view_skip(text, eq + 1));
	if (view_starts_i(ret->pattern, VIEW("sender "))) {
		ret->sender = true;
		ret->pattern = view_trim(view_skip(ret->pattern, 7));
	}
	return true;
}

enum status routes_check(struct view table, struct buf *why)
{
	struct entry e;
	struct route r;

	while (next_entry(&table, &e)) {
		bool at = view_find(e.pattern, '@') < e.pattern.n;

		if (e.pattern.n && at == e.sender && e.route.n && route_parse(e.route, &r) == ST_OK)
			continue;
		buf_putf(why, "relay.routes has \"%.*s = %.*s\", but should have entries as "
			 "example.org = smtp://[192.0.2.1]:25 or sender @example.org = smtps://smart.example.net",
			 VIEW_ARG(view_head(e.pattern, 80)), VIEW_ARG(view_head(e.route, 80)));
		return ST_SYNTAX;
	}
	return ST_OK;
}

static bool ends_i(struct view v, struct view end)
{
	return v.n > end.n && view_eq_i(view_skip(v, v.n - end.n), end);
}

static bool fits(const struct entry *e, struct view sender, struct view domain)
{
	struct view subject = e->sender ? sender : domain;

	if (e->pattern.n == 0)
		return false;
	if (view_eq_i(e->pattern, subject))
		return true;
	/* ".example.org" is all below it, "@example.org" all senders there. */
	return e->pattern.p[0] == (e->sender ? '@' : '.') && ends_i(subject, e->pattern);
}

static bool find(struct view table, bool by_sender, struct view sender, struct view domain, struct view *ret)
{
	struct entry e;

	while (next_entry(&table, &e))
		if (e.sender == by_sender && fits(&e, sender, domain)) {
			*ret = e.route;
			return true;
		}
	return false;
}

struct view routes_find(struct view table, struct view sender, struct view domain, struct view otherwise)
{
	struct view route = otherwise;

	if (!find(table, false, sender, domain, &route))
		(void)find(table, true, sender, domain, &route);
	return view_eq_i(route, VIEW("mx")) ? VIEW_NONE : route;
}
