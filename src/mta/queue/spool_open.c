/* spool_open.c - what is in the spool when the queue starts. */
#include "mta/queue/spool_internal.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mapped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* An opening has so many ids of its own; a second of the clock too. */
enum { OPENING_BITS = 24 };

struct owed {
	uint64_t id;
	struct spool_place at, progress;
};

struct scan {
	struct spool *s;
	struct map owed;	/* queue id -> struct owed */
	uint64_t damaged;
};

static void not_owed(struct spool *s, const struct spool_place *at)
{
	struct segment *seg = spool_segment(s, at->segment);

	if (seg == NULL || at->segment == 0)
		return;
	seg->owed--;
	seg->owed_bytes -= spool_record_size(at->envelope_n, at->body_n);
}

static struct spool_place is_owed(struct segment *seg, uint64_t at, const struct spool_head *h)
{
	seg->owed++;
	seg->owed_bytes += spool_record_size(h->env, h->body);
	return (struct spool_place){ seg->number, at, h->env, h->body };
}

/* A letter may stand twice, when it was moved: the later place counts. */
static enum status scan_letter(struct scan *sc, struct segment *seg, uint64_t at, const struct spool_head *h)
{
	struct owed *o = map_get(&sc->owed, h->id);
	enum status st = ST_OK;

	if (o) {
		not_owed(sc->s, &o->at);
	} else {
		o = calloc(1, sizeof *o);
		st = o ? map_set(&sc->owed, h->id, o) : ST_NOMEM;
	}
	if (st != ST_OK) {
		free(o);
		return st;
	}
	o->id = h->id;
	o->at = is_owed(seg, at, h);
	if (h->id < seg->first_id)
		seg->first_id = h->id;
	return ST_OK;
}

/* What was said before does not count any more.  It lies behind its letter,
 * so one of a letter that is not owed is of the past. */
static void scan_progress(struct scan *sc, struct segment *seg, uint64_t at, const struct spool_head *h)
{
	struct owed *o = map_get(&sc->owed, h->id);

	if (o == NULL)
		return;
	not_owed(sc->s, &o->progress);
	o->progress = is_owed(seg, at, h);
}

static void scan_done(struct scan *sc, const struct spool_head *h)
{
	struct owed *o = map_remove(&sc->owed, h->id);

	if (o == NULL)
		return;
	not_owed(sc->s, &o->at);
	not_owed(sc->s, &o->progress);
	free(o);
}

static enum status scan_record(struct scan *sc, struct segment *seg, uint64_t at, const struct spool_head *h)
{
	if (h->id >= sc->s->next_id && h->id < UINT64_MAX)
		sc->s->next_id = h->id + 1;
	switch (h->type & ~SPOOL_INNER) {
	case SPOOL_LETTER:
		return scan_letter(sc, seg, at, h);
	case SPOOL_PROGRESS:
		scan_progress(sc, seg, at, h);
		return ST_OK;
	case SPOOL_DONE:
		scan_done(sc, h);
		return ST_OK;
	default:
		return ST_OK;
	}
}

/* The records within a SET that is whole. */
static enum status scan_set(struct scan *sc, struct segment *seg, struct view set, uint64_t at)
{
	struct spool_head h;
	enum status st = ST_OK;

	while (st == ST_OK && spool_take_record(set, seg->seed, &h) && h.type & SPOOL_INNER) {
		uint64_t n = spool_record_size(h.env, h.body);

		st = scan_record(sc, seg, at, &h);
		set = view_skip(set, (size_t)n);
		at += n;
	}
	return st;
}

/* Walks one mapped segment; what does not check is skipped to the next
 * record that does.  Returns the end of the last good record. */
static enum status scan_bytes(struct scan *sc, struct segment *seg, struct view all, uint64_t *ret_end)
{
	uint64_t at = SEGMENT_BEGIN, end = at;
	bool lost = false;
	enum status st = ST_OK;

