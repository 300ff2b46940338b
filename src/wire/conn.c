#include "wire/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_STEP = 16 * 1024, WASTE_READS = 64 };

/* ---- the plain socket ---- */

/* MSG_DONTWAIT, although it does not block: a process that has the socket too
 * (conn_lend), or had it, can change that, and we would wait for ever. */

static enum status plain_read(struct conn *c, char *p, size_t want, size_t *ret_n)
{
	ssize_t n;

	do
		n = recv(c->watch.fd, p, want, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	/* Fewer than asked for: nothing more is there, so save the next call.
	 * What comes later is a new edge. */
	if (n < 0 || (size_t)n < want)
		c->readable = false;
	if (n > 0)
		*ret_n = (size_t)n;
	return n > 0 ? ST_OK : n < 0 && errno == EAGAIN ? ST_AGAIN : ST_CLOSED;
}

static enum status plain_write(struct conn *c, const char *p, size_t want, size_t *ret_n)
{
	ssize_t n;

	do
		n = send(c->watch.fd, p, want, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*ret_n = (size_t)n;
		return ST_OK;
	}
	if (n == 0 || errno != EAGAIN)
		return ST_CLOSED;
	c->writable = false;
	return ST_AGAIN;
}

static void plain_end(struct conn *c)
{
	(void)c;
}

static const struct conn_io plain = { plain_read, plain_write, plain_end };

/* ---- its life ---- */

/* Bytes that nobody will read would make close() a reset, which can overtake
 * our last reply. */
static void throw_away(struct conn *c)
{
	char waste[4096];

	for (int i = 0; i < WASTE_READS; i++)
		if (recv(c->watch.fd, waste, sizeof waste, MSG_DONTWAIT) <= 0)
			return;
}

static void finish(struct conn *c)
{
	c->io->end(c);
	if (c->watch.fd >= 0 && c->closing && !c->broken && c->readable)
		throw_away(c);
	loop_unwatch(c->loop, &c->watch);
	loop_timer_clear(c->loop, &c->timer);
	if (c->watch.fd >= 0)
		close(c->watch.fd);
	c->watch.fd = -1;
	buf_free(&c->in);
	buf_free(&c->out);
	c->ended(c);
}

/* Between commands nothing is kept that can be made again. */
static void rest(struct conn *c)
{
	if (c->in_used == c->in.n) {
		c->in_used = 0;
		buf_free(&c->in);
	}
	if (c->out.n == 0)
		buf_free(&c->out);
}

static void run(struct conn *c);

/* No other event will tell of it. */
static void read_the_end(struct conn *c)
{
	if (c->hung_up && !c->read_wants_write)
		c->readable = true;
}

/* Call run() from the loop's own stack. */
static void look_soon(struct conn *c)
{
	c->look_again = true;
	if (loop_timer(c->loop, &c->timer, 0) != ST_OK)
		c->broken = true;
}

/* The other side has said all, and we heard of it before we had answered: it
 * may listen still.  What a failed write or too long an answer has left is gone
 * or cut short, and is not sent. */
static void push_last(struct conn *c)
{
	size_t n;

	if (c->out.n && buf_status(&c->out) == ST_OK)
		(void)!c->io->write(c, c->out.p, c->out.n, &n);
}

/* The coroutine.  When it never waited, run() goes on behind co_start; when
 * it did, a timer that is due at once takes run()'s place, because the end of
 * a connection must not be handled on the stack that it frees. */
static void body(void *arg)
{
	struct conn *c = arg;

	if (c->timed_out) {
		if (c->late)
			c->late(c);
		c->closing = true;
	} else {
		c->serve(c);
	}
	if (c->out.n && !c->broken && conn_flush(c) != ST_OK)
		c->broken = true;
	if (c->broken && c->hung_up)
		push_last(c);
	c->running = false;
	if (!c->in_run)
		look_soon(c);
}

/* On the loop's stack: serve what is there, or end. */
static void run(struct conn *c)
{
	while (!c->running && !c->closing && !c->broken && (!c->paused || c->timed_out)) {
		c->running = true;
		c->in_run = true;
		if (co_start(body, c) != ST_OK)
			c->running = false, c->broken = true;
		c->in_run = false;
		if (c->running)
			return;
		read_the_end(c);
		if (!c->readable)
			break;
	}
	if (c->running)
		return;
	if (c->closing || c->broken)
		finish(c);
	else
		rest(c);
}

static void on_timer(struct timer *t)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
	bool again = c->look_again;

