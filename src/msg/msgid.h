/* msgid.h - message identifiers (RFC 5322 3.6.4).
 *
 * What stands in <> is an id, with whatever is inside; text around is passed
 * over (RFC 5322 4.5.4).  A field without any <> is one id as it stands, when
 * it has no blanks.
 */
#ifndef WAXWING_MSG_MSGID_H
#define WAXWING_MSG_MSGID_H

#include "base/view.h"

struct msgid_reader {
	struct view rest;
	bool any;
};

static inline struct msgid_reader msgid_reader(struct view field)
{
	return (struct msgid_reader){ .rest = field };
}

/* The next one, without <>; may have folds inside. */
bool msgid_next(struct msgid_reader *r, struct view *ret);

#endif
