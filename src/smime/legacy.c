#include "smime/legacy.h"

#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/encode.h"
#include "msg/word.h"

enum { VALUE_MOST = 64 * 1024, TYPE_MOST = 256 * 1024 };

#define PARAMETER "hp-legacy-display"
static const char class_name[] = "header-protection-legacy-display";

/* ---- which parts ---- */

static bool is_html(const struct mime_part *p)
{
	return content_is(&p->content, "text", "html");
}

static bool is_attached(const struct mime *m, const struct mime_part *p)
{
	return view_starts_i(view_trim(mime_field(m, p, FIELD_DISPOSITION)), VIEW("attachment"));
}

/* Are its first bytes what ASCII has. */
static bool begins_ascii(const struct mime_part *p)
{
	static const char *const families[] = { "us-ascii", "utf-8", "iso-8859-", "windows-125", "koi8-" };
	struct view charset = mime_charset(p);

	if (charset.n == 0)
		return true;
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (view_starts_i(charset, view_cstr(families[i])))
			return true;
	return false;
}

static bool is_shown(const struct mime *m, const struct mime_part *p)
{
	return p->kind == MIME_LEAF && !p->opaque && (content_is(&p->content, "text", "plain") || is_html(p)) &&
	       !is_attached(m, p) && begins_ascii(p) && p->encoding != ENC_UUENCODE && p->encoding != ENC_UNKNOWN;
}

/* Does the way from the root down to it lead over main body parts alone. */
static bool is_main(const struct mime *m, uint32_t i)
{
	for (uint32_t up = m->parts[i].parent; up != MIME_NONE; i = up, up = m->parts[i].parent) {
		const struct mime_part *p = &m->parts[up];

		if (p->kind != MIME_MULTIPART || content_is_sealed(&p->content) || is_attached(m, p))
			return false;
		if (!content_is(&p->content, "multipart", "alternative") && p->child != i)
			return false;
	}
	return true;
}

/* ---- parameters of Content-Type ---- */

/* Up to the next ';' that stands in no quotes, or the end. */
static size_t parameter_end(struct view v)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < v.n && (quoted || v.p[i] != ';'); i++) {
		if (quoted && v.p[i] == '\\')
			i++;
		else if (v.p[i] == '"')
			quoted = !quoted;
	}
	return i < v.n ? i : v.n;
}

static bool is_blank(char c)
{
	return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* "hp=...", or with the numbers and stars of RFC 2231. */
static bool is_ours(struct view parameter)
{
	size_t n;

	while (parameter.n && is_blank(parameter.p[0]))
		parameter = view_skip(parameter, 1);
	n = view_find(parameter, '=');
	if (view_find(parameter, '*') < n)
		n = view_find(parameter, '*');
	parameter = view_head(parameter, n);
	while (parameter.n && is_blank(parameter.p[parameter.n - 1]))
		parameter.n--;
	return view_eq_i(parameter, VIEW("hp")) || view_eq_i(parameter, VIEW(PARAMETER));
}

void legacy_put_type(struct view field, struct buf *out)
{
	bool first = true;

	while (field.n) {
		struct view one = view_head(field, parameter_end(field));

		field = view_skip(field, one.n + 1);
		while (one.n && (is_blank(one.p[one.n - 1]) || one.p[one.n - 1] == ';'))
			one.n--;
		if (one.n == 0 || (!first && is_ours(one)))
			continue;
		buf_puts(out, first ? "" : ";");
		buf_put(out, one);
		first = false;
	}
}

/* ---- edits ---- */

static enum status edit(struct legacy *l, size_t at, size_t skip, struct buf *text)
{
	enum status st = buf_status(text);
	struct view v = VIEW_NONE;

	if (st == ST_OK && text->n) {
		v = arena_copy(&l->a, buf_view(text));
		st = arena_status(&l->a);
	}
	buf_free(text);
	if (st == ST_OK && l->n < LEGACY_EDITS_MOST)
		l->all[l->n++] = (struct legacy_edit){ at, skip, v };
	return st;
}

/* The part's type says that there is an element, or that there is none any more. */
static enum status edit_type(struct legacy *l, const struct mime *m, const struct mime_part *p, bool has)
{
	struct buf text = BUF(TYPE_MOST);
	size_t at = p->at[FIELD_TYPE].start, n = p->at[FIELD_TYPE].end - at;

	if (n == 0) {
		at = p->header;
		buf_puts(&text, "Content-Type: text/plain");
	} else {
		legacy_put_type(mime_field(m, p, FIELD_TYPE), &text);
	}
	if (has)
		buf_puts(&text, "; " PARAMETER "=\"1\"");
	if (n == 0)
		buf_puts(&text, "\r\n");
	return edit(l, at, n, &text);
}

enum status legacy_put(const struct legacy *l, size_t from, size_t to, cms_content *take, void *arg)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < l->n && st == ST_OK; i++) {
		const struct legacy_edit *e = &l->all[i];

