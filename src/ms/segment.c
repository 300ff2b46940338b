#include "ms/segment.h"

#include "base/cursor.h"
#include "base/mapped.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY	/* a hash state on the stack */
#include <xxhash.h>

enum { HEAD_COPY = SEGMENT_HEAD / 2, MAP_STEP = 1024 * 1024, AHEAD = 8 * 1024 * 1024 };

/* So much is read in at a time (base/mapped.h), and then counts as there for
 * FRESH_MS, or until the file is seen to be shorter: a letter of those costs no
 * call then.  Of a chunk that is not whole each record is tried by itself, and the
 * chunk never again: a bad sector can take seconds each time. */
enum { CHUNK = 64 * 1024, LOOK_MS = 100, FRESH_MS = 10000 };
enum chunk { CHUNK_UNKNOWN, CHUNK_IN, CHUNK_HURT };

static const uint32_t magic = 0x31525857;	/* "WXR1" */
static const struct view segment_magic = { "WXJRNL01", 8 };

void segment_name(uint32_t number, const char *suffix, char out[SEGMENT_NAME])
{
	snprintf(out, SEGMENT_NAME, "%08x.%s", number, suffix);
}

/* ---- the file's head ---- */

enum status segment_make(int dir, const char *name, uint32_t number, struct segment *ret)
{
	struct buf b = BUF(SEGMENT_HEAD);
	struct segment s = { .f = { .number = number, .end = SEGMENT_HEAD, .live = UINT64_MAX },
			     .size = SEGMENT_HEAD };
	struct iovec iov;
	enum status st;

	if (getrandom(&s.f.generation, sizeof s.f.generation, 0) != (ssize_t)sizeof s.f.generation)
		return ST_IO;
	st = disk_open(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, &s.fd);
	if (st != ST_OK)
		return st;
	for (int copy = 0; copy < 2; copy++) {
		size_t from = b.n;

		buf_put(&b, segment_magic);
		put_u64(&b, s.f.generation);
		put_u64(&b, number);
		put_u64(&b, buf_status(&b) == ST_OK ? XXH3_64bits(b.p + from, b.n - from) : 0);
	}
	iov = (struct iovec){ b.p, b.n };
	st = buf_status(&b);
	if (st == ST_OK)
		st = disk_write_at(s.fd, &iov, 1, 0);
	buf_free(&b);
	if (st != ST_OK) {
		close(s.fd);
		(void)!disk_unlink(dir, name);
		return st;
	}
	*ret = s;
	return ST_OK;
}

static bool head_copy(struct view bytes, struct segment *s)
{
	struct cursor c = cursor_over(bytes);
	bool ours = view_eq(take_bytes(&c, segment_magic.n), segment_magic);
	uint64_t generation = take_u64(&c), number = take_u64(&c), sum = take_u64(&c);

	if (!ours || !cursor_ok(&c) || number != s->f.number || sum != XXH3_64bits(bytes.p, HEAD_COPY - 8))
		return false;
	s->f.generation = generation;
	return true;
}

enum status segment_read_head(struct segment *s)
{
	char head[SEGMENT_HEAD];
	enum status st = disk_read_at(s->fd, head, sizeof head, 0);

	if (st != ST_OK)
		return st;
	if (head_copy(view_make(head, HEAD_COPY), s) || head_copy(view_make(head + HEAD_COPY, HEAD_COPY), s))
		return ST_OK;
	return ST_CORRUPT;
}

static void unmap(struct segment *s)
{
	if (s->map)
		munmap(s->map, s->mapped);
	s->map = NULL;
	s->mapped = 0;
	s->looked = s->fresh = 0;
}

void segment_close(struct segment *s)
{
	unmap(s);
	free(s->checked);
	free(s->chunks);
	s->checked = s->chunks = NULL;
	close(s->fd);
}

/* ---- mapping ---- */

/* The file from its start to at least `upto` bytes (which it has).  Where it
 * is expected to grow the room is mapped at once, so that views stay. */
static bool map_upto(struct segment *s, uint64_t upto)
{
	uint64_t want = upto > s->reserve ? upto : s->reserve;

	if (upto <= s->mapped)
		return true;
	unmap(s);
	want = (want + MAP_STEP - 1) / MAP_STEP * MAP_STEP;
	s->map = mmap(NULL, (size_t)want, PROT_READ, MAP_SHARED | MAP_NORESERVE, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return false;
	}
	s->mapped = (size_t)want;
	return true;
}

/* NULL: no memory; then each record is tried by itself. */
static unsigned char *chunk_of(struct segment *s, uint64_t i)
{
	size_t want = (size_t)(s->mapped / CHUNK + 1);
	unsigned char *more;

	if (i < s->n_chunks)
		return &s->chunks[i];
	more = i < want ? realloc(s->chunks, want) : NULL;
	if (more == NULL)
		return NULL;
	memset(more + s->n_chunks, CHUNK_UNKNOWN, want - s->n_chunks);
	s->chunks = more;
	s->n_chunks = want;
	return &more[i];
}

