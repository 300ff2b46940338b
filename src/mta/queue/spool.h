/* spool.h - the durable log of letters that are owed to somebody.
 *
 * spool/NNNNNNNNNNNNNNNN.log, numbered upward.  A segment begins with its head,
 * which stands at 0 and again at 512:
 *
 *     "WXSPOOL2"  u64 seed (random)  u64 number  u64 next queue id  u64 xxh3 of these
 *
 * and from 1024 on is a run of records, each aligned to 8:
 *
 *     0        4      5      8         12         16        24       32
 *     +--------+------+------+---------+----------+---------+--------+---...---+---...---+
 *     | "WXS1" | type | 0    | env len | body len | queue id| xxh3   | envelope| body    |
 *     +--------+------+------+---------+----------+---------+--------+---...---+---...---+
 *
 * xxh3 (under the segment's seed) covers the header before it and all that
 * follows.  The seed keeps a stranger from writing records: a scan that looks
 * for the next good record behind a damaged one walks through the bytes of
 * letters.  Queue ids only grow, also over restarts: the head says from where
 * on when no record is left that could, and each opening begins far beyond, by
 * the clock too, for the case that heads and records are lost.
 *
 *     LETTER    a letter we took charge of
 *     DONE      nothing of that queue id is owed any more
 *     PROGRESS  what of it is done and what else is known (progress.h), whole:
 *               the last one counts.  It lies behind its LETTER
 *     SET       its body is records of their own that are all there or all
 *               not: a report (LETTER) and what it settles (DONE or PROGRESS
 *               of another letter).  Bit 7 of their types is set, so that no
 *               scan takes them for more when the SET around them is damaged
 *
 * The order that makes 250 true: spool_add (many letters), spool_commit (one
 * write, one flush), and only then the replies.  A commit that fails leaves
 * nothing owed: the file is cut back and flushed, or never written to again
 * and each of its letters gets a DONE with the next commit that works.
 *
 * Segments are removed strictly from the oldest on, and only when nothing in
 * them is owed; the removal of one is on disk before that of the next.  So a
 * DONE never goes before its letter.  A letter that stays long is moved
 * forward (spool_copy), under its id, so that old segments can go.
 */
#ifndef WAXWING_MTA_QUEUE_SPOOL_H
#define WAXWING_MTA_QUEUE_SPOOL_H

#include "base/buf.h"
#include "base/disk.h"

struct spool;

/* Bytes of one batch; segments that may stay because of a few letters. */
enum { SPOOL_BATCH_MAX = 1024 * 1024 * 1024, SPOOL_SEGMENTS_KEPT = 4 };

/* Where a letter lies. */
struct spool_place {
	uint64_t segment;
	uint64_t offset;	/* of its record */
	uint32_t envelope_n, body_n;
};

/* A letter found when the spool was opened, and its progress (segment 0: it
 * has made none). */
typedef enum status spool_found(void *arg, uint64_t queue_id, const struct spool_place *at,
				struct view envelope, const struct spool_place *progress_at,
				struct view progress);

/* Opens the folder, reads all segments and calls found for every letter that
 * is still owed.  *ret_damaged counts records that were skipped because their
 * checksum is wrong; a segment whose head is gone is renamed to .bad.
 * ST_EXISTS (another process has it open), ST_IO, ST_NOMEM, ST_DENIED, or what found returned. */
enum status spool_open(const char *folder, uint64_t segment_size, spool_found *found, void *arg,
		       struct spool **ret, uint64_t *ret_damaged) MUST_USE;
void spool_close(struct spool *s);

/* Puts a letter into the batch.  The body's bytes are copied, or (body_fd >=
 * 0) read from the memory file.  ST_NOMEM, ST_IO, ST_LIMIT. */
enum status spool_add(struct spool *s, struct view envelope, struct view body, int body_fd,
		      uint64_t body_n, uint64_t *ret_id, struct spool_place *ret_at) MUST_USE;

/* Nothing of this letter is owed any more; becomes durable with the next
 * commit that works.  ST_NOMEM. */
enum status spool_done(struct spool *s, uint64_t queue_id, const struct spool_place *at,
		       const struct spool_place *progress_at) MUST_USE;

/* Puts the letter's progress into the batch.  Once that is committed, the
 * caller gives up the place of the one before it (spool_moved).  ST_NOMEM. */
enum status spool_progress(struct spool *s, uint64_t queue_id, struct view progress,
			   struct spool_place *ret_at) MUST_USE;

/* Puts a letter of our own into the batch together with what it settles: both
 * are durable, or neither is.  *id is 0 the first time; a report whose commit
 * failed is made again under the id it got, so that there are never two. */
struct spool_report {
	struct view envelope, body;
	uint64_t about;			/* the letter that it is about, */
	struct view progress;		/* and that one's; empty: nothing is owed any more */
	struct spool_place at, progress_at;	/* filled in */
};
enum status spool_report(struct spool *s, uint64_t *id, struct spool_report *r) MUST_USE;
/* The id that the next new letter gets. */
uint64_t spool_next_id(const struct spool *s);

/* Write and flush the batch.  On failure none of its letters is kept.
 * ST_NOSPACE, ST_IO. */
enum status spool_commit(struct spool *s) MUST_USE;

/* A committed letter's envelope, or envelope and body at once; valid until the
 * next call on the spool.  Those of the last commit are still in memory.
 * ST_CORRUPT, ST_IO, ST_NOMEM, ST_MISSING. */
enum status spool_envelope(struct spool *s, const struct spool_place *at,
			   struct view *ret_envelope) MUST_USE;
enum status spool_letter(struct spool *s, const struct spool_place *at, struct view *ret_envelope,
			 struct view *ret_body) MUST_USE;

/* The body in a fresh sealed memory file. */
enum status spool_body_fd(struct spool *s, const struct spool_place *at, int *ret_fd) MUST_USE;

/* The number of the oldest segment when it stays for the sake of a few letters
 * only, or when more than half of all segments is needed no more; else 0.
 * spool_copy puts one of its letters into the batch again (and spool_progress
 * its progress); once that is committed, spool_moved gives up an old place, and
 * the caller uses the new one.  ST_CORRUPT, ST_IO, ST_NOMEM. */
uint64_t spool_stale(const struct spool *s);
enum status spool_copy(struct spool *s, uint64_t id, const struct spool_place *at,
		       struct spool_place *ret_at) MUST_USE;
void spool_moved(struct spool *s, const struct spool_place *from);

/* The lowest queue id that any segment still holds. */
uint64_t spool_floor(const struct spool *s);

#endif