		/* At the very end: the text of a letter without one. */
		if (e->at < from || (e->at >= to && (e->at > to || to < l->whole.n)))
			continue;
		st = take(arg, view_make(l->whole.p + from, e->at - from));
		if (st == ST_OK && e->text.n)
			st = take(arg, e->text);
		from = e->at + e->skip;
	}
	return st == ST_OK && from < to ? take(arg, view_make(l->whole.p + from, to - from)) : st;
}

void legacy_free(struct legacy *l)
{
	arena_free(&l->a);
}

/* ---- written ---- */

static bool is_utf8(const struct mime_part *p)
{
	return view_eq_i(mime_charset(p), VIEW("utf-8"));
}

static void put_escaped(struct view utf8, bool plain, struct buf *out)
{
	for (size_t i = 0; i < utf8.n; i++) {
		unsigned char c = (unsigned char)utf8.p[i];
		uint32_t rune = c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;

		if (c == '&' || c == '<' || c == '>') {
			buf_puts(out, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
		} else if (c < 0x80 || plain) {
			buf_putc(out, (char)c);
		} else {
			while (i + 1 < utf8.n && ((unsigned char)utf8.p[i + 1] & 0xc0) == 0x80)
				rune = rune << 6 | ((unsigned char)utf8.p[++i] & 0x3f);
			buf_putf(out, "&#x%x;", rune);
		}
	}
}

/* The element in the charset of the part; nothing where that cannot have it. */
static void put_element(const struct mime_part *p, struct view subject, struct buf *out)
{
	struct buf text = BUF(VALUE_MOST);

	words_decode(view_trim(subject), &text);
	if (!is_html(p) && !is_utf8(p) && ascii_run(buf_view(&text)) < text.n) {
		/* As it stands in the header, then: the words can be read, with effort. */
		buf_clear(&text);
		field_unfold(view_trim(subject), &text);
	}
	if (is_html(p)) {
		buf_putf(out, "<div class=\"%s\"><pre>Subject: ", class_name);
		put_escaped(buf_view(&text), is_utf8(p), out);
		buf_puts(out, "</pre></div>");
	} else if (is_utf8(p) || ascii_run(buf_view(&text)) == text.n) {
		buf_putf(out, "Subject: %.*s", VIEW_ARG(buf_view(&text)));
	}
	if (buf_status(&text) != ST_OK)
		buf_clear(out);
	buf_free(&text);
}

/* Behind "<body ...>", where that stands as it is; else in front of all. */
static size_t html_place(struct view body)
{
	for (size_t i = 0; i + 5 < body.n; i++) {
		size_t n;

		if (body.p[i] != '<' || !view_starts_i(view_skip(body, i), VIEW("<body")) || ascii_alpha(body.p[i + 5]))
			continue;
		n = view_find(view_skip(body, i), '>');
		return i + n < body.n ? i + n + 1 : 0;
	}
	return 0;
}

/* In the part's encoding, so that the text behind it goes on as it was: of base64 it
 * has to be whole groups. */
static void put_encoded(const struct mime_part *p, struct buf *element, struct buf *out)
{
	const char *end = is_html(p) ? "\r\n" : "\r\n\r\n";

	while (p->encoding == ENC_BASE64 && (element->n + strlen(end)) % 3)
		buf_putc(element, ' ');
	buf_puts(element, end);
	if (p->encoding == ENC_BASE64) {
		encode_base64(buf_view(element), out);
		buf_puts(out, "\r\n");
	} else if (p->encoding == ENC_QP) {
		encode_qp(buf_view(element), out);
	} else {
		buf_put(out, buf_view(element));
	}
}

static enum status add(struct legacy *l, const struct mime *m, uint32_t i, struct view subject)
{
	const struct mime_part *p = &m->parts[i];
	struct buf element = BUF(4 * VALUE_MOST), text = BUF(16 * VALUE_MOST);
	size_t at = p->body;
	enum status st;

	put_element(p, subject, &element);
	if (element.n == 0 || buf_status(&element) != ST_OK) {
		buf_free(&element);
		return ST_OK;
	}
	if (is_html(p) && p->encoding != ENC_BASE64)
		at += html_place(mime_body(m, p));
	if (p->encoding == ENC_QP && at > p->body)
		buf_puts(&text, "=\r\n");
	put_encoded(p, &element, &text);
	buf_free(&element);
	if (i == 0)
		l->root = true;
	st = i ? edit_type(l, m, p, true) : ST_OK;
	if (st == ST_OK)
		return edit(l, at, 0, &text);
	buf_free(&text);
	return st;
}

typedef enum status change_part(struct legacy *l, const struct mime *m, uint32_t i, struct view subject);

static enum status each_part(struct view entity, struct view subject, change_part *change, struct legacy *ret)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	unsigned parts = 0;
	struct mime m;
	enum status st;

	*ret = (struct legacy){ .whole = entity, .a = ARENA(LEGACY_ARENA_MAX) };
	st = mime_parse(entity, &a, &m);
	for (uint32_t i = 0; st == ST_OK && i < m.n && parts < LEGACY_PARTS_MOST; i++)
		if (is_shown(&m, &m.parts[i]) && is_main(&m, i)) {
			st = change(ret, &m, i, subject);
			parts++;
		}
	arena_free(&a);
	if (st != ST_OK)
		legacy_free(ret);
	return st;
}

