/* status.h - what a library function answers.
 *
 * Owner: everybody; allocates nothing.  Every function that can fail returns
 * an enum status that must be used; outputs come last, are named ret_*, and
 * are untouched on failure.  Libraries do not log: the caller knows why it
 * asked and says so.
 */
#ifndef WAXWING_BASE_STATUS_H
#define WAXWING_BASE_STATUS_H

enum status {
	ST_OK = 0,
	ST_AGAIN,	/* nothing there yet; ask again when the descriptor is ready */
	ST_CLOSED,	/* the other side is gone */
	ST_TIMEOUT,	/* the time allowed is over */
	ST_LIMIT,	/* a named limit would be passed */
	ST_SYNTAX,	/* the bytes do not follow the grammar */
	ST_MISSING,	/* no such thing */
	ST_EXISTS,	/* it is there already */
	ST_DENIED,	/* not allowed */
	ST_NOSPACE,	/* the disk, or a quota, is full */
	ST_NOMEM,	/* no memory, or no descriptors */
	ST_IO,		/* the operating system said no */
	ST_CORRUPT,	/* a checksum or a stored structure is wrong */
};

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* A word for people and logs.  Never NULL, static storage. */
const char *status_name(enum status st);

/* The status that stands for an errno value. */
enum status status_of_errno(int err);

#endif
