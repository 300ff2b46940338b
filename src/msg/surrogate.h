/* surrogate.h - a letter as it is shown to a reader that knows no UTF-8 in
 * headers (RFC 6855 7): the same body below another header.
 *
 *     text, names, parameters    encoded words, RFC 2231 (msg/convert.h)
 *     a field whose addresses    a group of that name with nobody in it (RFC 6854), whose name
 *     are not ASCII              says what stood there
 *     message ids and others     Downgraded-NAME with encoded words (RFC 6857 3.2.10)
 *     that have no other form
 *
 * Nobody can answer such addresses, and what was signed of the header is not proved
 * by it any more.  Headers inside of the body stay as they are.
 */
#ifndef WAXWING_MSG_SURROGATE_H
#define WAXWING_MSG_SURROGATE_H

#include "base/arena.h"
#include "base/buf.h"

/* Does the header section (up to and with its empty line, where the letter begins) need it?
 * *ret_header: that section. */
bool surrogate_needs(struct view letter, struct view *ret_header);

/* The header in ASCII, with its empty line.  ST_LIMIT, ST_NOMEM. */
enum status surrogate_header(struct view header, struct arena *a, struct buf *out) MUST_USE;

#endif
