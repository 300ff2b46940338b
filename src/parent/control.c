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

/* One connection: a watch until its command is known, then handed on or a
 * channel that is answered here. */
struct asker {
	struct watch watch;
	struct channel ch;
	struct parent *p;
	struct buf out;
	uint64_t resting;	/* the account whose room it keeps from starting, or 0 */
};

static enum verdict answer_status(struct asker *a, const struct rec_command *cmd);
static enum verdict answer_room_stop(struct asker *a, const struct rec_command *cmd);
static enum verdict answer_room_rest(struct asker *a, const struct rec_command *cmd);

/* What may be asked, and who answers: another process, or a function here. */
static const struct route {
	const char *verb;
	enum role role;
	enum verdict (*answer)(struct asker *a, const struct rec_command *cmd);
} routes[] = {
	{ "queue-list", ROLE_QUEUE, NULL },
	{ "queue-show", ROLE_QUEUE, NULL },
	{ "queue-remove", ROLE_QUEUE, NULL },
	{ "queue-bounce", ROLE_QUEUE, NULL },
	{ "queue-hold", ROLE_QUEUE, NULL },
	{ "queue-release", ROLE_QUEUE, NULL },
	{ "queue-retry", ROLE_QUEUE, NULL },
	{ "queue-route", ROLE_QUEUE, NULL },
	{ "queue-flush", ROLE_QUEUE, NULL },
	{ "queue-status", ROLE_QUEUE, NULL },
	{ "queue-release-account", ROLE_QUEUE, NULL },
	{ "queue-drop-account", ROLE_QUEUE, NULL },
	{ "submission-show", ROLE_WARDEN, NULL },
	{ "submission-release", ROLE_WARDEN, NULL },
	{ "submission-drop", ROLE_WARDEN, NULL },
	{ "door-status", ROLE_DOOR, NULL },
	{ "dns-lookup", ROLE_NAMES, NULL },
	{ "dns-forget", ROLE_NAMES, NULL },
	{ "names-status", ROLE_NAMES, NULL },
	{ "keys-check", ROLE_WARDEN, NULL },
	{ "reports-send", ROLE_RELAY, NULL },
	{ "reports-pending", ROLE_RELAY, NULL },
	{ "status", ROLE_PARENT, answer_status },
	{ "room-stop", ROLE_PARENT, answer_room_stop },
	{ "room-rest", ROLE_PARENT, answer_room_rest },
};

static void answer_row(struct asker *a, const char *name, const struct child *c)
{
	struct buf json = BUF(512);

	buf_putf(&json, "{\"process\":\"%s\",\"index\":%u", name, c->index);
	if (c->role == ROLE_ROOM)
		buf_putf(&json, ",\"account\":%llu", (unsigned long long)c->account);
	buf_putf(&json, ",\"pid\":%d,\"ready\":%s,\"uptime_ms\":%llu,\"restarts\":%u}", c->pid,
		 c->ready ? "true" : "false", (unsigned long long)(clock_steady() - c->started), c->deaths);
	rec_put_command_row(&a->out, 0, 0, &(struct rec_command_row){ buf_view(&json) });
	(void)!role_send(&a->ch, &a->out, -1);
	buf_free(&json);
}

static enum verdict answer_status(struct asker *a, const struct rec_command *cmd)
{
	struct parent *p = a->p;
	struct child self = { .role = ROLE_PARENT, .pid = getpid(), .ready = true, .started = p->started };
	struct child *c;
	size_t at = 0;

	(void)cmd;
	answer_row(a, "parent", &self);
	answer_row(a, "warden", &p->warden);
	answer_row(a, "queue", &p->queue);
	answer_row(a, "names", &p->names);
	for (uint32_t i = 0; i < p->n_doors; i++)
		answer_row(a, "door", &p->doors[i]);
	for (uint32_t i = 0; i < p->n_relays; i++)
		answer_row(a, "relay", &p->relays[i]);
	while ((c = map_next(&p->rooms, &at)) != NULL)
		answer_row(a, "room", c);
	return VERDICT_OK;
}

