/* signature.h - what DKIM-Signature and ARC-Message-Signature have in common
 * (RFC 6376 3.5, 3.7; RFC 8617 4.1.2): the tags, the fields that are signed,
 * the check against the published key.
 *
 * Used between pass_begin and pass_free of one letter; views lie in its header
 * or arena.
 */
#ifndef WAXWING_TRUST_SIGNATURE_H
#define WAXWING_TRUST_SIGNATURE_H

#include "base/clock.h"
#include "trust/key.h"
#include "trust/pass.h"
#include "trust/tags.h"

enum {
	SIGNATURE_SKEW = 300,		/* seconds that clocks may differ */
	SIGNATURE_NAMES_MOST = 1000,	/* names in h= */
};

struct signature {
	enum seal_result result;
	const char *problem;		/* static; NULL where it passes */
	uint32_t field;			/* which of the pass */
	enum seal_algorithm algorithm;
	enum canon header_canon, body_canon;
	struct view algorithm_text;	/* a= as it stands */
	struct view domain;		/* d=, in A-labels */
	struct view selector;		/* s= */
	struct view identity;		/* i= of DKIM as it stands, or empty */
	struct view b_text;		/* b= as it stands, for header.b (RFC 6008) */
	struct view b_raw;		/* the same with the blanks around it, in the field */
	struct view names;		/* h= */
	struct view bytes, body_digest;	/* b= and bh=, decoded */
	uint64_t length;		/* l=, or UINT64_MAX */
	int64_t signed_at, expires;	/* t=, x=, seconds; -1: not said */
	unsigned body_hash;		/* of the pass */
	/* ---- known when it was checked ---- */
	unsigned key_bits;
	bool testing;			/* the key says t=y */
	uint64_t unsigned_octets;	/* of the canonical body, behind l= */
	const char *doubled;		/* a field that must stand once stands again, differs, and is not signed
					 * there: its name (static), or NULL */
};

/* From the tags of a field, without asking anybody; result is SEAL_NONE when
 * all is well so far.  h= must cover From: (RFC 6376 5.4). */
void signature_read(struct pass *p, uint32_t field, const struct tags *t, struct signature *s);

/* The body hash that it needs; before the body.  Without a problem only. */
void signature_want(struct pass *p, struct signature *s);

/* After pass_end.  Sets the result. */
void signature_check(struct pass *p, struct signature *s, struct resolver *r, struct key_cache *cache,
		     wall_ms now);

/* ---- pieces, also for ARC-Seal and for signing ---- */

void signature_fail(struct signature *s, enum seal_result result, const char *problem);

/* a=, b=, d=, s=, t= only. */
void signature_read_seal(struct pass *p, uint32_t field, const struct tags *t, struct signature *s);

/* The key, and the signature of the digest against it. */
void signature_check_key(struct signature *s, const uint8_t *digest, struct resolver *r,
			 struct key_cache *cache, struct arena *a, bool *ret_strict);

/* What a signature signs: the fields of h=, then its own. */
struct signed_header {
	enum canon canon;
	struct view names;
	struct view own, b;	/* the field, and in it what stands behind "b=" */
	unsigned body_hash;	/* of the pass, which has ended */
};

/* ST_NOMEM, ST_LIMIT. */
enum status signature_digest(struct pass *p, const struct signed_header *h, uint8_t *ret_digest) MUST_USE;

/* Feeds the fields that h= names, each name from the bottom up (RFC 6376
 * 5.4.2).  ST_NOMEM. */
enum status signature_hash_names(struct pass *p, enum canon c, struct view names, struct piece_hash *h) MUST_USE;

/* Feeds the field itself without its line end and without what stands between
 * "b=" and ';' (3.7), which is b, a part of it.  ST_NOMEM, ST_LIMIT. */
enum status signature_hash_own(enum canon c, struct view raw, struct view b, struct piece_hash *h) MUST_USE;

#endif
