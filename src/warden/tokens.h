/* tokens.h - bearer tokens: JWTs (RFC 7519, 7515) signed by the one issuer
 * that the operator named, checked with its public keys (JWKS, RFC 7517).
 *
 * A key is good for one algorithm, which its own kind says: RS256 for RSA of
 * 2048 bits and more, ES256 for P-256, EdDSA for Ed25519 (RFC 7518, 8037).
 * The token's "alg" only may agree with that; "none" and everything with a
 * shared secret is unknown here.
 */
#ifndef WAXWING_WARDEN_TOKENS_H
#define WAXWING_WARDEN_TOKENS_H

#include "base/buf.h"
#include "base/clock.h"

enum { TOKEN_KEYS_MAX = 16, TOKEN_MAX = 8192, TOKEN_SKEW_S = 60 };

struct tokens;

/* json: the JWKS.  Keys of kinds that we do not know are passed over; names
 * are copied.  ST_SYNTAX (no JWKS, or no key of use in it), ST_NOMEM. */
struct token_rules {
	const char *issuer, *audience, *scope, *claim;
};
enum status tokens_new(struct view json, const struct token_rules *rules, struct tokens **ret) MUST_USE;
void tokens_free(struct tokens *t);

/* Whose it is (the claim, with "email_verified" not false) goes into ret_who.
 * ST_DENIED: not signed by the issuer, not for us, expired, not yet valid, or
 * without the scope; ST_SYNTAX: no token; ST_NOMEM. */
enum status token_check(const struct tokens *t, struct view token, wall_ms now, struct buf *ret_who) MUST_USE;

#endif
