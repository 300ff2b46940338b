/* journal.h - the log of one account: every letter and every change, in
 * order.  It is the truth; the SQL index is made from it and can be made
 * again.
 *
 * mail/ACCOUNT/NNNNNNNN.seg, numbered upward.  A segment begins with
 *
 *     "WXJRNL01"  u64 generation (random)  u64 number  u64 xxh3 of these
 *
 * and is then a run of records, each aligned to 8:
 *
 *     0        4      5        8          12         16       24       32
 *     +--------+------+--------+----------+----------+--------+--------+--...--+--...--+
 *     | "WXR1" | type | 0      | meta len | body len | seq    | xxh3   | meta  | body  |
 *     +--------+------+--------+----------+----------+--------+--------+--...--+--...--+
 *
 * xxh3 covers the header before it and all that follows.  meta is the change
 * (ms/change.h); body is the letter's bytes, for records that bring one.
 * seq grows by one a record over all segments.
 *
 * Durable: journal_append writes, journal_flush makes all that was written
 * so far survive a power loss.  A flush that fails makes the segment suspect:
 * its unflushed records are written again into a new one (journal_flush does
 * it), and only if that works is anything called durable.
 *
 * Errors are those of disk.h.
 */
#ifndef WAXWING_MS_JOURNAL_H
#define WAXWING_MS_JOURNAL_H

#include "base/disk.h"
#include "base/status.h"
#include "base/view.h"

struct journal;

enum { JOURNAL_PARTS = 8 };

/* Where a record lies, and how much of it is what. */
struct place {
	uint32_t segment;
	uint32_t meta_n;
	uint64_t offset;	/* of the record's header */
	uint32_t body_n;
};

struct journal_record {
	uint8_t type;
	uint64_t seq;
	struct place at;
	struct view meta, body;	/* borrowed from the mapping, until the call returns */
};

/* For each record from seq on, in order.  What it returns ends the scan when
 * not ST_OK. */
typedef enum status journal_visit(void *arg, const struct journal_record *rec);

/* Opens or makes the journal in the folder dir (an open descriptor, kept by
 * the caller).  ret_damaged: places where a checksum is wrong though good
 * records follow; an unfinished end is cut off. */
enum status journal_open(int dir, uint64_t segment_size, struct journal **ret,
			 uint64_t *ret_damaged) MUST_USE;
void journal_close(struct journal *j);

/* The seq that the next record gets. */
uint64_t journal_next_seq(const struct journal *j);

enum status journal_scan(struct journal *j, uint64_t from_seq, journal_visit *visit, void *arg) MUST_USE;

/* Writes one record; body in parts. */
enum status journal_append(struct journal *j, uint8_t type, struct view meta, const struct view *body,
			   size_t n_parts, struct place *ret_at) MUST_USE;

/* True when something was appended since the last flush. */
bool journal_dirty(const struct journal *j);
enum status journal_flush(struct journal *j) MUST_USE;

/* The body's bytes where they lie mapped, checksum verified.  Valid until
 * journal_close or the segment's compaction.  ST_CORRUPT. */
enum status journal_body(struct journal *j, const struct place *at, struct view *ret_body) MUST_USE;

#endif
