/* ring.h - lists whose members are linked both ways, so that one leaves at
 * once wherever it stands.
 *
 * A ring is a link of its own, the head; members embed a link and are found
 * again by RING_OF.  Owns nothing.  A link that is in no ring is empty
 * (ring_init): removing it does nothing.
 */
#ifndef WAXWING_BASE_RING_H
#define WAXWING_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
	struct ring *next, *prev;
};

#define RING_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void ring_init(struct ring *r)
{
	r->next = r->prev = r;
}

/* For a head: nobody is in it.  For a member: it is in no ring. */
static inline bool ring_empty(const struct ring *r)
{
	return r->next == r;
}

/* The first and the last member, and the one after; NULL where there is none. */
static inline struct ring *ring_first(const struct ring *head)
{
	return head->next == head ? NULL : head->next;
}

static inline struct ring *ring_last(const struct ring *head)
{
	return head->prev == head ? NULL : head->prev;
}

static inline struct ring *ring_after(const struct ring *head, const struct ring *r)
{
	return r->next == head ? NULL : r->next;
}

static inline void ring_insert(struct ring *before, struct ring *r)
{
	r->prev = before->prev;
	r->next = before;
	before->prev->next = r;
	before->prev = r;
}

static inline void ring_append(struct ring *head, struct ring *r)
{
	ring_insert(head, r);
}

static inline void ring_prepend(struct ring *head, struct ring *r)
{
	ring_insert(head->next, r);
}

static inline void ring_remove(struct ring *r)
{
	r->prev->next = r->next;
	r->next->prev = r->prev;
	ring_init(r);
}

#endif
