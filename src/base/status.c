#include "base/status.h"

#include <errno.h>

static const char *const names[] = {
	[ST_OK] = "ok",
	[ST_AGAIN] = "not yet",
	[ST_CLOSED] = "closed",
	[ST_TIMEOUT] = "timed out",
	[ST_LIMIT] = "limit reached",
	[ST_SYNTAX] = "syntax error",
	[ST_MISSING] = "not found",
	[ST_EXISTS] = "exists already",
	[ST_DENIED] = "not allowed",
	[ST_NOSPACE] = "no space",
	[ST_NOMEM] = "out of memory",
	[ST_IO] = "input/output error",
	[ST_CORRUPT] = "corrupt",
};

const char *status_name(enum status st)
{
	return (unsigned)st < sizeof names / sizeof *names ? names[st] : "unknown";
}

enum status status_of_errno(int err)
{
	switch (err) {
	case 0:
		return ST_OK;
	case EAGAIN:
	case EINTR:
		return ST_AGAIN;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return ST_CLOSED;
	case ETIMEDOUT:
		return ST_TIMEOUT;
	case ENOENT:
	case ENOTDIR:
		return ST_MISSING;
	case EEXIST:
		return ST_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ST_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ST_NOSPACE;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return ST_NOMEM;
	default:
		return ST_IO;
	}
}