	c->look_again = false;
	if (c->lent) {
		if (!c->running)
			run(c);
		return;
	}
	if (c->deadline > loop_now(c->loop) || again) {
		if (loop_timer(c->loop, t, c->deadline) != ST_OK)
			c->broken = true;
		if (again && !c->running)
			run(c);
		return;
	}
	c->timed_out = true;
	if (c->waiting)
		co_wake(c->waiting);
	else if (!c->running)
		run(c);
	else if (loop_timer(c->loop, t, loop_now(c->loop) + c->patience) != ST_OK)
		c->broken = true;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)((char *)w - offsetof(struct conn, watch));

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hung_up = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		c->writable = true;
	if (c->writable && c->read_wants_write)
		c->readable = true;
	if (c->waiting) {
		if (*c->waiting_for)
			co_wake(c->waiting);
		return;
	}
	if (c->running)
		return;
	if (c->out.n && c->writable && conn_push(c) == ST_OK && c->drained) {
		/* Whatever it does, the end of this conn waits for run(). */
		c->running = true;
		c->drained(c);
		c->running = false;
	}
	if (c->readable || c->broken || c->closing)
		run(c);
}

enum status conn_open(struct conn *c, struct loop *l, int fd)
{
	enum status st;

	c->loop = l;
	c->watch = (struct watch){ .fd = fd, .ready = on_ready };
	c->timer = (struct timer){ .fire = on_timer };
	c->in = BUF(CONN_IN);
	c->out = BUF(CONN_OUT);
	c->in_used = 0;
	c->io = &plain;
	c->writable = true;
	st = loop_watch(l, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	c->deadline = clock_steady() + c->patience;
	if (st == ST_OK)
		st = loop_timer(l, &c->timer, c->deadline);
	if (st != ST_OK) {
		loop_unwatch(l, &c->watch);
		close(fd);
		c->watch.fd = -1;
	}
	return st;
}

void conn_begin(struct conn *c)
{
	run(c);
}

void conn_hold(struct conn *c)
{
	c->running = true;
}

void conn_let_go(struct conn *c)
{
	c->running = false;
	/* run() frees: never on the stack of who lets go. */
	if (c->closing || c->broken || c->timed_out || c->readable || c->hung_up)
		look_soon(c);
	else
		rest(c);
}

void conn_alive(struct conn *c)
{
	/* The timer itself moves only when it fires. */
	c->deadline = loop_now(c->loop) + c->patience;
	if (c->latest && c->deadline > c->latest)
		c->deadline = c->latest;
}

/* A deadline that comes nearer must move the timer at once. */
static void timer_sooner(struct conn *c)
{
	conn_alive(c);
	if (c->timer.slot && c->timer.at > c->deadline && loop_timer(c->loop, &c->timer, c->deadline) != ST_OK)
		c->broken = true;
}

void conn_limit(struct conn *c, uint64_t ms)
{
	c->latest = ms ? loop_now(c->loop) + ms : 0;
	timer_sooner(c);
}

void conn_patience(struct conn *c, uint64_t ms)
{
	c->patience = ms;
	timer_sooner(c);
}

enum status conn_wait(struct conn *c, const bool *readable_or_writable)
{
	c->waiting = co_self();
	c->waiting_for = readable_or_writable;
	read_the_end(c);
	while (!*readable_or_writable && !c->timed_out)
		co_wait();
	c->waiting = NULL;
	return c->timed_out ? ST_TIMEOUT : ST_OK;
}

void conn_pause(struct conn *c, bool paused)
{
	c->paused = paused;
	if (!paused && !c->running && (c->readable || c->hung_up || c->closing || c->broken))
		run(c);
}

void conn_take(struct conn *c, size_t n)
{
	c->in_used += n;
}

enum status conn_fill(struct conn *c)
{
	char *p;
	size_t want, n;
	enum status st;

