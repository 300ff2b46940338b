#include "admin/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- both sides ---- */

static enum status write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t got = write(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ST_CLOSED;
		at += got;
		n -= (size_t)got;
	}
	return ST_OK;
}

static enum status read_all(int fd, void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = read(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ST_CLOSED;
		at += got;
		n -= (size_t)got;
	}
	return ST_OK;
}

struct head {
	uint32_t n;
	uint32_t st;	/* enum status, of an answer */
};

enum status piece_write(int fd, enum status st, struct view v)
{
	struct head h = { (uint32_t)v.n, st };
	enum status sent = write_all(fd, &h, sizeof h);

	return sent == ST_OK ? write_all(fd, v.p, v.n) : sent;
}

enum status piece_read(int fd, struct buf *out, enum status *ret_st)
{
	struct head h;
	char *room;
	enum status st = read_all(fd, &h, sizeof h);

	buf_clear(out);
	if (st == ST_OK)
		st = h.n <= out->max && h.st <= ST_CORRUPT ? buf_reserve(out, h.n ? h.n : 1, &room) : ST_CLOSED;
	if (st == ST_OK)
		st = read_all(fd, room, h.n);
	if (st != ST_OK)
		return st;
	out->n = h.n;
	*ret_st = (enum status)h.st;
	return ST_OK;
}

/* ---- the child ---- */

void confined_end(struct confined *c)
{
	if (c->pid == 0)
		return;
	close(c->to);
	close(c->from);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

static _Noreturn void be_child(int in, int out, confined_run *run, void *arg)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && close_range(3, ~0U, 0) == 0)
		run(arg);
	_exit(1);
}

enum status confined_begin(struct confined *c, confined_run *run, void *arg)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) != 0)
		return status_of_errno(errno);
	if (pipe2(from, O_CLOEXEC) != 0) {
		close(to[0]);
		close(to[1]);
		return status_of_errno(errno);
	}
	/* A child that has died is seen by its answer. */
	signal(SIGPIPE, SIG_IGN);
	c->pid = fork();
	if (c->pid == 0)
		be_child(to[0], from[1], run, arg);
	close(to[0]);
	close(from[1]);
	c->to = to[1];
	c->from = from[0];
	if (c->pid > 0)
		return ST_OK;
	close(c->to);
	close(c->from);
	c->pid = 0;
	return ST_NOMEM;
}

enum status confined_filter(unsigned calls, struct sandbox_filter *ret)
{
	int fd = -1;
	enum status st = sandbox_filter_make(calls, &fd);

	if (st == ST_OK)
		st = sandbox_filter_read(fd, ret);
	if (fd >= 0)
		close(fd);
	return st;
}
