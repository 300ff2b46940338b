/* pop3.h - a person's POP3 session from the login on (RFC 1939 5 and 6).
 * Runs in room.
 *
 * The room opens a session with the descriptor and the record that the door
 * gave it; the session answers the login, serves itself on the loop, and
 * `ended` is called once, on the loop's stack, after which it is gone.  POP3
 * sessions are short and are never parked.
 *
 * One session at a time has the maildrop (RFC 1939 4): a second one hears
 * -ERR [IN-USE] (RFC 2449 8.1.1) and ends.  The maildrop is INBOX as it was at
 * the login: letters that come later wait for the next session, letters that
 * somebody else removes meanwhile are -ERR when they are asked for.  What is
 * deleted is deleted at QUIT, and only then.
 *
 * Limits: pop3.timeout; lines of POP3_LINE_MAX; what a session holds is 32
 * octets a message.
 */
#ifndef WAXWING_MS_POP3_POP3_H
#define WAXWING_MS_POP3_POP3_H

#include "base/loop.h"
#include "conf/conf.h"
#include "ms/store.h"
#include "wire/session.h"

struct pop3_session;

/* What the room lends to every session. */
struct pop3_host {
	struct loop *loop;
	struct store *store;
	const struct conf *conf;
	void *room;
	void (*ended)(void *room, uint64_t sid);
	/* ---- ours ---- */
	struct pop3_session *sessions;
	struct pop3_session *holder;	/* who has the maildrop */
	bool stopping;
};

/* Owns fd from now on; on failure it is closed and ended is not called.  The
 * session may be over before this returns ST_OK.
 * ST_NOMEM, ST_IO. */
enum status pop3_session_open(struct pop3_host *host, int fd, const struct session_state *state,
			      struct view pending) MUST_USE;

/* The server stops: every session hears it and ends, and nothing that it had
 * marked is deleted. */
void pop3_sessions_stop(struct pop3_host *host);

#endif