/* What was read in long ago may have gone, and what lies behind the end has, when
 * somebody has cut the file. */
static void look(struct segment *s)
{
	steady_ms now = clock_tick();
	size_t from = s->n_chunks;
	struct stat sb;

	if (now - s->looked < LOOK_MS)
		return;
	s->looked = now;
	if (fstat(s->fd, &sb) != 0 || (uint64_t)sb.st_size < s->size)
		from = (size_t)sb.st_size / CHUNK;
	if (now - s->fresh >= FRESH_MS) {
		s->fresh = now;
		from = 0;
	}
	for (; from < s->n_chunks; from++)
		if (s->chunks[from] == CHUNK_IN)
			s->chunks[from] = CHUNK_UNKNOWN;
}

static bool read_chunk_in(struct segment *s, uint64_t i)
{
	unsigned char *chunk = chunk_of(s, i);
	uint64_t from = i * CHUNK, end = from + CHUNK < s->size ? from + CHUNK : s->size;

	if (chunk == NULL)
		return false;
	if (*chunk == CHUNK_UNKNOWN)
		*chunk = mapped_read_in(view_make(s->map + from, (size_t)(end - from))) == ST_OK ? CHUNK_IN : CHUNK_HURT;
	return *chunk == CHUNK_IN;
}

/* Its chunks from the i-th on are not all there. */
static enum status read_in_slowly(struct segment *s, uint64_t i, uint64_t at, uint64_t n)
{
	uint64_t last = (at + n - 1) / CHUNK;
	enum status st;

	while (i <= last && read_chunk_in(s, i))
		i++;
	if (i > last)
		return ST_OK;
	st = mapped_read_in(view_make(s->map + at, (size_t)n));
	if (st == ST_IO && mapped_read_in(view_make(s->map + at, 1)) == ST_IO) {
		s->bad_at = at;
		s->bad_to = (at / MAPPED_PAGE + 1) * MAPPED_PAGE;
	}
	return st;
}

/* [at, at + n) is mapped; n > 0.  ST_IO, ST_NOMEM. */
static inline enum status read_in(struct segment *s, uint64_t at, uint64_t n)
{
	uint64_t last = (at + n - 1) / CHUNK, i = at / CHUNK;

	while (i <= last && i < s->n_chunks && s->chunks[i] == CHUNK_IN)
		i++;
	return i > last ? ST_OK : read_in_slowly(s, i, at, n);
}

uint64_t segment_onward(const struct segment *s, uint64_t at)
{
	return at >= s->bad_at && at < s->bad_to ? s->bad_to : at + RECORD_ALIGN;
}

void segment_reads(struct segment *s, uint64_t at, uint64_t n)
{
	/* In order: at or a little behind where the last one ended. */
	bool onward = at >= s->last_read && at - s->last_read <= AHEAD / 8;
	uint64_t end = at + n, to;

	s->last_read = end;
	if (!onward || end + AHEAD / 2 <= s->ahead)
		return;
	to = end + AHEAD < s->size ? end + AHEAD : s->size;
	at = (s->ahead > at ? s->ahead : at) & ~(uint64_t)4095;
	if (to > at && s->map)
		madvise(s->map + at, (size_t)(to - at), MADV_WILLNEED);
	s->ahead = to == s->size ? UINT64_MAX : to;
}

/* ---- records ---- */

