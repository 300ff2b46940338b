/* request.h - a fresh key, and the request (PKCS #10, RFC 2986) for a certificate of an address
 * with it, as RFC 8823 3 and 3.3 want it: the address as rfc822Name in an extensionRequest, and
 * what it is for as keyUsage.
 */
#ifndef WAXWING_ACME_REQUEST_H
#define WAXWING_ACME_REQUEST_H

#include "base/buf.h"

#include <openssl/evp.h>

enum acme_use { ACME_BOTH, ACME_SIGNING, ACME_ENCRYPTION };
enum { ACME_REQUEST_MAX = 16 * 1024 };

/* Can it be asked for? */
bool acme_request_is_for(struct view address);

/* DER.  To sign with P-256, else RSA, which every mail program can encrypt for.  The caller
 * frees the key.  ST_SYNTAX: not for that address; ST_NOMEM. */
enum status acme_request_make(enum acme_use use, struct view address, EVP_PKEY **ret_key, struct buf *out) MUST_USE;

#endif
