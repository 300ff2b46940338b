/* store.h - the message store of one account.
 *
 * The journal (journal.h) is the truth: each change is one record
 * (change.h), and apply() carries a record out on the mailboxes in memory,
 * whose changed pages go into the SQL index.  The same apply() runs when a
 * change happens, when the index lags after a crash, and when the index is
 * made anew, so a rebuilt index is the same index.
 *
 * One process, one thread owns a store: the account's room (or waxwing(8)
 * while the server is stopped).  Rows are written behind (store_turn,
 * store_housekeeping), durability is store_flush.  Nothing is shown to a client
 * that could still be lost: whoever shows new messages, or answers OK to a
 * change, flushes first (store_flush costs nothing when nothing is dirty).
 *
 * Unless said otherwise a function returns ST_OK, ST_NOSPACE (disk or quota),
 * ST_NOMEM, ST_IO or ST_CORRUPT, and on failure nothing has changed.
 */
#ifndef WAXWING_MS_STORE_H
#define WAXWING_MS_STORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "ms/journal.h"

struct store;

/* ---- opening ---- */

/* Why a store was rebuilt, or what was found damaged; for the log. */
struct store_findings {
	bool rebuilt;
	uint64_t damaged;	/* places in the journal whose checksum is wrong */
	uint64_t replayed;	/* records that the index did not have yet */
};

struct store_settings {
	uint64_t segment_size;	/* store.segment */
	int64_t quota;		/* bytes, 0: none */
	uint64_t undelete_ms;	/* store.undelete */
};

/* Opens or makes the store in `folder`, with INBOX and the special-use
 * mailboxes (RFC 6154) Drafts, Sent, Trash, Junk, Archive when new.  The
 * folder is locked against a second opener (ST_EXISTS).  ST_DENIED. */
enum status store_open(const char *folder, const struct store_settings *settings, struct store **ret,
		       struct store_findings *ret_findings) MUST_USE;
void store_close(struct store *s);

/* End of a turn: tell the watchers; commit the rows where enough has come
 * together and is flushed (the index never knows what a power loss could take
 * from the journal). */
enum status store_turn(struct store *s) MUST_USE;

/* All that was written survives a power loss when this returns ST_OK. */
enum status store_flush(struct store *s) MUST_USE;

/* ---- mailboxes (RFC 9051 2.3.1, 6154) ---- */

enum special_use { USE_NONE, USE_INBOX, USE_DRAFTS, USE_SENT, USE_TRASH, USE_JUNK,
		    USE_ARCHIVE, USE_FLAGGED, USE_ALL };

enum {
	FLAG_SEEN = 1 << 0, FLAG_ANSWERED = 1 << 1, FLAG_FLAGGED = 1 << 2, FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	FLAG_SYSTEM = 0x1f,
	KEYWORD_BIT = 8,	/* keyword k of a mailbox is bit KEYWORD_BIT + k */
	KEYWORDS_MAX = 56,
	MAILBOX_NAME_MAX = 512,	/* octets of UTF-8, "/" between levels */
};

struct message {
	uint32_t uid;
	uint32_t size;		/* RFC822.SIZE, octets */
	uint64_t modseq;	/* RFC 7162 */
	uint64_t flags;
	wall_ms date;		/* INTERNALDATE */
	uint64_t body;		/* names the letter: copies share it */
	struct place at;
};

/* One mailbox as all sessions of the room share it.  messages is sorted by
 * uid and changes only within calls of this header; pointers into it last
 * until the next one that changes. */
struct mailbox {
	struct store *store;
	uint64_t id;
	struct view name;	/* UTF-8, normal form C; INBOX in capitals */
	enum special_use use;
	bool subscribed;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;	/* HIGHESTMODSEQ */
	struct message *messages;
	uint32_t n;
	uint64_t expunges;	/* grows when messages leave: sessions compare */
	struct view keywords[KEYWORDS_MAX];
	uint32_t n_keywords;
	uint32_t users;		/* mailbox_open minus mailbox_release */
	bool deleted;		/* it is gone; its users notice at their next command */
};

/* What LIST and STATUS want, without loading the messages. */
struct mailbox_info {
	uint64_t id;
	struct view name;
	enum special_use use;
	bool subscribed;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	uint32_t messages, unseen, deleted;
	uint64_t size, deleted_size;
};

/* All, sorted by name, in the arena. */
enum status store_mailboxes(struct store *s, struct arena *a, struct mailbox_info **ret,
			    uint32_t *ret_n) MUST_USE;
/* One; ST_MISSING. */
enum status store_mailbox_info(struct store *s, struct view name, struct arena *a,
			       struct mailbox_info *ret) MUST_USE;

/* Loads it, or hands out the one that is loaded.  ST_MISSING. */
enum status mailbox_open(struct store *s, struct view name, struct mailbox **ret) MUST_USE;
void mailbox_release(struct mailbox *m);

/* A name as the store has it: INBOX in any case is INBOX, also as the first
 * level, and all is composed (RFC 9051 5.1).  All that takes a name does this;
 * it is for patterns.  name, or in out. */
struct view mailbox_canonical(struct view name, char out[MAILBOX_NAME_MAX]);

/* Missing parents are made too.  ST_EXISTS, ST_SYNTAX (no valid name),
 * ST_LIMIT. */
enum status store_create(struct store *s, struct view name, enum special_use use) MUST_USE;
/* Children go along.  Renaming INBOX moves its messages into a new mailbox
 * (RFC 9051 6.3.6).  ST_MISSING, ST_EXISTS, ST_SYNTAX. */
