/* guess.h - wrong passwords by network address, so that guessing is slow.
 *
 * An address is an IPv4 address or an IPv6 /64.  Each wrong password within
 * GUESS_WINDOW_MS makes the next refusal later (GUESS_DELAY_MS, doubled, up
 * to GUESS_DELAY_MOST); after `most` of them (login.failures) the address
 * must wait, GUESS_WAIT_MS first and doubled with each further failure; and
 * no address has more than GUESS_IN_HAND passwords in the works, so that one
 * cannot take the whole pool.
 *
 * A right password takes nothing back: who owns one account could otherwise
 * guess at others for ever.
 *
 * Limit: GUESS_ENTRIES_MAX addresses, the oldest are forgotten first.
 */
#ifndef WAXWING_WARDEN_GUESS_H
#define WAXWING_WARDEN_GUESS_H

#include "base/clock.h"
#include "base/map.h"

enum {
	GUESS_WINDOW_MS = 600000, GUESS_DELAY_MS = 100, GUESS_DELAY_MOST = 5000,
	GUESS_WAIT_MS = 30000, GUESS_WAIT_MOST = 960000,
	GUESS_IN_HAND = 8, GUESS_ENTRIES_MAX = 65536,
};

struct guesser;

struct guesses {
	struct map by_network;
	struct guesser *oldest, *newest;	/* by the start of the window */
	size_t n;
};

void guesses_free(struct guesses *g);

/* The network that a textual address belongs to; all that cannot be read
 * share one. */
uint64_t guess_network(struct view peer);

/* May it try now?  ST_OK: yes, and guess_end must follow; ST_LIMIT: it has
 * to wait; ST_NOMEM. */
enum status guess_begin(struct guesses *g, uint64_t network, steady_ms now) MUST_USE;

/* It was right (or could not be checked), or it was wrong: then the answer
 * is how long the refusal should be held back, in ms. */
uint64_t guess_end(struct guesses *g, uint64_t network, bool wrong, unsigned most, steady_ms now);

#endif
