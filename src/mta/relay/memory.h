/* memory.h - what TLS a site had before, so that a downgrade is noticed.
 *
 * relay/memory.db, shared by all relay processes; it may be lost at any time.
 * Each site has the best that was seen of it and when; what was not seen again
 * for relay.tls_memory is forgotten.  Nothing here decides about a delivery: an
 * attacker who could write it, or a host that gave up TLS, stops no letter.
 *
 * Blocks for as long as SQLite takes, once a connection and not once a letter.
 */
#ifndef WAXWING_MTA_RELAY_MEMORY_H
#define WAXWING_MTA_RELAY_MEMORY_H

#include "base/buf.h"
#include "base/clock.h"

enum secured {
	SECURED_NOT = 0,	/* clear text */
	SECURED_TLS,		/* whoever it was */
	SECURED_VERIFIED,
};

struct memory;

/* In this folder; without it nothing is remembered.  ST_CORRUPT, ST_IO ... */
enum status memory_open(const char *folder, wall_ms keep, struct memory **ret) MUST_USE;
void memory_close(struct memory *m);

/* A connection to this site is secured like this.  True: it was better before,
 * and was is how.  m may be NULL. */
bool memory_note(struct memory *m, struct view site, enum secured level, struct view how, struct buf *was);

#endif
