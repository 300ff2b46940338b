#include "msg/mime.h"

#include "msg/lex.h"

struct parser {
	struct view letter;
	struct arena *arena;
	struct mime_part *parts;
	uint32_t n, cap;
	uint32_t lines;		/* line ends before `at` */
	uint32_t at;
	uint32_t current;	/* the innermost part that is open */
	/* Per depth: the boundary of the multipart that is open there; empty when
	 * none is.  A part of depth d has its boundary at d. */
	struct view boundary[MIME_DEPTH_MAX + 1];
};

static const struct {
	struct view name;
	enum mime_encoding encoding;
} encodings[] = {
	{ { "7bit", 4 }, ENC_7BIT },
	{ { "8bit", 4 }, ENC_8BIT },
	{ { "binary", 6 }, ENC_BINARY },
	{ { "quoted-printable", 16 }, ENC_QP },
	{ { "base64", 6 }, ENC_BASE64 },
	{ { "x-uuencode", 10 }, ENC_UUENCODE },
	{ { "x-uue", 5 }, ENC_UUENCODE },
	{ { "uuencode", 8 }, ENC_UUENCODE },
};

static bool is_token(char c)
{
	return !lex_is_blank(c) && c != ';' && c != '(';
}

static enum mime_encoding encoding_of(struct view field)
{
	struct cursor c = cursor_over(field);
	struct view name;

	lex_cfws(&c);
	name = take_while(&c, is_token);
	if (name.n == 0)
		return ENC_7BIT;
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
		if (view_eq_i(name, encodings[i].name))
			return encodings[i].encoding;
	return ENC_UNKNOWN;
}

/* A new part at p->at; the index, or MIME_NONE without memory. */
static uint32_t add_part(struct parser *p, uint32_t parent)
{
	struct mime_part *part;

	if (p->n == p->cap) {
		uint32_t cap = p->cap ? p->cap * 4 : 4;
		struct mime_part *more = arena_array(p->arena, cap, sizeof *more);

		if (more == NULL)
			return MIME_NONE;
		if (p->n)
			memcpy(more, p->parts, p->n * sizeof *more);
		p->parts = more;
		p->cap = cap;
	}
	part = &p->parts[p->n];
	part->parent = parent;
	part->child = part->next = MIME_NONE;
	part->depth = parent == MIME_NONE ? 0 : (uint8_t)(p->parts[parent].depth + 1);
	part->header = part->header_end = part->body = part->end = p->at;
	return p->n++;
}

static void link_child(struct parser *p, uint32_t parent, uint32_t last, uint32_t child)
{
	if (last == MIME_NONE)
		p->parts[parent].child = child;
	else
		p->parts[last].next = child;
}

/* ---- delimiters (RFC 2046 5.1.1) ---- */

/* The depth of the open multipart whose delimiter this line is: the longest
 * boundary that the line begins with, the innermost of equal ones. */
static int delimiter(const struct parser *p, struct view line, bool *ret_closes)
{
	struct view text = view_skip(line, 2);
	int found = -1;
	size_t longest = 0;

	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return -1;
	for (int d = p->parts[p->current].depth; d >= 0; d--) {
		struct view b = p->boundary[d];

		if (b.n > longest && b.n <= text.n && memcmp(b.p, text.p, b.n) == 0) {
			longest = b.n;
			found = d;
		}
	}
	if (found >= 0) {
		text = view_skip(text, longest);
		*ret_closes = text.n >= 2 && text.p[0] == '-' && text.p[1] == '-';
	}
	return found;
}

/* ---- a part begins ---- */

static void note_field(struct parser *p, struct mime_part *part, const struct field *f)
{
	enum field_id id = field_id(f->name);
	struct mime_at *at;

	if (id == FIELD_IDS)
		return;
	at = &part->at[id];
	if (at->start || at->end)
		return;
	at->start = (uint32_t)(f->value.p - p->letter.p);
	at->end = at->start + (uint32_t)f->value.n;
}

