#include "msg/lex.h"

void lex_blank(struct cursor *c)
{
	while (cursor_left(c) && lex_is_blank(*c->p))
		c->p++;
}

void lex_comment(struct cursor *c, struct view *ret_inner)
{
	const char *from = ++c->p;
	size_t depth = 1;

	for (; c->p < c->end; c->p++) {
		if (*c->p == '\\' && c->p + 1 < c->end) {
			c->p++;
		} else if (*c->p == '(') {
			depth++;
		} else if (*c->p == ')' && --depth == 0) {
			*ret_inner = view_make(from, (size_t)(c->p - from));
			c->p++;
			return;
		}
	}
	*ret_inner = view_make(from, (size_t)(c->p - from));
}

void lex_cfws(struct cursor *c)
{
	struct view inner;

	for (;;) {
		lex_blank(c);
		if (peek_char(c) != '(')
			return;
		lex_comment(c, &inner);
	}
}

bool lex_quoted(struct cursor *c, struct view *ret_inner)
{
	const char *p = c->p + 1;

	for (; p < c->end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < c->end)
			p++;
	if (p >= c->end)
		return false;
	*ret_inner = view_make(c->p + 1, (size_t)(p - c->p) - 1);
	c->p = p + 1;
	return true;
}

void lex_unquoted(struct view v, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c != '\\' && c != '\r' && c != '\n' && c != '\0')
			continue;
		buf_put(out, view_make(v.p + from, i - from));
		/* The character behind a backslash is itself, unless it is one
		 * that is dropped anyway. */
		if (c == '\\' && i + 1 < v.n && (v.p[i + 1] == '\\' || v.p[i + 1] == '"'))
			buf_putc(out, v.p[++i]);
		from = i + 1;
	}
	if (from < v.n)
		buf_put(out, view_make(v.p + from, v.n - from));
}

struct view lex_trim(struct view v)
{
	while (v.n && lex_is_blank(v.p[0]))
		v = view_skip(v, 1);
	while (v.n && lex_is_blank(v.p[v.n - 1]))
		v.n--;
	return v;
}
