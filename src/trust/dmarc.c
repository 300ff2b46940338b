#include "trust/dmarc.h"

#include "trust/domain.h"
#include "wire/rdata.h"

#include <libpsl.h>

const char *dmarc_result_name(enum dmarc_result r)
{
	static const char *const names[] = {
		[DMARC_NONE] = "none", [DMARC_PASS] = "pass", [DMARC_FAIL] = "fail",
		[DMARC_TEMPERROR] = "temperror", [DMARC_PERMERROR] = "permerror",
	};

	return names[r];
}

/* ---- public suffixes ---- */

struct suffixes *suffixes_open(void)
{
	/* Debian's package publicsuffix, or what libpsl was built with. */
	return (struct suffixes *)psl_latest(NULL);
}

void suffixes_close(struct suffixes *s)
{
	psl_free((psl_ctx_t *)s);
}

static bool is_public(const struct suffixes *s, struct view domain)
{
	char name[DNS_NAME_MAX + 1];

	if (s == NULL || domain.n > DNS_NAME_MAX)
		return false;
	memcpy(name, domain.p, domain.n);
	name[domain.n] = '\0';
	return psl_is_public_suffix2((const psl_ctx_t *)s, name, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) == 1;
}

/* ---- records ---- */

struct check {
	const struct dmarc_query *q;
	struct resolver *r;
	struct arena *a;
	const struct walk *author;	/* from the author's domain: what it asked is not asked again */
	bool failed;		/* DNS did not answer */
	enum status st;
};

static struct view record_name(struct arena *a, struct view domain)
{
	static const char label[] = "_dmarc.";
	size_t n = sizeof label - 1 + domain.n;
	char *p = n > DNS_NAME_MAX ? NULL : arena_alloc(a, n);

	if (p == NULL)
		return VIEW_NONE;
	memcpy(p, label, sizeof label - 1);
	if (domain.n)
		memcpy(p + sizeof label - 1, domain.p, domain.n);
	return view_make(p, n);
}

/* The one record of a domain; of several none counts (4.10). */
static bool find_record(struct check *c, struct view domain, struct dmarc_record *ret)
{
	struct view name = record_name(c->a, domain), text;
	struct dmarc_record one;
	struct dns_answer d;
	size_t n = 0;
	bool good = false;

	if (name.n == 0 || c->st != ST_OK)
		return false;
	c->st = dns_ask(c->r, name, DNS_TXT, c->a, &d);
	if (c->st != ST_OK)
		return false;
	if (d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS)
		c->failed = true;
	for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++) {
		if (dns_read_txt(d.rdata[i], c->a, &text) != ST_OK || !dmarc_record_is(text))
			continue;
		n++;
		good = dmarc_record_parse(text, &one) == ST_OK;
	}
	if (n != 1 || !good)
		return false;
	*ret = one;
	return true;
}

/* ---- the tree walk (4.10) ---- */

struct walk {
	struct view found[DMARC_WALK];		/* domains with a record, the longest first */
	struct dmarc_record records[DMARC_WALK];
	size_t n;
	struct view names[DMARC_WALK];		/* all that were asked */
	size_t asked;
	struct view organization;
};

/* The names that are asked: the domain, then at most the last seven labels,
 * one less each time. */
static size_t names_of(struct view domain, struct view *ret)
{
	size_t labels = domain_labels(domain), n = 0;

	ret[n++] = domain;
	labels = labels < DMARC_WALK ? labels - 1 : DMARC_WALK - 1;
	for (; labels > 0 && n < DMARC_WALK; labels--)
		ret[n++] = domain_tail(domain, labels);
	return n;
}

static struct view one_below(struct view start, struct view above)
{
	return domain_tail(start, domain_labels(above) + 1);
}

