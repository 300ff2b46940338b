/* reply.c - what hosts said, kept once for all recipients that got the same. */
#include "mta/queue/internal.h"

#include <stdlib.h>

enum { REPLY_MAX = 1024, IDS_FIRST = 64 };

static struct reply *reply_of_bytes(struct queue *q, struct view bytes)
{
	uint64_t key = share_hash(&q->share, bytes);
	struct reply *r = map_get(&q->replies, key);

	if (r && view_eq(view_make(r->bytes, r->n), bytes))
		return reply_again(r);
	r = malloc(sizeof *r + bytes.n);
	if (r == NULL)
		return NULL;
	*r = (struct reply){ .key = key, .refs = 1, .n = (uint32_t)bytes.n };
	memcpy(r->bytes, bytes.p, bytes.n);
	if (map_set(&q->replies, key, r) != ST_OK) {
		free(r);
		return NULL;
	}
	return r;
}

struct reply *reply_of(struct queue *q, const struct attempt_result *result)
{
	struct attempt_result of_all = *result;
	struct buf b = BUF(REPLY_MAX);
	struct reply *r = NULL;

	of_all.recipient = 0;
	attempt_result_put(&b, &of_all);
	if (buf_status(&b) == ST_OK)
		r = reply_of_bytes(q, buf_view(&b));
	buf_free(&b);
	return r;
}

struct reply *reply_again(struct reply *r)
{
	if (r)
		r->refs++;
	return r;
}

void reply_drop(struct queue *q, struct reply *r)
{
	if (r == NULL || --r->refs)
		return;
	if (map_get(&q->replies, r->key) == r)
		map_remove(&q->replies, r->key);
	free(r);
}

struct attempt_result reply_read(const struct reply *r)
{
	struct attempt_result result = { 0 };
	struct cursor c;

	if (r == NULL)
		return result;
	c = cursor_over(view_make(r->bytes, r->n));
	(void)!attempt_result_take(&c, &result);
	return result;
}

void handover_reply(struct queue *q, struct handover *h, struct reply *r)
{
	reply_drop(q, h->reply);
	h->reply = r;
}

enum status ids_add(struct ids *ids, uint64_t id)
{
	size_t cap = ids->cap ? ids->cap * 2 : IDS_FIRST;
	uint64_t *more;

	if (ids->n == ids->cap) {
		more = realloc(ids->p, cap * sizeof *more);
		if (more == NULL)
			return ST_NOMEM;
		ids->p = more;
		ids->cap = cap;
	}
	ids->p[ids->n++] = id;
	return ST_OK;
}
