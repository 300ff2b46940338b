/* store.h - the message store of one account.
 *
 * The journal (journal.h) is the truth: each change is one record, and
 * apply() turns a record into rows of the SQL index.  The same apply() runs
 * when a change happens, when the index lags after a crash, and when the
 * index is made anew, so a rebuilt index is the same index.
 *
 * One process, one thread owns a store: the account's room (or waxwing(8)
 * while the server is stopped).  Rows are committed once a turn
 * (store_turn), durability is store_flush.  Nothing is shown to a client
 * that could still be lost: whoever shows new messages flushes first
 * (store_flush costs nothing when there is nothing to do).
 */
#ifndef WAXWING_MS_STORE_H
#define WAXWING_MS_STORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "ms/journal.h"

struct store;

/* Why a store was rebuilt, or what was found damaged; for the log. */
struct store_findings {
	bool rebuilt;
	uint64_t damaged;	/* places in the journal whose checksum is wrong */
	uint64_t replayed;	/* records that the index did not have yet */
};

/* Opens or makes the store in `folder`.  The folder is locked against a
 * second opener (ST_EXISTS).  ST_IO, ST_NOMEM, ST_NOSPACE, ST_DENIED. */
enum status store_open(const char *folder, uint64_t segment_size, struct store **ret,
		       struct store_findings *ret_findings) MUST_USE;
void store_close(struct store *s);

/* A letter handed over by the queue (or APPEND's twin for imports). */
struct delivery {
	uint64_t queue_id;	/* with recipient: applied once, however often; 0: always */
	uint32_t recipient;
	uint64_t floor;		/* no queue id below this will come again */
	struct view mailbox;	/* name; INBOX where empty */
	uint64_t flags;
	wall_ms date;		/* INTERNALDATE */
	struct view head;	/* fields put before the letter (Return-Path ...) */
	struct view letter;
};

/* Writes it and gives it a UID; not yet flushed.  A queue id that was applied
 * before is ST_OK and changes nothing.  ST_NOSPACE (disk or quota),
 * ST_MISSING (no such mailbox), ST_IO. */
enum status store_deliver(struct store *s, const struct delivery *d, uint32_t *ret_uid) MUST_USE;

/* End of a turn: commit the rows. */
enum status store_turn(struct store *s) MUST_USE;

/* All that was written survives a power loss when this returns ST_OK. */
enum status store_flush(struct store *s) MUST_USE;

#endif
