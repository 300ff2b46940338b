/* issue.h - certificates for a domain's own people (RFC 8550, RFC 5280), by an
 * authority that may vouch for nobody else.
 *
 * The authority: P-256, for ten years, with no authority below it, for mail alone, and
 * by nameConstraints for the addresses of one domain.  A person's signing key
 * is P-256; the key that others encrypt for is RSA of 2048 bits, since not every
 * mail program knows ECDH (RFC 5753).
 */
#ifndef WAXWING_SMIME_ISSUE_H
#define WAXWING_SMIME_ISSUE_H

#include "smime/identity.h"

enum smime_use { SMIME_USE_AUTHORITY, SMIME_USE_SIGNING, SMIME_USE_ENCRYPTION };

struct smime_request {
	enum smime_use use;
	const struct smime_key *authority;	/* NULL: for an authority itself */
	struct view domain;			/* of the authority */
	struct view address;			/* of the person */
	wall_ms from, until;
	struct view list_url, authority_url;	/* where the authority's list and certificate are, or empty */
	EVP_PKEY *fresh;			/* a key for SMIME_USE_ENCRYPTION that was made before; NULL: none */
};

/* Makes key and certificate; the caller frees both.  ST_SYNTAX (no such domain
 * or address, or no such URL), ST_NOMEM. */
enum status smime_issue(const struct smime_request *q, struct smime_key *ret) MUST_USE;

struct smime_revoked {
	X509 *certificate;
	wall_ms when;
};

/* A list (CRL) as DER, good until `until`. */
enum status smime_issue_list(const struct smime_key *authority, const struct smime_revoked *all, size_t n, wall_ms now,
			     wall_ms until, struct buf *out) MUST_USE;

/* PKCS #12 (RFC 7292).  Reading: ST_DENIED (another password), ST_SYNTAX; chain
 * may come back NULL.  Writing wants AES-256 and PBKDF2 of its reader; several keys
 * are in one file. */
enum status smime_read_p12(struct view p12, const char *password, struct smime_key *ret,
			   STACK_OF(X509) **ret_chain) MUST_USE;
enum status smime_write_p12(const struct smime_keys *keys, const char *password, struct buf *out) MUST_USE;

#endif
