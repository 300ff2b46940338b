#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 256, TIMERS_FIRST = 64 };

struct loop {
	int epoll;
	bool stop;
	steady_ms now;
	struct epoll_event events[EVENTS_A_TURN];
	int n_events;
	struct timer **heap;	/* heap[1] is the earliest */
	size_t timers, heap_cap;
	struct turn_hook *hooks;
};

enum status loop_new(struct loop **ret_loop)
{
	struct loop *l = calloc(1, sizeof *l);

	if (l == NULL)
		return ST_NOMEM;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return ST_IO;
	}
	l->now = clock_steady();
	*ret_loop = l;
	return ST_OK;
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	close(l->epoll);
	free(l->heap);
	free(l);
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

steady_ms loop_now(const struct loop *l)
{
	return l->now;
}

enum status loop_watch(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int op = w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (w->events == events)
		return ST_OK;
	if (epoll_ctl(l->epoll, op, w->fd, &ev) != 0)
		return status_of_errno(errno);
	w->events = events;
	return ST_OK;
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (w->events == 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->events = 0;
	/* What this turn still holds for it must not be delivered. */
	for (int i = 0; i < l->n_events; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

/* ---- timers: a binary heap, each timer knows its slot ---- */

static void put_at(struct loop *l, size_t slot, struct timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void sift_up(struct loop *l, size_t i, struct timer *t)
{
	for (; i > 1 && l->heap[i / 2]->at > t->at; i /= 2)
		put_at(l, i, l->heap[i / 2]);
	put_at(l, i, t);
}

static void sift_down(struct loop *l, size_t i, struct timer *t)
{
	for (;;) {
		size_t c = i * 2;

		if (c > l->timers)
			break;
		if (c < l->timers && l->heap[c + 1]->at < l->heap[c]->at)
			c++;
		if (l->heap[c]->at >= t->at)
			break;
		put_at(l, i, l->heap[c]);
		i = c;
	}
	put_at(l, i, t);
}

void loop_timer_clear(struct loop *l, struct timer *t)
{
	size_t i = t->slot;
	struct timer *last;

	if (i == 0)
		return;
	t->slot = 0;
	last = l->heap[l->timers--];
	if (last == t)
		return;
	if (i > 1 && l->heap[i / 2]->at > last->at)
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

enum status loop_timer(struct loop *l, struct timer *t, steady_ms at)
{
	loop_timer_clear(l, t);
	if (l->timers + 1 >= l->heap_cap) {
		size_t cap = l->heap_cap ? l->heap_cap * 2 : TIMERS_FIRST;
		struct timer **heap = realloc(l->heap, cap * sizeof *heap);

		if (heap == NULL)
			return ST_NOMEM;
		l->heap = heap;
		l->heap_cap = cap;
	}
	t->at = at;
	sift_up(l, ++l->timers, t);
	return ST_OK;
}

static void fire_due(struct loop *l)
{
	while (l->timers && l->heap[1]->at <= l->now) {
		struct timer *t = l->heap[1];

		loop_timer_clear(l, t);
		t->fire(t);
	}
}

static int patience(const struct loop *l)
{
	steady_ms now = clock_steady();

	if (l->timers == 0)
		return -1;
	if (l->heap[1]->at <= now)
		return 0;
	return l->heap[1]->at - now > 60000 ? 60000 : (int)(l->heap[1]->at - now);
}

void loop_at_turn(struct loop *l, struct turn_hook *h)
{
	struct turn_hook **p = &l->hooks;

	while (*p)
		p = &(*p)->next;
	h->next = NULL;
	*p = h;
}

static void one_turn(struct loop *l)
{
	l->n_events = epoll_wait(l->epoll, l->events, EVENTS_A_TURN, patience(l));
	l->now = clock_steady();
	for (int i = 0; i < l->n_events; i++) {
		struct watch *w = l->events[i].data.ptr;

		if (w)
			w->ready(w, l->events[i].events);
	}
	l->n_events = 0;
	fire_due(l);
	do {
		while (co_run_ready())
			;
		for (struct turn_hook *h = l->hooks, *next; h; h = next) {
			next = h->next;
			h->turn(h);
		}
	} while (co_run_ready());
}

void loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop)
		one_turn(l);
}

/* ---- what a coroutine waits with ---- */

struct fd_wait {
	struct watch watch;
	struct timer timer;
	struct co *co;
	bool ready, late;
};

static void wait_ready(struct watch *w, uint32_t events)
{
	struct fd_wait *fw = (struct fd_wait *)((char *)w - offsetof(struct fd_wait, watch));

	(void)events;
	fw->ready = true;
	co_wake(fw->co);
}

static void wait_late(struct timer *t)
{
	struct fd_wait *fw = (struct fd_wait *)((char *)t - offsetof(struct fd_wait, timer));

	fw->late = true;
	co_wake(fw->co);
}

enum status loop_wait_fd(struct loop *l, int fd, uint32_t events, steady_ms deadline)
{
	struct fd_wait fw = {
		.watch = { .fd = fd, .ready = wait_ready },
		.timer = { .fire = wait_late },
		.co = co_self(),
	};
	enum status st = loop_watch(l, &fw.watch, events);

	if (st == ST_OK && deadline)
		st = loop_timer(l, &fw.timer, deadline);
	while (st == ST_OK && !fw.ready && !fw.late)
		co_wait();
	loop_unwatch(l, &fw.watch);
	loop_timer_clear(l, &fw.timer);
	if (st != ST_OK)
		return st;
	return fw.ready ? ST_OK : ST_TIMEOUT;
}

void loop_sleep(struct loop *l, uint64_t ms)
{
	struct fd_wait fw = { .timer = { .fire = wait_late }, .co = co_self() };

	if (loop_timer(l, &fw.timer, clock_steady() + ms) != ST_OK)
		return;
	while (!fw.late)
		co_wait();
}
