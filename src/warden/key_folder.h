/* key_folder.h - private keys as files: keys/KIND/DOMAIN/NAME below the
 * instance's folder, PKCS #8 in PEM.  Runs in warden, and in the commands of
 * waxwing(8) that make keys.
 *
 * What root writes belongs to whom the folder keys/ belongs to.  Errors: those of
 * base/disk.h, and ST_SYNTAX (no name of a domain).
 */
#ifndef WAXWING_WARDEN_KEY_FOLDER_H
#define WAXWING_WARDEN_KEY_FOLDER_H

#include "base/buf.h"

#include <openssl/evp.h>

/* keys/ below dir, made where it is missing. */
enum status key_folders_open(const char *dir, int *ret_keys) MUST_USE;
/* KIND/DOMAIN below it; made (both) where `make`. */
enum status key_folder(int keys, const char *kind, struct view domain, bool make, int *ret_fd) MUST_USE;
/* A new file, on disk when this returns.  ST_EXISTS. */
enum status key_file_write(int keys, int folder, const char *file, const struct buf *pem) MUST_USE;

/* A private key as such a file, and back.  Reading: ST_MISSING, ST_SYNTAX. */
enum status key_save(int keys, int folder, const char *file, EVP_PKEY *key) MUST_USE;
enum status key_load(int folder, const char *file, EVP_PKEY **ret) MUST_USE;

/* ST_NOMEM. */
enum status key_put_pem(EVP_PKEY *key, struct buf *out) MUST_USE;

#endif
