#include "trust/tags.h"

#include "msg/lex.h"

typedef uint8_t octets __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));

enum { WIDE = sizeof(octets) };

static bool is_name(struct view v)
{
	if (v.n == 0 || !ascii_alpha(v.p[0]))
		return false;
	for (size_t i = 1; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '_')
			return false;
	return true;
}

/* VALCHAR and FWS; bytes of UTF-8 too (RFC 8616 5). */
static bool is_bad(char x)
{
	unsigned char c = (unsigned char)x;

	return (c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

/* Marks those that is_bad tells, of WIDE. */
static bool has_bad(const char *p)
{
	const octets none = { 0 };
	octets x;
	words w;

	memcpy(&x, p, WIDE);
	w = (words)(((octets)(x < none + ' ') & (octets)(x != none + '\t') & (octets)(x != none + '\r') &
		     (octets)(x != none + '\n')) | (octets)(x == none + 0x7f));
	return (w[0] | w[1]) != 0;
}

static bool is_value(struct view v)
{
	size_t i = 0;

	for (; i + WIDE <= v.n; i += WIDE)
		if (has_bad(v.p + i))
			return false;
	while (i < v.n && !is_bad(v.p[i]))
		i++;
	return i == v.n;
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
