/* scram.h - what is kept of a password for SCRAM (RFC 5802 3, 5.1; hashes of
 * RFC 7677 and draft-melnikov-scram-sha-512), and passwords as they are hashed.
 *
 * Who has StoredKey and ServerKey can check a client and prove himself to it,
 * but cannot log in elsewhere with them.  They are kept as RFC 5803 has them,
 * but for the octets, which are hexadecimal: "iterations:salt:stored:server".
 */
#ifndef WAXWING_DIRECTORY_SCRAM_H
#define WAXWING_DIRECTORY_SCRAM_H

#include "base/buf.h"

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256, SCRAM_SHA_512, SCRAM_HASHES };

enum { SCRAM_KEY_MAX = 64, SCRAM_SALT = 16, SCRAM_SALT_MAX = 32, SCRAM_TEXT_MAX = 400,
	SCRAM_ITERATIONS_LEAST = 4096, SCRAM_ITERATIONS_MOST = 1000000 };

struct scram_keys {
	uint32_t iterations;
	size_t n;		/* octets of a key: the hash's */
	size_t salt_n;
	unsigned char salt[SCRAM_SALT_MAX];
	unsigned char stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

/* "SCRAM-SHA-1" and so on. */
const char *scram_name(enum scram_hash h);

/* OpenSSL's name of the hash, and its size. */
const char *scram_digest(enum scram_hash h);
size_t scram_size(enum scram_hash h);

/* From a prepared password; the salt in k is used.  ST_NOMEM. */
enum status scram_derive(enum scram_hash h, struct view password, uint32_t iterations, struct scram_keys *k) MUST_USE;

/* As text, and back.  ST_SYNTAX. */
void scram_put(const struct scram_keys *k, struct buf *out);
enum status scram_take(enum scram_hash h, struct view text, struct scram_keys *ret) MUST_USE;

/* Everything that is stored of a new password besides its argon2id. */
struct scram_texts {
	struct buf text[SCRAM_HASHES];
};
/* password as typed; salts are fresh.  ST_SYNTAX (it cannot be prepared),
 * ST_NOMEM, ST_IO (no randomness).  scram_texts_free in any case. */
enum status scram_texts_make(struct view password, uint32_t iterations, struct scram_texts *ret) MUST_USE;
void scram_texts_free(struct scram_texts *t);

/* SASLprep (RFC 4013, with the tables of RFC 3454, which are libidn's): blanks
 * of other scripts become spaces, what has no width goes, and the rest is
 * brought into form KC, so that the same password is the same from every
 * keyboard.  What is stored may hold no code point that Unicode 3.2 does not
 * know; what is only asked about may.  ST_SYNTAX: no UTF-8, or it holds such
 * ones, a control character, or letters of both writing directions (6);
 * ST_LIMIT, ST_NOMEM. */
enum prepare { PREPARE_STORED, PREPARE_QUERY };
enum status password_prepare(struct view in, enum prepare what, struct buf *out) MUST_USE;

#endif
