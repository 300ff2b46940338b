#include "msg/imapstr.h"

#include "msg/charset.h"

enum { QUOTED_MAX = 2000 };

enum { CHAR_PLAIN, CHAR_QUOTE, CHAR_LINE, CHAR_HIGH };

static int char_kind(uint8_t c)
{
	if (c == '"' || c == '\\')
		return CHAR_QUOTE;
	if (c == '\r' || c == '\n' || c == '\0')
		return CHAR_LINE;
	return c < 0x80 ? CHAR_PLAIN : CHAR_HIGH;
}

/* Line ends are dropped where they are folds, and blanks elsewhere. */
static void put_unfolded(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (char_kind((uint8_t)c) != CHAR_LINE)
			buf_putc(out, c);
		else if (c == '\0' || i + 1 == v.n || (v.p[i + 1] != ' ' && v.p[i + 1] != '\t' && v.p[i + 1] != '\n'))
			buf_putc(out, ' ');
	}
}

/* False, and nothing put, where it cannot be a quoted string as it stands. */
static bool put_quoted(struct buf *out, struct view v)
{
	char *to;
	size_t n = 0;

	if (v.n > QUOTED_MAX || buf_reserve(out, 2 * v.n + 2, &to) != ST_OK)
		return false;
	to[n++] = '"';
	for (size_t i = 0; i < v.n; i++) {
		int kind = char_kind((uint8_t)v.p[i]);

		if (kind > CHAR_QUOTE)
			return false;
		if (kind == CHAR_QUOTE)
			to[n++] = '\\';
		to[n++] = v.p[i];
	}
	to[n++] = '"';
	out->n += n;
	return true;
}

static void put_literal(struct buf *out, struct view v)
{
	buf_putc(out, '{');
	buf_putu(out, v.n);
	buf_puts(out, "}\r\n");
	buf_put(out, v);
}

void imapstr_put(struct buf *out, struct view v)
{
	struct buf line = BUF(v.n), text = BUF(3 * v.n + 16);

	if (buf_status(out) != ST_OK || put_quoted(out, v))
		return;
	put_unfolded(&line, v);
	charset_text(VIEW_NONE, buf_view(&line), &text);
	if (!view_is_ascii(buf_view(&text)) || !put_quoted(out, buf_view(&text)))
		put_literal(out, buf_view(&text));
	if (out->st == ST_OK)
		out->st = buf_status(&line) != ST_OK ? buf_status(&line) : buf_status(&text);
	buf_free(&line);
	buf_free(&text);
}

void imapstr_put_nil(struct buf *out, struct view v)
{
	if (v.n == 0)
		buf_puts(out, "NIL");
	else
		imapstr_put(out, v);
}
