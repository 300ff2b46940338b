#include "msg/search.h"

#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/word.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

enum { PIECE = 32 * 1024, TEXT_MAX = 1024 * 1024, HEADER_TEXT_MAX = 256 * 1024 };

/* One search over one letter: what is reused from part to part. */
struct search {
	const struct needle *needle;
	struct grams *grams;	/* not NULL: nothing is looked for, all text goes there */
	struct buf octets;	/* a piece with its encoding undone */
	struct buf text;	/* ... its charset too: UTF-8, searched up to its end */
	struct buf folded;	/* ... folded; the end of the piece before is kept */
	enum status st;
	bool found;
};

/* ---- folding ---- */

static void fold_ascii(struct view v, struct buf *out)
{
	char *to;

	if (buf_reserve(out, v.n, &to) != ST_OK)
		return;
	for (size_t i = 0; i < v.n; i++)
		to[i] = ascii_lower(v.p[i]);
	out->n += v.n;
}

static size_t high_run(struct view v)
{
	size_t i = 0;

	while (i < v.n && (uint8_t)v.p[i] >= 0x80)
		i++;
	return i;
}

/* Full case folding, then canonical decomposition, so that composed and
 * decomposed letters are the same.  Neither looks from an ASCII character to
 * its neighbours, so runs can be folded one by one. */
static enum status fold(struct view v, struct buf *out)
{
	while (v.n && buf_status(out) == ST_OK) {
		size_t run = ascii_run(v), n;
		uint8_t *p;

		fold_ascii(view_head(v, run), out);
		v = view_skip(v, run);
		if (v.n == 0)
			break;
		run = high_run(v);
		p = u8_casefold((const uint8_t *)v.p, run, NULL, UNINORM_NFD, NULL, &n);
		if (p == NULL)
			return ST_NOMEM;
		buf_put(out, view_make((const char *)p, n));
		free(p);
		v = view_skip(v, run);
	}
	return buf_status(out);
}

enum status needle_make(struct view utf8, struct arena *a, struct needle *ret)
{
	struct buf clean = BUF(3 * NEEDLE_MAX), folded = BUF(16 * NEEDLE_MAX);
	struct view kept;
	enum status st;

	if (utf8.n > NEEDLE_MAX)
		return ST_LIMIT;
	charset_text(VIEW("utf-8"), utf8, &clean);
	st = fold(buf_view(&clean), &folded);
	if (st == ST_OK)
		st = buf_status(&clean);
	kept = arena_copy(a, buf_view(&folded));
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = (struct needle){ scan_for(kept), view_is_ascii(kept),
			view_find(kept, ' ') < kept.n || view_find(kept, '\t') < kept.n };
	buf_free(&clean);
	buf_free(&folded);
	return st;
}

/* ---- a stream of UTF-8 ---- */

static void note(struct search *s, enum status st)
{
	if (s->st == ST_OK)
		s->st = st;
}

/* Up to where a text may be cut before it is folded: behind its last line end,
 * else before its last ASCII character. */
static size_t cut(struct view v)
{
	const char *lf = memrchr(v.p, '\n', v.n);
	size_t n = v.n;

	if (lf)
		return (size_t)(lf - v.p) + 1;
	while (n && (uint8_t)v.p[n - 1] >= 0x80)
		n--;
	return n > 1 ? n - 1 : v.n;
}

static void look_folded(struct search *s, struct view piece)
{
	size_t keep = s->needle->scan.needle.n;

	note(s, fold(piece, &s->folded));
	if (s->grams) {
		grams_put(s->grams, buf_view(&s->folded));
		buf_clear(&s->folded);
		return;
	}
	s->found |= scan_in(&s->needle->scan, buf_view(&s->folded));
	keep = keep > 0 ? keep - 1 : 0;
	if (s->folded.n > keep)
		buf_drop(&s->folded, s->folded.n - keep);
}

/* Searches what s->text holds and drops it but for the end, which the next
 * piece may continue. */
