#include "mta/queue/share.h"

#include "conf/conf.h"

#include <stdlib.h>
#include <xxhash.h>

/* Windows count in parts of a place, so that they can grow by less than one. */
enum { PLACE = 256, LOW_TURN = 8, FAILURES_MOST = 1000 };

struct flow {
	uint64_t key;
	uint32_t id;
	uint8_t class;
	uint32_t n_bundles;
	struct ring link;	/* in share.ready */
	struct ring offers;	/* bundles */
	struct ring parked;	/* sites that wait to be probed, */
	struct ring in_line;	/* and among the flows that have such */
};

struct bundle {
	struct site *site;
	struct flow *flow;
	bool offered;
	struct ring at_site;	/* in site.waiting or site.on_offer */
	struct ring of_flow;	/* in flow.offers */
	struct ring tasks;
};

void share_init(struct share *s, uint64_t seed)
{
	*s = (struct share){ .seed = seed };
	for (int c = 0; c < CLASSES; c++) {
		ring_init(&s->ready[c]);
		ring_init(&s->parked[c]);
	}
	ring_init(&s->idle);
}

uint64_t share_hash(const struct share *s, struct view name)
{
	return XXH3_64bits_withSeed(name.p ? name.p : "", name.n, s->seed);
}

/* ---- sites ---- */

static struct view site_name(const struct site *site)
{
	return view_make(site->name, site->name_n);
}

struct site *share_find(const struct share *s, struct view name)
{
	struct site *site = map_get(&s->sites, share_hash(s, name));

	while (site && !view_eq(site_name(site), name))
		site = site->same;
	return site;
}

static void site_forget(struct share *s, struct site *site)
{
	uint64_t key = share_hash(s, site_name(site));
	struct site *first = map_remove(&s->sites, key), **p = &first;

	while (*p && *p != site)
		p = &(*p)->same;
	if (*p)
		*p = site->same;
	/* Cannot fail: its place was just given up. */
	if (first && map_set(&s->sites, key, first) != ST_OK)
		abort();
	ring_remove(&site->link);
	if (s->site_gone)
		s->site_gone(s->arg, site);
	free(site);
}

static struct site *site_new(struct share *s, struct view name)
{
	struct site *site = calloc(1, sizeof *site + name.n + 1);
	uint64_t key = share_hash(s, name);

	if (site == NULL)
		return NULL;
	site->share = s;
	site->id = ++s->next_site;
	site->window = PLACE;
	site->name_n = name.n;
	if (name.n)
		memcpy(site->name, name.p, name.n);
	for (int c = 0; c < CLASSES; c++)
		ring_init(&site->waiting[c]);
	ring_init(&site->on_offer);
	ring_init(&site->deferred);
	ring_init(&site->link);
	site->same = map_get(&s->sites, key);
	if (map_set(&s->sites, key, site) != ST_OK) {
		free(site);
		return NULL;
	}
	return site;
}

struct site *share_site(struct share *s, struct view name)
{
	struct site *site = share_find(s, name);

	return site ? site : site_new(s, name);
}

/* Nothing goes there now: remembered for a while. */
static void site_rests(struct share *s, struct site *site)
{
	ring_remove(&site->link);
	ring_append(&s->idle, &site->link);
	s->n_idle++;
	while (s->n_idle > SITES_IDLE) {
		s->n_idle--;
		site_forget(s, RING_OF(ring_first(&s->idle), struct site, link));
	}
}

void share_free(struct share *s)
{
	struct site *site, *next;
	struct flow *f;
	struct bundle *b;
	size_t at = 0;

	while ((site = map_next(&s->sites, &at)) != NULL)
		for (; site; site = next) {
			next = site->same;
			if (s->site_gone)
				s->site_gone(s->arg, site);
			free(site);
		}
	at = 0;
	while ((f = map_next(&s->flows, &at)) != NULL)
		free(f);
	at = 0;
	while ((b = map_next(&s->bundles, &at)) != NULL)
		free(b);
	map_free(&s->sites);
	map_free(&s->flows);
	map_free(&s->bundles);
}

/* ---- offers ---- */

/* The highest class that has something; one turn in LOW_TURN the lowest, so
 * that it is not forgotten. */
static struct ring *in_turn(const struct ring of_class[CLASSES], uint32_t turn)
{
	for (int i = 0; i < CLASSES; i++) {
		int c = turn % LOW_TURN == LOW_TURN - 1 ? CLASSES - 1 - i : i;

		if (!ring_empty(&of_class[c]))
			return ring_first(&of_class[c]);
	}
	return NULL;
}

static void unpark(struct site *site)
{
	struct flow *f = site->parked_by;

	if (f == NULL)
		return;
	site->parked_by = NULL;
	ring_remove(&site->link);
	if (ring_empty(&f->parked))
		ring_remove(&f->in_line);
}

static void park(struct share *s, struct site *site, struct flow *f)
{
	unpark(site);
	site->parked_by = f;
	ring_append(&f->parked, &site->link);
	if (ring_empty(&f->in_line))
		ring_append(&s->parked[f->class], &f->in_line);
}

