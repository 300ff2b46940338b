#include "msg/convert.h"

#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/encode.h"

/* RFC 5322 2.1.1, without CRLF. */
enum { LINE_LONGEST = 998 };

struct writer {
	const struct mime *m;
	struct convert_form takes;
	struct arena *a;
	struct buf *out;
	enum status st;
};

/* ---- what is there ---- */

/* NUL, a CR or LF alone, a line too long. */
static bool is_binary(struct view v)
{
	const char *at = v.p, *end = v.p + v.n;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((lf ? lf : end) - at);

		if (lf && (n == 0 || lf[-1] != '\r'))
			return true;
		if (lf)
			n--;
		if (n > LINE_LONGEST || (n && (memchr(at, '\r', n) || memchr(at, '\0', n))))
			return true;
		at = lf ? lf + 1 : end;
	}
	return false;
}

struct convert_form convert_scan(struct view v, bool header)
{
	bool eightbit = !view_is_ascii(v);

	return (struct convert_form){ .eightbit = eightbit && !header, .utf8 = eightbit && header,
				      .binary = v.n && is_binary(v) };
}

static void add(struct convert_form *to, struct convert_form more)
{
	to->eightbit |= more.eightbit;
	to->binary |= more.binary;
	to->utf8 |= more.utf8;
}

/* All that lies between `from` and the part's end is no header of its own. */
static struct convert_form part_needs(const struct mime *m, uint32_t i)
{
	const struct mime_part *p = &m->parts[i];
	struct convert_form f = convert_scan(mime_header(m, p), true);
	uint32_t at = p->body;

	for (uint32_t c = p->child; c != MIME_NONE; c = m->parts[c].next) {
		if (m->parts[c].header > at)
			add(&f, convert_scan(view_make(m->letter.p + at, m->parts[c].header - at), false));
		at = m->parts[c].end;
	}
	if (p->end > at)
		add(&f, convert_scan(view_make(m->letter.p + at, p->end - at), false));
	return f;
}

enum status convert_needs(struct view letter, struct arena *a, struct convert_form *ret)
{
	struct convert_form f = convert_scan(letter, false);
	struct mime m;
	enum status st;

	if (f.eightbit) {
		st = mime_parse(letter, a, &m);
		if (st != ST_OK)
			return st;
		f = (struct convert_form){ .binary = f.binary };
		for (uint32_t i = 0; i < m.n; i++)
			add(&f, part_needs(&m, i));
	}
	*ret = f;
	return ST_OK;
}

/* The part with all in it. */
static bool lacks_below(const struct writer *w, uint32_t i)
{
	const struct mime *m = w->m;
	const struct mime_part *p = &m->parts[i];

	/* Parts stand in the order in which they begin. */
	for (uint32_t j = i; j < m->n && (j == i || m->parts[j].depth > p->depth); j++)
		if (convert_lacks(w->takes, part_needs(m, j)))
			return true;
	return false;
}

/* ---- writing ---- */

static void cannot(struct writer *w)
{
	if (w->st == ST_OK)
		w->st = ST_DENIED;
}

static bool is_letter(const struct mime *m, const struct mime_part *p)
{
	return p->parent == MIME_NONE || m->parts[p->parent].kind == MIME_MESSAGE;
}

static void put_header(struct writer *w, const struct mime_part *p, struct view encoding)
{
	struct view header = mime_header(w->m, p);
	struct field f;

	/* RFC 2045 4: without it the encoding would say nothing. */
	if (encoding.n && is_letter(w->m, p) && !field_find(header, VIEW("MIME-Version"), &f))
		buf_puts(w->out, "MIME-Version: 1.0\r\n");
	if (w->st == ST_OK)
		w->st = convert_header(header, w->takes, encoding, w->a, w->out);
}

/* A composite's encoding says what its parts are now (RFC 2045 6.4). */
static struct view composite_encoding(const struct writer *w, const struct mime_part *p)
{
	if (p->encoding == ENC_BINARY && !w->takes.binary)
		return w->takes.eightbit ? VIEW("8bit") : VIEW("7bit");
	return p->encoding == ENC_8BIT && !w->takes.eightbit ? VIEW("7bit") : VIEW_NONE;
}

/* ---- leaves ---- */

static bool may_be_encoded(const struct mime_part *p)
{
	return !p->opaque && p->encoding != ENC_UUENCODE && !content_is(&p->content, "message", "partial") &&
		!content_is(&p->content, "message", "external-body");
}

static void put_encoded(struct writer *w, const struct mime_part *p, struct view octets, bool qp)
{
	bool ends = p->end == w->m->letter.n;	/* no delimiter brings a line end */

	put_header(w, p, qp ? VIEW("quoted-printable") : VIEW("base64"));
	if (qp)
		encode_qp(octets, w->out);
	else
		encode_base64(octets, w->out);
	if (ends && qp && octets.n && octets.p[octets.n - 1] != '\n')
		buf_puts(w->out, "=\r\n");
	else if (ends && !qp)
		buf_puts(w->out, "\r\n");
}

