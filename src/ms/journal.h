/* journal.h - the log of one account: every letter and every change, in
 * order.  It is the truth; the SQL index is made from it and can be made
 * again.
 *
 * mail/ACCOUNT/NNNNNNNN.seg, numbered upward.  A segment begins with its
 * head, twice, so that one flipped bit does not cost a segment:
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
 * xxh3 covers the record's head before it and all that follows, seeded with
 * the segment's generation: bytes inside a letter that look like a record
 * never are one, because nobody outside knows the generation.  meta is the
 * change (ms/change.h); body is the letter's bytes, for records that bring
 * one.  seq grows over all segments; a record whose seq is not above all
 * before it is a second copy and is passed over.
 *
 * Durable: journal_append writes, journal_flush makes all that was written
 * so far survive a power loss.  A flush that fails makes the segment suspect:
 * its unflushed records are written again into a new one (journal_flush does
 * it), and only if that works is anything called durable.  What an earlier
 * process left behind the last known flush is written again in place at
 * opening, for the same reason.
 *
 * Errors are those of disk.h.
 */
#ifndef WAXWING_MS_JOURNAL_H
#define WAXWING_MS_JOURNAL_H

#include "base/buf.h"
#include "base/disk.h"
#include "base/status.h"
#include "base/view.h"

struct journal;

enum { JOURNAL_PARTS = 8, SEGMENT_HEAD = 64, JOURNAL_HEAD = 32 };

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

/* What is known of a segment without reading it; the index keeps it, so that
 * opening reads only what came later. */
struct segment_facts {
	uint32_t number;
	uint64_t generation;
	uint64_t first_seq, last_seq;	/* of what lies before end; 0: no record */
	uint64_t end;			/* all before it was checked and is on disk */
	uint64_t live;			/* bytes of letters that were needed when it was last
					 * looked at; UINT64_MAX: never was */
};

/* For each record from seq on, in order.  What it returns ends the scan when
 * not ST_OK. */
typedef enum status journal_visit(void *arg, const struct journal_record *rec);

/* Opens or makes the journal in the folder dir (an open descriptor, kept by
 * the caller).  facts may be none: then all is read.  ret_damaged: places
 * where a checksum is wrong though good records follow, and segments that
 * facts name but are not there; an unfinished end is cut off.  ST_IO also where
 * what lies at the end, behind what facts know, cannot be read now. */
enum status journal_open(int dir, uint64_t segment_size, const struct segment_facts *facts, size_t n_facts,
			 struct journal **ret, uint64_t *ret_damaged) MUST_USE;
void journal_close(struct journal *j);

/* The seq that the next record gets. */
uint64_t journal_next_seq(const struct journal *j);
/* Let no later record have a seq below this one. */
void journal_raise_seq(struct journal *j, uint64_t next);

/* Facts of the i-th segment; false past the last.  Those of the last one end
 * at the last flush. */
bool journal_facts(const struct journal *j, size_t i, struct segment_facts *ret);
/* Remember how much of the segment is needed. */
void journal_set_live(struct journal *j, uint32_t segment, uint64_t bytes);
/* Bytes of records in the segment, flushed or not. */
uint64_t journal_size(const struct journal *j, uint32_t segment);
/* The segment that is appended to. */
uint32_t journal_current(const struct journal *j);

enum status journal_scan(struct journal *j, uint64_t from_seq, journal_visit *visit, void *arg) MUST_USE;

/* Goes on where an earlier call ended, for about so many bytes; records below
 * from_seq are passed over.  Begin with { 0 }, also after compaction.  ret_end:
 * no record is left for now. */
struct journal_at {
	uint32_t segment;
	uint64_t offset;
};
enum status journal_step(struct journal *j, struct journal_at *at, uint64_t from_seq, uint64_t bytes,
			 journal_visit *visit, void *arg, bool *ret_end) MUST_USE;

/* Writes one record; body in parts.  ST_LIMIT: too big for a record. */
enum status journal_append(struct journal *j, uint8_t type, struct view meta, const struct view *body,
			   size_t n_parts, struct place *ret_at) MUST_USE;
/* Takes back the record appended last, as if it had not been; only right
 * after its append. */
void journal_undo(struct journal *j, const struct place *at);

/* True when something was appended since the last flush. */
bool journal_dirty(const struct journal *j);
enum status journal_flush(struct journal *j) MUST_USE;

/* Where the records went that a flush had to write again: those at or behind
 * `offset` of `from` now lie in `to`, `offset` being its SEGMENT_HEAD.  False
 * when there is nothing new; asking forgets it. */
struct journal_moved {
	uint32_t from, to;
	uint64_t offset;
};
bool journal_moved(struct journal *j, struct journal_moved *ret);

/* The body's bytes where they lie mapped, checksum verified (once in a
 * process).  Valid until journal_close or the segment's compaction; not to be kept
 * while others run: ask again, so that pages which have gone are read in again.
 * ST_CORRUPT, ST_IO (the disk does not give it), ST_NOMEM. */
enum status journal_body(struct journal *j, const struct place *at, struct view *ret_body) MUST_USE;

/* ---- compaction (INTERNALS.md has the argument for each crash point) ---- */

/* End the current segment, so that it can be compacted. */
enum status journal_roll(struct journal *j) MUST_USE;

/* What becomes of one record: false: it is left out.  type and meta may be
 * changed (the buf is empty: what is put there replaces the meta), and the
 * body dropped. */
struct sifted {
	uint8_t type;
	bool drop_body;
	struct buf *meta;
};
typedef bool journal_sift(void *arg, const struct journal_record *rec, struct sifted *how);

struct compaction;

/* Writes segment `number` (not the current one) again as sift says, under a
 * new generation, some bytes at a time; the journal may grow meanwhile. */
enum status compaction_begin(struct journal *j, uint32_t number, journal_sift *sift, void *arg,
			     struct compaction **ret) MUST_USE;
/* ret_done: all is copied. */
enum status compaction_step(struct compaction *c, uint64_t bytes, bool *ret_done) MUST_USE;
/* Puts the new file in the old one's place.  Then the places of its records
 * are other ones (compaction_place); c lives on until compaction_free. */
enum status compaction_finish(struct compaction *c) MUST_USE;
/* Where the record that lay at *at lies now; false where it is none of them. */
bool compaction_place(const struct compaction *c, struct place *at);
/* Not finished: the old file stays. */
void compaction_free(struct compaction *c);

#endif