static void choose_organization(const struct check *c, struct view start, struct walk *w)
{
	w->organization = start;
	for (size_t i = 0; i < w->n; i++) {
		if (w->records[i].psd == 'n') {
			w->organization = w->found[i];
			return;
		}
		if (w->records[i].psd == 'y' && !view_eq(w->found[i], start)) {
			w->organization = one_below(start, w->found[i]);
			return;
		}
	}
	if (w->n == 0)
		return;
	w->organization = w->found[w->n - 1];
	if (!view_eq(w->organization, start) && w->records[w->n - 1].psd == 'u' &&
	    is_public(c->q->suffixes, w->organization))
		w->organization = one_below(start, w->organization);
}

static bool record_of(const struct walk *w, struct view domain, struct dmarc_record *ret)
{
	for (size_t i = 0; i < w->n; i++) {
		if (!view_eq(w->found[i], domain))
			continue;
		*ret = w->records[i];
		return true;
	}
	return false;
}

static bool was_asked(const struct walk *w, struct view domain)
{
	for (size_t i = 0; w && i < w->asked; i++)
		if (view_eq(w->names[i], domain))
			return true;
	return false;
}

static void walk(struct check *c, struct view domain, struct walk *w)
{
	size_t n = names_of(domain, w->names);

	w->n = 0;
	for (w->asked = 0; w->asked < n;) {
		struct view name = w->names[w->asked++];
		struct dmarc_record *next = &w->records[w->n];

		if (was_asked(c->author, name) ? !record_of(c->author, name, next) : !find_record(c, name, next))
			continue;
		w->found[w->n++] = name;
		if (next->psd != 'u')
			break;
	}
	choose_organization(c, domain, w);
}

enum status dmarc_organization(struct view domain, const struct suffixes *suffixes, struct resolver *r, struct arena *a,
			       struct view *ret)
{
	struct dmarc_query q = { .suffixes = suffixes };
	struct check c = { .q = &q, .r = r, .a = a };
	struct walk w;

	walk(&c, domain, &w);
	if (c.st == ST_OK)
		c.st = arena_status(a);
	if (c.st != ST_OK)
		return c.st;
	*ret = w.organization;
	return c.failed ? ST_AGAIN : ST_OK;
}

void dmarc_hint(struct resolver *r, struct view domain)
{
	struct arena a = ARENA(16384);
	struct view names[DMARC_WALK], name;
	size_t n = names_of(domain, names);

	for (size_t i = 0; i < n; i++) {
		name = record_name(&a, names[i]);
		if (name.n)
			dns_hint(r, name, DNS_TXT);
	}
	arena_free(&a);
}

/* ---- policy (4.10.1) ---- */

/* RFC 9989 4.8, np=: NXDOMAIN, by RFC 8020. */
static bool does_not_exist(struct check *c, struct view domain)
{
	struct dns_answer d;

	if (c->st == ST_OK)
		c->st = dns_ask(c->r, domain, DNS_A, c->a, &d);
	return c->st == ST_OK && d.outcome == DNS_NO_NAME;
}

/* The author's own record; or that of his organization; or that of the public
 * suffix above it. */
static bool find_policy(struct check *c, const struct walk *w, struct dmarc_answer *out)
{
	if (record_of(w, out->domain, &out->record)) {
		out->record_at = out->domain;
		out->policy = out->record.p;
		return true;
	}
	if (record_of(w, out->organization, &out->record)) {
		out->record_at = out->organization;
	} else if (w->n && w->records[w->n - 1].psd == 'y') {
		out->record = w->records[w->n - 1];
		out->record_at = w->found[w->n - 1];
	} else {
		return false;
	}
	out->no_such_domain = does_not_exist(c, out->domain);
	out->policy = out->no_such_domain ? out->record.np : out->record.sp;
	return true;
}

/* t=y: one step below (4.8).  pct=: those that are not of the sample too
 * (RFC 7489 6.6.4), unless the record says t=. */
static enum dmarc_policy disposition(const struct dmarc_query *q, const struct dmarc_answer *d)
{
	bool less = d->record.testing || (!d->record.has_t && q->sample >= d->record.pct);

