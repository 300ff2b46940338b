/* revoked.h - fetching whether signers' certificates were revoked (--fetch): lists, and
 * OCSP responses, which tell the authority who is read, and when.
 *
 * Only what trusted chains name (smime/revocation.h), from public addresses (or, where it
 * has the word private, any), by HTTP or HTTPS, without redirects: at most REVOKED_MOST octets
 * and REVOKED_MS each.  Lists are kept until they end (smime/kept.h).
 */
#ifndef WAXWING_ADMIN_REVOKED_H
#define WAXWING_ADMIN_REVOKED_H

#include "admin/inspect.h"
#include "smime/revocation.h"

enum { REVOKED_MOST = 16 * 1024 * 1024, REVOKED_MS = 10000 };

/* Is --fetch what revocation_wish_take knows; it has complained (inspect_smime.c, which every
 * program has that can look at S/MIME). */
bool take_fetch(const struct invocation *in);

/* smime_read, and where --fetch finds something new, again. */
enum status read_with_fetch(const struct invocation *in, struct smime_means *m, const struct smime_reading *how,
			    struct view letter, struct smime_letter *ret) MUST_USE;

#endif
