#include "trust/verdict.h"

#include "trust/authres.h"
#include "trust/domain.h"

/* ---- running the checks ---- */

void checks_hint(const struct checks_host *h, struct view sender, struct view helo)
{
	struct arena a = ARENA(16384);
	struct view domain = helo;
	size_t at = view_behind_last(sender, '@');

	if (sender.n)
		domain = view_skip(sender, at);
	if (domain_ascii(domain, &a, &domain) == ST_OK) {
		dns_hint(h->resolver, domain, DNS_TXT);
		/* The author is mostly of the same domain. */
		if (sender.n)
			dmarc_hint(h->resolver, domain);
	}
	arena_free(&a);
}

static void collect(void *arg, struct pass *p)
{
	struct checks *c = arg;

	if (c->host == NULL)
		return;
	c->st = author_find(buf_view(&p->header), &p->a, &c->author);
	if (c->st != ST_OK)
		return;
	for (size_t i = 0; i < c->author.n && i < 2; i++)
		if (c->author.all[i].domain.n)
			dmarc_hint(c->host->resolver, c->author.all[i].domain);
	dkim_collect(p, c->host->signatures, c->host->resolver, &c->dkim);
	arc_collect(p, c->host->resolver, &c->arc);
}

void checks_begin(struct checks *c, const struct checks_host *h)
{
	memset(c, 0, sizeof *c);
	c->host = h;
	c->author.kind = AUTHOR_NONE;
	pass_begin(&c->pass, collect, c);
}

void checks_put(struct checks *c, struct view bytes)
{
	pass_put(&c->pass, bytes);
}

void checks_free(struct checks *c)
{
	pass_free(&c->pass);
}

static enum status check_spf(struct checks *c, const struct checks_letter *l, struct trust_verdict *v)
{
	/* Settings may be read anew while we wait. */
	struct spf_query q = {
		.ip = l->ip, .helo = l->helo, .sender = l->sender, .now = l->now,
		.receiver = arena_copy(&c->pass.a, c->host->name),
		.deadline = c->host->patience ? clock_steady() + c->host->patience : 0,
	};

	if (!l->has_ip)
		return ST_OK;
	v->has_spf = true;
	return spf_check(&q, c->host->resolver, &c->pass.a, &v->spf);
}

/* Local policy where the author's domain wants such letters refused (RFC 9989
 * 5.4, RFC 8617 7.2). */
static void take_chain(struct checks *c, struct trust_verdict *v)
{
	v->arc_vouches = v->dmarc.result == DMARC_FAIL &&
			 arc_vouches(&c->pass, &c->arc, c->host->sealers, v->dmarc.domain);
	if (v->arc_vouches)
		v->dmarc.disposition = DMARC_POLICY_NONE;
}

enum status checks_end(struct checks *c, const struct checks_letter *l, struct trust_verdict *ret)
{
	struct trust_verdict v = { .header = pass_end(&c->pass), .tls = l->tls };
	struct dmarc_query q = { .author = &c->author, .suffixes = c->host->suffixes, .sample = l->sample };
	enum status st = v.header == ST_NOMEM ? ST_NOMEM : c->st;

	if (st == ST_OK)
		st = check_spf(c, l, &v);
	if (st == ST_OK && v.header == ST_OK) {
		dkim_check(&c->pass, &c->dkim, c->host->resolver, c->host->keys, l->now);
		arc_check(&c->pass, &c->arc, c->host->resolver, c->host->keys, l->now);
		q.spf = v.has_spf ? &v.spf : NULL;
		q.dkim = &c->dkim;
		st = dmarc_check(&q, c->host->resolver, &c->pass.a, &v.dmarc);
		take_chain(c, &v);
	} else if (st == ST_OK) {
		v.dmarc = (struct dmarc_answer){ .result = DMARC_PERMERROR, .problem = "the header is too large" };
	}
	/* Last, when there was the most time for it. */
	v.has_iprev = l->has_ip && l->address;
	if (v.has_iprev)
		iprev_take(l->address, &v.iprev);
	v.dkim = c->dkim;
	v.arc = c->arc;
	v.author = c->author;
	if (st == ST_OK)
		*ret = v;
	return st;
}

/* ---- Authentication-Results ---- */

