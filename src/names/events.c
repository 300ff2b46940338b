#include "names/events.h"

#include <stdlib.h>
#include <sys/time.h>

struct one_event {
	struct ub_event super;
	struct loop *loop;
	struct watch watch;
	struct timer timer;
	uint64_t timeout_ms;	/* 0: none */
	short bits;
	void (*call)(int fd, short bits, void *arg);
	void *arg;
};

static struct one_event *of_event(struct ub_event *ev)
{
	return (struct one_event *)ev;
}

static void set_timer(struct one_event *e)
{
	/* Without memory for a timer libunbound would wait for ever: now, then. */
	if (e->timeout_ms && loop_timer(e->loop, &e->timer, clock_steady() + e->timeout_ms) != ST_OK)
		e->timer.fire(&e->timer);
}

static int deactivate(struct ub_event *ev)
{
	struct one_event *e = of_event(ev);

	loop_unwatch(e->loop, &e->watch);
	loop_timer_clear(e->loop, &e->timer);
	return 0;
}

/* It may be freed within the call. */
static void happened(struct one_event *e, short what)
{
	if (e->bits & UB_EV_PERSIST)
		set_timer(e);
	else
		deactivate(&e->super);
	e->call(e->watch.fd, what, e->arg);
}

static void ready(struct watch *w, uint32_t events)
{
	struct one_event *e = (struct one_event *)((char *)w - offsetof(struct one_event, watch));
	short what = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		what |= UB_EV_READ;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		what |= UB_EV_WRITE;
	what = (short)(what & e->bits);
	if (what)
		happened(e, what);
}

static void late(struct timer *t)
{
	happened((struct one_event *)((char *)t - offsetof(struct one_event, timer)), UB_EV_TIMEOUT);
}

static int activate(struct ub_event *ev, struct timeval *tv)
{
	struct one_event *e = of_event(ev);
	uint32_t events = 0;

	if (e->bits & UB_EV_READ)
		events |= EPOLLIN;
	if (e->bits & UB_EV_WRITE)
		events |= EPOLLOUT;
	if (events && e->watch.fd >= 0 && loop_watch(e->loop, &e->watch, events) != ST_OK)
		return -1;
	e->timeout_ms = 0;
	if (tv == NULL)
		return 0;
	e->timeout_ms = (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
	return loop_timer(e->loop, &e->timer, clock_steady() + e->timeout_ms) == ST_OK ? 0 : -1;
}

static void add_bits(struct ub_event *ev, short bits)
{
	of_event(ev)->bits = (short)(of_event(ev)->bits | bits);
}

static void del_bits(struct ub_event *ev, short bits)
{
	of_event(ev)->bits = (short)(of_event(ev)->bits & ~bits);
}

static void set_fd(struct ub_event *ev, int fd)
{
	of_event(ev)->watch.fd = fd;
}

static void free_event(struct ub_event *ev)
{
	deactivate(ev);
	free(ev);
}

static int activate_timer(struct ub_event *ev, struct ub_event_base *base, void (*call)(int, short, void *),
			  void *arg, struct timeval *tv)
{
	struct one_event *e = of_event(ev);

	(void)base;
	e->call = call;
	e->arg = arg;
	return activate(ev, tv);
}

/* Only for signals and on Windows: never called. */
static int no_signal(struct ub_event *ev, struct timeval *tv)
{
	(void)ev;
	(void)tv;
	return -1;
}

static void no_wsaevent(struct ub_event *ev)
{
	(void)ev;
}

static void no_wouldblock(struct ub_event *ev, int bit)
{
	(void)ev;
	(void)bit;
}

/* libunbound writes to neither table, but does not say const. */
static struct ub_event *new_event(struct ub_event_base *base, int fd, short bits,
				  void (*call)(int, short, void *), void *arg)
{
	static struct ub_event_vmt methods = {
		.add_bits = add_bits, .del_bits = del_bits, .set_fd = set_fd, .free = free_event,
		.add = activate, .del = deactivate, .add_timer = activate_timer,
		.del_timer = deactivate, .add_signal = no_signal, .del_signal = deactivate,
		.winsock_unregister_wsaevent = no_wsaevent, .winsock_tcp_wouldblock = no_wouldblock,
	};
	struct events *all = (struct events *)base;
	struct one_event *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	*e = (struct one_event){
		.super = { UB_EVENT_MAGIC, &methods }, .loop = all->loop, .bits = bits,
		.watch = { .fd = fd, .ready = ready }, .timer = { .fire = late }, .call = call, .arg = arg,
	};
	return &e->super;
}

static struct ub_event *no_new_signal(struct ub_event_base *base, int fd, void (*call)(int, short, void *),
				      void *arg)
{
	(void)base;
	(void)fd;
	(void)call;
	(void)arg;
	return NULL;
}

static struct ub_event *no_new_wsaevent(struct ub_event_base *base, void *wsaevent,
					void (*call)(int, short, void *), void *arg)
{
	(void)wsaevent;
	return no_new_signal(base, -1, call, arg);
}

static void no_free(struct ub_event_base *base)
{
	(void)base;
}

static int no_dispatch(struct ub_event_base *base)
{
	(void)base;
	return -1;
}

static int no_exit(struct ub_event_base *base, struct timeval *tv)
{
	(void)base;
	(void)tv;
	return 0;
}

void events_init(struct events *e, struct loop *l)
{
	static struct ub_event_base_vmt methods = {
		.free = no_free, .dispatch = no_dispatch, .loopexit = no_exit, .new_event = new_event,
		.new_signal = no_new_signal, .winsock_register_wsaevent = no_new_wsaevent,
	};

	*e = (struct events){ { UB_EVENT_MAGIC, &methods }, l };
}
