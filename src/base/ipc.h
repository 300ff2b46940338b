/* ipc.h - channels: typed records between our own processes.
 *
 * A channel is one end of a SOCK_SEQPACKET pair.  A record is one packet:
 *
 *     0       2       4               8               16
 *     +-------+-------+---------------+---------------+---- ... ----+
 *     | type  | 0     | call          | sid           | fields      |
 *     +-------+-------+---------------+---------------+---- ... ----+
 *
 * little endian, and at most one descriptor beside it.  `call` is 0 for a
 * record that wants no answer; an answer bears the call of its question.
 * `sid` is the session (or 0) that the log lines of both sides name.
 *
 * Which records exist, who may send them to whom, and what they hold is the
 * one table in ipc/records.def; this file only carries bytes.  A record that
 * the table does not allow on a channel closes the channel: our processes do
 * not trust each other.
 *
 * Limits: RECORD_MAX bytes a record; CHANNEL_BACKLOG bytes wait for a slow
 * reader before senders wait too.
 */
#ifndef WAXWING_BASE_IPC_H
#define WAXWING_BASE_IPC_H

#include "base/buf.h"
#include "base/cursor.h"
#include "base/loop.h"

enum { RECORD_HEAD = 16, RECORD_MAX = 96 * 1024, CHANNEL_BACKLOG = 4 * 1024 * 1024 };

struct record {
	uint16_t type;
	uint32_t call;
	uint64_t sid;
	struct view body;	/* borrowed: valid until the handler returns */
	int fd;			/* -1, or a descriptor that the handler now owns */
};

struct channel {
	struct watch watch;
	struct loop *loop;
	/* A record came that answers no call.  Owner of rec->fd is the handler. */
	void (*receive)(struct channel *ch, struct record *rec);
	/* The other side is gone, or broke the rules; the channel is closed and
	 * all calls have been answered ST_CLOSED.  May free the channel. */
	void (*gone)(struct channel *ch);
	/* Is this record allowed here?  From ipc/records.h. */
	bool (*allowed)(const struct channel *ch, const struct record *rec);
	void *owner;		/* whoever opened it */
	uint64_t peer_id;	/* whom it leads to, in the opener's own terms */
	uint8_t self, peer;	/* roles */
	uint32_t next_call;
	struct ipc_call *calls;	/* coroutines that wait for an answer */
	struct queued *out, **out_end;
	size_t out_bytes;
};

/* Takes ownership of fd.  self and peer are roles of ipc/records.h. */
enum status channel_open(struct channel *ch, struct loop *l, int fd) MUST_USE;

/* Closes, wakes all that wait; not gone().  Safe on a closed one. */
void channel_close(struct channel *ch);

/* Handles what has come already, then closes: for a channel whose other side
 * has died and whose successor is there.  May call gone(). */
void channel_drain(struct channel *ch);

static inline bool channel_is_open(const struct channel *ch)
{
	return ch->watch.fd >= 0;
}

/* Begin a record in b: header, then the caller puts the fields. */
void record_begin(struct buf *b, uint16_t type, uint32_t call, uint64_t sid);

/* Send what b holds.  fd (or -1) is duplicated by the kernel; the caller
 * keeps its own.  Queues when the socket is full.  ST_CLOSED, ST_LIMIT
 * (backlog full), ST_NOMEM. */
enum status channel_send(struct channel *ch, const struct buf *b, int fd) MUST_USE;

/* For a coroutine: send a question and wait for its answer, whose body is
 * copied into answer and whose fd (or -1) becomes the caller's.
 * b was begun with call 0; the call number is set here.
 * ST_CLOSED when the other side dies meanwhile, ST_TIMEOUT. */
enum status channel_ask(struct channel *ch, struct buf *b, int fd, uint64_t timeout_ms,
			struct buf *answer, uint16_t *ret_type, int *ret_fd) MUST_USE;

/* A pair of connected ends, close-on-exec. */
enum status channel_pair(int ret_fds[2]) MUST_USE;

/* Blocking forms for a process that has no loop yet (start-up, commands). */
enum status record_read_blocking(int fd, struct buf *b, struct record *ret_rec) MUST_USE;
enum status record_write_blocking(int fd, const struct buf *b, int pass_fd) MUST_USE;

#endif
