/* seal.h - S/MIME (RFC 8551) for the mail program, through src/smime/. */
#ifndef WAXWING_MUA_SEAL_H
#define WAXWING_MUA_SEAL_H

#include "mua/copy/show.h"
#include "mua/place.h"

struct seal_wish {
	enum protection protect;
	bool sign, encrypt;		/* it must be, whatever protect says */
	const struct view *to;		/* recipients, whose certificates are needed */
	size_t n_to;
	size_t n_open;			/* the first of them; the others (Bcc) the letter does not name */
};

/* A letter as it goes.  A CMS message names all whom it is encrypted for (RFC 5652 6.2),
 * so each one whom the letter does not name gets one that is encrypted for him alone. */
struct seal_copy {
	struct view letter;
	const struct view *to;
	size_t n_to;
	bool encrypted;
	bool first;
};
typedef enum status seal_take(void *arg, const struct seal_copy *c);

/* The letter signed, encrypted, both or neither, as wished; `take` is called once a copy.
 * why says what was done, or what is missing; empty: neither.  ST_MISSING (a key, or
 * somebody's certificate), ST_DENIED, ST_LIMIT, ST_NOMEM, and what take answers. */
enum status letter_seal(struct place *p, struct view letter, const struct seal_wish *w, seal_take *take, void *arg,
			struct buf *why) MUST_USE;

/* What a letter's own seal says, in one line, and what was inside where it is
 * enciphered.  ST_MISSING: it has none. */
enum status seal_look(struct place *p, struct view letter, struct buf *line, enum show_style *ret_style,
		      struct buf *inner) MUST_USE;

#endif
