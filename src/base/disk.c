#include "base/disk.h"

#include "base/disk_record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum disk_op { OP_OPEN, OP_WRITE, OP_FLUSH, OP_RENAME, OP_UNLINK, OP_TRUNCATE, OP_MKDIR, OP_ANY, OP_READ, OPS };

enum { DIE = -1 };

static const char *const op_names[] = { "open", "write", "flush", "rename", "unlink",
					"truncate", "mkdir", "any", "read" };

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EMFILE", EMFILE }, { "ENOMEM", ENOMEM },
	{ "EACCES", EACCES }, { "EDQUOT", EDQUOT }, { "DIE", DIE },
};

/* The fault to inject; err 0: none.  Set once at start, in tests only. */
static struct {
	enum disk_op op;
	int err;
	unsigned long skip, count;
} fault;

enum status disk_fault(struct view spec)
{
	char text[64], op[16], err[16];
	unsigned long skip = 0, count = ULONG_MAX;

	snprintf(text, sizeof text, "%.*s", VIEW_ARG(spec));
	if (sscanf(text, "%15[^:]:%15[^:]:%lu:%lu", op, err, &skip, &count) < 3)
		return ST_SYNTAX;
	for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
		for (size_t k = 0; k < OPS; k++)
			if (strcmp(errnos[i].name, err) == 0 && strcmp(op_names[k], op) == 0) {
				fault.op = (enum disk_op)k;
				fault.skip = skip;
				fault.count = count;
				fault.err = errnos[i].value;
				return ST_OK;
			}
	return ST_SYNTAX;
}

/* Is it this call's turn? */
static bool meant(enum disk_op op)
{
	if (fault.count == 0 || (fault.op != op && (fault.op != OP_ANY || op == OP_READ)))
		return false;
	if (fault.skip) {
		fault.skip--;
		return false;
	}
	fault.count--;
	return true;
}

/* True, with errno set, when this call must fail. */
static bool faulty(enum disk_op op)
{
	if (fault.err <= 0 || !meant(op))
		return false;
	errno = fault.err;
	return true;
}

/* It is done; whoever waits for it never hears. */
static void may_die(enum disk_op op)
{
	if (fault.err == DIE && meant(op))
		__builtin_trap();
}

bool disk_read_fails(void)
{
	return faulty(OP_READ);
}

enum status disk_open(int dir, const char *name, int flags, mode_t mode, int *ret_fd)
{
	int fd = faulty(OP_OPEN) ? -1 : openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return status_of_errno(errno);
	if (flags & O_CREAT)
		note_create(dir, name, fd);
	*ret_fd = fd;
	return ST_OK;
}

enum status disk_write_at(int fd, const struct iovec *iov, int n, off_t at)
{
	struct iovec left[IOV_MAX > 64 ? 64 : IOV_MAX];
	int i = 0;

	if (n > (int)(sizeof left / sizeof *left))
		return ST_LIMIT;
	memcpy(left, iov, (size_t)n * sizeof *iov);
	note_write(fd, iov, n, at);
	while (i < n) {
		ssize_t done;

		if (left[i].iov_len == 0) {
			i++;
			continue;
		}
		done = faulty(OP_WRITE) ? -1 : pwritev(fd, left + i, n - i, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return status_of_errno(errno);
		if (done == 0)
			return ST_IO;
		at += done;
		for (; i < n && (size_t)done >= left[i].iov_len; i++)
			done -= (ssize_t)left[i].iov_len;
		if (done) {
			left[i].iov_base = (char *)left[i].iov_base + done;
			left[i].iov_len -= (size_t)done;
		}
	}
	may_die(OP_WRITE);
	return ST_OK;
}

enum status disk_flush(int fd)
{
	if (faulty(OP_FLUSH) || fdatasync(fd) != 0)
		return status_of_errno(errno) == ST_NOSPACE ? ST_NOSPACE : ST_IO;
	note_file(NOTE_FLUSH, fd, 0);
	may_die(OP_FLUSH);
	return ST_OK;
}

enum status disk_flush_all(int fd)
{
	if (faulty(OP_FLUSH) || fsync(fd) != 0)
		return status_of_errno(errno) == ST_NOSPACE ? ST_NOSPACE : ST_IO;
	note_file(NOTE_FLUSH, fd, 0);
	may_die(OP_FLUSH);
	return ST_OK;
}

static enum status answer(int rc)
{
	return rc == 0 ? ST_OK : status_of_errno(errno);
}

enum status disk_rename(int dir, const char *from, const char *to)
{
	enum status st = answer(faulty(OP_RENAME) ? -1 : renameat(dir, from, dir, to));

	if (st == ST_OK)
		note_name(dir, from, to);
	may_die(OP_RENAME);
	return st;
}

enum status disk_unlink(int dir, const char *name)
{
	enum status st = answer(faulty(OP_UNLINK) ? -1 : unlinkat(dir, name, 0));

	if (st == ST_OK)
		note_name(dir, name, NULL);
	may_die(OP_UNLINK);
	return st;
}

enum status disk_truncate(int fd, off_t n)
{
	if (faulty(OP_TRUNCATE))
		return status_of_errno(errno);
	note_file(NOTE_TRUNCATE, fd, n);
	return answer(ftruncate(fd, n));
}

enum status disk_mkdir(int dir, const char *name, mode_t mode)
{
	return answer(faulty(OP_MKDIR) ? -1 : mkdirat(dir, name, mode));
}

enum status disk_read_at(int fd, void *p, size_t n, off_t at)
{
	char *to = p;

	while (n) {
		ssize_t got = faulty(OP_READ) ? -1 : pread(fd, to, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return status_of_errno(errno);
		if (got == 0)
			return ST_CORRUPT;
		to += got;
		at += got;
		n -= (size_t)got;
	}
	return ST_OK;
}

enum status disk_write_file(int dir, const char *name, int flags, struct view bytes)
{
	struct iovec iov = { (void *)(uintptr_t)bytes.p, bytes.n };
	int fd;
	enum status st = disk_open(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | flags, 0600, &fd);

	if (st != ST_OK)
		return st;
	st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush(fd);
	close(fd);
	return st;
}