static void put_reason(const char *problem, struct buf *out)
{
	if (problem) {
		buf_puts(out, " reason=");
		buf_putf(out, "\"%s\"", problem);
	}
}

static void put_property(const char *name, struct view value, struct buf *out)
{
	if (value.n == 0)
		return;
	buf_putf(out, " %s=", name);
	authres_put_value(value, out);
}

static void put_spf(const struct trust_verdict *v, const struct checks_letter *l, struct buf *out)
{
	buf_putf(out, ";\r\n\tspf=%s", spf_result_name(v->spf.result));
	put_reason(v->spf.problem, out);
	put_property(v->spf.helo ? "smtp.helo" : "smtp.mailfrom", v->spf.helo ? l->helo : l->sender, out);
}

/* RFC 8601 2.7.3 */
static void put_iprev(const struct trust_verdict *v, const struct checks_letter *l, struct buf *out)
{
	char address[SPF_IP_TEXT];

	spf_ip_text(&l->ip, address);
	buf_putf(out, ";\r\n\tiprev=%s", iprev_result_name(v->iprev.result));
	/* A name with a backslash is no host's, and could end the comment. */
	if (v->iprev.name.n && !memchr(v->iprev.name.p, '\\', v->iprev.name.n) &&
	    !memchr(v->iprev.name.p, ')', v->iprev.name.n) && !memchr(v->iprev.name.p, '(', v->iprev.name.n))
		buf_putf(out, " (%.*s)", VIEW_ARG(v->iprev.name));
	put_property("policy.iprev", view_cstr(address), out);
}

/* header.b: its first eight characters tell signatures apart (RFC 6008). */
static void put_signature(const struct signature *s, struct buf *out)
{
	buf_putf(out, ";\r\n\tdkim=%s", seal_result_name(s->result));
	if (s->key_bits)
		buf_putf(out, " (%u-bit key%s)", s->key_bits, s->testing ? ", testing" : "");
	if (s->unsigned_octets)
		buf_putf(out, " (%llu octets at the end are not signed)", (unsigned long long)s->unsigned_octets);
	if (s->doubled)
		buf_putf(out, " (one of several %s: fields is not signed)", s->doubled);
	put_reason(s->problem, out);
	put_property("header.d", s->domain, out);
	put_property("header.i", s->identity, out);
	put_property("header.s", s->selector, out);
	put_property("header.a", s->algorithm_text, out);
	put_property("header.b", view_head(s->b_text, 8), out);
}

static void put_dmarc(const struct trust_verdict *v, struct buf *out)
{
	const struct dmarc_answer *d = &v->dmarc;

	buf_putf(out, ";\r\n\tdmarc=%s", dmarc_result_name(d->result));
	if (d->record_at.n)
		buf_putf(out, " (p=%s)", dmarc_policy_name(d->policy));
	put_reason(d->problem, out);
	put_property("header.from", d->domain, out);
	if (d->result == DMARC_FAIL)
		buf_putf(out, " policy.dmarc=%s%s", dmarc_policy_name(d->disposition),
			 v->arc_vouches ? " policy.arc=trusted" : "");
}

/* RFC 7281 4. */
static void put_smime(const struct content_seal *s, struct buf *out)
{
	buf_putf(out, ";\r\n\tsmime=%s", s->result);
	put_property("body.smime-identifier", s->identifier, out);
	put_property("body.smime-serial", s->serial, out);
	put_property("body.smime-issuer", s->issuer, out);
}

/* What stands behind its colon. */
static void put_results(const struct trust_verdict *v, const struct checks_letter *l, struct view id, struct buf *out)
{
	authres_put_value(id, out);
	if (v->has_spf)
		put_spf(v, l, out);
	if (v->has_iprev)
		put_iprev(v, l, out);
	for (uint32_t i = 0; i < v->dkim.n; i++)
		put_signature(&v->dkim.signatures[i], out);
	if (v->dkim.n == 0)
		buf_puts(out, ";\r\n\tdkim=none");
	put_dmarc(v, out);
	if (v->arc.n || v->arc.problem) {
		buf_putf(out, ";\r\n\tarc=%s", arc_result_name(v->arc.result));
		if (v->arc.n)
			buf_putf(out, " (i=%u)", v->arc.n);
		put_reason(v->arc.problem, out);
	}
	if (v->smime.result)
		put_smime(&v->smime, out);
}

