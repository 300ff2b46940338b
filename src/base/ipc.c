#include "base/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKET_BUFFER = 1024 * 1024, RECORDS_A_TURN = 64 };

/* A record that waits because the socket is full. */
struct queued {
	struct queued *next;
	int fd;
	size_t n;
	char bytes[];
};

struct ipc_call {
	struct ipc_call *next;
	uint32_t call;
	struct co *co;
	struct timer timer;
	enum status st;		/* ST_AGAIN while waiting */
	uint16_t type;
	int fd;
	struct buf *answer;
};

enum status channel_pair(int ret_fds[2])
{
	int fds[2], size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return status_of_errno(errno);
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return ST_OK;
}

void record_begin(struct buf *b, uint16_t type, uint32_t call, uint64_t sid)
{
	buf_clear(b);
	put_u16(b, type);
	put_u16(b, 0);
	put_u32(b, call);
	put_u64(b, sid);
}

static enum status send_packet(int sock, const char *p, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof control;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? status_of_errno(errno) : ST_OK;
}

/* The descriptors that came with a packet: one is kept.  The alignment of
 * control leaves place for a second, which the kernel fills without MSG_CTRUNC.
 * False when there were more than one. */
static bool take_descriptors(struct msghdr *msg, int *ret_fd)
{
	size_t all = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (all++ == 0)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
	return all <= 1;
}

/* One packet into p[RECORD_MAX].  ST_AGAIN, ST_CLOSED, ST_LIMIT, ST_IO. */
static enum status receive_packet(int sock, int flags, char *p, size_t *ret_n, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { p, RECORD_MAX };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};
	ssize_t n;
	int fd = -1;
	bool one;

	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return status_of_errno(errno);
	one = take_descriptors(&msg, &fd);
	if (n == 0 || !one || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		if (fd >= 0)
			close(fd);
		return n == 0 ? ST_CLOSED : ST_LIMIT;
	}
	*ret_n = (size_t)n;
	*ret_fd = fd;
	return ST_OK;
}

static bool parse_head(struct view packet, int fd, struct record *ret)
{
	struct cursor c = cursor_over(packet);
	struct record rec = { .fd = fd };

	rec.type = take_u16(&c);
	take_u16(&c);
	rec.call = take_u32(&c);
	rec.sid = take_u64(&c);
	rec.body = take_bytes(&c, cursor_left(&c));
	if (!cursor_ok(&c))
		return false;
	*ret = rec;
	return true;
}

/* ---- calls ---- */

static void call_finish(struct channel *ch, struct ipc_call *call, enum status st)
{
	struct ipc_call **p = &ch->calls;

	while (*p && *p != call)
		p = &(*p)->next;
	if (*p)
		*p = call->next;
	call->st = st;
	loop_timer_clear(ch->loop, &call->timer);
	co_wake(call->co);
}

/* True when rec answers a call that waits here. */
static bool call_answer(struct channel *ch, const struct record *rec)
{
	struct ipc_call *call = ch->calls;

	while (call && call->call != rec->call)
		call = call->next;
	if (call == NULL)
		return false;
	buf_clear(call->answer);
	buf_put(call->answer, rec->body);
	call->type = rec->type;
	call->fd = rec->fd;
	call_finish(ch, call, buf_status(call->answer));
	return true;
}


static void call_late(struct timer *t)
{
	struct ipc_call *call = (struct ipc_call *)((char *)t - offsetof(struct ipc_call, timer));

	/* Unlinked by channel_ask, which knows the channel. */
	call->st = ST_TIMEOUT;
	co_wake(call->co);
}

enum status channel_ask(struct channel *ch, struct buf *b, int fd, uint64_t timeout_ms,
			struct buf *answer, uint16_t *ret_type, int *ret_fd)
{
	struct ipc_call call = {
		.co = co_self(), .st = ST_AGAIN, .fd = -1, .answer = answer,
		.timer = { .fire = call_late },
	};
	enum status st;

	if (!channel_is_open(ch))
		return ST_CLOSED;
	if (++ch->next_call == 0)
		ch->next_call = 1;
	call.call = ch->next_call;
	if (b->n >= 8)
		memcpy(b->p + 4, &call.call, sizeof call.call);
	st = channel_send(ch, b, fd);
	if (st == ST_OK && timeout_ms)
		st = loop_timer(ch->loop, &call.timer, clock_steady() + timeout_ms);
	if (st != ST_OK)
		return st;
	call.next = ch->calls;
	ch->calls = &call;
	while (call.st == ST_AGAIN)
		co_wait();
	if (call.st == ST_TIMEOUT) {
		struct ipc_call **p = &ch->calls;

		while (*p && *p != &call)
			p = &(*p)->next;
		if (*p)
			*p = call.next;
		return ST_TIMEOUT;
	}
	if (call.st != ST_OK) {
		if (call.fd >= 0)
			close(call.fd);
		return call.st;
	}
	*ret_type = call.type;
	if (ret_fd)
		*ret_fd = call.fd;
	else if (call.fd >= 0)
		close(call.fd);
	return ST_OK;
}

/* ---- channels ---- */

