/* control.c - the socket run/control, over which waxwing(8) asks.
 *
 * Only the owner of the directory can reach it (the folder is 0700).  The
 * parent looks at the first record without taking it, to see whom it is for,
 * and hands the connection on with the record still in it.
 */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One connection until its command is known; then it is answered here or
 * handed on. */
struct asker {
	struct watch watch;
	struct parent *p;
};

static const struct {
	const char *verb;
	enum role role;
} routes[] = {
	{ "queue-list", ROLE_QUEUE },
	{ "queue-show", ROLE_QUEUE },
	{ "queue-remove", ROLE_QUEUE },
	{ "status", ROLE_PARENT },
	{ "reload", ROLE_PARENT },
};

static void answer_row(int fd, struct child *c)
{
	struct buf json = BUF(512), b = BUF(1024);

	buf_putf(&json, "{\"process\":\"%s\",\"index\":%u,\"account\":%llu,\"pid\":%d,\"ready\":%s}",
		 role_name(c->role), c->index, (unsigned long long)c->account, c->pid,
		 c->ready ? "true" : "false");
	rec_put_command_row(&b, 0, 0, &(struct rec_command_row){ buf_view(&json) });
	if (record_write_blocking(fd, &b, -1) != ST_OK)
		log_event(LOG_DEBUG_, "control-gone", "%s", "");
	buf_free(&json);
	buf_free(&b);
}

static void answer_status(struct parent *p, int fd)
{
	struct buf b = BUF(256);
	struct child *c;
	size_t at = 0;

	answer_row(fd, &p->warden);
	answer_row(fd, &p->queue);
	for (uint32_t i = 0; i < p->n_doors; i++)
		answer_row(fd, &p->doors[i]);
	while ((c = map_next(&p->rooms, &at)) != NULL)
		answer_row(fd, c);
	rec_put_command_done(&b, 0, 0, &(struct rec_command_done){ VERDICT_OK, VIEW_NONE });
	if (record_write_blocking(fd, &b, -1) != ST_OK)
		log_event(LOG_DEBUG_, "control-gone", "%s", "");
	buf_free(&b);
}

static void hand_on(struct parent *p, enum role role, int fd)
{
	struct child *c = parent_child(p, role, 0);
	struct buf b = BUF(64);

	rec_put_channel_to(&b, 0, 0, &(struct rec_channel_to){ ROLE_ADMIN, 0, 0 });
	if (c && channel_is_open(&c->ch))
		(void)!role_send(&c->ch, &b, fd);
	buf_free(&b);
}

static enum role route(struct view verb)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (view_eq(verb, view_cstr(routes[i].verb)))
			return routes[i].role;
	return ROLE_COUNT;
}

static void asker_ready(struct watch *w, uint32_t events)
{
	struct asker *a = (struct asker *)((char *)w - offsetof(struct asker, watch));
	char packet[4096];
	ssize_t n = recv(w->fd, packet, sizeof packet, MSG_PEEK | MSG_DONTWAIT);
	struct rec_command cmd;
	enum role role = ROLE_COUNT;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	loop_unwatch(a->p->loop, w);
	if (n > RECORD_HEAD && packet[0] == (char)REC_command &&
	    rec_take_command(view_make(packet + RECORD_HEAD, (size_t)n - RECORD_HEAD), &cmd))
		role = route(cmd.verb);
	if (role == ROLE_PARENT && view_eq(cmd.verb, VIEW("status")))
		answer_status(a->p, w->fd);
	else if (role != ROLE_COUNT)
		hand_on(a->p, role, w->fd);
	close(w->fd);
	free(a);
}

static void control_ready(struct watch *w, uint32_t events)
{
	struct parent *p = (struct parent *)((char *)w - offsetof(struct parent, control));
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct asker *a = fd < 0 ? NULL : malloc(sizeof *a);

	(void)events;
	if (a == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*a = (struct asker){ .watch = { .fd = fd, .ready = asker_ready }, .p = p };
	if (loop_watch(p->loop, &a->watch, EPOLLIN) != ST_OK) {
		close(fd);
		free(a);
	}
}

static int control_bind(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, cwd = open(".", O_PATH | O_CLOEXEC);
	char run[4096];

	/* By way of the folder, so that a long path does not matter. */
	snprintf(run, sizeof run, "%s/run", dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(sa.sun_path, "control", sizeof "control");
	if (fd >= 0 && cwd >= 0 && chdir(run) == 0) {
		unlink("control");
		if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 16) != 0) {
			close(fd);
			fd = -1;
		}
		if (fchdir(cwd) != 0)
			fd = -1;
	}
	if (cwd >= 0)
		close(cwd);
	return fd;
}

enum status parent_control_open(struct parent *p)
{
	int fd = control_bind(p->conf.dir);

	if (fd < 0)
		return status_of_errno(errno);
	p->control = (struct watch){ .fd = fd, .ready = control_ready };
	return loop_watch(p->loop, &p->control, EPOLLIN);
}

void parent_control_close(struct parent *p)
{
	char path[4096];

	if (p->control.fd < 0)
		return;
	close(p->control.fd);
	snprintf(path, sizeof path, "%s/run/control", p->conf.dir);
	unlink(path);
}
