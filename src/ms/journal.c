#include "ms/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPY_STEP = 1024 * 1024 };

static struct segment *current(struct journal *j)
{
	return &j->segments[j->n_segments - 1];
}

struct segment *segment_of(struct journal *j, uint32_t number)
{
	/* Nearly always one of the last. */
	for (size_t i = j->n_segments; i-- > 0;)
		if (j->segments[i].f.number == number)
			return &j->segments[i];
	return NULL;
}

/* ---- opening ---- */

static enum status add_segment(struct journal *j, const struct segment *s)
{
	struct segment *more = realloc(j->segments, (j->n_segments + 1) * sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	j->segments = more;
	more[j->n_segments++] = *s;
	return ST_OK;
}

static void drop_segment(struct journal *j, struct segment *s)
{
	segment_close(s);
	j->n_segments--;
	memmove(s, s + 1, (size_t)(j->segments + j->n_segments - s) * sizeof *s);
}

static enum status new_segment(struct journal *j)
{
	uint32_t number = j->n_segments ? current(j)->f.number + 1 : 1;
	char name[SEGMENT_NAME];
	struct segment s;
	enum status st;

	segment_name(number, "seg", name);
	st = segment_make(j->dir, name, number, &s);
	if (st != ST_OK)
		return st;
	/* What is longer than a segment should be gets one more mapping. */
	s.reserve = j->segment_size + j->segment_size / 4;
	st = disk_flush_all(j->dir);
	if (st == ST_OK)
		st = add_segment(j, &s);
	if (st != ST_OK) {
		segment_close(&s);
		(void)!disk_unlink(j->dir, name);
	}
	return st;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct segment *)a)->f.number, y = ((const struct segment *)b)->f.number;

	return x < y ? -1 : x > y;
}

static enum status take_file(struct journal *j, const char *name)
{
	struct segment s = { .size = 0 };
	struct stat sb;
	unsigned number;
	int used = 0;
	enum status st;

	if (sscanf(name, "%8x.new%n", &number, &used) == 1 && used && name[used] == '\0')
		return disk_unlink(j->dir, name);	/* a compaction that was not finished */
	if (sscanf(name, "%8x.seg%n", &number, &used) != 1 || used == 0 || name[used])
		return ST_OK;
	s.f.number = number;
	st = disk_open(j->dir, name, O_RDWR, 0, &s.fd);
	if (st != ST_OK)
		return st;
	if (fstat(s.fd, &sb) != 0)
		st = ST_IO;
	s.size = (uint64_t)sb.st_size;
	if (st == ST_OK)
		st = add_segment(j, &s);
	if (st != ST_OK)
		close(s.fd);
	return st;
}

static enum status list_segments(struct journal *j)
{
	DIR *d = fdopendir(openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	enum status st = d ? ST_OK : ST_NOMEM;

	while (st == ST_OK && (e = readdir(d)) != NULL)
		st = take_file(j, e->d_name);
	if (d)
		closedir(d);
	if (st == ST_OK && j->n_segments)
		qsort(j->segments, j->n_segments, sizeof *j->segments, by_number);
	return st;
}

static const struct segment_facts *facts_of(const struct segment_facts *facts, size_t n, uint32_t number)
{
	for (size_t i = 0; i < n; i++)
		if (facts[i].number == number)
			return &facts[i];
	return NULL;
}

/* Finds the end of the good records, starting where the facts end.  ST_NOMEM. */
static enum status measure(struct journal *j, struct segment *s)
{
	uint64_t at = s->f.end, end = at;
	bool lost = false;
	struct journal_record rec;

	while (at + JOURNAL_HEAD <= s->size) {
		enum status st = segment_record(s, at, &rec);

		if (st == ST_NOMEM)
			return st;
		if (st != ST_OK) {
			lost = true;
			s->unreadable |= st != ST_CORRUPT;
			at = segment_onward(s, at);
			continue;
		}
		j->damaged += lost;
		lost = s->unreadable = false;
		if (s->f.first_seq == 0)
			s->f.first_seq = rec.seq;
		if (rec.seq > s->last_seq)
			s->last_seq = rec.seq;
		at += record_span(rec.at.meta_n, rec.at.body_n);
		end = at;
	}
	s->size = end;
	s->f.last_seq = s->last_seq;
	journal_raise_seq(j, s->last_seq + 1);
	return ST_OK;
}

/* One segment at opening.  A last file that never got its head holds nothing
 * that was called durable. */
static enum status begin_segment(struct journal *j, struct segment *s, const struct segment_facts *known)
{
	enum status st = segment_read_head(s);
	uint64_t length = s->size;