/* Text that stays readable as quoted-printable, unless it was base64. */
static bool wants_qp(const struct mime_part *p, struct view octets)
{
	if (p->encoding == ENC_QP || p->encoding == ENC_BASE64)
		return p->encoding == ENC_QP;
	return (mime_is_text(p) || view_eq_i(p->content.type, VIEW("message"))) && encode_suits_qp(octets);
}

static void put_leaf(struct writer *w, const struct mime_part *p)
{
	struct view body = mime_body(w->m, p);
	struct buf octets = BUF(body.n + 1);

	if (!convert_lacks(w->takes, convert_scan(body, false))) {
		put_header(w, p, composite_encoding(w, p));
		buf_put(w->out, body);
		return;
	}
	if (!may_be_encoded(p)) {
		cannot(w);
		return;
	}
	decode_body((enum mime_encoding)p->encoding, body, &octets);
	put_encoded(w, p, buf_view(&octets), wants_qp(p, buf_view(&octets)));
	if (w->st == ST_OK)
		w->st = buf_status(&octets);
	buf_free(&octets);
}

/* ---- multiparts ---- */

/* Between two parts: as it is, or the delimiter alone. */
static void put_between(struct writer *w, uint32_t from, uint32_t to, struct view boundary, bool closes)
{
	struct view v = view_make(w->m->letter.p + from, to > from ? to - from : 0);

	if (!convert_lacks(w->takes, convert_scan(v, false))) {
		buf_put(w->out, v);
		return;
	}
	if (!view_is_ascii(boundary)) {
		cannot(w);
		return;
	}
	buf_puts(w->out, "\r\n--");
	buf_put(w->out, boundary);
	buf_puts(w->out, closes ? "--\r\n" : "\r\n");
}

static struct view boundary_of(const struct mime_part *p)
{
	const struct param *b = content_param(&p->content, VIEW("boundary"));

	return b ? b->value : VIEW_NONE;
}

/* Where the children end there may be no closing delimiter, only rest. */
static bool is_closed(const struct mime *m, uint32_t from, uint32_t to, struct view boundary)
{
	struct view v = view_make(m->letter.p + from, to > from ? to - from : 0);
	const char *hit = v.n && boundary.n ? memmem(v.p, v.n, boundary.p, boundary.n) : NULL;

	return hit != NULL;
}

/* ---- the tree ---- */

struct level {
	uint32_t part;
	uint32_t at;		/* written up to there */
	uint32_t next;		/* the child that comes next */
};

static bool is_composite(const struct mime_part *p)
{
	return p->kind != MIME_LEAF && p->child != MIME_NONE;
}

/* A leaf, or the head of a part with children: then true. */
static bool begin(struct writer *w, uint32_t i)
{
	const struct mime_part *p = &w->m->parts[i];

	if (!is_composite(p)) {
		put_leaf(w, p);
		return false;
	}
	if (content_is_sealed(&p->content)) {
		if (lacks_below(w, i))
			cannot(w);
		buf_put(w->out, view_make(w->m->letter.p + p->header, p->end - p->header));
		return false;
	}
	put_header(w, p, composite_encoding(w, p));
	return true;
}

static void end(struct writer *w, const struct level *l)
{
	const struct mime_part *p = &w->m->parts[l->part];

	if (p->kind == MIME_MULTIPART && p->end > l->at)
		put_between(w, l->at, p->end, boundary_of(p),
			    is_closed(w->m, l->at, p->end, boundary_of(p)));
}

static void put_tree(struct writer *w)
{
	struct level levels[MIME_DEPTH_MAX + 2];
	size_t depth = 0;

	if (begin(w, 0))
		levels[depth++] = (struct level){ 0, w->m->parts[0].body, w->m->parts[0].child };
	while (depth && w->st == ST_OK && buf_status(w->out) == ST_OK) {
		struct level *l = &levels[depth - 1];
		const struct mime_part *p = &w->m->parts[l->part], *child;
		uint32_t c = l->next;

		if (c == MIME_NONE) {
			end(w, l);
			depth--;
			continue;
		}
		child = &w->m->parts[c];
		if (p->kind == MIME_MULTIPART)
			put_between(w, l->at, child->header, boundary_of(p), false);
		l->at = child->end;
		l->next = child->next;
		if (begin(w, c))
			levels[depth++] = (struct level){ c, child->body, child->child };
	}
}

enum status convert_letter(struct view letter, struct convert_form takes, struct arena *a,
			   struct buf *out)
{
	struct mime m;
	struct writer w = { .m = &m, .takes = takes, .a = a, .out = out };
	enum status st = mime_parse(letter, a, &m);

	if (st != ST_OK)
		return st;
	/* Delimiters past the limit are content to us and parts to others. */
	if (m.n >= MIME_PARTS_MAX)
		return ST_DENIED;
	put_tree(&w);
	return w.st == ST_OK ? buf_status(out) : w.st;
}
