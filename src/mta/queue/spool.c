#include "mta/queue/spool.h"

#include "base/cursor.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY	/* a hash state on the stack */
#include <xxhash.h>

enum { HEAD = 32, ALIGN = 8, TYPE_LETTER = 1, TYPE_DONE = 2 };
enum { BATCH_MAX = 1024 * 1024 * 1024, BATCH_SPARE = 8 * 1024 * 1024 };
enum { NAME_SIZE = 32, ZEROS = 32 * 1024, AHEAD = 32 * ZEROS };
static const uint32_t magic = 0x31535857;	/* "WXS1" */

struct segment {
	uint64_t number;
	uint64_t first_id;	/* lowest queue id of a letter in it; UINT64_MAX: none */
	uint64_t owed;
	uint64_t size;
	uint64_t prepared;	/* bytes of the file that have been written, if only with zeros */
	int fd;
};

struct spool {
	int dir;
	uint64_t segment_size;
	uint64_t next_id;
	struct segment *segments;	/* oldest first; the last is written to */
	size_t n_segments;
	struct buf batch;
	uint64_t batch_letters, batch_first_id;
	bool kept;		/* the batch is on disk and only kept to be read from, */
	struct spool_place kept_at;	/* from here on */
	struct buf scratch;
};

static uint64_t padded(uint64_t n)
{
	return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static uint64_t record_size(uint64_t env, uint64_t body)
{
	return padded(HEAD + env + body);
}

static void segment_name(uint64_t number, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%016llx.log", (unsigned long long)number);
}

static struct segment *current(struct spool *s)
{
	return &s->segments[s->n_segments - 1];
}

static struct segment *segment_of(struct spool *s, uint64_t number)
{
	for (size_t i = 0; i < s->n_segments; i++)
		if (s->segments[i].number == number)
			return &s->segments[i];
	return NULL;
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

/* Seals the record that begins at `from` in b: checksum and padding. */
static void seal(struct buf *b, size_t from)
{
	static const char zeros[ALIGN];
	size_t n = b->n - from;
	XXH3_state_t st;
	uint64_t sum;

	if (b->st != ST_OK)
		return;
	XXH3_64bits_reset(&st);
	XXH3_64bits_update(&st, b->p + from, HEAD - 8);
	XXH3_64bits_update(&st, b->p + from + HEAD, n - HEAD);
	sum = XXH3_64bits_digest(&st);
	for (size_t i = 0; i < 8; i++)
		b->p[from + HEAD - 8 + i] = (char)(sum >> (8 * i));
	buf_put(b, view_make(zeros, (size_t)(padded(n) - n)));
}

struct head {
	uint8_t type;
	uint32_t env, body;
	uint64_t id, sum;
};

static bool take_head(struct view bytes, struct head *ret)
{
	struct cursor c = cursor_over(view_head(bytes, HEAD));
	struct head h;

	if (take_u32(&c) != magic)
		return false;
	h.type = (uint8_t)take_u32(&c);
	h.env = take_u32(&c);
	h.body = take_u32(&c);
	h.id = take_u64(&c);
	h.sum = take_u64(&c);
	*ret = h;
	return cursor_ok(&c);
}

static bool sum_right(struct view record, const struct head *h)
{
	XXH3_state_t st;

	XXH3_64bits_reset(&st);
	XXH3_64bits_update(&st, record.p, HEAD - 8);
	XXH3_64bits_update(&st, record.p + HEAD, (size_t)h->env + h->body);
	return XXH3_64bits_digest(&st) == h->sum;
}

/* ---- segments ---- */

static enum status add_segment(struct spool *s, uint64_t number, int fd, uint64_t size)
{
	struct segment *more = realloc(s->segments, (s->n_segments + 1) * sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	s->segments = more;
	more[s->n_segments++] = (struct segment){ number, UINT64_MAX, 0, size, size, fd };
	return ST_OK;
}

static enum status new_segment(struct spool *s)
{
	uint64_t number = s->n_segments ? current(s)->number + 1 : 1;
	char name[NAME_SIZE];
	int fd;
	enum status st;

	segment_name(number, name);
	st = disk_open(s->dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, &fd);
	if (st != ST_OK)
		return st;
	/* The name must be as durable as what will be in the file. */
	st = disk_flush_all(s->dir);
	if (st == ST_OK)
		st = add_segment(s, number, fd, 0);
	if (st != ST_OK)
		close(fd);
	return st;
}

/* Oldest first, and never the one that is written to. */
static void drop_empty(struct spool *s)
{
	char name[NAME_SIZE];
	size_t gone = 0;

	while (gone + 1 < s->n_segments && s->segments[gone].owed == 0) {
		segment_name(s->segments[gone].number, name);
		if (disk_unlink(s->dir, name) != ST_OK)
			break;
		close(s->segments[gone].fd);
		gone++;
	}
	if (gone == 0)
		return;
	s->n_segments -= gone;
	memmove(s->segments, s->segments + gone, s->n_segments * sizeof *s->segments);
}

uint64_t spool_floor(const struct spool *s)
{
	uint64_t least = s->batch_letters ? s->batch_first_id : s->next_id;

	for (size_t i = 0; i < s->n_segments; i++)
		if (s->segments[i].first_id < least)
			least = s->segments[i].first_id;
	return least;
}

/* ---- opening: reading what is there ---- */

struct owed {
	uint64_t id;
	struct spool_place at;
};

struct scan {
	struct spool *s;
	struct map owed;	/* queue id -> struct owed */
	uint64_t damaged;
};

static enum status scan_record(struct scan *sc, struct segment *seg, uint64_t at, const struct head *h)
{
	struct owed *o;

	if (h->id >= sc->s->next_id)
		sc->s->next_id = h->id + 1;
	if (h->type == TYPE_DONE) {
		o = map_remove(&sc->owed, h->id);
		if (o) {
			struct segment *theirs = segment_of(sc->s, o->at.segment);

			if (theirs)
				theirs->owed--;
		}
		free(o);
		return ST_OK;
	}
	o = malloc(sizeof *o);
	if (o == NULL)
		return ST_NOMEM;
	*o = (struct owed){ h->id, { seg->number, at, h->env, h->body } };
	seg->owed++;
	if (h->id < seg->first_id)
		seg->first_id = h->id;
	return map_set(&sc->owed, h->id, o);
}

/* Walks one mapped segment; what does not check is skipped to the next
 * record that does.  Returns the end of the last good record. */
static enum status scan_bytes(struct scan *sc, struct segment *seg, struct view all, uint64_t *ret_end)
{
	uint64_t at = 0, end = 0;
	bool lost = false;
	enum status st = ST_OK;

	while (st == ST_OK && at + HEAD <= all.n) {
		struct view here = view_skip(all, (size_t)at);
		struct head h;

		if (!take_head(here, &h) || (uint64_t)HEAD + h.env + h.body > here.n ||
		    !sum_right(here, &h)) {
			lost = true;
			at += ALIGN;
			continue;
		}
		/* Damage with good records behind it is real; at the end it is
		 * only a commit that never finished. */
		sc->damaged += lost;
		lost = false;
		st = scan_record(sc, seg, at, &h);
		at += record_size(h.env, h.body);
		end = at;
	}
	*ret_end = end;
	return st;
}

static enum status scan_segment(struct scan *sc, struct segment *seg)
{
	char *map;
	uint64_t end = 0;
	enum status st;

	if (seg->size == 0)
		return ST_OK;
	map = mmap(NULL, seg->size, PROT_READ, MAP_PRIVATE, seg->fd, 0);
	if (map == MAP_FAILED)
		return ST_NOMEM;
	st = scan_bytes(sc, seg, view_make(map, seg->size), &end);
	munmap(map, seg->size);
	seg->size = end;
	return st;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->number, y = ((const struct segment *)b)->number;

	return x < y ? -1 : x > y;
}

static enum status list_segments(struct spool *s)
{
	DIR *d = fdopendir(dup(s->dir));
	struct dirent *e;
	enum status st = d ? ST_OK : ST_NOMEM;

	while (st == ST_OK && (e = readdir(d)) != NULL) {
		unsigned long long number;
		int fd, used = 0;
		struct stat sb;

		if (sscanf(e->d_name, "%16llx.log%n", &number, &used) != 1 || e->d_name[used])
			continue;
		st = disk_open(s->dir, e->d_name, O_RDWR, 0, &fd);
		if (st == ST_OK && fstat(fd, &sb) == 0)
			st = add_segment(s, number, fd, (uint64_t)sb.st_size);
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

/* Tell of every letter still owed, in the order of their ids. */
static enum status tell(struct scan *sc, spool_found *found, void *arg)
{
	struct owed **all = calloc(sc->owed.used + 1, sizeof(*all)), *o;
	struct view env;
	size_t n = 0, at = 0;
	enum status st = all ? ST_OK : ST_NOMEM;

	while (all && (o = map_next(&sc->owed, &at)) != NULL)
		all[n++] = o;
	if (n)
		qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		st = spool_envelope(sc->s, &all[i]->at, &env);
		if (st == ST_OK)
			st = found(arg, all[i]->id, &all[i]->at, env);
	}
	free(all);
	return st;
}

static enum status open_all(struct spool *s, const char *folder, struct scan *sc)
{
	enum status st;

	s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return status_of_errno(errno);
	st = list_segments(s);
	for (size_t i = 0; i < s->n_segments && st == ST_OK; i++)
		st = scan_segment(sc, &s->segments[i]);
	if (st == ST_OK && s->n_segments)	/* what a crash left unfinished */
		st = disk_truncate(current(s)->fd, (off_t)current(s)->size);
	/* A fresh segment: an old one's failed flush must not be trusted. */
	if (st == ST_OK)
		st = new_segment(s);
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
	s->batch = BUF(BATCH_MAX);
	s->scratch = BUF(BATCH_MAX);
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
	drop_empty(s);
	*ret = s;
	*ret_damaged = sc.damaged;
	return ST_OK;
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

/* The batch that was committed last gives way to a new one. */
static void begin_batch(struct spool *s)
{
	if (!s->kept)
		return;
	s->kept = false;
	if (s->batch.cap > BATCH_SPARE)
		buf_free(&s->batch);
	buf_clear(&s->batch);
}

enum status spool_add(struct spool *s, struct view envelope, struct view body, int body_fd,
		      uint64_t body_n, uint64_t *ret_id, struct spool_place *ret_at)
{
	size_t from;
	enum status st;

	begin_batch(s);
	from = s->batch.n;
	if (body_fd < 0)
		body_n = body.n;
	if (envelope.n > UINT32_MAX / 2 || body_n > UINT32_MAX / 2)
		return ST_LIMIT;
	if (s->batch_letters == 0)
		s->batch_first_id = s->next_id;
	put_head(&s->batch, TYPE_LETTER, s->next_id, envelope.n, (size_t)body_n);
	buf_put(&s->batch, envelope);
	if (body_fd < 0)
		buf_put(&s->batch, body);
	else
		put_memory_file(&s->batch, body_fd, body_n);
	seal(&s->batch, from);
	st = buf_status(&s->batch);
	if (st != ST_OK) {
		s->batch.n = from;
		s->batch.st = ST_OK;
		return st;
	}
	*ret_id = s->next_id++;
	*ret_at = (struct spool_place){ current(s)->number, current(s)->size + from,
					(uint32_t)envelope.n, (uint32_t)body_n };
	s->batch_letters++;
	return ST_OK;
}

enum status spool_done(struct spool *s, uint64_t queue_id, uint64_t segment)
{
	struct segment *seg = segment_of(s, segment);
	size_t from;

	begin_batch(s);
	from = s->batch.n;
	put_head(&s->batch, TYPE_DONE, queue_id, 0, 0);
	seal(&s->batch, from);
	if (buf_status(&s->batch) != ST_OK) {
		enum status st = buf_status(&s->batch);

		s->batch.n = from;
		s->batch.st = ST_OK;
		return st;
	}
	if (seg && seg->owed)
		seg->owed--;
	return ST_OK;
}

size_t spool_pending(const struct spool *s)
{
	return s->batch_letters;
}

/* The batch could not be made durable.  What of it may have reached the disk
 * must not come back to life: its letters get a DONE in a new segment. */
static enum status give_up(struct spool *s, enum status why)
{
	uint64_t first = s->batch_first_id, n = s->batch_letters;
	struct segment *seg = current(s);

	if (why == ST_NOSPACE && disk_truncate(seg->fd, (off_t)seg->size) == ST_OK) {
		seg->prepared = seg->size;
		buf_clear(&s->batch);
		s->batch_letters = 0;
		return why;
	}
	buf_clear(&s->batch);
	s->batch_letters = 0;
	if (new_segment(s) != ST_OK)
		return why;
	for (uint64_t i = 0; i < n; i++)
		if (spool_done(s, first + i, 0) != ST_OK)
			break;
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

static enum status write_batch(struct spool *s)
{
	struct segment *seg = current(s);
	struct iovec iov = { s->batch.p, s->batch.n };
	enum status st = disk_write_at(seg->fd, &iov, 1, (off_t)seg->size);

	if (st == ST_OK) {
		prepare(seg, seg->size + s->batch.n, s->batch.n);
		st = disk_flush(seg->fd);
	}
	return st;
}

enum status spool_commit(struct spool *s)
{
	struct segment *seg = current(s);
	enum status st;

	if (s->batch.n == 0 || s->kept)
		return ST_OK;
	st = write_batch(s);
	if (st != ST_OK)
		return give_up(s, st);
	s->kept = true;
	s->kept_at = (struct spool_place){ .segment = seg->number, .offset = seg->size };
	seg->size += s->batch.n;
	seg->owed += s->batch_letters;
	if (s->batch_letters && s->batch_first_id < seg->first_id)
		seg->first_id = s->batch_first_id;
	s->batch_letters = 0;
	if (seg->size >= s->segment_size && new_segment(s) != ST_OK)
		return ST_OK;	/* the old one goes on growing until a new one can be made */
	drop_empty(s);
	return ST_OK;
}

/* ---- reading back ---- */

/* n bytes of the letter, `skip` behind its header. */
static enum status read_part(struct spool *s, const struct spool_place *at, uint64_t skip, size_t n,
			     struct view *ret)
{
	struct segment *seg = segment_of(s, at->segment);
	uint64_t from = at->offset + HEAD + skip;
	char *p;
	enum status st;

	if (s->kept && at->segment == s->kept_at.segment && at->offset >= s->kept_at.offset) {
		*ret = view_head(view_skip(buf_view(&s->batch), (size_t)(from - s->kept_at.offset)), n);
		return ret->n == n ? ST_OK : ST_CORRUPT;
	}
	if (seg == NULL)
		return ST_MISSING;
	buf_clear(&s->scratch);
	st = buf_reserve(&s->scratch, n, &p);
	if (st == ST_OK)
		st = disk_read_at(seg->fd, p, n, (off_t)from);
	if (st == ST_OK)
		*ret = view_make(p, n);
	return st;
}

enum status spool_envelope(struct spool *s, const struct spool_place *at, struct view *ret_envelope)
{
	return read_part(s, at, 0, at->envelope_n, ret_envelope);
}

enum status spool_letter(struct spool *s, const struct spool_place *at, struct view *ret_envelope,
			 struct view *ret_body)
{
	struct view both;
	enum status st = read_part(s, at, 0, (size_t)at->envelope_n + at->body_n, &both);

	if (st != ST_OK)
		return st;
	*ret_envelope = view_head(both, at->envelope_n);
	*ret_body = view_skip(both, at->envelope_n);
	return ST_OK;
}

enum status spool_body_fd(struct spool *s, const struct spool_place *at, int *ret_fd)
{
	struct view body;
	struct iovec iov;
	enum status st = read_part(s, at, at->envelope_n, at->body_n, &body);
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
