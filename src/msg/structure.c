#include "msg/structure.h"

#include "msg/imapstr.h"
#include "msg/lex.h"

static const char *const encoding_names[] = {
	[ENC_7BIT] = "7bit", [ENC_8BIT] = "8bit", [ENC_BINARY] = "binary",
	[ENC_QP] = "quoted-printable", [ENC_BASE64] = "base64", [ENC_UUENCODE] = "x-uuencode",
};

static struct view field_of(const struct mime *m, const struct mime_part *p, enum field_id id)
{
	return lex_trim(view_head(mime_field(m, p, id), STRUCTURE_FIELD_MAX));
}

/* A value with a charset or sections is one parameter "name*" with the text of
 * RFC 2231 4; sections are joined, as RFC 2231 6 asks of IMAP servers. */
static void put_param(const struct param *p, struct buf *out)
{
	struct buf text = BUF(CONTENT_FIELD_MAX * 4);

	if (!p->extended) {
		imapstr_put(out, p->name);
		buf_putc(out, ' ');
		imapstr_put(out, p->value);
		return;
	}
	buf_put(&text, p->name);
	buf_putc(&text, '*');
	imapstr_put(out, buf_view(&text));
	buf_clear(&text);
	buf_put(&text, p->charset);
	buf_putc(&text, '\'');
	buf_put(&text, p->language);
	buf_putc(&text, '\'');
	buf_put(&text, p->value);
	buf_putc(out, ' ');
	imapstr_put(out, buf_view(&text));
	if (out->st == ST_OK)
		out->st = buf_status(&text);
	buf_free(&text);
}

static void put_params(const struct content *c, struct buf *out)
{
	if (c->n == 0) {
		buf_puts(out, "NIL");
		return;
	}
	buf_putc(out, '(');
	for (uint32_t i = 0; i < c->n; i++) {
		if (i)
			buf_putc(out, ' ');
		put_param(&c->params[i], out);
	}
	buf_putc(out, ')');
}

/* body-fld-dsp */
static void put_disposition(struct view field, struct buf *out)
{
	struct arena a = ARENA(1024 * 1024);
	struct content c = { 0 };
	enum status st = content_parse(field, &a, &c);

	if (st != ST_OK && out->st == ST_OK)
		out->st = st;
	if (c.type.n == 0) {
		buf_puts(out, "NIL");
	} else {
		buf_putc(out, '(');
		imapstr_put(out, c.type);
		buf_putc(out, ' ');
		put_params(&c, out);
		buf_putc(out, ')');
	}
	arena_free(&a);
}

static bool is_tag(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-';
}

/* body-fld-lang: one string or a list (RFC 3282). */
static void put_languages(struct view field, struct buf *out)
{
	struct cursor c = cursor_over(field);
	size_t before = out->n;

	while (cursor_left(&c)) {
		struct view tag;

		lex_cfws(&c);
		tag = take_while(&c, is_tag);
		if (tag.n) {
			buf_putc(out, out->n == before ? '(' : ' ');
			imapstr_put(out, tag);
		} else if (cursor_left(&c)) {
			c.p++;
		}
	}
	buf_puts(out, out->n == before ? "NIL" : ")");
}

/* body-ext: what follows is alike for one part and for many. */
static void put_extension(const struct mime *m, const struct mime_part *p, struct buf *out)
{
	buf_putc(out, ' ');
	put_disposition(field_of(m, p, FIELD_DISPOSITION), out);
	buf_putc(out, ' ');
	put_languages(field_of(m, p, FIELD_LANGUAGE), out);
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_LOCATION));
}

static void put_encoding(const struct mime *m, const struct mime_part *p, struct buf *out)
{
	if (p->encoding == ENC_UNKNOWN) {
		imapstr_put(out, view_head(field_of(m, p, FIELD_ENCODING), 256));
		return;
	}
	buf_putc(out, '"');
	buf_puts(out, encoding_names[p->encoding]);
	buf_putc(out, '"');
}

/* body-type-1part */
static void put_one(const struct mime *m, const struct mime_part *p, bool extended, struct buf *out)
{
	imapstr_put(out, p->content.type);
	buf_putc(out, ' ');
	imapstr_put(out, p->content.subtype);
	buf_putc(out, ' ');
	if (!p->has_type && mime_is_text(p))
		buf_puts(out, "(\"charset\" \"us-ascii\")");	/* RFC 2045 5.2 */
	else
		put_params(&p->content, out);
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_ID));
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_DESCRIPTION));
	buf_putc(out, ' ');
	put_encoding(m, p, out);
	buf_putc(out, ' ');
	buf_putu(out, p->end - p->body);
	if (p->kind == MIME_MESSAGE) {
		buf_putc(out, ' ');
		put_envelope(m, p->child, out);
		buf_putc(out, ' ');
		put_structure(m, p->child, extended, out);
	}
	if (p->kind == MIME_MESSAGE || mime_is_text(p)) {
		buf_putc(out, ' ');
		buf_putu(out, p->lines);
	}
	if (extended) {
		buf_putc(out, ' ');
		imapstr_put_nil(out, field_of(m, p, FIELD_MD5));
		put_extension(m, p, out);
	}
}

/* body-type-mpart */
static void put_many(const struct mime *m, const struct mime_part *p, bool extended, struct buf *out)
{
	for (uint32_t c = p->child; c != MIME_NONE; c = m->parts[c].next)
		put_structure(m, c, extended, out);
	buf_putc(out, ' ');
	imapstr_put(out, p->content.subtype);
	if (extended) {
		buf_putc(out, ' ');
		put_params(&p->content, out);
		put_extension(m, p, out);
	}
}

void put_structure(const struct mime *m, uint32_t i, bool extended, struct buf *out)
{
	const struct mime_part *p = &m->parts[i];

	buf_putc(out, '(');
	if (p->kind == MIME_MULTIPART)
		put_many(m, p, extended, out);
	else
		put_one(m, p, extended, out);
	buf_putc(out, ')');
}
