/* rsa.h - fresh RSA keys.  One takes some hundred milliseconds to find, in which
 * warden would answer nobody: there it is made on a thread beside, and the
 * coroutine that wants it waits.  A command makes it where it stands.
 */
#ifndef WAXWING_WARDEN_RSA_H
#define WAXWING_WARDEN_RSA_H

#include "warden/pool.h"

#include <openssl/evp.h>

struct rsa_maker {
	struct loop *loop;	/* of the process */
	struct pool *pool;	/* of one thread, which begins when it is needed first */
};

/* The caller's to free.  m NULL: made here and now; else only in a coroutine,
 * and whatever the caller knew may be otherwise when this returns.  NULL: no
 * memory, or no thread. */
EVP_PKEY *rsa_make(struct rsa_maker *m, unsigned bits) MUST_USE;

#endif
