/* spool.c - writing letters into the log, and reading them back. */
#include "mta/queue/spool_internal.h"

#include "base/clock.h"
#include "base/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY	/* a hash state on the stack */
#include <xxhash.h>

enum { BATCH_SPARE = 8 * 1024 * 1024, ZEROS = 32 * 1024, AHEAD = 32 * ZEROS };
static const uint32_t magic = 0x31535857;	/* "WXS1" */
static const struct view segment_magic = { "WXSPOOL2", 8 };

static void spool_segment_name(uint64_t number, char out[SEGMENT_NAME])
{
	snprintf(out, SEGMENT_NAME, "%016llx.log", (unsigned long long)number);
}

struct segment *spool_segment(struct spool *s, uint64_t number)
{
	size_t low = 0, high = s->n_segments;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->segments[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n_segments && s->segments[low].number == number ? &s->segments[low] : NULL;
}

/* ---- records ---- */

static void put_head(struct buf *b, uint8_t type, uint64_t id, size_t env, size_t body)
{
	put_u32(b, magic);
	put_u32(b, type);
	put_u32(b, (uint32_t)env);
	put_u32(b, (uint32_t)body);
	put_u64(b, id);
	put_u64(b, 0);
}

static uint64_t checksum(const char *record, size_t n, uint64_t seed)
{
	XXH3_state_t st;

	/* Without this a state that an earlier call left here, and others have
	 * written over since, passes for one that was made for this seed. */
	XXH3_INITSTATE(&st);
	XXH3_64bits_reset_withSeed(&st, seed);
	XXH3_64bits_update(&st, record, SPOOL_HEAD - 8);
	XXH3_64bits_update(&st, record + SPOOL_HEAD, n - SPOOL_HEAD);
	return XXH3_64bits_digest(&st);
}

/* Seals the record that begins at `from` in b: checksum and padding. */
static void seal(struct buf *b, size_t from, uint64_t seed)
{
	static const char zeros[SPOOL_ALIGN];
	size_t n = b->n - from;
	uint64_t sum;

	if (b->st != ST_OK)
		return;
	sum = checksum(b->p + from, n, seed);
	for (size_t i = 0; i < 8; i++)
		b->p[from + SPOOL_HEAD - 8 + i] = (char)(sum >> (8 * i));
	buf_put(b, view_make(zeros, (size_t)(spool_record_size(n, 0) - SPOOL_HEAD - n)));
}

bool spool_take_record(struct view bytes, uint64_t seed, struct spool_head *ret)
{
	struct cursor c = cursor_over(view_head(bytes, SPOOL_HEAD));
	struct spool_head h;

	if (take_u32(&c) != magic)
		return false;
	h.type = (uint8_t)take_u32(&c);
	h.env = take_u32(&c);
	h.body = take_u32(&c);
	h.id = take_u64(&c);
	h.sum = take_u64(&c);
	if (!cursor_ok(&c) || (uint64_t)SPOOL_HEAD + h.env + h.body > bytes.n ||
	    checksum(bytes.p, SPOOL_HEAD + (size_t)h.env + h.body, seed) != h.sum)
		return false;
	*ret = h;
	return true;
}

/* ---- segments ---- */

enum status spool_add_segment(struct spool *s, const struct segment *seg)
{
	struct segment *more = realloc(s->segments, (s->n_segments + 1) * sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	s->segments = more;
	more[s->n_segments++] = *seg;
	return ST_OK;
}

/* Head of a segment, twice: see spool.h. */
static enum status write_segment_head(const struct spool *s, const struct segment *seg)
{
	static const char zeros[SEGMENT_SECTOR - SEGMENT_HEAD];
	char head[SEGMENT_HEAD];
	struct buf b = { .p = head, .cap = sizeof head, .max = sizeof head };
	struct iovec iov[4];

	buf_put(&b, segment_magic);
	put_u64(&b, seg->seed);
	put_u64(&b, seg->number);
	put_u64(&b, s->next_id);
	put_u64(&b, XXH3_64bits(head, SEGMENT_HEAD - 8));
	for (int i = 0; i < 2; i++) {
		iov[2 * i] = (struct iovec){ head, SEGMENT_HEAD };
		iov[2 * i + 1] = (struct iovec){ (void *)zeros, sizeof zeros };
	}
	return disk_write_at(seg->fd, iov, 4, 0);
}

enum status spool_read_segment_head(struct segment *seg, uint64_t *ret_next_id)
{
	char head[SEGMENT_HEAD];

