/* encryption.h - whether what arrives for an account is stored encrypted
 * (mda/encrypt.h), as other commands have to do with it. */
#ifndef WAXWING_ADMIN_ENCRYPTION_H
#define WAXWING_ADMIN_ENCRYPTION_H

#include "conf/conf.h"
#include "directory/directory.h"

/* The account's certificates have changed: where it wants that, its room has the
 * newest one from its next start on.  Where there is none any more the last one
 * stays: it is still better than none.  The errors of sql.h and disk.h. */
enum status encryption_refresh(const struct conf *c, struct directory *d, uint64_t account) MUST_USE;

#endif
