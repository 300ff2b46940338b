/* kept.h - lists of revoked certificates and OCSP responses as they were fetched, so that they
 * are not fetched again: files of a person, in $XDG_CACHE_HOME/waxwing/lists (~/.cache).
 *
 * Beside ldap.h the one part of smime/ that is not pure.  Nothing here is believed: what is
 * read is judged as if it came from where it was fetched.  Without a home nothing is kept.
 */
#ifndef WAXWING_SMIME_KEPT_H
#define WAXWING_SMIME_KEPT_H

#include "base/buf.h"

/* What was kept under that key (a URL, and what was asked there), at most max_age_s ago (0: any
 * time); up to out's maximum.  False: nothing, and out is empty. */
bool kept_find(struct view key, int64_t max_age_s, struct buf *out);
/* Whole or not at all; without it, it is fetched again. */
void kept_put(struct view key, struct view bytes);

#endif
