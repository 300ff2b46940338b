/* decode.h - transfer encodings undone (RFC 2045 6, RFC 4648, uuencode).
 *
 * A decoder takes bytes in pieces and appends octets to a buf.  It never
 * fails on bytes: what does not belong there is passed over, as RFC 2045 6.7
 * and 6.8 advise; decoder.damaged says that there was some.  Errors: only
 * those of the buf, sticky there.
 */
#ifndef WAXWING_MSG_DECODE_H
#define WAXWING_MSG_DECODE_H

#include "msg/mime.h"

enum { DECODE_LINE = 1024 };	/* a uuencoded line; blanks held back in QP */

struct decoder {
	enum mime_encoding encoding;
	bool damaged;
	/* base64 */
	uint32_t bits;
	int n_bits;
	bool ended;		/* '=' was seen; uuencode: "end" */
	/* quoted-printable: an escape or trailing blanks not yet decided;
	 * uuencode: a line not yet complete */
	char held[DECODE_LINE];
	size_t n_held;
	bool begun;		/* uuencode: "begin" was seen */
};

void decoder_begin(struct decoder *d, enum mime_encoding encoding);
void decoder_put(struct decoder *d, struct view bytes, struct buf *out);
void decoder_end(struct decoder *d, struct buf *out);

/* The most octets that n bytes more can bring, with what was held back: a line of
 * uuencode stands for up to 63 of them, and may be one character long.  For
 * whoever decodes in pieces, into a buf that he empties. */
static inline size_t decode_most(size_t n)
{
	return 32 * n + 64 + DECODE_LINE;
}

/* All at once. */
void decode_body(enum mime_encoding encoding, struct view bytes, struct buf *out);

/* RFC 2047 4.2: like quoted-printable with '_' for a blank. */
void decode_q(struct view text, struct buf *out);

/* Is there nothing to undo. */
static inline bool encoding_is_identity(enum mime_encoding e)
{
	return e != ENC_QP && e != ENC_BASE64 && e != ENC_UUENCODE;
}

#endif
