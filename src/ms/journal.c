#include "ms/journal.h"

#include "base/buf.h"
#include "base/cursor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY	/* a hash state on the stack */
#include <xxhash.h>

enum { SEGMENT_HEAD = 32, HEAD = 32, ALIGN = 8, NAME_SIZE = 32, MAP_STEP = 16 * 1024 * 1024 };
static const uint32_t magic = 0x31525857;	/* "WXR1" */
static const struct view segment_magic = { "WXJRNL01", 8 };

struct segment {
	uint32_t number;
	int fd;
	uint64_t size;
	uint64_t first_seq;	/* of its first record, 0: none */
	char *map;		/* MAP_SHARED, so that appends are seen */
	size_t mapped;
};

struct journal {
	int dir;
	uint64_t segment_size;
	uint64_t next_seq;
	uint64_t damaged;
	struct segment *segments;
	size_t n_segments;
	bool dirty;
};

static uint64_t padded(uint64_t n)
{
	return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static struct segment *current(struct journal *j)
{
	return &j->segments[j->n_segments - 1];
}

static struct segment *segment_of(struct journal *j, uint32_t number)
{
	/* Nearly always one of the last. */
	for (size_t i = j->n_segments; i-- > 0;)
		if (j->segments[i].number == number)
			return &j->segments[i];
	return NULL;
}

static void name_of(uint32_t number, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%08x.seg", number);
}

/* ---- mapping ---- */

static void unmap(struct segment *s)
{
	if (s->map)
		munmap(s->map, s->mapped);
	s->map = NULL;
	s->mapped = 0;
}

/* The file from its start to at least `upto` bytes (which it has). */
static enum status map_upto(struct segment *s, uint64_t upto)
{
	size_t want;

	if (upto <= s->mapped)
		return ST_OK;
	unmap(s);
	want = (size_t)((upto + MAP_STEP - 1) / MAP_STEP * MAP_STEP);
	s->map = mmap(NULL, want, PROT_READ, MAP_SHARED | MAP_NORESERVE, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return ST_NOMEM;
	}
	s->mapped = want;
	return ST_OK;
}

/* ---- records ---- */

struct head {
	uint8_t type;
	uint32_t meta, body;
	uint64_t seq, sum;
};

static bool take_head(struct view bytes, struct head *ret)
{
	struct cursor c = cursor_over(view_head(bytes, HEAD));
	struct head h;

	if (take_u32(&c) != magic)
		return false;
	h.type = (uint8_t)take_u32(&c);
	h.meta = take_u32(&c);
	h.body = take_u32(&c);
	h.seq = take_u64(&c);
	h.sum = take_u64(&c);
	*ret = h;
	return cursor_ok(&c);
}

static bool sum_right(struct view record, const struct head *h)
{
	XXH3_state_t st;

	XXH3_64bits_reset(&st);
	XXH3_64bits_update(&st, record.p, HEAD - 8);
	XXH3_64bits_update(&st, record.p + HEAD, (size_t)h->meta + h->body);
	return XXH3_64bits_digest(&st) == h->sum;
}

/* The record at that offset, or false. */
static bool record_at(struct segment *s, uint64_t at, struct head *ret)
{
	struct view here;

	if (at + HEAD > s->size || map_upto(s, s->size) != ST_OK)
		return false;
	here = view_make(s->map + at, (size_t)(s->size - at));
	return take_head(here, ret) && (uint64_t)HEAD + ret->meta + ret->body <= here.n &&
	       sum_right(here, ret);
}

/* ---- opening ---- */

static enum status add_segment(struct journal *j, uint32_t number, int fd, uint64_t size)
{
	struct segment *more = realloc(j->segments, (j->n_segments + 1) * sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	j->segments = more;
	more[j->n_segments++] = (struct segment){ .number = number, .fd = fd, .size = size };
	return ST_OK;
}

static enum status write_segment_head(int fd, uint32_t number)
{
	struct buf b = BUF(SEGMENT_HEAD);
	uint64_t generation;
	struct iovec iov;
	enum status st;

	if (getrandom(&generation, sizeof generation, 0) != (ssize_t)sizeof generation)
		return ST_IO;
	buf_put(&b, segment_magic);
	put_u64(&b, generation);
	put_u64(&b, number);
	put_u64(&b, XXH3_64bits(b.p, b.n));
	iov = (struct iovec){ b.p, b.n };
	st = buf_status(&b);
	if (st == ST_OK)
		st = disk_write_at(fd, &iov, 1, 0);
	buf_free(&b);
	return st;
}

static enum status new_segment(struct journal *j)
{
	uint32_t number = j->n_segments ? current(j)->number + 1 : 1;
	char name[NAME_SIZE];
	int fd;
	enum status st;

	name_of(number, name);
	st = disk_open(j->dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, &fd);
	if (st != ST_OK)
		return st;
	st = write_segment_head(fd, number);
	if (st == ST_OK)
		st = disk_flush_all(j->dir);
	if (st == ST_OK)
		st = add_segment(j, number, fd, SEGMENT_HEAD);
	if (st != ST_OK) {
		close(fd);
		if (disk_unlink(j->dir, name) != ST_OK)
			return st;
	}
	return st;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct segment *)a)->number, y = ((const struct segment *)b)->number;

	return x < y ? -1 : x > y;
}

