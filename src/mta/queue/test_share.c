/* test_share.c - whose turn it is, by a clock of our own. */
#include "base/test.h"
#include "mta/queue/share.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECOND = 1000, MANY = 400 };

static const struct share_limits wide = { .attempts = 1000, .first = 4, .most = 8, .retry = "1s, 2s, 4s" };

struct world {
	struct share s;
	steady_ms now;
	struct task tasks[MANY];
	unsigned n;
};

static struct world *world(struct share_limits limits)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	share_init(&w->s, 1);
	w->s.limits = limits;
	w->now = 1000 * SECOND;
	return w;
}

static void end(struct world *w)
{
	share_free(&w->s);
	free(w);
}

static struct task *add(struct world *w, const char *site, const char *sender, int priority)
{
	struct task *t = &w->tasks[w->n++];
	struct site *to = share_site(&w->s, view_cstr(site));

	assert_true(w->n <= MANY);
	assert_non_null(to);
	share_task(&w->s, t, to, share_hash(&w->s, view_cstr(sender)), priority);
	assert_int_equal(share_wait(&w->s, t, w->now), ST_OK);
	return t;
}

static void add_many(struct world *w, unsigned n, const char *site, const char *sender)
{
	for (unsigned i = 0; i < n; i++)
		add(w, site, sender, 0);
}

/* It comes back, and is done with unless it failed: then it waits again. */
static void back(struct world *w, struct task *t, enum share_outcome outcome)
{
	share_back(&w->s, t, outcome, w->now);
	if (outcome == CAME_THROUGH)
		share_task_end(&w->s, t, w->now);
	else
		assert_int_equal(share_wait(&w->s, t, w->now), ST_OK);
}

static struct site *site(struct world *w, const char *name)
{
	struct site *found = share_find(&w->s, view_cstr(name));

	assert_non_null(found);
	return found;
}

/* All that may go now, into out. */
static unsigned take_all(struct world *w, struct task **out)
{
	unsigned n = 0;

	while ((out[n] = share_next(&w->s)) != NULL)
		n++;
	return n;
}

static void prove(struct world *w, const char *name)
{
	struct task *t = add(w, name, "prover@foo.com", 1);

	assert_ptr_equal(share_next(&w->s), t);
	back(w, t, CAME_THROUGH);
}

/* The next n, each of which comes through before the next goes, as the
 * letters of their senders. */
static void order(struct world *w, struct task **first, char *ret, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct task *t = share_next(&w->s);

		assert_non_null(t);
		ret[i] = t >= first[2] ? 'C' : t >= first[1] ? 'B' : 'A';
		back(w, t, CAME_THROUGH);
	}
	ret[n] = '\0';
}

/* ---- senders ---- */

static void test_senders_at_one_site(void **state)
{
	struct world *w = world((struct share_limits){ 10, 1, 1, "1s" });
	struct task *first[3];
	char got[16];

	(void)state;
	first[0] = &w->tasks[0];
	add_many(w, 100, "one.example", "bulk@foo.com");
	first[1] = &w->tasks[w->n];
	add_many(w, 2, "one.example", "Jones@foo.com");
	first[2] = &w->tasks[w->n];
	add_many(w, 3, "one.example", "Smith@bar.com");
	order(w, first, got, 10);
	assert_string_equal(got, "ABCABCACAA");
	end(w);
}

static void test_senders_over_all_sites(void **state)
{
	struct world *w = world((struct share_limits){ 1, 1, 1, "1s" });
	struct task *first[3];
	char name[32], got[16];

	(void)state;
	first[0] = &w->tasks[0];
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "site%u.example", i);
		add(w, name, "bulk@foo.com", 0);
	}
	first[1] = &w->tasks[w->n];
	add_many(w, 2, "one.example", "Jones@foo.com");
	first[2] = &w->tasks[w->n];
	add_many(w, 1, "two.example", "Smith@bar.com");
	order(w, first, got, 6);
	assert_string_equal(got, "AABCBA");
	end(w);
}

