/* known.c - letters that a door offers again, because the queue before us died
 * without saying what became of them.
 *
 * What that queue had flushed is owed by us since the spool was opened: it was
 * handed to no room before its door was answered.  So what was owed then is
 * remembered for as long as a door may come back with it. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <xxhash.h>

struct known {
	uint64_t sum;		/* of its envelope, which names it */
	uint64_t id;
	uint64_t size;
};

static uint64_t sum_of(struct view envelope)
{
	return XXH3_64bits(envelope.p, envelope.n);
}

enum status known_add(struct queue *q, uint64_t id, struct view envelope, uint64_t size)
{
	if (q->n_known == q->cap_known) {
		size_t cap = q->cap_known ? q->cap_known * 2 : 256;
		struct known *more = realloc(q->known, cap * sizeof *more);

		if (more == NULL)
			return ST_NOMEM;
		q->known = more;
		q->cap_known = cap;
	}
	q->known[q->n_known++] = (struct known){ sum_of(envelope), id, size };
	return ST_OK;
}

static int by_sum(const void *a, const void *b)
{
	uint64_t x = ((const struct known *)a)->sum, y = ((const struct known *)b)->sum;

	return x < y ? -1 : x > y;
}

static void forget(struct timer *t)
{
	struct queue *q = (struct queue *)((char *)t - offsetof(struct queue, forget));

	free(q->known);
	q->known = NULL;
	q->n_known = q->cap_known = 0;
}

void known_begin(struct queue *q)
{
	if (q->n_known)
		qsort(q->known, q->n_known, sizeof *q->known, by_sum);
	q->forget.fire = forget;
	/* Without the timer they are only held for longer. */
	if (q->n_known && loop_timer(q->proc.loop, &q->forget, clock_steady() + KNOWN_MS) != ST_OK)
		log_event(LOG_WARN_, "timer", "%s", "");
}

uint64_t known_find(const struct queue *q, struct view envelope, uint64_t size)
{
	const struct known key = { .sum = sum_of(envelope) };
	const struct known *k =
		q->n_known ? bsearch(&key, q->known, q->n_known, sizeof key, by_sum) : NULL;

	return k && k->size == size ? k->id : 0;
}

/* The queue before us may have been told that its flush failed, and the kernel
 * says so once: our own flush at opening proves nothing.  So it is written
 * again, with this batch. */
void known_write_again(struct queue *q, struct promise *p)
{
	struct letter *l = map_get(&q->letters, p->known);

	if (l == NULL)		/* delivered meanwhile, and its room has flushed */
		return;
	p->copied = letter_copy(q, l, &p->at, &p->progress_at);
}

enum status known_kept(struct queue *q, const struct promise *p)
{
	struct letter *l = map_get(&q->letters, p->known);

	if (l == NULL || p->copied != ST_OK)
		return p->copied;
	letter_moved(q, l, &p->at, &p->progress_at);
	log_event(LOG_INFO_, "offered-again", "id=%s queue=%llx", l->name, (unsigned long long)l->id);
	return ST_OK;
}
