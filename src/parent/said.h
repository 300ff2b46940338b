/* said.h - what another process says for the log, made into lines of it.
 *
 * It says TIME EVENT ...; we put in who it is, from what we know and not from
 * what it claims: TIME NAME EVENT ...  A process that was taken over can so
 * lie about what happened to it, and when; it cannot speak for another one, nor
 * write a byte that is no printable ASCII, nor a line over LINE_MOST.  What is
 * not of that form (the last words of a library, too) becomes the text of an
 * event of its own, `stray`; of those STRAYS_MOST at a time, the others are
 * counted, so that much does not become of little.
 */
#ifndef WAXWING_PARENT_SAID_H
#define WAXWING_PARENT_SAID_H

#include "base/buf.h"
#include "base/clock.h"

enum { LINE_MOST = 64 * 1024, STRAYS_MOST = 100 };

/* Bytes that came, in order; rest is BUF(LINE_MOST) and holds the line that is
 * not whole yet.  What is whole is put into out. */
void said_take(struct buf *rest, struct view bytes, struct view name, wall_ms now, struct buf *out);

/* No more will come: the line that was not finished is one too.  Frees rest. */
void said_end(struct buf *rest, struct view name, wall_ms now, struct buf *out);

#endif
