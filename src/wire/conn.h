/* conn.h - one connection of a stranger or a person: socket, buffers, time.
 *
 * A conn sleeps until bytes come; then `serve` is called on a coroutine and
 * runs every complete command that is there, as straight-line code, and
 * returns when it needs more bytes.  While it runs it may wait (conn_flush,
 * channel_ask).  So a silent connection costs this struct and no stack, and
 * its buffers are given back.
 *
 * Bytes go through `io`: the plain socket, or TLS once conn_start_tls has
 * answered ST_OK (wire/tls.h).
 *
 * Limits: CONN_IN bytes are read ahead; conn_out refuses more than CONN_OUT
 * without a flush.  Time: `patience` of silence, and never later than
 * `latest`; then `late` is called (which may say goodbye) and the connection
 * ends.
 *
 * Who carries bytes between this and another descriptor, rather than running
 * commands, uses conn_pause, conn_push and `drained`.
 *
 * Owner: the embedding struct; `ended` is called last, on the loop's stack
 * with no coroutine running, and frees it.
 */
#ifndef WAXWING_WIRE_CONN_H
#define WAXWING_WIRE_CONN_H

#include "base/buf.h"
#include "base/loop.h"

enum { CONN_IN = 64 * 1024, CONN_OUT = 8 * 1024 * 1024 };

struct conn;
struct tls;

/* What carries the bytes.  None waits.  ST_AGAIN sets c->readable (read) or
 * c->writable (write) to false, until the descriptor is ready again. */
struct conn_io {
	/* At least one byte.  ST_AGAIN, ST_CLOSED. */
	enum status (*read)(struct conn *c, char *p, size_t n, size_t *ret_n);
	enum status (*write)(struct conn *c, const char *p, size_t n, size_t *ret_n);
	/* Goodbye, where nothing is broken, and give back. */
	void (*end)(struct conn *c);
};

struct conn {
	struct watch watch;	/* watch.fd is the socket */
	struct loop *loop;
	struct buf in, out;
	size_t in_used;		/* bytes of in that were taken */
	struct timer timer;
	steady_ms deadline;
	steady_ms latest;	/* no activity moves the deadline past this; 0: none */
	uint64_t patience;	/* ms */
	const struct conn_io *io;
	void *secret;		/* io's own: the state of TLS */
	struct tls *tls;	/* whose certificates it shows */
	const char *protocol;	/* its ALPN name */
	struct co *waiting;	/* coroutine that waits for the socket */
	const bool *waiting_for;	/* &readable or &writable */
	bool wants_client;	/* asks for the client's certificate, where that can be checked */
	bool running;		/* a coroutine serves it */
	bool in_run;		/* it has not waited yet */
	bool look_again;	/* the timer stands for run(), not for the deadline */
	bool readable, writable;
	bool hung_up;		/* the other side says nothing more: its end came, perhaps with its
				 * last bytes, and is read behind them once they are answered */
	bool read_wants_write;	/* TLS has to send before it can read on */
	bool paused;		/* serve is not called */
	bool lent;		/* another process has the socket */
	bool closing;		/* no more commands: flush and end */
	bool broken;		/* the other side is gone */
	bool timed_out;
	void (*serve)(struct conn *c);
	void (*late)(struct conn *c);
	void (*drained)(struct conn *c);	/* or NULL: what conn_push left is sent */
	void (*ended)(struct conn *c);
};

/* Takes the connected, non-blocking socket.  On failure it is closed.
 * ST_NOMEM, ST_IO. */
enum status conn_open(struct conn *c, struct loop *l, int fd) MUST_USE;

/* Run serve now, for the greeting; may end and free the connection. */
void conn_begin(struct conn *c);

/* The client's end.  A coroutine that holds a conn drives it from outside:
 * serve and late are not called, a time-out is what conn_wait answers.  When
 * it lets go, serve is called for what comes then (or has come), and the conn
 * ends by itself where it is closing or broken. */
void conn_hold(struct conn *c);
void conn_let_go(struct conn *c);

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

/* Write what can be written without waiting; also outside of coroutines.
 * The rest follows when the socket takes it, and then `drained` is called.
 * ST_OK (all is sent), ST_AGAIN, ST_CLOSED (the conn ends by itself). */
enum status conn_push(struct conn *c) MUST_USE;

/* Send out and then v, without copying v, as much as the socket takes without
 * waiting; *ret_n is how many bytes of v went.  Only for a plain socket.
 * ST_OK (all), ST_AGAIN, ST_CLOSED. */
enum status conn_send(struct conn *c, struct view v, size_t *ret_n) MUST_USE;

/* Give the socket away: the conn is over and `ended` is not called.  Bytes
 * read and not taken go behind `pending`.  No coroutine may run it and out
 * must be empty.  Only for a plain socket. */
int conn_release(struct conn *c, struct buf *pending);

/* While paused, serve is not called and nothing is read.  Going on may call
 * serve at once, and so end and free the connection.  Not from its serve. */
void conn_pause(struct conn *c, bool paused);

/* Another process has the socket from now on (it got a copy of the
 * descriptor): nothing is read, written or timed here, and the bytes read are
 * forgotten, until conn_return.  out must be empty.  conn_close still ends
 * it.  ST_NOMEM, ST_IO: the conn can only be closed. */
void conn_lend(struct conn *c);
enum status conn_return(struct conn *c) MUST_USE;

/* No more commands; what is in out is still sent. */
void conn_close(struct conn *c);

/* For a coroutine of this conn: wait until it can be read (or written), or
 * the deadline.  ST_OK, ST_TIMEOUT. */
enum status conn_wait(struct conn *c, const bool *readable_or_writable) MUST_USE;

/* Somebody is active: move the deadline. */
void conn_alive(struct conn *c);

/* Whatever is said, the connection ends in ms from now; 0 lifts that. */
void conn_limit(struct conn *c, uint64_t ms);

/* Another patience, from now on. */
void conn_patience(struct conn *c, uint64_t ms);

#endif
