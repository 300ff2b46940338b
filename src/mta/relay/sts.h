/* sts.h - what a site says by MTA-STS (RFC 8461), asked for and remembered.
 *
 * relay/sts.db, shared by all relay processes: a policy, its id, and until
 * when it counts.  It may be lost: then it is fetched again, as for a site
 * that was never seen.
 *
 * A policy that was fetched counts until its max_age is over, whatever DNS and
 * the web say meanwhile, so that taking them away takes no policy away (5.1,
 * 10.2).  One whose id is the one in DNS is not fetched again.
 */
#ifndef WAXWING_MTA_RELAY_STS_H
#define WAXWING_MTA_RELAY_STS_H

#include "mta/relay/fetch.h"
#include "report/tls.h"
#include "trust/mta_sts.h"
#include "wire/dns.h"

struct sts;

/* fetcher may be NULL: nothing is fetched, what is known counts.  port: of
 * HTTPS.  The errors of sql.h. */
enum status sts_open(const char *folder, struct loop *l, struct fetcher *f, uint16_t port, struct sts **ret) MUST_USE;
void sts_close(struct sts *s);

/* For a coroutine: the policy that counts for this domain now.  ST_MISSING:
 * none does.  ST_NOMEM, ST_LIMIT.  *ret_trouble, always: what went wrong where
 * it was fetched for this call, for reports (RFC 8460 4.3.2.2). */
enum status sts_find(struct sts *s, struct resolver *r, struct view domain, struct arena *a, struct sts_policy *ret,
		     enum tls_result *ret_trouble) MUST_USE;

#endif
