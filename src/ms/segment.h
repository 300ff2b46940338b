/* segment.h - one file of a journal: its head, mapping and records.  Used by
 * journal.c and journal_compact.c only. */
#ifndef WAXWING_MS_SEGMENT_H
#define WAXWING_MS_SEGMENT_H

#include "base/clock.h"
#include "ms/journal.h"

enum { SEGMENT_NAME = 32, RECORD_ALIGN = 8 };

struct segment {
	struct segment_facts f;	/* f.end: flushed up to there */
	int fd;
	uint64_t size;		/* end of the good records */
	uint64_t last_seq;	/* of all records, also those not flushed */
	uint64_t reserve;	/* how much to map at once */
	char *map;		/* MAP_SHARED, so that appends are seen */
	size_t mapped;
	unsigned char *chunks;	/* enum chunk of each CHUNK bytes */
	size_t n_chunks;
	steady_ms looked, fresh;	/* at its length; since when CHUNK_IN counts */
	uint64_t bad_at, bad_to;	/* no byte from there to there can be read */
	unsigned char *checked;	/* bit offset / JOURNAL_HEAD: that record's sum was right */
	size_t checked_n;
	uint64_t ahead;		/* the kernel was asked to read up to there */
	uint64_t last_read;	/* where the last body ended */
	bool suspect;		/* a flush failed */
	bool unreadable;	/* at opening something behind its last record could not be read */
};

struct journal {
	int dir;
	uint64_t segment_size;
	uint64_t next_seq;
	uint64_t damaged;
	struct segment *segments;
	size_t n_segments;
	bool dirty;
	struct journal_moved moved;	/* from 0: nothing */
	struct {			/* no record before this place has a seq from here on */
		uint64_t seq, offset;
		uint32_t segment;
	} mark;
};

struct record_head {
	uint8_t type;
	uint32_t meta, body;
	uint64_t seq, sum;
};

static inline uint64_t record_span(uint64_t meta, uint64_t body)
{
	return (JOURNAL_HEAD + meta + body + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

void segment_name(uint32_t number, const char *suffix, char out[SEGMENT_NAME]);

/* A fresh file with its head, not yet flushed; ret gets fd, number,
 * generation and size. */
enum status segment_make(int dir, const char *name, uint32_t number, struct segment *ret) MUST_USE;
/* ST_CORRUPT: neither copy of the head is right. */
enum status segment_read_head(struct segment *s) MUST_USE;
void segment_close(struct segment *s);

/* The record whose head lies at `at`, its sum checked.  ret's views point into
 * the mapping.  ST_CORRUPT: there is none; ST_IO: some of it cannot be read now. */
enum status segment_record(struct segment *s, uint64_t at, struct journal_record *ret) MUST_USE;
/* The same, but the sum only when this process has not checked it before. */
enum status segment_record_once(struct segment *s, uint64_t at, struct journal_record *ret) MUST_USE;
/* Where to look next, when there was none at `at`: pages that cannot be read are
 * passed over as a whole. */
uint64_t segment_onward(const struct segment *s, uint64_t at);

/* Writes one record at s->size and moves that; on failure nothing changed. */
enum status segment_append(struct segment *s, uint8_t type, uint64_t seq, struct view meta,
			   const struct view *body, size_t n_parts, struct place *ret_at) MUST_USE;

/* Tell the kernel that [at, at + n) is read now, so that it reads ahead where
 * the reading goes in order. */
void segment_reads(struct segment *s, uint64_t at, uint64_t n);

/* NULL: there is no such segment. */
struct segment *segment_of(struct journal *j, uint32_t number);

#endif
