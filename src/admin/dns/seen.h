/* seen.h - does the world say it?  One wanted record against what DNS
 * answers. */
#ifndef WAXWING_ADMIN_DNS_SEEN_H
#define WAXWING_ADMIN_DNS_SEEN_H

#include "admin/dns/wanted.h"

enum seen_state {
	SEEN_GOOD = 0,
	SEEN_MISSING,
	SEEN_CONFLICT,	/* something else stands there, beside which it cannot stand */
	SEEN_UNKNOWN,	/* DNS gave no answer, or a bogus one */
};

struct seen {
	enum seen_state state;
	bool secure;
	uint32_t ttl;
	struct view other;	/* SEEN_CONFLICT: what stands there; SEEN_UNKNOWN: why.  In the arena */
};

/* An alias is as good as addresses that lead to the same host.
 * ST_NOMEM, ST_LIMIT. */
enum status wanted_look(const struct wanted *w, const struct dns_facts *f, struct resolver *r, struct arena *a,
			struct seen *ret) MUST_USE;

/* "done", "to do", "differs", "unknown".  Static. */
const char *seen_state_name(enum seen_state s);

#endif
