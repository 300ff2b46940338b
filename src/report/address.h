/* address.h - where reports are asked to be sent: the lists of rua= and ruf=
 * (RFC 9989 4.7; with a size behind "!" as RFC 7489 6.2 has it; RFC 8460 3).
 */
#ifndef WAXWING_REPORT_ADDRESS_H
#define WAXWING_REPORT_ADDRESS_H

#include "base/arena.h"

enum { REPORT_ADDRESSES = 8 };	/* of one list that are looked at */

struct report_address {
	struct view mail;	/* mailto: the address, percent-encoding undone; or empty */
	struct view host;	/* of the address or URL: A-labels, lower case */
	struct view url;	/* https: all of it; or empty */
	struct view path;	/* of the URL: "/..." */
	uint16_t port;
	uint64_t most;		/* bytes, 0: no limit */
};

/* In the arena.  Those that are no plain address or https URL are passed over.
 * How many. */
size_t report_addresses(struct view list, struct arena *a, struct report_address ret[REPORT_ADDRESSES]);

#endif