	if ((st == ST_CORRUPT || st == ST_IO) && known) {
		s->f.generation = known->generation;	/* both copies spoilt: the index knows it */
		j->damaged++;
		st = ST_OK;
	}
	if (st != ST_OK)
		return st;
	s->f.end = SEGMENT_HEAD;
	s->f.live = UINT64_MAX;
	if (known && known->generation == s->f.generation && known->end <= length) {
		s->f = *known;
		s->last_seq = known->last_seq;
	}
	return measure(j, s);
}

/* What lies behind the last known flush may have failed to reach the disk in
 * an earlier process, which the kernel tells only once: make it dirty anew. */
static void write_tail_again(struct segment *s)
{
	char *bytes = malloc(COPY_STEP);
	enum status st = bytes ? ST_OK : ST_NOMEM;

	for (uint64_t at = s->f.end; at < s->size && st == ST_OK; at += COPY_STEP) {
		size_t n = s->size - at < COPY_STEP ? (size_t)(s->size - at) : COPY_STEP;
		struct iovec iov = { bytes, n };

		st = disk_read_at(s->fd, bytes, n, (off_t)at);
		if (st == ST_OK)
			st = disk_write_at(s->fd, &iov, 1, (off_t)at);
	}
	s->suspect = st != ST_OK;
	free(bytes);
}

static enum status begin_all(struct journal *j, const struct segment_facts *facts, size_t n_facts)
{
	for (size_t i = 0; i < j->n_segments;) {
		struct segment *s = &j->segments[i];
		enum status st = begin_segment(j, s, facts_of(facts, n_facts, s->f.number));

		if (st == ST_CORRUPT) {
			char name[SEGMENT_NAME];

			j->damaged += s->size > SEGMENT_HEAD;
			segment_name(s->f.number, s->size > SEGMENT_HEAD ? "bad" : "seg", name);
			if (s->size > SEGMENT_HEAD) {
				char was[SEGMENT_NAME];

				/* Kept for a person to look at, out of the way. */
				segment_name(s->f.number, "seg", was);
				st = disk_rename(j->dir, was, name);
			} else {
				st = disk_unlink(j->dir, name);
			}
			drop_segment(j, s);
			if (st == ST_OK)
				continue;
		}
		if (st != ST_OK)
			return st;
		i++;
	}
	for (size_t i = 0; i < n_facts; i++)
		j->damaged += segment_of(j, facts[i].number) == NULL && facts[i].first_seq != 0;
	return ST_OK;
}

/* Is what came last, behind all that the index knows, not to be read now?  To go
 * on without it would give its UIDs and seqs a second time, and cut it off. */
static bool end_unreadable(const struct journal *j)
{
	for (size_t i = j->n_segments; i-- > 0;) {
		if (j->segments[i].unreadable)
			return true;
		if (j->segments[i].f.first_seq)
			return false;
	}
	return false;
}

static enum status begin_last(struct journal *j)
{
	struct segment *s;

	if (j->n_segments == 0)
		return new_segment(j);
	if (end_unreadable(j))
		return ST_IO;
	/* Only the last one can have anything behind its flushed end. */
	for (size_t i = 0; i + 1 < j->n_segments; i++)
		j->segments[i].f.end = j->segments[i].size;
	s = current(j);
	s->reserve = j->segment_size + j->segment_size / 4;
	(void)!disk_truncate(s->fd, (off_t)s->size);
	j->dirty = s->size > s->f.end;
	if (j->dirty)
		write_tail_again(s);
	return ST_OK;
}

enum status journal_open(int dir, uint64_t segment_size, const struct segment_facts *facts, size_t n_facts,
			 struct journal **ret, uint64_t *ret_damaged)
{
	struct journal *j = calloc(1, sizeof *j);
	enum status st;

	if (j == NULL)
		return ST_NOMEM;
	j->dir = dir;
	j->segment_size = segment_size;
	j->next_seq = 1;
	st = list_segments(j);
	if (st == ST_OK)
		st = begin_all(j, facts, n_facts);
	for (size_t i = 0; i < n_facts && st == ST_OK; i++) {
		struct segment *s = segment_of(j, facts[i].number);

		/* The replay begins where the facts end. */
		if (s && s == current(j) && s->f.generation == facts[i].generation) {
			j->mark.seq = facts[i].last_seq + 1;
			j->mark.offset = facts[i].end;
			j->mark.segment = s->f.number;
		}
	}
	if (st == ST_OK)
		st = begin_last(j);
	if (st != ST_OK) {
		journal_close(j);
		return st;
	}
	*ret_damaged = j->damaged;
	*ret = j;
	return ST_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < j->n_segments; i++)
		segment_close(&j->segments[i]);
	free(j->segments);
	free(j);
}

