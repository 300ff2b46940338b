/* context.h - libunbound, set up: where to ask, what to trust, what to keep.
 *
 * lookups.c is the only user.
 */
#ifndef WAXWING_NAMES_CONTEXT_H
#define WAXWING_NAMES_CONTEXT_H

#include "names/events.h"
#include "names/lookups.h"

struct context {
	struct events events;
	struct ub_ctx *ub;
};

/* Everything is read and set up when it returns; only sockets are opened
 * later.  ST_SYNTAX, ST_MISSING, ST_NOMEM; why says what.  On failure
 * nothing is to be closed. */
enum status context_open(struct context *c, const struct lookup_settings *s, struct loop *l,
			 struct buf *why) MUST_USE;
/* Those that wait are not called. */
void context_close(struct context *c);

/* name: presentation form with the last dot.  Calls back once, perhaps
 * before it returns; not at all on failure.  ST_NOMEM. */
enum status context_ask(struct context *c, const char *name, uint16_t type, void *arg,
			ub_event_callback_type call) MUST_USE;

#endif
