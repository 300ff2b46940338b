#include "role/encrypt_file.h"

#include "base/disk.h"
#include "role/role.h"

#include <fcntl.h>
#include <unistd.h>

static const char unfinished[] = ROLE_ENCRYPT_FILE ".new";

static enum status write_new(int dir, uint32_t uid, struct view der)
{
	struct iovec iov = { (void *)der.p, der.n };
	int fd;
	enum status st = disk_unlink(dir, unfinished);

	if (st == ST_OK || st == ST_MISSING)
		st = disk_open(dir, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
	if (st != ST_OK)
		return st;
	st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK && uid && fchown(fd, uid, uid) != 0)
		st = ST_DENIED;
	if (st == ST_OK)
		st = disk_flush(fd);
	close(fd);
	return st;
}

enum status role_encrypt_file(const char *folder, uint32_t uid, struct view der)
{
	int dir;
	enum status st = disk_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dir);

	if (st != ST_OK)
		return st;
	if (der.n) {
		st = write_new(dir, uid, der);
		if (st == ST_OK)
			st = disk_rename(dir, unfinished, ROLE_ENCRYPT_FILE);
	} else {
		st = disk_unlink(dir, ROLE_ENCRYPT_FILE);
		if (st == ST_MISSING)
			st = ST_OK;
	}
	if (st == ST_OK)
		st = disk_flush_all(dir);
	close(dir);
	return st;
}
