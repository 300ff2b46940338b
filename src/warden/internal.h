/* internal.h - what the files of warden share. */
#ifndef WAXWING_WARDEN_INTERNAL_H
#define WAXWING_WARDEN_INTERNAL_H

#include "directory/directory.h"
#include "role/role.h"
#include "warden/guess.h"
#include "warden/keys.h"
#include "warden/pool.h"
#include "warden/remember.h"
#include "warden/ticket.h"

enum { DOORS_MAX = 64 };

struct warden {
	struct role_process proc;
	struct directory *directory;
	struct channel doors[DOORS_MAX];
	uint64_t door_came[DOORS_MAX];	/* which of its channels: grows */
	struct channel queue;
	struct buf out, targets;
	struct keys *keys;
	bool keys_bad;		/* of the list that is coming */
	struct logins {
		struct pool *pool;
		struct remember remember;
		struct guesses guesses;
		struct mac tickets;
		struct buf dummy;	/* the verifier of those whom we do not know */
		size_t in_hand;
	} logins;
};

/* login.c: is this password right?  keys: the folder, open. */
enum status logins_open(struct warden *w, int keys) MUST_USE;
/* Settings were read again. */
void logins_settings(struct warden *w);

/* Answers to doors; `rec` lasts until they return. */
void login_ask(struct warden *w, struct channel *ch, const struct record *rec);
void room_ask(struct warden *w, struct channel *ch, const struct record *rec);

/* tls.c */
void certificate_ask(struct warden *w, struct channel *ch, const struct record *rec);
void sign_ask(struct warden *w, struct channel *ch, const struct record *rec);
void ticket_key_ask(struct warden *w, struct channel *ch, const struct record *rec);
/* The parent gives a certificate or a key. */
void key_file(struct warden *w, const struct record *rec);

#endif
