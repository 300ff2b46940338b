/* internal.h - what the files of the door's logins share. */
#ifndef WAXWING_DOOR_LOGIN_INTERNAL_H
#define WAXWING_DOOR_LOGIN_INTERNAL_H

#include "base/arena.h"
#include "door/login/people.h"
#include "wire/carry.h"
#include "wire/imap.h"
#include "wire/prove.h"
#include "wire/session.h"

enum phase { PERSON_HANDSHAKE, PERSON_LOGIN, PERSON_MOVING, PERSON_IN_ROOM, PERSON_PARKED };

/* Why somebody has to go; each protocol says it in its own words. */
enum bye {
	BYE_STOPPING,		/* the server stops */
	BYE_LATE,		/* silent for too long */
	BYE_ERRORS,		/* too many wrong commands */
	BYE_GUESSING,		/* too many wrong passwords */
	BYE_ROOM,		/* his room died, or cannot be had */
	BYE_TICKET,		/* the password has changed, or the account is gone */
	BYE_COUNT,
};

/* The way in, of one protocol; a const table each. */
struct front {
	const char *alpn;
	void (*greet)(struct person *p);
	/* One line or so of the person.  False when more must come first. */
	bool (*step)(struct person *p);
	const char *const *byes;	/* its words for each enum bye */
};
extern const struct front imap_front, pop3_front;

/* All that is forgotten when the login is done. */
struct login {
	struct imap_reader reader;
	struct arena arena;	/* of one command */
	struct proving proving;
	bool in_sasl;
	struct buf challenge;
	struct buf tag;		/* IMAP: of AUTHENTICATE */
	struct buf name;	/* POP3: of USER */
	char stamp[128];	/* POP3: of the greeting, for APOP */
	bool utf8;		/* POP3: UTF8 was said */
	unsigned errors;
};

/* A channel to a room; it lives until the other side is gone, also when a
 * newer one has taken its place, since sessions may come back by it. */
struct room_link {
	struct channel ch;
	struct door_room *room;
	bool left;		/* the room is leaving: nothing new goes there */
};

/* What we know of one account's room. */
struct door_room {
	uint64_t account;
	struct people *host;
	struct room_link *link;	/* NULL: none that may be used */
	unsigned links;		/* those that are open, this one too */
	bool opening;		/* asked for */
	struct person *people;	/* of this account, from move to end */
	struct mover *waiting;
};

struct person {
	struct conn conn;
	struct people *host;
	const struct front *front;
	uint64_t sid;
	enum service service;
	enum phase phase;
	bool greeted, loopback;
	bool starts_tls;	/* STARTTLS was answered */
	bool wake;		/* parked: go to the room though no byte came */
	bool last_words;	/* when what is in out is sent, it is over */
	struct login *login;	/* until he is in */
	char *peer;
	/* ---- from the login on ---- */
	uint64_t account;
	struct buf ticket, state;	/* the session record, encoded */
	bool fresh;		/* the ticket was given just now */
	struct door_room *room;
	struct person *next, **prev;	/* in room->people */
	struct room_link *link;	/* IN_ROOM: where */
	struct buf carry;	/* read, not used, and in front of all that comes */
	struct carry pair;	/* TLS: to and from the room */
	int spare;		/* TLS: the room's end, sent back as it was; else -1 */
	/* ---- parked ---- */
	bool idles;
	uint64_t mailbox, modseq;
};

static inline struct person *person_of(struct conn *c)
{
	return (struct person *)c;
}

static inline bool person_safe(const struct person *p)
{
	return conn_has_tls(&p->conn) || p->host->conf->login_clear_text;
}

static inline bool person_may_start_tls(const struct person *p)
{
	return !conn_has_tls(&p->conn) && p->host->tls && tls_ready(p->host->tls);
}

/* May he log in at all, be it by what shows no secret? */
static inline bool person_may_begin(const struct person *p)
{
	return person_safe(p) || p->host->conf->login_without_tls;
}

/* person.c */
void person_log(const struct person *p, const char *event, const char *why);
/* Say goodbye and end; works in every phase, on any stack. */
void person_bye(struct person *p, enum bye why);
/* What waits in out is sent, then it is over. */
void person_finish(struct person *p);
/* One more wrong command; ends it when there were too many. */
void person_error(struct person *p);
/* A fresh proof; what it needs to know of the connection is set. */
struct proving *person_proving(struct person *p);
/* What this connection can log in with. */
void person_offer(const struct person *p, struct sasl_offer *ret);
/* After warden's word: VERDICT_OK: account and ticket are the person's from
 * now on, and person_enter must follow. */
enum verdict person_proved(struct person *p);
/* Does this connection lack what the operator demands?  Why, or NULL. */
const char *person_lacks(const struct person *p);
/* For the serving coroutine: he is in; off to his room.  tag: IMAP. */
void person_enter(struct person *p, struct view tag);

/* rooms.c */
void rooms_join(struct person *p, struct door_room *room);
struct door_room *rooms_get(struct people *h, uint64_t account);
void rooms_leave(struct person *p);
/* For the serving coroutine: hand the session over; on failure it says why
 * and ends it. */
void rooms_move(struct person *p);

#endif
