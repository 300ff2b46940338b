#include "trust/tags.h"

#include "msg/lex.h"

static bool is_name(struct view v)
{
	if (v.n == 0 || !ascii_alpha(v.p[0]))
		return false;
	for (size_t i = 1; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '_')
			return false;
	return true;
}

/* VALCHAR and FWS; bytes of UTF-8 too (RFC 8616 5).  Without a way out, so
 * that many go at once. */
static bool is_value(struct view v)
{
	unsigned bad = 0;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		bad |= (unsigned)(c == 0x7f) | ((unsigned)(c < ' ') & (unsigned)(c != '\t') & (unsigned)(c != '\r') &
						(unsigned)(c != '\n'));
	}
	return !bad;
}

enum status tags_parse(struct view text, struct tags *ret)
{
	size_t n = 0;

	while (text.n) {
		struct view one = view_head(text, view_find(text, ';'));
		size_t equals = view_find(one, '=');
		struct tag *t = &ret->t[n];

		text = view_skip(text, one.n + 1);
		/* A ';' at the end is allowed. */
		if (text.n == 0 && lex_trim(one).n == 0)
			break;
		if (n == TAGS_MOST)
			return ST_LIMIT;
		if (equals == one.n)
			return ST_SYNTAX;
		t->name = lex_trim(view_head(one, equals));
		t->raw = view_skip(one, equals + 1);
		t->value = lex_trim(t->raw);
		if (!is_name(t->name) || !is_value(t->value))
			return ST_SYNTAX;
		for (size_t i = 0; i < n; i++)
			if (view_eq(ret->t[i].name, t->name))
				return ST_SYNTAX;
		n++;
	}
	ret->n = n;
	return n ? ST_OK : ST_SYNTAX;
}

const struct tag *tags_find(const struct tags *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (view_eq(t->t[i].name, view_cstr(name)))
			return &t->t[i];
	return NULL;
}

struct view tags_value(const struct tags *t, const char *name)
{
	const struct tag *tag = tags_find(t, name);

	return tag ? tag->value : VIEW_NONE;
}

bool tags_list_next(struct view *list, char separator, struct view *ret)
{
	size_t n = view_find(*list, separator);

	if (list->p == NULL)
		return false;
	*ret = lex_trim(view_head(*list, n));
	*list = n == list->n ? VIEW_NONE : view_skip(*list, n + 1);
	return true;
}

bool tags_list_has(struct view list, char separator, struct view word)
{
	struct view one;

	while (tags_list_next(&list, separator, &one))
		if (view_eq_i(one, word))
			return true;
	return false;
}
