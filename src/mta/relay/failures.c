/* failures.c - single letters that failed (RFC 9991): which are told, and which of
 * them as one.
 *
 * The first of those that are alike is told at once; those that come within
 * reports.failure_like after it are counted, and of them the last is told when that
 * time is over, with how many they were (RFC 5965 3.2, Incidents).  What is held is
 * gone with the process. */
#include "mta/relay/internal.h"

#include <stdlib.h>

enum { ALIKE_MOST = 256, AT_ONCE = 16, TELLING_ARENA = 64 * 1024 * 1024, HELD_ARENA = 256 * 1024 };

struct alike {
	struct alike *next;
	struct relay *r;
	struct buf domain, like;
	uint32_t n;		/* since one was told */
	struct rec_failed last;	/* of them, in `held` */
	struct arena held;
	struct timer over;
};

/* ---- telling ---- */

struct telling {
	struct relay *r;
	struct arena a;
	struct rec_failed in;
	uint32_t incidents;
};

static struct rec_failed copy(const struct rec_failed *in, struct arena *a)
{
	return (struct rec_failed){
		.domain = arena_copy(a, in->domain), .organization = arena_copy(a, in->organization),
		.ruf = arena_copy(a, in->ruf), .feedback = arena_copy(a, in->feedback),
		.header = arena_copy(a, in->header), .text = arena_copy(a, in->text),
	};
}

static void telling_end(struct telling *t)
{
	t->r->reporter.failures--;
	arena_free(&t->a);
	free(t);
}

static void run(void *arg)
{
	struct telling *t = arg;

	reporter_tell_failure(t->r, &t->in, t->incidents, &t->a);
	telling_end(t);
}

/* Now or never.  False: not, since there are too many, here or today. */
static bool tell(struct relay *r, const struct rec_failed *in, uint32_t incidents)
{
	struct telling *t;

	if (r->reporter.failures == AT_ONCE ||
	    !reports_may_tell(r->reports, in->domain, r->proc.conf.reports_failure_limit))
		return false;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return false;
	*t = (struct telling){ .r = r, .a = ARENA(TELLING_ARENA), .incidents = incidents };
	t->in = copy(in, &t->a);
	r->reporter.failures++;
	if (arena_status(&t->a) == ST_OK && co_start(run, t) == ST_OK)
		return true;
	telling_end(t);
	return false;
}

/* ---- those that are alike ---- */

static struct alike *find(const struct relay *r, const struct rec_failed *in)
{
	for (struct alike *one = r->reporter.alike; one; one = one->next)
		if (view_eq(buf_view(&one->domain), in->domain) && view_eq(buf_view(&one->like), in->like))
			return one;
	return NULL;
}

static void forget(struct alike *gone)
{
	struct alike **p = &gone->r->reporter.alike;

	while (*p != gone)
		p = &(*p)->next;
	*p = gone->next;
	gone->r->reporter.n_alike--;
	loop_timer_clear(gone->r->proc.loop, &gone->over);
	buf_free(&gone->domain);
	buf_free(&gone->like);
	arena_free(&gone->held);
	free(gone);
}

static void wait_on(struct alike *one)
{
	struct relay *r = one->r;

	if (loop_timer(r->proc.loop, &one->over, clock_steady() + (steady_ms)r->proc.conf.failure_like) != ST_OK)
		forget(one);
}

static void over(struct timer *t)
{
	struct alike *one = (struct alike *)((char *)t - offsetof(struct alike, over));

	if (one->n == 0) {
		forget(one);
		return;
	}
	(void)tell(one->r, &one->last, one->n);
	one->n = 0;
	arena_free(&one->held);
	wait_on(one);
}

static void add(struct relay *r, const struct rec_failed *in)
{
	struct alike *one = r->reporter.n_alike < ALIKE_MOST ? calloc(1, sizeof *one) : NULL;

	if (one == NULL)
		return;
	*one = (struct alike){
		.next = r->reporter.alike, .r = r, .domain = BUF(RECORD_MAX), .like = BUF(RECORD_MAX),
		.held = ARENA(HELD_ARENA), .over = { .fire = over },
	};
	r->reporter.alike = one;
	r->reporter.n_alike++;
	buf_put(&one->domain, in->domain);
	buf_put(&one->like, in->like);
	if (buf_status(&one->domain) != ST_OK || buf_status(&one->like) != ST_OK)
		forget(one);
	else
		wait_on(one);
}

static void hold(struct alike *one, const struct rec_failed *in)
{
	arena_free(&one->held);
	one->last = copy(in, &one->held);
	one->n++;
	if (arena_status(&one->held) != ST_OK)
		forget(one);
}

void reporter_take_failure(struct relay *r, const struct record *rec)
{
	struct rec_failed in;
	struct alike *one;

	if (!rec_take_failed(rec->body, &in))
		return;
	one = find(r, &in);
	if (one)
		hold(one, &in);
	else if (tell(r, &in, 1) && r->proc.conf.failure_like > 0)
		add(r, &in);
}
