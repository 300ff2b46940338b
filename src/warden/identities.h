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

#include "directory/certificates.h"
#include "smime/issue.h"

/* Where they lie, and for how long they are made (ms). */
struct identities {
	int keys;		/* the folder keys/, open */
	struct directory *d;
	wall_ms now;
	wall_ms validity;	/* of a person's certificate */
};

/* The authority of a domain, made where there is none, or where it ends before a
 * new certificate would.  ret may be NULL; else the caller frees it. */
enum status identities_authority(const struct identities *i, struct view domain, struct smime_key *ret) MUST_USE;

/* Both certificates of an account, where it has none that lasts for another
 * third of their validity; anew: in any case.  What was active is retired.
 * An imported one counts for what it is good for. */
enum status identities_issue(const struct identities *i, const struct account *of, bool anew, unsigned *ret_made) MUST_USE;

/* A certificate from elsewhere with its key; what it replaces is retired.
 * ST_DENIED: it does not name the account's address; ST_EXISTS. */
enum status identities_import(const struct identities *i, const struct account *of, const struct smime_key *key) MUST_USE;

/* The private key of a row.  ST_MISSING, ST_SYNTAX. */
enum status identities_key(const struct identities *i, const struct certificate_row *row, EVP_PKEY **ret) MUST_USE;

/* What the domain's authority has revoked and has not expired yet, as a list (CRL) in PEM,
 * good for seven days; one for each authority that it had and that has not expired.
 * ST_MISSING: it has none. */
enum status identities_list(const struct identities *i, struct view domain, struct buf *out) MUST_USE;

#endif
