/* arena.h - memory that is given back all at once.
 *
 * One arena per command or transaction, one per session.  Allocation never
 * passes the maximum given at the start; a failure is sticky (arena_status)
 * and returns NULL, so a parser may ask once at its end.  Under
 * AddressSanitizer each allocation is a block of its own, so that an overrun
 * inside an arena is seen.
 */
#ifndef WAXWING_BASE_ARENA_H
#define WAXWING_BASE_ARENA_H

#include "base/status.h"
#include "base/view.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used;	/* bytes handed out */
	size_t max;	/* bytes that may be */
	enum status st;
};

#define ARENA(maximum) ((struct arena){ .max = (maximum) })

/* Zeroed, aligned for any type; NULL on ST_LIMIT or ST_NOMEM. */
void *arena_alloc(struct arena *a, size_t n);

/* Room for count things of a size; NULL where the product overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* A copy; its p is NULL and n 0 on failure. */
struct view arena_copy(struct arena *a, struct view v);

/* A copy with a NUL behind it, for the C library; NULL on failure. */
char *arena_cstr(struct arena *a, struct view v);

static inline enum status arena_status(const struct arena *a)
{
	return a->st;
}

/* Gives everything back; the arena is empty and usable again. */
void arena_free(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