	while (st == ST_OK && at + SPOOL_HEAD <= all.n) {
		struct spool_head h;

		if (!spool_take_record(view_skip(all, (size_t)at), seg->seed, &h) || h.type & SPOOL_INNER) {
			lost = true;
			at += SPOOL_ALIGN;
			continue;
		}
		/* Damage with good records behind it is real; at the end it is
		 * only a commit that never finished. */
		sc->damaged += lost;
		lost = false;
		if (h.type == SPOOL_SET)
			st = scan_set(sc, seg, view_head(view_skip(all, (size_t)at + SPOOL_HEAD), h.body),
				      at + SPOOL_HEAD);
		else
			st = scan_record(sc, seg, at, &h);
		at += spool_record_size(h.env, h.body);
		end = at;
	}
	*ret_end = end;
	return st;
}

static enum status scan_segment(struct scan *sc, struct segment *seg)
{
	struct view all;
	uint64_t end = 0, bad = 0;
	enum status st;

	if (seg->size <= SEGMENT_BEGIN)
		return ST_OK;
	st = mapped_mended(seg->fd, seg->size, &all, &bad);
	if (st != ST_OK)
		return st;
	st = scan_bytes(sc, seg, all, &end);
	mapped_free(all);
	seg->size = end;
	seg->unreadable = bad > 0;
	sc->damaged += bad > 0;
	return st;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->number, y = ((const struct segment *)b)->number;

	return x < y ? -1 : x > y;
}

/* A segment without a head: cut off by a crash while it was made (then no
 * letter in it was ever acknowledged), or damaged (then it is set aside for
 * people to look at, and counted). */
static enum status set_aside(struct scan *sc, const char *name, uint64_t size)
{
	if (size <= SEGMENT_BEGIN)
		return disk_unlink(sc->s->dir, name);
	sc->damaged++;
	return spool_set_aside(sc->s, name);
}

static enum status found_segment(struct scan *sc, const char *name, uint64_t number)
{
	struct segment seg = { .number = number, .first_id = UINT64_MAX };
	struct stat sb;
	uint64_t next = 0;
	enum status st = disk_open(sc->s->dir, name, O_RDWR, 0, &seg.fd);

	if (st != ST_OK)
		return st;
	if (fstat(seg.fd, &sb) != 0) {
		close(seg.fd);
		return ST_IO;
	}
	st = spool_read_segment_head(&seg, &next);
	if (st == ST_CORRUPT || st == ST_IO) {
		close(seg.fd);
		return set_aside(sc, name, (uint64_t)sb.st_size);
	}
	if (next > sc->s->next_id)
		sc->s->next_id = next;
	seg.size = (uint64_t)sb.st_size;
	if (st == ST_OK)
		st = spool_add_segment(sc->s, &seg);
	if (st != ST_OK)
		close(seg.fd);
	return st;
}

static enum status list_segments(struct scan *sc)
{
	struct spool *s = sc->s;
	DIR *d = fdopendir(openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	enum status st = d ? ST_OK : ST_NOMEM;

	while (st == ST_OK && (e = readdir(d)) != NULL) {
		unsigned long long number;
		int used = 0;

		if (sscanf(e->d_name, "%16llx.log%n", &number, &used) != 1 || used == 0 || e->d_name[used])
			continue;
		st = found_segment(sc, e->d_name, number);
	}
	if (d)
		closedir(d);
	if (st == ST_OK && s->n_segments)
		qsort(s->segments, s->n_segments, sizeof *s->segments, by_number);
	return st;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = (*(struct owed *const *)a)->id, y = (*(struct owed *const *)b)->id;

	return x < y ? -1 : x > y;
}

static enum status tell_one(struct scan *sc, const struct owed *o, struct buf *progress, spool_found *found,
			    void *arg)
{
	struct view env, body;
	enum status st = ST_OK;

	buf_clear(progress);
	if (o->progress.segment) {
		st = spool_letter(sc->s, &o->progress, &env, &body);
		if (st == ST_OK)
			buf_put(progress, body);
	}
	if (st == ST_OK)
		st = spool_envelope(sc->s, &o->at, &env);
	if (st == ST_OK)
		st = buf_status(progress);
	/* It was whole a moment ago.  It stays owed, and is found by the next opening. */
	if (st == ST_IO || st == ST_CORRUPT) {
		sc->damaged++;
		return ST_OK;
	}
	return st == ST_OK ? found(arg, o->id, &o->at, env, &o->progress, buf_view(progress)) : st;
}

/* Tell of every letter still owed, in the order of their ids. */
static enum status tell(struct scan *sc, spool_found *found, void *arg)
{
	struct owed **all = calloc(sc->owed.used + 1, sizeof(*all)), *o;
	struct buf progress = BUF(SPOOL_BATCH_MAX);
	size_t n = 0, at = 0;
	enum status st = all ? ST_OK : ST_NOMEM;