static void test_priorities(void **state)
{
	struct world *w = world((struct share_limits){ 1, 1, 1, "1s" });
	struct task *low, *high[20];
	unsigned turns = 0;

	(void)state;
	prove(w, "one.example");
	prove(w, "two.example");
	for (unsigned i = 0; i < 20; i++)
		high[i] = add(w, i % 2 ? "one.example" : "two.example", "Jones@foo.com", 1);
	low = add(w, "one.example", "Jones@foo.com", -1);
	/* Not until the others are through, but not at once either. */
	for (struct task *t = NULL; t != low; turns++) {
		t = share_next(&w->s);
		assert_non_null(t);
		back(w, t, CAME_THROUGH);
	}
	assert_in_range(turns, 2, 17);
	assert_int_equal(high[19]->state, TASK_WAITING);
	end(w);
}

/* ---- windows ---- */

static void test_window_grows(void **state)
{
	struct world *w = world(wide);
	struct task *out[MANY];
	unsigned n, rounds = 0;

	(void)state;
	add_many(w, 200, "one.example", "Jones@foo.com");
	assert_int_equal(take_all(w, out), 1);	/* nobody knows yet whether it answers */
	back(w, out[0], CAME_THROUGH);
	n = take_all(w, out);
	assert_int_equal(n, wide.first);
	for (; n < wide.most; rounds++) {
		unsigned before = n;

		for (unsigned i = 0; i < before; i++)
			back(w, out[i], CAME_THROUGH);
		n = take_all(w, out);
		/* By one place for each window of letters. */
		assert_in_range(n, before, before + 1);
	}
	assert_in_range(rounds, wide.most - wide.first, 2 * (wide.most - wide.first));
	for (unsigned i = 0; i < n; i++)
		back(w, out[i], CAME_THROUGH);
	assert_int_equal(take_all(w, out), wide.most);
	end(w);
}

static void test_window_is_halved_then_closed(void **state)
{
	struct world *w = world((struct share_limits){ 1000, 8, 8, "1s, 2s, 4s" });
	struct task *out[MANY];

	(void)state;
	prove(w, "one.example");
	add_many(w, 100, "one.example", "Jones@foo.com");
	assert_int_equal(take_all(w, out), 8);
	back(w, out[0], SITE_FAILED);
	assert_false(site_closed(site(w, "one.example"), w->now));
	for (unsigned i = 1; i < 8; i++)
		back(w, out[i], NOT_TRIED);
	assert_int_equal(take_all(w, out), 4);
	/* The second in a row. */
	back(w, out[0], SITE_FAILED);
	assert_int_equal(site(w, "one.example")->closed_until, w->now + SECOND);
	assert_int_equal(site(w, "one.example")->failures, 1);
	/* What was under way then says nothing new. */
	back(w, out[1], SITE_FAILED);
	assert_int_equal(site(w, "one.example")->failures, 1);
	assert_null(share_next(&w->s));
	/* But one that came through does. */
	back(w, out[2], CAME_THROUGH);
	assert_false(site_closed(site(w, "one.example"), w->now));
	assert_int_equal(site(w, "one.example")->failures, 0);
	assert_non_null(share_next(&w->s));
	end(w);
}

static void test_pauses_grow_and_one_probes(void **state)
{
	static const unsigned pauses[] = { 1, 2, 4, 4, 4 };
	struct world *w = world(wide);
	struct task *out[MANY];
	struct site *dead;

	(void)state;
	add_many(w, 50, "dead.example", "Jones@foo.com");
	dead = site(w, "dead.example");
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		assert_int_equal(take_all(w, out), 1);
		w->now += 100;
		back(w, out[0], SITE_FAILED);
		assert_int_equal(dead->closed_until, w->now + pauses[i] * SECOND);
		assert_null(share_next(&w->s));
		/* A letter that comes meanwhile changes nothing. */
		add(w, "dead.example", "Smith@bar.com", 1);
		assert_null(share_next(&w->s));
		w->now = dead->closed_until;
		share_site_open(&w->s, dead, w->now);
	}
	assert_int_equal(take_all(w, out), 1);
	back(w, out[0], CAME_THROUGH);
	assert_int_equal(take_all(w, out), wide.first);
	assert_int_equal(w->s.probing, 0);
	end(w);
}