static void look(struct search *s, bool last)
{
	struct view v = buf_view(&s->text);
	size_t keep = s->needle->scan.needle.n;

	if (s->needle->ascii) {
		s->found |= scan_in(&s->needle->scan, v);
		if (keep > 0 && v.n >= keep)
			buf_drop(&s->text, v.n - keep + 1);
	} else {
		size_t n = last || v.n > TEXT_MAX / 2 ? v.n : cut(v);

		look_folded(s, view_head(v, n));
		buf_drop(&s->text, n);
	}
	note(s, buf_status(&s->text));
	if (last) {
		buf_clear(&s->text);
		buf_clear(&s->folded);
		if (s->grams)
			grams_break(s->grams);
	}
}

/* What is searched where it lies when the needle allows it. */
static void look_raw(struct search *s, struct view v)
{
	if (s->grams == NULL) {
		s->found |= scan_in(&s->needle->scan, v);
		return;
	}
	grams_put(s->grams, v);
	grams_break(s->grams);
}

/* ---- a part's content ---- */

/* What a piece has brought may be very much more than it was (decode.h). */
static void look_octets(struct search *s, struct charset *c, bool last)
{
	struct view v = buf_view(&s->octets);

	note(s, buf_status(&s->octets));
	for (; v.n > PIECE && !s->found && s->st == ST_OK; v = view_skip(v, PIECE)) {
		charset_put(c, view_head(v, PIECE), &s->text);
		look(s, false);
	}
	charset_put(c, v, &s->text);
	if (last)
		charset_end(c, &s->text);
	look(s, last);
}

/* Decodes in pieces and looks into each. */
static void look_decoded(struct search *s, struct view body, enum mime_encoding encoding, struct view charset)
{
	struct charset c;
	struct decoder d;

	decoder_begin(&d, encoding);
	charset_open(&c, charset);
	if (s->grams && c.unopened)
		note(s, ST_MISSING);
	while (body.n && !s->found && s->st == ST_OK) {
		buf_clear(&s->octets);
		decoder_put(&d, view_head(body, PIECE), &s->octets);
		body = view_skip(body, PIECE);
		if (body.n == 0)
			decoder_end(&d, &s->octets);
		look_octets(s, &c, body.n == 0);
	}
	charset_close(&c);
}

/* Whether ASCII text stands in that charset as it is. */
static bool keeps_ascii(struct view charset)
{
	struct charset c;
	bool kept;

	if (charset.n == 0)
		return true;
	charset_open(&c, charset);
	kept = c.kind != CHARSET_ICONV && !c.unopened;
	charset_close(&c);
	return kept;
}

static void look_into_body(struct search *s, const struct mime *m, const struct mime_part *p)
{
	enum mime_encoding encoding = (enum mime_encoding)p->encoding;
	struct view body = mime_body(m, p), charset = mime_charset(p);
	bool raw = encoding_is_identity(encoding) && keeps_ascii(charset);

	if (raw && (s->needle->ascii || s->grams))
		look_raw(s, body);
	/* What is ASCII and stays so has no other text than its own. */
	if (!raw || (s->grams ? !view_is_ascii(body) : !s->needle->ascii))
		look_decoded(s, body, encoding, charset);
}

/* ---- headers ---- */

static void look_into_value(struct search *s, struct view value)
{
	words_decode(view_head(value, HEADER_TEXT_MAX), &s->text);
	look(s, true);
}

/* The charsets of its encoded words can be read. */
static bool is_readable(struct view header)
{
	bool readable = true;

	for (const char *at; readable && (at = memmem(header.p, header.n, "=?", 2)) != NULL;) {
		struct charset c;

		header = view_skip(header, (size_t)(at - header.p) + 2);
		charset_open(&c, view_head(header, view_find(header, '?')));
		readable = !c.unopened;
		charset_close(&c);
	}
	return readable;
}

