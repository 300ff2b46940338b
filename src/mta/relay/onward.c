/* onward.c - a letter of somebody else's that is sent on: which checks will
 * pass at the next host, said in the log for `waxwing trace`. */
#include "mta/relay/internal.h"

#include "base/log.h"
#include "msg/address.h"
#include "trust/authres.h"
#include "trust/domain.h"

/* What the door found, as far as it decides. */
struct found {
	bool dmarc;		/* the author's domain has a policy */
	bool signed_at_all;
	struct view author;	/* his domain */
	struct view signer;	/* of a good signature, the author's before others */
	bool aligned;		/* it is the author's */
};

static struct view property(const struct authres_result *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (view_eq_i(r->properties[i].type, VIEW("header")) && view_eq_i(r->properties[i].name, view_cstr(name)))
			return r->properties[i].value;
	return VIEW_NONE;
}

/* Relaxed, without a list of public suffixes: the same, above or below. */
static bool is_aligned(struct view a, struct view b)
{
	return a.n && b.n && (domain_within(a, b) || domain_within(b, a));
}

static void take_signature(const struct authres_result *r, struct found *f)
{
	struct view signer = property(r, "d");

	f->signed_at_all |= !view_eq_i(r->result, VIEW("none"));
	if (!view_eq_i(r->result, VIEW("pass")) || f->aligned)
		return;
	f->aligned = is_aligned(signer, f->author);
	if (f->aligned || f->signer.n == 0)
		f->signer = signer;
}

static void read_results(const struct authres *all, struct found *f)
{
	for (size_t i = 0; i < all->n; i++)
		if (view_eq_i(all->results[i].method, VIEW("dmarc"))) {
			f->author = property(&all->results[i], "from");
			f->dmarc = !view_eq_i(all->results[i].result, VIEW("none"));
		}
	for (size_t i = 0; i < all->n; i++)
		if (view_eq_i(all->results[i].method, VIEW("dkim")))
			take_signature(&all->results[i], f);
}

void onward_log(struct attempt *a, const struct recipient *r, struct view results, bool changed, bool sealed)
{
	struct authres all;
	struct found f = { 0 };
	bool dkim, own = r->sender.n > 0;

	if (authres_parse(results, &a->arena, &all) != ST_OK)
		return;
	read_results(&all, &f);
	dkim = f.signer.n && !changed;
	log_begin(LOG_INFO_, "onward");
	log_hex("sid", a->env.sid);
	log_view("id", a->env.id);
	log_view("to", r->address);
	/* Of the null sender SPF looks at our own name (RFC 7208 2.4). */
	log_str("spf", own || a->env.sender.n == 0 ? "pass" : "fail");
	log_view("spf-domain", own	      ? address_domain(r->sender) :
			       a->env.sender.n ? address_domain(a->env.sender) :
						 view_cstr(a->r->proc.conf.host_name));
	log_str("dkim", dkim ? "pass" : f.signed_at_all ? "fail" : "none");
	if (f.signer.n)
		log_view("dkim-domain", f.signer);
	log_str("dmarc", !f.dmarc ? "none" : dkim && f.aligned ? "pass" : "fail");
	log_view("author", f.author);
	log_str("changed", changed ? "yes" : "no");
	log_str("arc", sealed ? "pass" : "none");
	log_end();
}
