/* disk.h - the one thin layer under every write.
 *
 * All that waxwing writes to a file goes through here, so that a test can
 * make any of these calls fail (disk_fault) and so that the rules are in one
 * place: a failed flush is never retried into a success, because the kernel
 * may have dropped the dirty pages (a file whose flush failed stays failed).
 *
 * Each returns ST_OK, ST_NOSPACE, ST_NOMEM, ST_DENIED, ST_MISSING, ST_EXISTS
 * or ST_IO; short writes are finished or fail.
 */
#ifndef WAXWING_BASE_DISK_H
#define WAXWING_BASE_DISK_H

#include "base/status.h"
#include "base/view.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

enum status disk_open(int dir, const char *name, int flags, mode_t mode, int *ret_fd) MUST_USE;
enum status disk_write_at(int fd, const struct iovec *iov, int n, off_t at) MUST_USE;
enum status disk_flush(int fd) MUST_USE;	/* fdatasync */
enum status disk_flush_all(int fd) MUST_USE;	/* fsync, also for directories */
enum status disk_rename(int dir, const char *from, const char *to) MUST_USE;
enum status disk_unlink(int dir, const char *name) MUST_USE;
enum status disk_truncate(int fd, off_t n) MUST_USE;
enum status disk_mkdir(int dir, const char *name, mode_t mode) MUST_USE;

/* Whole reads: exactly n bytes at that place, or ST_CORRUPT at an early end. */
enum status disk_read_at(int fd, void *p, size_t n, off_t at) MUST_USE;

/* A file of these bytes, flushed (not its folder); flags beside those to create and
 * write it: O_TRUNC or O_EXCL. */
enum status disk_write_file(int dir, const char *name, int flags, struct view bytes) MUST_USE;

/* For tests: "OP:ERRNO:SKIP[:COUNT]", e.g. "flush:EIO:3:1" lets three flushes
 * pass and fails the next one; OP "any" is each call but "read".  With DIE as ERRNO the
 * process dies as soon as that call has succeeded.  ST_SYNTAX. */
enum status disk_fault(struct view spec) MUST_USE;
/* Is it the turn of a read that is not made here (mapped.c)?  errno is set then. */
bool disk_read_fails(void);

#endif