/* What its fields say is what they are written with, folds aside: no encoded
 * words, no 8-bit text. */
static bool is_plain(struct view header)
{
	return view_is_ascii(header) && memmem(header.p, header.n, "=?", 2) == NULL;
}

static void look_into_header(struct search *s, struct view header)
{
	struct field f;
	size_t at = 0;

	if (header.n == 0)
		return;
	if (s->grams && !is_readable(header))
		note(s, ST_MISSING);
	/* A needle with a blank could lie across a fold. */
	if ((s->grams || (s->needle->ascii && !s->needle->blank)) && is_plain(header)) {
		look_raw(s, header);
		if (s->grams == NULL)
			return;
	}
	while (!s->found && s->st == ST_OK && field_next(header, &at, &f))
		look_into_value(s, view_make(header.p + f.start, f.end - f.start));
}

/* ---- letters ---- */

static struct search begin(const struct needle *n)
{
	return (struct search){
		.needle = n, .octets = BUF(decode_most(PIECE)), .text = BUF(TEXT_MAX), .folded = BUF(16 * TEXT_MAX),
	};
}

static enum status finish(struct search *s, bool *ret_found)
{
	buf_free(&s->octets);
	buf_free(&s->text);
	buf_free(&s->folded);
	if (s->st == ST_OK || s->found)
		*ret_found = s->found;
	return s->found ? ST_OK : s->st;
}

enum status search_plain(struct view utf8, const struct needle *n, bool *ret_found)
{
	struct search s = begin(n);

	if (n->ascii)
		s.found = scan_in(&n->scan, utf8);
	else
		look_decoded(&s, utf8, ENC_BINARY, VIEW("utf-8"));
	return finish(&s, ret_found);
}

enum status search_field(struct view letter, struct view name, const struct needle *n, bool *ret_found)
{
	struct search s = begin(n);
	struct field f;
	size_t at = 0;

	while (!s.found && s.st == ST_OK && field_next(letter, &at, &f)) {
		if (!view_eq_i(f.name, name))
			continue;
		s.found = n->scan.needle.n == 0;
		look_into_value(&s, f.value);
	}
	return finish(&s, ret_found);
}

static enum status search_letter(struct view letter, const struct needle *n, bool header, struct grams *g,
				 bool *ret_found)
{
	struct arena arena = ARENA(MIME_ARENA_MAX);
	struct search s = begin(n);
	struct mime m;

	s.grams = g;
	s.found = g == NULL && n->scan.needle.n == 0;
	s.st = s.found ? ST_OK : mime_parse(letter, &arena, &m);
	for (uint32_t i = 0; s.st == ST_OK && !s.found && i < m.n; i++) {
		const struct mime_part *p = &m.parts[i];

		if (i > 0 || header)
			look_into_header(&s, mime_header(&m, p));
		if (!s.found && s.st == ST_OK && mime_is_text(p))
			look_into_body(&s, &m, p);
	}
	arena_free(&arena);
	return finish(&s, ret_found);
}

enum status search_body(struct view letter, const struct needle *n, bool *ret_found)
{
	return search_letter(letter, n, false, NULL, ret_found);
}

enum status search_text(struct view letter, const struct needle *n, bool *ret_found)
{
	return search_letter(letter, n, true, NULL, ret_found);
}

/* Fields of the header are searched alone too, without their names. */
static enum status grams_of_fields(struct view letter, const struct needle *any, struct grams *g)
{
	struct search s = begin(any);
	struct field f;
	size_t at = 0;
	bool none;

	s.grams = g;
	while (s.st == ST_OK && field_next(letter, &at, &f))
		look_into_value(&s, f.value);
	return finish(&s, &none);
}

enum status search_grams(struct view letter, struct grams *g)
{
	const struct needle any = { .ascii = false };
	bool none;
	enum status st = grams_of_fields(letter, &any, g);

	return st == ST_OK ? search_letter(letter, &any, true, g, &none) : st;
}
