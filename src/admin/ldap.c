/* ldap.c - certificates of others from a directory (--ldap). */
#include "admin/inspect.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "smime/chain.h"
#include "smime/ldap.h"

enum { ANSWER_MAX = 1024 * 1024 };

/* Does an authority of ours vouch for it?  It need not be good to sign with. */
static bool is_vouched_for(const struct smime_means *m, X509 *x)
{
	const smime_problems bad = PROBLEM(SELF_SIGNED) | PROBLEM(UNKNOWN_AUTHORITY) | PROBLEM(CHAIN) | PROBLEM(CONSTRAINTS) |
				   PROBLEM(EXPIRED) | PROBLEM(NOT_YET) | PROBLEM(REVOKED);
	struct chain_answer c;

	return smime_chain(m->trust, x, NULL, NULL, clock_wall(), -1, &c) == ST_OK && (c.problems & bad) == 0;
}

bool find_in_ldap(const struct invocation *in, const struct smime_means *m, struct view address, STACK_OF(X509) *all)
{
	const char *ca = in->given[OPTION_ca];
	struct ldap_place where = { in->given[OPTION_ldap], ca ? ca : system_authorities };
	struct arena a = ARENA(ANSWER_MAX);
	struct buf why = BUF(1024);
	struct discovered d = { .outcome = DISCOVERY_FAILED };
	enum status st = smime_ldap_find(&where, address, &a, &d, &why);
	bool found = st == ST_OK && d.outcome == DISCOVERY_FOUND && push_usable(&d, all);

	if (why.n)
		tell("%s: %.*s", where.url, VIEW_ARG(buf_view(&why)));
	if (found && is_vouched_for(m, sk_X509_value(all, sk_X509_num(all) - 1)))
		tell("%.*s: the certificate is from the directory %s; an authority that is trusted vouches for it, too",
		     VIEW_ARG(address), where.url);
	else if (found)
		tell("%.*s: the certificate is from the directory %s; nobody else vouches for it", VIEW_ARG(address), where.url);
	buf_free(&why);
	arena_free(&a);
	return found;
}
