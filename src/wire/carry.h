/* carry.h - a conn's bytes to and from a descriptor: what stands between
 * somebody's TLS and whoever serves him in clear (his room, the HTTP
 * library).
 *
 * Each way stops reading while the other side does not take more: what is in
 * hand is bounded by CARRY_STEP and the sockets' own buffers.
 *
 * The owner's conn calls carry_serve from its `serve` and carry_drained from
 * its `drained`.  Owner: the embedding struct.
 */
#ifndef WAXWING_WIRE_CARRY_H
#define WAXWING_WIRE_CARRY_H

#include "wire/conn.h"

enum { CARRY_STEP = 16 * 1024 };

struct carry {
	struct watch pair;	/* our end; fd -1: none */
	struct conn *conn;
	/* The other end was closed and all that came of it is in conn->out or
	 * sent; or (broken) this cannot go on.  May close the conn. */
	void (*over)(struct carry *k, bool broken);
};

/* A fresh one, without a pair. */
void carry_init(struct carry *k, struct conn *c, void (*over)(struct carry *k, bool broken));

static inline bool carry_is_open(const struct carry *k)
{
	return k->pair.fd >= 0;
}

/* A pair of sockets, one watched from now on, the other the caller's.
 * ST_NOMEM, ST_IO. */
enum status carry_open(struct carry *k, int *ret_other) MUST_USE;

void carry_serve(struct carry *k);
void carry_drained(struct carry *k);

/* All that the other side has written goes into conn's out; then the pair is
 * closed and the conn paused. */
void carry_drain(struct carry *k);
void carry_close(struct carry *k);

/* What we gave to the pair and nobody has read goes behind out.  `other` is the
 * other end, or so another process says: what is no socket is not read, and
 * nothing is waited for. */
void carry_unread(int other, struct buf *out);

#endif
