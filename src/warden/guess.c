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
};

uint64_t guess_network(struct view peer)
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
		return v4.s_addr;
	if (inet_pton(AF_INET6, text, &v6) == 1)
		memcpy(&network, &v6, sizeof network);
	return network;
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

void guesses_free(struct guesses *g)
{
	while (g->oldest)
		forget(g, g->oldest);
	map_free(&g->by_network);
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

enum status guess_begin(struct guesses *g, uint64_t network, steady_ms now)
{
	struct guesser *e = entry(g, network, now);

	if (e == NULL)
		return ST_NOMEM;
	if (e->until > now || e->in_hand >= GUESS_IN_HAND)
		return ST_LIMIT;
	e->in_hand++;
	return ST_OK;
}

static uint64_t doubled(uint64_t first, unsigned times, uint64_t most)
{
	return times > 16 || first << times > most ? most : first << times;
}

static uint64_t failed(struct guesses *g, struct guesser *e, unsigned most, steady_ms now)
{
	if (now - e->since > GUESS_WINDOW_MS) {
		e->failures = 0;
		e->since = now;
		detach(g, e);
		put_last(g, e);
	}
	e->failures++;
	if (e->failures >= most)
		e->until = now + doubled(GUESS_WAIT_MS, e->failures - most, GUESS_WAIT_MOST);
	return doubled(GUESS_DELAY_MS, e->failures - 1, GUESS_DELAY_MOST);
}

uint64_t guess_end(struct guesses *g, uint64_t network, bool wrong, unsigned most, steady_ms now)
{
	struct guesser *e = map_get(&g->by_network, network);

	if (e == NULL)
		return 0;
	e->in_hand--;
	if (wrong)
		return failed(g, e, most, now);
	if (e->in_hand == 0 && e->failures == 0)
		forget(g, e);
	return 0;
}
