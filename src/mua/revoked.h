/* revoked.h - fetching whether the certificate of who signed a letter was revoked.
 *
 * Nothing is fetched unless the setting revocation says so: the authority, and who looks on,
 * learns who is read, and when (least by lists, for they are of many).  Only what a chain
 * names that leads to a trusted authority is asked (smime/revocation.h), at public addresses,
 * without redirects.  Lists are kept until they end, OCSP responses for an hour
 * (smime/kept.h).
 */
#ifndef WAXWING_MUA_REVOKED_H
#define WAXWING_MUA_REVOKED_H

#include "mua/place.h"
#include "smime/smime.h"

/* Adds what was fetched for the letter's main signer; false: nothing was, or it was known. */
bool revoked_fetch(struct place *p, struct smime_trust *t, const struct smime_letter *l);

#endif
