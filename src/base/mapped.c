#include "base/mapped.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

enum { STEP = 1024 * 1024 };

enum status mapped_read_in(struct view bytes)
{
	size_t before = (uintptr_t)bytes.p % MAPPED_PAGE;
	char *from = (char *)bytes.p - before;

	if (disk_read_fails())
		return ST_IO;
	if (bytes.n == 0 || madvise(from, bytes.n + before, MADV_POPULATE_READ) == 0 || errno == EINVAL)
		return ST_OK;
	return errno == ENOMEM ? ST_NOMEM : ST_IO;
}

static enum status map(int fd, uint64_t n, struct view *ret)
{
	void *p = n ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;

	if (p == MAP_FAILED)
		return ST_NOMEM;
	*ret = view_make(p, n);
	return ST_OK;
}

enum status mapped_file(int fd, uint64_t n, struct view *ret)
{
	struct view v;
	enum status st = map(fd, n, &v);

	if (st != ST_OK)
		return st;
	st = mapped_read_in(v);
	if (st == ST_OK)
		*ret = v;
	else
		mapped_free(v);
	return st;
}

/* In the place of one that cannot be read. */
static enum status put_zeros(struct view page)
{
	void *p = mmap((void *)page.p, page.n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? ST_NOMEM : ST_OK;
}

static enum status mend(struct view part, uint64_t *bad)
{
	enum status st = ST_OK;

	for (; part.n && st == ST_OK; part = view_skip(part, MAPPED_PAGE)) {
		struct view page = view_head(part, MAPPED_PAGE);

		st = mapped_read_in(page);
		if (st != ST_IO)
			continue;
		st = put_zeros(page);
		++*bad;
	}
	return st;
}

enum status mapped_mended(int fd, uint64_t n, struct view *ret, uint64_t *ret_bad)
{
	struct view all, left;
	uint64_t bad = 0;
	enum status st = map(fd, n, &all);

	if (st != ST_OK)
		return st;
	for (left = all; left.n && st == ST_OK; left = view_skip(left, STEP)) {
		st = mapped_read_in(view_head(left, STEP));
		if (st == ST_IO)
			st = mend(view_head(left, STEP), &bad);
	}
	if (st != ST_OK) {
		mapped_free(all);
		return st;
	}
	*ret = all;
	*ret_bad = bad;
	return ST_OK;
}

enum status mapped_sealed(int fd, uint64_t n, struct view *ret)
{
	const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);
	off_t end = lseek(fd, 0, SEEK_END);

	if (seals < 0 || (seals & wanted) != wanted || end < 0 || (uint64_t)end < n)
		return ST_SYNTAX;
	return map(fd, n, ret);
}

void mapped_free(struct view bytes)
{
	if (bytes.n)
		munmap((void *)bytes.p, bytes.n);
}
