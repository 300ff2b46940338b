/* internal.h - what the files of the store share; nobody else includes it.
 *
 *     store.c    opening, turns              apply.c        records -> memory
 *     mailbox.c  names                       box.c          mailboxes in memory
 *     message.c  flags, copies, bodies       index.c        the index, read
 *     compact.c  purge, compaction           index_stage.c  and written
 *     fulltext.c what a search need not read
 *
 * Below them, by their own headers: change.c (what a record says), journal*.c and
 * segment.c (the records on disk), urlauth.c (keys for URLs), port_*.c (import and
 * export).
 */
#ifndef WAXWING_MS_INTERNAL_H
#define WAXWING_MS_INTERNAL_H

#include "ms/change.h"
#include "ms/store.h"
#include "sql/sql.h"

enum {
	PAGE_UIDS = 64,		/* uids of one row of the table page */
	MAILBOXES_MAX = 10000,
	GONE_MAX = 4096,	/* ranges of expunged uids remembered for one mailbox */
	FULLTEXT_BEHIND = 512,	/* a turn makes some filters when so many are missing */
	COMMIT_RECORDS = 512,	/* a turn commits when that many are behind */
	BEHIND_MAX = 8192,	/* and flushes for it when that many are */
	INBOX_ID = 1,
	COMPACT_STEP = 1024 * 1024,	/* bytes of a segment written again in one step */
	COMPACT_LEAST = 1024 * 1024,	/* a segment shorter than this is left */
};

#define SEQ_MAX ((uint64_t)1 << 62)	/* no honest journal comes near */

struct gone {
	uint32_t first, last;
	uint64_t modseq;
};

struct box {
	struct mailbox m;	/* first: a struct mailbox is its box */
	bool loaded;		/* m.messages and gone are in memory */
	bool row_dirty, gone_dirty;
	bool changed;		/* in this turn */
	uint32_t cap;		/* of m.messages */
	uint32_t count, unseen, deleted;
	uint64_t size, deleted_size;
	struct gone *gone;	/* by modseq */
	uint32_t n_gone, cap_gone;
	uint64_t gone_floor;	/* what left up to then is not known any more */
	uint8_t *dirty;		/* bit by page */
	size_t dirty_n;		/* bytes of it */
};

/* Messages that one record removed. */
struct batch {
	uint64_t seq, mailbox;
	wall_ms time;
	struct message *messages;
	uint32_t n;
	bool dirty;
	struct batch *next;
};

struct delivered {
	uint64_t queue_id;
	uint32_t recipient, uid;
};

struct compacting;

struct store {
	int dir;
	char *folder;
	struct store_settings set;
	struct journal *journal;
	struct store_findings findings;

	/* mailboxes */
	struct box **boxes;	/* by name */
	uint32_t n_boxes, cap_boxes;
	struct box **old;	/* while rebuilding: what sessions hold */
	uint32_t n_old;
	uint64_t last_mailbox;
	uint32_t last_uidvalidity;
	struct view *subscribed;	/* sorted, each owned */
	uint32_t n_subscribed;
	bool subscribed_dirty;
	uint64_t *deleted_boxes;	/* rows to be removed */
	uint32_t n_deleted_boxes;

	/* deliveries that may be handed over again: sorted */
	struct delivered *delivered;
	uint32_t n_delivered, cap_delivered;
	uint64_t floor;
	bool delivered_dirty;

	/* removed messages; those in the index only until removed_loaded */
	struct batch *removed, **removed_end;
	bool removed_loaded;
	wall_ms purged;
	bool purged_dirty;
	bool sweep_due;		/* a purge was carried out, its bodies not yet counted */

	/* the index */
	struct sql *db;
	struct sql_stmt **q;
	bool in_txn;
	bool index_fresh;	/* nothing was ever committed to it */
	bool index_absent;	/* nor is there a file: made when first written to */
	uint64_t applied;	/* last record carried out in memory */
	uint64_t staged;	/* last record whose rows are in the open transaction */
	uint64_t committed;	/* last record in the index */
	struct store_watcher *watchers;
	uint64_t fulltext;	/* letters of records up to there have their filter */
	uint64_t fulltext_committed;
	uint64_t fulltext_retry;	/* make filters again from that record on */
	struct journal_at fulltext_at;	/* where the journal is read on for it */
	bool choose_due;	/* some segment may be mostly dead */
	struct compacting *compacting;	/* NULL: no segment is being written again */
	steady_ms next_look;	/* when to look again for what is due */
	bool replaying;
	uint64_t retry;		/* commit again from that record on */
};

