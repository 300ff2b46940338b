/* confined.h - a child for what strangers say: commands may run as root, and so another process
 * reads it, which has locked itself in and has two pipes to us.
 */
#ifndef WAXWING_ADMIN_CONFINED_H
#define WAXWING_ADMIN_CONFINED_H

#include "base/buf.h"
#include "base/sandbox.h"

#include <sys/types.h>

struct confined {
	pid_t pid;		/* 0: none */
	int to, from;
};

/* In the child: its standard input and output are the pipes, standard error is ours, and
 * nothing else is open.  It must not return. */
typedef void confined_run(void *arg);

/* ST_NOMEM, and those of errno. */
enum status confined_begin(struct confined *c, confined_run *run, void *arg) MUST_USE;
/* At once, whatever it does. */
void confined_end(struct confined *c);

/* The filter of these calls for children to come.  ST_DENIED, ST_NOMEM ... */
enum status confined_filter(unsigned calls, struct sandbox_filter *ret) MUST_USE;

/* A status and bytes.  ST_CLOSED: the other side is gone, or says nonsense; *ret_st what it
 * has sent. */
enum status piece_write(int fd, enum status st, struct view v) MUST_USE;
enum status piece_read(int fd, struct buf *out, enum status *ret_st) MUST_USE;

#endif
