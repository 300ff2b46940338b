/* update.h - telling a name server what to say (RFC 2136), signed by TSIG
 * (RFC 8945); the messages are ldns's.
 *
 * What was put there by us is remembered in dns/DOMAIN.published below the
 * instance, and only that is ever removed.  All else is foreign: it stays, and
 * where one of ours cannot stand beside it, ours is not put there.
 *
 * The server is asked first, and told with what it answered as prerequisite
 * (RFC 2136 2.4), so that nobody's change in between is lost.
 */
#ifndef WAXWING_ADMIN_DNS_UPDATE_H
#define WAXWING_ADMIN_DNS_UPDATE_H

#include "admin/dns/tsig.h"
#include "admin/dns/wanted.h"

enum update_what { UPDATE_KEPT, UPDATE_ADDED, UPDATE_REMOVED, UPDATE_CONFLICT };

struct update {
	const char *dir;			/* of the instance */
	struct view domain;
	const struct wanted_list *wanted;
	uint32_t ttl;
	struct endpoint server;
	const struct tsig_key *key;		/* or NULL: not signed */
	uint64_t timeout_ms;			/* for each question */
	/* What becomes of each record; line: as in a zone file; other: what
	 * stands in its way. */
	void (*each)(void *arg, enum update_what what, struct view line, struct view other);
	void *arg;
};

/* Blocks.  ST_DENIED (the server refused: not signed by a key it knows, or not
 * its zone), ST_AGAIN (somebody else changed the records meanwhile),
 * ST_TIMEOUT, ST_CORRUPT (the answer's signature is wrong), ST_IO, ST_NOMEM;
 * why says what. */
enum status update_run(const struct update *u, struct buf *why) MUST_USE;

#endif
