/* jws.h - what is said to an issuer of certificates is signed by our account's key with it
 * (RFC 8555 6.2; RFC 7515): ES256, on P-256.
 *
 * Errors: ST_SYNTAX (a text that would not stand in JSON as it is, or no such key), ST_NOMEM,
 * and those of the buf.
 */
#ifndef WAXWING_ACME_JWS_H
#define WAXWING_ACME_JWS_H

#include "base/buf.h"

#include <openssl/evp.h>

enum { ACME_JWS_MAX = 256 * 1024, ACME_DIGEST_TEXT = 43 };

void acme_base64url(struct view octets, struct buf *out);

/* The public key as RFC 7638 3 wants it hashed, and that hash. */
enum status acme_jwk(EVP_PKEY *key, struct buf *out) MUST_USE;
enum status acme_thumbprint(EVP_PKEY *key, struct buf *out) MUST_USE;

struct acme_saying {
	struct view url, nonce;
	struct view account;	/* its URL; empty: there is none yet, and the key itself is told */
	struct view payload;	/* JSON; empty: POST-as-GET (RFC 8555 6.3) */
};
enum status acme_sign(EVP_PKEY *key, const struct acme_saying *s, struct buf *out) MUST_USE;

/* That whoever has an account elsewhere with this issuer, and so knows the secret of that id,
 * wants this key (RFC 8555 7.3.4): HS256. */
enum status acme_bind(EVP_PKEY *key, struct view url, struct view id, struct view secret, struct buf *out) MUST_USE;

/* SHA-256 of the key authorization (RFC 8823 3, 5): token-part1 and token-part2 as they
 * stand, a dot, the thumbprint.  base64url. */
enum status acme_digest(EVP_PKEY *key, struct view part1, struct view part2, struct buf *out) MUST_USE;

/* Printable ASCII without quotes and backslashes. */
bool acme_is_plain(struct view v);

#endif
