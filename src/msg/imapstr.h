/* imapstr.h - strings as IMAP writes them (RFC 9051 4.3, 9). */
#ifndef WAXWING_MSG_IMAPSTR_H
#define WAXWING_MSG_IMAPSTR_H

#include "base/buf.h"

/* A quoted string, or a literal where the text is not 7-bit or is long.  Folds
 * are undone, NUL and lone CR or LF become blanks; 8-bit text that is no UTF-8
 * is guessed (charset.h). */
void imapstr_put(struct buf *out, struct view text);

/* NIL where the view's p is NULL or it is empty. */
void imapstr_put_nil(struct buf *out, struct view text);

#endif
