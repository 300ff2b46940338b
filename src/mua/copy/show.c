/* show.c - a letter as text: its parts, one after the other. */
#include "mua/copy/show.h"

#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/word.h"
#include "mua/copy/html.h"
#include "mua/copy/parts.h"
#include "mua/copy/show_internal.h"
#include "mua/copy/text.h"

enum { NAME_MAX_OCTETS = 200, FIELD_ARENA = 256 * 1024 };

void show_mark(struct showing *s, enum show_style style)
{
	if (s->o->style && style != s->style)
		s->o->style(s->o->style_arg, s->out->n, style);
	s->style = style;
}

void show_note(struct showing *s, const char *text)
{
	show_mark(s, SHOW_NOTE);
	buf_puts(s->out, text);
	buf_putc(s->out, '\n');
	show_mark(s, SHOW_TEXT);
}

/* An empty line, unless there is one. */
static void gap(struct showing *s)
{
	struct view v = buf_view(s->out);

	if (v.n > 1 && !(v.p[v.n - 1] == '\n' && v.p[v.n - 2] == '\n'))
		buf_putc(s->out, '\n');
}

/* ---- one text ---- */

/* Each line by what it begins with. */
static void style_lines(struct showing *s, size_t from)
{
	bool signature = false;

	while (from < s->out->n && s->o->style) {
		struct view v = view_make(s->out->p + from, s->out->n - from);
		size_t n = view_find(v, '\n');
		enum show_style style = SHOW_TEXT;

		signature |= view_eq(view_head(v, n), VIEW("-- ")) || view_eq(view_head(v, n), VIEW("--"));
		if (signature)
			style = SHOW_SIGNATURE;
		else if (v.p[0] == '>')
			style = SHOW_QUOTE;
		else if (v.p[0] == '[' && n > 5 && ascii_digit(v.p[1]) && memmem(v.p, n, "] http", 6))
			style = SHOW_LINK;
		if (style != s->style)
			s->o->style(s->o->style_arg, from, style);
		s->style = style;
		from += n + 1;
	}
}

static bool parameter_is(const struct mime_part *p, struct view name, struct view value)
{
	const struct param *par = content_param(&p->content, name);

	return par && view_eq_i(par->value, value);
}

static void put_leaf(struct showing *s, uint32_t i)
{
	const struct mime_part *p = &s->m->parts[i];
	struct buf text = BUF(SHOW_TEXT_MAX), clean = BUF(SHOW_TEXT_MAX);
	size_t from;

	parts_text(s->m, i, &text);
	gap(s);
	from = s->out->n;
	if (parts_type(s->m, i, "text", "html")) {
		enum status st = html_text(buf_view(&text), s->o->width, true, s->out);

		if (st != ST_OK && s->st == ST_OK)
			s->st = st;
	} else {
		text_harmless(buf_view(&text), true, &clean);
		if (parameter_is(p, VIEW("format"), VIEW("flowed")))
			text_flowed(buf_view(&clean), parameter_is(p, VIEW("delsp"), VIEW("yes")), s->o->width, s->out);
		else
			text_plain(buf_view(&clean), s->o->width, s->out);
	}
	style_lines(s, from);
	show_mark(s, SHOW_TEXT);
	if (buf_status(&text) == ST_LIMIT || buf_status(&clean) == ST_LIMIT)
		show_note(s, "[The text goes on; it is too long to be shown.]");
	else if (buf_status(&text) != ST_OK || buf_status(&clean) != ST_OK)
		s->st = ST_NOMEM;
	s->texts += text.n > 0;
	buf_free(&text);
	buf_free(&clean);
}

/* ---- parts ---- */

static void put_part(struct showing *s, uint32_t i);

static void put_all(struct showing *s, uint32_t i)
{
	for (uint32_t c = s->m->parts[i].child; c != MIME_NONE; c = s->m->parts[c].next)
		put_part(s, c);
}

static void put_multipart(struct showing *s, uint32_t i)
{
	uint32_t one = MIME_NONE;

	if (parts_type(s->m, i, "multipart", "encrypted")) {
		gap(s);
		show_note(s, "[The text is enciphered.]");
		s->texts++;
		return;
	}
	if (parts_type(s->m, i, "multipart", "alternative") || parts_type(s->m, i, "multipart", "related"))
		one = parts_choose(s->m, i, s->o->prefer_html);
	else if (parts_type(s->m, i, "multipart", "signed"))
		one = s->m->parts[i].child;
	if (one != MIME_NONE)
		put_part(s, one);
	else
		put_all(s, i);
}

static void put_inner(struct showing *s, uint32_t i)
{
	uint32_t c = s->m->parts[i].child;

	gap(s);
	show_note(s, "----- A letter inside -----");
	s->texts++;
	if (c == MIME_NONE)
		return;
	if (!s->o->no_headers)
		show_fields(s, c);
	put_part(s, c);
	gap(s);
	show_note(s, "----- End of the letter inside -----");
}