static void flush_out(struct channel *ch)
{
	while (ch->out) {
		struct queued *q = ch->out;
		enum status st = send_packet(ch->watch.fd, q->bytes, q->n, q->fd);

		if (st == ST_AGAIN)
			return;
		/* A record that was promised is missing: both sides must know. */
		if (st != ST_OK)
			shutdown(ch->watch.fd, SHUT_RDWR);
		ch->out = q->next;
		if (ch->out == NULL)
			ch->out_end = &ch->out;
		ch->out_bytes -= q->n;
		if (q->fd >= 0)
			close(q->fd);
		free(q);
	}
	if (loop_watch(ch->loop, &ch->watch, EPOLLIN) != ST_OK)
		return;
}

static void lost(struct channel *ch)
{
	channel_close(ch);
	if (ch->gone)
		ch->gone(ch);
}

/* One record in.  False when the channel must not be touched any more. */
static bool take_one(struct channel *ch)
{
	/* One thread, one loop: a buffer for the packet now being handled.  Not
	 * thread-local, which would fill all of it with zeros at every start. */
	static char packet[RECORD_MAX];
	struct record rec;
	size_t n;
	int fd = -1;
	enum status st = receive_packet(ch->watch.fd, MSG_DONTWAIT, packet, &n, &fd);

	if (st == ST_AGAIN)
		return false;
	if (st != ST_OK || !parse_head(view_make(packet, n), fd, &rec) ||
	    (ch->allowed && !ch->allowed(ch, &rec))) {
		if (fd >= 0)
			close(fd);
		lost(ch);
		return false;
	}
	if (rec.call == 0 || !call_answer(ch, &rec))
		ch->receive(ch, &rec);
	return true;
}

static void channel_ready(struct watch *w, uint32_t events)
{
	struct channel *ch = (struct channel *)((char *)w - offsetof(struct channel, watch));

	if (events & EPOLLOUT)
		flush_out(ch);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	/* A handler may close the channel or free it: `gone` says so by fd. */
	for (int i = 0; i < RECORDS_A_TURN; i++)
		if (!take_one(ch) || !channel_is_open(ch))
			return;
}

enum status channel_open(struct channel *ch, struct loop *l, int fd)
{
	enum status st;

	ch->loop = l;
	ch->watch = (struct watch){ .fd = fd, .ready = channel_ready };
	ch->calls = NULL;
	ch->out = NULL;
	ch->out_end = &ch->out;
	ch->out_bytes = 0;
	st = loop_watch(l, &ch->watch, EPOLLIN);
	if (st != ST_OK) {
		close(fd);
		ch->watch.fd = -1;
	}
	return st;
}

void channel_close(struct channel *ch)
{
	if (!channel_is_open(ch))
		return;
	loop_unwatch(ch->loop, &ch->watch);
	close(ch->watch.fd);
	ch->watch.fd = -1;
	while (ch->out) {
		struct queued *q = ch->out;

		ch->out = q->next;
		if (q->fd >= 0)
			close(q->fd);
		free(q);
	}
	ch->out_end = &ch->out;
	ch->out_bytes = 0;
	while (ch->calls)
		call_finish(ch, ch->calls, ST_CLOSED);
}

void channel_drain(struct channel *ch)
{
	while (channel_is_open(ch) && take_one(ch))
		;
	channel_close(ch);
}

static enum status queue_out(struct channel *ch, const struct buf *b, int fd)
{
	struct queued *q;

	if (ch->out_bytes + b->n > CHANNEL_BACKLOG)
		return ST_LIMIT;
	q = malloc(sizeof *q + b->n);
	if (q == NULL)
		return ST_NOMEM;
	*q = (struct queued){ .fd = -1, .n = b->n };
	memcpy(q->bytes, b->p, b->n);
	if (fd >= 0 && (q->fd = dup(fd)) < 0) {
		free(q);
		return ST_NOMEM;
	}
	*ch->out_end = q;
	ch->out_end = &q->next;
	ch->out_bytes += q->n;
	return loop_watch(ch->loop, &ch->watch, EPOLLIN | EPOLLOUT);
}

enum status channel_send(struct channel *ch, const struct buf *b, int fd)
{
	enum status st;

	if (!channel_is_open(ch))
		return ST_CLOSED;
	if (b->st != ST_OK)
		return b->st;
	if (b->n > RECORD_MAX)
		return ST_LIMIT;
	if (ch->out)
		return queue_out(ch, b, fd);
	st = send_packet(ch->watch.fd, b->p, b->n, fd);
	return st == ST_AGAIN ? queue_out(ch, b, fd) : st;
}

/* ---- without a loop ---- */

enum status record_read_blocking(int fd, struct buf *b, struct record *ret_rec)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep, got = -1;
	size_t n;
	char *p;
	enum status st;

	buf_clear(b);
	st = buf_reserve(b, RECORD_MAX, &p);
	if (st != ST_OK)
		return st;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		return ST_NOMEM;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	while ((st = receive_packet(fd, MSG_DONTWAIT, p, &n, &got)) == ST_AGAIN)
		epoll_wait(ep, &ev, 1, -1);
	close(ep);
	if (st != ST_OK)
		return st;
	b->n = n;
	if (!parse_head(buf_view(b), got, ret_rec)) {
		if (got >= 0)
			close(got);
		return ST_SYNTAX;
	}
	return ST_OK;
}

enum status record_write_blocking(int fd, const struct buf *b, int pass_fd)
{
	enum status st;

	if (b->st != ST_OK)
		return b->st;
	while ((st = send_packet(fd, b->p, b->n, pass_fd)) == ST_AGAIN)
		usleep(1000);
	return st;
}
