/* signing.h - the keys that letters of a domain are signed with (RFC 6376,
 * RFC 8463): what of each is public, and where it is in its life.
 *
 *     next      made, and to be published; signs nothing yet
 *     active    signs
 *     retired   signs nothing more; its record stays until what it has
 *               signed has arrived everywhere, then it may go
 *
 * They lie in directory.db.  The private halves are files that only warden
 * reads: keys/dkim/DOMAIN/SELECTOR.key below the instance's folder, PKCS #8 in
 * PEM (warden/signing_keys.h makes them).
 */
#ifndef WAXWING_DIRECTORY_SIGNING_H
#define WAXWING_DIRECTORY_SIGNING_H

#include "directory/directory.h"

enum { SIGNING_KEYS_MOST = 64, SIGNING_SELECTOR_MAX = 63, SIGNING_PUBLIC_MAX = 4096 };

enum signing_algorithm { SIGNING_RSA, SIGNING_ED25519 };
enum signing_state { SIGNING_NEXT, SIGNING_ACTIVE, SIGNING_RETIRED };

struct signing_key {
	struct view domain;		/* as in the table of domains: lower case, perhaps UTF-8 */
	struct view selector;		/* lower-case letters and digits */
	enum signing_algorithm algorithm;
	enum signing_state state;
	struct view public_key;		/* base64: what p= of its record holds (RFC 6376 3.6.1, RFC 8463 4.2) */
	/* Wall time, or 0: not yet.  seen: since when public DNS has been known to have it. */
	wall_ms created, seen, activated, retired;
};

/* "rsa", "ed25519": also what k= of the record says.  Static. */
const char *signing_algorithm_word(enum signing_algorithm a);
/* "next", "active", "retired".  Static. */
const char *signing_state_word(enum signing_state s);

/* "v=DKIM1; k=...; p=...": what SELECTOR._domainkey.DOMAIN has as TXT. */
void signing_put_record(const struct signing_key *k, struct buf *out);

/* The keys of a domain, of all where it is empty: by domain, then the oldest
 * first.  Views last until row returns.  row must neither change the table nor ask
 * it again.
 * ST_SYNTAX: a row that this version does not know. */
typedef void signing_row(void *arg, const struct signing_key *k);
enum status signing_each(struct directory *d, struct view domain, signing_row *row, void *arg) MUST_USE;

/* ST_MISSING (the domain is not ours), ST_EXISTS (it had such a selector),
 * ST_LIMIT (SIGNING_KEYS_MOST of a domain), ST_SYNTAX (the selector). */
enum status signing_add(struct directory *d, const struct signing_key *k) MUST_USE;
/* seen: 0 where it is not there any more.  ST_MISSING. */
enum status signing_set_seen(struct directory *d, struct view domain, struct view selector, wall_ms seen) MUST_USE;
/* All at once: what is next becomes active, what was active retired.
 * ST_MISSING: nothing is next. */
enum status signing_switch(struct directory *d, struct view domain, wall_ms now) MUST_USE;
/* ST_MISSING; ST_DENIED: it is active. */
enum status signing_remove(struct directory *d, struct view domain, struct view selector) MUST_USE;

#endif
