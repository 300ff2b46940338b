/* signing_keys.h - the private keys that letters are signed with: made, kept
 * in keys/dkim/DOMAIN/SELECTOR.key, and used.  Runs in warden, and in the
 * commands of waxwing(8) that make keys.
 *
 * A file is written and flushed before the row that names it (directory/
 * signing.h), so that no row is without its key; a file without a row is
 * never used, nor is its selector given again.  What root writes belongs to
 * whom the folder keys/ belongs to.
 */
#ifndef WAXWING_WARDEN_SIGNING_KEYS_H
#define WAXWING_WARDEN_SIGNING_KEYS_H

#include "directory/signing.h"
#include "trust/key.h"
#include "warden/rsa.h"

enum { SIGNING_RSA_BITS = 2048 };

/* One RSA and one Ed25519 key for the domain; state: SIGNING_NEXT or
 * SIGNING_ACTIVE.  keys: the folder, open.  fresh: NULL, or it waits (rsa.h).
 * ST_EXISTS: it has keys of that state; the errors of signing_add and of disk.h. */
enum status signing_keys_make(int keys, struct directory *d, struct view domain, enum signing_state state,
			      wall_ms now, struct rsa_maker *fresh) MUST_USE;
/* The same with the folder keys/ below dir, made where it is missing. */
enum status signing_keys_setup(const char *dir, struct directory *d, struct view domain, enum signing_state state,
			       wall_ms now) MUST_USE;

/* The file below dir goes; it may be gone. */
enum status signing_key_forget(const char *dir, struct view domain, struct view selector) MUST_USE;

/* For signing: views of ret are those given.  ST_MISSING, ST_SYNTAX (no such
 * key in it), errors of disk.h. */
enum status signing_key_read(int keys, struct view domain, struct view selector, struct signer_with_key *ret) MUST_USE;

#endif