	for (off_t at = 0; at < SEGMENT_BEGIN; at += SEGMENT_SECTOR) {
		struct cursor c = cursor_over(view_make(head, sizeof head));
		enum status st = disk_read_at(seg->fd, head, sizeof head, at);
		uint64_t seed, number, next;

		if (st != ST_OK)
			return st;
		if (!view_eq(take_bytes(&c, segment_magic.n), segment_magic))
			continue;
		seed = take_u64(&c);
		number = take_u64(&c);
		next = take_u64(&c);
		if (take_u64(&c) != XXH3_64bits(head, SEGMENT_HEAD - 8) || number != seg->number)
			continue;
		seg->seed = seed;
		*ret_next_id = next;
		return ST_OK;
	}
	return ST_CORRUPT;
}

enum status spool_new_segment(struct spool *s)
{
	struct segment seg = {
		.number = s->n_segments ? spool_current(s)->number + 1 : 1,
		.first_id = UINT64_MAX, .size = SEGMENT_BEGIN,
	};
	char name[SEGMENT_NAME];
	enum status st;

	if (getrandom(&seg.seed, sizeof seg.seed, 0) != (ssize_t)sizeof seg.seed)
		return ST_IO;
	spool_segment_name(seg.number, name);
	st = disk_open(s->dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, &seg.fd);
	if (st != ST_OK)
		return st;
	/* Head and name must be on disk before anything is promised in it. */
	st = write_segment_head(s, &seg);
	if (st == ST_OK)
		st = disk_flush(seg.fd);
	if (st == ST_OK)
		st = disk_flush_all(s->dir);
	if (st == ST_OK)
		st = spool_add_segment(s, &seg);
	if (st != ST_OK) {
		close(seg.fd);
		/* Its name must be free for the next try. */
		if (disk_unlink(s->dir, name) != ST_OK)
			return st;
	}
	return st;
}

enum status spool_set_aside(struct spool *s, const char *name)
{
	char bad[SEGMENT_NAME * 2];

	snprintf(bad, sizeof bad, "%.24s.bad", name);
	return disk_rename(s->dir, name, bad);
}

/* Oldest first, and never the one that is written to.  A removed name is gone
 * for good before the next is removed: else a letter could come back whose
 * DONE is gone. */
void spool_drop_empty(struct spool *s)
{
	char name[SEGMENT_NAME];
	enum status st;

	while (s->n_segments > 1 && s->segments[0].owed == 0) {
		if (s->dir_dirty && disk_flush_all(s->dir) != ST_OK)
			return;
		s->dir_dirty = false;
		spool_segment_name(s->segments[0].number, name);
		st = s->segments[0].unreadable ? spool_set_aside(s, name) : disk_unlink(s->dir, name);
		if (st != ST_OK)
			return;
		s->dir_dirty = true;
		close(s->segments[0].fd);
		s->n_segments--;
		memmove(s->segments, s->segments + 1, s->n_segments * sizeof *s->segments);
	}
}

uint64_t spool_floor(const struct spool *s)
{
	uint64_t least = s->batch_letters || s->batch_copies ? s->batch_least_id : s->next_id;

	for (size_t i = 0; i < s->n_segments; i++)
		if (s->segments[i].first_id < least)
			least = s->segments[i].first_id;
	return least;
}

void spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n_segments; i++)
		close(s->segments[i].fd);
	if (s->dir >= 0)
		close(s->dir);
	free(s->segments);
	free(s->dones);
	buf_free(&s->batch);
	buf_free(&s->scratch);
	free(s);
}

/* ---- writing ---- */

static void put_memory_file(struct buf *b, int fd, uint64_t n)
{
	char *p;

	if (buf_reserve(b, n, &p) != ST_OK)
		return;
	if (disk_read_at(fd, p, n, 0) != ST_OK)
		b->st = ST_IO;
	else
		b->n += n;
}

static void empty_batch(struct spool *s)
{
	s->kept = false;
	if (s->batch.cap > BATCH_SPARE)
		buf_free(&s->batch);
	buf_clear(&s->batch);
	s->batch_letters = s->batch_copies = s->batch_bytes = 0;
	s->batch_least_id = UINT64_MAX;
}

/* The batch that was committed last gives way to a new one, which must not go
 * into a segment whose flush failed. */
static enum status begin_batch(struct spool *s)
{
	if (s->kept || s->batch.n == 0)
		empty_batch(s);
	if (s->batch.n == 0 && spool_current(s)->failed)
		return spool_new_segment(s);
	return ST_OK;
}

