/* canon.h - the canonical forms of DKIM (RFC 6376 3.4), and hashes of bodies
 * in them, computed while the body passes.
 *
 * A line ends with LF, with or without CR before it, and is hashed as CRLF;
 * a CR alone, and NUL, are ordinary characters.  So a letter has the same
 * hash whether it came by SMTP or lies in a file with Unix line ends.
 *
 * Runs that need no change are hashed where they lie; nothing of a body is
 * held but the count of line ends that may be its last.
 */
#ifndef WAXWING_TRUST_CANON_H
#define WAXWING_TRUST_CANON_H

#include "base/buf.h"

#include <openssl/evp.h>

enum canon { CANON_SIMPLE, CANON_RELAXED, CANONS };

enum { SHA256_SIZE = 32, BODY_HASHES_MOST = 64, CANON_STAGE = 4096 };

/* A field with its line end; without_end: the form of the last one, which is
 * the signature itself (3.7). */
void canon_field(enum canon c, struct view raw, bool without_end, struct buf *out);

/* A hash that is fed in many small pieces: they are gathered, which costs less
 * than as many calls.  Errors are sticky: ST_NOMEM. */
struct piece_hash {
	EVP_MD_CTX *ctx;
	bool own;
	enum status st;
	size_t n;
	char stage[CANON_STAGE];
};

/* ctx has hashed with SHA-256 before, or NULL: one is made, and given back at the end. */
void piece_hash_begin(struct piece_hash *h, EVP_MD_CTX *ctx);
void piece_hash_put(struct piece_hash *h, struct view v);
enum status piece_hash_end(struct piece_hash *h, uint8_t *ret_digest) MUST_USE;

struct body_hash {
	enum canon canon;
	uint64_t limit;		/* l=, or UINT64_MAX */
	EVP_MD_CTX *ctx;
	uint8_t digest[SHA256_SIZE];
};

/* One canonical form on its way. */
struct canon_body {
	uint64_t ends;		/* line ends held back */
	uint64_t length;	/* of the canonical body so far */
	bool cr, blank;		/* undecided: a CR, a run of blanks */
	size_t n_stage;
	char stage[CANON_STAGE];	/* small runs are gathered */
};

struct body_hashes {
	struct body_hash hashes[BODY_HASHES_MOST];	/* n of them */
	unsigned n;
	bool wanted[CANONS];
	struct canon_body bodies[CANONS];
	enum status st;
};

/* Nothing is wanted yet.  Leaves what nobody reads as it is: it is more than
 * all else. */
void body_begin(struct body_hashes *b);

/* A hash of the first `limit` octets of the canonical body; asked for twice
 * it is the same one.  Before the first byte.  ST_LIMIT, ST_NOMEM. */
enum status body_want(struct body_hashes *b, enum canon c, uint64_t limit, unsigned *ret_which) MUST_USE;
void body_put(struct body_hashes *b, struct view bytes);
/* ST_NOMEM: one of the hashes failed on its way. */
enum status body_end(struct body_hashes *b) MUST_USE;
void body_free(struct body_hashes *b);

#endif
