/* Connections whose descriptor another process has too, and has changed: none
 * may hold up the loop.  A test that hangs ends by SIGALRM. */
#include "wire/carry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { HUNG_S = 20, TURN_MS = 20, MUCH = 4 * 1024 * 1024 };

struct client {
	struct conn conn;
	struct loop *loop;
	struct timer end;
	size_t got;
	bool over;
};

/* An echo of much for each byte. */
static void serve(struct conn *c)
{
	static const char zeros[MUCH];
	struct client *l = (struct client *)c;

	while (conn_fill(c) == ST_OK) {
		l->got += conn_view(c).n;
		conn_take(c, conn_view(c).n);
		buf_put(conn_out(c), view_make(zeros, sizeof zeros));
		if (conn_flush(c) != ST_OK)
			return;
	}
}

static void late(struct conn *c)
{
	(void)c;
}

static void ended(struct conn *c)
{
	((struct client *)c)->over = true;
}

static void stop(struct timer *t)
{
	loop_stop(((struct client *)((char *)t - offsetof(struct client, end)))->loop);
}

static void turn(struct client *l)
{
	l->end.fire = stop;
	assert_int_equal(loop_timer(l->loop, &l->end, clock_steady() + TURN_MS), ST_OK);
	loop_run(l->loop);
}

/* Both ends block: so the other process has left ours. */
static void a_socket_that_blocks_is_not_waited_for(void **state)
{
	struct client l = { .conn = { .serve = serve, .late = late, .ended = ended, .patience = 60000 } };
	/* As much as is asked for at a time, so that it is asked for again. */
	static const char step[16 * 1024];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(loop_new(&l.loop), ST_OK);
	assert_int_equal(conn_open(&l.conn, l.loop, fds[0]), ST_OK);
	assert_int_equal(send(fds[1], step, sizeof step, 0), sizeof step);
	turn(&l);
	assert_int_equal(l.got, sizeof step);
	assert_false(l.over);
	/* It waits until the other side reads, and others run meanwhile. */
	assert_true(l.conn.waiting != NULL);
	close(fds[1]);
	turn(&l);
	assert_true(l.over);
	loop_free(l.loop);
}

static void answer(struct conn *c)
{
	struct client *l = (struct client *)c;

	while (conn_fill(c) == ST_OK) {
		l->got += conn_view(c).n;
		conn_take(c, conn_view(c).n);
		buf_puts(conn_out(c), "answer");
	}
}

/* A connection on which four bytes came. */
static void begin_with_last(struct client *l, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(loop_new(&l->loop), ST_OK);
	assert_int_equal(conn_open(&l->conn, l->loop, fds[0]), ST_OK);
	assert_int_equal(send(fds[1], "last", 4, 0), 4);
}

/* Both are one event, and no other comes: but it ends, when what came is answered. */
static void an_end_that_comes_with_the_last_bytes_is_seen(void **state)
{
	struct client l = { .conn = { .serve = answer, .late = late, .ended = ended, .patience = 60000 } };
	char said[16];
	int fds[2];

	(void)state;
	begin_with_last(&l, fds);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	turn(&l);
	assert_int_equal(l.got, 4);
	assert_true(l.over);
	assert_int_equal(recv(fds[1], said, sizeof said, 0), 6);
	close(fds[1]);
	loop_free(l.loop);
}

/* Thinks for a while before each answer. */
static void answer_late(struct conn *c)
{
	while (conn_fill(c) == ST_OK) {
		conn_take(c, conn_view(c).n);
		loop_sleep(c->loop, 2 * TURN_MS);
		buf_puts(conn_out(c), "answer");
	}
}

static void an_end_that_comes_before_the_answer_does_not_take_it(void **state)
{
	struct client l = { .conn = { .serve = answer_late, .late = late, .ended = ended, .patience = 60000 } };
	char said[16];
	int fds[2];

	(void)state;
	begin_with_last(&l, fds);
	turn(&l);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	for (int i = 0; i < 200 && !l.over; i++)
		turn(&l);
	assert_true(l.over);
	assert_int_equal(recv(fds[1], said, sizeof said, 0), 6);
	close(fds[1]);
	loop_free(l.loop);
}

static void what_nobody_has_read_is_taken_from_a_socket_alone(void **state)
{
	struct buf out = BUF(64);
	int fds[2], pipes[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "no", 2), 2);
	assert_int_equal(send(fds[1], "yes", 3, 0), 3);
	carry_unread(fds[0], &out);	/* fds[1] is open: a read would wait */
	carry_unread(pipes[0], &out);
	assert_true(view_eq(buf_view(&out), VIEW("yes")));
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(pipes[i]);
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_blocks_is_not_waited_for),
		cmocka_unit_test(an_end_that_comes_with_the_last_bytes_is_seen),
		cmocka_unit_test(an_end_that_comes_before_the_answer_does_not_take_it),
		cmocka_unit_test(what_nobody_has_read_is_taken_from_a_socket_alone),
	};

	alarm(HUNG_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
