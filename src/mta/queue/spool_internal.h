/* spool_internal.h - what spool.c (writing, reading back) and spool_open.c
 * (finding what is there) share. */
#ifndef WAXWING_MTA_QUEUE_SPOOL_INTERNAL_H
#define WAXWING_MTA_QUEUE_SPOOL_INTERNAL_H

#include "mta/queue/spool.h"

enum { SPOOL_HEAD = 32, SPOOL_ALIGN = 8, SPOOL_LETTER = 1, SPOOL_DONE = 2,
       SPOOL_PROGRESS = 3, SPOOL_SET = 4, SPOOL_INNER = 0x80 };
/* The head of a segment stands twice, in two sectors of the disk. */
enum { SEGMENT_HEAD = 40, SEGMENT_SECTOR = 512, SEGMENT_BEGIN = 1024 };
enum { SEGMENT_NAME = 32 };

struct segment {
	uint64_t number;
	uint64_t seed;		/* of its records' checksums */
	uint64_t first_id;	/* lowest queue id of a letter in it; UINT64_MAX: none */
	uint64_t owed;		/* letters, and their bytes */
	uint64_t owed_bytes;
	uint64_t size;
	uint64_t prepared;	/* bytes of the file that have been written, if only with zeros */
	bool failed;		/* a flush of it failed: never written to again */
	bool unreadable;	/* some of it could not be read: it is neither cut nor removed */
	int fd;
};

/* A letter of which nothing is owed any more, not yet on disk as such. */
struct done {
	uint64_t id;
	struct spool_place at;	/* segment 0: it was never committed */
	struct spool_place progress_at;
};

struct spool {
	int dir;
	uint64_t segment_size;
	uint64_t next_id;
	struct segment *segments;	/* oldest first; the last is written to */
	size_t n_segments;
	bool dir_dirty;			/* a removed name may still come back */
	struct buf batch;
	uint64_t batch_letters, batch_first_id;	/* new ones */
	uint64_t batch_copies, batch_least_id;	/* moved ones, progress, reports; lowest id of letters */
	uint64_t batch_bytes;			/* of their records */
	struct done *dones;
	size_t n_dones, dones_cap;
	bool kept;		/* the batch is on disk and only kept to be read from, */
	struct spool_place kept_at;	/* from here on */
	struct buf scratch;
};

struct spool_head {
	uint8_t type;
	uint32_t env, body;
	uint64_t id, sum;
};

static inline uint64_t spool_record_size(uint64_t env, uint64_t body)
{
	return (SPOOL_HEAD + env + body + SPOOL_ALIGN - 1) & ~(uint64_t)(SPOOL_ALIGN - 1);
}

static inline struct segment *spool_current(struct spool *s)
{
	return &s->segments[s->n_segments - 1];
}

struct segment *spool_segment(struct spool *s, uint64_t number);
/* It is called .bad from now on, for people to look at. */
enum status spool_set_aside(struct spool *s, const char *name) MUST_USE;

/* The record's header, where all of it lies in bytes and its checksum under
 * that seed is right. */
bool spool_take_record(struct view bytes, uint64_t seed, struct spool_head *ret);

/* Takes fd.  ST_NOMEM */
enum status spool_add_segment(struct spool *s, const struct segment *seg) MUST_USE;
enum status spool_new_segment(struct spool *s) MUST_USE;
/* ST_CORRUPT: neither copy of the head is whole. */
enum status spool_read_segment_head(struct segment *seg, uint64_t *ret_next_id) MUST_USE;
/* Remove the oldest segments as long as nothing is owed in them. */
void spool_drop_empty(struct spool *s);

#endif
