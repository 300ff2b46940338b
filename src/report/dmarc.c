/* dmarc.c - rows and policies as bytes, and as XML (RFC 9990 Appendix A). */
#include "report/dmarc.h"

#include "base/cursor.h"

enum { FORM = 1 };

/* ---- bytes ---- */

void dmarc_published_put(struct buf *b, const struct dmarc_published *p)
{
	put_u8(b, FORM);
	put_view(b, p->domain);
	put_view(b, p->organization);
	put_view(b, p->rua);
	put_view(b, p->fo);
	put_view(b, p->p);
	put_view(b, p->sp);
	put_view(b, p->np);
	put_u8(b, p->strict_dkim);
	put_u8(b, p->strict_spf);
	put_u8(b, p->testing);
	put_u8(b, p->pct);
}

bool dmarc_published_take(struct view bytes, struct dmarc_published *ret)
{
	struct cursor c = cursor_over(bytes);
	struct dmarc_published p = { 0 };

	if (take_u8(&c) != FORM)
		return false;
	p.domain = take_view(&c);
	p.organization = take_view(&c);
	p.rua = take_view(&c);
	p.fo = take_view(&c);
	p.p = take_view(&c);
	p.sp = take_view(&c);
	p.np = take_view(&c);
	p.strict_dkim = take_u8(&c);
	p.strict_spf = take_u8(&c);
	p.testing = take_u8(&c);
	p.pct = take_u8(&c);
	if (!cursor_end(&c))
		return false;
	*ret = p;
	return true;
}

void dmarc_row_put(struct buf *b, const struct dmarc_row *r)
{
	put_u8(b, FORM);
	put_view(b, r->source);
	put_view(b, r->disposition);
	put_u8(b, r->dkim);
	put_u8(b, r->spf);
	put_view(b, r->reason);
	put_view(b, r->comment);
	put_view(b, r->header_from);
	put_view(b, r->envelope_from);
	put_view(b, r->envelope_to);
	put_u32(b, r->n_signatures);
	for (uint32_t i = 0; i < r->n_signatures; i++) {
		put_view(b, r->signatures[i].domain);
		put_view(b, r->signatures[i].selector);
		put_view(b, r->signatures[i].result);
	}
	put_view(b, r->spf_domain);
	put_view(b, r->spf_result);
}

bool dmarc_row_take(struct view bytes, struct dmarc_row *ret)
{
	struct cursor c = cursor_over(bytes);
	struct dmarc_row r = { 0 };

	if (take_u8(&c) != FORM)
		return false;
	r.source = take_view(&c);
	r.disposition = take_view(&c);
	r.dkim = take_u8(&c);
	r.spf = take_u8(&c);
	r.reason = take_view(&c);
	r.comment = take_view(&c);
	r.header_from = take_view(&c);
	r.envelope_from = take_view(&c);
	r.envelope_to = take_view(&c);
	r.n_signatures = take_u32(&c);
	if (r.n_signatures > DMARC_ROW_DKIM)
		return false;
	for (uint32_t i = 0; i < r.n_signatures; i++) {
		r.signatures[i].domain = take_view(&c);
		r.signatures[i].selector = take_view(&c);
		r.signatures[i].result = take_view(&c);
	}
	r.spf_domain = take_view(&c);
	r.spf_result = take_view(&c);
	if (!cursor_end(&c))
		return false;
	*ret = r;
	return true;
}

/* ---- XML ---- */

/* What XML 1.0 cannot hold, and what is no ASCII, becomes '?': names are
 * A-labels, and what else a stranger could bring in is not worth more. */
static void put_text(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '&')
			buf_puts(out, "&amp;");
		else if (c == '<')
			buf_puts(out, "&lt;");
		else if (c == '>')
			buf_puts(out, "&gt;");
		else
			buf_putc(out, c < 32 || c > 126 ? '?' : (char)c);
	}
}

static void put_element(const char *indent, const char *name, struct view v, struct buf *out)
{
	buf_putf(out, "%s<%s>", indent, name);
	put_text(v, out);
	buf_putf(out, "</%s>\n", name);
}

static void put_optional(const char *indent, const char *name, struct view v, struct buf *out)
{
	if (v.n)
		put_element(indent, name, v, out);
}

