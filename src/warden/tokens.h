/* tokens.h - bearer tokens: JWTs (RFC 7519, 7515, 8725) signed by an issuer
 * that the operator named, checked with its public keys (jwks.h).
 */
#ifndef WAXWING_WARDEN_TOKENS_H
#define WAXWING_WARDEN_TOKENS_H

#include "base/clock.h"
#include "warden/jwks.h"

enum { TOKEN_MAX = 8192 };

/* Views and keys are the caller's. */
struct token_issuer {
	struct view issuer, audience, scope;
	const char *claim;		/* that names the account */
	struct view domains;		/* whose accounts (conf.h, struct conf_issuer) */
	struct view configuration;	/* URL of its discovery document, or empty */
	const struct jwks *keys;	/* NULL: not known now */
};

struct token_issuers {
	const struct token_issuer *list;
	size_t n;
	int64_t leeway;			/* ms between its clock and ours */
};

/* Whose it is (the claim, with "email_verified" not false) goes into ret_who.
 * ST_DENIED: not signed by an issuer, not for us, expired, not yet valid,
 * without the scope, or about nobody whom that issuer may name; ST_MISSING: we
 * have no key by which that can be said; ST_SYNTAX: no token; ST_NOMEM.
 * *ret_by, always: whose it claims to be, or NULL. */
enum status token_check(const struct token_issuers *all, struct view token, wall_ms now, struct buf *ret_who,
			const struct token_issuer **ret_by) MUST_USE;

/* Whose tokens are good for this account; NULL where there is no issuer. */
const struct token_issuer *token_issuer_for(const struct token_issuers *all, struct view name);

#endif
