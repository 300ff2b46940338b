#include "report/failure.h"

#include "msg/header.h"

#include <openssl/hmac.h>

/* ---- writing ---- */

/* What others said, on one line. */
static void put_value(const char *name, struct view v, struct buf *out)
{
	if (v.n == 0)
		return;
	buf_puts(out, name);
	buf_puts(out, ": ");
	v = view_head(v, FAILURE_FIELD_MAX);
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '\r' || c == '\n')
			continue;
		buf_putc(out, c == '\t' ? ' ' : c < 32 || c > 126 ? '?' : (char)c);
	}
	buf_puts(out, "\r\n");
}

/* RFC 6591 3.2.6: the record that SPF has read, in a quoted string. */
static void put_spf(const struct failure *f, struct buf *out)
{
	enum { RECORD_MOST = 1500 };
	struct view record = view_head(f->spf_record, RECORD_MOST);
	struct buf line = BUF(2 * FAILURE_FIELD_MAX);

	if (f->spf_domain.n == 0 || record.n == 0)
		return;
	buf_putf(&line, "txt : %.*s : \"", VIEW_ARG(f->spf_domain));
	for (size_t i = 0; i < record.n && line.n < FAILURE_FIELD_MAX - 2; i++) {
		if (record.p[i] == '"' || record.p[i] == '\\')
			buf_putc(&line, '\\');
		buf_putc(&line, record.p[i]);
	}
	buf_putc(&line, '"');
	put_value("SPF-DNS", buf_view(&line), out);
	buf_free(&line);
}

void failure_put(const struct failure *f, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];
	struct buf path = BUF(FAILURE_FIELD_MAX);

	buf_puts(out, "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: waxwing/" WAXWING_VERSION "\r\n"
		      "Auth-Failure: dmarc\r\n");
	put_value("Authentication-Results", f->results, out);
	/* RFC 9991: those that did not prove the author. */
	put_value("Identity-Alignment", f->dkim ? (f->spf ? VIEW("none") : VIEW("spf")) :
					f->spf ? VIEW("dkim") : VIEW("dkim, spf"), out);
	put_value("DKIM-Domain", f->dkim_domain, out);
	put_value("DKIM-Identity", f->dkim_identity, out);
	put_value("DKIM-Selector", f->dkim_selector, out);
	put_spf(f, out);
	buf_putf(&path, "<%.*s>", VIEW_ARG(f->mail_from));
	put_value("Original-Mail-From", buf_view(&path), out);
	put_value("Arrival-Date", view_cstr(clock_rfc5322(f->arrived, date)), out);
	put_value("Source-IP", f->source, out);
	put_value("Delivery-Result", f->refused ? VIEW("reject") : VIEW("delivered"), out);
	put_value("Reported-Domain", f->domain, out);
	buf_free(&path);
}

/* What a letter's author has written, and what proves it or does not. */
static bool is_told(struct view name)
{
	static const char *const told[] = {
		"From", "Sender", "Date", "Subject", "Message-ID", "MIME-Version", "Content-Type",
		"Content-Transfer-Encoding", "DKIM-Signature", "List-Id", "ARC-Seal", "ARC-Message-Signature",
		"ARC-Authentication-Results", "Authentication-Results", "Received-SPF", "X-Mailer", "User-Agent",
	};

	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (view_eq_i(name, view_cstr(told[i])))
			return true;
	return false;
}

/* Lines may have ended in LF alone, and hold anything. */
static void put_raw(struct view raw, struct buf *out)
{
	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];

		if (c == '\n')
			buf_puts(out, "\r\n");
		else if (c != '\r')
			buf_putc(out, (c < 32 && c != '\t') || c > 126 ? '?' : (char)c);
	}
	if (raw.n && raw.p[raw.n - 1] != '\n')
		buf_puts(out, "\r\n");
}

void failure_put_text(struct view text, struct buf *out)
{
	put_raw(text, out);
}

static void put_redacted(struct view address, struct view key, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[EVP_MAX_MD_SIZE] = { 0 };
	struct buf low = BUF(address.n);
	unsigned n = 0;

	for (size_t i = 0; i < address.n; i++)
		buf_putc(&low, ascii_lower(address.p[i]));
	if (buf_status(&low) != ST_OK ||
	    HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)low.p, low.n, mac, &n) == NULL)
		n = 0;
	for (size_t i = 0; i < FAILURE_REDACTED && i < n; i++) {
		buf_putc(out, digits[mac[i] >> 4]);
		buf_putc(out, digits[mac[i] & 15]);
	}
	buf_free(&low);
}

void failure_redact(struct view text, const struct view *addresses, size_t n, struct view key, struct buf *out)
{
	while (text.n) {
		size_t local = 0;

		for (size_t i = 0; i < n && local == 0; i++)
			if (addresses[i].n && view_starts_i(text, addresses[i])) {
				local = view_find(addresses[i], '@');
				put_redacted(addresses[i], key, out);
			}
		if (local == 0)
			buf_putc(out, text.p[local++]);
		text = view_skip(text, local);
	}
}

void failure_put_header(struct view header, struct buf *out)
{
	size_t at = 0;
	struct field f;

	while (field_next(header, &at, &f))
		if (f.name.n && is_told(f.name))
			put_raw(view_make(header.p + f.start, f.end - f.start), out);
}

/* ---- reading ---- */

enum status failure_read(struct view part, struct arena *a, struct failure_report *ret)
{
	struct failure_report r = { .fields = arena_array(a, FAILURE_FIELDS_MAX, sizeof *r.fields) };
	struct buf line = BUF(FAILURE_FIELD_MAX);
	size_t at = 0;
	struct field f;
	enum status st;

	if (r.fields == NULL)
		return arena_status(a);
	while (r.n < FAILURE_FIELDS_MAX && field_next(part, &at, &f)) {
		if (f.name.n == 0)
			continue;
		buf_clear(&line);
		field_unfold(view_head(f.value, FAILURE_FIELD_MAX), &line);
		r.fields[r.n].name = arena_copy(a, view_head(f.name, FAILURE_FIELD_MAX));
		r.fields[r.n++].value = arena_copy(a, buf_view(&line));
	}
	st = arena_status(a) != ST_OK ? arena_status(a) : buf_status(&line);
	buf_free(&line);
	if (st != ST_OK)
		return st;
	if (failure_value(&r, VIEW("Feedback-Type")).n == 0)
		return ST_SYNTAX;
	*ret = r;
	return ST_OK;
}

struct view failure_value(const struct failure_report *r, struct view name)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (view_eq_i(r->fields[i].name, name))
			return r->fields[i].value;
	return VIEW_NONE;
}
