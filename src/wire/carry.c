#include "wire/carry.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void carry_init(struct carry *k, struct conn *c, void (*over)(struct carry *k, bool broken))
{
	*k = (struct carry){ .pair = { .fd = -1 }, .conn = c, .over = over };
}

static void watch_pair(struct carry *k, uint32_t events)
{
	if (k->pair.fd < 0)
		return;
	if (events == 0)
		loop_unwatch(k->conn->loop, &k->pair);
	else if (loop_watch(k->conn->loop, &k->pair, events) != ST_OK)
		k->over(k, true);
}

/* From the other side to the conn.  False when nothing more can be done now. */
static bool outward(struct carry *k)
{
	struct conn *c = k->conn;
	char *at;
	ssize_t n;

	if (buf_reserve(&c->out, CARRY_STEP, &at) != ST_OK)
		return false;
	do
		n = read(k->pair.fd, at, CARRY_STEP);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->out.n += (size_t)n;
		return true;
	}
	if (n == 0) {
		watch_pair(k, 0);
		k->over(k, false);
	}
	return false;
}

static void carry_outward(struct carry *k)
{
	struct conn *c = k->conn;
	enum status st = c->out.n ? conn_push(c) : ST_OK;

	while (st == ST_OK && outward(k))
		st = conn_push(c);
	if (st == ST_AGAIN)
		watch_pair(k, k->pair.events & EPOLLOUT);
	else if (c->out.n == 0)
		buf_free(&c->out);
}

/* From the conn to the other side.  False when the pair is full or broken. */
static bool carry_inward(struct carry *k)
{
	struct conn *c = k->conn;

	while (conn_view(c).n) {
		ssize_t n = send(k->pair.fd, conn_view(c).p, conn_view(c).n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			conn_take(c, (size_t)n);
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

void carry_serve(struct carry *k)
{
	struct conn *c = k->conn;

	for (;;) {
		if (!carry_inward(k)) {
			if (errno == EAGAIN) {
				conn_pause(c, true);
				watch_pair(k, k->pair.events | EPOLLOUT);
			} else {
				/* The other side has closed; its end comes. */
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
	struct carry *k = (struct carry *)((char *)w - offsetof(struct carry, pair));

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		carry_outward(k);
	if (!(events & EPOLLOUT) || k->pair.fd < 0 || k->conn->broken || k->conn->closing)
		return;
	if (carry_inward(k) || errno != EAGAIN) {
		watch_pair(k, k->pair.events & ~(uint32_t)EPOLLOUT);
		/* May end the conn. */
		conn_pause(k->conn, false);
	}
}

void carry_drained(struct carry *k)
{
	if (k->pair.fd >= 0)
		watch_pair(k, k->pair.events | EPOLLIN);
}

enum status carry_open(struct carry *k, int *ret_other)
{
	int fds[2];
	enum status st;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return status_of_errno(errno);
	k->pair = (struct watch){ .fd = fds[0], .ready = pair_ready };
	st = loop_watch(k->conn->loop, &k->pair, EPOLLIN);
	if (st != ST_OK) {
		k->pair.fd = -1;
		close(fds[0]);
		close(fds[1]);
		return st;
	}
	*ret_other = fds[1];
	return ST_OK;
}

void carry_drain(struct carry *k)
{
	if (k->pair.fd < 0)
		return;
	while (outward(k))
		;
	carry_close(k);
	conn_pause(k->conn, true);
}

void carry_close(struct carry *k)
{
	if (k->pair.fd < 0)
		return;
	loop_unwatch(k->conn->loop, &k->pair);
	close(k->pair.fd);
	k->pair.fd = -1;
}

void carry_unread(int other, struct buf *out)
{
	char some[4096];
	ssize_t n;

	/* Of a socket alone: it never waits, whatever its flags are now. */
	while (buf_status(out) == ST_OK && (n = recv(other, some, sizeof some, MSG_DONTWAIT)) > 0)
		buf_put(out, view_make(some, (size_t)n));
}