enum status legacy_add(struct view entity, struct view subject, struct legacy *ret)
{
	return each_part(entity, subject, add, ret);
}

/* ---- read ---- */

/* Up to and with the first blank line (4.5.3.1); 0: there is none. */
static size_t text_element(struct view text)
{
	size_t at = 0, n;

	while (at < text.n) {
		struct view line = view_skip(text, at);

		n = view_find(line, '\n');
		if (n == line.n)
			return 0;
		at += n + 1;
		if (n == 0 || (n == 1 && line.p[0] == '\r'))
			return at;
	}
	return 0;
}

/* At "<div" or "</div". */
static bool is_tag(struct view v, const char *tag)
{
	size_t n = strlen(tag);

	return view_starts_i(v, view_cstr(tag)) && v.n > n && (is_blank(v.p[n]) || v.p[n] == '>' || v.p[n] == '/');
}

static bool has_class(struct view tag)
{
	size_t n = sizeof class_name - 1;

	for (size_t i = 0; i + n + 2 <= tag.n; i++)
		if ((tag.p[i] == '"' || tag.p[i] == '\'') && tag.p[i + n + 1] == tag.p[i] &&
		    view_starts_i(view_skip(tag, i + 1), view_cstr(class_name)))
			return true;
	return false;
}

/* Blanks and one line end. */
static size_t line_rest(struct view v)
{
	size_t n = 0;

	while (n < v.n && (v.p[n] == ' ' || v.p[n] == '\t' || v.p[n] == '\r'))
		n++;
	return n < v.n && v.p[n] == '\n' ? n + 1 : 0;
}

/* The first <div> of that class, with what is in it (4.5.3.2), and the rest of its last
 * line where that is empty. */
static size_t html_element(struct view text, size_t *ret_at)
{
	size_t depth = 0;

	*ret_at = text.n;
	for (size_t i = 0; i < text.n; i++) {
		struct view v = view_skip(text, i);
		size_t end;

		if (v.p[0] != '<' || (!is_tag(v, "<div") && !is_tag(v, "</div")))
			continue;
		end = view_find(v, '>');
		if (end == v.n)
			break;
		if (v.p[1] != '/' && (depth || has_class(view_head(v, end)))) {
			if (depth++ == 0)
				*ret_at = i;
		} else if (v.p[1] == '/' && depth && --depth == 0) {
			return i + end + 1 + line_rest(view_skip(v, end + 1)) - *ret_at;
		}
		i += end;
	}
	*ret_at = text.n;
	return 0;
}

static size_t find_element(const struct mime_part *p, struct view text, size_t *ret_at)
{
	*ret_at = 0;
	return is_html(p) ? html_element(text, ret_at) : text_element(text);
}

static enum status remove_encoded(struct legacy *l, const struct mime *m, const struct mime_part *p)
{
	struct buf octets = BUF(LEGACY_DECODED_MAX), kept = BUF(LEGACY_DECODED_MAX), text = BUF(4 * LEGACY_DECODED_MAX);
	enum status st = ST_OK;
	size_t at, n;

	decode_body((enum mime_encoding)p->encoding, mime_body(m, p), &octets);
	n = buf_status(&octets) == ST_OK ? find_element(p, buf_view(&octets), &at) : 0;
	if (n) {
		buf_put(&kept, view_head(buf_view(&octets), at));
		buf_put(&kept, view_skip(buf_view(&octets), at + n));
		if (p->encoding == ENC_BASE64)
			encode_base64(buf_view(&kept), &text);
		else
			encode_qp(buf_view(&kept), &text);
		st = edit(l, p->body, p->end - p->body, &text);
	}
	buf_free(&octets);
	buf_free(&kept);
	buf_free(&text);
	return st;
}

static enum status take_out(struct legacy *l, const struct mime *m, uint32_t i, struct view subject)
{
	const struct mime_part *p = &m->parts[i];
	const struct param *has = content_param(&p->content, VIEW(PARAMETER));
	struct buf none = BUF(1);
	size_t at, n;
	enum status st;

	(void)subject;
	if (has == NULL || !view_eq(view_trim(has->value), VIEW("1")))
		return ST_OK;
	st = edit_type(l, m, p, false);
	if (st != ST_OK)
		return st;
	if (!encoding_is_identity((enum mime_encoding)p->encoding))
		return remove_encoded(l, m, p);
	n = find_element(p, mime_body(m, p), &at);
	return n ? edit(l, p->body + at, n, &none) : ST_OK;
}

enum status legacy_remove(struct view entity, struct legacy *ret)
{
	return each_part(entity, VIEW_NONE, take_out, ret);
}
