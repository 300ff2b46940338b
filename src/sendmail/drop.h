/* drop.h - the drop folder: letters for a server that does not run.
 *
 * A file is the envelope in lines, an empty line, and the letter:
 *
 *     waxwing-drop 1
 *     sender Smith@bar.com          nothing behind the blank: the null one
 *     recipient Jones@foo.com       one or more
 *     notify failure,delay          these three perhaps
 *     ret hdrs
 *     envid 1234
 *
 *     From: ...
 *
 * It is written under another name, flushed, named, and the folder is flushed;
 * only then drop_write answers ST_OK.  parent/drop.c says who may do what there.
 */
#ifndef WAXWING_SENDMAIL_DROP_H
#define WAXWING_SENDMAIL_DROP_H

#include "ipc/records.h"
#include "sendmail/submit.h"

/* A name that nobody can guess.  ST_IO. */
enum status drop_key(char ret[DROP_KEY + 1]) MUST_USE;

/* The errors of base/disk.h; ST_DENIED: the folder is not for this user. */
enum status drop_write(const char *dir, const struct outgoing *o) MUST_USE;

/* What a file holds; the recipients lie in the arena, all else in bytes.
 * ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status drop_take(struct view bytes, struct arena *a, struct outgoing *ret) MUST_USE;

#endif
