#include "msg/section.h"

#include "msg/decode.h"
#include "msg/lex.h"

enum { PIECE = 48 * 1024 };

/* ---- the name ---- */

static const struct {
	struct view name;
	enum section_what what;
} whats[] = {
	{ { "HEADER.FIELDS.NOT", 17 }, SECTION_FIELDS_NOT },
	{ { "HEADER.FIELDS", 13 }, SECTION_FIELDS },
	{ { "HEADER", 6 }, SECTION_HEADER },
	{ { "TEXT", 4 }, SECTION_TEXT },
	{ { "MIME", 4 }, SECTION_MIME },
};

static bool is_name(char c)
{
	return c > ' ' && c != '(' && c != ')' && c != '"' && c != 0x7f;
}

static void take_names(struct cursor *c, struct arena *a, struct section *s)
{
	size_t most = cursor_left(c) / 2 + 1;
	struct view *names = arena_array(a, most, sizeof *names);

	if (names == NULL || !take_char(c, ' ') || !take_char(c, '(')) {
		c->failed = true;
		return;
	}
	s->names = names;
	do {
		struct view name;

		if (peek_char(c) != '"')
			name = take_while(c, is_name);
		else if (!lex_quoted(c, &name))
			c->failed = true;
		if (c->failed || name.n == 0) {
			c->failed = true;
			return;
		}
		names[s->n_names++] = name;
	} while (take_char(c, ' '));
	if (!take_char(c, ')'))
		c->failed = true;
}

/* Part numbers up to what is no number; false when a word must follow. */
static void take_path(struct cursor *c, uint32_t *path, struct section *s)
{
	while (ascii_digit(peek_char(c)) && !c->failed) {
		struct view digits = take_while(c, ascii_digit);
		uint64_t x = 0;

		if (!view_u64(digits, &x) || x == 0 || x > UINT32_MAX || s->depth == SECTION_DEPTH) {
			c->failed = true;
			return;
		}
		path[s->depth++] = (uint32_t)x;
		if (cursor_left(c) && !take_char(c, '.'))
			c->failed = true;
		else if (cursor_left(c) == 0 && c->p[-1] == '.')
			c->failed = true;
	}
}

static void take_what(struct cursor *c, struct section *s)
{
	struct view rest = view_make(c->p, cursor_left(c));

	for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
		if (view_starts_i(rest, whats[i].name)) {
			s->what = whats[i].what;
			c->p += whats[i].name.n;
			return;
		}
	}
	c->failed = true;
}

enum status section_parse(struct view text, struct arena *a, struct section *ret)
{
	struct cursor c = cursor_over(text);
	struct section s = { 0 };
	uint32_t *path = arena_array(a, SECTION_DEPTH, sizeof *path);

	if (path == NULL)
		return arena_status(a);
	s.path = path;
	take_path(&c, path, &s);
	if (cursor_left(&c))
		take_what(&c, &s);
	if (s.what == SECTION_FIELDS || s.what == SECTION_FIELDS_NOT)
		take_names(&c, a, &s);
	if (arena_status(a) != ST_OK)
		return arena_status(a);
	if (!cursor_end(&c) || (s.what == SECTION_MIME && s.depth == 0))
		return ST_SYNTAX;
	*ret = s;
	return ST_OK;
}

/* ---- the part ---- */

static uint32_t nth_child(const struct mime *m, uint32_t i, uint32_t n)
{
	uint32_t c = m->parts[i].child;

	while (c != MIME_NONE && --n)
		c = m->parts[c].next;
	return c;
}

/* Part n of a letter: of one that is not in parts, 1 is its text. */
static uint32_t part_of_letter(const struct mime *m, uint32_t top, uint32_t n)
{
	if (m->parts[top].kind == MIME_MULTIPART)
		return nth_child(m, top, n);
	return n == 1 ? top : MIME_NONE;
}

enum status section_part(const struct mime *m, const uint32_t *path, uint32_t depth, uint32_t *ret_part)
{
	uint32_t at = 0;

	for (uint32_t d = 0; d < depth; d++) {
		const struct mime_part *p = &m->parts[at];

		if (path[d] == 0)
			return ST_MISSING;
		if (d == 0)
			at = part_of_letter(m, 0, path[d]);
		else if (p->kind == MIME_MULTIPART)
			at = nth_child(m, at, path[d]);
		else if (p->kind == MIME_MESSAGE)
			at = part_of_letter(m, p->child, path[d]);
		else
			return ST_MISSING;
		if (at == MIME_NONE)
			return ST_MISSING;
	}
	*ret_part = at;
	return ST_OK;
}

/* ---- the piece ---- */

static bool listed(struct view name, const struct view *names, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (view_eq_i(name, names[i]))
			return true;
	return false;
}

/* Fields of a header section whose name is (or is not) in the list, and an
 * empty line, into out. */
