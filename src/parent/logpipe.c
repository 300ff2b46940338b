/* logpipe.c - what the other processes say for the log.
 *
 * Each has the write end of a pipe as its standard error, and nothing of the
 * file: it can neither cut it, nor write over it, nor read it.  Here the pipes
 * are read, and what they held is written in one go, as lines that say who
 * said them (said.h).
 *
 * Pipes are looked at once in PAUSE_MS at most, so that a thousand lines cost us
 * no more wakings than one.  Of each no more is read at a time than log.rate
 * allows, and of all of them no more than LOOK_MOST: who says more waits, and
 * when his pipe is full counts himself what he leaves out (base/log.c); that he
 * is held is said here.  Nobody waits for him, and he for nobody else.
 */
#include "parent/parent.h"

#include "base/log.h"
#include "parent/said.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAUSE_MS = 10, LOOK_MOST = 1024 * 1024, READ_MOST = 64 * 1024, PIPES_A_LOOK = 64 };
/* What a pipe that holds much holds; the kernel gives less where it has to. */
enum { PIPE_MUCH = 1024 * 1024 };
/* All that one look can make of it: names, strays. */
enum { LINES_MAX = 64 * 1024 * 1024 };
/* At its limit for so long: said, and then not for a minute. */
enum { HELD_LOOKS = 1000 / PAUSE_MS, HELD_AGAIN_MS = 60000 };

struct log_pipe {
	int fd;		/* -1: it has closed its end */
	char name[48];
	struct buf rest;
	unsigned held;	/* looks in a row at which there was more */
	steady_ms held_said;
};

enum status parent_log_pipe(struct parent *p, bool much, struct log_pipe **ret, int *ret_end)
{
	struct log_pipe *l = calloc(1, sizeof *l);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	int fds[2];

	if (l == NULL)
		return ST_NOMEM;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		free(l);
		return status_of_errno(errno);
	}
	*l = (struct log_pipe){ .fd = fds[0], .rest = BUF(LINE_MOST) };
	if (epoll_ctl(p->log.pipes.fd, EPOLL_CTL_ADD, l->fd, &ev) != 0) {
		free(l);
		close(fds[0]);
		close(fds[1]);
		return ST_NOMEM;
	}
	if (much)
		(void)!fcntl(fds[1], F_SETPIPE_SZ, PIPE_MUCH);
	*ret = l;
	*ret_end = fds[1];
	return ST_OK;
}

void parent_log_name(struct log_pipe *l, enum role role, uint64_t number, int pid)
{
	if (role == ROLE_ROOM && number)
		snprintf(l->name, sizeof l->name, "room.%llu[%d]", (unsigned long long)number, pid);
	else if (role == ROLE_DOOR)
		snprintf(l->name, sizeof l->name, "door.%llu[%d]", (unsigned long long)number, pid);
	else
		snprintf(l->name, sizeof l->name, "%s[%d]", role_name(role), pid);
}

/* Up to `most` bytes into the lines to be written; how many there were. */
static size_t read_pipe(struct parent *p, struct log_pipe *l, size_t most)
{
	static char bytes[READ_MOST];	/* as ipc.c's: one thread, one loop */
	wall_ms now = clock_wall();
	size_t all = 0;
	ssize_t n = 1;

	while (all < most && n > 0) {
		size_t left = most - all < sizeof bytes ? most - all : sizeof bytes;

		n = read(l->fd, bytes, left);
		if (n > 0) {
			said_take(&l->rest, view_make(bytes, (size_t)n), view_cstr(l->name), now, &p->log.lines);
			all += (size_t)n;
			if ((size_t)n < left)
				break;	/* that was all */
		}
	}
	if (n == 0) {		/* nobody has the other end any more */
		close(l->fd);
		l->fd = -1;
	}
	return all;
}

static void write_lines(struct parent *p)
{
	if (buf_status(&p->log.lines) != ST_OK)
		log_event(LOG_WARN_, "log-lost", "why=\"%s\"", status_name(buf_status(&p->log.lines)));
	if (p->log.lines.n)
		log_lines(buf_view(&p->log.lines));
	if (p->log.lines.cap > LOOK_MOST)
		buf_free(&p->log.lines);
	buf_clear(&p->log.lines);
}

static void is_held(struct parent *p, struct log_pipe *l, bool at_limit)
{
	steady_ms now = loop_now(p->loop);

	l->held = at_limit ? l->held + 1 : 0;
	if (l->held < HELD_LOOKS || (l->held_said && now - l->held_said < HELD_AGAIN_MS))
		return;
	l->held_said = now;
	log_event(LOG_WARN_, "log-held", "of=%s rate=%lld", l->name, (long long)p->conf.log_rate);
}

/* True when there was anything. */
static bool look(struct parent *p)
{
	struct epoll_event ready[PIPES_A_LOOK];
	size_t most = p->conf.log_rate ? (size_t)p->conf.log_rate * PAUSE_MS / 1000 + 1 : LOOK_MOST, all = 0;
	int n = epoll_wait(p->log.pipes.fd, ready, PIPES_A_LOOK, 0);

	/* Those that are left out come first the next time. */
	for (int i = 0; i < n && all < LOOK_MOST; i++) {
		struct log_pipe *l = ready[i].data.ptr;
		size_t got = read_pipe(p, l, most);

		all += got;
		is_held(p, l, p->conf.log_rate && got == most);
	}
	write_lines(p);
	return n > 0;
}

static void look_again(struct parent *p)
{
	if (loop_timer(p->loop, &p->log.pause, loop_now(p->loop) + PAUSE_MS) == ST_OK)
		return;
	if (loop_watch(p->loop, &p->log.pipes, EPOLLIN) != ST_OK)
		log_event(LOG_ERROR_, "log-pipes", "%s", "");
}

static void pause_over(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, log.pause));

	if (look(p) || loop_watch(p->loop, &p->log.pipes, EPOLLIN) != ST_OK)
		look_again(p);
}

static void pipes_ready(struct watch *w, uint32_t events)
{
	struct parent *p = (struct parent *)((char *)w - offsetof(struct parent, log.pipes));

	(void)events;
	loop_unwatch(p->loop, w);
	look(p);
	look_again(p);
}

enum status parent_log_begin(struct parent *p)
{
	p->log.lines = BUF(LINES_MAX);
	p->log.pause.fire = pause_over;
	p->log.pipes = (struct watch){ .fd = epoll_create1(EPOLL_CLOEXEC), .ready = pipes_ready };
	return p->log.pipes.fd < 0 ? status_of_errno(errno) : loop_watch(p->loop, &p->log.pipes, EPOLLIN);
}

void parent_log_end(struct parent *p, struct log_pipe **of)
{
	struct log_pipe *l = *of;

	*of = NULL;
	if (l == NULL)
		return;
	/* Who ended may have given its end to another, so this has an end of its own. */
	if (l->fd >= 0)
		read_pipe(p, l, 2 * PIPE_MUCH);
	said_end(&l->rest, view_cstr(l->name), clock_wall(), &p->log.lines);
	write_lines(p);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}