static enum status list_segments(struct journal *j)
{
	DIR *d = fdopendir(openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	enum status st = d ? ST_OK : ST_NOMEM;

	while (st == ST_OK && (e = readdir(d)) != NULL) {
		unsigned number;
		int fd, used = 0;
		struct stat sb;

		if (sscanf(e->d_name, "%8x.seg%n", &number, &used) != 1 || used == 0 || e->d_name[used])
			continue;
		st = disk_open(j->dir, e->d_name, O_RDWR, 0, &fd);
		if (st == ST_OK && fstat(fd, &sb) == 0)
			st = add_segment(j, number, fd, (uint64_t)sb.st_size);
	}
	if (d)
		closedir(d);
	if (st == ST_OK && j->n_segments)
		qsort(j->segments, j->n_segments, sizeof *j->segments, by_number);
	return st;
}

/* Finds the end of the good records of one segment and its first seq. */
static void measure(struct journal *j, struct segment *s)
{
	uint64_t at = SEGMENT_HEAD, end = at;
	bool lost = false;
	struct head h;

	while (at + HEAD <= s->size) {
		if (!record_at(s, at, &h)) {
			lost = true;
			at += ALIGN;
			continue;
		}
		j->damaged += lost;
		lost = false;
		if (s->first_seq == 0)
			s->first_seq = h.seq;
		if (h.seq >= j->next_seq)
			j->next_seq = h.seq + 1;
		at += padded((uint64_t)HEAD + h.meta + h.body);
		end = at;
	}
	s->size = end;
}

enum status journal_open(int dir, uint64_t segment_size, struct journal **ret, uint64_t *ret_damaged)
{
	struct journal *j = calloc(1, sizeof *j);
	enum status st;

	if (j == NULL)
		return ST_NOMEM;
	j->dir = dir;
	j->segment_size = segment_size;
	j->next_seq = 1;
	st = list_segments(j);
	for (size_t i = 0; i < j->n_segments && st == ST_OK; i++)
		measure(j, &j->segments[i]);
	if (st == ST_OK && j->n_segments == 0)
		st = new_segment(j);
	else if (st == ST_OK)
		st = disk_truncate(current(j)->fd, (off_t)current(j)->size);
	if (st != ST_OK) {
		journal_close(j);
		return st;
	}
	j->dirty = true;	/* an earlier process may not have flushed */
	*ret_damaged = j->damaged;
	*ret = j;
	return ST_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < j->n_segments; i++) {
		unmap(&j->segments[i]);
		close(j->segments[i].fd);
	}
	free(j->segments);
	free(j);
}

uint64_t journal_next_seq(const struct journal *j)
{
	return j->next_seq;
}

/* ---- reading ---- */

static enum status scan_segment(struct segment *s, uint64_t from_seq, journal_visit *visit, void *arg)
{
	uint64_t at = SEGMENT_HEAD;
	enum status st = ST_OK;

	while (st == ST_OK && at + HEAD <= s->size) {
		struct head h;
		struct journal_record rec;

		if (!record_at(s, at, &h)) {
			at += ALIGN;
			continue;
		}
		rec = (struct journal_record){
			.type = h.type, .seq = h.seq,
			.at = { s->number, h.meta, at, h.body },
			.meta = view_make(s->map + at + HEAD, h.meta),
			.body = view_make(s->map + at + HEAD + h.meta, h.body),
		};
		if (h.seq >= from_seq)
			st = visit(arg, &rec);
		at += padded((uint64_t)HEAD + h.meta + h.body);
	}
	return st;
}

