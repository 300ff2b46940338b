/* key.h - public keys that domains publish for signatures (RFC 6376 3.6.1,
 * RFC 8301, RFC 8463), and the signatures themselves.
 *
 * Keys of 1024 to 8192 bits are used; a shorter one proves nothing (RFC 8301
 * 3.2), a longer one costs too much.  Parsing a key costs as much as using it,
 * so a cache may be given: it maps the text of a record to what was made of
 * it, and nothing else, so it never has to forget.
 */
#ifndef WAXWING_TRUST_KEY_H
#define WAXWING_TRUST_KEY_H

#include "trust/canon.h"
#include "trust/tags.h"
#include "wire/dns.h"

enum { RSA_BITS_LEAST = 1024, RSA_BITS_MOST = 8192, RSA_EXPONENT_BITS = 64, KEY_CACHE = 512 };

enum seal_algorithm { SEAL_RSA_SHA256, SEAL_ED25519_SHA256, SEAL_ALGORITHMS };

/* "rsa-sha256"; false for others, rsa-sha1 among them (RFC 8301 3.1). */
bool seal_algorithm_of(struct view name, enum seal_algorithm *ret);
const char *seal_algorithm_name(enum seal_algorithm a);

/* What a check found (RFC 8601 2.7.1). */
enum seal_result {
	SEAL_NONE, SEAL_PASS, SEAL_FAIL, SEAL_POLICY, SEAL_NEUTRAL, SEAL_TEMPERROR, SEAL_PERMERROR,
};
/* "pass".  Static. */
const char *seal_result_name(enum seal_result r);

struct key_cache;
struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *c);

struct seal_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *verify;	/* RSA: ready to verify with; not to be used by two at once */
	bool cached;		/* both are the cache's */
	unsigned bits;
	bool testing;		/* t=y */
	bool strict;		/* t=s: i= must be of d= itself, not of a domain below it */
};

/* The key is good until the next that is asked of the cache, or until key_free.
 * Asks for SELECTOR._domainkey.DOMAIN.  SEAL_PASS: ret is set; or what is
 * wrong, with *ret_problem (static).  Memory trouble is SEAL_TEMPERROR. */
enum seal_result key_find(struct resolver *r, struct view selector, struct view domain,
			  enum seal_algorithm algorithm, struct key_cache *cache, struct arena *a,
			  struct seal_key *ret, const char **ret_problem);
/* That will be asked. */
void key_hint(struct resolver *r, struct view selector, struct view domain);
void key_free(struct seal_key *k);

/* One record (for tests). */
enum seal_result key_parse(struct view record, enum seal_algorithm algorithm, struct key_cache *cache,
			   struct seal_key *ret, const char **ret_problem);

/* Of a SHA-256 digest. */
bool key_verify(const struct seal_key *k, enum seal_algorithm algorithm, const uint8_t *digest,
		struct view signature);

/* ---- signing ---- */

/* Whoever holds a private key: puts the signature of the digest into out. */
struct signer {
	enum status (*sign)(struct signer *s, const uint8_t *digest, struct buf *out);
	enum seal_algorithm algorithm;
	struct view domain, selector;
};

/* One that has the key itself, from PEM.  ST_SYNTAX: not a key that signs. */
struct signer_with_key {
	struct signer signer;
	EVP_PKEY *pkey;
};
enum status signer_from_pem(struct view pem, struct view domain, struct view selector,
			    struct signer_with_key *ret) MUST_USE;
void signer_free(struct signer_with_key *s);

/* base64 with folds; ST_SYNTAX for anything else in it. */
enum status seal_decode(struct view text, struct buf *out) MUST_USE;
void seal_encode(struct view bytes, struct buf *out);

#endif
