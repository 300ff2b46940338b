/* progress.h - what is known of a letter besides the letter itself, as it
 * lies in the spool (PROGRESS, spool.h): always whole, so that the last one
 * counts and those before it do not.
 *
 * Views are borrowed from the bytes that were decoded, lists are in the arena
 * given.  Replies are in the form of ipc/attempt.h, each only once: the
 * recipients of a letter mostly got the same.
 */
#ifndef WAXWING_MTA_QUEUE_PROGRESS_H
#define WAXWING_MTA_QUEUE_PROGRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum progress_state {
	PROGRESS_WAITING,
	PROGRESS_FAILED,	/* for good, and its sender is still to be told */
	PROGRESS_SENT,		/* got there, and its sender is still to be told */
	PROGRESS_DONE,
};

/* What the operator has said of the whole letter. */
enum progress_hold {
	PROGRESS_AS_IT_CAME,	/* nothing: the envelope says */
	PROGRESS_HELD,
	PROGRESS_LET_GO,	/* no longer held; a time before which it does not leave still counts */
	PROGRESS_AT_ONCE,	/* neither */
	PROGRESS_LACKING,	/* held, not by him: a host cannot do what it asks for (REQUIRETLS) */
	PROGRESS_UNPROTECTED,	/* as AT_ONCE, and he lets it go without that */
};

struct progress_recipient {
	uint32_t recipient;	/* place in the envelope */
	uint8_t state;		/* enum progress_state */
	uint8_t tries;
	uint8_t told;		/* of the delay: enum told */
	uint8_t down;		/* its site was closed as a whole */
	wall_ms next_at;	/* of the next try; 0: at once */
	uint32_t reply;		/* 1 for the first of replies; 0: there was none */
};

struct progress {
	uint8_t hold;		/* enum progress_hold */
	struct view route;
	uint32_t n_replies;
	struct view *replies;
	uint32_t n;
	struct progress_recipient *of;
};

void progress_put(struct buf *b, const struct progress *p);

/* ST_SYNTAX, ST_LIMIT, ST_NOMEM */
enum status progress_take(struct view bytes, struct arena *a, struct progress *ret) MUST_USE;

#endif