	while (all && (o = map_next(&sc->owed, &at)) != NULL)
		all[n++] = o;
	if (n)
		qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = tell_one(sc, all[i], &progress, found, arg);
	buf_free(&progress);
	free(all);
	return st;
}

/* Ids that stood in a file that was cut, or in a spool that is gone, must not
 * come again: a room would take the letter for one that it has.  Neither by
 * the clock nor by what is left are they ever near those of another opening. */
static uint64_t ids_from(uint64_t seen)
{
	uint64_t by_clock = (uint64_t)(clock_wall() / 1000) << OPENING_BITS;
	uint64_t beyond = seen + (1ull << OPENING_BITS);

	return by_clock > beyond ? by_clock : beyond;
}

static enum status open_all(struct spool *s, const char *folder, struct scan *sc)
{
	enum status st;

	s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return status_of_errno(errno);
	/* A queue whose parent was killed may still be writing its last. */
	if (flock(s->dir, LOCK_EX | LOCK_NB) != 0)
		return ST_EXISTS;
	st = list_segments(sc);
	for (size_t i = 0; i < s->n_segments && st == ST_OK; i++)
		st = scan_segment(sc, &s->segments[i]);
	/* What a crash left unfinished. */
	if (st == ST_OK && s->n_segments && !spool_current(s)->unreadable)
		st = disk_truncate(spool_current(s)->fd, (off_t)spool_current(s)->size);
	/* What is owed may have been written and never flushed; so may a DONE by
	 * which we are about to remove its letter, and to tell rooms that they
	 * need not know it any more. */
	for (size_t i = 0; i < s->n_segments && st == ST_OK; i++)
		st = disk_flush(s->segments[i].fd);
	s->next_id = ids_from(s->next_id);
	/* A fresh segment: an old one's failed flush must not be trusted. */
	if (st == ST_OK)
		st = spool_new_segment(s);
	return st;
}

enum status spool_open(const char *folder, uint64_t segment_size, spool_found *found, void *arg,
		       struct spool **ret, uint64_t *ret_damaged)
{
	struct spool *s = calloc(1, sizeof *s);
	struct scan sc = { .s = s };
	struct owed *o;
	size_t at = 0;
	enum status st;

	if (s == NULL)
		return ST_NOMEM;
	s->segment_size = segment_size;
	s->next_id = 1;
	s->batch = BUF(SPOOL_BATCH_MAX);
	s->scratch = BUF(SPOOL_BATCH_MAX);
	st = open_all(s, folder, &sc);
	if (st == ST_OK)
		st = tell(&sc, found, arg);
	while ((o = map_next(&sc.owed, &at)) != NULL)
		free(o);
	map_free(&sc.owed);
	if (st != ST_OK) {
		spool_close(s);
		return st;
	}
	spool_drop_empty(s);
	*ret = s;
	*ret_damaged = sc.damaged;
	return ST_OK;
}
