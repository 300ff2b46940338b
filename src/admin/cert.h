/* cert.h - what other commands have done about certificates (cert.c). */
#ifndef WAXWING_ADMIN_CERT_H
#define WAXWING_ADMIN_CERT_H

#include "admin/command.h"
#include "warden/identities.h"

/* What commands about certificates work on. */
struct cert_work {
	struct identities i;
	struct conf conf;
};
/* False: it has complained.  To be closed either way. */
bool cert_work_open(struct cert_work *w, const struct invocation *in);
void cert_work_close(struct cert_work *w);

/* The domain's authority, where there is none yet. */
enum status cert_authority(const struct invocation *in, struct view domain) MUST_USE;
/* An account's certificates, unless smime.issue says no. */
enum status cert_account(const struct invocation *in, struct view address) MUST_USE;

#endif