static void test_dead_sites_take_no_place(void **state)
{
	struct world *w = world((struct share_limits){ 8, 8, 8, "1s" });
	struct task *out[MANY], *live[MANY];
	char name[32];

	(void)state;
	prove(w, "live.example");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "dead%u.example", i);
		add_many(w, 2, name, "Jones@foo.com");
	}
	assert_int_equal(take_all(w, out), 6);
	add_many(w, 10, "live.example", "Jones@foo.com");
	assert_int_equal(take_all(w, live), 8);
	assert_ptr_equal(live[7]->site, site(w, "live.example"));
	/* A probe that failed gives its place to the next that waits for one. */
	back(w, out[0], SITE_FAILED);
	assert_int_equal(w->s.probing, 6);
	back(w, live[0], CAME_THROUGH);
	/* One that answers is no probe any more. */
	back(w, out[1], CAME_THROUGH);
	assert_int_equal(w->s.probing, 6);
	while (share_next(&w->s))
		;
	assert_int_equal(w->s.out, 8);
	end(w);
}

/* A probe's place is not lost to a site that has no use for it any more. */
static void test_place_passed_on(void **state)
{
	struct world *w = world((struct share_limits){ 4, 1, 1, "1s" });
	struct task *out[MANY], *idle, *closed, *last;

	(void)state;
	add(w, "a.example", "Jones@foo.com", 0);
	add(w, "b.example", "Jones@foo.com", 0);
	add(w, "c.example", "Jones@foo.com", 0);
	idle = add(w, "d.example", "Jones@foo.com", 0);
	closed = add(w, "e.example", "Jones@foo.com", 0);
	last = add(w, "f.example", "Jones@foo.com", 0);
	add(w, "f.example", "Jones@foo.com", 0);	/* which costs it nothing of its turn */
	add(w, "g.example", "Jones@foo.com", 0);
	share_defer(&w->s, idle, w->now);
	share_site_resume(closed->site, 1, w->now + SECOND);
	assert_int_equal(take_all(w, out), 3);
	back(w, out[0], SITE_FAILED);
	assert_ptr_equal(share_next(&w->s), last);
	assert_null(share_next(&w->s));
	end(w);
}

/* ---- restart, operator, memory ---- */

static void test_resume(void **state)
{
	struct world *w = world(wide);
	struct site *dead = share_site(&w->s, VIEW("dead.example"));
	struct task *out[MANY];

	(void)state;
	share_site_resume(dead, 2, w->now + 10 * SECOND);
	share_site_resume(dead, 1, w->now + 5 * SECOND);	/* another letter knew less */
	add_many(w, 3, "dead.example", "Jones@foo.com");
	assert_null(share_next(&w->s));
	w->now += 9 * SECOND;
	add(w, "dead.example", "Smith@bar.com", 0);
	assert_null(share_next(&w->s));
	w->now += SECOND;
	share_site_open(&w->s, dead, w->now);
	assert_int_equal(take_all(w, out), 1);
	/* It goes on where it was: the third pause. */
	back(w, out[0], SITE_FAILED);
	assert_int_equal(dead->closed_until, w->now + 4 * SECOND);
	end(w);
}

static void test_deferred(void **state)
{
	struct world *w = world(wide);
	struct task *idle, *later, *other;

	(void)state;
	prove(w, "one.example");
	idle = add(w, "one.example", "Jones@foo.com", 0);
	later = add(w, "one.example", "Jones@foo.com", 0);
	other = add(w, "one.example", "Jones@foo.com", 0);
	share_defer(&w->s, idle, w->now);
	share_defer(&w->s, later, w->now);
	assert_ptr_equal(share_next(&w->s), other);
	assert_null(share_next(&w->s));
	assert_int_equal(share_wait(&w->s, later, w->now), ST_OK);
	assert_ptr_equal(share_next(&w->s), later);
	/* Whatever state a task is in, it can end. */
	share_task_end(&w->s, idle, w->now);
	share_task_end(&w->s, later, w->now);
	share_task_end(&w->s, other, w->now);
	assert_int_equal(w->s.out, 0);
	assert_int_equal(w->s.n_idle, 1);
	end(w);
}