enum status journal_scan(struct journal *j, uint64_t from_seq, journal_visit *visit, void *arg)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < j->n_segments && st == ST_OK; i++) {
		/* All of it is older when the next begins at or before from_seq. */
		if (i + 1 < j->n_segments && j->segments[i + 1].first_seq &&
		    j->segments[i + 1].first_seq <= from_seq)
			continue;
		st = scan_segment(&j->segments[i], from_seq, visit, arg);
	}
	return st;
}

enum status journal_body(struct journal *j, const struct place *at, struct view *ret_body)
{
	struct segment *s = segment_of(j, at->segment);
	struct head h;

	if (s == NULL || !record_at(s, at->offset, &h) || h.meta != at->meta_n || h.body != at->body_n)
		return ST_CORRUPT;
	*ret_body = view_make(s->map + at->offset + HEAD + h.meta, h.body);
	return ST_OK;
}

/* ---- writing ---- */

static void fill_head(char head[HEAD], uint8_t type, uint64_t seq, const struct iovec *iov, int n,
		      size_t meta, size_t body)
{
	struct buf b = { .p = head, .cap = HEAD, .max = HEAD };
	XXH3_state_t st;

	put_u32(&b, magic);
	put_u32(&b, type);
	put_u32(&b, (uint32_t)meta);
	put_u32(&b, (uint32_t)body);
	put_u64(&b, seq);
	XXH3_64bits_reset(&st);
	XXH3_64bits_update(&st, head, HEAD - 8);
	for (int i = 1; i < n; i++)
		XXH3_64bits_update(&st, iov[i].iov_base, iov[i].iov_len);
	put_u64(&b, XXH3_64bits_digest(&st));
}

enum status journal_append(struct journal *j, uint8_t type, struct view meta, const struct view *body,
			   size_t n_parts, struct place *ret_at)
{
	static const char zeros[ALIGN];
	char head[HEAD];
	struct iovec iov[JOURNAL_PARTS + 3];
	uint64_t body_n = 0, total;
	int n = 0;
	struct segment *s;
	enum status st;

	if (n_parts > JOURNAL_PARTS)
		return ST_LIMIT;
	if (current(j)->size >= j->segment_size) {
		/* What the old one holds must be on disk before it is left. */
		st = journal_flush(j);
		if (st == ST_OK)
			st = new_segment(j);
		if (st != ST_OK)
			return st;
	}
	s = current(j);
	iov[n++] = (struct iovec){ head, HEAD };
	iov[n++] = (struct iovec){ (void *)meta.p, meta.n };
	for (size_t i = 0; i < n_parts; i++) {
		iov[n++] = (struct iovec){ (void *)body[i].p, body[i].n };
		body_n += body[i].n;
	}
	if (body_n > UINT32_MAX / 2 || meta.n > UINT32_MAX / 2)
		return ST_LIMIT;
	fill_head(head, type, j->next_seq, iov, n, meta.n, (size_t)body_n);
	total = HEAD + meta.n + body_n;
	iov[n++] = (struct iovec){ (void *)zeros, (size_t)(padded(total) - total) };
	st = disk_write_at(s->fd, iov, n, (off_t)s->size);
	if (st != ST_OK) {
		/* Half a record must not lie where the next one begins. */
		if (disk_truncate(s->fd, (off_t)s->size) != ST_OK)
			return ST_IO;
		return st;
	}
	if (ret_at)
		*ret_at = (struct place){ s->number, (uint32_t)meta.n, s->size, (uint32_t)body_n };
	if (s->first_seq == 0)
		s->first_seq = j->next_seq;
	s->size += padded(total);
	j->next_seq++;
	j->dirty = true;
	return ST_OK;
}

bool journal_dirty(const struct journal *j)
{
	return j->dirty;
}

enum status journal_flush(struct journal *j)
{
	enum status st;

	if (!j->dirty)
		return ST_OK;
	st = disk_flush(current(j)->fd);
	if (st == ST_OK)
		j->dirty = false;
	return st;
}
