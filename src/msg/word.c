#include "msg/word.h"

#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/lex.h"

enum { CHARSET_NAME = 64 };

struct word {
	struct view charset, text;
	bool base64;
	size_t n;	/* its length with the marks */
};

/* A run of words in one charset, whose octets are converted together. */
struct run {
	struct view charset;
	struct buf octets;
	bool open;
};

/* Where "?=" next stands at or behind `at`; looked for once only, so that many
 * beginnings without end cost no more than one. */
static size_t closing(struct view v, size_t at, size_t *known)
{
	while (*known < at || *known == 0) {
		const char *p = at < v.n ? memmem(v.p + at, v.n - at, "?=", 2) : NULL;

		*known = p ? (size_t)(p - v.p) : v.n;
	}
	return *known;
}

/* =?charset?B?text?= at v.p[at]. */
static bool read_word(struct view v, size_t at, size_t *known, struct word *ret)
{
	struct view rest = view_skip(v, at + 2);
	size_t mark, from, end;

	if (rest.n < 6 || v.p[at + 1] != '?')
		return false;
	mark = view_find(view_head(rest, CHARSET_NAME), '?');
	if (mark == 0 || mark >= CHARSET_NAME || mark + 4 >= rest.n)
		return false;
	ret->charset = view_head(rest, mark);
	for (size_t i = 0; i < mark; i++)
		if (lex_is_blank(rest.p[i]))
			return false;
	rest = view_skip(rest, mark + 1);
	if ((ascii_lower(rest.p[0]) != 'b' && ascii_lower(rest.p[0]) != 'q') || rest.p[1] != '?')
		return false;
	ret->base64 = ascii_lower(rest.p[0]) == 'b';
	/* A "?" inside of the text is against the grammar, and seen: only "?="
	 * ends it. */
	from = (size_t)(rest.p - v.p) + 2;
	end = closing(v, from, known);
	if (end >= v.n)
		return false;
	ret->text = view_make(v.p + from, end - from);
	ret->n = end + 2 - at;
	return true;
}

/* CR, LF and NUL never leave here, whatever was encoded. */
static void put_clean(struct buf *out, size_t from)
{
	if (buf_status(out) != ST_OK)
		return;
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '\r' || out->p[i] == '\n' || out->p[i] == '\0')
			out->p[i] = ' ';
}

static void end_run(struct run *r, struct buf *out)
{
	size_t from = out->n;

	if (!r->open)
		return;
	charset_text(r->charset, buf_view(&r->octets), out);
	put_clean(out, from);
	buf_clear(&r->octets);
	r->open = false;
}

/* Q text with folds inside: the line end and the blanks beside it go. */
static void put_q(struct view text, struct buf *out)
{
	while (text.n) {
		size_t end = view_find(text, '\n');
		struct view line = view_head(text, end);

		decode_q(end < text.n ? lex_trim(line) : line, out);
		text = view_skip(text, end + 1);
		while (text.n && lex_is_blank(text.p[0]))
			text = view_skip(text, 1);
	}
}

static void add_word(struct run *r, const struct word *w, struct buf *out)
{
	if (r->open && !view_eq_i(r->charset, w->charset))
		end_run(r, out);
	r->open = true;
	r->charset = w->charset;
	if (w->base64)
		decode_body(ENC_BASE64, w->text, &r->octets);
	else
		put_q(w->text, &r->octets);
}

/* Text between words.  A fold, with the blanks around it, is one blank: it
 * stands where the writer had one. */
static void put_plain(struct view text, struct buf *out)
{
	size_t from = out->n;
	struct buf line = BUF(text.n + 1);

	while (text.n) {
		size_t end = 0;

		while (end < text.n && text.p[end] != '\r' && text.p[end] != '\n')
			end++;
		buf_put(&line, view_head(text, end));
		text = view_skip(text, end);
		if (text.n == 0)
			break;
		while (line.n && lex_is_blank(line.p[line.n - 1]))
			line.n--;
		while (text.n && lex_is_blank(text.p[0]))
			text = view_skip(text, 1);
		buf_putc(&line, ' ');
	}
	charset_text(VIEW_NONE, buf_view(&line), out);
	if (buf_status(&line) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&line);
	put_clean(out, from);
	buf_free(&line);
}

static bool all_blank(struct view v)
{
	return lex_trim(v).n == 0;
}

void words_decode(struct view text, struct buf *out)
{
	struct run run = { .octets = BUF(text.n + 1) };
	size_t done = 0, at = 0, close = 0;
	struct word w;

	while (at < text.n) {
		struct view between;

		at += view_find(view_skip(text, at), '=');
		if (at >= text.n || !read_word(text, at, &close, &w)) {
			at++;
			continue;
		}
		between = view_make(text.p + done, at - done);
		if (!run.open || !all_blank(between)) {
			end_run(&run, out);
			put_plain(between, out);
		}
		add_word(&run, &w, out);
		at += w.n;
		done = at;
	}
	end_run(&run, out);
	put_plain(view_skip(text, done), out);
	if (buf_status(&run.octets) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&run.octets);
	buf_free(&run.octets);
}
