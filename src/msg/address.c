#include "msg/address.h"

#include "msg/lex.h"

/* Past one lexical unit: a comment, a quoted string, a domain literal or one
 * character. */
static void take_unit(struct address_reader *r, struct view *ret_comment)
{
	struct cursor *c = &r->c;
	struct view inner;
	const char *close;

	switch (*c->p) {
	case '(':
		lex_comment(c, ret_comment ? ret_comment : &inner);
		return;
	case '"':
		if (!r->no_quotes && lex_quoted(c, &inner))
			return;
		r->no_quotes = true;
		break;
	case '[':
		close = memchr(c->p, ']', cursor_left(c) < 256 ? cursor_left(c) : 256);
		if (close) {
			c->p = close + 1;
			return;
		}
		break;
	case '\\':
		if (cursor_left(c) > 1)
			c->p++;
		break;
	default:
		break;
	}
	c->p++;
}

static struct view since(const struct cursor *c, const char *from)
{
	return lex_trim(view_make(from, (size_t)(c->p - from)));
}

/* Between < and >: an obsolete route, local part, domain (RFC 5322 4.4). */
static void take_angle(struct address_reader *r, struct address *a)
{
	struct cursor *c = &r->c;
	const char *from, *at = NULL;

	a->angle = true;
	c->p++;
	lex_cfws(c);
	from = c->p;
	if (peek_char(c) == '@') {
		while (cursor_left(c) && *c->p != ':' && *c->p != '>')
			take_unit(r, NULL);
		if (peek_char(c) == ':') {
			a->route = since(c, from);
			from = ++c->p;
		} else {
			c->p = from;
		}
	}
	while (cursor_left(c) && *c->p != '>' && (*c->p != ',' || at == NULL)) {
		if (*c->p == '@')
			at = c->p;
		take_unit(r, NULL);
	}
	a->local = at ? lex_trim(view_make(from, (size_t)(at - from))) : since(c, from);
	if (at)
		a->domain = since(c, at + 1);
	take_char(c, '>');
}

/* What stands between > and the next comma: comments, maybe a name that came
 * too late. */
static void take_rest(struct address_reader *r, struct address *a)
{
	const char *from = r->c.p;
	struct view rest;

	while (cursor_left(&r->c) && *r->c.p != ',' && *r->c.p != ';' && *r->c.p != '<')
		take_unit(r, &a->comment);
	rest = since(&r->c, from);
	if (a->phrase.n == 0 && rest.n && rest.p[0] != '(')
		a->phrase = rest;
}

static void bare(struct address_reader *r, const char *from, const char *at, struct address *a)
{
	if (at == NULL) {
		a->local = since(&r->c, from);
		return;
	}
	a->local = lex_trim(view_make(from, (size_t)(at - from)));
	a->domain = since(&r->c, at + 1);
}

/* Behind separators; true where a group's end was among them. */
static bool skip_separators(struct address_reader *r)
{
	for (;;) {
		lex_blank(&r->c);
		if (take_char(&r->c, ','))
			continue;
		if (!take_char(&r->c, ';'))
			return false;
		if (r->in_group) {
			r->in_group = false;
			return true;
		}
	}
}

static bool is_only_comment(struct view v)
{
	struct cursor c = cursor_over(v);

	lex_cfws(&c);
	return cursor_left(&c) == 0;
}

/* Reads up to the end of one mailbox or behind a group's colon. */
static void take_one(struct address_reader *r, struct address *a)
{
	struct cursor *c = &r->c;
	const char *from = c->p, *at = NULL;

	for (; cursor_left(c) && *c->p != ',' && *c->p != ';'; take_unit(r, &a->comment)) {
		if (*c->p == '@') {
			at = c->p;
		} else if (*c->p == '<') {
			a->phrase = since(c, from);
			take_angle(r, a);
			take_rest(r, a);
			return;
		} else if (*c->p == ':' && at == NULL && !r->in_group) {
			a->kind = ADDRESS_GROUP;
			a->phrase = since(c, from);
			r->in_group = true;
			c->p++;
			return;
		}
	}
	bare(r, from, at, a);
}

