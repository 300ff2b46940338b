#include "base/disk_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS = 64 };

struct entry {
	char magic[4];
	uint32_t op;
	uint64_t inode, at, n, folder;
};

static int out = -1;	/* set once at start, in tests only */

enum status disk_record_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		return status_of_errno(errno);
	out = fd;
	return ST_OK;
}

/* One write, so that entries of several processes do not mix.  A test whose
 * record is not whole would prove nothing. */
static void append(struct entry *e, const struct iovec *iov, int n)
{
	struct iovec all[PARTS + 1] = { { e, sizeof *e } };
	size_t total = sizeof *e;

	if (n > PARTS)
		abort();
	memcpy(e->magic, "WXRC", 4);
	for (int i = 0; i < n; i++) {
		all[i + 1] = iov[i];
		e->n += iov[i].iov_len;
	}
	total += e->n;
	if (writev(out, all, n + 1) != (ssize_t)total)
		abort();
}

/* False for memory files, which no power loss leaves behind. */
static bool of_disk(int fd, uint64_t *ret_inode)
{
	struct stat sb;

	if (out < 0 || fstat(fd, &sb) != 0 || sb.st_nlink == 0)
		return false;
	*ret_inode = sb.st_ino;
	return true;
}

void note_write(int fd, const struct iovec *iov, int n, off_t at)
{
	struct entry e = { .op = NOTE_WRITE, .at = (uint64_t)at };

	if (of_disk(fd, &e.inode))
		append(&e, iov, n);
}

void note_file(enum note_op op, int fd, off_t at)
{
	struct entry e = { .op = op, .at = (uint64_t)at };

	if (of_disk(fd, &e.inode))
		append(&e, NULL, 0);
}

void note_create(int dir, const char *name, int fd)
{
	struct entry e = { .op = NOTE_CREATE };
	struct iovec iov = { (void *)name, strlen(name) };

	if (of_disk(fd, &e.inode) && of_disk(dir, &e.folder))
		append(&e, &iov, 1);
}

void note_name(int dir, const char *name, const char *to)
{
	struct entry e = { .op = to ? NOTE_RENAME : NOTE_UNLINK };
	struct iovec iov[2] = { { (void *)name, strlen(name) + 1 }, { (void *)to, to ? strlen(to) : 0 } };

	if (of_disk(dir, &e.folder))
		append(&e, iov, 2);
}
