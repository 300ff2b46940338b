/* letter.h - the letter by which an issuer of certificates finds out whether an address is ours
 * (RFC 8823 3.1), and the one that answers it (3.2).
 *
 * What is read here anybody may have written.  Only what a DKIM signature of the author's own
 * domain covers is believed; a letter that is signed by S/MIME alone is none for us.
 */
#ifndef WAXWING_ACME_LETTER_H
#define WAXWING_ACME_LETTER_H

#include "base/buf.h"
#include "base/clock.h"
#include "trust/signature.h"

/* A token has 128 bits at least. */
enum { ACME_TOKEN_LEAST = 22, ACME_TOKEN_MOST = 256, ACME_ADDRESS_MOST = 320, ACME_ID_MOST = 500 };
enum { ACME_REPLY_MAX = 8192 };

struct acme_letter {
	struct view sender;	/* of From:, the only author */
	struct view domain;	/* the author's, in A-labels */
	struct view to;		/* the only recipient named */
	struct view token;	/* token-part1, base64url */
	struct view message_id;	/* without <> */
	struct view reply_to;	/* one address, or empty */
};

/* The header section, or the whole letter.  ST_MISSING: it is no challenge, or not one that
 * can be answered; else in the arena.  ST_NOMEM, ST_LIMIT. */
enum status acme_letter_find(struct view header, struct arena *a, struct acme_letter *ret) MUST_USE;

/* Is that signature, which has been checked, its author's (3.1, 6), over every field
 * that we use? */
bool acme_letter_is_signed(const struct acme_letter *l, const struct signature *s);

/* Is it one, as JSON and the subject have it: base64url without padding. */
bool acme_is_token(struct view v);

struct acme_reply {
	struct view from, to;		/* addresses */
	struct view token;		/* of the challenge */
	struct view in_reply_to, id;	/* without <> */
	struct view digest;		/* of the key authorization, base64url */
	wall_ms now;
};
void acme_reply_put(const struct acme_reply *r, struct buf *out);

#endif