/* Reads the header section up to its empty line or to a delimiter around it. */
static void read_header(struct parser *p, struct mime_part *part)
{
	size_t at = part->header;
	struct field f;
	bool closes;

	while (field_next(p->letter, &at, &f)) {
		struct view line = view_make(p->letter.p + f.start, f.end - f.start);

		if (f.start > 0 && line.p[0] == '-' && delimiter(p, line, &closes) >= 0) {
			at = f.start;
			break;
		}
		note_field(p, part, &f);
	}
	part->header_end = part->body = part->end = (uint32_t)at;
	part->encoding = (uint8_t)encoding_of(view_make(p->letter.p + part->at[FIELD_ENCODING].start,
		part->at[FIELD_ENCODING].end - part->at[FIELD_ENCODING].start));
}

/* RFC 2045 5.2: what it is without a readable Content-Type. */
static void set_default(const struct parser *p, struct mime_part *part)
{
	const struct mime_part *parent = part->parent == MIME_NONE ? NULL : &p->parts[part->parent];

	part->content = (struct content){ .type = VIEW("text"), .subtype = VIEW("plain") };
	if (parent && parent->kind == MIME_MULTIPART && view_eq_i(parent->content.subtype, VIEW("digest")))
		part->content = (struct content){ .type = VIEW("message"), .subtype = VIEW("rfc822") };
}

static bool is_type(const struct content *c, struct view type, struct view subtype)
{
	return view_eq_i(c->type, type) && (subtype.n == 0 || view_eq_i(c->subtype, subtype));
}

static struct view boundary_of(const struct content *c)
{
	const struct param *b = content_param(c, VIEW("boundary"));
	struct view v = b ? b->value : VIEW_NONE;

	/* Blanks at its end may get lost on the way (RFC 2046 5.1.1). */
	while (v.n && lex_is_blank(v.p[v.n - 1]))
		v.n--;
	return v.n <= MIME_BOUNDARY_MAX ? v : VIEW_NONE;
}

static const struct content shown_as_text = { .type = { "text", 4 }, .subtype = { "plain", 5 } };
static const struct content not_looked_into = { .type = { "application", 11 }, .subtype = { "octet-stream", 12 } };

static void make_leaf(struct mime_part *part, const struct content *as)
{
	part->kind = MIME_LEAF;
	part->opaque = true;
	part->content = *as;
}

/* Decides what the part is, and opens it. */
static enum status classify(struct parser *p, struct mime_part *part)
{
	struct view type = view_make(p->letter.p + part->at[FIELD_TYPE].start,
				     part->at[FIELD_TYPE].end - part->at[FIELD_TYPE].start);
	struct content c = { 0 };
	bool plain = part->encoding != ENC_BASE64 && part->encoding != ENC_QP &&
		part->encoding != ENC_UUENCODE;
	enum status st = content_parse(type, p->arena, &c);

	if (st != ST_OK)
		return st;
	part->has_type = c.type.n && c.subtype.n;
	if (part->has_type)
		part->content = c;
	else
		set_default(p, part);
	if (is_type(&part->content, VIEW("multipart"), VIEW_NONE)) {
		part->kind = MIME_MULTIPART;
		p->boundary[part->depth] = boundary_of(&part->content);
		if (part->depth >= MIME_DEPTH_MAX)
			make_leaf(part, &not_looked_into);
		else if (p->boundary[part->depth].n == 0)
			make_leaf(part, &shown_as_text);
	} else if (is_type(&part->content, VIEW("message"), VIEW("rfc822")) ||
		   is_type(&part->content, VIEW("message"), VIEW("global"))) {
		part->kind = MIME_MESSAGE;
		if (part->depth >= MIME_DEPTH_MAX || p->n >= MIME_PARTS_MAX || !plain)
			make_leaf(part, &not_looked_into);
	}
	if (part->kind != MIME_MULTIPART)
		p->boundary[part->depth] = VIEW_NONE;
	return ST_OK;
}

static uint32_t count_lines(struct view v)
{
	uint32_t n = 0;
	const char *at = v.p, *end = v.p + v.n;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		n++;
		at++;
	}
	return n;
}

/* Begins a part at p->at, and the letters directly inside of it.  While a
 * part is open its `lines` is the count before its body. */
