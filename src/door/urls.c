#include "door/urls.h"

#include "base/log.h"

#include <unistd.h>

enum { ASK_MS = 30000, CHANNEL_MS = 15000, TRIES = 5, TRY_AGAIN_MS = 200 };

/* A session that waits for its channel. */
struct url_waiter {
	struct url_waiter *next;
	uint64_t sid;
	struct co *co;
	struct timer late;
	bool done, over;
	int fd;
};

static void waiter_late(struct timer *t)
{
	struct url_waiter *w = (struct url_waiter *)((char *)t - offsetof(struct url_waiter, late));

	w->over = true;
	co_wake(w->co);
}

static void unlist(struct urls *u, const struct url_waiter *w)
{
	struct url_waiter **at = &u->waiting;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

void urls_channel(struct urls *u, uint64_t sid, int fd)
{
	for (struct url_waiter *w = u->waiting; w; w = w->next)
		if (w->sid == sid && !w->done) {
			w->done = true;
			w->fd = fd;
			co_wake(w->co);
			return;
		}
	if (fd >= 0)
		close(fd);
}

static enum verdict ask_warden(struct urls *u, const struct url_request *what)
{
	struct buf b = BUF(1024), answer = BUF(1024);
	struct rec_url_room_answer a = { .verdict = VERDICT_LATER };
	uint16_t type;

	rec_put_url_room_ask(&b, 0, what->sid, &(struct rec_url_room_ask){ what->ticket });
	if (channel_ask(u->warden, &b, -1, ASK_MS, &answer, &type, NULL) != ST_OK ||
	    type != REC_url_room_answer || !rec_take_url_room_answer(buf_view(&answer), &a))
		a.verdict = VERDICT_LATER;
	buf_free(&b);
	buf_free(&answer);
	return (enum verdict)a.verdict;
}

/* *ret_fd: a channel to the room.  It may be here before warden's answer. */
static enum verdict get_channel(struct urls *u, const struct url_request *what, int *ret_fd)
{
	struct url_waiter w = {
		.next = u->waiting, .sid = what->sid, .co = co_self(), .late = { .fire = waiter_late }, .fd = -1,
	};
	enum verdict v;

	u->waiting = &w;
	v = ask_warden(u, what);
	if (v == VERDICT_OK && !w.done && loop_timer(u->loop, &w.late, clock_steady() + CHANNEL_MS) == ST_OK) {
		while (!w.done && !w.over)
			co_wait();
		loop_timer_clear(u->loop, &w.late);
	}
	unlist(u, &w);
	if (v != VERDICT_OK && w.fd >= 0)
		close(w.fd);
	if (v != VERDICT_OK)
		return v;
	*ret_fd = w.fd;
	return w.fd >= 0 ? VERDICT_OK : VERDICT_LATER;
}

static void nothing_unasked(struct channel *ch, struct record *rec)
{
	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
}

/* One piece; *ret_size: of all. */
static enum verdict take_piece(struct channel *ch, const struct url_request *what, uint64_t *at, uint64_t *ret_size,
			       enum status *ret_st)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX);
	struct rec_url_answer a = { .verdict = VERDICT_LATER };
	uint16_t type;

	rec_put_url_ask(&b, 0, what->sid, &(struct rec_url_ask){ *at, what->most, what->user, what->url });
	*ret_st = channel_ask(ch, &b, -1, ASK_MS, &answer, &type, NULL);
	if (*ret_st != ST_OK || type != REC_url_answer || !rec_take_url_answer(buf_view(&answer), &a))
		a.verdict = VERDICT_LATER;
	/* A room that never comes to an end is no room of ours. */
	if (a.verdict == VERDICT_OK && (a.size > what->most || a.body.n > a.size - *at || (a.body.n == 0 && *at < a.size)))
		a.verdict = VERDICT_LATER;
	if (a.verdict == VERDICT_OK) {
		what->put(what->arg, a.body);
		*at += a.body.n;
		*ret_size = a.size;
	}
	buf_free(&b);
	buf_free(&answer);
	return (enum verdict)a.verdict;
}

/* What follows *at; a letter never changes, so another room goes on with it. */
static enum verdict take_rest(struct urls *u, int fd, const struct url_request *what, uint64_t *at, enum status *ret_st)
{
	struct channel ch = {
		.receive = nothing_unasked, .allowed = record_allowed, .self = ROLE_DOOR, .peer = ROLE_ROOM,
	};
	uint64_t size = UINT64_MAX;
	enum verdict v = VERDICT_OK;

	*ret_st = channel_open(&ch, u->loop, fd);
	if (*ret_st != ST_OK)
		return VERDICT_LATER;
	while (v == VERDICT_OK && *at < size)
		v = take_piece(&ch, what, at, &size, ret_st);
	channel_close(&ch);
	return v;
}

enum verdict urls_fetch(struct urls *u, const struct url_request *what)
{
	enum verdict v = VERDICT_LATER;
	enum status st = ST_CLOSED;
	uint64_t at = 0;
	int fd;

	for (int i = 0; i < TRIES && st == ST_CLOSED && !*u->stopping; i++) {
		if (i)
			loop_sleep(u->loop, TRY_AGAIN_MS);
		v = get_channel(u, what, &fd);
		if (v == VERDICT_OK)
			v = take_rest(u, fd, what, &at, &st);
		else if (v != VERDICT_LATER)
			break;
	}
	return v;
}
