/* dkim.h - DomainKeys Identified Mail (RFC 6376, 8301, 8463, 8616).
 *
 * Checking:  dkim_collect when the pass has the header, dkim_check after its
 * end.  Signing: dkim_sign_begin and dkim_sign_end at the same two moments.
 * Everything lies in the pass.
 *
 * Of many signatures the first `most` are looked at, from the top; those of
 * one form of the body share one hash.
 */
#ifndef WAXWING_TRUST_DKIM_H
#define WAXWING_TRUST_DKIM_H

#include "trust/signature.h"

enum { DKIM_SIGNATURES_MOST = 32 };

struct dkim {
	struct signature *signatures;
	uint32_t n;
	uint32_t beyond;	/* that were not looked at */
};

/* most: at most DKIM_SIGNATURES_MOST.  Hints the keys. */
void dkim_collect(struct pass *p, unsigned most, struct resolver *r, struct dkim *ret);
void dkim_check(struct pass *p, struct dkim *d, struct resolver *r, struct key_cache *cache, wall_ms now);

/* Does it prove the domain for all of the letter?  Not where text behind l=
 * could be anybody's, nor where a second Subject: and the like could be. */
static inline bool dkim_proves(const struct signature *s)
{
	return s->result == SEAL_PASS && s->unsigned_octets == 0 && s->doubled == NULL;
}

/* The best that can be said: pass before all others. */
enum seal_result dkim_result(const struct dkim *d);

/* ---- signing ---- */

struct dkim_signing {
	struct signer *const *signers;	/* one signature each */
	unsigned n;
	wall_ms now;
	int64_t lifetime;	/* seconds to x=, or 0: none */
	/* ---- its own ---- */
	unsigned body_hash;
};

/* relaxed/relaxed always.  ST_NOMEM, ST_LIMIT. */
enum status dkim_sign_begin(struct pass *p, struct dkim_signing *s) MUST_USE;

/* The signatures as fields with their line ends, to stand before the letter.
 * ST_SYNTAX: there is no From:, or two.  The signer's errors. */
enum status dkim_sign_end(struct pass *p, struct dkim_signing *s, struct buf *out) MUST_USE;

/* The names that a signature of ours covers, for those fields that are there;
 * and once more than they are there, so that none can be added (8.15). */
void dkim_put_names(const struct pass *p, struct buf *out);

/* "LABEL" and the list in lines of less than 78 octets. */
void dkim_put_folded(struct view text, size_t column, struct buf *out);

#endif