static void put_metadata(const struct dmarc_reporter *r, struct buf *out)
{
	buf_puts(out, "  <report_metadata>\n");
	put_element("    ", "org_name", r->organization, out);
	put_element("    ", "email", r->email, out);
	put_optional("    ", "extra_contact_info", r->contact, out);
	put_element("    ", "report_id", r->id, out);
	buf_putf(out, "    <date_range>\n      <begin>%lld</begin>\n      <end>%lld</end>\n    </date_range>\n",
		 (long long)r->begin, (long long)r->end);
	if (!r->old_form)
		buf_puts(out, "    <generator>waxwing " WAXWING_VERSION "</generator>\n");
	buf_puts(out, "  </report_metadata>\n");
}

void dmarc_xml_begin(const struct dmarc_reporter *r, const struct dmarc_published *p, struct buf *out)
{
	buf_putf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback%s>\n  <version>1.0</version>\n",
		 r->old_form ? "" : " xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"");
	put_metadata(r, out);
	buf_puts(out, "  <policy_published>\n");
	put_element("    ", "domain", p->domain, out);
	if (!r->old_form)
		buf_puts(out, "    <discovery_method>treewalk</discovery_method>\n");
	put_element("    ", "p", p->p, out);
	put_element("    ", "sp", p->sp, out);
	if (!r->old_form)
		put_optional("    ", "np", p->np, out);
	put_optional("    ", "fo", p->fo, out);
	put_element("    ", "adkim", p->strict_dkim ? VIEW("s") : VIEW("r"), out);
	put_element("    ", "aspf", p->strict_spf ? VIEW("s") : VIEW("r"), out);
	if (r->old_form)
		buf_putf(out, "    <pct>%u</pct>\n", p->pct);
	else
		put_element("    ", "testing", p->testing ? VIEW("y") : VIEW("n"), out);
	buf_puts(out, "  </policy_published>\n");
}

static void put_results(const struct dmarc_row *r, struct buf *out)
{
	buf_puts(out, "    <auth_results>\n");
	for (uint32_t i = 0; i < r->n_signatures; i++) {
		buf_puts(out, "      <dkim>\n");
		put_element("        ", "domain", r->signatures[i].domain, out);
		put_element("        ", "selector", r->signatures[i].selector, out);
		put_element("        ", "result", r->signatures[i].result, out);
		buf_puts(out, "      </dkim>\n");
	}
	if (r->spf_result.n) {
		buf_puts(out, "      <spf>\n");
		put_element("        ", "domain", r->spf_domain, out);
		buf_puts(out, "        <scope>mfrom</scope>\n");
		put_element("        ", "result", r->spf_result, out);
		buf_puts(out, "      </spf>\n");
	}
	buf_puts(out, "    </auth_results>\n");
}

/* The words that RFC 7489 Appendix C has for what RFC 9990 says otherwise. */
static struct view old_word(const struct dmarc_reporter *who, struct view word)
{
	if (!who->old_form)
		return word;
	return view_eq(word, VIEW("pass")) ? VIEW("none") : view_eq(word, VIEW("policy_test_mode")) ? VIEW("sampled_out") : word;
}

void dmarc_xml_row(const struct dmarc_reporter *who, const struct dmarc_row *r, struct buf *out)
{
	buf_puts(out, "  <record>\n    <row>\n");
	put_element("      ", "source_ip", r->source, out);
	buf_putf(out, "      <count>%llu</count>\n      <policy_evaluated>\n", (unsigned long long)r->count);
	put_element("        ", "disposition", old_word(who, r->disposition), out);
	put_element("        ", "dkim", r->dkim ? VIEW("pass") : VIEW("fail"), out);
	put_element("        ", "spf", r->spf ? VIEW("pass") : VIEW("fail"), out);
	if (r->reason.n) {
		buf_puts(out, "        <reason>\n");
		put_element("          ", "type", old_word(who, r->reason), out);
		put_optional("          ", "comment", r->comment, out);
		buf_puts(out, "        </reason>\n");
	}
	buf_puts(out, "      </policy_evaluated>\n    </row>\n    <identifiers>\n");
	put_element("      ", "header_from", r->header_from, out);
	put_element("      ", "envelope_from", r->envelope_from, out);
	put_optional("      ", "envelope_to", r->envelope_to, out);
	buf_puts(out, "    </identifiers>\n");
	put_results(r, out);
	buf_puts(out, "  </record>\n");
}

void dmarc_xml_end(struct buf *out)
{
	buf_puts(out, "</feedback>\n");
}
