/* qr.h - a QR code on the terminal, for a telephone's camera. */
#ifndef WAXWING_ADMIN_QR_H
#define WAXWING_ADMIN_QR_H

#include "base/buf.h"

/* Half blocks, two modules a character, black on white whatever the terminal's
 * colours are, with the quiet zone around.  ST_LIMIT: too much for a code;
 * ST_NOMEM. */
enum status qr_put(const char *text, struct buf *out) MUST_USE;

#endif
