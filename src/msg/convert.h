/* convert.h - a letter into a form that another host takes (RFC 6152 3, 3030
 * 3, 2045 6.4).
 *
 * convert_needs says what a letter is made of, convert_letter writes it anew
 * where the other side does not take that:
 *
 *     8-bit or binary body   each leaf that needs it as quoted-printable or
 *                            base64, whichever suits; the octets stay
 *     8-bit header text      encoded words (RFC 2047), parameters as RFC 2231
 *     CR, LF, NUL alone,     in bodies by the encoding; in headers a line end
 *     lines over 998         or a blank; preambles and epilogues go
 *
 * What does not need it stays as it is, byte for byte.  Parts of multiparts
 * and of letters inside are done in the same way.
 *
 * What cannot be done: multipart/signed and encrypted (RFC 1847 2.1) that need
 * it; message/partial and external-body; a multipart or letter that is
 * not looked into (mime.h); 8-bit text in an address, a boundary, a message
 * id, or a field's name; uuencode with octets outside of it; NUL or a CR alone
 * in a field that is no text; a line of a header that is too long and has no
 * blank.  Then the letter has to go back.
 *
 * Memory: the tree of the letter (the arena) and the decoded octets of one leaf.
 */
#ifndef WAXWING_MSG_CONVERT_H
#define WAXWING_MSG_CONVERT_H

#include "base/arena.h"
#include "base/buf.h"

/* What a letter has, and what a host takes. */
struct convert_form {
	bool eightbit;	/* octets above 127 in a body (8BITMIME) */
	bool binary;	/* NUL, CR or LF alone, lines over 998 (BINARYMIME) */
	bool utf8;	/* octets above 127 in a header (SMTPUTF8) */
};

/* One pass; without parsing MIME where nothing is found.  Headers inside of
 * parts count, too.  ST_NOMEM, ST_LIMIT: of the arena. */
enum status convert_needs(struct view letter, struct arena *a, struct convert_form *ret) MUST_USE;

/* Writes the letter so that a host gets it which takes only that.
 *
 * ST_DENIED: it cannot be done, see above.  ST_LIMIT, ST_NOMEM. */
enum status convert_letter(struct view letter, struct convert_form takes, struct arena *a,
			   struct buf *out) MUST_USE;

/* For convert.c: a header section, with its empty line, where encoding (empty:
 * as it is) takes the place of the Content-Transfer-Encoding. */
enum status convert_header(struct view header, struct convert_form takes, struct view encoding,
			   struct arena *a, struct buf *out) MUST_USE;

/* What these octets have; header text as utf8, else as eightbit. */
struct convert_form convert_scan(struct view octets, bool header);

static inline bool convert_lacks(struct convert_form takes, struct convert_form has)
{
	return (has.eightbit && !takes.eightbit) || (has.binary && !takes.binary) || (has.utf8 && !takes.utf8);
}

#endif
