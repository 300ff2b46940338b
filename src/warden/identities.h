/* identities.h - everybody's certificates for S/MIME: a domain's own authority,
 * and for each account one to sign with and one that others encrypt for.  Runs in
 * warden, and in the commands of waxwing(8).
 *
 * Rows are in directory/certificates.h, private keys in keys/smime/DOMAIN/SERIAL.key.
 * A file is written and flushed before the row that names it, so that no row is
 * without its key; a file without a row is never used.  Keys are never removed:
 * old letters are encrypted for them.
 */
#ifndef WAXWING_WARDEN_IDENTITIES_H
#define WAXWING_WARDEN_IDENTITIES_H

#include "conf/conf.h"
#include "directory/certificates.h"
#include "smime/issue.h"
#include "warden/rsa.h"

/* Where they lie, and for how long they are made (ms). */
struct identities {
	int keys;		/* the folder keys/, open */
	struct directory *d;
	wall_ms now;
	wall_ms validity;	/* of a person's certificate */
	const struct conf *conf;	/* where others find lists and authorities */
	struct rsa_maker *fresh;	/* NULL: not in warden */
};

/* The authority of a domain that a new certificate is to be of: one that does not end
 * before.  Where none is active that lasts so long, its next one becomes so, or one is
 * made.  ret may be NULL; else the caller frees it. */
enum status identities_authority(const struct identities *i, struct view domain, struct smime_key *ret) MUST_USE;

/* The next authority of a domain, a year before it is needed, so that whoever believes
 * the one can learn of the other. */
enum status identities_prepare(const struct identities *i, struct view domain, bool *ret_made) MUST_USE;

/* Both certificates of an account, where it has none that lasts for another
 * third of their validity: next ones, while there is one that has not ended.
 * anew: in any case, and active; what was so is retired.  An imported one counts
 * for what it is good for, until two weeks (of a short one a sixth of its life)
 * before its end.  Waits, with `fresh`. */
enum status identities_issue(const struct identities *i, const struct account *of, bool anew, unsigned *ret_made) MUST_USE;

/* What was next is active, what it replaces retired.  ST_MISSING. */
enum status identities_switch(const struct identities *i, struct view serial) MUST_USE;

/* A certificate from elsewhere with its key; what it replaces is retired.  chain: those above it,
 * sent along with what it signs; or NULL.
 * ST_DENIED: it is not good for mail of the account, *ret_why (static) says why;
 * ST_EXISTS. */
enum status identities_import(const struct identities *i, const struct account *of, const struct smime_key *key,
			      STACK_OF(X509) *chain, const char **ret_why) MUST_USE;

/* The private key of a row.  ST_MISSING, ST_SYNTAX. */
enum status identities_key(const struct identities *i, const struct certificate_row *row, EVP_PKEY **ret) MUST_USE;

/* Where anybody finds what an authority has revoked (a CRL in DER), or its certificate:
 * URL/SERIAL.crl, URL/SERIAL.cer (RFC 2585 4).  Nothing is added where smime.url is empty and
 * listen.http has no port. */
enum { IDENTITIES_URL_MAX = 512 };
enum status identities_url(const struct conf *c, struct view domain, struct buf *out) MUST_USE;

/* The same list of one authority, in DER, or its certificate: for whom asks by its serial number.
 * ST_MISSING: there is no such authority, or it has expired. */
enum status identities_list_of(const struct identities *i, struct view serial, struct buf *out) MUST_USE;
enum status identities_authority_of(const struct identities *i, struct view serial, struct buf *out) MUST_USE;

/* What the domain's authority has revoked and has not expired yet, as a list (CRL) in PEM,
 * good for seven days; one for each authority that it had and that has not expired.
 * ST_MISSING: it has none. */
enum status identities_list(const struct identities *i, struct view domain, struct buf *out) MUST_USE;

#endif
