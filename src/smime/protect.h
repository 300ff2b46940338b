/* protect.h - header protection (RFC 9788): which fields are copied inside,
 * and what of them is shown outside.
 *
 * Policy (3.2.1, hcp_baseline): Subject becomes "[...]", Comments and Keywords
 * go; all else stays outside as it is.
 */
#ifndef WAXWING_SMIME_PROTECT_H
#define WAXWING_SMIME_PROTECT_H

#include "smime/smime.h"

/* MIME-Version and Content-*: they belong to the body, not to the letter. */
bool protect_is_structural(struct view name);
/* Fields of the way and of other layers, which are never copied inside: they
 * were added behind the author (Received, DKIM-Signature ...), or would tell
 * who else got it (Bcc). */
bool protect_is_outer(struct view name);

/* The field as it is outside of an encrypted letter; VIEW_NONE: not there. */
struct view protect_outside(struct view name, struct view raw);

#endif
