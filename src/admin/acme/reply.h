/* reply.h - the account's answer to an issuer's challenge (RFC 8823 3.2), handed to the running server as
 * any letter is, for that account.
 */
#ifndef WAXWING_ADMIN_ACME_REPLY_H
#define WAXWING_ADMIN_ACME_REPLY_H

#include "base/buf.h"
#include "directory/acme.h"

struct acme_answering {
	const char *dir, *host;		/* the instance, and host.name */
	struct view address;		/* of the account */
	struct view to;			/* Reply-To: or From: of the challenge */
	const struct acme_challenge *challenge;
	struct view digest;		/* of the key authorization, base64url */
};
/* Does a server run that takes letters of this machine? */
bool acme_may_answer(const char *dir);
/* ST_CLOSED: no server runs, or it takes nothing now; ST_DENIED: it was refused.  Why says so. */
enum status acme_answer(const struct acme_answering *a, struct buf *why) MUST_USE;

#endif