static inline struct box *box_of(struct mailbox *m)
{
	return (struct box *)m;
}

/* ---- apply.c ---- */

/* Carries a record out in memory.  ST_NOMEM (nothing changed), ST_CORRUPT
 * (not a record of change.h), and when a mailbox had to be loaded the errors
 * of sql.h. */
enum status apply(struct store *s, const struct journal_record *rec) MUST_USE;

/* Appends a record and carries it out; on failure neither. */
enum status change(struct store *s, enum change_type type, struct buf *meta, const struct view *body,
		   size_t n_parts) MUST_USE;

/* ---- box.c ---- */

struct box *box_by_id(struct store *s, uint64_t id);
struct box *box_by_name(struct store *s, struct view name);
enum status box_new(struct store *s, uint64_t id, struct view name, struct box **ret) MUST_USE;
void box_take_out(struct store *s, struct box *b);	/* of the list */
void box_free(struct box *b);
void box_forget(struct box *b);		/* messages, gone, dirt; keeps the struct */
void box_mark(struct box *b, uint32_t uid);	/* its page is to be written */
enum status box_reserve(struct box *b, uint32_t more) MUST_USE;
enum status view_own(struct view v, struct view *ret) MUST_USE;
/* Where it stands in s->delivered, or would. */
uint32_t delivered_place(const struct store *s, uint64_t queue_id, uint32_t recipient);
struct delivered *delivered_find(struct store *s, uint64_t queue_id, uint32_t recipient);
uint64_t store_bytes(const struct store *s);

/* ---- index.c ---- */

/* Opens the file where there is one.  A new store has none until it is first
 * written to: a room that is started for a delivery does without. */
enum status index_open(struct store *s) MUST_USE;
/* Makes it.  The errors of sql.h; ST_CORRUPT: it could not be made before. */
enum status index_need(struct store *s) MUST_USE;
void index_close(struct store *s);
/* Removes the files of the index and opens an empty one. */
enum status index_renew(struct store *s) MUST_USE;
enum status index_facts(struct store *s, struct segment_facts **ret, size_t *ret_n) MUST_USE;
/* All that is small: state, mailboxes without messages, names. */
enum status index_load(struct store *s) MUST_USE;
enum status index_load_box(struct store *s, struct box *b) MUST_USE;
enum status index_load_removed(struct store *s) MUST_USE;
/* Writes what changed into the open transaction; reads then see it. */
enum status index_stage(struct store *s) MUST_USE;
/* Removes the rows of letters that are not among the n bodies (sorted). */
enum status index_keep_letters(struct store *s, const uint64_t *bodies, size_t n) MUST_USE;
/* Stages and commits; the journal must be flushed. */
enum status index_commit(struct store *s) MUST_USE;
/* Opens the transaction that the next commit ends. */
enum status index_begin(struct store *s) MUST_USE;
/* That transaction is lost; all that it held is still marked in memory. */
void index_roll_back(struct store *s);
enum status index_put_filter(struct store *s, uint64_t body, struct view filter) MUST_USE;
/* For each of the n messages of which there is a filter. */
typedef void filter_visit(void *arg, uint32_t i, struct view filter);
enum status index_filters(struct store *s, const struct message *messages, uint32_t n, filter_visit *visit,
			  void *arg) MUST_USE;
/* For each of the n messages what was rendered of it, in their order. */
enum status index_rendered(struct store *s, const struct message *messages, uint32_t n,
			   rendered_visit *visit, void *arg) MUST_USE;

/* ---- fulltext.c ---- */

/* The filters of some more letters, into the open transaction (which is lost
 * when this fails).  ret_more: others are left. */
enum status fulltext_step(struct store *s, bool *ret_more) MUST_USE;

/* ---- store.c ---- */

/* Loads the mailbox's messages where they are not; mends a corrupt index. */
enum status box_load(struct store *s, struct box *b) MUST_USE;
/* Throws away what is in memory and the index, and replays the journal. */
enum status rebuild(struct store *s) MUST_USE;
/* Records were written again elsewhere (journal_moved, compaction). */
void relocate(struct store *s, bool (*where)(void *arg, struct place *at), void *arg);
enum status store_load_all(struct store *s) MUST_USE;
enum status store_commit(struct store *s) MUST_USE;

/* ---- compact.c ---- */

/* Drops what was rendered of letters that are gone for good, and counts what
 * each segment still needs. */
enum status store_sweep(struct store *s) MUST_USE;
/* Gives up what is half done. */
void housekeeping_end(struct store *s);

#endif