static bool take_head(struct view bytes, struct record_head *ret)
{
	struct cursor c = cursor_over(view_head(bytes, JOURNAL_HEAD));
	struct record_head h;

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

static bool sum_right(const struct segment *s, struct view record, const struct record_head *h)
{
	XXH3_state_t st;

	XXH3_INITSTATE(&st);
	XXH3_64bits_reset_withSeed(&st, s->f.generation);
	XXH3_64bits_update(&st, record.p, JOURNAL_HEAD - 8);
	XXH3_64bits_update(&st, record.p + JOURNAL_HEAD, (size_t)h->meta + h->body);
	return XXH3_64bits_digest(&st) == h->sum;
}

static enum status record_at(struct segment *s, uint64_t at, bool check, struct journal_record *ret)
{
	struct record_head h;
	struct view here;
	enum status st;

	if (at + JOURNAL_HEAD > s->size)
		return ST_CORRUPT;
	if (!map_upto(s, s->size))
		return ST_NOMEM;
	look(s);
	here = view_make(s->map + at, (size_t)(s->size - at));
	st = read_in(s, at, JOURNAL_HEAD);
	if (st != ST_OK)
		return st;
	if (!take_head(here, &h) || (uint64_t)JOURNAL_HEAD + h.meta + h.body > here.n)
		return ST_CORRUPT;
	st = read_in(s, at, (uint64_t)JOURNAL_HEAD + h.meta + h.body);
	if (st != ST_OK)
		return st;
	if (check && !sum_right(s, here, &h))
		return ST_CORRUPT;
	*ret = (struct journal_record){
		.type = h.type, .seq = h.seq,
		.at = { s->f.number, h.meta, at, h.body },
		.meta = view_make(here.p + JOURNAL_HEAD, h.meta),
		.body = view_make(here.p + JOURNAL_HEAD + h.meta, h.body),
	};
	return ST_OK;
}

enum status segment_record(struct segment *s, uint64_t at, struct journal_record *ret)
{
	return record_at(s, at, true, ret);
}

/* Two records never begin within JOURNAL_HEAD bytes of each other. */
static unsigned char *checked_byte(struct segment *s, uint64_t at)
{
	size_t want = (size_t)(s->size / JOURNAL_HEAD / 8 + 1), i = (size_t)(at / JOURNAL_HEAD / 8);

	if (i >= s->checked_n) {
		size_t room = (size_t)((s->reserve > s->size ? s->reserve : s->size) / JOURNAL_HEAD / 8 + 1);
		unsigned char *more = calloc(room > want ? room : want, 1);

		if (more == NULL)
			return NULL;
		if (s->checked_n)
			memcpy(more, s->checked, s->checked_n);
		free(s->checked);
		s->checked = more;
		s->checked_n = room > want ? room : want;
	}
	return i < s->checked_n ? &s->checked[i] : NULL;
}

enum status segment_record_once(struct segment *s, uint64_t at, struct journal_record *ret)
{
	unsigned char *byte = at < s->size ? checked_byte(s, at) : NULL;
	unsigned char bit = (unsigned char)(1u << (at / JOURNAL_HEAD % 8));
	enum status st = record_at(s, at, byte == NULL || !(*byte & bit), ret);

	if (st == ST_OK && byte)
		*byte |= bit;
	return st;
}

static void fill_head(const struct segment *s, char head[JOURNAL_HEAD], uint8_t type, uint64_t seq,
		      const struct iovec *iov, int n, size_t meta, size_t body)
{
	struct buf b = { .p = head, .cap = JOURNAL_HEAD, .max = JOURNAL_HEAD };
	XXH3_state_t st;

	put_u32(&b, magic);
	put_u32(&b, type);
	put_u32(&b, (uint32_t)meta);
	put_u32(&b, (uint32_t)body);
	put_u64(&b, seq);
	XXH3_INITSTATE(&st);
	XXH3_64bits_reset_withSeed(&st, s->f.generation);
	XXH3_64bits_update(&st, head, JOURNAL_HEAD - 8);
	for (int i = 1; i < n; i++)
		XXH3_64bits_update(&st, iov[i].iov_base, iov[i].iov_len);
	put_u64(&b, XXH3_64bits_digest(&st));
}

enum status segment_append(struct segment *s, uint8_t type, uint64_t seq, struct view meta,
			   const struct view *body, size_t n_parts, struct place *ret_at)
{
	static const char zeros[RECORD_ALIGN];
	char head[JOURNAL_HEAD];
	struct iovec iov[JOURNAL_PARTS + 3];
	uint64_t body_n = 0, total;
	int n = 0;
	enum status st;

	if (n_parts > JOURNAL_PARTS)
		return ST_LIMIT;
	iov[n++] = (struct iovec){ head, JOURNAL_HEAD };
	iov[n++] = (struct iovec){ (void *)meta.p, meta.n };
	for (size_t i = 0; i < n_parts; i++) {
		iov[n++] = (struct iovec){ (void *)body[i].p, body[i].n };
		body_n += body[i].n;
	}
	if (body_n > UINT32_MAX / 2 || meta.n > UINT32_MAX / 2)
		return ST_LIMIT;
	fill_head(s, head, type, seq, iov, n, meta.n, (size_t)body_n);
	total = JOURNAL_HEAD + meta.n + body_n;
	iov[n++] = (struct iovec){ (void *)zeros, (size_t)(record_span(meta.n, body_n) - total) };
	st = disk_write_at(s->fd, iov, n, (off_t)s->size);
	if (st != ST_OK) {
		/* Give the space back.  If that fails too the bytes lie behind the
		 * end, where the next record is written. */
		(void)!disk_truncate(s->fd, (off_t)s->size);
		return st;
	}
	if (ret_at)
		*ret_at = (struct place){ s->f.number, (uint32_t)meta.n, s->size, (uint32_t)body_n };
	s->size += record_span(meta.n, body_n);
	s->last_seq = seq;
	return ST_OK;
}
