/* check.h - what the RFCs hold against one address (RFC 5321 4.1.2, 4.5.3.1;
 * RFC 5322 3.4.1, 4.4; RFC 6532 3.2; RFC 1035 2.3.4).
 *
 * For the operator's eyes (`waxwing inspect address`), and to say precisely why
 * an address is refused.  Asks no DNS.  Linear, allocates nothing.
 */
#ifndef WAXWING_MSG_CHECK_H
#define WAXWING_MSG_CHECK_H

#include "base/view.h"

/* In order: a greater one counts before a smaller one; from ERR_ on it is no
 * address at all. */
enum address_verdict {
#define V(name, category) ADDRESS_##name,
#include "msg/check.def"
#undef V
	ADDRESS_VERDICTS,
};

enum address_verdict address_check(struct view address);

/* "ERR_NODOMAIN" and "ERR".  Static. */
const char *address_verdict_name(enum address_verdict v);
const char *address_category_name(enum address_verdict v);

#endif
