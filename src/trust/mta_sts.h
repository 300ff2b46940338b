/* mta_sts.h - what a domain says of the TLS of its mail hosts by MTA-STS
 * (RFC 8461): the TXT record that names a policy, and the policy.
 *
 * Pure.  Fetching and remembering is relay's.  Views are borrowed from the
 * text that was read; lists are in the arena given.
 */
#ifndef WAXWING_TRUST_MTA_STS_H
#define WAXWING_TRUST_MTA_STS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum {
	STS_ID_MAX = 32,		/* octets of an id (3.1) */
	STS_POLICY_MAX = 64 * 1024,	/* of a policy (3.3) */
	STS_MX_MAX = 100,		/* patterns that are looked at */
	STS_AGE_MOST = 31557600,	/* seconds of max_age (3.2): a year */
};

enum sts_mode { STS_NONE = 0, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age;	/* seconds */
	struct view *mx;	/* patterns as written: a name, or "*." and a name */
	size_t n_mx;
};

/* The id of a TXT record at _mta-sts.DOMAIN (3.1).  ST_SYNTAX: it is none of
 * MTA-STS; of all that are there exactly one must be. */
enum status sts_record_parse(struct view txt, struct view *ret_id) MUST_USE;

/* 3.2.  ST_SYNTAX: a field that must be there is not, or cannot be read; then
 * there is no policy.  Unknown fields are passed over, of a field that stands
 * twice (but mx) the first counts.  ST_LIMIT (STS_POLICY_MAX), ST_NOMEM. */
enum status sts_policy_parse(struct view text, struct arena *a, struct sts_policy *ret) MUST_USE;

/* May this host (an MX's name, lower case, A-labels) take letters (4.1)? */
bool sts_matches(const struct sts_policy *p, struct view host);

/* "enforce".  Static. */
const char *sts_mode_name(enum sts_mode m);
/* False: it is none of them. */
bool sts_mode_of(struct view name, enum sts_mode *ret);

/* ---- our own ---- */

/* The policy of domains whose one mail host this is (3.2). */
void sts_policy_put(enum sts_mode mode, struct view mx, uint32_t max_age, struct buf *out);
/* An id that is another one for each text (3.1), with a NUL behind. */
void sts_policy_id(struct view policy, char ret[STS_ID_MAX + 1]);

#endif