/* Depth is bounded by MIME_DEPTH_MAX. */
static void put_part(struct showing *s, uint32_t i)
{
	const struct mime_part *p = &s->m->parts[i];

	if (buf_status(s->out) != ST_OK || s->st != ST_OK)
		return;
	if (p->kind == MIME_MULTIPART)
		put_multipart(s, i);
	else if (parts_is_attachment(s->m, i))
		return;
	else if (p->kind == MIME_MESSAGE)
		put_inner(s, i);
	else if (parts_is_shown(s->m, i))
		put_leaf(s, i);
	else if (parts_type(s->m, i, "application", "pkcs7-mime") || parts_type(s->m, i, "application", "x-pkcs7-mime")) {
		gap(s);
		show_note(s, "[The text is sealed with S/MIME.]");
		s->texts++;
	}
}

/* ---- what can be saved ---- */

/* A name that is one file's, here, in any folder: no way up, nothing hidden. */
static void put_name(struct view raw, struct buf *out)
{
	struct buf text = BUF(4 * 1024 * 1024), clean = BUF(16 * 1024 * 1024);
	struct view v;
	size_t n;

	words_decode(raw, &text);
	text_harmless(buf_view(&text), false, &clean);
	v = view_trim(buf_view(&clean));
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '/' || v.p[i] == '\\') {
			v = view_skip(v, i + 1);
			i = SIZE_MAX;
		}
	while (v.n && (v.p[0] == '.' || v.p[0] == ' ' || v.p[0] == '-'))
		v = view_skip(v, 1);
	for (n = v.n < NAME_MAX_OCTETS ? v.n : NAME_MAX_OCTETS; n && n < v.n && ((uint8_t)v.p[n] & 0xc0) == 0x80; n--)
		;
	buf_put(out, view_head(v, n));
	buf_free(&text);
	buf_free(&clean);
}

static void put_param(const struct param *p, struct buf *out)
{
	struct buf octets = BUF(CONTENT_FIELD_MAX), text = BUF(4 * CONTENT_FIELD_MAX);

	if (p == NULL || out->n)
		return;
	if (p->extended) {
		param_octets(p, &octets);
		charset_text(p->charset, buf_view(&octets), &text);
		put_name(buf_view(&text), out);
	} else {
		put_name(p->value, out);
	}
	buf_free(&octets);
	buf_free(&text);
}

static const struct {
	const char *type, *subtype, *suffix;
} suffixes[] = {
	{ "text", "plain", "txt" }, { "text", "html", "html" }, { "text", "calendar", "ics" },
	{ "message", "rfc822", "eml" }, { "message", "global", "eml" }, { "image", "jpeg", "jpg" },
	{ "image", "png", "png" }, { "image", "gif", "gif" }, { "application", "pdf", "pdf" },
	{ "application", "zip", "zip" }, { "application", "json", "json" }, { "text", "csv", "csv" },
};

static void name_part(const struct mime *m, uint32_t i, uint32_t number, struct buf *out)
{
	struct arena a = ARENA(FIELD_ARENA);
	struct content d;
	const char *suffix = "bin";

	if (content_parse(mime_field(m, &m->parts[i], FIELD_DISPOSITION), &a, &d) == ST_OK)
		put_param(content_param(&d, VIEW("filename")), out);
	put_param(content_param(&m->parts[i].content, VIEW("name")), out);
	if (out->n == 0) {
		for (size_t k = 0; k < sizeof suffixes / sizeof *suffixes; k++)
			if (parts_type(m, i, suffixes[k].type, suffixes[k].subtype))
				suffix = suffixes[k].suffix;
		buf_putf(out, "part-%u.%s", number, suffix);
	}
	arena_free(&a);
}

static void put_type(const struct mime *m, uint32_t i, struct buf *out)
{
	const struct content *c = &m->parts[i].content;

	for (size_t k = 0; k < c->type.n && k < 64; k++)
		buf_putc(out, ascii_lower(c->type.p[k]));
	buf_putc(out, '/');
	for (size_t k = 0; k < c->subtype.n && k < 64; k++)
		buf_putc(out, ascii_lower(c->subtype.p[k]));
}

static uint64_t octets_of(const struct mime *m, uint32_t i)
{
	const struct mime_part *p = &m->parts[i];
	struct view body = mime_body(m, p);

	size_t n = 0;

	if (p->encoding != ENC_BASE64)
		return body.n;
	/* Lines end with two octets, mostly; padding stands for nothing. */
	n = body.n - (body.n > 2 * (size_t)p->lines ? 2 * (size_t)p->lines : body.n);
	for (size_t k = body.n; k && (body.p[k - 1] == '=' || body.p[k - 1] == '\r' || body.p[k - 1] == '\n'); k--)
		n -= n && body.p[k - 1] == '=';
	return (uint64_t)n * 3 / 4;
}

