/* house.h - a room and a door of one process, for the tests and fuzz targets of
 * this folder only: a store in a folder of its own, sessions over socket
 * pairs, and parked ones held until they have something to do. */
#ifndef WAXWING_MS_IMAP_HOUSE_H
#define WAXWING_MS_IMAP_HOUSE_H

#include "ipc/records.h"
#include "ms/imap/imap.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4, HEARD_MAX = 32 * 1024 * 1024 };

/* A session and the client's end of it. */
struct client {
	int fd, parked_fd;		/* -1 */
	uint64_t mailbox;
	bool over, in_idle, wake;
	struct buf record, pending, heard;
	unsigned parks;
};

struct house {
	char folder[64];
	struct conf conf;
	struct loop *loop;
	struct store *store;
	struct imap_host host;
	struct turn_hook turn;
	struct timer stop;
	struct store_watcher watcher;
	struct client clients[CLIENTS_MAX];
};

static inline void house_ended(void *arg, uint64_t sid)
{
	((struct house *)arg)->clients[sid].over = true;
}

static inline void house_park(void *arg, const struct session_state *state, int fd, struct view pending)
{
	struct client *c = &((struct house *)arg)->clients[state->sid];

	buf_clear(&c->record);
	buf_clear(&c->pending);
	session_put(&c->record, state);
	buf_put(&c->pending, pending);
	c->parked_fd = fd;
	c->mailbox = state->mailbox;
	c->in_idle = state->flags & SESSION_IDLE;
	c->wake = pending.n > 0;
	c->parks++;
}

static inline void house_changed(struct store_watcher *w, uint64_t mailbox, uint64_t modseq)
{
	struct house *h = (struct house *)((char *)w - offsetof(struct house, watcher));

	(void)modseq;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (h->clients[i].parked_fd >= 0 && h->clients[i].in_idle && h->clients[i].mailbox == mailbox)
			h->clients[i].wake = true;
}

static inline void house_turn(struct turn_hook *t)
{
	struct house *h = (struct house *)((char *)t - offsetof(struct house, turn));

	(void)!store_turn(h->store);
}

static inline void house_stop(struct timer *t)
{
	loop_stop(((struct house *)((char *)t - offsetof(struct house, stop)))->loop);
}

static inline bool house_open(struct house *h, const char *top)
{
	struct store_settings plain = { .segment_size = 1024 * 1024, .undelete_ms = 1000 };
	struct store_findings f;

	*h = (struct house){ 0 };
	snprintf(h->folder, sizeof h->folder, "%s/waxwing-imap-XXXXXX", top);
	if (!mkdtemp(h->folder) || conf_defaults(&h->conf) != ST_OK || loop_new(&h->loop) != ST_OK ||
	    store_open(h->folder, &plain, &h->store, &f) != ST_OK)
		return false;
	h->conf.imap_line = 16 * 1024;
	h->conf.imap_literal = 64 * 1024;
	h->host = (struct imap_host){ .loop = h->loop, .store = h->store, .conf = &h->conf, .room = h,
				      .ended = house_ended, .park = house_park };
	h->turn.turn = house_turn;
	h->stop.fire = house_stop;
	h->watcher.changed = house_changed;
	loop_at_turn(h->loop, &h->turn);
	store_watch(h->store, &h->watcher);
	for (int i = 0; i < CLIENTS_MAX; i++)
		h->clients[i] = (struct client){ .fd = -1, .parked_fd = -1, .over = true, .record = BUF(SESSION_MAX),
						 .pending = BUF(65536), .heard = BUF(HEARD_MAX) };
	return true;
}

/* What the door does: give a parked one back when there is reason to. */
static inline void house_wake(struct house *h, struct client *c)
{
	struct session_state state;
	char byte;
	int fd = c->parked_fd;

	if (fd < 0 || (!c->wake && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0))
		return;
	c->parked_fd = -1;
	c->wake = false;
	if (session_take(buf_view(&c->record), &state) != ST_OK ||
	    imap_session_open(&h->host, fd, &state, buf_view(&c->pending)) != ST_OK)
		c->over = true;
}

/* Let the room run for a while, and hear what it says. */
static inline void house_run(struct house *h, steady_ms ms)
{
	char bytes[65536];
	ssize_t n;

	if (loop_timer(h->loop, &h->stop, clock_steady() + ms) != ST_OK)
		abort();
	loop_run(h->loop);
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &h->clients[i];

		while (c->fd >= 0 && (n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
			buf_put(&c->heard, view_make(bytes, (size_t)n));
		house_wake(h, c);
	}
}

static inline struct client *house_login(struct house *h, int i)
{
	struct client *c = &h->clients[i];
	struct session_state s = { .service = SERVICE_IMAP, .sid = (uint64_t)i, .account = 1, .flags = SESSION_FRESH,
				   .address = VIEW("Jones@foo.com"), .peer = VIEW("127.0.0.1"), .tag = VIEW("t0") };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
	c->fd = fds[0];
	c->over = false;
	buf_clear(&c->heard);
	if (imap_session_open(&h->host, fds[1], &s, VIEW_NONE) != ST_OK)
		abort();
	return c;
}

static inline void house_hang_up(struct house *h, struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	for (int i = 0; i < 100 && !c->over; i++) {
		c->wake = c->parked_fd >= 0;
		house_run(h, 1);
	}
}

static inline void house_close(struct house *h)
{
	char cmd[128];

	for (int i = 0; i < CLIENTS_MAX; i++) {
		house_hang_up(h, &h->clients[i]);
		buf_free(&h->clients[i].record);
		buf_free(&h->clients[i].pending);
		buf_free(&h->clients[i].heard);
	}
	store_close(h->store);
	loop_free(h->loop);
	conf_free(&h->conf);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", h->folder);
	if (system(cmd) != 0)
		abort();
}

#endif