/* One of each sender in turn. */
static struct site *next_parked(struct share *s)
{
	struct ring *r = in_turn(s->parked, s->probe_picks++);
	struct flow *f = r ? RING_OF(r, struct flow, in_line) : NULL;
	struct site *site = f ? RING_OF(ring_first(&f->parked), struct site, link) : NULL;

	if (site == NULL)
		return NULL;
	ring_remove(&f->in_line);
	ring_append(&s->parked[f->class], &f->in_line);
	unpark(site);
	return site;
}

static bool probes_full(const struct share *s)
{
	return s->probing >= s->limits.attempts - s->limits.attempts / 4;
}

/* A site that has not answered yet may use one of the places for such. */
static bool may_probe(struct share *s, struct site *site, struct flow *f)
{
	if (site->proven || site->probing)
		return true;
	if (probes_full(s)) {
		if (site->parked_by == NULL)
			park(s, site, f);
		return false;
	}
	unpark(site);
	site->probing = true;
	s->probing++;
	return true;
}

static struct bundle *first_waiting(const struct site *site)
{
	struct ring *r = in_turn(site->waiting, site->picks);

	return r ? RING_OF(r, struct bundle, at_site) : NULL;
}

/* As many bundles as the site has free places. */
static void offer(struct share *s, struct site *site, steady_ms now)
{
	struct bundle *b;

	while ((b = first_waiting(site)) != NULL && !site_closed(site, now) &&
	       (site->out + site->offered + 1) * PLACE <= site->window && may_probe(s, site, b->flow)) {
		ring_remove(&b->at_site);
		ring_append(&site->on_offer, &b->at_site);
		ring_append(&b->flow->offers, &b->of_flow);
		b->offered = true;
		site->offered++;
		site->picks++;
		if (ring_empty(&b->flow->link))
			ring_append(&s->ready[b->flow->class], &b->flow->link);
	}
}

/* A place among the probes is free: the next that waits for one, and can use
 * it: what it had may be held by now, or it be closed. */
static void probe_over(struct share *s, struct site *site, steady_ms now)
{
	struct site *next;

	if (!site->probing || (!site->proven && site->out + site->offered))
		return;
	site->probing = false;
	s->probing--;
	while (!probes_full(s) && (next = next_parked(s)) != NULL)
		offer(s, next, now);
}

/* Off the offer and out of its site's rings. */
static void withdraw(struct bundle *b)
{
	ring_remove(&b->at_site);
	if (!b->offered)
		return;
	b->offered = false;
	b->site->offered--;
	ring_remove(&b->of_flow);
	if (ring_empty(&b->flow->offers))
		ring_remove(&b->flow->link);
}

/* What stands on offer at a site that was closed waits again. */
static void withdraw_all(struct site *site)
{
	struct ring *r;

	while ((r = ring_last(&site->on_offer)) != NULL) {
		struct bundle *b = RING_OF(r, struct bundle, at_site);

		withdraw(b);
		ring_prepend(&site->waiting[b->flow->class], &b->at_site);
	}
}

/* ---- bundles ---- */

static struct flow *flow_of(struct share *s, uint64_t sender, uint8_t class)
{
	uint64_t key = sender * CLASSES + class;
	struct flow *f = map_get(&s->flows, key);

	if (f)
		return f;
	f = calloc(1, sizeof *f);
	if (f == NULL || map_set(&s->flows, key, f) != ST_OK) {
		free(f);
		return NULL;
	}
	f->key = key;
	f->id = ++s->next_flow;
	f->class = class;
	ring_init(&f->link);
	ring_init(&f->offers);
	ring_init(&f->parked);
	ring_init(&f->in_line);
	return f;
}

static void flow_let_go(struct share *s, struct flow *f)
{
	if (f->n_bundles)
		return;
	map_remove(&s->flows, f->key);
	free(f);
}

static struct bundle *bundle_of(struct share *s, struct site *site, uint64_t sender, uint8_t class)
{
	struct flow *f = flow_of(s, sender, class);
	uint64_t key = f ? (uint64_t)site->id << 32 | f->id : 0;
	struct bundle *b = f ? map_get(&s->bundles, key) : NULL;

	if (f == NULL || b)
		return b;
	b = calloc(1, sizeof *b);
	if (b == NULL || map_set(&s->bundles, key, b) != ST_OK) {
		free(b);
		flow_let_go(s, f);
		return NULL;
	}
	b->site = site;
	b->flow = f;
	f->n_bundles++;
	ring_init(&b->tasks);
	ring_init(&b->of_flow);
	ring_append(&site->waiting[class], &b->at_site);
	return b;
}

static void bundle_end(struct share *s, struct bundle *b)
{
	withdraw(b);
	if (b->site->parked_by == b->flow)
		unpark(b->site);
	map_remove(&s->bundles, (uint64_t)b->site->id << 32 | b->flow->id);
	b->flow->n_bundles--;
	flow_let_go(s, b->flow);
	free(b);
}

