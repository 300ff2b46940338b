/* subject.h - the base subject for threads and SORT (RFC 5256 2.1). */
#ifndef WAXWING_MSG_SUBJECT_H
#define WAXWING_MSG_SUBJECT_H

#include "base/buf.h"

/* Decodes the field's value to UTF-8, and takes "Re:", "[list]", "(fwd)" and
 * their like away.  ret_reply: one of them was there.  Errors: those of the
 * buf. */
void subject_base(struct view field, struct buf *out, bool *ret_reply);

#endif
