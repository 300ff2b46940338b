/* encrypt_file.h - the certificate that what arrives for an account is encrypted to
 * (mda/encrypt.h), as it lies in the account's folder: put there by waxwing(8) when that is
 * turned on, and by the parent when warden has a newer one.
 */
#ifndef WAXWING_ROLE_ENCRYPT_FILE_H
#define WAXWING_ROLE_ENCRYPT_FILE_H

#include "base/view.h"
#include "base/status.h"

/* Whole, or as it was; der empty: none is to be there.  The folder may be the room's, which
 * is not believed: no link is followed.  uid: whose the file is to be, 0: ours.  The errors of disk.h. */
enum status role_encrypt_file(const char *folder, uint32_t uid, struct view der) MUST_USE;

#endif