void verdict_put_field(const struct trust_verdict *v, const struct checks_letter *l, struct view id, struct buf *out)
{
	buf_puts(out, "Authentication-Results: ");
	put_results(v, l, id, out);
	buf_puts(out, "\r\n");
}

/* ---- for people ---- */

static void put_pass(const struct dmarc_answer *d, struct buf *out)
{
	buf_putf(out, "This letter is from %.*s: ", VIEW_ARG(d->domain));
	if (d->dkim_aligned)
		buf_puts(out, "it bears that domain's signature");
	if (d->dkim_aligned && d->spf_aligned)
		buf_puts(out, ", and ");
	if (d->spf_aligned)
		buf_puts(out, "it came from a host that may send for it");
	buf_puts(out, ".");
}

static void put_fail(const struct dmarc_answer *d, struct buf *out)
{
	buf_putf(out, "This letter says that it is from %.*s, and nothing proves it; ", VIEW_ARG(d->domain));
	switch (d->policy) {
	case DMARC_REJECT:
		buf_puts(out, "that domain wants such letters refused.");
		break;
	case DMARC_QUARANTINE:
		buf_puts(out, "that domain wants such letters put aside.");
		break;
	default:
		buf_puts(out, "that domain asks for nothing to be done about it.");
	}
}

/* Without a policy of the author's there may still be somebody who signed. */
static void put_none(const struct trust_verdict *v, struct buf *out)
{
	buf_putf(out, "The domain %.*s does not say how its letters can be told from others",
		 VIEW_ARG(v->dmarc.domain));
	for (uint32_t i = 0; i < v->dkim.n; i++) {
		if (!dkim_proves(&v->dkim.signatures[i]))
			continue;
		buf_putf(out, "; this one bears a good signature of %.*s", VIEW_ARG(v->dkim.signatures[i].domain));
		break;
	}
	if (v->has_spf && v->spf.result == SPF_PASS)
		buf_putf(out, "; it came from a host that may send for %.*s", VIEW_ARG(v->spf.domain));
	buf_puts(out, ".");
}

void verdict_put_sentence(const struct trust_verdict *v, struct buf *out)
{
	switch (v->dmarc.result) {
	case DMARC_PASS:
		put_pass(&v->dmarc, out);
		break;
	case DMARC_FAIL:
		put_fail(&v->dmarc, out);
		if (v->arc_vouches)
			buf_puts(out, " But hosts that are trusted here have sent it on, and say that it was proved when they got it.");
		break;
	case DMARC_NONE:
		put_none(v, out);
		break;
	case DMARC_TEMPERROR:
		buf_putf(out, "Whether this letter is from %.*s could not be found out now.", VIEW_ARG(v->dmarc.domain));
		break;
	case DMARC_PERMERROR:
		buf_putf(out, "Nobody can tell who wrote this letter: %s.", v->dmarc.problem ? v->dmarc.problem : "no author");
	}
	for (uint32_t i = 0; i < v->dkim.n; i++)
		if (v->dkim.signatures[i].result == SEAL_PASS && v->dkim.signatures[i].unsigned_octets)
			buf_putf(out, " The signature of %.*s does not cover the last %llu octets: anybody may have added them.",
				 VIEW_ARG(v->dkim.signatures[i].domain),
				 (unsigned long long)v->dkim.signatures[i].unsigned_octets);
	for (uint32_t i = 0; i < v->dkim.n; i++)
		if (v->dkim.signatures[i].doubled)
			buf_putf(out, " The letter has several %s: fields that differ, and the signature of %.*s does not cover all: "
				 "anybody may have added one.", v->dkim.signatures[i].doubled,
				 VIEW_ARG(v->dkim.signatures[i].domain));
	if (v->author.name_lies)
		buf_puts(out, " The name of the author is itself an address, of another domain than the letter.");
	if (v->tls.n)
		buf_putf(out, " It came encrypted (%.*s).", VIEW_ARG(v->tls));
	if (v->smime.result) {
		buf_puts(out, " S/MIME: ");
		buf_put(out, v->smime.sentence);
	}
}
