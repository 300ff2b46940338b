/* discover.h - the certificates of an address, found in DNS (SMIMEA, RFC 8162).
 *
 * Only what DNSSEC proves is used (6): who could forge the answer could read the
 * letter.  Full certificates alone are of use (selector 0, matching type 0); usages 1
 * and 3 are the person's own, 0 and 2 those of an authority.
 */
#ifndef WAXWING_SMIME_DISCOVER_H
#define WAXWING_SMIME_DISCOVER_H

#include "base/arena.h"
#include "wire/dns.h"

enum { DISCOVERED_MOST = 16 };

enum discovery {
	DISCOVERY_FOUND,	/* at least one certificate */
	DISCOVERY_NONE,		/* DNS says that there is none, or none of use */
	DISCOVERY_INSECURE,	/* there may be some, and nothing proves them */
	DISCOVERY_FAILED,	/* no answer, or a false one: ask later */
};
/* For people: "has no certificate in DNS".  Static. */
const char *discovery_text(enum discovery d);

struct discovered {
	enum discovery outcome;
	struct view people[DISCOVERED_MOST];	/* DER, in the arena */
	size_t n_people;
	struct view authorities[DISCOVERED_MOST];
	size_t n_authorities;
};

/* The local part as it stands and, where there is nothing, in lower case, as most
 * hosts take it.  ST_SYNTAX: no address; ST_NOMEM, ST_LIMIT. */
enum status smime_discover(struct resolver *r, struct view address, struct arena *a, struct discovered *ret) MUST_USE;

/* It will be asked for soon: begin to look, and do not wait. */
void smime_discover_hint(struct resolver *r, struct view address);

#endif
