/* scan.h - where a text stands in other text, ASCII letters folded (RFC 9051 6.4.4).
 *
 * Looks for the two least common bytes of the needle in 16 places at once and
 * compares only where both stand.  No allocation.
 */
#ifndef WAXWING_MSG_SCAN_H
#define WAXWING_MSG_SCAN_H

#include "base/view.h"

struct scan {
	struct view needle;	/* in lower case; borrowed */
	size_t a, b;		/* places of its two rarest bytes */
};

/* The needle must be in lower case, as far as it is ASCII. */
struct scan scan_for(struct view lower);

bool scan_in(const struct scan *s, struct view text);

#endif
