#include "mta/relay/policy.h"

#include "wire/rdata.h"

#include <stdio.h>

enum { TLSA_MAX = 32 };	/* records of one host that are looked at */

/* ---- TLSA records ---- */

size_t policy_usable(const struct policy_source *s, struct dns_tlsa *records, size_t n)
{
	size_t usable = 0;

	for (size_t i = 0; i < n; i++)
		if ((records[i].usage == 2 || records[i].usage == 3) && tlsa_is_usable(s->tls, &records[i]))
			records[usable++] = records[i];
	return usable;
}

enum found { FOUND_NONE, FOUND_SOME, FOUND_TROUBLE };

/* What _port._tcp.name has. */
static enum status ask_tlsa(const struct policy_source *s, struct view name, uint16_t port, struct arena *a,
			    struct dns_answer *ret, enum found *ret_found)
{
	struct buf text = BUF(DNS_NAME_MAX + 32);
	enum status st;

	buf_putf(&text, "_%u._tcp.%.*s", port, VIEW_ARG(name));
	st = buf_status(&text);
	if (st == ST_OK)
		st = dns_ask(s->resolver, arena_copy(a, buf_view(&text)), DNS_TLSA, a, ret);
	buf_free(&text);
	if (st != ST_OK)
		return st;
	/* Only a secure answer says anything (RFC 7672 2.1). */
	if (ret->outcome == DNS_FOUND)
		*ret_found = ret->secure ? FOUND_SOME : FOUND_NONE;
	else
		*ret_found = dns_is_absent(ret) ? FOUND_NONE : FOUND_TROUBLE;
	return ST_OK;
}

static enum status take_records(const struct dns_answer *answer, struct arena *a, struct dns_tlsa **ret, size_t *ret_n)
{
	size_t n = 0;

	*ret = arena_array(a, answer->n, sizeof **ret);
	if (*ret == NULL)
		return arena_status(a);
	for (size_t i = 0; i < answer->n && n < TLSA_MAX; i++)
		n += dns_read_tlsa(answer->rdata[i], &(*ret)[n]) == ST_OK;
	*ret_n = n;
	return ST_OK;
}

static struct view not_now(struct arena *a, struct view name, const struct dns_answer *answer)
{
	struct buf text = BUF(1024);	/* of the longest name and reason, too */
	struct view v;

	buf_putf(&text, "the TLSA records of %.*s cannot be had: %s %.*s", VIEW_ARG(name),
		 answer->outcome == DNS_BOGUS ? "DNSSEC says that the answer is false" : "DNS gave no answer",
		 VIEW_ARG(view_head(answer->why, 200)));
	v = arena_copy(a, buf_view(&text));
	buf_free(&text);
	return v;
}

static enum status by_records(const struct policy_source *s, const struct dns_answer *answer, struct view base,
			      struct view other, struct view site, struct arena *a, struct tls_policy *ret)
{
	struct view *names = arena_array(a, 3, sizeof *names);
	struct dns_tlsa *records;
	size_t n = 0;
	enum status st = take_records(answer, a, &records, &n);

	if (st != ST_OK || names == NULL)
		return st != ST_OK ? st : arena_status(a);
	n = policy_usable(s, records, n);
	ret->by = "DANE";
	ret->level = n ? TLS_VERIFIED : TLS_ENCRYPTED;
	ret->problem = n ? TLS_RESULT_OK : TLS_TLSA_INVALID;
	/* 3.2.2: the base, the next-hop domain, and the MX's own name. */
	names[0] = base;
	names[1] = site;
	names[2] = other;
	ret->trust = (struct tls_trust){
		.how = n ? TLS_VERIFY_DANE : TLS_VERIFY_NONE, .server_name = base, .names = names,
		.n_names = 3, .records = records, .n_records = n,
	};
	return ST_OK;
}

/* DANE: *ret_decided where DNSSEC has something to say. */
static enum status by_dane(const struct policy_source *s, const struct tlsa_base *host, struct view site,
			   struct arena *a, struct tls_policy *ret, bool *ret_decided)
{
	/* 2.2.2: first behind the aliases, then where the aliases begin. */
	const struct view bases[2] = { host->canonical, host->name };
	size_t n = view_eq(host->canonical, host->name) ? 1 : 2;

