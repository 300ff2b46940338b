/* guess.h - wrong passwords by network, so that guessing is slow.
 *
 * A network is an IPv4 address or an IPv6 /64; a wide one is an IPv4 /24 or an
 * IPv6 /48.  Each wrong password within GUESS_WINDOW_MS makes the next refusal
 * later (GUESS_DELAY_MS, doubled, up to GUESS_DELAY_MOST); after `most` of them
 * (login.failures) the network must wait, GUESS_WAIT_MS first and doubled with
 * each further failure; a wide one after GUESS_WIDE times as many.  No network
 * has more than GUESS_IN_HAND passwords in the works, and no wide one more than
 * GUESS_WIDE_IN_HAND, so that none can take the whole pool.
 *
 * Many people may sit behind one address.  So the same wrong name and password
 * once more is no further guess (a telephone that still has the old one); and
 * who has logged in from there within GUESS_FAMILIAR_MS is not kept waiting for
 * what others there did or do, but has failures of his own, and GUESS_OWN_IN_HAND
 * passwords in the works.
 *
 * Whoever has very many networks, or is a door that was taken over and says what he
 * likes of his clients' addresses, has no more than GUESS_ANYWHERE times as many
 * guesses at one account: then all must wait there but who is known.  An account
 * is not forgotten to make room for others.
 *
 * A right password takes nothing back: who owns one account could otherwise
 * guess at others for ever.
 *
 * Limits: GUESS_ENTRIES_MAX networks, and as many people; the oldest are
 * forgotten first.  Of accounts there are as many as the directory has.
 */
#ifndef WAXWING_WARDEN_GUESS_H
#define WAXWING_WARDEN_GUESS_H

#include "base/clock.h"
#include "base/map.h"

enum {
	GUESS_WINDOW_MS = 600000, GUESS_DELAY_MS = 100, GUESS_DELAY_MOST = 5000,
	GUESS_WAIT_MS = 30000, GUESS_WAIT_MOST = 960000,
	GUESS_IN_HAND = 8, GUESS_WIDE_IN_HAND = 24, GUESS_OWN_IN_HAND = 4, GUESS_ENTRIES_MAX = 65536, GUESS_WIDE = 8, GUESS_PAIRS = 4,
	GUESS_ANYWHERE = 256,
};
#define GUESS_FAMILIAR_MS (30 * 86400000ULL)

struct guesser;
struct familiar;

struct guesses {
	struct map by_network;
	struct guesser *oldest, *newest;	/* by the start of the window */
	size_t n;
	struct map accounts;	/* those at which somebody guessed lately */
	struct map people;
	struct familiar *first, **last;	/* by their coming */
	size_t n_people;
};

/* Who tries.  0 stands for what is not known. */
struct guess_who {
	uint64_t network, wide;	/* guess_network, guess_wide */
	uint64_t account;
	uint64_t person;	/* hash of account and network */
	uint64_t pair;		/* keyed hash of name and secret */
	bool familiar;		/* guess_begin says: he has logged in from there */
};

void guesses_free(struct guesses *g);

/* The network that a textual address belongs to; all that cannot be read
 * share one. */
uint64_t guess_network(struct view peer);

/* The wide network around it. */
uint64_t guess_wide(struct view peer);

/* May it try now?  ST_OK: yes, and guess_end or guess_drop must follow;
 * ST_LIMIT: it has to wait; ST_NOMEM. */
enum status guess_begin(struct guesses *g, struct guess_who *who, steady_ms now) MUST_USE;

/* It could not be checked. */
void guess_drop(struct guesses *g, const struct guess_who *who);

/* It was right, or it was wrong: then the answer is how long the refusal should
 * be held back, in ms. */
uint64_t guess_end(struct guesses *g, const struct guess_who *who, bool wrong, unsigned most, steady_ms now);

#endif