uint64_t journal_next_seq(const struct journal *j)
{
	return j->next_seq;
}

void journal_raise_seq(struct journal *j, uint64_t next)
{
	if (next > j->next_seq)
		j->next_seq = next;
}

bool journal_facts(const struct journal *j, size_t i, struct segment_facts *ret)
{
	if (i >= j->n_segments)
		return false;
	*ret = j->segments[i].f;
	return true;
}

void journal_set_live(struct journal *j, uint32_t segment, uint64_t bytes)
{
	struct segment *s = segment_of(j, segment);

	if (s)
		s->f.live = bytes;
}

uint64_t journal_size(const struct journal *j, uint32_t segment)
{
	const struct segment *s = segment_of((struct journal *)j, segment);

	return s ? s->size - SEGMENT_HEAD : 0;
}

uint32_t journal_current(const struct journal *j)
{
	return j->segments[j->n_segments - 1].f.number;
}

/* ---- reading ---- */

struct scan {
	uint64_t from, last;	/* seqs: wanted from; visited up to */
	journal_visit *visit;
	void *arg;
};

static enum status scan_from(struct segment *s, uint64_t at, struct scan *scan)
{
	struct journal_record rec;
	enum status st = ST_OK;

	while (st == ST_OK && at + JOURNAL_HEAD <= s->size) {
		st = segment_record(s, at, &rec);
		if (st == ST_NOMEM)
			break;
		if (st != ST_OK) {
			st = ST_OK;
			at = segment_onward(s, at);
			continue;
		}
		segment_reads(s, at, record_span(rec.at.meta_n, rec.at.body_n));
		if (rec.seq >= scan->from && rec.seq > scan->last) {
			st = scan->visit(scan->arg, &rec);
			scan->last = rec.seq;
		}
		at += record_span(rec.at.meta_n, rec.at.body_n);
	}
	return st;
}

enum status journal_scan(struct journal *j, uint64_t from_seq, journal_visit *visit, void *arg)
{
	struct scan scan = { .from = from_seq, .last = 0, .visit = visit, .arg = arg };
	enum status st = ST_OK;

	for (size_t i = 0; i < j->n_segments && st == ST_OK; i++) {
		struct segment *s = &j->segments[i];
		uint64_t at = SEGMENT_HEAD;

		if (s->last_seq < from_seq)
			continue;
		if (j->mark.segment == s->f.number && j->mark.seq <= from_seq)
			at = j->mark.offset;
		st = scan_from(s, at, &scan);
	}
	if (st == ST_OK) {
		j->mark.seq = j->next_seq;
		j->mark.offset = current(j)->size;
		j->mark.segment = current(j)->f.number;
	}
	return st;
}

/* The segment to go on in; NULL: none is left. */
static struct segment *step_segment(struct journal *j, struct journal_at *at, uint64_t from_seq)
{
	for (size_t i = 0; i < j->n_segments; i++) {
		struct segment *s = &j->segments[i];

		if (s->f.number < at->segment || s->last_seq < from_seq ||
		    (s->f.number == at->segment && at->offset + JOURNAL_HEAD > s->size))
			continue;
		if (s->f.number != at->segment)
			*at = (struct journal_at){ s->f.number, SEGMENT_HEAD };
		return s;
	}
	return NULL;
}

enum status journal_step(struct journal *j, struct journal_at *at, uint64_t from_seq, uint64_t bytes,
			 journal_visit *visit, void *arg, bool *ret_end)
{
	struct segment *s = NULL;
	uint64_t used = 0;
	enum status st = ST_OK;

	while (st == ST_OK && used < bytes && (s = step_segment(j, at, from_seq)) != NULL) {
		struct journal_record rec;
		uint64_t span = 0;

		st = segment_record(s, at->offset, &rec);
		if (st == ST_OK) {
			span = record_span(rec.at.meta_n, rec.at.body_n);
			if (rec.seq >= from_seq)
				st = visit(arg, &rec);
		} else if (st != ST_NOMEM) {
			st = ST_OK;
			span = segment_onward(s, at->offset) - at->offset;
		}
		if (st == ST_OK)
			at->offset += span;
		used += span;
	}
	*ret_end = st == ST_OK && s == NULL;
	return st;
}

