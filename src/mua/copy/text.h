/* text.h - strangers' text made harmless, and laid out for a terminal.
 *
 * Harmless: valid UTF-8 without control characters (C0, DEL, C1), without what
 * turns the direction of text (UAX #9) or is there and not seen (zero width,
 * soft hyphens, tags); no more than MARKS_MAX marks on one character.
 */
#ifndef WAXWING_MUA_COPY_TEXT_H
#define WAXWING_MUA_COPY_TEXT_H

#include "base/buf.h"

enum { TEXT_TAB = 8, TEXT_MARKS_MAX = 4 };

/* Appends.  Text that is not UTF-8 is guessed (charset.h).  lines: LF stays (CR
 * goes) and a tab becomes blanks; else both become one blank. */
void text_harmless(struct view text, bool lines, struct buf *out);

/* Appends a line (harmless, no LF in it) and LF, in as many lines of `width`
 * columns as it takes (0: one).  `first` begins the first of them, `rest` the
 * others.  Broken at blanks, and beside wide characters; a word that is longer
 * stands alone and is not broken. */
void text_wrap(struct view line, struct view first, struct view rest, size_t width, struct buf *out);

/* How much of a text has room in so many columns; whole characters. */
size_t text_fit(struct view text, size_t columns, size_t *ret_columns);

/* text/plain with format=flowed (RFC 3676): lines joined to paragraphs, each
 * wrapped behind its quote marks.  The text is harmless. */
void text_flowed(struct view text, bool delsp, size_t width, struct buf *out);
/* Other text: what is too long is wrapped, quote marks in front kept. */
void text_plain(struct view text, size_t width, struct buf *out);

#endif