static enum status begin_part(struct parser *p, uint32_t parent, uint32_t last)
{
	for (;;) {
		uint32_t i = add_part(p, parent);
		struct mime_part *part;
		enum status st;

		if (i == MIME_NONE)
			return arena_status(p->arena);
		if (parent != MIME_NONE)
			link_child(p, parent, last, i);
		part = &p->parts[i];
		p->current = i;
		p->boundary[part->depth] = VIEW_NONE;
		read_header(p, part);
		p->lines += count_lines(view_make(p->letter.p + part->header, part->body - part->header));
		part->lines = p->lines;
		p->at = part->body;
		st = classify(p, part);
		if (st != ST_OK || part->kind != MIME_MESSAGE)
			return st;
		parent = i;
		last = MIME_NONE;
	}
}

/* ---- parts end ---- */

/* Without the line end at `end`, which belongs to the delimiter behind it. */
static uint32_t before_line_end(const struct parser *p, uint32_t body, uint32_t end, uint32_t *lines)
{
	if (end <= body)
		return body;
	if (p->letter.p[end - 1] != '\n')
		return end;
	end--;
	--*lines;
	return end > body && p->letter.p[end - 1] == '\r' ? end - 1 : end;
}

static void close_part(struct parser *p, uint32_t i, uint32_t end, bool at_delimiter)
{
	struct mime_part *part = &p->parts[i];
	uint32_t lines = p->lines;

	part->end = at_delimiter ? before_line_end(p, part->body, end, &lines) : end;
	part->lines = lines > part->lines ? lines - part->lines : 0;
	if (part->kind == MIME_MULTIPART && part->child == MIME_NONE)
		make_leaf(part, &shown_as_text);
}

/* Closes all that is open below depth d; returns the last one closed. */
static uint32_t close_below(struct parser *p, int d, uint32_t end, bool at_delimiter)
{
	uint32_t last = MIME_NONE;

	while (p->current != MIME_NONE && p->parts[p->current].depth > d) {
		last = p->current;
		close_part(p, last, end, at_delimiter);
		p->current = p->parts[last].parent;
	}
	return last;
}

static enum status at_delimiter(struct parser *p, int d, bool closes, uint32_t line_end)
{
	uint32_t start = p->at, last;

	if (p->n >= MIME_PARTS_MAX && !closes)
		return ST_OK;
	last = close_below(p, d, start, true);
	if (closes) {
		p->boundary[d] = VIEW_NONE;
		return ST_OK;
	}
	/* Where nothing was open below, this is the multipart's first part. */
	p->lines++;
	p->at = line_end;
	return begin_part(p, p->current, last);
}

static enum status scan(struct parser *p)
{
	uint32_t size = (uint32_t)p->letter.n;

	while (p->at < size) {
		const char *from = p->letter.p + p->at;
		const char *lf = memchr(from, '\n', size - p->at);
		uint32_t end = lf ? (uint32_t)(lf - p->letter.p) + 1 : size;
		bool closes = false;
		uint32_t before = p->at, n = p->n;
		int d = *from == '-' ? delimiter(p, view_make(from, end - p->at), &closes) : -1;

		if (d >= 0) {
			enum status st = at_delimiter(p, d, closes, end);

			if (st != ST_OK)
				return st;
			if (p->n != n || p->at != before)
				continue;
		}
		p->lines += lf != NULL;
		p->at = end;
	}
	return ST_OK;
}

enum status mime_parse(struct view letter, struct arena *a, struct mime *ret)
{
	struct parser p = { .letter = letter, .arena = a };
	enum status st;

	if (letter.n >= UINT32_MAX)
		return ST_LIMIT;
	if (letter.p == NULL)
		p.letter = VIEW("");
	st = begin_part(&p, MIME_NONE, MIME_NONE);
	if (st == ST_OK)
		st = scan(&p);
	if (st != ST_OK)
		return st;
	close_below(&p, -1, (uint32_t)letter.n, false);
	*ret = (struct mime){ p.letter, p.parts, p.n };
	return ST_OK;
}

bool mime_is_text(const struct mime_part *p)
{
	return p->kind == MIME_LEAF && view_eq_i(p->content.type, VIEW("text"));
}

struct view mime_charset(const struct mime_part *p)
{
	const struct param *c = content_param(&p->content, VIEW("charset"));

	return c ? c->value : VIEW_NONE;
}
