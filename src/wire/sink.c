#include "wire/sink.h"

#include "base/disk.h"
#include "ipc/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void sink_begin(struct sink *s, uint64_t most, struct sink_budget *budget)
{
	*s = (struct sink){ .head = BUF(LETTER_INLINE), .fd = -1, .most = most, .budget = budget };
}

static void fail(struct sink *s, enum status st)
{
	uint64_t seen = s->size;

	sink_free(s);
	s->size = seen;
	s->st = st;
}

static enum status to_file(struct sink *s, struct view v, uint64_t at)
{
	struct iovec iov = { (void *)v.p, v.n };

	return v.n ? disk_write_at(s->fd, &iov, 1, (off_t)at) : ST_OK;
}

static enum status begin_file(struct sink *s)
{
	enum status st;

	s->fd = memfd_create("letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return status_of_errno(errno);
	st = to_file(s, buf_view(&s->head), 0);
	buf_free(&s->head);
	return st;
}

void sink_put(struct sink *s, struct view v)
{
	enum status st = ST_OK;

	if (s->st != ST_OK) {
		s->size += v.n;
		return;
	}
	if (s->size + v.n > s->most) {
		fail(s, ST_LIMIT);
		return;
	}
	if (s->budget->held + v.n > s->budget->most) {
		fail(s, ST_NOMEM);
		return;
	}
	if (s->fd < 0 && s->size + v.n > LETTER_INLINE)
		st = begin_file(s);
	if (st == ST_OK && s->fd >= 0) {
		st = to_file(s, v, s->size);
	} else if (st == ST_OK) {
		buf_put(&s->head, v);
		st = buf_status(&s->head);
	}
	if (st != ST_OK) {
		fail(s, ST_NOMEM);
		return;
	}
	s->size += v.n;
	s->budget->held += v.n;
}

enum { COPY_PIECE = 256 * 1024 };

/* From one memory file, or from the inline bytes, into another one. */
static enum status copy_rest(struct sink *from, uint64_t skip, struct sink *to)
{
	enum status st = ST_OK;
	char *piece;

	if (from->fd < 0)
		return to_file(to, view_skip(buf_view(&from->head), (size_t)skip), to->size);
	piece = malloc(COPY_PIECE);
	if (piece == NULL)
		return ST_NOMEM;
	for (uint64_t at = skip, n; at < from->size && st == ST_OK; at += n) {
		n = from->size - at < COPY_PIECE ? from->size - at : COPY_PIECE;
		st = disk_read_at(from->fd, piece, (size_t)n, (off_t)at);
		if (st == ST_OK)
			st = to_file(to, view_make(piece, (size_t)n), to->size + (at - skip));
	}
	free(piece);
	return st;
}

static enum status replace_inline(struct sink *s, uint64_t skip, struct view head)
{
	struct buf whole = BUF(LETTER_INLINE);

	buf_put(&whole, head);
	buf_put(&whole, view_skip(buf_view(&s->head), (size_t)skip));
	if (buf_status(&whole) != ST_OK) {
		buf_free(&whole);
		return ST_NOMEM;
	}
	buf_free(&s->head);
	s->head = whole;
	return ST_OK;
}

static enum status replace_file(struct sink *s, uint64_t skip, struct view head)
{
	struct sink to = { .head = BUF(LETTER_INLINE), .fd = -1 };
	enum status st = begin_file(&to);

	if (st == ST_OK)
		st = to_file(&to, head, 0);
	to.size = head.n;
	if (st == ST_OK)
		st = copy_rest(s, skip, &to);
	if (st != ST_OK) {
		if (to.fd >= 0)
			close(to.fd);
		return st;
	}
	if (s->fd >= 0)
		close(s->fd);
	buf_free(&s->head);
	s->fd = to.fd;
	return ST_OK;
}

enum status sink_replace(struct sink *s, uint64_t skip, struct view head)
{
	uint64_t size = s->size - skip + head.n;
	enum status st;

	if (s->st != ST_OK)
		return s->st;
	if (s->fd < 0 && size <= LETTER_INLINE)
		st = replace_inline(s, skip, head);
	else
		st = replace_file(s, skip, head);
	if (st != ST_OK) {
		fail(s, ST_NOMEM);
		return s->st;
	}
	s->budget->held += size - s->size;
	s->size = size;
	return ST_OK;
}

enum status sink_seal(struct sink *s)
{
	if (s->st != ST_OK || s->fd < 0)
		return s->st;
	if (fcntl(s->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		fail(s, ST_NOMEM);
	return s->st;
}

void sink_free(struct sink *s)
{
	if (s->st == ST_OK && s->budget)
		s->budget->held -= s->size;
	buf_free(&s->head);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->size = 0;
}
