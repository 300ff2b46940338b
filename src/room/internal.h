/* internal.h - what the files of the room share. */
#ifndef WAXWING_ROOM_INTERNAL_H
#define WAXWING_ROOM_INTERNAL_H

#include "base/map.h"
#include "mda/encrypt.h"
#include "ms/imap/imap.h"
#include "ms/pop3/pop3.h"
#include "ms/store.h"
#include "role/role.h"

enum { DOORS_MAX = 64 };

/* The sessions that we hold for doors. */
struct sessions {
	struct imap_host imap;
	struct pop3_host pop3;
	struct map doors;	/* sid -> the channel of its door */
	size_t n;
	struct store_watcher watcher;
};

/* A door that asks what a URL names; one, on its own channel. */
struct url_visit {
	struct channel ch;
	struct room *room;
	struct buf held;	/* what it names, until all of it was given */
	bool found;
	struct url_visit *next;
};

struct room {
	struct role_process proc;
	struct store *store;
	struct buf certificate;	/* ROLE_ENCRYPT_FILE, or empty */
	letter_encrypt *encrypt;
	struct channel queue;
	struct channel doors[DOORS_MAX];
	struct sessions sessions;
	struct url_visit *visits;
	uint32_t n_visits;
	struct turn_hook turn;
	struct timer idle;
	struct timer house;	/* when nothing came for a moment: what may wait */
	bool leaving;
	/* Who has not answered that yet: we may not go before. */
	struct {
		bool parent, queue;
		uint64_t doors;		/* set of 1 << index */
	} owing;
	struct buf out;
};

/* room.c: something happened; the time until we leave begins anew. */
void room_busy(struct room *r);
/* The last session is over. */
void room_no_sessions(struct room *r);

/* sessions.c.  When a door dies, those of its persons that came by TLS are
 * cut off and end by themselves; those whose own socket we hold go on, until
 * they would be parked. */
void sessions_begin(struct room *r);
/* `session` of a door.  Owns rec->fd. */
void sessions_take(struct room *r, struct channel *door, struct record *rec);
/* urls.c: a door asks by this channel.  Owns fd. */
void urls_take(struct room *r, int fd);
void urls_stop(struct room *r);

/* BYE to all; room_no_sessions follows when the last is gone. */
void sessions_stop(struct room *r);

#endif