static enum status one_part(const struct mime *m, uint32_t i, uint32_t number, struct arena *a,
			    struct show_part *p)
{
	struct buf name = BUF(1024), type = BUF(256), clean = BUF(1024);

	name_part(m, i, number, &name);
	put_type(m, i, &type);
	text_harmless(buf_view(&type), false, &clean);
	*p = (struct show_part){ .number = number, .name = arena_copy(a, buf_view(&name)),
				 .type = arena_copy(a, buf_view(&clean)), .size = octets_of(m, i),
				 .attachment = parts_is_attachment(m, i), .part = i };
	buf_free(&name);
	buf_free(&type);
	buf_free(&clean);
	return arena_status(a);
}

/* A letter inside that is for saving is one part, not those in it. */
static bool is_within(const struct mime *m, uint32_t i)
{
	for (uint32_t up = m->parts[i].parent; up != MIME_NONE; up = m->parts[up].parent)
		if (m->parts[up].kind == MIME_MESSAGE && parts_is_attachment(m, up))
			return true;
	return false;
}

enum status show_parts_of(const struct mime *m, struct arena *a, struct show_part **ret, size_t *ret_n)
{
	struct show_part *all = arena_array(a, (size_t)m->n + 1, sizeof *all);
	size_t n = 0;
	enum status st = arena_status(a);

	for (uint32_t i = 0; i < m->n && st == ST_OK && n < SHOW_ATTACHMENTS_MAX; i++) {
		if (m->parts[i].kind == MIME_MULTIPART || is_within(m, i) ||
		    (m->parts[i].kind == MIME_MESSAGE && !parts_is_attachment(m, i)))
			continue;
		st = one_part(m, i, (uint32_t)n + 1, a, &all[n]);
		n++;
	}
	if (st == ST_OK) {
		*ret = all;
		*ret_n = n;
	}
	return st;
}

enum status show_parts(struct view letter, struct arena *a, struct show_part **ret, size_t *ret_n)
{
	struct mime m;
	enum status st = mime_parse(letter, a, &m);

	return st == ST_OK ? show_parts_of(&m, a, ret, ret_n) : st;
}

enum status show_part_octets(struct view letter, uint32_t number, struct buf *out)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct show_part *all;
	struct mime m;
	size_t n = 0;
	enum status st = mime_parse(letter, &a, &m);

	if (st == ST_OK)
		st = show_parts_of(&m, &a, &all, &n);
	if (st == ST_OK && (number == 0 || number > n))
		st = ST_MISSING;
	if (st == ST_OK) {
		const struct mime_part *p = &m.parts[all[number - 1].part];

		decode_body((enum mime_encoding)p->encoding, mime_body(&m, p), out);
		st = buf_status(out);
	}
	arena_free(&a);
	return st;
}

void show_size(uint64_t n, struct buf *out)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	size_t u = 0;
	uint64_t tenths = n * 10;

	for (; tenths >= 10240 && u < 3; u++)
		tenths /= 1024;
	if (u && tenths < 100)
		buf_putf(out, "%llu.%llu %s", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10), units[u]);
	else
		buf_putf(out, "%llu %s", (unsigned long long)(tenths / 10), units[u]);
}

static void put_attachments(struct showing *s, struct arena *a)
{
	struct show_part *all;
	size_t n = 0;
	bool first = true;

	if (show_parts_of(s->m, a, &all, &n) != ST_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!all[i].attachment)
			continue;
		if (first)
			gap(s);
		first = false;
		show_mark(s, SHOW_ATTACHMENT);
		buf_putf(s->out, "[%u] %.*s  %.*s  ", all[i].number, VIEW_ARG(all[i].name), VIEW_ARG(all[i].type));
		show_size(all[i].size, s->out);
		buf_putc(s->out, '\n');
	}
	show_mark(s, SHOW_TEXT);
}

/* ---- all ---- */

enum status show_letter(struct view letter, bool whole, const struct show_options *o, struct buf *out)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct mime m;
	struct showing s = { .o = o, .m = &m, .a = &a, .out = out, .st = ST_OK, .style = SHOW_TEXT };
	enum status st = mime_parse(letter, &a, &m);

	if (st == ST_OK) {
		if (!o->no_headers)
			show_head(&s);
		if (!whole) {
			gap(&s);
			show_note(&s, "[The text is not here yet.]");
		} else {
			put_part(&s, 0);
			if (s.texts == 0 && !o->no_headers) {
				gap(&s);
				show_note(&s, "[There is no text.]");
			}
			if (!o->no_attachments)
				put_attachments(&s, &a);
		}
		st = s.st == ST_OK ? buf_status(out) : s.st;
	}
	arena_free(&a);
	return st;
}

enum status show_body(struct view letter, size_t width, struct buf *out)
{
	struct show_options o = { .width = width, .no_headers = true, .no_attachments = true };

	return show_letter(letter, true, &o, out);
}
