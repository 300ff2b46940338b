/* sandbox.h - what a process can still do once it has locked itself in.
 *
 * Three walls, each also for a plain user: Landlock (only the folders named,
 * no TCP but where allowed, no signals or abstract sockets to the outside),
 * seccomp (only the system calls of the role; no executable memory but where
 * allowed), and, when started as root, a user id of its own.  None can be
 * taken down again.
 */
#ifndef WAXWING_BASE_SANDBOX_H
#define WAXWING_BASE_SANDBOX_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Groups of system calls beyond what every process needs (loop, ipc, memory,
 * clock, log). */
enum {
	SANDBOX_FILES = 1,	/* open, read, write, rename, unlink ... below the folders */
	SANDBOX_ACCEPT = 2,	/* accept and talk on sockets given to it */
	SANDBOX_THREADS = 4,	/* start threads */
	SANDBOX_MEMFD = 8,	/* make and seal memory files */
	SANDBOX_CONNECT = 16,	/* open TCP and UDP connections */
	SANDBOX_LIBRARIES = 32,	/* map libraries at run time (iconv's modules): files only */
};

enum { SANDBOX_FOLDERS = 8 };

struct sock_filter;

/* A program of seccomp, as the kernel takes it, but that SANDBOX_SELF stands
 * in it for the id of the process that takes it. */
enum { SANDBOX_SELF = 0x7fa5e1f0 };

struct sandbox_filter {
	struct sock_filter *ops;	/* owned */
	unsigned short n;
};

struct sandbox {
	unsigned calls;			/* SANDBOX_* */
	const char *writable[SANDBOX_FOLDERS];	/* folders, NULL-ended */
	const char *readable[SANDBOX_FOLDERS];
	uint32_t uid;			/* 0: stay who we are */
	const struct sandbox_filter *filter;	/* of these calls */
};

/* The filter for these groups, for any process, in a sealed file.  To work it
 * out takes longer than all of sandbox_enter.  ST_NOMEM, ST_DENIED. */
enum status sandbox_filter_make(unsigned calls, int *ret_fd) MUST_USE;

/* What stands in that file.  ST_MISSING (it is no filter), ST_NOMEM, ST_IO. */
enum status sandbox_filter_read(int fd, struct sandbox_filter *ret) MUST_USE;
void sandbox_filter_free(struct sandbox_filter *f);

/* Locks this process in.  ret_why (static text) says which wall failed; the
 * caller must then exit.  ST_DENIED, ST_MISSING (the kernel has no Landlock
 * or seccomp), ST_NOMEM. */
enum status sandbox_enter(const struct sandbox *s, const char **ret_why) MUST_USE;

#endif
