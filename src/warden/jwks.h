/* jwks.h - the public keys of an issuer of tokens (JWKS, RFC 7517), and the
 * signatures that they check (JWS, RFC 7515).
 *
 * A key is good for one algorithm, which its own kind says: RS256 for RSA of
 * 2048 bits and more, ES256 for P-256, EdDSA for Ed25519 (RFC 7518, 8037).
 * What is signed may only agree with that (RFC 8725 3.1); "none" and everything
 * with a shared secret is unknown here.
 */
#ifndef WAXWING_WARDEN_JWKS_H
#define WAXWING_WARDEN_JWKS_H

#include "base/buf.h"

enum { JWKS_KEYS_MAX = 16, JWKS_MAX = 64 * 1024 };

struct jwks;

/* json: the set.  Keys of kinds that we do not know, for other uses, or of
 * algorithms that are not among these (words as of conf_has_word) are passed over, and those
 * behind JWKS_KEYS_MAX.  ST_SYNTAX (no JWKS, or no key of use in it), ST_NOMEM. */
enum status jwks_new(struct view json, struct view algorithms, struct jwks **ret) MUST_USE;
void jwks_free(struct jwks *s);

/* Is that the signature of the text, by that algorithm, and by the key of that
 * name (kid; NULL: any of them)?  ST_DENIED: the key says no; ST_MISSING: no key
 * that we have says anything. */
enum status jwks_check(const struct jwks *s, struct view algorithm, const char *kid, struct view text,
		       struct view signature) MUST_USE;

/* base64url without padding (RFC 7515 2).  ST_SYNTAX, or as the buf says. */
enum status jwks_take_base64url(struct view v, struct buf *out) MUST_USE;

#endif
