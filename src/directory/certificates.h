/* certificates.h - the certificates that people and domains have for S/MIME:
 * what of each is public, and where it is in its life.
 *
 *     next       made ahead: published, so that others know it before it is used
 *     active     used: published, signed with, encrypted for
 *     retired    replaced; its key is kept, to read old letters
 *     revoked    on its authority's list until it expires
 *
 * A domain has its own authority (account 0).  They lie in directory.db; the
 * private halves are files that only warden and the commands of waxwing(8) read:
 * keys/smime/DOMAIN/SERIAL.key (warden/identities.h).
 *
 * Rows of an account that was removed stay, revoked, since the list of its domain
 * names them.
 */
#ifndef WAXWING_DIRECTORY_CERTIFICATES_H
#define WAXWING_DIRECTORY_CERTIFICATES_H

#include "directory/directory.h"

enum { CERTIFICATE_SERIAL_MAX = 40, CERTIFICATE_DER_MAX = 64 * 1024, CERTIFICATE_CHAIN_MAX = 32 * 1024, SMIMEA_OWNER_HASH = 28 };

enum certificate_kind { CERTIFICATE_AUTHORITY, CERTIFICATE_SIGNING, CERTIFICATE_ENCRYPTION, CERTIFICATE_BOTH };
enum certificate_state { CERTIFICATE_ACTIVE, CERTIFICATE_RETIRED, CERTIFICATE_REVOKED, CERTIFICATE_NEXT };

struct certificate_row {
	struct view serial;		/* hexadecimal, upper case; names the key's file */
	struct view domain;		/* lower case, perhaps UTF-8 */
	struct view address;		/* of the account; empty for an authority */
	uint64_t account;
	enum certificate_kind kind;
	enum certificate_state state;
	bool imported;			/* of an authority elsewhere */
	struct view certificate;	/* DER */
	wall_ms not_before, not_after, revoked;
	wall_ms seen;			/* of one that is next: since when DNS has it without a gap; 0: not */
};

/* "signing", "active".  Static. */
const char *certificate_kind_word(enum certificate_kind k);
const char *certificate_state_word(enum certificate_state s);

/* Those of a domain (empty: of all) and an account (0: of all, and the authorities):
 * those that are active last, and of each the newest last.  Views last until row returns; row must not change the table. */
typedef void certificate_seen(void *arg, const struct certificate_row *c);
enum status directory_certificates(struct directory *d, struct view domain, uint64_t account, certificate_seen *row,
				   void *arg) MUST_USE;

/* ST_EXISTS (the serial number), ST_LIMIT (its size). */
enum status directory_add_certificate(struct directory *d, const struct certificate_row *c) MUST_USE;
/* when: of a revocation.  One that is revoked stays so.  ST_MISSING. */
enum status directory_set_certificate(struct directory *d, struct view serial, enum certificate_state state,
				      wall_ms when) MUST_USE;
/* since: 0 where DNS has not got it. */
enum status directory_set_certificate_seen(struct directory *d, struct view serial, wall_ms since) MUST_USE;

/* One of them; its views are in the arena.  ST_MISSING, ST_NOMEM. */
enum status directory_certificate(struct directory *d, struct view serial, struct arena *a,
				  struct certificate_row *ret) MUST_USE;

/* The certificates above an imported one, as DER one after another, at most CERTIFICATE_CHAIN_MAX.
 * ST_MISSING: none are known. */
enum status directory_set_chain(struct directory *d, struct view serial, struct view chain) MUST_USE;
enum status directory_chain(struct directory *d, struct view serial, struct arena *a, struct view *ret) MUST_USE;

/* Accounts (address, nothing, number) that lack a certificate to sign with or to encrypt for
 * which lasts until then, or have one that is next. */
enum status directory_certificates_due(struct directory *d, wall_ms until, directory_row *row, void *arg) MUST_USE;
/* People's active ones that have ended by then become retired. */
enum status directory_retire_past(struct directory *d, wall_ms now) MUST_USE;

/* ---- SMIMEA (RFC 8162) ---- */

/* Each record of the active and next certificates of people of the domain (empty: of all):
 * usage 3 (domain-issued), selector 0, matching type 0, so that it can be encrypted
 * for (2).  Twice where the address has upper-case letters, also under the hash
 * of its lower-case form, which our addresses are the same as. */
typedef void smimea_seen(void *arg, struct view owner, struct view rdata);
enum status smimea_each(struct directory *d, struct view domain, smimea_seen *row, void *arg) MUST_USE;

/* As a zone file has it, in lines of which none is long. */
void smimea_put_line(struct view owner, struct view rdata, struct buf *out);

#endif