/* The account is being removed: whoever is in its room leaves. */
static enum verdict answer_room_stop(struct asker *a, const struct rec_command *cmd)
{
	uint64_t account;
	struct child *c;

	if (!view_u64(cmd->argument, &account))
		return VERDICT_NO;
	c = map_get(&a->p->rooms, account);
	if (c == NULL)
		return VERDICT_NO;
	child_stop(c, 0);
	return VERDICT_OK;
}

/* Whoever is in the account's room leaves, and none is started until the asker
 * closes the connection: the operator's command works on its mail. */
static enum verdict answer_room_rest(struct asker *a, const struct rec_command *cmd)
{
	uint64_t account;
	struct child *c;

	if (!view_u64(cmd->argument, &account) || account == 0 || a->resting)
		return VERDICT_NO;
	if (map_get(&a->p->resting, account) || map_set(&a->p->resting, account, a) != ST_OK)
		return VERDICT_LATER;
	a->resting = account;
	c = map_get(&a->p->rooms, account);
	if (c)
		child_stop(c, 0);
	log_event(LOG_INFO_, "room-rests", "account=%llu", (unsigned long long)account);
	return VERDICT_OK;
}

static const struct route *route(struct view verb)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (view_eq(verb, view_cstr(routes[i].verb)))
			return &routes[i];
	return NULL;
}

static void asker_says(struct channel *ch, struct record *rec)
{
	struct asker *a = ch->owner;
	const struct route *r = NULL;
	struct rec_command cmd;
	enum verdict v = VERDICT_NO;

	if (rec->type == REC_command && rec_take_command(rec->body, &cmd))
		r = route(cmd.verb);
	if (r && r->answer)
		v = r->answer(a, &cmd);
	rec_put_command_done(&a->out, 0, 0, &(struct rec_command_done){ (uint8_t)v, VIEW_NONE });
	(void)!role_send(ch, &a->out, -1);
}

static void asker_gone(struct channel *ch)
{
	struct asker *a = ch->owner;

	if (a->resting)
		map_remove(&a->p->resting, a->resting);
	buf_free(&a->out);
	free(a);
}

/* Owns fd from here on. */
static void answer(struct asker *a, int fd)
{
	a->out = BUF(RECORD_MAX);
	a->ch = (struct channel){
		.receive = asker_says, .gone = asker_gone, .allowed = record_allowed,
		.owner = a, .self = ROLE_PARENT, .peer = ROLE_ADMIN,
	};
	if (channel_open(&a->ch, a->p->loop, fd) != ST_OK)
		free(a);
}

/* For a door the argument is its index. */
static void hand_on(struct parent *p, enum role role, const struct rec_command *cmd, int fd)
{
	struct buf b = BUF(64);
	uint64_t index = 0;
	struct child *c;

	if (role == ROLE_DOOR && !view_u64(cmd->argument, &index))
		return;
	c = parent_child(p, role, index);
	rec_put_channel_to(&b, 0, 0, &(struct rec_channel_to){ ROLE_ADMIN, 0, 0 });
	if (c && channel_is_open(&c->ch))
		(void)!role_send(&c->ch, &b, fd);
	buf_free(&b);
}

static void asker_ready(struct watch *w, uint32_t events)
{
	struct asker *a = (struct asker *)((char *)w - offsetof(struct asker, watch));
	char packet[4096];
	ssize_t n = recv(w->fd, packet, sizeof packet, MSG_PEEK | MSG_DONTWAIT);
	struct rec_command cmd;
	const struct route *r = NULL;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	loop_unwatch(a->p->loop, w);
	if (n > RECORD_HEAD && packet[0] == (char)REC_command &&
	    rec_take_command(view_make(packet + RECORD_HEAD, (size_t)n - RECORD_HEAD), &cmd))
		r = route(cmd.verb);
	if (r && r->answer) {
		answer(a, w->fd);	/* the command is still in the socket */
		return;
	}
	if (r)
		hand_on(a->p, r->role, &cmd, w->fd);
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
