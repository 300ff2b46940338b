/* session.h - the session record: all that a person's IMAP or POP3 session is
 * while nobody works on it.
 *
 * The door makes it at login and gives it to the room; the room gives it back
 * when the session is parked (IDLE, or long silence), and the door holds it,
 * some hundred bytes, until bytes come or its mailbox changes.  A parked
 * session holds no process.
 *
 * session_put and session_take are the only form; views are borrowed.
 */
#ifndef WAXWING_WIRE_SESSION_H
#define WAXWING_WIRE_SESSION_H

#include "base/buf.h"
#include "base/cursor.h"

enum { SESSION_MAX = 4096 };

enum {
	SESSION_TLS = 1 << 0,		/* the person came by TLS */
	SESSION_LOOPBACK = 1 << 1,
	SESSION_FRESH = 1 << 2,		/* just logged in: the room answers the login's tag */
	SESSION_IDLE = 1 << 3,		/* IMAP: in IDLE, its tag is `tag` */
	SESSION_READ_ONLY = 1 << 4,	/* IMAP: EXAMINE */
	SESSION_UTF8 = 1 << 5,		/* POP3: UTF8 was said */
};

/* Reasons of session_end. */
enum session_end {
	SESSION_OVER,		/* the person has heard why */
	SESSION_REFUSED,	/* it could not be taken: the door says so */
};

struct session_state {
	uint8_t service;	/* enum service */
	uint64_t sid;
	uint64_t account;
	struct view address;	/* the account's */
	struct view peer;	/* the person's network address, as text */
	uint32_t flags;		/* SESSION_* */
	struct view tag;	/* IMAP: of the login, or of IDLE */
	uint32_t enabled;	/* IMAP: ENABLEd extensions, bits of ms/imap */
	uint64_t mailbox;	/* IMAP: selected, 0: none */
	struct view mailbox_name;
	uint32_t uidvalidity, uidnext, exists;
	uint64_t modseq;	/* IMAP: the last the client was told of */
	struct view extra;	/* the room's own */
};

void session_put(struct buf *b, const struct session_state *s);
/* ST_SYNTAX */
enum status session_take(struct view bytes, struct session_state *ret) MUST_USE;

#endif
