/* child.c - starting, joining and stopping one process. */
#include "parent/parent.h"

#include "base/beside.h"
#include "base/disk.h"
#include "base/log.h"
#include "role/encrypt_file.h"
#include "role/role.h"
#include "role/walls.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_SIZE = 64 };

/* Sanitizers and coverage only. */
char **child_environment(void)
{
	static char *env[8];
	static const char *const kept[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
	size_t n = 0;

	if (env[0])
		return env;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		const char *v = getenv(kept[i]);
		char *line = NULL;

		if (v && asprintf(&line, "%s=%s", kept[i], v) > 0)
			env[n++] = line;
	}
	env[n] = NULL;
	return env;
}

static void find_program(const char *of, char ret_program[static 32])
{
	char name[NAME_SIZE], path[BESIDE_PATH];
	int fd = -1;

	snprintf(name, sizeof name, "waxwing-%s", of);
	for (size_t i = 0; fd < 0 && (beside_path(i, name, path), path[0]); i++)
		fd = open(path, O_PATH | O_CLOEXEC);
	snprintf(ret_program, 32, "/proc/self/exe");
	if (fd >= 0)
		snprintf(ret_program, 32, "/proc/self/fd/%d", fd);
}

/* waxwing-ROLE, beside us or in ../libexec/waxwing; or ourselves.  Held open (above
 * ROLE_FILTER_FD: tidy_descriptors saw to it), so that an upgrade under a
 * running server does not mix two versions: their records may differ. */
void parent_find_programs(struct parent *p)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (role != ROLE_PARENT && role != ROLE_ADMIN)
			find_program(role_name((enum role)role), p->programs[role]);
	find_program("room-encrypting", p->room_encrypting);
	find_program("admin", p->issuer.program);
}

void parent_become(const char *dir)
{
	beside_become("waxwing-parent", (char *[]){ (char *)"waxwing: parent", (char *)"--dir", (char *)dir, NULL });
}

static enum status make_filter(enum role role, int *ret_fd)
{
	int fd, high;
	enum status st = sandbox_filter_make(walls_calls(role), &fd);

	if (st != ST_OK)
		return st;
	/* Above those that a child begins with. */
	high = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_FILTER_FD + 1);
	close(fd);
	*ret_fd = high;
	return high < 0 ? status_of_errno(errno) : ST_OK;
}

enum status parent_make_filters(struct parent *p)
{
	enum status st = ST_OK;

	for (int role = 0; role < ROLE_COUNT && st == ST_OK; role++)
		if (role != ROLE_PARENT && role != ROLE_ADMIN)
			st = make_filter((enum role)role, &p->filters[role]);
	return st;
}

/* Its standard descriptors are nobody's terminal. */
static int begins_with(posix_spawn_file_actions_t *fa, int channel, int filter, int log)
{
	int rc = posix_spawn_file_actions_adddup2(fa, channel, ROLE_PARENT_FD);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(fa, filter, ROLE_FILTER_FD);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(fa, STDIN_FILENO, STDOUT_FILENO);
	return rc ? rc : posix_spawn_file_actions_adddup2(fa, log, STDERR_FILENO);
}

enum status child_spawn(struct parent *p, enum role which, const char *program, const char *name,
			const char *role, int fd, struct log_pipe **ret_log, int *ret_pid)
{
	char *argv[] = { (char *)name, "--role", (char *)role, NULL };
	posix_spawn_file_actions_t fa;
	struct log_pipe *log;
	int rc, log_end;
	enum status st = parent_log_pipe(p, which != ROLE_ROOM, &log, &log_end);

	if (st != ST_OK)
		return st;
	rc = posix_spawn_file_actions_init(&fa);
	if (rc == 0) {
		rc = begins_with(&fa, fd, p->filters[which], log_end);
		if (rc == 0)
			rc = posix_spawn(ret_pid, program, &fa, NULL, argv, child_environment());
		posix_spawn_file_actions_destroy(&fa);
	}
	close(log_end);
	if (rc != 0) {
		parent_log_end(p, &log);
		return status_of_errno(rc);
	}
	parent_log_name(log, which, 0, *ret_pid);
	*ret_log = log;
	return ST_OK;
}

static bool has_encrypt_file(const struct parent *p, uint64_t account)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/mail/%llu/" ROLE_ENCRYPT_FILE, p->conf.dir, (unsigned long long)account);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A room whose letters are stored encrypted is another program, which is never
 * kept ready. */
static bool encrypts(const struct child *c)
{
	return c->role == ROLE_ROOM && has_encrypt_file(c->parent, c->account);
}

void parent_encrypt_to(struct parent *p, uint64_t account, struct view certificate)
{
	char folder[4200];
	enum status st;

	if (certificate.n == 0 || !has_encrypt_file(p, account))
		return;
	snprintf(folder, sizeof folder, "%s/mail/%llu", p->conf.dir, (unsigned long long)account);
	st = role_encrypt_file(folder, role_uid(&p->conf, ROLE_ROOM, account), certificate);
	log_event(st == ST_OK ? LOG_INFO_ : LOG_ERROR_, "encrypt-to", "account=%llu result=\"%s\"", (unsigned long long)account,
		  st == ST_OK ? "ok" : status_name(st));
}

static void name_log(struct child *c)
{
	parent_log_name(c->log, c->role, c->role == ROLE_ROOM ? c->account : c->index, c->pid);
}

static enum status spawn(struct child *c, int fd)
{
	char name[NAME_SIZE];
	enum status st;

