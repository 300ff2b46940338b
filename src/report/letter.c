#include "report/letter.h"

#include "msg/decode.h"
#include "msg/encode.h"
#include "msg/mime.h"
#include "report/pack.h"

/* ---- making ---- */

static const struct {
	const char *type;	/* of the whole */
	const char *part;	/* of what it brings */
	const char *extension;
	const char *before, *after;	/* for people: what it is about */
} forms[] = {
	[REPORT_DMARC] = { "multipart/mixed", "application/gzip", "xml.gz", "Which letters have come here as from ",
			   ", and whether SPF or DKIM\r\nproved them (DMARC, RFC 9990)." },
	[REPORT_TLS] = { "multipart/report; report-type=\"tlsrpt\"", "application/tlsrpt+gzip", "json.gz",
			 "How TLS went on connections from here to the mail hosts of\r\n", " (RFC 8460)." },
	[REPORT_FAILURE] = { "multipart/report; report-type=feedback-report", NULL, NULL, "A letter has come here as from ",
			     ",\r\nand SPF and DKIM did not both prove it (DMARC, RFC 9991)." },
};

/* The folds are those of the RFC's own examples: each piece is below 998
 * octets, since names are. */
static void put_subject(const struct report_letter *l, struct buf *out)
{
	if (l->kind == REPORT_FAILURE) {
		buf_putf(out, "Subject: DMARC failure report for %.*s\r\n", VIEW_ARG(l->domain));
		return;
	}
	buf_putf(out, "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s@%.*s>\r\n", VIEW_ARG(l->domain),
		 VIEW_ARG(l->submitter), VIEW_ARG(l->id), VIEW_ARG(l->submitter));
}

static void put_head(const struct report_letter *l, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];

	buf_putf(out, "From: %.*s\r\nTo: %.*s\r\nDate: %s\r\n", VIEW_ARG(l->from), VIEW_ARG(l->to),
		 clock_rfc5322(l->now, date));
	put_subject(l, out);
	/* By its id, so that a second copy of a report is seen to be one. */
	buf_putf(out, "Message-ID: <report.%.*s@%.*s>\r\nAuto-Submitted: auto-generated\r\n", VIEW_ARG(l->id),
		 VIEW_ARG(l->submitter));
	if (l->kind == REPORT_TLS)
		/* 5.3: it tells of broken TLS, which must not stop it (RFC 8689 5). */
		buf_putf(out, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n",
			 VIEW_ARG(l->domain), VIEW_ARG(l->submitter));
	buf_putf(out, "MIME-Version: 1.0\r\nContent-Type: %s;\r\n boundary=\"=_%.*s\"\r\n\r\n", forms[l->kind].type,
		 VIEW_ARG(l->id));
}

static void put_boundary(const struct report_letter *l, const char *end, struct buf *out)
{
	buf_putf(out, "\r\n--=_%.*s%s\r\n", VIEW_ARG(l->id), end);
}