static void header_fields(struct view header, const struct view *names, uint32_t n, bool not, struct buf *out)
{
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f)) {
		if (f.name.n == 0 || listed(f.name, names, n) == not)
			continue;
		buf_put(out, view_make(header.p + f.start, f.end - f.start));
		if (header.p[f.end - 1] != '\n')
			buf_puts(out, "\r\n");
	}
	buf_puts(out, "\r\n");
}

static enum status piece(struct view header, struct view body, const struct section *s, struct buf *out,
			 struct view *ret)
{
	size_t from = out->n;

	switch (s->what) {
	case SECTION_HEADER:
	case SECTION_MIME:
		*ret = header;
		return ST_OK;
	case SECTION_ALL:
	case SECTION_TEXT:
		*ret = body;
		return ST_OK;
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		header_fields(header, s->names, s->n_names, s->what == SECTION_FIELDS_NOT, out);
		if (buf_status(out) == ST_OK)
			*ret = view_make(out->p + from, out->n - from);
		return buf_status(out);
	}
	return ST_MISSING;
}

/* The piece, from a tree that is made already. */
static enum status section_find(const struct mime *m, const struct section *s, struct buf *out, struct view *ret)
{
	uint32_t i = 0;
	enum status st = section_part(m, s->path, s->depth, &i);

	if (st != ST_OK)
		return st;
	if (s->depth == 0 && s->what == SECTION_ALL) {
		*ret = m->letter;
		return ST_OK;
	}
	/* HEADER and TEXT of a part are those of the letter inside. */
	if (s->depth > 0 && s->what != SECTION_ALL && s->what != SECTION_MIME) {
		if (m->parts[i].kind != MIME_MESSAGE)
			return ST_MISSING;
		i = m->parts[i].child;
	}
	return piece(mime_header(m, &m->parts[i]), mime_body(m, &m->parts[i]), s, out, ret);
}

/* Without a path the header's end is all there is to find. */
static enum status of_whole(struct view letter, const struct section *s, struct buf *out, struct view *ret)
{
	struct field f;
	size_t at = 0;

	if (s->what == SECTION_ALL) {
		*ret = letter;
		return ST_OK;
	}
	while (field_next(letter, &at, &f))
		;
	return piece(view_head(letter, at), view_skip(letter, at), s, out, ret);
}

enum status section_of(struct view letter, const struct section *s, struct arena *a, struct buf *out,
		       struct view *ret)
{
	struct mime m;
	enum status st;

	if (s->depth == 0)
		return of_whole(letter, s, out, ret);
	st = mime_parse(letter, a, &m);
	return st == ST_OK ? section_find(&m, s, out, ret) : st;
}

/* ---- decoded ---- */

/* The body and how it is encoded. */
static enum status content_of(struct view letter, const uint32_t *path, uint32_t depth, struct arena *a,
			      struct view *ret, enum mime_encoding *ret_encoding)
{
	struct mime m;
	uint32_t i;
	enum status st;

	*ret = letter;
	*ret_encoding = ENC_BINARY;
	if (depth == 0)
		return ST_OK;
	st = mime_parse(letter, a, &m);
	if (st == ST_OK)
		st = section_part(&m, path, depth, &i);
	if (st != ST_OK)
		return st;
	*ret = mime_body(&m, &m.parts[i]);
	if (m.parts[i].kind != MIME_LEAF)
		return ST_OK;
	*ret_encoding = (enum mime_encoding)m.parts[i].encoding;
	return *ret_encoding == ENC_UNKNOWN ? ST_SYNTAX : ST_OK;
}

enum status section_binary(struct view letter, const uint32_t *path, uint32_t depth, struct arena *a,
			   struct buf *out)
{
	enum mime_encoding encoding;
	struct view body;
	enum status st = content_of(letter, path, depth, a, &body, &encoding);

	if (st != ST_OK)
		return st;
	decode_body(encoding, body, out);
	return buf_status(out);
}

enum status section_binary_size(struct view letter, const uint32_t *path, uint32_t depth,
				struct arena *a, uint64_t *ret_size)
{
	enum mime_encoding encoding;
	struct buf out = BUF(decode_most(PIECE));
	struct decoder d;
	struct view body;
	uint64_t size = 0;
	enum status st = content_of(letter, path, depth, a, &body, &encoding);

	if (st != ST_OK)
		return st;
	if (encoding_is_identity(encoding)) {
		*ret_size = body.n;
		return ST_OK;
	}
	decoder_begin(&d, encoding);
	while (body.n && buf_status(&out) == ST_OK) {
		decoder_put(&d, view_head(body, PIECE), &out);
		body = view_skip(body, PIECE);
		size += out.n;
		out.n = 0;
	}
	decoder_end(&d, &out);
	size += out.n;
	st = buf_status(&out);
	buf_free(&out);
	if (st == ST_OK)
		*ret_size = size;
	return st;
}
