/* seal.h - what a letter may be signed for: the grant that warden gives while
 * the letter comes in, that travels in its envelope, and that relay shows
 * when the letter goes out.
 *
 *     u64     until when, wall time
 *     view    the domain it may be signed for as its author's (DKIM), or empty
 *     u32, views   those it may be sealed for as sent on by us (ARC)
 *     32 bytes     an HMAC of warden's over all that, and over the letter's id
 *
 * Domains are as in directory.db.  Nobody but warden can make one, and it is
 * good for that letter's id alone; so a relay can ask for signatures of those
 * domains only whose letters it has been given.
 */
#ifndef WAXWING_IPC_SEAL_H
#define WAXWING_IPC_SEAL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/cursor.h"

enum { SEAL_GRANT_MAX = 1024, SEAL_MAC = 32, SEAL_VIAS_MOST = 16 };

struct seal_grant {
	wall_ms until;
	struct view author;
	struct view vias[SEAL_VIAS_MOST];
	uint32_t n_vias;
	/* ---- when it was taken ---- */
	struct view said, mac;
};

/* Without the HMAC. */
void seal_grant_put(struct buf *b, const struct seal_grant *g);
/* Views of the bytes.  ST_SYNTAX. */
enum status seal_grant_take(struct view bytes, struct seal_grant *ret) MUST_USE;
/* Is it good for that domain, in whichever way? */
bool seal_grant_has(const struct seal_grant *g, struct view domain);

/* One key that signs: in the answer to seal_keys_ask, one after another. */
struct seal_key_name {
	uint8_t algorithm;	/* enum seal_algorithm of trust/key.h */
	struct view selector;
};
void seal_key_name_put(struct buf *b, const struct seal_key_name *k);
/* False at the end or at broken bytes. */
bool seal_key_name_take(struct cursor *c, struct seal_key_name *ret);

#endif