static void put_words(const struct report_letter *l, struct buf *out)
{
	put_boundary(l, "", out);
	buf_puts(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\nThis is a report of a mail system to another.\r\n");
	buf_puts(out, forms[l->kind].before);
	buf_put(out, l->domain);
	buf_puts(out, forms[l->kind].after);
	buf_putf(out, "\r\nIt is made by %.*s.\r\n", VIEW_ARG(l->submitter));
}

static void put_packed(const struct report_letter *l, struct buf *out)
{
	put_boundary(l, "", out);
	buf_putf(out, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n"
		      "Content-Disposition: attachment;\r\n filename=\"%.*s!%.*s!%lld!%lld!%.*s.%s\"\r\n\r\n",
		 forms[l->kind].part, VIEW_ARG(l->submitter), VIEW_ARG(l->domain), (long long)l->begin, (long long)l->end,
		 VIEW_ARG(l->id), forms[l->kind].extension);
	encode_base64(l->content, out);
}

static void put_feedback(const struct report_letter *l, struct buf *out)
{
	put_boundary(l, "", out);
	buf_puts(out, "Content-Type: message/feedback-report\r\n\r\n");
	buf_put(out, l->content);
	put_boundary(l, "", out);
	buf_puts(out, l->text.n ? "Content-Type: message/rfc822\r\n\r\n" : "Content-Type: text/rfc822-headers\r\n\r\n");
	buf_put(out, l->header);
	if (l->text.n) {
		buf_puts(out, "\r\n");
		buf_put(out, l->text);
	}
}

void report_letter_put(const struct report_letter *l, struct buf *out)
{
	put_head(l, out);
	put_words(l, out);
	if (l->kind == REPORT_FAILURE)
		put_feedback(l, out);
	else
		put_packed(l, out);
	put_boundary(l, "--", out);
}

/* ---- finding ---- */

/* Types under which reports are found; what they are says their first byte. */
static bool may_be_packed(const struct mime_part *p)
{
	static const char *const types[][2] = {
		{ "application", "gzip" }, { "application", "x-gzip" }, { "application", "zip" },
		{ "application", "x-zip-compressed" }, { "application", "x-zip" }, { "application", "octet-stream" },
		{ "application", "xml" }, { "text", "xml" }, { "application", "tlsrpt+gzip" },
		{ "application", "tlsrpt+json" }, { "application", "json" },
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (content_is(&p->content, types[i][0], types[i][1]))
			return true;
	return false;
}

static enum report_kind kind_of(struct view text)
{
	if (view_starts_i(text, VIEW("\xef\xbb\xbf")))
		text = view_skip(text, 3);
	while (text.n && (unsigned char)text.p[0] <= ' ')
		text = view_skip(text, 1);
	return text.n == 0 ? REPORT_NONE : text.p[0] == '<' ? REPORT_DMARC : text.p[0] == '{' ? REPORT_TLS : REPORT_NONE;
}

static enum status take_packed(struct view bytes, struct buf *unpacked, struct report_found *ret)
{
	enum status st;

	buf_clear(unpacked);
	st = unpack(bytes, unpacked);
	if (st != ST_OK)
		return st;
	ret->kind = kind_of(buf_view(unpacked));
	ret->text = buf_view(unpacked);
	return ret->kind == REPORT_NONE ? ST_MISSING : ST_OK;
}

static enum status take_part(const struct mime *m, const struct mime_part *p, struct buf *unpacked,
			     struct report_found *ret)
{
	struct buf octets = BUF(REPORT_PACKED_MAX);
	enum status st;

	decode_body((enum mime_encoding)p->encoding, mime_body(m, p), &octets);
	st = buf_status(&octets);
	if (st == ST_OK)
		st = take_packed(buf_view(&octets), unpacked, ret);
	buf_free(&octets);
	return st;
}

/* The letter that a failure is about: the part behind (RFC 5965 2 d). */
static struct view original_of(const struct mime *m, const struct mime_part *p)
{
	const struct mime_part *o = p->next == MIME_NONE ? NULL : &m->parts[p->next];

	if (o == NULL)
		return VIEW_NONE;
	if (o->kind == MIME_MESSAGE && o->child != MIME_NONE)
		return mime_header(m, &m->parts[o->child]);
	return content_is(&o->content, "text", "rfc822-headers") || content_is(&o->content, "message", "rfc822") ?
		       mime_body(m, o) : VIEW_NONE;
}

static enum status take_failure(const struct mime *m, const struct mime_part *p, struct buf *unpacked,
				struct report_found *ret)
{
	buf_clear(unpacked);
	decode_body((enum mime_encoding)p->encoding, mime_body(m, p), unpacked);
	*ret = (struct report_found){ .kind = REPORT_FAILURE, .text = buf_view(unpacked), .header = original_of(m, p) };
	return buf_status(unpacked);
}

enum status report_find(struct view letter, struct arena *a, struct buf *unpacked, struct report_found *ret)
{
	struct mime m = { 0 };
	enum status st = mime_parse(letter, a, &m), worst = ST_MISSING;

	if (st != ST_OK)
		return st;
	for (uint32_t i = 0; i < m.n; i++) {
		const struct mime_part *p = &m.parts[i];

		if (content_is(&p->content, "message", "feedback-report"))
			return take_failure(&m, p, unpacked, ret);
		if (p->kind != MIME_LEAF || !may_be_packed(p))
			continue;
		st = take_part(&m, p, unpacked, ret);
		if (st == ST_OK || st == ST_NOMEM)
			return st;
		worst = worst == ST_MISSING ? st : worst;
	}
	return worst;
}

enum status report_find_any(struct view bytes, struct arena *a, struct buf *unpacked, struct report_found *ret)
{
	if (view_starts_i(bytes, VIEW("\x1f\x8b")) || view_starts_i(bytes, VIEW("PK\x03\x04")) ||
	    kind_of(bytes) != REPORT_NONE)
		return take_packed(bytes, unpacked, ret);
	if (view_starts_i(bytes, VIEW("Feedback-Type:"))) {
		*ret = (struct report_found){ .kind = REPORT_FAILURE, .text = bytes };
		return ST_OK;
	}
	return report_find(bytes, a, unpacked, ret);
}