static enum status find_record(struct journal *j, const struct place *at, struct journal_record *ret)
{
	struct segment *s = segment_of(j, at->segment);
	enum status st;

	if (s == NULL)
		return ST_CORRUPT;
	segment_reads(s, at->offset, record_span(at->meta_n, at->body_n));
	st = segment_record_once(s, at->offset, ret);
	if (st == ST_OK && (ret->at.meta_n != at->meta_n || ret->at.body_n != at->body_n))
		return ST_CORRUPT;
	return st;
}

enum status journal_body(struct journal *j, const struct place *at, struct view *ret_body)
{
	struct journal_record rec;
	enum status st = find_record(j, at, &rec);

	if (st == ST_OK)
		*ret_body = rec.body;
	return st;
}

/* ---- writing ---- */

enum status journal_roll(struct journal *j)
{
	/* What the old one holds must be on disk before it is left. */
	enum status st = journal_flush(j);

	return st == ST_OK ? new_segment(j) : st;
}

enum status journal_append(struct journal *j, uint8_t type, struct view meta, const struct view *body,
			   size_t n_parts, struct place *ret_at)
{
	enum status st = ST_OK;
	struct segment *s;

	if (current(j)->size >= j->segment_size)
		st = journal_roll(j);
	if (st != ST_OK)
		return st;
	s = current(j);
	st = segment_append(s, type, j->next_seq, meta, body, n_parts, ret_at);
	if (st != ST_OK)
		return st;
	if (s->f.first_seq == 0)
		s->f.first_seq = j->next_seq;
	j->next_seq++;
	j->dirty = true;
	return ST_OK;
}

void journal_undo(struct journal *j, const struct place *at)
{
	struct segment *s = current(j);

	if (at->segment != s->f.number || s->size != at->offset + record_span(at->meta_n, at->body_n))
		return;
	s->size = at->offset;
	j->next_seq--;
	s->last_seq = s->size == SEGMENT_HEAD ? 0 : j->next_seq - 1;
	if (s->f.first_seq == j->next_seq)
		s->f.first_seq = 0;
	/* If this fails the bytes lie behind the end, and the next record is
	 * written over them. */
	(void)!disk_truncate(s->fd, (off_t)s->size);
}

bool journal_dirty(const struct journal *j)
{
	return j->dirty;
}

/* The unflushed records of `from`, written again behind those of `to`. */
static enum status copy_unflushed(struct segment *from, struct segment *to)
{
	uint64_t at = from->f.end;
	enum status st = ST_OK;

	while (at < from->size && st == ST_OK) {
		struct journal_record rec;

		/* The kernel may have dropped what it could not write. */
		if (segment_record(from, at, &rec) != ST_OK)
			return ST_IO;
		st = segment_append(to, rec.type, rec.seq, rec.meta, &rec.body, 1, NULL);
		if (to->f.first_seq == 0)
			to->f.first_seq = rec.seq;
		at += record_span(rec.at.meta_n, rec.at.body_n);
	}
	return st;
}

/* A flush of the current segment failed: never ask that file again. */
static enum status rescue(struct journal *j)
{
	struct segment *from, *to;
	char name[SEGMENT_NAME];
	enum status st = new_segment(j);

	if (st != ST_OK)
		return st;
	to = current(j);
	from = to - 1;
	st = copy_unflushed(from, to);
	if (st == ST_OK)
		st = disk_flush(to->fd);
	if (st != ST_OK) {
		segment_name(to->f.number, "seg", name);
		drop_segment(j, to);
		(void)!disk_unlink(j->dir, name);
		return st;
	}
	j->moved = (struct journal_moved){ from->f.number, to->f.number, from->f.end };
	from->size = from->f.end;
	from->last_seq = from->f.last_seq;
	/* If this fails its records are met twice, and the second time passed
	 * over. */
	(void)!disk_truncate(from->fd, (off_t)from->size);
	return ST_OK;
}

enum status journal_flush(struct journal *j)
{
	struct segment *s = current(j);
	enum status st;

	if (!j->dirty)
		return ST_OK;
	if (!s->suspect && disk_flush(s->fd) == ST_OK)
		st = ST_OK;
	else {
		s->suspect = true;
		st = rescue(j);
	}
	if (st != ST_OK)
		return st;
	s = current(j);
	s->f.end = s->size;
	s->f.last_seq = s->last_seq;
	j->dirty = false;
	return ST_OK;
}

bool journal_moved(struct journal *j, struct journal_moved *ret)
{
	if (j->moved.from == 0)
		return false;
	*ret = j->moved;
	j->moved.from = 0;
	return true;
}
