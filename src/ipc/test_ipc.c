/* Channels against a peer that was taken over, coroutines that wait on them,
 * and the loop beneath. */
#include "base/co.h"
#include "ipc/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* We are the queue; the peer says that it is a door. */
struct here {
	struct loop *loop;
	struct channel ch;
	int peer;		/* the forger's end, without any of our code */
	unsigned heard, gone;
	int fd;			/* the last that came */
	enum status asked;
	unsigned turns;
};

static void receive(struct channel *ch, struct record *rec)
{
	struct here *h = ch->owner;

	h->heard++;
	if (rec->fd >= 0) {
		if (h->fd >= 0)
			close(h->fd);
		h->fd = rec->fd;
	}
}

static void gone(struct channel *ch)
{
	((struct here *)ch->owner)->gone++;
}

static struct here *begin(void)
{
	static struct here h;
	int fds[2];

	h = (struct here){ .fd = -1 };
	assert_int_equal(loop_new(&h.loop), ST_OK);
	assert_int_equal(channel_pair(fds), ST_OK);
	h.ch = (struct channel){ .receive = receive, .gone = gone, .allowed = record_allowed, .owner = &h,
				 .self = ROLE_QUEUE, .peer = ROLE_DOOR };
	assert_int_equal(channel_open(&h.ch, h.loop, fds[0]), ST_OK);
	h.peer = fds[1];
	return &h;
}

static void end(struct here *h)
{
	channel_close(&h->ch);
	loop_free(h->loop);
	if (h->peer >= 0)
		close(h->peer);
	if (h->fd >= 0)
		close(h->fd);
}

static void stop(struct timer *t)
{
	(void)t;
}

/* Some turns of the loop, a millisecond each at most. */
struct ending {
	struct timer timer;
	struct loop *loop;
};

static void stop_loop(struct timer *t)
{
	loop_stop(((struct ending *)t)->loop);
}

static void turn(struct here *h)
{
	struct ending e = { { .fire = stop_loop }, h->loop };

	assert_int_equal(loop_timer(h->loop, &e.timer, clock_steady() + 20), ST_OK);
	loop_run(h->loop);
}

static void say(struct here *h, uint16_t type, size_t n, int fd)
{
	struct buf b = BUF(RECORD_MAX * 2);
	static const char zeros[RECORD_MAX];

	record_begin(&b, type, 0, 0);
	buf_put(&b, view_make(zeros, n));
	assert_int_equal(record_write_blocking(h->peer, &b, fd), ST_OK);
	buf_free(&b);
}

/* What a door may say to the queue is heard; all else ends the channel. */
static void test_only_what_the_table_allows(void **state)
{
	unsigned allowed = 0;

	(void)state;
	for (unsigned type = 0; type < REC_COUNT + 3; type++) {
		struct here *h = begin();

		say(h, (uint16_t)type, 64, -1);
		turn(h);
		assert_int_equal(h->heard + h->gone, 1);
		assert_int_equal(channel_is_open(&h->ch), h->heard);
		if (h->heard) {
			allowed++;
			assert_true(type == REC_letter);
		}
		end(h);
	}
	assert_int_equal(allowed, 1);
}

static void test_descriptors_only_where_they_may(void **state)
{
	int fd = open("/dev/null", O_RDONLY);
	struct here *h = begin();
	int before;

	(void)state;
	say(h, REC_letter, 64, fd);
	turn(h);
	assert_int_equal(h->heard, 1);
	assert_true(h->fd >= 0);
	end(h);
	/* Where none may be, it is closed, and the channel too. */
	h = begin();
	h->ch.self = ROLE_DOOR;
	h->ch.peer = ROLE_QUEUE;
	before = dup(fd);
	close(before);
	say(h, REC_letter_kept, 16, fd);
	turn(h);
	assert_int_equal(h->gone, 1);
	assert_int_equal(h->heard, 0);
	assert_int_equal(fcntl(before, F_GETFD), -1);
	end(h);
	close(fd);
}

/* The first n of three, all at once. */
static void say_descriptors(struct here *h, size_t n)
{
	static const int fds[3] = { 0, 1, 2 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof fds)];
	} control = { 0 };
	char head[RECORD_HEAD] = { (char)REC_letter };
	struct iovec iov = { head, sizeof head };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(h->peer, &m, 0), sizeof head);
}

/* None of them stays with us: else a peer fills our table. */
static void test_several_descriptors(void **state)
{
	(void)state;
	for (size_t n = 2; n <= 3; n++) {
		struct here *h = begin();
		int after, before = dup(0);

		say_descriptors(h, n);
		turn(h);
		assert_int_equal(h->gone, 1);
		assert_int_equal(h->heard, 0);
		/* Ours is closed by that; one that stayed would have the next number. */
		after = fcntl(0, F_DUPFD, before + 1);
		assert_int_equal(after, before + 1);
		close(after);
		close(before);
		end(h);
	}
}

