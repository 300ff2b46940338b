/* received.h - a trace field: who gave a letter to whom (RFC 5321 4.4, and
 * what is found in the wild).
 *
 * Clauses count wherever they stand, in any case, and each only the first
 * time; words that belong to none are passed over.  What stands in comments is
 * believed to be what most software puts there: the client's address, the name
 * that it gave, and the TLS between.  Nothing of it is proved by anybody.
 *
 * Nothing is copied or allocated: all views are of the value given, and empty
 * where nothing is said.
 */
#ifndef WAXWING_MSG_RECEIVED_H
#define WAXWING_MSG_RECEIVED_H

#include "msg/date.h"

struct received {
	struct view from, by, via, with, id, to;	/* to: of "for", without <> */
	struct view address;	/* IP address of the client, without [] and IPv6: */
	struct view reverse;	/* the name that the address has */
	struct view helo;	/* the name that it gave, where said apart */
	struct view tls_version, tls_cipher;
	struct view date_text;
	bool has_date;
	struct date date;
};

/* Never fails. */
void received_parse(struct view value, struct received *ret);

#endif