	if (c->role == ROLE_ROOM)
		snprintf(name, sizeof name, "waxwing: room %llu", (unsigned long long)c->account);
	else
		snprintf(name, sizeof name, "waxwing: %s", role_name(c->role));
	st = child_spawn(c->parent, c->role, encrypts(c) ? c->parent->room_encrypting : c->parent->programs[c->role],
			 name, role_name(c->role), fd, &c->log, &c->pid);
	if (st == ST_OK)
		name_log(c);
	return st;
}

static enum status send_settings(struct child *c)
{
	struct buf text = BUF(CONF_TEXT_MAX), b = BUF(RECORD_MAX);
	enum status st;

	conf_text(&c->parent->conf, &text);
	rec_put_settings(&b, 0, 0, &(struct rec_settings){ c->index, c->account, buf_view(&text) });
	st = role_send(&c->ch, &b, -1);
	buf_free(&text);
	buf_free(&b);
	return st;
}

/* A room works in mail/ACCOUNT, which only we can make. */
/* The name of a new folder, durable before anything in it is. */
static enum status flush_names(const char *folder)
{
	int fd;
	enum status st = disk_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (st != ST_OK)
		return st;
	st = disk_flush_all(fd);
	close(fd);
	return st;
}

static enum status make_folder(struct child *c)
{
	char path[4096], mail[4096];
	uint32_t uid = role_uid(&c->parent->conf, c->role, c->account);
	enum status st;

	snprintf(path, sizeof path, "%s/mail/%llu", c->parent->conf.dir,
		 (unsigned long long)c->account);
	st = disk_mkdir(AT_FDCWD, path, 0700);
	if (st == ST_EXISTS)
		return ST_OK;
	if (st != ST_OK)
		return st;
	if (uid && chown(path, uid, uid) != 0)
		st = ST_DENIED;
	snprintf(mail, sizeof mail, "%s/mail", c->parent->conf.dir);
	if (st == ST_OK)
		st = flush_names(mail);
	/* Half made, the next room would take it as it is. */
	if (st != ST_OK && rmdir(path) != 0)
		log_event(LOG_WARN_, "folder", "account=%llu", (unsigned long long)c->account);
	return st;
}

/* Takes fd. */
static enum status open_channel(struct child *c, int fd)
{
	c->ch = (struct channel){
		.receive = parent_receive, .gone = parent_child_gone, .allowed = record_allowed,
		.owner = c, .self = ROLE_PARENT, .peer = (uint8_t)c->role,
	};
	return channel_open(&c->ch, c->parent->loop, fd);
}

/* One that waits for somebody to need it.  It may have been killed meanwhile;
 * then another is taken, or a new one. */
static bool from_spare(struct child *c)
{
	struct spare s;

	while (c->role == ROLE_ROOM && parent_take_spare(c->parent, &s)) {
		if (open_channel(c, s.fd) == ST_OK && send_settings(c) == ST_OK) {
			c->pid = s.pid;
			c->log = s.log;
			name_log(c);
			return true;
		}
		channel_close(&c->ch);	/* it ends by that, if it runs */
		parent_log_end(c->parent, &s.log);
	}
	return false;
}

static enum status from_program(struct child *c)
{
	int fds[2];
	enum status st = channel_pair(fds);

	if (st != ST_OK)
		return st;
	st = open_channel(c, fds[0]);
	if (st == ST_OK)
		st = spawn(c, fds[1]);
	close(fds[1]);
	return st == ST_OK ? send_settings(c) : st;
}

enum status child_start(struct child *c)
{
	enum status st = c->role == ROLE_ROOM ? make_folder(c) : ST_OK;

	if (st != ST_OK)
		return st;
	if (encrypts(c) || !from_spare(c))
		st = from_program(c);
	if (st == ST_OK && c->role == ROLE_WARDEN)
		parent_give_keys(c->parent);
	if (st != ST_OK) {
		channel_close(&c->ch);
		return st;
	}
	c->started = clock_steady();
	c->ready = c->leaving = false;
	c->joined = 0;
	log_event(LOG_DEBUG_, "started", "role=%s pid=%d", role_name(c->role), c->pid);
	return ST_OK;
}

void child_stop(struct child *c, uint8_t reason)
{
	struct buf b = BUF(64);

	rec_put_stop(&b, 0, 0, &(struct rec_stop){ reason });
	if (channel_is_open(&c->ch) && role_send(&c->ch, &b, -1) != ST_OK)
		channel_close(&c->ch);
	buf_free(&b);
}

static enum status give_channel(struct child *to, const struct child *peer, int fd)
{
	struct buf b = BUF(64);
	enum status st;

	rec_put_channel_to(&b, 0, 0,
			   &(struct rec_channel_to){ (uint8_t)peer->role, peer->index, peer->account });
	st = role_send(&to->ch, &b, fd);
	buf_free(&b);
	return st;
}

void child_join(struct child *a, struct child *b)
{
	int fds[2];

	if (!channel_is_open(&a->ch) || !channel_is_open(&b->ch) || channel_pair(fds) != ST_OK)
		return;
	/* A failure here means that one of the two is going: it is seen as gone,
	 * started again and joined again. */
	if (give_channel(a, b, fds[0]) != ST_OK || give_channel(b, a, fds[1]) != ST_OK)
		log_event(LOG_WARN_, "join-failed", "a=%s b=%s", role_name(a->role), role_name(b->role));
	close(fds[0]);
	close(fds[1]);
}
