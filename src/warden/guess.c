#include "warden/guess.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct guesser {
	struct guesser *prev, *next;
	uint64_t network;
	steady_ms since;	/* start of the window */
	steady_ms until;	/* has to wait until then */
	unsigned failures, in_hand;
	uint64_t pairs[GUESS_PAIRS];	/* the last ones that failed */
};

/* An account at which somebody guesses, from wherever. */
struct target {
	steady_ms since, until;
	unsigned failures;
};

/* Somebody who has logged in from that network. */
struct familiar {
	struct familiar *next;
	uint64_t person;
	steady_ms good_until, since, until;
	unsigned failures, in_hand;
};

enum { V6_WIDE = 6 };

/* The first octets of an address as a number; 0 where it is none. */
static uint64_t prefix(struct view peer, size_t v4_octets, size_t v6_octets)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	uint64_t network = 0;

	if (peer.n >= sizeof text)
		return 0;
	memcpy(text, peer.p ? peer.p : "", peer.n);
	text[peer.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		memcpy(&network, &v4, v4_octets);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		memcpy(&network, &v6, v6_octets);
	return network;
}

uint64_t guess_network(struct view peer)
{
	return prefix(peer, 4, 8);
}

/* Stirred, so that it is no network's own number. */
uint64_t guess_wide(struct view peer)
{
	uint64_t network = prefix(peer, 3, V6_WIDE);

	return network ? (network ^ 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u : 0;
}

static void detach(struct guesses *g, struct guesser *e)
{
	*(e->prev ? &e->prev->next : &g->oldest) = e->next;
	*(e->next ? &e->next->prev : &g->newest) = e->prev;
	e->prev = e->next = NULL;
}

static void put_last(struct guesses *g, struct guesser *e)
{
	e->prev = g->newest;
	*(g->newest ? &g->newest->next : &g->oldest) = e;
	g->newest = e;
}

static void forget(struct guesses *g, struct guesser *e)
{
	detach(g, e);
	map_remove(&g->by_network, e->network);
	g->n--;
	free(e);
}

static void forget_first(struct guesses *g)
{
	struct familiar *f = g->first;

	g->first = f->next;
	if (g->first == NULL)
		g->last = NULL;
	map_remove(&g->people, f->person);
	g->n_people--;
	free(f);
}

void guesses_free(struct guesses *g)
{
	struct target *t;
	size_t at = 0;

	while ((t = map_next(&g->accounts, &at)) != NULL)
		free(t);
	map_free(&g->accounts);
	while (g->oldest)
		forget(g, g->oldest);
	while (g->first)
		forget_first(g);
	map_free(&g->by_network);
	map_free(&g->people);
}

static bool over(const struct guesser *e, steady_ms now)
{
	return e->in_hand == 0 && now - e->since > GUESS_WINDOW_MS && e->until <= now;
}

static void make_room(struct guesses *g, steady_ms now)
{
	while (g->oldest && over(g->oldest, now))
		forget(g, g->oldest);
	if (g->n >= GUESS_ENTRIES_MAX && g->oldest->in_hand == 0)
		forget(g, g->oldest);
}

static struct guesser *entry(struct guesses *g, uint64_t network, steady_ms now)
{
	struct guesser *e = map_get(&g->by_network, network);

	if (e)
		return e;
	make_room(g, now);
	e = g->n < GUESS_ENTRIES_MAX ? calloc(1, sizeof *e) : NULL;
	if (e == NULL || map_set(&g->by_network, network, e) != ST_OK) {
		free(e);
		return NULL;
	}
	e->network = network;
	e->since = now;
	put_last(g, e);
	g->n++;
	return e;
}

/* ---- who is known there ---- */

static struct familiar *familiar(const struct guesses *g, const struct guess_who *who, steady_ms now)
{
	struct familiar *f = who->person ? map_get(&g->people, who->person) : NULL;

	return f && f->good_until > now ? f : NULL;
}

/* Forgetting it for want of memory is no failure. */
static void make_familiar(struct guesses *g, const struct guess_who *who, steady_ms now)
{
	struct familiar *f = map_get(&g->people, who->person);

	if (f == NULL) {
		if (g->n_people >= GUESS_ENTRIES_MAX)
			forget_first(g);
		f = calloc(1, sizeof *f);
		if (f == NULL || map_set(&g->people, who->person, f) != ST_OK) {
			free(f);
			return;
		}
		f->person = who->person;
		*(g->last ? g->last : &g->first) = f;
		g->last = &f->next;
		g->n_people++;
	}
	f->good_until = now + GUESS_FAMILIAR_MS;
}

/* ---- at whom ---- */

static bool is_guessed_at(const struct guesses *g, uint64_t account, steady_ms now)
{
	const struct target *t = account ? map_get(&g->accounts, account) : NULL;

	return t && t->until > now;
}

/* Without memory it is not counted: each network is, still. */
static struct target *target(struct guesses *g, uint64_t account)
{
	struct target *t = map_get(&g->accounts, account);

	if (t)
		return t;
	t = calloc(1, sizeof *t);
	if (t == NULL || map_set(&g->accounts, account, t) != ST_OK) {
		free(t);
		return NULL;
	}
	return t;
}

/* ---- trying ---- */

static bool has_to_wait(struct guesses *g, uint64_t network, steady_ms now)
{
	const struct guesser *e = network ? map_get(&g->by_network, network) : NULL;

	return e && e->until > now;
}

/* One who is known waits for nobody else there. */
static bool may_begin(struct guesses *g, const struct guess_who *who, const struct familiar *f,
		      const struct guesser *e, const struct guesser *wide, steady_ms now)
{
	if (f)
		return f->until <= now && f->in_hand < GUESS_OWN_IN_HAND;
	return e->until <= now && !has_to_wait(g, who->wide, now) && !is_guessed_at(g, who->account, now) &&
	       e->in_hand < GUESS_IN_HAND &&
	       (wide == NULL || wide->in_hand < GUESS_WIDE_IN_HAND);
}

/* Of which there is nothing to remember. */
static void forget_idle(struct guesses *g, struct guesser *e)
{
	if (e && e->in_hand == 0 && e->failures == 0)
		forget(g, e);
}

enum status guess_begin(struct guesses *g, struct guess_who *who, steady_ms now)
{
	struct familiar *f = familiar(g, who, now);
	struct guesser *e = entry(g, who->network, now), *wide = NULL;

	who->familiar = f != NULL;
	if (e == NULL)
		return ST_NOMEM;
	/* It must not be forgotten to make room for the other. */
	e->in_hand++;
	if (who->wide)
		wide = entry(g, who->wide, now);
	e->in_hand--;
	if ((who->wide && wide == NULL) || !may_begin(g, who, f, e, wide, now)) {
		enum status st = who->wide && wide == NULL ? ST_NOMEM : ST_LIMIT;

		/* Who is turned away must push nobody out: by coming from ever other
		 * addresses of his he would get rid of what we know of him. */
		forget_idle(g, e);
		forget_idle(g, wide);
		return st;
	}
	e->in_hand++;
	if (wide)
		wide->in_hand++;
	if (f)
		f->in_hand++;
	return ST_OK;
}

static uint64_t doubled(uint64_t first, unsigned times, uint64_t most)
{
	return times > 16 || first << times > most ? most : first << times;
}

static void wait_after(unsigned failures, unsigned most, steady_ms now, steady_ms *until)
{
	if (failures >= most)
		*until = now + doubled(GUESS_WAIT_MS, failures - most, GUESS_WAIT_MOST);
}

static void count(struct guesses *g, struct guesser *e, unsigned most, steady_ms now)
{
	if (now - e->since > GUESS_WINDOW_MS) {
		e->failures = 0;
		e->since = now;
		detach(g, e);
		put_last(g, e);
	}
	e->failures++;
	wait_after(e->failures, most, now, &e->until);
}

static void count_at(struct guesses *g, uint64_t account, unsigned most, steady_ms now)
{
	struct target *t = target(g, account);

	if (t == NULL)
		return;
	if (now - t->since > GUESS_WINDOW_MS) {
		t->failures = 0;
		t->since = now;
	}
	wait_after(++t->failures, most, now, &t->until);
}

/* The same once more tells a guesser nothing. */
static bool tried_before(struct guesser *e, uint64_t pair)
{
	for (size_t i = 0; pair && i < GUESS_PAIRS; i++)
		if (e->pairs[i] == pair)
			return true;
	memmove(e->pairs + 1, e->pairs, sizeof e->pairs - sizeof *e->pairs);
	e->pairs[0] = pair;
	return false;
}

static uint64_t failed(struct guesses *g, const struct guess_who *who, struct guesser *e, unsigned most,
		       steady_ms now)
{
	struct familiar *f = familiar(g, who, now);
	struct guesser *wide;

	if (!tried_before(e, who->pair)) {
		count(g, e, most, now);
		wide = who->wide ? entry(g, who->wide, now) : NULL;
		if (wide)
			count(g, wide, most * GUESS_WIDE, now);
		if (who->account)
			count_at(g, who->account, most * GUESS_ANYWHERE, now);
		if (f && now - f->since > GUESS_WINDOW_MS) {
			f->failures = 0;
			f->since = now;
		}
		if (f)
			wait_after(++f->failures, most, now, &f->until);
	}
	return doubled(GUESS_DELAY_MS, e->failures ? e->failures - 1 : 0, GUESS_DELAY_MOST);
}

static void put_back(struct guesses *g, uint64_t network)
{
	struct guesser *e = map_get(&g->by_network, network);

	if (e == NULL)
		return;
	e->in_hand--;
	forget_idle(g, e);
}

void guess_drop(struct guesses *g, const struct guess_who *who)
{
	struct familiar *f = who->familiar ? map_get(&g->people, who->person) : NULL;

	/* He may have been forgotten meanwhile, and come again. */
	if (f && f->in_hand)
		f->in_hand--;
	put_back(g, who->network);
	if (who->wide)
		put_back(g, who->wide);
}

uint64_t guess_end(struct guesses *g, const struct guess_who *who, bool wrong, unsigned most, steady_ms now)
{
	struct guesser *e = map_get(&g->by_network, who->network);
	uint64_t hold = 0;

	/* First: what is in hand is not forgotten. */
	if (e && wrong)
		hold = failed(g, who, e, most, now);
	else if (who->person && !wrong)
		make_familiar(g, who, now);
	guess_drop(g, who);
	return hold;
}
