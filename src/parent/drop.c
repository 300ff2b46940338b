/* drop.c - letters that users of this machine left while there was no server.
 *
 * local/drop/ is sticky and may be written by all, and read by none of them:
 * each adds files of his own, named by 16 hexadecimal digits that nobody can
 * guess, and can neither see nor touch those of others.  (Where the server was
 * not started as root it cannot read them either, and the folder is its own.)
 *
 * Nothing of a file is read here.  Its owner's own rights are enough to hand it
 * in; so waxwing-sendmail is started with the open file, becomes its owner and
 * speaks with local/submit as he would.  When it has said that the letter is
 * kept, the file goes, that is flushed, and only then the queue hands the letter
 * on (mta/queue/dropped.c).
 *
 * One process for each owner, since he may stop it.
 */
#include "parent/parent.h"

#include "base/disk.h"
#include "base/log.h"
#include "role/role.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

enum { LOOK_MS = 60000, AGAIN_MS = 5000, PICKUP_MS = 600000, FAILED_MAX = 4096, HEAD_MOST = 1 << 20 };
/* A file that was never finished. */
enum { UNFINISHED_S = 86400 };

static void look_in(struct parent *p, uint64_t ms)
{
	steady_ms at = clock_steady() + ms;

	if (p->local.look.slot && p->local.look.at <= at)
		return;
	if (loop_timer(p->loop, &p->local.look, at) != ST_OK)
		log_event(LOG_WARN_, "drop", "why=\"%s\"", status_name(ST_NOMEM));
}

static bool is_key(const char *name)
{
	return strlen(name) == DROP_KEY && strspn(name, "0123456789abcdef") == DROP_KEY;
}

static void log_drop(const char *event, const char *name, uint32_t uid, const char *why)
{
	log_begin(LOG_WARN_, event);
	log_str("file", name);
	log_u64("uid", uid);
	log_str("why", why);
	log_end();
}

/* Why it is nothing that waxwing-sendmail has put there, or NULL. */
static const char *unfit(const struct parent *p, const struct stat *sb)
{
	if (!S_ISREG(sb->st_mode))
		return "it is no plain file";
	if (sb->st_nlink != 1)
		return "it has another name too";
	if (sb->st_mode & 077)
		return "others may read or write it";
	return sb->st_size > p->conf.message_size + HEAD_MOST ? "it is too large" : NULL;
}

static void throw_away(struct parent *p, const char *name, const struct stat *sb, const char *why)
{
	log_drop("drop-refused", name, sb->st_uid, why);
	if (unlinkat(p->local.drop, name, S_ISDIR(sb->st_mode) ? AT_REMOVEDIR : 0) != 0)
		log_drop("drop-stays", name, sb->st_uid, strerror(errno));
}

static bool is_busy(const struct parent *p, uint32_t uid)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid && p->local.pickups[i].uid == uid)
			return true;
	return false;
}

static struct pickup *free_place(struct parent *p)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid == 0)
			return &p->local.pickups[i];
	return NULL;
}

static bool has_failed(struct parent *p, const char *name)
{
	uint64_t number = strtoull(name, NULL, 16);

	if ((uintptr_t)map_get(&p->local.failed, number) > clock_steady())
		return true;
	map_remove(&p->local.failed, number);
	return false;
}

static void note_failed(struct parent *p, const char *name)
{
	if (p->local.failed.used >= FAILED_MAX)
		map_free(&p->local.failed);
	if (map_set(&p->local.failed, strtoull(name, NULL, 16), (void *)(uintptr_t)(clock_steady() + AGAIN_MS)) != ST_OK)
		log_event(LOG_WARN_, "drop", "why=\"%s\"", status_name(ST_NOMEM));
}

/* The file is its standard input; the log is not for it to write. */
static enum status spawn(const struct parent *p, const char *name, uint32_t uid, int fd, int *ret_pid)
{
	char program[40], owner[16], folder[4200];
	char *argv[] = { (char *)"waxwing-sendmail", (char *)"--pickup", (char *)name, owner, NULL };
	char *env[] = { folder, NULL };
	posix_spawn_file_actions_t fa;
	int rc;