static enum status room_for_dones(struct spool *s, size_t n)
{
	size_t cap = s->dones_cap ? s->dones_cap * 2 : 64;
	struct done *more;

	if (n <= s->dones_cap)
		return ST_OK;
	while (cap < n)
		cap *= 2;
	more = realloc(s->dones, cap * sizeof *more);
	if (more == NULL)
		return ST_NOMEM;
	s->dones = more;
	s->dones_cap = cap;
	return ST_OK;
}

/* One record at the end of the batch, or nothing of it. */
static enum status put_record(struct spool *s, uint8_t type, uint64_t id, struct view envelope, struct view body,
			      int body_fd, uint64_t body_n, struct spool_place *ret_at)
{
	size_t from = s->batch.n;
	enum status st;

	put_head(&s->batch, type, id, envelope.n, (size_t)body_n);
	buf_put(&s->batch, envelope);
	if (body_fd < 0)
		buf_put(&s->batch, body);
	else
		put_memory_file(&s->batch, body_fd, body_n);
	seal(&s->batch, from, spool_current(s)->seed);
	st = buf_status(&s->batch);
	if (st != ST_OK) {
		s->batch.n = from;
		s->batch.st = ST_OK;
		return st;
	}
	*ret_at = (struct spool_place){ spool_current(s)->number, spool_current(s)->size + from,
					(uint32_t)envelope.n, (uint32_t)body_n };
	s->batch_bytes += s->batch.n - from;
	if ((type & ~SPOOL_INNER) == SPOOL_LETTER && id < s->batch_least_id)
		s->batch_least_id = id;
	return ST_OK;
}

enum status spool_add(struct spool *s, struct view envelope, struct view body, int body_fd,
		      uint64_t body_n, uint64_t *ret_id, struct spool_place *ret_at)
{
	enum status st = begin_batch(s);

	if (body_fd < 0)
		body_n = body.n;
	if (envelope.n > UINT32_MAX / 2 || body_n > UINT32_MAX / 2)
		return ST_LIMIT;
	/* So that giving it up can never fail. */
	if (st == ST_OK)
		st = room_for_dones(s, s->n_dones + s->batch_letters + 1);
	if (st == ST_OK)
		st = put_record(s, SPOOL_LETTER, s->next_id, envelope, body, body_fd, body_n, ret_at);
	if (st != ST_OK)
		return st;
	if (s->batch_letters++ == 0)
		s->batch_first_id = s->next_id;
	*ret_id = s->next_id++;
	return ST_OK;
}

enum status spool_done(struct spool *s, uint64_t queue_id, const struct spool_place *at,
		       const struct spool_place *progress_at)
{
	/* Those that giving up the batch may want stay free. */
	enum status st = room_for_dones(s, s->n_dones + (s->kept ? 0 : s->batch_letters) + 1);

	if (st == ST_OK)
		s->dones[s->n_dones++] = (struct done){ queue_id, *at, *progress_at };
	return st;
}

/* ---- progress and reports ---- */

enum status spool_progress(struct spool *s, uint64_t queue_id, struct view progress,
			   struct spool_place *ret_at)
{
	enum status st = begin_batch(s);

	if (st == ST_OK)
		st = put_record(s, SPOOL_PROGRESS, queue_id, VIEW_NONE, progress, -1, progress.n, ret_at);
	if (st == ST_OK)
		s->batch_copies++;
	return st;
}

uint64_t spool_next_id(const struct spool *s)
{
	return s->next_id;
}

/* The records within a SET. */
static enum status put_inner(struct spool *s, uint64_t id, struct spool_report *r)
{
	struct spool_place none;
	enum status st = put_record(s, SPOOL_LETTER | SPOOL_INNER, id, r->envelope, r->body, -1, r->body.n,
				    &r->at);

	if (st != ST_OK)
		return st;
	if (r->progress.n)
		return put_record(s, SPOOL_PROGRESS | SPOOL_INNER, r->about, VIEW_NONE, r->progress, -1,
				  r->progress.n, &r->progress_at);
	st = put_record(s, SPOOL_DONE | SPOOL_INNER, r->about, VIEW_NONE, VIEW_NONE, -1, 0, &none);
	if (st == ST_OK)	/* a DONE is never owed */
		s->batch_bytes -= spool_record_size(0, 0);
	return st;
}

enum status spool_report(struct spool *s, uint64_t *id, struct spool_report *r)
{
	enum status st = begin_batch(s);
	uint64_t own = *id ? *id : s->next_id, bytes = s->batch_bytes, least = s->batch_least_id;
	size_t from = s->batch.n, n;