enum status store_rename(struct store *s, struct view from, struct view to) MUST_USE;
/* ST_MISSING, ST_DENIED (INBOX, or it has children). */
enum status store_delete(struct store *s, struct view name) MUST_USE;
/* A name that does not exist may be subscribed too. */
enum status store_subscribe(struct store *s, struct view name, bool on) MUST_USE;
/* All names that are subscribed, there or not, sorted, in the arena. */
enum status store_subscriptions(struct store *s, struct arena *a, struct view **ret, uint32_t *ret_n) MUST_USE;

/* The bit of a keyword, made when it is new and `make`.  ST_LIMIT (there are
 * KEYWORDS_MAX), ST_MISSING. */
enum status mailbox_keyword(struct mailbox *m, struct view name, bool make, uint64_t *ret_flag) MUST_USE;

/* ---- messages in ---- */

/* A letter handed over by the queue. */
struct delivery {
	uint64_t queue_id;	/* with recipient: applied once, however often; 0: always */
	uint32_t recipient;
	uint64_t floor;		/* no queue id below this will come again */
	struct view mailbox;	/* name; INBOX where empty or missing */
	uint64_t flags;		/* system flags */
	wall_ms date;		/* INTERNALDATE */
	struct view head;	/* fields put before the letter (Return-Path ...) */
	struct view letter;
};

/* Writes it and gives it a UID; not yet flushed.  A queue id that was applied
 * before is ST_OK and changes nothing. */
enum status store_deliver(struct store *s, const struct delivery *d, uint32_t *ret_uid) MUST_USE;

/* APPEND, import: not yet flushed. */
enum status mailbox_append(struct mailbox *m, uint64_t flags, wall_ms date, struct view letter,
			   uint32_t *ret_uid) MUST_USE;

/* ---- messages changed; uids are sorted, those not there are passed over ---- */

enum flag_op { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE };

/* unchanged_since (RFC 7162 3.1.3; UINT64_MAX: any): those changed later are
 * left and listed in ret_failed (arena). */
enum status mailbox_flags(struct mailbox *m, const uint32_t *uids, uint32_t n, enum flag_op op,
			  uint64_t flags, uint64_t unchanged_since, struct arena *a,
			  uint32_t **ret_failed, uint32_t *ret_n_failed) MUST_USE;
/* Removes; the bodies stay for the undelete period. */
enum status mailbox_expunge(struct mailbox *m, const uint32_t *uids, uint32_t n) MUST_USE;
/* ret_uids (arena, n of them): the new uid of each, 0 for one not there.  All
 * or nothing.  Keywords are carried over by name. */
enum status mailbox_copy(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to,
			 struct arena *a, uint32_t **ret_uids) MUST_USE;
enum status mailbox_move(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to,
			 struct arena *a, uint32_t **ret_uids) MUST_USE;

/* ---- messages out ---- */

/* Index in m->messages of uid, or of the next greater one when `next`; m->n
 * when there is none. */
uint32_t mailbox_find(const struct mailbox *m, uint32_t uid, bool next);

/* The bytes, checked.  Valid until the next call that changes the store, or
 * until compaction (which never runs while a session's command does). */
enum status message_body(struct mailbox *m, const struct message *msg, struct view *ret_body) MUST_USE;

/* What was rendered at delivery (msg/render.h), in order of uid for all
 * messages from..to.  The views last until visit returns; what visit returns
 * ends it when not ST_OK. */
typedef enum status rendered_visit(void *arg, uint32_t uid, struct view envelope, struct view body,
				   struct view bodystructure);
enum status mailbox_rendered(struct mailbox *m, uint32_t from, uint32_t to, rendered_visit *visit,
			     void *arg) MUST_USE;

/* UIDs that left after that mod-sequence (VANISHED (EARLIER), RFC 7162
 * 3.2.10), sorted, in the arena.  ST_MISSING: that far back is not known. */
enum status mailbox_vanished(struct mailbox *m, uint64_t since, struct arena *a, uint32_t **ret_uids,
			     uint32_t *ret_n) MUST_USE;

/* Candidates for a text search: UIDs that may hold the text (a superset, in
 * the arena, sorted), from the full-text index; the letters must still be
 * searched.  The text is folded (struct needle of msg/search.h) and may stand
 * anywhere in header or body.  ST_MISSING: no index, or not for such a text;
 * search all. */
enum status mailbox_candidates(struct mailbox *m, struct view folded, struct arena *a, uint32_t **ret_uids,
			       uint32_t *ret_n) MUST_USE;

/* Some work that may wait (full-text index, compaction, expiry); true when
 * more is left.  The room calls it when idle, a few milliseconds a call. */
bool store_housekeeping(struct store *s);

/* ---- the account ---- */

struct store_usage {
	uint64_t bytes, messages;
	int64_t quota;		/* 0: none */
};
enum status store_usage(struct store *s, struct store_usage *ret) MUST_USE;

/* ---- watching ---- */

/* Called by store_turn once for each mailbox that changed in the turn. */
struct store_watcher {
	void (*changed)(struct store_watcher *w, uint64_t mailbox_id, uint64_t modseq);
	struct store_watcher *next;
};
void store_watch(struct store *s, struct store_watcher *w);
void store_unwatch(struct store *s, struct store_watcher *w);

/* ---- mending ---- */

/* Throws the index away and makes it again from the journal, of which every
 * record is checked.  Mailboxes that are open stay so; bodies that were
 * handed out do not.  ret_findings may be NULL. */
enum status store_rebuild(struct store *s, struct store_findings *ret_findings) MUST_USE;

/* Messages that were removed and are still kept: brought back into `mailbox`
 * when removed at or after `since`. */
enum status store_undelete(struct store *s, wall_ms since, struct view mailbox, uint32_t *ret_n) MUST_USE;

#endif
