/* encode.h - octets and text into the transfer encodings (RFC 2045 6.7, 6.8)
 * and encoded words (RFC 2047).
 *
 * Lines of the output are at most 76 characters and end with CRLF, but for
 * the last one, which has no line end of its own.  No line of quoted-printable
 * begins with "--", so none is ever taken for a delimiter.  Decoded again
 * (decode.h, word.h) it is the same.  Errors: only those of the buf.
 */
#ifndef WAXWING_MSG_ENCODE_H
#define WAXWING_MSG_ENCODE_H

#include "base/buf.h"

enum { ENCODED_LINE = 76 };

/* CRLF is a line end; CR and LF that stand alone are encoded. */
void encode_qp(struct view text, struct buf *out);
void encode_base64(struct view octets, struct buf *out);

/* Header text (valid UTF-8, without CR, LF and NUL) as encoded words of UTF-8,
 * each below 76 characters and on a line of its own; the first one on a line
 * that has `column` characters already. */
void encode_words(struct view text, size_t column, struct buf *out);

/* Is quoted-printable the form that stays readable and not much longer. */
bool encode_suits_qp(struct view text);

#endif