static void count_gone(void *arg, struct site *gone)
{
	unsigned *n = arg;

	assert_int_equal(gone->n_tasks, 0);
	++*n;
}

static void test_idle_sites_are_forgotten(void **state)
{
	struct world *w = world(wide);
	unsigned gone = 0;
	char name[32];

	(void)state;
	w->s.site_gone = count_gone;
	w->s.arg = &gone;
	for (unsigned i = 0; i < SITES_IDLE + 10; i++) {
		w->n = 0;
		snprintf(name, sizeof name, "site%u.example", i);
		share_task_end(&w->s, add(w, name, "Jones@foo.com", 0), w->now);
	}
	assert_int_equal(gone, 10);
	assert_null(share_find(&w->s, VIEW("site9.example")));
	assert_non_null(share_find(&w->s, VIEW("site10.example")));
	w->s.site_gone = NULL;
	/* One that is used again is not among them. */
	w->n = 0;
	add(w, "site10.example", "Jones@foo.com", 0);
	add(w, "new.example", "Jones@foo.com", 0);
	assert_non_null(share_find(&w->s, VIEW("site10.example")));
	end(w);
}

/* ---- all of it, by chance ---- */

static void check(const struct world *w)
{
	const struct share *s = &w->s;
	struct site *at;
	size_t i = 0;
	uint32_t out = 0, probing = 0;

	assert_in_range(s->out, 0, s->limits.attempts);
	assert_in_range(s->probing, 0, s->limits.attempts - s->limits.attempts / 4);
	while ((at = map_next(&s->sites, &i)) != NULL) {
		out += at->probing ? 0 : at->out;
		probing += at->probing;
		assert_in_range(at->out, 0, s->limits.most);
	}
	assert_int_equal(out, s->out);
	assert_int_equal(probing, s->probing);
}

/* A site whose number is odd fails; half of the time at first, later never. */
static void step(struct world *w, struct task **out, unsigned *n, bool mended)
{
	struct task *t = share_next(&w->s);
	struct site *at;
	size_t i = 0;

	if (t) {
		out[(*n)++] = t;
	} else if (*n) {
		unsigned which = (unsigned)rand() % *n;

		t = out[which];
		out[which] = out[--*n];
		back(w, t, !mended && t->site->name[4] % 2 ? SITE_FAILED : CAME_THROUGH);
	}
	w->now += (unsigned)rand() % 200;
	while ((at = map_next(&w->s.sites, &i)) != NULL)
		if (at->closed_until && !site_closed(at, w->now))
			share_site_open(&w->s, at, w->now);
	check(w);
}

static void test_by_chance(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 50; seed++) {
		struct world *w = world((struct share_limits){ 12, 2, 5, "1s, 2s" });
		struct task *out[MANY];
		unsigned n = 0, left = 0;
		char name[32], sender[32];

		srand(seed);
		for (unsigned i = 0; i < MANY; i++) {
			snprintf(name, sizeof name, "site%c.example", 'a' + rand() % 26);
			snprintf(sender, sizeof sender, "u%d@foo.com", rand() % 4);
			add(w, name, sender, rand() % 3 - 1);
		}
		for (unsigned i = 0; i < 2000; i++)
			step(w, out, &n, false);
		/* Nobody is forgotten. */
		for (unsigned i = 0; i < 4000; i++)
			step(w, out, &n, true);
		for (unsigned i = 0; i < MANY; i++)
			left += w->tasks[i].state != TASK_NEW;
		assert_int_equal(left, 0);
		assert_int_equal(w->s.out + w->s.probing, 0);
		end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders_at_one_site),
		cmocka_unit_test(test_senders_over_all_sites),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_window_grows),
		cmocka_unit_test(test_window_is_halved_then_closed),
		cmocka_unit_test(test_pauses_grow_and_one_probes),
		cmocka_unit_test(test_dead_sites_take_no_place),
		cmocka_unit_test(test_place_passed_on),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_deferred),
		cmocka_unit_test(test_idle_sites_are_forgotten),
		cmocka_unit_test(test_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
