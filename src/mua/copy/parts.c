#include "mua/copy/parts.h"

#include "msg/charset.h"
#include "msg/decode.h"

enum { FIELD_ARENA = 256 * 1024, PIECE = 64 * 1024 };

bool parts_type(const struct mime *m, uint32_t i, const char *type, const char *subtype)
{
	const struct content *c = &m->parts[i].content;

	return view_eq_i(c->type, view_cstr(type)) && (subtype == NULL || view_eq_i(c->subtype, view_cstr(subtype)));
}

/* Text that is for programs, or that nobody reads as it stands. */
static const char *const not_text[] = { "calendar", "vcard", "x-vcard", "directory", "rtf", "css", "javascript" };
static const char *const reports[] = { "delivery-status", "disposition-notification", "global-delivery-status",
				       "global-disposition-notification", "global-headers", "feedback-report" };

bool parts_is_shown(const struct mime *m, uint32_t i)
{
	if (m->parts[i].kind != MIME_LEAF || m->parts[i].opaque)
		return false;
	for (size_t k = 0; k < sizeof reports / sizeof *reports; k++)
		if (parts_type(m, i, "message", reports[k]))
			return true;
	for (size_t k = 0; k < sizeof not_text / sizeof *not_text; k++)
		if (parts_type(m, i, "text", not_text[k]))
			return false;
	return parts_type(m, i, "text", NULL);
}

static bool says(const struct mime *m, uint32_t i, struct view disposition)
{
	struct arena a = ARENA(FIELD_ARENA);
	struct content c;
	bool same = content_parse(mime_field(m, &m->parts[i], FIELD_DISPOSITION), &a, &c) == ST_OK &&
		    view_eq_i(c.type, disposition);

	arena_free(&a);
	return same;
}

/* Signatures and the envelopes of ciphers: the seal's, not the person's. */
static bool is_seal(const struct mime *m, uint32_t i)
{
	static const char *const seals[] = { "pkcs7-signature", "x-pkcs7-signature", "pgp-signature",
					     "pgp-encrypted", "pkcs7-mime", "x-pkcs7-mime" };

	for (size_t k = 0; k < sizeof seals / sizeof *seals; k++)
		if (parts_type(m, i, "application", seals[k]))
			return true;
	return false;
}

/* An image of an HTML page, say. */
static bool is_of_page(const struct mime *m, uint32_t i)
{
	uint32_t up = m->parts[i].parent;

	return up != MIME_NONE && m->parts[up].kind == MIME_MULTIPART && parts_type(m, up, "multipart", "related") &&
	       m->parts[up].child != i;
}

bool parts_is_attachment(const struct mime *m, uint32_t i)
{
	const struct mime_part *p = &m->parts[i];

	if (p->kind == MIME_MULTIPART)
		return false;
	if (says(m, i, VIEW("attachment")))
		return !is_seal(m, i);
	if (p->kind == MIME_MESSAGE || parts_is_shown(m, i) || is_seal(m, i) || is_of_page(m, i))
		return false;
	return p->end > p->body;
}

/* What of it can be shown: itself, or something inside. */
static bool can_show(const struct mime *m, uint32_t i, bool html)
{
	uint32_t c;

	if (m->parts[i].kind == MIME_LEAF)
		return parts_is_shown(m, i) && parts_type(m, i, "text", "html") == html;
	for (c = m->parts[i].child; c != MIME_NONE; c = m->parts[c].next)
		if (can_show(m, c, html))
			return true;
	return false;
}

uint32_t parts_choose(const struct mime *m, uint32_t i, bool html)
{
	uint32_t best = MIME_NONE, other = MIME_NONE;

	if (parts_type(m, i, "multipart", "related"))
		return m->parts[i].child;
	for (uint32_t c = m->parts[i].child; c != MIME_NONE; c = m->parts[c].next) {
		if (can_show(m, c, html))
			best = c;
		else if (can_show(m, c, !html))
			other = c;
	}
	return best != MIME_NONE ? best : other;
}

/* In pieces, so that no more than the text itself is held. */
void parts_text(const struct mime *m, uint32_t i, struct buf *out)
{
	const struct mime_part *p = &m->parts[i];
	struct view body = mime_body(m, p);
	struct buf octets = BUF(decode_most(PIECE));
	struct decoder d;
	struct charset cs;

	decoder_begin(&d, (enum mime_encoding)p->encoding);
	charset_open(&cs, mime_charset(p));
	while (body.n && buf_status(out) == ST_OK && buf_status(&octets) == ST_OK) {
		buf_clear(&octets);
		decoder_put(&d, view_head(body, PIECE), &octets);
		charset_put(&cs, buf_view(&octets), out);
		body = view_skip(body, PIECE);
	}
	buf_clear(&octets);
	decoder_end(&d, &octets);
	charset_put(&cs, buf_view(&octets), out);
	charset_end(&cs, out);
	charset_close(&cs);
	buf_free(&octets);
}
