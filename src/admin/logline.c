#include "admin/logline.h"

static struct view take_token(struct view *left)
{
	struct view token = view_head(*left, view_find(*left, ' '));

	*left = view_skip(*left, token.n + 1);
	return token;
}

bool log_line_split(struct view text, struct log_line *ret)
{
	struct log_line l;

	l.at = take_token(&text);
	l.process = take_token(&text);
	l.event = take_token(&text);
	if (view_eq(l.event, VIEW("warning")) || view_eq(l.event, VIEW("error")))
		l.event = view_make(l.event.p, l.event.n + 1 + take_token(&text).n);
	l.rest = text;
	*ret = l;
	return l.event.n > 0;
}

/* Up to the blank behind it: blanks within quotes belong to it. */
static struct view take_pair(struct view *left)
{
	bool quoted = false;
	size_t n = 0;
	struct view one;

	for (; n < left->n && (quoted || left->p[n] != ' '); n++) {
		if (left->p[n] == '"')
			quoted = !quoted;
		else if (left->p[n] == '\\' && quoted && n + 1 < left->n)
			n++;
	}
	one = view_head(*left, n);
	*left = view_skip(*left, n + 1);
	return one;
}

struct view log_line_pair(struct view rest, const char *key)
{
	size_t n = strlen(key);

	while (rest.n) {
		struct view one = take_pair(&rest);

		if (one.n > n && one.p[n] == '=' && memcmp(one.p, key, n) == 0)
			return view_skip(one, n + 1);
	}
	return VIEW_NONE;
}

static int hex_of(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

void log_line_value(struct view rest, const char *key, struct buf *out)
{
	struct view v = log_line_pair(rest, key);

	if (v.n < 2 || v.p[0] != '"') {
		buf_put(out, v);
		return;
	}
	for (size_t i = 1; i + 1 < v.n; i++) {
		if (v.p[i] == '\\' && v.p[i + 1] == 'x' && i + 3 < v.n) {
			buf_putc(out, (char)(hex_of(v.p[i + 2]) << 4 | hex_of(v.p[i + 3])));
			i += 3;
			continue;
		}
		if (v.p[i] == '\\')
			i++;
		buf_putc(out, v.p[i]);
	}
}
