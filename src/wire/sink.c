#include "wire/sink.h"

#include "base/disk.h"
#include "ipc/records.h"

#include <errno.h>
#include <fcntl.h>
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