	/* The last read told that nothing more is there: no call to hear it again. */
	if (!c->readable)
		return c->broken ? ST_CLOSED : ST_AGAIN;
	if (c->in_used && c->in_used == c->in.n) {
		c->in_used = c->in.n = 0;
	} else if (c->in_used && c->in.n + READ_STEP > c->in.max) {
		buf_drop(&c->in, c->in_used);
		c->in_used = 0;
	}
	want = c->in.max - c->in.n;
	if (want == 0)
		return ST_LIMIT;
	if (want > READ_STEP)
		want = READ_STEP;
	if (buf_reserve(&c->in, want, &p) != ST_OK) {
		buf_clear(&c->in);
		return ST_NOMEM;
	}
	st = c->io->read(c, p, want, &n);
	if (st == ST_CLOSED)
		c->broken = true;
	if (st != ST_OK)
		return st;
	c->in.n += n;
	conn_alive(c);
	return ST_OK;
}

enum status conn_line(struct conn *c, size_t max, struct view *ret_line)
{
	for (;;) {
		struct view all = conn_view(c);
		size_t lf = view_find(all, '\n');
		enum status st;

		if (lf < all.n) {
			struct view line = view_head(all, lf);

			conn_take(c, lf + 1);
			if (line.n == 0 || line.p[line.n - 1] != '\r')
				return ST_SYNTAX;
			line.n--;
			if (line.n > max)
				return ST_LIMIT;
			if (view_find(line, '\r') < line.n || view_find(line, '\0') < line.n)
				return ST_SYNTAX;
			*ret_line = line;
			return ST_OK;
		}
		if (all.n > max) {
			conn_take(c, all.n);
			return ST_LIMIT;
		}
		st = conn_fill(c);
		if (st != ST_OK)
			return st;
	}
}

/* Send until all is gone or the socket is full. */
static enum status send_some(struct conn *c, size_t *at)
{
	enum status st = c->broken ? ST_CLOSED : ST_OK;

	while (st == ST_OK && *at < c->out.n) {
		size_t n;

		st = c->io->write(c, c->out.p + *at, c->out.n - *at, &n);
		if (st == ST_OK) {
			*at += n;
			conn_alive(c);
		}
	}
	return st;
}

enum status conn_flush(struct conn *c)
{
	size_t at = 0;
	enum status st;

	while ((st = send_some(c, &at)) == ST_AGAIN)
		if ((st = conn_wait(c, &c->writable)) != ST_OK)
			break;
	if (st != ST_OK)
		c->broken = true;
	buf_clear(&c->out);
	return st;
}

enum status conn_push(struct conn *c)
{
	size_t at = 0;
	enum status st = send_some(c, &at);

	buf_drop(&c->out, at);
	if (st != ST_OK && st != ST_AGAIN) {
		c->broken = true;
		if (!c->running)
			look_soon(c);
	}
	return st;
}

enum status conn_send(struct conn *c, struct view v, size_t *ret_n)
{
	size_t at = 0, done = 0;

	while (!c->broken && (at < c->out.n || done < v.n)) {
		struct iovec iov[2] = {
			{ c->out.p + at, c->out.n - at },
			{ (char *)(uintptr_t)v.p + done, v.n - done },
		};
		struct msghdr m = { .msg_iov = iov + (at == c->out.n), .msg_iovlen = 2 - (at == c->out.n) };
		ssize_t n = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0) {
			if (n < 0 && errno == EINTR)
				continue;
			c->broken = n == 0 || errno != EAGAIN;
			c->writable = false;
			break;
		}
		conn_alive(c);
		if ((size_t)n <= c->out.n - at) {
			at += (size_t)n;
		} else {
			done += (size_t)n - (c->out.n - at);
			at = c->out.n;
		}
	}
	buf_drop(&c->out, at);
	*ret_n = done;
	return c->broken ? ST_CLOSED : c->out.n || done < v.n ? ST_AGAIN : ST_OK;
}

int conn_release(struct conn *c, struct buf *pending)
{
	int fd = c->watch.fd;

	buf_put(pending, conn_view(c));
	loop_unwatch(c->loop, &c->watch);
	loop_timer_clear(c->loop, &c->timer);
	c->watch.fd = -1;
	buf_free(&c->in);
	buf_free(&c->out);
	return fd;
}

void conn_close(struct conn *c)
{
	c->closing = true;
	if (!c->running)
		look_soon(c);
}

void conn_lend(struct conn *c)
{
	c->lent = c->paused = true;
	loop_unwatch(c->loop, &c->watch);
	loop_timer_clear(c->loop, &c->timer);
	buf_free(&c->in);
	c->in_used = 0;
}

enum status conn_return(struct conn *c)
{
	enum status st;

	if (!c->lent)
		return ST_OK;
	c->lent = c->paused = c->readable = c->hung_up = false;
	c->writable = true;
	c->deadline = clock_steady() + c->patience;
	st = loop_watch(c->loop, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	return st == ST_OK ? loop_timer(c->loop, &c->timer, c->deadline) : st;
}
