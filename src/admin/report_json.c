/* report_json.c - reports of other systems as JSON: for `waxwing inspect` and
 * `waxwing reports`. */
#include "admin/report_json.h"
#include "admin/listing.h"

#include "msg/header.h"
#include "report/dmarc.h"
#include "report/failure.h"
#include "report/pack.h"
#include "report/tls.h"

static void set(json_t *o, const char *key, struct view v)
{
	json_object_set_new(o, key, json_text_or_null(v));
}

static void set_time(json_t *o, const char *key, int64_t seconds)
{
	char text[RFC3339_SIZE];

	/* What clock_rfc3339 can say. */
	if (seconds > 0 && seconds < INT64_C(253402300800))
		json_object_set_new(o, key, json_string(clock_rfc3339(seconds * 1000, text)));
	else
		json_object_set_new(o, key, json_null());
}

/* ---- DMARC ---- */

static json_t *signatures_json(const struct dmarc_row *r)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < r->n_signatures; i++) {
		json_t *o = json_object();

		set(o, "domain", r->signatures[i].domain);
		set(o, "selector", r->signatures[i].selector);
		set(o, "result", r->signatures[i].result);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *row_json(const struct dmarc_row *r)
{
	json_t *o = json_object();

	set(o, "source", r->source);
	json_object_set_new(o, "count", json_integer(r->count > INT64_MAX ? INT64_MAX : (json_int_t)r->count));
	set(o, "disposition", r->disposition);
	json_object_set_new(o, "dkim", json_boolean(r->dkim));
	json_object_set_new(o, "spf", json_boolean(r->spf));
	set(o, "reason", r->reason);
	set(o, "comment", r->comment);
	set(o, "header_from", r->header_from);
	set(o, "envelope_from", r->envelope_from);
	set(o, "envelope_to", r->envelope_to);
	json_object_set_new(o, "signatures", signatures_json(r));
	set(o, "spf_domain", r->spf_domain);
	set(o, "spf_result", r->spf_result);
	return o;
}

static json_t *dmarc_json(const struct dmarc_report *r)
{
	json_t *o = json_pack("{s:s, s:s}", "kind", "dmarc", "form", r->old_form ? "RFC 7489" : "RFC 9990");
	json_t *policy = json_object(), *records = json_array();

	set(o, "organization", r->organization);
	set(o, "contact", r->email);
	set(o, "more", r->contact);
	set(o, "id", r->id);
	set_time(o, "begin", r->begin);
	set_time(o, "end", r->end);
	set(o, "error", r->error);
	set(policy, "domain", r->domain);
	set(policy, "p", r->p);
	set(policy, "sp", r->sp);
	set(policy, "np", r->np);
	set(policy, "fo", r->fo);
	set(policy, "adkim", r->adkim);
	set(policy, "aspf", r->aspf);
	set(policy, "testing", r->testing);
	set(policy, "pct", r->pct);
	json_object_set_new(o, "policy", policy);
	for (uint32_t i = 0; i < r->n_rows; i++)
		json_array_append_new(records, row_json(&r->rows[i]));
	json_object_set_new(o, "records", records);
	return o;
}

/* ---- TLS ---- */

static json_t *count_json(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *policy_json(const struct tls_policy_report *p)
{
	json_t *o = json_object(), *details = json_array();

	set(o, "type", p->type);
	set(o, "domain", p->domain);
	json_object_set_new(o, "successes", count_json(p->successes));
	json_object_set_new(o, "failures", count_json(p->failures));
	for (uint32_t i = 0; i < p->n; i++) {
		json_t *d = json_object();

		set(d, "result", p->details[i].result);
		json_object_set_new(d, "count", count_json(p->details[i].count));
		set(d, "sending", p->details[i].sending);
		set(d, "host", p->details[i].host);
		set(d, "address", p->details[i].address);
		set(d, "reason", p->details[i].reason);
		json_array_append_new(details, d);
	}
	json_object_set_new(o, "details", details);
	return o;
}

static json_t *tls_report_json(const struct tls_report *r)
{
	json_t *o = json_pack("{s:s}", "kind", "tls"), *policies = json_array();

	set(o, "organization", r->organization);
	set(o, "contact", r->contact);
	set(o, "id", r->id);
	set(o, "begin", r->begin);
	set(o, "end", r->end);
	for (uint32_t i = 0; i < r->n; i++)
		json_array_append_new(policies, policy_json(&r->policies[i]));
	json_object_set_new(o, "policies", policies);
	return o;
}

/* ---- failures ---- */

static void set_field(json_t *o, const char *key, struct view header, struct view name)
{
	struct buf text = BUF(FAILURE_FIELD_MAX);
	struct field f;

	if (field_find(header, name, &f))
		field_unfold(view_head(f.value, FAILURE_FIELD_MAX), &text);
	set(o, key, buf_view(&text));
	buf_free(&text);
}

static json_t *failure_json(const struct failure_report *r)
{
	json_t *o = json_pack("{s:s}", "kind", "failure"), *fields = json_array();

	for (uint32_t i = 0; i < r->n; i++) {
		json_t *f = json_object();

		set(f, "name", r->fields[i].name);
		set(f, "value", r->fields[i].value);
		json_array_append_new(fields, f);
	}
	set(o, "type", failure_value(r, VIEW("Feedback-Type")));
	set(o, "failure", failure_value(r, VIEW("Auth-Failure")));
	set(o, "domain", failure_value(r, VIEW("Reported-Domain")));
	set(o, "source", failure_value(r, VIEW("Source-IP")));
	set(o, "arrived", failure_value(r, VIEW("Arrival-Date")));
	set(o, "unaligned", failure_value(r, VIEW("Identity-Alignment")));
	set(o, "delivery", failure_value(r, VIEW("Delivery-Result")));
	json_object_set_new(o, "fields", fields);
	set_field(o, "from", r->header, VIEW("From"));
	set_field(o, "subject", r->header, VIEW("Subject"));
	set_field(o, "message_id", r->header, VIEW("Message-ID"));
	return o;
}

/* ---- any of them ---- */

enum status report_json(const struct report_found *f, struct arena *a, json_t **ret)
{
	struct failure_report failure;
	struct dmarc_report dmarc;
	struct tls_report tls;
	enum status st = ST_MISSING;

	if (f->kind == REPORT_DMARC && (st = dmarc_xml_read(f->text, a, &dmarc)) == ST_OK)
		*ret = dmarc_json(&dmarc);
	else if (f->kind == REPORT_TLS && (st = tls_json_read(f->text, a, &tls)) == ST_OK)
		*ret = tls_report_json(&tls);
	else if (f->kind == REPORT_FAILURE && (st = failure_read(f->text, a, &failure)) == ST_OK) {
		failure.header = f->header;
		*ret = failure_json(&failure);
	}
	return st == ST_OK && *ret == NULL ? ST_NOMEM : st;
}
