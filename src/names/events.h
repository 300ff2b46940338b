/* events.h - our loop, as libunbound wants to see one (unbound-event.h).
 *
 * So it resolves in our only thread, without threads, forks or a second
 * loop of its own: what it waits for are watches and timers of ours.
 */
#ifndef WAXWING_NAMES_EVENTS_H
#define WAXWING_NAMES_EVENTS_H

#include "base/loop.h"

/* unbound-event.h wants it declared. */
struct event_base;
#include <unbound-event.h>

struct events {
	struct ub_event_base base;	/* give its address to ub_ctx_create_ub_event */
	struct loop *loop;
};

/* Must outlive the context. */
void events_init(struct events *e, struct loop *l);

#endif
