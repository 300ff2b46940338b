/* people.h - persons at the door: IMAP and POP3 from the greeting to the end.
 *
 *     HANDSHAKE ─▶ LOGIN ─▶ MOVING ─▶ IN_ROOM ─▶ (end)
 *                             ▲           │
 *                             └─ PARKED ◀─┘
 *
 * The door speaks with a person until he has logged in; then his session goes
 * to the room of his account: his own socket where it is plain, or one end of
 * a pair whose other end we carry to and from his TLS.  A session with
 * nothing to do comes back and is parked: this struct, its record and the
 * socket in epoll, and no process.  Bytes or a change of its mailbox send it
 * back.
 *
 * The door keeps the socket open all the time, so that a person is counted
 * once, and hears BYE when his room dies.
 */
#ifndef WAXWING_DOOR_LOGIN_PEOPLE_H
#define WAXWING_DOOR_LOGIN_PEOPLE_H

#include "base/map.h"
#include "conf/conf.h"
#include "ipc/records.h"
#include "wire/conn.h"
#include "wire/tls.h"

struct person;

/* What the door lends to every person. */
struct people {
	struct loop *loop;
	const struct conf *conf;
	struct channel *warden, *parent;
	struct tls *tls;
	const bool *stopping;
	const bool *tokens;	/* warden can check those of an issuer */
	void (*ended)(void *door, uint64_t sid);	/* one is gone */
	void *door;
	/* ---- our own ---- */
	struct map by_sid;	/* struct person */
	struct map rooms;	/* account -> struct door_room */
	size_t n;
	struct buf out;
};

/* Owns fd from now on; on failure it is closed and ended is not called.
 * loopback: PLAIN and LOGIN are no more dangerous without TLS than with.
 * ST_NOMEM, ST_IO. */
enum status person_open(struct people *h, enum service service, int fd, const char *peer, bool loopback,
			uint64_t sid) MUST_USE;

void people_begin(struct people *h);

/* BYE to all who are with us; those in rooms hear it there.  h->n is 0, and
 * ended was called, when the last is gone. */
void people_stop(struct people *h);

/* Of the parent: a channel to a room, or none. */
void people_room_channel(struct people *h, uint64_t account, int fd);
void people_room_failed(struct people *h, uint64_t account);

#endif