static void test_cut_and_oversized(void **state)
{
	static const char big[RECORD_MAX + 1] = { (char)REC_letter };

	(void)state;
	for (size_t n = 1; n < RECORD_HEAD; n++) {
		struct here *h = begin();

		assert_int_equal(send(h->peer, big, n, 0), (ssize_t)n);
		turn(h);
		assert_int_equal(h->gone, 1);
		assert_int_equal(h->heard, 0);
		end(h);
	}
	struct here *h = begin();

	assert_int_equal(send(h->peer, big, sizeof big, 0), (ssize_t)sizeof big);
	turn(h);
	assert_int_equal(h->gone, 1);
	end(h);
}

/* A peer that does not read: the backlog has an end, and what was taken
 * arrives in order when it reads again. */
static void test_backlog(void **state)
{
	struct here *h = begin();
	struct buf b = BUF(RECORD_MAX), got = BUF(RECORD_MAX);
	static const char zeros[64 * 1024];
	struct record rec;
	unsigned sent = 0, read = 0;
	enum status st;

	(void)state;
	do {
		record_begin(&b, REC_letter_kept, 0, sent);
		buf_put(&b, view_make(zeros, sizeof zeros));
		st = channel_send(&h->ch, &b, -1);
		sent += st == ST_OK;
	} while (st == ST_OK && sent < 1000);
	assert_int_equal(st, ST_LIMIT);
	assert_true(sent >= CHANNEL_BACKLOG / sizeof zeros / 2 && sent < 200);
	while (read < sent) {
		assert_int_equal(record_read_blocking(h->peer, &got, &rec), ST_OK);
		assert_int_equal(rec.sid, read++);
		turn(h);
	}
	assert_true(channel_is_open(&h->ch));
	assert_null(h->ch.out);
	buf_free(&b);
	buf_free(&got);
	end(h);
}

/* ---- asking ---- */

static void ask(void *arg)
{
	struct here *h = arg;
	struct buf b = BUF(256), answer = BUF(256);
	uint16_t type;

	record_begin(&b, REC_letter_kept, 0, 0);
	h->asked = channel_ask(&h->ch, &b, -1, h->turns, &answer, &type, NULL);
	buf_free(&b);
	buf_free(&answer);
}

static void test_ask(void **state)
{
	struct here *h = begin();

	(void)state;
	/* Nobody answers. */
	h->turns = 5;
	h->asked = ST_AGAIN;
	assert_int_equal(co_start(ask, h), ST_OK);
	turn(h);
	turn(h);
	assert_int_equal(h->asked, ST_TIMEOUT);
	assert_null(h->ch.calls);
	/* The peer dies over it. */
	h->turns = 60000;
	h->asked = ST_AGAIN;
	assert_int_equal(co_start(ask, h), ST_OK);
	close(h->peer);
	h->peer = -1;
	turn(h);
	assert_int_equal(h->asked, ST_CLOSED);
	assert_int_equal(h->gone, 1);
	assert_int_equal(co_live(), 0);
	end(h);
}

/* What came before the peer died is still heard, and then it is closed. */
static void test_drain(void **state)
{
	struct here *h = begin();

	(void)state;
	say(h, REC_letter, 64, -1);
	say(h, REC_letter, 64, -1);
	close(h->peer);
	h->peer = -1;
	channel_drain(&h->ch);
	assert_int_equal(h->heard, 2);
	assert_false(channel_is_open(&h->ch));
	end(h);
}

/* ---- the loop ---- */

static void test_timers_fire_in_order(void **state)
{
	enum { N = 200 };
	struct here *h = begin();
	struct timer t[N] = { 0 };
	steady_ms now = clock_steady();

	(void)state;
	for (size_t i = 0; i < N; i++) {
		t[i].fire = stop;
		assert_int_equal(loop_timer(h->loop, &t[i], now + 1000 + (i * 7919) % N), ST_OK);
	}
	for (size_t i = 0; i < N; i += 2)
		loop_timer_clear(h->loop, &t[i]);
	for (size_t i = 1; i < N; i += 2)
		assert_int_equal(loop_timer(h->loop, &t[i], now), ST_OK);
	turn(h);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(t[i].slot, 0);
	end(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_the_table_allows),
		cmocka_unit_test(test_descriptors_only_where_they_may),
		cmocka_unit_test(test_several_descriptors),
		cmocka_unit_test(test_cut_and_oversized),
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_timers_fire_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
