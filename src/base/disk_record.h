/* disk_record.h - for tests: what the disk layer did, in order, in a file.
 *
 * All processes of an instance append to one file, so its order is the order
 * in which things happened.  An entry, little endian:
 *
 *     0        4     8       16     24     32       40
 *     +--------+-----+-------+------+------+--------+---- ... ----+
 *     | "WXRC" | op  | inode | at   | n    | folder | n bytes     |
 *     +--------+-----+-------+------+------+--------+---- ... ----+
 *
 * Writes and truncations are noted before they are tried, flushes and names
 * once they succeeded.  tests/cut.py makes from such a file, cut anywhere,
 * the folders that a power loss at that moment could leave behind.
 */
#ifndef WAXWING_BASE_DISK_RECORD_H
#define WAXWING_BASE_DISK_RECORD_H

#include "base/status.h"

#include <sys/types.h>
#include <sys/uio.h>

enum note_op { NOTE_WRITE = 1, NOTE_TRUNCATE, NOTE_FLUSH, NOTE_CREATE, NOTE_UNLINK,
		 NOTE_RENAME };

/* Begin.  ST_DENIED, ST_MISSING, ST_IO */
enum status disk_record_to(const char *path) MUST_USE;

/* All do nothing when no file was named. */
void note_write(int fd, const struct iovec *iov, int n, off_t at);
void note_file(enum note_op op, int fd, off_t at);
void note_create(int dir, const char *name, int fd);
/* to NULL: an unlink. */
void note_name(int dir, const char *name, const char *to);

#endif