	if (st != ST_OK)
		return st;
	put_head(&s->batch, SPOOL_SET, own, 0, 0);
	st = buf_status(&s->batch);
	if (st == ST_OK)
		st = put_inner(s, own, r);
	if (st == ST_OK) {
		n = s->batch.n - from - SPOOL_HEAD;
		for (size_t i = 0; i < 4; i++)
			s->batch.p[from + 12 + i] = (char)(n >> (8 * i));
		seal(&s->batch, from, spool_current(s)->seed);
	} else {
		s->batch.n = from;
		s->batch.st = ST_OK;
		s->batch_bytes = bytes;
		s->batch_least_id = least;
		return st;
	}
	s->batch_copies += r->progress.n ? 2 : 1;
	if (*id == 0)
		*id = s->next_id++;
	return ST_OK;
}

static void put_dones(struct spool *s)
{
	for (size_t i = 0; i < s->n_dones; i++) {
		size_t from = s->batch.n;

		put_head(&s->batch, SPOOL_DONE, s->dones[i].id, 0, 0);
		seal(&s->batch, from, spool_current(s)->seed);
	}
}

/* The batch could not be made durable.  What of it may have reached the disk
 * must not come back to life: it is cut off, or else its letters get a DONE
 * with the next batch that works, in another segment. */
static enum status give_up(struct spool *s, enum status why, bool written)
{
	struct segment *seg = spool_current(s);

	if (!written && disk_truncate(seg->fd, (off_t)seg->size) == ST_OK && disk_flush(seg->fd) == ST_OK) {
		seg->prepared = seg->size;
		empty_batch(s);
		return why;
	}
	seg->failed = true;
	for (uint64_t i = 0; i < s->batch_letters; i++)
		s->dones[s->n_dones++] = (struct done){ s->batch_first_id + i, { 0 }, { 0 } };
	empty_batch(s);
	return why;
}

/* A flush of bytes that lie in blocks written before touches neither the
 * file's size nor its block map, and so is one transfer where a growing file
 * needs two.  So the file is kept ahead with zeros, AHEAD bytes at a time: the
 * flush of one batch in hundreds pays for it.  Large batches would pay more
 * than they gain.  When it cannot be done nothing is lost. */
static void prepare(struct segment *seg, uint64_t end, size_t batch)
{
	static const char zeros[ZEROS];
	struct iovec iov[AHEAD / ZEROS];

	if (end <= seg->prepared || batch > AHEAD / 4)
		return;
	for (size_t i = 0; i < AHEAD / ZEROS; i++)
		iov[i] = (struct iovec){ (void *)zeros, ZEROS };
	if (disk_write_at(seg->fd, iov, AHEAD / ZEROS, (off_t)end) == ST_OK)
		seg->prepared = end + AHEAD;
}

static enum status write_batch(struct spool *s, bool *ret_written)
{
	struct segment *seg = spool_current(s);
	struct iovec iov = { s->batch.p, s->batch.n };
	enum status st = disk_write_at(seg->fd, &iov, 1, (off_t)seg->size);

	*ret_written = st == ST_OK;
	if (st == ST_OK) {
		prepare(seg, seg->size + s->batch.n, s->batch.n);
		st = disk_flush(seg->fd);
	}
	return st;
}

/* The batch is on disk: count what is owed now and what no longer is. */
static void account(struct spool *s)
{
	struct segment *seg = spool_current(s);

	s->kept = true;
	s->kept_at = (struct spool_place){ .segment = seg->number, .offset = seg->size };
	seg->size += s->batch.n;
	seg->owed += s->batch_letters + s->batch_copies;
	seg->owed_bytes += s->batch_bytes;
	if (s->batch_least_id < seg->first_id)
		seg->first_id = s->batch_least_id;
	for (size_t i = 0; i < s->n_dones; i++) {
		spool_moved(s, &s->dones[i].at);
		spool_moved(s, &s->dones[i].progress_at);
	}
	s->n_dones = s->batch_letters = s->batch_copies = 0;
}

enum status spool_commit(struct spool *s)
{
	bool written;
	enum status st;

	if (s->n_dones == 0 && (s->batch.n == 0 || s->kept))
		return ST_OK;
	st = begin_batch(s);
	if (st != ST_OK)
		return st;
	put_dones(s);
	st = buf_status(&s->batch);
	if (st == ST_OK)
		st = write_batch(s, &written);
	else
		written = false;
	if (st != ST_OK)
		return give_up(s, st, written);
	account(s);
	if (spool_current(s)->size >= s->segment_size && spool_new_segment(s) != ST_OK)
		return ST_OK;	/* the old one goes on growing until a new one can be made */
	spool_drop_empty(s);
	return ST_OK;
}

