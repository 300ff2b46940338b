/* imap.h - a person's IMAP session (RFC 9051, RFC 3501).  Runs in room.
 *
 * The room opens a session with the descriptor and the record that the door
 * gave it.  From then on the session serves itself on the loop, until exactly
 * one of these is called, on the loop's stack, after which it is gone:
 *
 *     park    it has nothing to do (IDLE, or silence).  Its record, its
 *             descriptor and the bytes read but not used go back to the door,
 *             who holds them until bytes come; and, where the record says
 *             SESSION_IDLE, until its mailbox changes.  The views are valid
 *             during the call; the descriptor is the callee's from then on.
 *     ended   it is over; the descriptor is closed.
 *
 * A record with SESSION_FRESH comes straight from the login: the room answers
 * the login's tag ("TAG OK [CAPABILITY ...] Logged in").
 *
 * Limits: imap.line, imap.literal, imap.timeout.  What a session of a loaded
 * mailbox holds: four octets a message.
 */
#ifndef WAXWING_MS_IMAP_IMAP_H
#define WAXWING_MS_IMAP_IMAP_H

#include "base/loop.h"
#include "conf/conf.h"
#include "ms/store.h"
#include "wire/session.h"

struct imap_session;

/* What the room lends to every session.  One a room; sessions is ours. */
struct imap_host {
	struct loop *loop;
	struct store *store;
	const struct conf *conf;
	void *room;
	void (*ended)(void *room, uint64_t sid);
	void (*park)(void *room, const struct session_state *state, int fd, struct view pending);
	struct imap_session *sessions;
};

/* Owns fd from now on.  pending: bytes that the door read and did not use.
 * On failure fd is closed and neither park nor ended is called; the session
 * may be over (one of the two was called) before this returns ST_OK.
 * ST_NOMEM, ST_IO, ST_SYNTAX (the record makes no sense). */
enum status imap_session_open(struct imap_host *host, int fd, const struct session_state *state,
			      struct view pending) MUST_USE;

/* The server stops: say BYE to every session, and end them soon. */
void imap_sessions_stop(struct imap_host *host);

#endif
