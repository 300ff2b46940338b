/* report_tls.c - what is told of a connection's TLS (RFC 8460 4.2, 4.3).
 *
 * Whether a domain asks for reports is looked up when they are sent: until
 * then what it gets is counted like any other's. */
#include "mta/relay/internal.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 2 * TLS_LINE_MAX };

/* The operator's own routes are his business, and what a sender asked to relax
 * is no sign of anything. */
static bool is_told(const struct attempt *a)
{
	return a->r->reports && a->r->proc.conf.reports_tls && a->route.mx && !a->letter.tls_not_required &&
	       a->site.n && a->site.p[0] != '[';
}

static void count(struct attempt *a, const struct tls_applied *p, const struct tls_row *row)
{
	struct buf policy = BUF(TLS_LINE_MAX), line = BUF(TLS_LINE_MAX), both = BUF(LINE_MAX_BYTES);

	tls_applied_put(&policy, p);
	tls_row_put(&line, row);
	put_view(&both, buf_view(&policy));
	put_view(&both, buf_view(&line));
	if (buf_status(&policy) == ST_OK && buf_status(&line) == ST_OK && buf_status(&both) == ST_OK)
		reports_count(a->r->reports, REPORT_TLS, a->site, VIEW_NONE, buf_view(&both));
	buf_free(&policy);
	buf_free(&line);
	buf_free(&both);
}

/* RFC 8460 4.4: as in DNS. */
static void tell_records(const struct tls_policy *p, struct arena *a, struct tls_applied *ret)
{
	for (size_t i = 0; i < p->trust.n_records && ret->n_strings < TLS_STRINGS_MOST; i++) {
		const struct dns_tlsa *t = &p->trust.records[i];
		struct buf b = BUF(TLS_LINE_MAX);

		buf_putf(&b, "%u %u %u ", t->usage, t->selector, t->matching);
		buf_put_hex(&b, t->data.p, view_head(t->data, 64).n);
		ret->strings[ret->n_strings++] = arena_copy(a, buf_view(&b));
		buf_free(&b);
	}
}

static struct view line_of(struct arena *a, const char *name, struct view value)
{
	struct buf b = BUF(512);
	struct view v;

	buf_putf(&b, "%s: %.*s", name, VIEW_ARG(value));
	v = arena_copy(a, buf_view(&b));
	buf_free(&b);
	return v;
}

/* The lines of the policy file. */
static void tell_sts(const struct sts_policy *p, struct arena *a, struct tls_applied *ret)
{
	char age[16];

	snprintf(age, sizeof age, "%u", p->max_age);
	ret->strings[ret->n_strings++] = VIEW("version: STSv1");
	ret->strings[ret->n_strings++] = line_of(a, "mode", view_cstr(sts_mode_name(p->mode)));
	for (size_t i = 0; i < p->n_mx && ret->n_strings < TLS_STRINGS_MOST - 1; i++) {
		ret->strings[ret->n_strings++] = line_of(a, "mx", p->mx[i]);
		ret->mx[ret->n_mx++] = p->mx[i];
	}
	ret->strings[ret->n_strings++] = line_of(a, "max_age", view_cstr(age));
}

/* 1.1: the policy domain of DANE is the TLSA base domain. */
static struct tls_applied applied(struct attempt *a, const struct tls_policy *p)
{
	struct tls_applied t = { .type = p->found, .domain = a->site };

	if (p->found == TLS_POLICY_TLSA) {
		t.domain = p->trust.server_name;
		tell_records(p, &a->arena, &t);
	} else if (p->found == TLS_POLICY_STS) {
		tell_sts(p->sts, &a->arena, &t);
	}
	return t;
}

void report_tls_trouble(struct attempt *a, enum tls_result result)
{
	struct tls_applied p = { .type = TLS_POLICY_STS, .domain = a->site };
	struct tls_row row = { .result = result };

	if (is_told(a))
		count(a, &p, &row);
}

void report_tls(struct attempt *a, const struct host *h, const struct endpoint *to, const struct tls_policy *p,
		const struct tls_outcome *outcome)
{
	struct tls_row row = { .result = p->problem, .host = h->name };
	char address[ENDPOINT_TEXT];
	struct tls_applied t;

	if (!is_told(a) || (outcome && !outcome->known))
		return;
	t = applied(a, p);
	if (outcome && outcome->result != TLS_RESULT_OK)
		row.result = outcome->result;
	if (row.result == TLS_RESULT_OK) {
		row.host = VIEW_NONE;
	} else if (outcome) {
		row.sending = view_cstr(outcome->own);
		row.reason = view_cstr(outcome->reason);
	}
	if (row.result != TLS_RESULT_OK && to)
		row.address = view_cstr(endpoint_host_text(to, address));
	count(a, &t, &row);
}
