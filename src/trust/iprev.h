/* iprev.h - does the name of an address lead back to it (RFC 8601 2.7.3, 3)?
 *
 * A host whose operator minds it has a PTR record, and that name the address.
 * It proves nobody; its absence is a sign of a machine that was not meant to
 * send letters.
 */
#ifndef WAXWING_TRUST_IPREV_H
#define WAXWING_TRUST_IPREV_H

#include "trust/spf.h"

enum { SPF_IP_TEXT = 46 };

enum iprev_result { IPREV_PASS, IPREV_FAIL, IPREV_TEMPERROR, IPREV_PERMERROR };

struct iprev {
	enum iprev_result result;	/* PERMERROR: there is no name; FAIL: none leads back */
	struct view name;		/* the first that leads back, or else the first; may be empty */
};

/* Looks at SPF_NAMES names at most.  In the arena; ST_NOMEM, ST_LIMIT. */
enum status iprev_check(const struct spf_ip *ip, struct resolver *r, struct arena *a, struct iprev *ret) MUST_USE;

/* The same beside the caller, in a coroutine of its own, begun when the address
 * is known and long before a letter is there: so it costs no wait.  The
 * resolver must stay.  NULL: no memory. */
struct iprev_ahead;
struct iprev_ahead *iprev_begin(const struct spf_ip *ip, struct resolver *r);
/* What is known by now: TEMPERROR where DNS has not answered yet.  Its name
 * lasts until iprev_drop. */
void iprev_take(const struct iprev_ahead *h, struct iprev *ret);
/* Nobody wants it any more; NULL too. */
void iprev_drop(struct iprev_ahead *h);

/* "pass".  Static. */
const char *iprev_result_name(enum iprev_result r);

/* As inet_ntop writes it. */
void spf_ip_text(const struct spf_ip *ip, char ret[SPF_IP_TEXT]);

#endif
