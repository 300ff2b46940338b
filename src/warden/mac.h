/* mac.h - a keyed hash (HMAC-SHA256, RFC 2104) over parts.
 *
 * Each part goes in with its length, so that no two lists of parts look the
 * same.  Owner: the embedding struct; mac_free wipes the key.
 */
#ifndef WAXWING_WARDEN_MAC_H
#define WAXWING_WARDEN_MAC_H

#include "base/status.h"
#include "base/view.h"

enum { MAC_SIZE = 32, MAC_KEY = 32 };

struct mac {
	void *ctx;	/* OpenSSL's, keyed; copied for each use */
};

/* ST_NOMEM (OpenSSL has no other reason to refuse). */
enum status mac_init(struct mac *m, const unsigned char key[MAC_KEY]) MUST_USE;
/* With the key in that file of the folder (an open descriptor), made where
 * there is none.  The errors of disk.h. */
enum status mac_open(int dir, const char *name, struct mac *m) MUST_USE;
void mac_free(struct mac *m);

/* ST_NOMEM */
enum status mac_of(const struct mac *m, const struct view *parts, size_t n,
		   unsigned char out[MAC_SIZE]) MUST_USE;

/* In a time that does not depend on where they differ. */
bool mac_same(const unsigned char a[MAC_SIZE], const unsigned char b[MAC_SIZE]);

#endif
