/* remember.h - logins just proved, so that a client which reconnects does not
 * cost an argon2id again (login.remember).
 *
 * What is kept is HMAC-SHA256 under a key that is random at start and never
 * leaves this process, over account, verifier and password: no password can
 * be read from it, two people's never meet, and a changed password or a new
 * account under an old address is another hash, so that nothing has to be
 * thrown away when the directory changes.
 *
 * Only what was right is remembered: a wrong password always costs the full
 * argon2id.  Limit: REMEMBER_MAX proofs, the oldest go first.
 */
#ifndef WAXWING_WARDEN_REMEMBER_H
#define WAXWING_WARDEN_REMEMBER_H

#include "base/clock.h"
#include "base/map.h"
#include "warden/mac.h"

enum { REMEMBER_MAX = 100000 };

struct proof;

struct remember {
	struct mac mac;
	struct map proofs;	/* first octets of the hash -> struct proof */
	struct proof *oldest, **newest;
	size_t n;
};

/* ST_NOMEM, ST_IO (no randomness). */
enum status remember_init(struct remember *r) MUST_USE;
void remember_free(struct remember *r);

/* Was exactly this proved, and its time is not over? */
bool remember_has(struct remember *r, uint64_t account, struct view verifier, struct view secret,
		  steady_ms now);

/* It was proved: valid until then.  Forgetting it for want of memory is no
 * failure. */
void remember_add(struct remember *r, uint64_t account, struct view verifier, struct view secret,
		  steady_ms until);

#endif
