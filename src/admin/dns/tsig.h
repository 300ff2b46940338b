/* tsig.h - the key that DNS updates are signed with (RFC 8945), from the file
 * that a name server's tools write.
 *
 *     hmac-sha256:NAME:BASE64                       (keymgr, dig -y, nsupdate -y)
 *     key "NAME" { algorithm hmac-sha256; secret "BASE64"; };      (tsig-keygen)
 *
 * Lines that begin with # or // are passed over, but for a first one of the
 * first form, which `keymgr -t` writes as a comment.
 */
#ifndef WAXWING_ADMIN_DNS_TSIG_H
#define WAXWING_ADMIN_DNS_TSIG_H

#include "base/status.h"
#include "base/view.h"

enum { TSIG_FILE_MAX = 16 * 1024, TSIG_NAME_MAX = 255, TSIG_SECRET_MAX = 512 };

struct tsig_key {
	char name[TSIG_NAME_MAX + 1];
	char secret[TSIG_SECRET_MAX + 1];	/* base64; wipe it */
};

/* ST_SYNTAX: none of the forms; ST_DENIED: another algorithm than hmac-sha256. */
enum status tsig_key_parse(struct view text, struct tsig_key *ret) MUST_USE;

#endif
