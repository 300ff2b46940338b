#include "names/direct.h"

#include <stdlib.h>

struct direct {
	struct resolver resolver;
	struct loop *loop;
	struct lookups *lookups;
};

struct question {
	struct lookup_wait wait;
	struct direct *d;
	struct arena *arena;	/* NULL: nobody wants the answer */
	struct dns_answer *ret;
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
	loop_stop(q->d->loop);
}

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct direct *d = (struct direct *)r;
	struct question q = { .wait = { .done = done }, .d = d, .arena = a, .ret = ret, .st = ST_AGAIN };

	lookups_ask(d->lookups, name, (uint16_t)type, &q.wait);
	while (q.st == ST_AGAIN)
		loop_run(d->loop);
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

enum status direct_open(const struct lookup_settings *s, struct buf *why, struct direct **ret)
{
	struct direct *d = calloc(1, sizeof *d);
	enum status st = d ? loop_new(&d->loop) : ST_NOMEM;

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

void direct_free(struct direct *d)
{
	if (d == NULL)
		return;
	lookups_free(d->lookups);
	loop_free(d->loop);
	free(d);
}

struct resolver *direct_resolver(struct direct *d)
{
	return &d->resolver;
}