	*ret_decided = false;
	if (!host->secure)
		return ST_OK;
	for (size_t i = 0; i < n; i++) {
		struct dns_answer answer;
		enum found found;
		enum status st = ask_tlsa(s, bases[i], host->port, a, &answer, &found);

		if (st != ST_OK)
			return st;
		if (found == FOUND_NONE)
			continue;
		*ret_decided = true;
		ret->found = TLS_POLICY_TLSA;
		if (found == FOUND_SOME)
			return by_records(s, &answer, bases[i], bases[n - 1 - i], site, a, ret);
		ret->problem = answer.outcome == DNS_BOGUS ? TLS_DNSSEC_INVALID : TLS_RESULT_OK;
		ret->trust.server_name = bases[i];
		ret->level = TLS_NOT_NOW;
		ret->by = "DANE";
		ret->why = not_now(a, bases[i], &answer);
		return ST_OK;
	}
	return ST_OK;
}

/* ---- all together ---- */

struct site_policy policy_of_site(const struct policy_source *s, struct view site, struct arena *a)
{
	struct site_policy p = { 0 };
	bool literal = site.n && site.p[0] == '[';

	if (s->sts && !literal && sts_find(s->sts, s->resolver, site, a, &p.sts, &p.trouble) == ST_OK)
		p.known = p.sts.mode != STS_NONE;
	return p;
}

/* The name must stand in a certificate of an authority. */
static void by_authority(struct view name, struct arena *a, struct tls_policy *ret)
{
	struct view *names = arena_array(a, 1, sizeof *names);

	ret->level = TLS_VERIFIED;
	if (names)
		names[0] = name;
	ret->trust = (struct tls_trust){
		.how = TLS_VERIFY_PKIX, .server_name = name, .names = names, .n_names = names != NULL,
	};
}

/* RFC 8689 4.2.1: which host it is must be known for sure, and it must prove
 * its name. */
static void demand(struct view name, bool mx_secure, struct arena *a, struct tls_policy *p)
{
	if (p->level == TLS_NOT_NOW)
		return;
	p->require_tls = true;
	if (p->level == TLS_VERIFIED)
		return;
	p->by = "REQUIRETLS";
	if (mx_secure && name.n) {
		by_authority(name, a, p);
	} else {
		p->level = TLS_NEVER;
		p->why = VIEW("REQUIRETLS, but nothing says for sure which host this is");
	}
}

/* RFC 8461 4, 5.  In testing nothing is refused: what would have been is in
 * the log and in how the letter went. */
static void by_sts(const struct sts_policy *sts, struct view host, struct arena *a, struct tls_policy *p)
{
	bool enforce = sts->mode == STS_ENFORCE, matches = sts_matches(sts, host);

	p->by = enforce ? "MTA-STS" : "MTA-STS (testing)";
	p->found = TLS_POLICY_STS;
	p->sts = sts;
	p->problem = matches ? TLS_RESULT_OK : TLS_VALIDATION_FAILURE;
	if (matches) {
		by_authority(host, a, p);
		p->trust.report = !enforce;
		p->level = enforce ? TLS_VERIFIED : TLS_IF_OFFERED;
	} else if (enforce) {
		p->level = TLS_NOT_NOW;
		p->why = VIEW("the MTA-STS policy of the domain does not name this host");
	}
}

enum status policy_of_host(const struct policy_source *s, const struct site_policy *of_site, struct view site,
			   bool mx_secure, const struct tlsa_base *host, const struct tls_wish *wish, struct arena *a,
			   struct tls_policy *ret)
{
	struct tls_policy p = { .by = "none" };
	bool decided;
	enum status st;

	p.trust.server_name = host->name;
	/* The sender would rather have it delivered (8689 4.3); not where he also
	 * asked for REQUIRETLS. */
	if (wish->relax && !wish->require) {
		p.by = "TLS-Required: No";
		*ret = p;
		return ST_OK;
	}
	st = by_dane(s, host, site, a, &p, &decided);
	if (st == ST_OK && !decided && of_site->known)
		by_sts(&of_site->sts, host->name, a, &p);
	if (st == ST_OK && wish->require)
		demand(host->name, mx_secure, a, &p);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = p;
	return st;
}

struct tls_policy policy_of_route(struct view host, bool must_verify, struct arena *a)
{
	struct tls_policy p = { .by = "route" };

	p.trust.server_name = host;
	if (must_verify)
		by_authority(host, a, &p);
	return p;
}
