#include "report/tls.h"

#include "base/clock.h"
#include "base/cursor.h"

#include <jansson.h>
#include <string.h>

enum { FORM = 1, DATE_LENGTH = 19 };

/* NULL for a number beyond; so below. */
static const char *tls_policy_type_name(enum tls_policy_type t)
{
	static const char *const names[] = {
		[TLS_POLICY_NONE] = "no-policy-found", [TLS_POLICY_TLSA] = "tlsa", [TLS_POLICY_STS] = "sts",
	};

	return t < TLS_POLICY_TYPES ? names[t] : NULL;
}

static const char *tls_result_name(enum tls_result r)
{
	static const char *const names[] = {
		[TLS_RESULT_OK] = "ok",
		[TLS_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
		[TLS_HOST_MISMATCH] = "certificate-host-mismatch",
		[TLS_EXPIRED] = "certificate-expired",
		[TLS_NOT_TRUSTED] = "certificate-not-trusted",
		[TLS_VALIDATION_FAILURE] = "validation-failure",
		[TLS_TLSA_INVALID] = "tlsa-invalid",
		[TLS_DNSSEC_INVALID] = "dnssec-invalid",
		[TLS_DANE_REQUIRED] = "dane-required",
		[TLS_STS_FETCH_ERROR] = "sts-policy-fetch-error",
		[TLS_STS_INVALID] = "sts-policy-invalid",
		[TLS_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
	};

	return r < TLS_RESULTS ? names[r] : NULL;
}

/* ---- bytes ---- */

static void put_list(struct buf *b, const struct view *list, uint32_t n)
{
	put_u32(b, n);
	for (uint32_t i = 0; i < n; i++)
		put_view(b, list[i]);
}

static uint32_t take_list(struct cursor *c, struct view *list)
{
	uint32_t n = take_u32(c);

	if (n > TLS_STRINGS_MOST) {
		c->failed = true;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		list[i] = take_view(c);
	return n;
}

void tls_applied_put(struct buf *b, const struct tls_applied *p)
{
	put_u8(b, FORM);
	put_u8(b, (uint8_t)p->type);
	put_view(b, p->domain);
	put_list(b, p->strings, p->n_strings);
	put_list(b, p->mx, p->n_mx);
}

bool tls_applied_take(struct view bytes, struct tls_applied *ret)
{
	struct cursor c = cursor_over(bytes);
	struct tls_applied p = { 0 };
	uint8_t form = take_u8(&c);

	p.type = (enum tls_policy_type)take_u8(&c);
	p.domain = take_view(&c);
	p.n_strings = take_list(&c, p.strings);
	p.n_mx = take_list(&c, p.mx);
	if (form != FORM || p.type >= TLS_POLICY_TYPES || !cursor_end(&c))
		return false;
	*ret = p;
	return true;
}

void tls_row_put(struct buf *b, const struct tls_row *r)
{
	put_u8(b, FORM);
	put_u8(b, (uint8_t)r->result);
	put_view(b, r->sending);
	put_view(b, r->host);
	put_view(b, r->address);
	put_view(b, r->reason);
}

bool tls_row_take(struct view bytes, struct tls_row *ret)
{
	struct cursor c = cursor_over(bytes);
	struct tls_row r = { 0 };
	uint8_t form = take_u8(&c);

	r.result = (enum tls_result)take_u8(&c);
	r.sending = take_view(&c);
	r.host = take_view(&c);
	r.address = take_view(&c);
	r.reason = take_view(&c);
	if (form != FORM || r.result >= TLS_RESULTS || !cursor_end(&c))
		return false;
	*ret = r;
	return true;
}

/* ---- writing (4.4) ---- */

/* What is no UTF-8 is told as '?'. */
static json_t *text(struct view v)
{
	json_t *s = json_stringn(v.p ? v.p : "", v.n);
	struct buf b = BUF(TLS_LINE_MAX);

	if (s)
		return s;
	for (size_t i = 0; i < v.n; i++)
		buf_putc(&b, (unsigned char)v.p[i] < 128 ? v.p[i] : '?');
	s = json_stringn(b.p, b.n);
	buf_free(&b);
	return s;
}

static json_t *date(int64_t seconds)
{
	char out[RFC3339_SIZE];

	clock_rfc3339(seconds * 1000, out);
	memcpy(out + DATE_LENGTH, "Z", 2);
	return json_string(out);
}

static void set_optional(json_t *o, const char *key, struct view v)
{
	if (v.n)
		json_object_set_new(o, key, text(v));
}

static json_t *list(const struct view *all, uint32_t n)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, text(all[i]));
	return a;
}

static json_t *policy_object(const struct tls_applied *p)
{
	json_t *o = json_pack("{s:s}", "policy-type", tls_policy_type_name(p->type));

	if (p->n_strings)
		json_object_set_new(o, "policy-string", list(p->strings, p->n_strings));
	json_object_set_new(o, "policy-domain", text(p->domain));
	if (p->n_mx)
		json_object_set_new(o, "mx-host", list(p->mx, p->n_mx));
	return o;
}

static json_t *detail_object(const struct tls_row *r)
{
	json_t *o = json_pack("{s:s}", "result-type", tls_result_name(r->result));

	set_optional(o, "sending-mta-ip", r->sending);
	set_optional(o, "receiving-mx-hostname", r->host);
	set_optional(o, "receiving-ip", r->address);
	json_object_set_new(o, "failed-session-count", json_integer((json_int_t)r->count));
	set_optional(o, "failure-reason-code", r->reason);
	return o;
}

static json_t *section_object(const struct tls_section *s)
{
	json_t *details = json_array(), *o;
	uint64_t good = 0, bad = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->rows[i].result == TLS_RESULT_OK) {
			good += s->rows[i].count;
			continue;
		}
		bad += s->rows[i].count;
		json_array_append_new(details, detail_object(&s->rows[i]));
	}
	o = json_pack("{s:o, s:{s:I, s:I}}", "policy", policy_object(&s->policy), "summary",
		      "total-successful-session-count", (json_int_t)good, "total-failure-session-count", (json_int_t)bad);
	if (bad)
		json_object_set(o, "failure-details", details);
	json_decref(details);
	return o;
}

