/* seal.h - S/MIME (RFC 8551) for the mail program, through src/smime/. */
#ifndef WAXWING_MUA_SEAL_H
#define WAXWING_MUA_SEAL_H

#include "mua/copy/show.h"
#include "mua/place.h"

struct seal_wish {
	bool sign, encrypt;	/* it must be */
	bool if_possible;	/* else: signed where there is a key, encrypted where everybody's certificate is known */
	const struct view *to;	/* recipients, whose certificates are needed */
	size_t n_to;
};

/* The letter signed, encrypted or both, added to out; why says what was done, or
 * what is missing.  ST_MISSING (a key, or somebody's certificate; with if_possible:
 * there is no key, and the letter goes as it is), ST_DENIED, ST_LIMIT, ST_NOMEM. */
enum status letter_seal(struct place *p, struct view letter, const struct seal_wish *w, struct buf *out,
			struct buf *why) MUST_USE;

/* What a letter's own seal says, in one line, and what was inside where it is
 * enciphered.  ST_MISSING: it has none. */
enum status seal_look(struct place *p, struct view letter, struct buf *line, enum show_style *ret_style,
		      struct buf *inner) MUST_USE;

#endif