/* ---- letters that stay long ---- */

/* More than half of what lies there, and of more than a few segments, is
 * needed no more. */
static bool mostly_empty(const struct spool *s)
{
	uint64_t size = 0, owed = 0;

	for (size_t i = 0; i < s->n_segments; i++) {
		size += s->segments[i].size;
		owed += s->segments[i].owed_bytes;
	}
	return size > 2 * owed + SPOOL_SEGMENTS_KEPT * s->segment_size;
}

uint64_t spool_stale(const struct spool *s)
{
	const struct segment *old = &s->segments[0];

	if (s->n_segments <= SPOOL_SEGMENTS_KEPT ||
	    (old->owed_bytes > s->segment_size / 4 && !mostly_empty(s)))
		return 0;
	return old->number;
}

enum status spool_copy(struct spool *s, uint64_t id, const struct spool_place *at,
		       struct spool_place *ret_at)
{
	struct view env, body;
	enum status st = begin_batch(s);

	if (st == ST_OK)
		st = spool_letter(s, at, &env, &body);
	if (st == ST_OK)
		st = put_record(s, SPOOL_LETTER, id, env, body, -1, body.n, ret_at);
	if (st == ST_OK)
		s->batch_copies++;
	return st;
}

void spool_moved(struct spool *s, const struct spool_place *from)
{
	struct segment *seg = spool_segment(s, from->segment);

	if (seg == NULL || seg->owed == 0)
		return;
	seg->owed--;
	seg->owed_bytes -= spool_record_size(from->envelope_n, from->body_n);
}

/* ---- reading back ---- */

/* The bytes of the last batch, where the letter is one of them. */
static bool in_memory(const struct spool *s, const struct spool_place *at, struct view *ret_record)
{
	if (!s->kept || at->segment != s->kept_at.segment || at->offset < s->kept_at.offset)
		return false;
	*ret_record = view_skip(buf_view(&s->batch), (size_t)(at->offset - s->kept_at.offset));
	return ret_record->n >= SPOOL_HEAD + (size_t)at->envelope_n + at->body_n;
}

/* The first n bytes of the record; all of it is checked. */
static enum status read_record(struct spool *s, const struct spool_place *at, size_t n, struct view *ret)
{
	struct segment *seg = spool_segment(s, at->segment);
	size_t whole = SPOOL_HEAD + (size_t)at->envelope_n + at->body_n;
	struct spool_head h;
	char *p;
	enum status st;

	if (in_memory(s, at, ret))
		return ST_OK;
	if (seg == NULL)
		return ST_MISSING;
	buf_clear(&s->scratch);
	st = buf_reserve(&s->scratch, n, &p);
	if (st == ST_OK)
		st = disk_read_at(seg->fd, p, n, (off_t)at->offset);
	if (st == ST_OK && n == whole && !spool_take_record(view_make(p, n), seg->seed, &h))
		st = ST_CORRUPT;
	if (st == ST_OK)
		*ret = view_make(p, n);
	return st;
}

enum status spool_envelope(struct spool *s, const struct spool_place *at, struct view *ret_envelope)
{
	struct view record;
	enum status st = read_record(s, at, SPOOL_HEAD + at->envelope_n, &record);

	if (st == ST_OK)
		*ret_envelope = view_head(view_skip(record, SPOOL_HEAD), at->envelope_n);
	return st;
}

enum status spool_letter(struct spool *s, const struct spool_place *at, struct view *ret_envelope,
			 struct view *ret_body)
{
	struct view record;
	enum status st = read_record(s, at, SPOOL_HEAD + (size_t)at->envelope_n + at->body_n, &record);

	if (st != ST_OK)
		return st;
	*ret_envelope = view_head(view_skip(record, SPOOL_HEAD), at->envelope_n);
	*ret_body = view_head(view_skip(record, SPOOL_HEAD + at->envelope_n), at->body_n);
	return ST_OK;
}

enum status spool_body_fd(struct spool *s, const struct spool_place *at, int *ret_fd)
{
	struct view env, body;
	struct iovec iov;
	enum status st = spool_letter(s, at, &env, &body);
	int fd;

	if (st != ST_OK)
		return st;
	fd = memfd_create("letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return status_of_errno(errno);
	iov = (struct iovec){ (void *)body.p, body.n };
	st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (st != ST_OK) {
		close(fd);
		return st;
	}
	*ret_fd = fd;
	return ST_OK;
}
