/* conn.h - one connection of a stranger or a person: socket, buffers, time.
 *
 * A conn sleeps until bytes come; then `serve` is called on a coroutine and
 * runs every complete command that is there, as straight-line code, and
 * returns when it needs more bytes.  While it runs it may wait (conn_flush,
 * channel_ask).  So a silent connection costs this struct and no stack, and
 * its buffers are given back.
 *
 * Limits: CONN_IN bytes are read ahead; conn_out refuses more than CONN_OUT
 * without a flush.  Time: `patience` of silence, then `late` is called (which
 * may say goodbye) and the connection ends.
 *
 * Owner: the embedding struct; `ended` is called last, on the loop's stack
 * with no coroutine running, and frees it.
 */
#ifndef WAXWING_WIRE_CONN_H
#define WAXWING_WIRE_CONN_H

#include "base/buf.h"
#include "base/loop.h"

enum { CONN_IN = 64 * 1024, CONN_OUT = 8 * 1024 * 1024 };

struct conn {
	struct watch watch;	/* watch.fd is the socket */
	struct loop *loop;
	struct buf in, out;
	size_t in_used;		/* bytes of in that were taken */
	struct timer timer;
	steady_ms deadline;
	uint64_t patience;	/* ms */
	struct co *waiting;	/* coroutine that waits for the socket */
	bool running;		/* a coroutine serves it */
	bool in_run;		/* it has not waited yet */
	bool look_again;	/* the timer stands for run(), not for the deadline */
	bool readable, writable;
	bool closing;		/* no more commands: flush and end */
	bool broken;		/* the other side is gone */
	bool timed_out;
	void (*serve)(struct conn *c);
	void (*late)(struct conn *c);
	void (*ended)(struct conn *c);
};

/* Takes the connected, non-blocking socket.  On failure it is closed.
 * ST_NOMEM, ST_IO. */
enum status conn_open(struct conn *c, struct loop *l, int fd) MUST_USE;

/* Run serve now, for the greeting; may end and free the connection. */
void conn_begin(struct conn *c);

/* The bytes read and not yet taken. */
static inline struct view conn_view(const struct conn *c)
{
	return view_make(c->in.p ? c->in.p + c->in_used : NULL, c->in.n - c->in_used);
}

/* Taken: n bytes of conn_view. */
void conn_take(struct conn *c, size_t n);

/* Read what is there without waiting.  ST_OK (at least one byte more),
 * ST_AGAIN, ST_CLOSED, ST_NOMEM, ST_LIMIT (CONN_IN bytes wait already). */
enum status conn_fill(struct conn *c) MUST_USE;

/* A whole line with its CRLF taken off; valid until the next conn_ call.
 * ST_AGAIN (no whole line yet), ST_LIMIT (longer than max; all of it so far
 * is thrown away), ST_CLOSED, ST_SYNTAX (bare LF or CR, or NUL). */
enum status conn_line(struct conn *c, size_t max, struct view *ret_line) MUST_USE;

static inline struct buf *conn_out(struct conn *c)
{
	return &c->out;
}

/* Write all of out; waits when the socket is full.  ST_CLOSED, ST_TIMEOUT. */
enum status conn_flush(struct conn *c) MUST_USE;

/* No more commands; what is in out is still sent. */
void conn_close(struct conn *c);

/* Somebody is active: move the deadline. */
void conn_alive(struct conn *c);

#endif
