/* loop.h - the event loop of a process: descriptors, timers, turns.
 *
 * One loop a process, one thread.  A watch is embedded in what it belongs to
 * and calls one function when its descriptor is ready; that function usually
 * starts or wakes a coroutine.  A turn is: the ready descriptors, the timers
 * that are due, the woken coroutines until none is left, then the turn hooks
 * (group commit, log).  A watch may be removed at any time, also from within
 * its own call.
 */
#ifndef WAXWING_BASE_LOOP_H
#define WAXWING_BASE_LOOP_H

#include "base/clock.h"
#include "base/co.h"
#include "base/status.h"

#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct turn_hook;

struct watch {
	int fd;			/* -1: not watched */
	uint32_t events;	/* EPOLLIN, EPOLLOUT ... */
	void (*ready)(struct watch *w, uint32_t events);
};

struct timer {
	steady_ms at;
	size_t slot;		/* 0: not set */
	void (*fire)(struct timer *t);
};

/* ST_NOMEM, ST_IO */
enum status loop_new(struct loop **ret_loop) MUST_USE;
void loop_free(struct loop *l);

/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Start watching w->fd, or change what is waited for.  ST_NOMEM, ST_IO. */
enum status loop_watch(struct loop *l, struct watch *w, uint32_t events) MUST_USE;
void loop_unwatch(struct loop *l, struct watch *w);

/* Fire once at that time; setting a set timer moves it.  ST_NOMEM. */
enum status loop_timer(struct loop *l, struct timer *t, steady_ms at) MUST_USE;
void loop_timer_clear(struct loop *l, struct timer *t);

/* Steady time as of this turn; costs nothing. */
steady_ms loop_now(const struct loop *l);

/* Called at the end of each turn, in the order added. */
struct turn_hook {
	void (*turn)(struct turn_hook *h);
	struct turn_hook *next;
};
void loop_at_turn(struct loop *l, struct turn_hook *h);

/* For a coroutine: wait until fd is ready for events or the deadline (0:
 * none) is over.  ST_OK, ST_TIMEOUT, ST_NOMEM, ST_IO.  fd must have no watch. */
enum status loop_wait_fd(struct loop *l, int fd, uint32_t events, steady_ms deadline) MUST_USE;

/* For a coroutine: sleep. */
void loop_sleep(struct loop *l, uint64_t ms);

#endif
