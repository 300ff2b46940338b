/* certs.h - the keys of an account and the certificates of others, for S/MIME
 * (RFC 8551).
 *
 *     $XDG_DATA_HOME/waxmail/ADDRESS/smime/keys.pem     our keys and their
 *                                      certificates, readable by the person alone
 *     $XDG_DATA_HOME/waxmail/ADDRESS/smime/people.pem   certificates of others, from
 *                                      letters that they signed
 *
 * Somebody's certificate comes from SMIMEA records that DNSSEC proves (RFC 8162), or else
 * from a letter that he signed, or else from the account's LDAP directory (smime/ldap.h).  What
 * is found in DNS without proof is not used.
 */
#ifndef WAXWING_MUA_CERTS_H
#define WAXWING_MUA_CERTS_H

#include "mua/place.h"
#include "smime/chain.h"

enum { CERTS_FOUND_MOST = 64 };

enum cert_source { CERT_NOWHERE, CERT_DNSSEC, CERT_SEEN, CERT_LDAP };
/* "from DNS, proved by DNSSEC".  Static. */
const char *cert_source_text(enum cert_source s);

struct certs {
	struct place *p;
	struct smime_keys keys;
	STACK_OF(X509) *people;		/* from people.pem */
	STACK_OF(X509) *found;		/* from DNS, in this run */
	STACK_OF(X509) *listed;		/* from LDAP, in this run */
	bool changed;			/* people has more than its file */
};

/* Files that are not there are as good as empty ones.  certs_close in any case,
 * which writes what was learned.  ST_SYNTAX (a file; it is said), ST_IO, ST_NOMEM. */
enum status certs_open(struct certs *c, struct place *p) MUST_USE;
void certs_close(struct certs *c);

/* Our key to sign with as that address, or NULL. */
const struct smime_key *certs_signer(const struct certs *c, struct view address, wall_ms now);
/* Our own certificate to encrypt for, or NULL. */
X509 *certs_own(const struct certs *c, struct view address, wall_ms now);

/* Somebody's to encrypt for, the newest; or NULL.  Asks DNS, and perhaps LDAP.  Good until certs_close. */
X509 *certs_find(struct certs *c, struct view address, wall_ms now, enum cert_source *ret);

/* What DNS proves for the address is believed; how many certificates that were. */
unsigned certs_pin(struct certs *c, struct view address, struct smime_trust *t);

/* Keeps the certificates of who has signed it, where they are his. */
void certs_learn(struct certs *c, const struct smime_letter *l);

/* Adds PEM text with a private key and its certificate to ours.  ST_SYNTAX (there is
 * none in it), ST_EXISTS, and those of the disk. */
enum status certs_add_keys(struct certs *c, struct view pem) MUST_USE;

/* The path of one of the files; ST_LIMIT, ST_MISSING. */
enum status certs_path(const struct place *p, const char *file, char out[PATH_TEXT_MAX]) MUST_USE;

#endif