enum status tls_json(const struct tls_reporter *r, const struct tls_section *sections, uint32_t n, struct buf *out)
{
	json_t *policies = json_array(), *o;
	char *s;

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(policies, section_object(&sections[i]));
	o = json_pack("{s:o, s:{s:o, s:o}, s:o, s:o, s:o}", "organization-name", text(r->organization), "date-range",
		      "start-datetime", date(r->begin), "end-datetime", date(r->end), "contact-info", text(r->contact),
		      "report-id", text(r->id), "policies", policies);
	s = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (s == NULL)
		return ST_NOMEM;
	buf_puts(out, s);
	free(s);
	return buf_status(out);
}

/* ---- reading ---- */

static struct view member(struct arena *a, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? arena_copy(a, view_make(json_string_value(v), json_string_length(v))) : VIEW_NONE;
}

static uint64_t number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	uint64_t n = 0;

	if (json_is_integer(v))
		return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
	if (json_is_string(v) && view_u64(view_make(json_string_value(v), json_string_length(v)), &n))
		return n;
	return 0;
}

static enum status read_details(const json_t *all, struct arena *a, struct tls_policy_report *p)
{
	size_t n = json_array_size(all), left = TLS_DETAILS_MAX;
	const json_t *one;
	size_t i;

	if (n > left)
		return ST_LIMIT;
	p->details = arena_array(a, n, sizeof *p->details);
	if (p->details == NULL)
		return n ? arena_status(a) : ST_OK;
	json_array_foreach(all, i, one)
		p->details[p->n++] = (struct tls_detail){
			.result = member(a, one, "result-type"), .sending = member(a, one, "sending-mta-ip"),
			.host = member(a, one, "receiving-mx-hostname"), .address = member(a, one, "receiving-ip"),
			.reason = member(a, one, "failure-reason-code"), .count = number(one, "failed-session-count"),
		};
	return arena_status(a);
}

static enum status read_policy(const json_t *o, struct arena *a, struct tls_policy_report *p)
{
	const json_t *policy = json_object_get(o, "policy"), *summary = json_object_get(o, "summary");

	p->type = member(a, policy, "policy-type");
	p->domain = member(a, policy, "policy-domain");
	p->successes = number(summary, "total-successful-session-count");
	p->failures = number(summary, "total-failure-session-count");
	return read_details(json_object_get(o, "failure-details"), a, p);
}

static enum status read_report(const json_t *o, struct arena *a, struct tls_report *r)
{
	const json_t *all = json_object_get(o, "policies"), *range = json_object_get(o, "date-range"), *one;
	enum status st = ST_OK;
	size_t i;

	if (!json_is_array(all) || json_array_size(all) == 0)
		return ST_SYNTAX;
	if (json_array_size(all) > TLS_POLICIES_MAX)
		return ST_LIMIT;
	r->organization = member(a, o, "organization-name");
	r->contact = member(a, o, "contact-info");
	r->id = member(a, o, "report-id");
	r->begin = member(a, range, "start-datetime");
	r->end = member(a, range, "end-datetime");
	r->policies = arena_array(a, json_array_size(all), sizeof *r->policies);
	if (r->policies == NULL)
		return arena_status(a);
	json_array_foreach(all, i, one) {
		st = read_policy(one, a, &r->policies[r->n++]);
		if (st != ST_OK)
			return st;
	}
	return arena_status(a);
}

enum status tls_json_read(struct view json, struct arena *a, struct tls_report *ret)
{
	struct tls_report r = { 0 };
	json_error_t e = { 0 };
	json_t *o = json_loadb(json.p ? json.p : "", json.n, 0, &e);
	enum status st;

	if (o == NULL)
		return json_error_code(&e) == json_error_out_of_memory ? ST_NOMEM : ST_SYNTAX;
	st = read_report(o, a, &r);
	json_decref(o);
	if (st == ST_OK)
		*ret = r;
	return st;
}

/* ---- who asks for them ---- */

/* "v=TLSRPTv1" *(";" field), as tlsrpt-record of RFC 8460 3. */
enum status tlsrpt_record_parse(struct view txt, struct view *ret_rua)
{
	struct view first = view_trim(view_head(txt, view_find(txt, ';'))), rest = view_skip(txt, view_find(txt, ';') + 1);

	if (!view_eq(first, VIEW("v=TLSRPTv1")))
		return ST_SYNTAX;
	while (rest.n) {
		struct view field = view_trim(view_head(rest, view_find(rest, ';')));
		size_t equals = view_find(field, '=');

		rest = view_skip(rest, view_find(rest, ';') + 1);
		if (!view_eq(view_trim(view_head(field, equals)), VIEW("rua")))
			continue;
		*ret_rua = view_trim(view_skip(field, equals + 1));
		return ret_rua->n ? ST_OK : ST_SYNTAX;
	}
	return ST_SYNTAX;
}
