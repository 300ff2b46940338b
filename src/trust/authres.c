#include "trust/authres.h"

#include "base/cursor.h"
#include "msg/header.h"
#include "msg/lex.h"

/* RFC 2045 5.1 token; bytes of UTF-8 too (RFC 8601 2.2 by RFC 6532). */
static bool is_token(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool is_keyword(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static bool is_plain(char c)
{
	return is_token(c) || (c && strchr("@/:[]?=<>", c) != NULL);
}

/* A token or quoted string; the text of the latter without its quotes. */
static struct view take_value(struct cursor *c, struct arena *a, bool (*is)(char))
{
	struct buf text = BUF(4096);
	struct view inner, v = VIEW_NONE;

	lex_cfws(c);
	if (peek_char(c) != '"' || cursor_left(c) == 0)
		return take_while(c, is);
	if (!lex_quoted(c, &inner)) {
		c->failed = true;
		return v;
	}
	lex_unquoted(inner, &text);
	v = arena_copy(a, buf_view(&text));
	buf_free(&text);
	return v;
}

static bool take_sign(struct cursor *c, char sign)
{
	lex_cfws(c);
	return cursor_left(c) && take_char(c, sign);
}

/* Where a parser stands behind the id: at ';', or at a version before it. */
static bool take_id(struct cursor *c, struct arena *a, struct view *ret)
{
	*ret = take_value(c, a, is_token);
	lex_cfws(c);
	if (cursor_left(c) && ascii_digit(*c->p))
		take_while(c, ascii_digit);
	lex_cfws(c);
	return cursor_ok(c) && ret->n && (cursor_left(c) == 0 || *c->p == ';');
}

/* method [ "/" version ] "=" result */
static bool take_method(struct cursor *c, struct authres_result *r)
{
	lex_cfws(c);
	r->method = take_while(c, is_keyword);
	if (take_sign(c, '/')) {
		lex_cfws(c);
		take_while(c, ascii_digit);
	}
	if (r->method.n == 0 || !take_sign(c, '='))
		return false;
	lex_cfws(c);
	r->result = take_while(c, is_keyword);
	return r->result.n > 0;
}

/* reason=value, or ptype.property=value. */
static bool take_property(struct cursor *c, struct arena *a, struct authres_result *r)
{
	struct authres_property p = { .type = take_while(c, is_keyword) };

	if (p.type.n == 0)
		return false;
	if (view_eq_i(p.type, VIEW("reason")) && take_sign(c, '=')) {
		r->reason = take_value(c, a, is_token);
		return cursor_ok(c);
	}
	if (!take_sign(c, '.'))
		return false;
	lex_cfws(c);
	p.name = take_while(c, is_keyword);
	if (p.name.n == 0 || !take_sign(c, '='))
		return false;
	p.value = take_value(c, a, is_plain);
	if (cursor_ok(c) && r->n < AUTHRES_PROPERTIES_MOST)
		r->properties[r->n++] = p;
	return cursor_ok(c);
}

static bool take_result(struct cursor *c, struct arena *a, struct authres_result *r)
{
	*r = (struct authres_result){ 0 };
	if (!take_method(c, r))
		return false;
	for (;;) {
		lex_cfws(c);
		if (cursor_left(c) == 0 || *c->p == ';')
			return true;
		if (!take_property(c, a, r))
			return false;
	}
}

static bool is_none(struct cursor c)
{
	lex_cfws(&c);
	if (!view_eq_i(take_while(&c, is_keyword), VIEW("none")))
		return false;
	lex_cfws(&c);
	return cursor_left(&c) == 0;
}

enum status authres_parse(struct view value, struct arena *a, struct authres *ret)
{
	struct authres out = { .results = arena_array(a, AUTHRES_MOST, sizeof *out.results) };
	struct cursor c = cursor_over(value);

	if (out.results == NULL)
		return arena_status(a);
	if (!take_id(&c, a, &out.id))
		return ST_SYNTAX;
	while (take_sign(&c, ';')) {
		lex_cfws(&c);
		if (cursor_left(&c) == 0 || is_none(c))
			break;
		if (out.n == AUTHRES_MOST)
			return ST_LIMIT;
		if (!take_result(&c, a, &out.results[out.n++]))
			return ST_SYNTAX;
	}
	if (arena_status(a) != ST_OK)
		return arena_status(a);
	*ret = out;
	return ST_OK;
}

/* Nobody reads more into it than we do: a last dot, capitals, quotes. */
bool authres_is_ours(struct view value, struct view id)
{
	struct arena a = ARENA(64 * 1024);
	struct cursor c = cursor_over(value);
	struct view theirs;
	bool ours;

	if (!take_id(&c, &a, &theirs)) {
		ours = true;
	} else {
		if (theirs.n && theirs.p[theirs.n - 1] == '.')
			theirs.n--;
		ours = view_eq_i(theirs, id);
	}
	arena_free(&a);
	return ours;
}

void authres_strip(struct view header, struct view id, void (*put)(void *arg, struct view run), void *arg)
{
	size_t at = 0, from = 0;
	struct field f;

	while (field_next(header, &at, &f)) {
		if (!view_eq_i(f.name, VIEW("Authentication-Results")) || !authres_is_ours(f.value, id))
			continue;
		if (f.start > from)
			put(arg, view_make(header.p + from, f.start - from));
		from = f.end;
	}
	if (from < header.n)
		put(arg, view_skip(header, from));
}

void authres_put_quoted(struct view v, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, v.p[i] >= ' ' && v.p[i] <= '~' ? v.p[i] : '?');
	}
	buf_putc(out, '"');
}

void authres_put_value(struct view v, struct buf *out)
{
	size_t ats = 0, plain = 0;

	for (size_t i = 0; i < v.n; i++) {
		ats += v.p[i] == '@';
		plain += v.p[i] == '@' || (is_token(v.p[i]) && (unsigned char)v.p[i] < 0x80);
	}
	if (v.n && plain == v.n && (ats == 0 || (ats == 1 && v.p[0] != '@' && v.p[v.n - 1] != '@'))) {
		buf_put(out, v);
		return;
	}
	authres_put_quoted(v, out);
}