/* ---- tasks ---- */

void share_task(struct share *s, struct task *t, struct site *site, uint64_t sender, int priority)
{
	*t = (struct task){
		.site = site, .sender = sender, .state = TASK_NEW,
		.class = priority > 0 ? CLASS_HIGH : priority < 0 ? CLASS_LOW : CLASS_NORMAL,
	};
	ring_init(&t->link);
	if (site->n_tasks++ == 0 && !ring_empty(&site->link)) {
		ring_remove(&site->link);
		s->n_idle--;
	}
}

enum status share_wait(struct share *s, struct task *t, steady_ms now)
{
	struct bundle *b = bundle_of(s, t->site, t->sender, t->class);

	if (b == NULL)
		return ST_NOMEM;
	ring_remove(&t->link);
	ring_append(&b->tasks, &t->link);
	t->bundle = b;
	t->state = TASK_WAITING;
	/* A sender with nothing else in that line need not stand in another's. */
	if (t->site->parked_by && ring_empty(&b->flow->parked))
		park(s, t->site, b->flow);
	offer(s, t->site, now);
	return ST_OK;
}

/* Out of whatever it stands in, but not TASK_OUT. */
static void leave(struct share *s, struct task *t, steady_ms now)
{
	struct bundle *b = t->bundle;

	ring_remove(&t->link);
	t->bundle = NULL;
	t->state = TASK_NEW;
	if (b && ring_empty(&b->tasks)) {
		bundle_end(s, b);
		probe_over(s, t->site, now);
		offer(s, t->site, now);
	}
}

void share_defer(struct share *s, struct task *t, steady_ms now)
{
	leave(s, t, now);
	ring_append(&t->site->deferred, &t->link);
	t->state = TASK_DEFERRED;
}

void share_task_end(struct share *s, struct task *t, steady_ms now)
{
	struct site *site = t->site;

	if (t->state == TASK_OUT)
		share_back(s, t, NOT_TRIED, now);
	leave(s, t, now);
	if (--site->n_tasks == 0)
		site_rests(s, site);
}

static struct flow *next_flow(struct share *s)
{
	struct ring *r = in_turn(s->ready, s->picks++);

	return r ? RING_OF(r, struct flow, link) : NULL;
}

struct task *share_next(struct share *s)
{
	struct flow *f = s->out < s->limits.attempts ? next_flow(s) : NULL;
	struct bundle *b;
	struct task *t;
	struct site *site;

	if (f == NULL)
		return NULL;
	b = RING_OF(ring_first(&f->offers), struct bundle, of_flow);
	t = RING_OF(ring_first(&b->tasks), struct task, link);
	site = b->site;
	/* The sender has had its turn, here and over all. */
	ring_remove(&f->link);
	ring_append(&s->ready[f->class], &f->link);
	withdraw(b);
	ring_append(&site->waiting[f->class], &b->at_site);
	ring_remove(&t->link);
	t->bundle = NULL;
	t->state = TASK_OUT;
	/* A probe has a place of its own; no site with something out becomes one. */
	s->out += !site->probing;
	site->out++;
	if (ring_empty(&b->tasks))
		bundle_end(s, b);
	/* A site that was open stays so until it fails. */
	offer(s, site, site->closed_until);
	return t;
}

/* ---- windows and pauses ---- */

static void succeeded(const struct share *s, struct site *site)
{
	uint32_t most = s->limits.most * PLACE;

	site->failures = 0;
	site->closed_until = 0;
	site->good++;
	if (!site->proven)
		site->window = s->limits.first * PLACE;
	else
		site->window += PLACE * PLACE / site->window;
	site->proven = true;
	if (site->window > most)
		site->window = most;
}

static void failed(const struct share *s, struct site *site, steady_ms now)
{
	if (site_closed(site, now))	/* what was under way when it was closed */
		return;
	site->window = site->window / 2 > PLACE ? site->window / 2 : PLACE;
	if (site->good) {
		site->good = 0;
		return;
	}
	site->closed_until = now + (uint64_t)conf_time_at(s->limits.retry, site->failures);
	if (site->failures < FAILURES_MOST)
		site->failures++;
	site->window = PLACE;
	site->proven = false;
	withdraw_all(site);
}

void share_back(struct share *s, struct task *t, enum share_outcome outcome, steady_ms now)
{
	struct site *site = t->site;

	t->state = TASK_NEW;
	site->out--;
	s->out -= !site->probing;
	if (outcome == CAME_THROUGH)
		succeeded(s, site);
	else if (outcome == SITE_FAILED)
		failed(s, site, now);
	probe_over(s, site, now);
	offer(s, site, now);
}

void share_site_resume(struct site *site, unsigned failures, steady_ms until)
{
	if (failures > site->failures)
		site->failures = failures < FAILURES_MOST ? failures : FAILURES_MOST;
	if (until > site->closed_until)
		site->closed_until = until;
}

void share_site_open(struct share *s, struct site *site, steady_ms now)
{
	site->closed_until = 0;
	offer(s, site, now);
}
