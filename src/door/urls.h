/* urls.h - what IMAP URLs name (RFC 4468), for who has logged in to hand in
 * letters: warden is asked whether he still may, the parent gives a channel to
 * his room, and the room alone decides.  Runs in door; waits, on the
 * coroutine of the session.
 */
#ifndef WAXWING_DOOR_URLS_H
#define WAXWING_DOOR_URLS_H

#include "base/ipc.h"
#include "mta/in/session.h"

struct url_waiter;

/* One a door. */
struct urls {
	struct loop *loop;
	struct channel *warden;
	const bool *stopping;
	struct url_waiter *waiting;
};

/* VERDICT_OK: all of it was put.  Else as url_answer has it, and some of it may
 * have been put; NO also where the login is no longer good. */
enum verdict urls_fetch(struct urls *u, const struct url_request *what);

/* Of the parent: a channel for that session, or none (-1).  Owns fd. */
void urls_channel(struct urls *u, uint64_t sid, int fd);

#endif
