/* sink.h - the bytes of a letter while they arrive.
 *
 * Short ones stay in memory; past LETTER_INLINE they go to a memory file,
 * which travels to the queue as a descriptor.  Never a file on disk: the door
 * has none.  What all sinks of a door hold together is counted in a budget.
 *
 * After a failure (too large, budget, memory) the bytes are counted and
 * thrown away, and sink_status tells the first reason.
 */
#ifndef WAXWING_WIRE_SINK_H
#define WAXWING_WIRE_SINK_H

#include "base/buf.h"

struct sink_budget {
	uint64_t held, most;
};

struct sink {
	struct buf head;	/* the letter, while short */
	int fd;			/* -1: all in head */
	uint64_t size;
	uint64_t most;		/* largest letter, ST_LIMIT past it */
	struct sink_budget *budget;
	enum status st;
};

void sink_begin(struct sink *s, uint64_t most, struct sink_budget *budget);
void sink_put(struct sink *s, struct view bytes);
static inline enum status sink_status(const struct sink *s)
{
	return s->st;
}
/* Before sealing: the first `skip` bytes become `head`, which may be longer or
 * shorter.  What lies in a memory file is copied, since nothing can be put
 * before it.  Past `most` is allowed here: the head is ours. */
enum status sink_replace(struct sink *s, uint64_t skip, struct view head) MUST_USE;
/* Nothing more comes: a memory file is sealed. */
enum status sink_seal(struct sink *s) MUST_USE;
/* Gives all back; may be called at any time, also twice. */
void sink_free(struct sink *s);

#endif
