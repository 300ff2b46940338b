/* arc.h - Authenticated Received Chain (RFC 8617): what each host on the way
 * found, sealed by it.
 *
 * arc_collect when the pass has the header, arc_check after its end.  A chain
 * that passes says only that nobody changed it: whether a sealer is believed
 * is the caller's question.
 */
#ifndef WAXWING_TRUST_ARC_H
#define WAXWING_TRUST_ARC_H

#include "trust/signature.h"

enum { ARC_SETS_MOST = 50 };		/* 4.2.1 */

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL, ARC_TEMPERROR };

struct arc_set {
	uint32_t results, message, seal;	/* fields of the pass, or PASS_NONE */
};

struct arc {
	enum arc_result result;
	const char *problem;		/* static; NULL unless it fails */
	unsigned n;			/* sets */
	struct arc_set sets[ARC_SETS_MOST];
	struct signature message;	/* of the newest set */
	struct signature *seals;	/* n of them, the oldest first */
	bool sealed_as_failed;		/* the newest seal says cv=fail: nothing is added (5.1.2) */
};

/* "pass".  Static. */
const char *arc_result_name(enum arc_result r);

/* Finds the sets, wants the body hash, hints the keys. */
void arc_collect(struct pass *p, struct resolver *r, struct arc *ret);
void arc_check(struct pass *p, struct arc *c, struct resolver *r, struct key_cache *cache, wall_ms now);

/* May what the chain tells of DMARC be believed (7.2.1): it passes, all who
 * sealed it are among `sealers` (domains with blanks between), and the first of
 * them saw DMARC pass for that domain. */
bool arc_vouches(struct pass *p, const struct arc *c, struct view sealers, struct view domain);

/* ---- sealing (5.1) ---- */

struct arc_sealing {
	struct signer *signer;
	struct view results;	/* authserv-id and what it found, as in Authentication-Results, unfolded or folded */
	wall_ms now;
	unsigned body_hash;	/* its own */
};

enum status arc_seal_begin(struct pass *p, struct arc_sealing *s) MUST_USE;

/* The three fields of the next set, to stand before the letter.  c is what
 * arc_check said of it.  ST_DENIED: nothing may be added (a chain that was
 * sealed as failed, or 50 sets); ST_SYNTAX: no From:; the signer's errors. */
enum status arc_seal_end(struct pass *p, const struct arc *c, struct arc_sealing *s, struct buf *out) MUST_USE;

#endif
