/* share.h - which letter goes out next, and to where.
 *
 *     task      recipients of one letter at one site, who travel together
 *     site      a domain, or a route: who takes the letters
 *     flow      what one sender has waiting in one class of priority
 *     bundle    tasks of one flow at one site, first come first served
 *
 *        flows of a class, in turn              sites
 *        +------+   +------+            +---------------------+
 *        | flow |-->| flow |-->         | site: window, pause |
 *        +------+   +------+            +---------------------+
 *           | bundles on offer             | bundles that wait, in turn
 *
 * A site with free places puts bundles on offer, one of each sender in turn;
 * share_next takes one of each sender in turn.  So a sender of very many
 * letters delays another neither at one site nor over all.
 *
 * A site's window grows as letters come through and is halved when the site
 * fails.  A site that fails twice in a row (or at its first) is closed as a
 * whole until its pause is over, then one task of it is a probe.  Sites that
 * have not answered yet have places of their own, three quarters as many as
 * all others, so that dead ones take none of those; where more wait for one
 * of these, senders have them in turn, too.
 *
 * Pure: the time is given, nothing is sent, no timer is set.  Owns sites,
 * flows and bundles; tasks belong to the caller.
 */
#ifndef WAXWING_MTA_QUEUE_SHARE_H
#define WAXWING_MTA_QUEUE_SHARE_H

#include "base/clock.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/ring.h"
#include "base/view.h"

enum share_class { CLASS_HIGH, CLASS_NORMAL, CLASS_LOW, CLASSES };

/* Sites that nothing goes to now are remembered, so many of them. */
enum { SITES_IDLE = 10000 };

struct site;
struct flow;
struct bundle;

enum task_state {
	TASK_NEW,
	TASK_WAITING,		/* in its bundle */
	TASK_OUT,
	TASK_DEFERRED,		/* until its own time */
};

struct task {
	struct ring link;	/* in its bundle, or among its site's deferred */
	struct site *site;
	struct bundle *bundle;	/* TASK_WAITING */
	uint64_t sender;	/* whose turn it uses */
	uint8_t class;
	uint8_t state;
};

struct site {
	struct share *share;
	uint32_t id;
	uint32_t window;	/* in 1/256 */
	uint32_t out, offered;	/* places in use, and promised */
	uint32_t good;		/* letters taken since it last failed */
	uint32_t n_tasks;
	uint32_t picks;
	unsigned failures;	/* how often it was closed in a row */
	bool proven;		/* has answered since it was last closed */
	bool probing;		/* uses one of the places for such as have not */
	steady_ms closed_until;
	struct ring waiting[CLASSES];	/* bundles, */
	struct ring on_offer;		/* and those that were offered */
	struct ring deferred;	/* tasks */
	struct ring link;	/* among its flow's parked, or the idle */
	struct flow *parked_by;	/* in whose line it waits for a probe, or NULL */
	struct site *same;	/* another with the same hash */
	/* For the caller alone. */
	struct timer timer;
	struct reply *reply;	/* why it was closed */
	struct trip *last;	/* the one made last */
	uint32_t relay;
	size_t name_n;
	char name[];
};

struct share_limits {
	uint32_t attempts;	/* over all, but for probes */
	uint32_t first, most;	/* at one site */
	const char *retry;	/* pauses of a site (a TIMES setting) */
};

struct share {
	struct share_limits limits;
	struct map sites, flows, bundles;
	struct ring ready[CLASSES];	/* flows with bundles on offer */
	struct ring parked[CLASSES];	/* flows whose sites wait to be probed */
	struct ring idle;		/* sites without tasks, the longest first */
	uint32_t n_idle, next_site, next_flow;
	uint32_t out;			/* but for probes */
	uint32_t probing;		/* sites with one of the places for probes */
	uint32_t picks, probe_picks;
	uint64_t seed;			/* of hashes of names that strangers choose */
	void (*site_gone)(void *arg, struct site *site);	/* it is about to be freed */
	void *arg;
};

void share_init(struct share *s, uint64_t seed);
void share_free(struct share *s);

/* Of a sender's name, for task.sender. */
uint64_t share_hash(const struct share *s, struct view name);

/* The site of that name, made where it is new; it lives while it has tasks.
 * NULL: no memory. */
struct site *share_site(struct share *s, struct view name);
/* NULL where there is none. */
struct site *share_find(const struct share *s, struct view name);

/* A new task of that site, in no state yet; ends it, from whatever state. */
void share_task(struct share *s, struct task *t, struct site *site, uint64_t sender, int priority);
void share_task_end(struct share *s, struct task *t, steady_ms now);

/* It waits its turn.  ST_NOMEM: it is TASK_NEW still. */
enum status share_wait(struct share *s, struct task *t, steady_ms now) MUST_USE;
/* Out of the way until it waits again: its own time is not come.  (What the
 * operator holds has no task.) */
void share_defer(struct share *s, struct task *t, steady_ms now);

/* The next to go, which is TASK_OUT from now on; NULL: none may. */
struct task *share_next(struct share *s);

/* It came back, and is TASK_NEW. */
enum share_outcome {
	CAME_THROUGH,		/* the site answers, whatever it said of the letter */
	SITE_FAILED,
	NOT_TRIED,
};
void share_back(struct share *s, struct task *t, enum share_outcome outcome, steady_ms now);

static inline bool site_closed(const struct site *site, steady_ms now)
{
	return now < site->closed_until;
}

/* As it was before a restart: so many failures, closed until then. */
void share_site_resume(struct site *site, unsigned failures, steady_ms until);
/* Its pause is over, or the operator says so. */
void share_site_open(struct share *s, struct site *site, steady_ms now);

#endif
