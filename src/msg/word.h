/* word.h - encoded words in header text (RFC 2047, RFC 2231 5).
 *
 * Tolerant: a word may be longer than 75 characters, have blanks or folds
 * inside, stand within a quoted string or directly beside other text.  Blanks
 * between two words go (RFC 2047 6.2), also where a character is split
 * between two words of one charset.  Text outside of words: valid UTF-8
 * stays, other bytes are guessed (charset.h).  The result is always valid
 * UTF-8 without CR, LF and NUL.
 */
#ifndef WAXWING_MSG_WORD_H
#define WAXWING_MSG_WORD_H

#include "base/buf.h"

/* Unfolds and decodes; blanks at both ends stay.  Errors: those of the buf. */
void words_decode(struct view text, struct buf *out);

#endif
