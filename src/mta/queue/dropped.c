/* dropped.c - letters that lay in the drop folder while there was no server.
 *
 * Such a letter is kept like any other, and handed to nobody until its file is
 * gone for good (letter_go).  So whatever dies between the two, its file is
 * offered again to a queue that has the letter: this one, or a later one, which
 * found it owed.  It is known by its id, which is made of the file's name and
 * owner; its envelope may differ the second time.
 */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <xxhash.h>

static uint64_t hash_of(struct view id)
{
	return XXH3_64bits(id.p, id.n);
}

static bool is_dropped(struct view id)
{
	return id.n > DROP_KEY + 2 && id.p[0] == 'd' && id.p[DROP_KEY + 1] == '.';
}

enum status dropped_note(struct queue *q, struct letter *l)
{
	struct view id = view_cstr(l->name);

	if (!is_dropped(id))
		return ST_OK;
	l->dropped = true;
	/* A queue id is never 0, so it is never taken for an absent one. */
	return map_set(&q->dropped, hash_of(id), (void *)(uintptr_t)l->id);
}

/* Those that were found owed: the parent may have died before it said so. */
void dropped_ask(struct timer *t)
{
	struct queue *q = RING_OF(t, struct queue, ask_dropped);

	for (struct ring *r = ring_first(&q->by_place); r; r = ring_after(&q->by_place, r)) {
		const struct letter *l = RING_OF(r, struct letter, by_place);

		if (!l->dropped)
			continue;
		rec_put_letter_dropped(&q->out, 0, 0, &(struct rec_letter_dropped){ view_cstr(l->name) });
		(void)!role_send(&q->proc.parent, &q->out, -1);
	}
}

void dropped_forget(struct queue *q, const struct letter *l)
{
	if (l->dropped)
		map_remove(&q->dropped, hash_of(view_cstr(l->name)));
}

uint64_t dropped_find(struct queue *q, struct view envelope)
{
	struct envelope e;

	arena_free(&q->arena);
	if (envelope_take(envelope, &q->arena, &e) != ST_OK || !is_dropped(e.id))
		return 0;
	return (uintptr_t)map_get(&q->dropped, hash_of(e.id));
}

void dropped_go(struct queue *q, struct view id)
{
	uint64_t queue_id = is_dropped(id) ? (uintptr_t)map_remove(&q->dropped, hash_of(id)) : 0;
	struct letter *l = queue_id ? map_get(&q->letters, queue_id) : NULL;

	if (l == NULL || !l->dropped)
		return;
	l->dropped = false;
	log_event(LOG_INFO_, "dropped-go", "id=%s queue=%llx", l->name, (unsigned long long)queue_id);
	letter_reschedule(q, l);
}
