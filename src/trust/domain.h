/* domain.h - domain names as the checks compare them.
 *
 * Everything below works on one form: A-labels (RFC 5890), lower case, no
 * last dot.  domain_ascii makes it; U-labels are converted as RFC 5891 says
 * (libidn2, with the mapping of UTS 46 and no transitional forms).
 */
#ifndef WAXWING_TRUST_DOMAIN_H
#define WAXWING_TRUST_DOMAIN_H

#include "base/arena.h"

/* In the arena.  ST_SYNTAX: not a name that DNS can hold (RFC 1035 2.3.4) of
 * two labels at least; ST_NOMEM, ST_LIMIT. */
enum status domain_ascii(struct view name, struct arena *a, struct view *ret) MUST_USE;

/* The same in U-labels (RFC 5890), as people write it.  ascii: as domain_ascii
 * makes it.  ST_SYNTAX: it has labels that are none; ST_NOMEM, ST_LIMIT. */
enum status domain_unicode(struct view ascii, struct arena *a, struct view *ret) MUST_USE;

/* Can DNS be asked for it: labels of 1 to 63 bytes, 253 in all? */
bool domain_fits(struct view name);

/* Is it the same, or below it? */
bool domain_within(struct view name, struct view above);

static inline size_t domain_labels(struct view name)
{
	size_t n = name.n ? 1 : 0;

	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == '.';
	return n;
}

/* The last n labels, or all where there are fewer. */
struct view domain_tail(struct view name, size_t n);

#endif