bool address_next(struct address_reader *r, struct address *ret)
{
	for (;;) {
		*ret = (struct address){ 0 };
		if (skip_separators(r)) {
			ret->kind = ADDRESS_GROUP_END;
			return true;
		}
		if (cursor_left(&r->c) == 0)
			break;
		take_one(r, ret);
		if (ret->kind == ADDRESS_GROUP || ret->angle || ret->domain.n ||
		    !is_only_comment(ret->local))
			return true;
	}
	if (!r->in_group)
		return false;
	r->in_group = false;
	ret->kind = ADDRESS_GROUP_END;
	return true;
}

/* ---- writing what they mean ---- */

static bool is_plain(char c)
{
	return !lex_is_blank(c) && c != '(' && c != '"' && c != '\\' && c != '\0';
}

/* One unit of a phrase or address specification; false where it is blank or
 * comment. */
static bool put_unit(struct cursor *c, struct buf *out)
{
	struct view text = take_while(c, is_plain);
	struct view inner;

	if (text.n) {
		buf_put(out, text);
		return true;
	}
	if (*c->p == '(') {
		lex_comment(c, &inner);
		return false;
	}
	if (*c->p == '"') {
		if (lex_quoted(c, &inner))
			lex_unquoted(inner, out);
		else
			c->p++;
		return true;
	}
	if (*c->p == '\\' && cursor_left(c) > 1 && !lex_is_blank(c->p[1]))
		c->p++;
	if (!lex_is_blank(*c->p) && *c->p != '\0') {
		buf_putc(out, *c->p++);
		return true;
	}
	c->p++;
	return false;
}

void address_put_phrase(struct view phrase, struct buf *out)
{
	struct cursor c = cursor_over(phrase);
	size_t start = out->n, before;
	bool gap = false;

	while (cursor_left(&c)) {
		/* The blank goes in first and out again where nothing follows. */
		before = out->n;
		if (gap && before > start && !lex_is_blank(*c.p) && *c.p != '(')
			buf_putc(out, ' ');
		if (put_unit(&c, out)) {
			gap = false;
		} else {
			out->n = before;
			gap = true;
		}
	}
}

void address_put_name(const struct address *a, struct buf *out)
{
	size_t before = out->n;

	address_put_phrase(a->phrase, out);
	if (out->n == before && a->kind == ADDRESS_MAILBOX)
		lex_unquoted(lex_trim(a->comment), out);
}

void address_put_spec(struct view part, struct buf *out)
{
	struct cursor c = cursor_over(part);

	while (cursor_left(&c))
		(void)put_unit(&c, out);
}

/* RFC 5322 3.2.3 atext and dots, RFC 6532 3.2. */
static bool is_dot_atom(struct view v)
{
	static const char specials[] = "()<>[]:;@\\,\" \t\r\n";

	if (v.n == 0 || v.p[0] == '.' || v.p[v.n - 1] == '.')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (strchr(specials, v.p[i]) || (uint8_t)v.p[i] < ' ' || v.p[i] == 0x7f ||
		    (v.p[i] == '.' && v.p[i - 1] == '.'))
			return false;
	return true;
}

void address_put(const struct address *a, struct buf *out)
{
	struct buf local = BUF(a->local.n + 1);

	address_put_spec(a->local, &local);
	if (is_dot_atom(buf_view(&local)) || local.n == 0) {
		buf_put(out, buf_view(&local));
	} else {
		buf_putc(out, '"');
		for (size_t i = 0; i < local.n; i++) {
			if (local.p[i] == '"' || local.p[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, local.p[i]);
		}
		buf_putc(out, '"');
	}
	if (buf_status(&local) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&local);
	buf_free(&local);
	if (a->domain.n) {
		buf_putc(out, '@');
		address_put_spec(a->domain, out);
	}
}