	if (!less || d->policy == DMARC_POLICY_NONE)
		return d->policy;
	return d->policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_POLICY_NONE;
}

/* ---- alignment (4.4) ---- */

static bool is_aligned(struct check *c, const struct dmarc_answer *d, struct view domain, bool strict)
{
	struct walk w;

	if (view_eq(domain, d->domain))
		return true;
	if (strict || domain.n == 0)
		return false;
	/* Another tree altogether is not asked for. */
	if (!domain_within(domain, d->organization))
		return false;
	walk(c, domain, &w);
	return view_eq(w.organization, d->organization);
}

/* ret_open: an identity of the author's could not be checked now. */
static void check_spf(struct check *c, struct dmarc_answer *d, bool *ret_open)
{
	const struct spf_answer *s = c->q->spf;

	if (s == NULL || (s->result != SPF_PASS && s->result != SPF_TEMPERROR) ||
	    !is_aligned(c, d, s->domain, d->record.strict_spf))
		return;
	if (s->result == SPF_PASS)
		d->spf_aligned = true;
	else
		*ret_open = true;
}

static void check_dkim(struct check *c, struct dmarc_answer *d, bool *ret_open)
{
	for (uint32_t i = 0; c->q->dkim && i < c->q->dkim->n; i++) {
		const struct signature *s = &c->q->dkim->signatures[i];

		if (!dkim_proves(s) && s->result != SEAL_TEMPERROR)
			continue;
		if (!is_aligned(c, d, s->domain, d->record.strict_dkim))
			continue;
		if (s->result == SEAL_TEMPERROR)
			*ret_open = true;
		else
			d->dkim_aligned = true;
	}
}

static void check_one(struct check *c, struct view domain, struct dmarc_answer *d)
{
	bool open = false, found;
	struct walk w;

	*d = (struct dmarc_answer){ .domain = domain };
	c->failed = false;
	walk(c, domain, &w);
	c->author = &w;
	d->organization = w.organization;
	found = find_policy(c, &w, d);
	/* Also without a policy it is worth to know whether it is the author's. */
	check_spf(c, d, &open);
	check_dkim(c, d, &open);
	c->author = NULL;
	if (!found) {
		d->result = c->failed ? DMARC_TEMPERROR : DMARC_NONE;
		d->problem = c->failed ? "no answer for the policy" : NULL;
	} else if (d->spf_aligned || d->dkim_aligned) {
		d->result = DMARC_PASS;
	} else if (open || c->failed) {
		d->result = DMARC_TEMPERROR;
		d->problem = "no answer for what could prove the author";
	} else {
		d->result = DMARC_FAIL;
		d->disposition = disposition(c->q, d);
	}
}

/* Which of two authors' answers is the worse one (RFC 7489 6.6.1). */
static unsigned severity(const struct dmarc_answer *d)
{
	static const unsigned by_result[] = {
		[DMARC_PASS] = 0, [DMARC_NONE] = 1, [DMARC_FAIL] = 3, [DMARC_TEMPERROR] = 2, [DMARC_PERMERROR] = 2,
	};

	return by_result[d->result] * 4 + d->disposition;
}

enum status dmarc_check(const struct dmarc_query *q, struct resolver *r, struct arena *a, struct dmarc_answer *ret)
{
	struct check c = { .q = q, .r = r, .a = a };
	struct dmarc_answer worst = { .result = DMARC_PERMERROR, .problem = author_problem(q->author->kind) }, one;

	if (q->author->kind == AUTHOR_ONE || q->author->kind == AUTHOR_SEVERAL) {
		for (size_t i = 0; i < q->author->n && c.st == ST_OK; i++) {
			check_one(&c, q->author->all[i].domain, &one);
			if (i == 0 || severity(&one) > severity(&worst))
				worst = one;
		}
	}
	if (c.st == ST_OK)
		c.st = arena_status(a);
	if (c.st == ST_OK)
		*ret = worst;
	return c.st;
}
