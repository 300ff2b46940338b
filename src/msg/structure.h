/* structure.h - ENVELOPE, BODY and BODYSTRUCTURE of one part (RFC 9051 7.5.2).
 *
 * Of a field no more than STRUCTURE_FIELD_MAX octets and STRUCTURE_ADDRESSES
 * addresses are shown.  Recursion is
 * as deep as the tree (MIME_DEPTH_MAX).  Errors: those of the buf.
 */
#ifndef WAXWING_MSG_STRUCTURE_H
#define WAXWING_MSG_STRUCTURE_H

#include "msg/mime.h"

enum { STRUCTURE_FIELD_MAX = 256 * 1024, STRUCTURE_ADDRESSES = 10000 };

/* Of the letter whose header is that of part i. */
void put_envelope(const struct mime *m, uint32_t i, struct buf *out);

/* extended: BODYSTRUCTURE, with the extension data. */
void put_structure(const struct mime *m, uint32_t i, bool extended, struct buf *out);

#endif
