/* proxy.c - a person's bytes between his TLS and the pair whose other end the
 * room has.  Each way stops reading while the other side does not take more:
 * what is in hand is bounded by STEP and the sockets' own buffers.
 */
#include "door/login/internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP = 16 * 1024 };

static void watch_pair(struct person *p, uint32_t events)
{
	if (p->pair.fd < 0)
		return;
	if (events == 0)
		loop_unwatch(p->host->loop, &p->pair);
	else if (loop_watch(p->host->loop, &p->pair, events) != ST_OK)
		person_bye(p, BYE_ROOM);
}

/* From the room to the person.  False when nothing more can be done now. */
static bool outward(struct person *p)
{
	struct conn *c = &p->conn;
	char *at;
	ssize_t n;

	if (buf_reserve(&c->out, STEP, &at) != ST_OK)
		return false;
	do
		n = read(p->pair.fd, at, STEP);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->out.n += (size_t)n;
		return true;
	}
	/* At the end of it we wait for the room's word on why. */
	if (n == 0)
		watch_pair(p, 0);
	return false;
}

static void carry_outward(struct person *p)
{
	struct conn *c = &p->conn;
	enum status st = c->out.n ? conn_push(c) : ST_OK;

	while (st == ST_OK && outward(p))
		st = conn_push(c);
	if (st == ST_AGAIN)
		watch_pair(p, p->pair.events & EPOLLOUT);
	else if (c->out.n == 0)
		buf_free(&c->out);
}

/* From the person to the room.  False when the pair is full or broken. */
static bool carry_inward(struct person *p)
{
	struct conn *c = &p->conn;

	while (conn_view(c).n) {
		ssize_t n = send(p->pair.fd, conn_view(c).p, conn_view(c).n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			conn_take(c, (size_t)n);
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

void proxy_serve(struct person *p)
{
	struct conn *c = &p->conn;

	for (;;) {
		if (!carry_inward(p)) {
			if (errno == EAGAIN) {
				conn_pause(c, true);
				watch_pair(p, p->pair.events | EPOLLOUT);
			} else {
				/* The room has closed; its word comes. */
				conn_take(c, conn_view(c).n);
				conn_pause(c, true);
			}
			return;
		}
		if (conn_fill(c) != ST_OK)
			return;
	}
}

static void pair_ready(struct watch *w, uint32_t events)
{
	struct person *p = (struct person *)((char *)w - offsetof(struct person, pair));

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		carry_outward(p);
	if (!(events & EPOLLOUT) || p->pair.fd < 0 || p->conn.broken || p->conn.closing)
		return;
	if (carry_inward(p) || errno != EAGAIN) {
		watch_pair(p, p->pair.events & ~(uint32_t)EPOLLOUT);
		/* May end him. */
		conn_pause(&p->conn, false);
	}
}

/* All that waited for the person's socket is sent. */
void proxy_drained(struct person *p)
{
	if (p->phase == PERSON_IN_ROOM && p->pair.fd >= 0)
		watch_pair(p, p->pair.events | EPOLLIN);
}

enum status proxy_open(struct person *p, int *ret_other)
{
	int fds[2];
	enum status st;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return status_of_errno(errno);
	p->pair = (struct watch){ .fd = fds[0], .ready = pair_ready };
	st = loop_watch(p->host->loop, &p->pair, EPOLLIN);
	if (st != ST_OK) {
		p->pair.fd = -1;
		close(fds[0]);
		close(fds[1]);
		return st;
	}
	*ret_other = fds[1];
	return ST_OK;
}

void proxy_drain(struct person *p)
{
	if (p->pair.fd < 0)
		return;
	while (outward(p))
		;
	proxy_close(p);
	conn_pause(&p->conn, true);
}

void proxy_close(struct person *p)
{
	if (p->spare >= 0)
		close(p->spare);
	p->spare = -1;
	if (p->pair.fd < 0)
		return;
	loop_unwatch(p->host->loop, &p->pair);
	close(p->pair.fd);
	p->pair.fd = -1;
}