	snprintf(program, sizeof program, "/proc/self/fd/%d", p->local.program);
	snprintf(owner, sizeof owner, "%u", uid);
	snprintf(folder, sizeof folder, "WAXWING_DIR=%s", p->conf.dir);
	if (posix_spawn_file_actions_init(&fa) != 0)
		return ST_NOMEM;
	rc = posix_spawn_file_actions_adddup2(&fa, fd, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn(ret_pid, program, &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	return rc == 0 ? ST_OK : status_of_errno(rc);
}

static void pick_up(struct parent *p, const char *name, struct pickup *place)
{
	int fd = openat(p->local.drop, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), pid;
	struct stat sb;
	const char *why;

	if (fd < 0)
		return;		/* gone, or made into something else: the next look tells */
	if (fstat(fd, &sb) == 0) {
		why = unfit(p, &sb);
		if (why)
			throw_away(p, name, &sb, why);
		else if (spawn(p, name, sb.st_uid, fd, &pid) == ST_OK) {
			*place = (struct pickup){ .pid = pid, .uid = sb.st_uid, .until = clock_steady() + PICKUP_MS };
			snprintf(place->name, sizeof place->name, "%.*s", (int)sizeof place->name - 1, name);
		} else {
			note_failed(p, name);
		}
	}
	close(fd);
}

static void consider(struct parent *p, const char *name, struct pickup *place)
{
	struct stat sb;

	if (fstatat(p->local.drop, name, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (!is_key(name)) {
		if (clock_wall() / 1000 - sb.st_mtime > UNFINISHED_S)
			throw_away(p, name, &sb, "it was never finished");
	} else if (!S_ISREG(sb.st_mode)) {
		throw_away(p, name, &sb, "it is no plain file");
	} else if (!is_busy(p, sb.st_uid) && !has_failed(p, name)) {
		pick_up(p, name, place);
	}
}

/* Those that take too long hold a place for nothing. */
static void end_late(struct parent *p)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid && p->local.pickups[i].until < clock_steady())
			kill(p->local.pickups[i].pid, SIGKILL);
}

static void look(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, local.look));
	int fd = p->stopping ? -1 : openat(p->local.drop, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct pickup *place;
	struct dirent *e;

	end_late(p);
	if (d == NULL && fd >= 0)
		close(fd);
	while (d && (place = free_place(p)) != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			consider(p, e->d_name, place);
	if (d)
		closedir(d);
	if (!p->stopping)
		look_in(p, p->local.failed.used ? AGAIN_MS : LOOK_MS);
}

/* The file is gone: its letter may be handed on.  A queue that dies before it
 * hears this asks the next time. */
static void let_go(struct parent *p, struct view id)
{
	struct buf b = BUF(256);

	rec_put_letter_go(&b, 0, 0, &(struct rec_letter_go){ id });
	if (channel_is_open(&p->queue.ch))
		(void)!role_send(&p->queue.ch, &b, -1);
	buf_free(&b);
}

/* Of "dKEY.UID": is the file there, and that user's? */
static bool is_there(const struct parent *p, struct view id)
{
	char name[DROP_KEY + 1] = "";
	struct stat sb;
	uint64_t uid;

	if (id.n < DROP_KEY + 3 || !view_u64(view_skip(id, DROP_KEY + 2), &uid))
		return false;
	memcpy(name, id.p + 1, DROP_KEY);
	return is_key(name) && fstatat(p->local.drop, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sb.st_uid == uid;
}

void parent_drop_asked(struct parent *p, struct view id)
{
	bool gone = p->local.drop < 0 || (!is_there(p, id) && disk_flush_all(p->local.drop) == ST_OK);

	if (gone)
		let_go(p, id);
}

static void kept(struct parent *p, const struct pickup *one)
{
	enum status st = disk_unlink(p->local.drop, one->name);
	struct buf id = BUF(64);

	if (st == ST_OK || st == ST_MISSING)
		st = disk_flush_all(p->local.drop);
	/* The letter waits: with the file there it would be handed in again. */
	if (st != ST_OK) {
		log_drop("drop-stays", one->name, one->uid, status_name(st));
		note_failed(p, one->name);
		return;
	}
	buf_putf(&id, "d%s.%u", one->name, one->uid);
	let_go(p, buf_view(&id));
	buf_free(&id);
}

static void ended(struct parent *p, const struct pickup *one, int status)
{
	struct stat sb;

	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_OK) {
		kept(p, one);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == EX_DATAERR) {
		log_drop("drop-refused", one->name, one->uid, "it is no letter of waxwing-sendmail");
		kept(p, one);
	} else if (fstatat(p->local.drop, one->name, &sb, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
		/* Its owner took it back, perhaps too late. */
		kept(p, one);
	} else {
		note_failed(p, one->name);
	}
}

bool parent_pickup_ended(struct parent *p, int pid, int status)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++) {
		struct pickup one = p->local.pickups[i];

		if (one.pid != pid)
			continue;
		p->local.pickups[i].pid = 0;
		ended(p, &one, status);
		if (!p->stopping)
			look_in(p, 0);
		return true;
	}
	return false;
}

static void changed(struct watch *w, uint32_t events)
{
	struct parent *p = (struct parent *)((char *)w - offsetof(struct parent, local.changes));
	char news[4096];

	(void)events;
	while (read(w->fd, news, sizeof news) > 0)
		;
	look_in(p, 0);
}

/* A watch that cannot be had costs only a minute's delay. */
static void watch_folder(struct parent *p, const char *path)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	p->local.changes = (struct watch){ .fd = fd, .ready = changed };
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_ONLYDIR) < 0 ||
	    loop_watch(p->loop, &p->local.changes, EPOLLIN) != ST_OK)
		log_event(LOG_WARN_, "drop", "why=\"%s\"", strerror(errno));
}

static int find_program(void)
{
	static const char *const places[] = { "", "../sbin/", "../../sbin/" };
	char self[4096], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int fd = -1;

	while (n > 0 && self[n - 1] != '/')
		n--;
	for (size_t i = 0; i < sizeof places / sizeof *places && n > 0 && fd < 0; i++) {
		snprintf(path, sizeof path, "%.*s%swaxwing-sendmail", (int)n, self, places[i]);
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	return fd;
}

enum status parent_drop_open(struct parent *p)
{
	char path[4200];

	snprintf(path, sizeof path, "%s/local/drop", p->conf.dir);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return status_of_errno(errno);
	p->local.drop = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->local.drop < 0 || fchmod(p->local.drop, geteuid() == 0 ? 01733 : 0700) != 0)
		return status_of_errno(errno);
	p->local.program = find_program();
	p->local.look.fire = look;
	if (p->local.program < 0)
		log_event(LOG_WARN_, "drop", "%s", "why=\"there is no waxwing-sendmail beside waxwing\"");
	else
		watch_folder(p, path);
	return ST_OK;
}

void parent_drop_begin(struct parent *p)
{
	if (p->local.drop >= 0 && p->local.program >= 0)
		look_in(p, 0);
}
