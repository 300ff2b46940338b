#include "names/direct.h"

#include <stdlib.h>

struct direct {
	struct resolver resolver;
	struct loop *loop;
	bool borrowed;		/* the loop is another's */
	struct lookups *lookups;
};

struct question {
	struct lookup_wait wait;
	struct direct *d;
	struct arena *arena;	/* NULL: nobody wants the answer */
	struct dns_answer *ret;
	struct co *waiting;	/* or NULL: the loop runs for this alone */
	enum status st;		/* ST_AGAIN while waiting */
};

static void done(struct lookup_wait *w, const struct rec_dns_answer *a)
{
	struct question *q = (struct question *)w;

	if (q->arena == NULL) {
		free(q);
		return;
	}
	q->st = dns_answer_take(a, q->arena, q->ret);
	if (q->waiting)
		co_wake(q->waiting);
	else if (!q->d->borrowed)
		loop_stop(q->d->loop);
}

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct direct *d = (struct direct *)r;
	struct question q = { .wait = { .done = done }, .d = d, .arena = a, .ret = ret, .st = ST_AGAIN };

	lookups_ask(d->lookups, name, (uint16_t)type, &q.wait);
	while (q.st == ST_AGAIN) {
		q.waiting = d->borrowed ? co_self() : NULL;
		if (q.waiting)
			co_wait();
		else
			loop_run(d->loop);
	}
	return q.st;
}

static void hint(struct resolver *r, struct view name, enum dns_type type)
{
	struct direct *d = (struct direct *)r;
	struct question *q = calloc(1, sizeof *q);

	if (q == NULL)
		return;
	q->wait.done = done;
	lookups_ask(d->lookups, name, (uint16_t)type, &q->wait);
}

static enum status open_on(const struct lookup_settings *s, struct loop *l, struct buf *why, struct direct **ret)
{
	struct direct *d = calloc(1, sizeof *d);
	enum status st = d ? ST_OK : ST_NOMEM;

	if (st == ST_OK && l == NULL)
		st = loop_new(&d->loop);
	else if (st == ST_OK)
		d->loop = l;
	if (d)
		d->borrowed = l != NULL;

	if (st == ST_OK)
		st = lookups_open(s, d->loop, why, &d->lookups);
	if (st != ST_OK) {
		direct_free(d);
		return st;
	}
	d->resolver = (struct resolver){ ask, hint };
	*ret = d;
	return ST_OK;
}

enum status direct_open(const struct lookup_settings *s, struct buf *why, struct direct **ret)
{
	return open_on(s, NULL, why, ret);
}

enum status direct_open_on(const struct lookup_settings *s, struct loop *l, struct buf *why, struct direct **ret)
{
	return open_on(s, l, why, ret);
}

void direct_free(struct direct *d)
{
	if (d == NULL)
		return;
	lookups_free(d->lookups);
	if (!d->borrowed)
		loop_free(d->loop);
	free(d);
}

struct resolver *direct_resolver(struct direct *d)
{
	return &d->resolver;
}
