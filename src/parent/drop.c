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
 *
 * The folder is looked through in small steps with pauses between them, and
 * the more there is the longer it takes until it is looked through again; of
 * each owner no more than local.drop_files and local.drop_bytes are taken in one
 * round.  So whoever puts a million files there keeps us no busier than anybody
 * else; and what waxwing-sendmail has kept is never thrown away for it.
 */
#include "parent/parent.h"

#include "base/disk.h"
#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

/* A step: so many entries, and the pause behind it.  ENTRY_MS: each entry delays
 * the next look at all of the folder by so much. */
enum { STEP_ENTRIES = 256, STEP_MS = 20, ENTRY_MS = 1, OWNERS_MAX = 4096, NAMES_MAX = 1024, LINES_MAX = 20 };
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

/* NULL: no memory, or there are too many. */
static struct drop_owner *owner_of(struct parent *p, uint32_t uid)
{
	struct drop_owner *o = map_get(&p->local.owners, uid);

	if (o || p->local.owners.used >= OWNERS_MAX)
		return o;
	o = calloc(1, sizeof *o);
	if (o)
		o->uid = uid;
	if (o && map_set(&p->local.owners, uid, o) != ST_OK) {
		free(o);
		return NULL;
	}
	return o;
}

/* Nobody fills the log with it either. */
static bool may_say(struct parent *p, uint32_t uid)
{
	struct drop_owner *o = owner_of(p, uid);

	return o == NULL || o->said++ < LINES_MAX;
}

static void throw_away(struct parent *p, const char *name, const struct stat *sb, const char *why)
{
	bool say = may_say(p, sb->st_uid);

	if (say)
		log_drop("drop-refused", name, sb->st_uid, why);
	if (unlinkat(p->local.drop, name, S_ISDIR(sb->st_mode) ? AT_REMOVEDIR : 0) != 0 && say)
		log_drop("drop-stays", name, sb->st_uid, strerror(errno));
}

/* One more of his: is that more than is taken in one round? */
static bool is_too_much(struct parent *p, const struct stat *sb)
{
	struct drop_owner *o = owner_of(p, sb->st_uid);

	if (o == NULL)
		return false;
	o->files++;
	o->bytes += (uint64_t)sb->st_size;
	return o->files > (uint64_t)p->conf.local_drop_files ||
	       (o->files > 1 && o->bytes > (uint64_t)p->conf.local_drop_bytes);
}

static bool is_busy(const struct parent *p, uint32_t uid)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid && p->local.pickups[i].uid == uid)
			return true;
	return false;
}

static bool is_in_hand(const struct parent *p, const char *name)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid && strcmp(p->local.pickups[i].name, name) == 0)
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
	steady_ms at = clock_steady() + AGAIN_MS + p->local.swept * ENTRY_MS;

	if (p->local.next_sweep > at)
		p->local.next_sweep = at;
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

/* It waits for its turn.  False: too many do; the next sweep finds it. */
static bool put_off(struct parent *p, const char *name, uint32_t uid)
{
	struct drop_owner *o = owner_of(p, uid);

	if (o && o->n == o->cap && o->cap < NAMES_MAX) {
		uint32_t cap = o->cap ? o->cap * 4 : 16;
		void *more = reallocarray(o->names, cap, sizeof *o->names);

		if (more) {
			o->names = more;
			o->cap = cap;
		}
	}
	if (o == NULL || o->n == o->cap)
		return false;
	memcpy(o->names[o->n++], name, DROP_KEY + 1);
	return true;
}

static bool is_put_off(struct parent *p, const char *name, uint32_t uid)
{
	const struct drop_owner *o = map_get(&p->local.owners, uid);

	for (uint32_t i = 0; o && i < o->n; i++)
		if (memcmp(o->names[i], name, DROP_KEY) == 0)
			return true;
	return false;
}

/* A letter waits for another round; what was never one, or is not finished, goes. */
static void leave(struct parent *p, const char *name, const struct stat *sb)
{
	if (!is_key(name) || unfit(p, sb)) {
		throw_away(p, name, sb, "its owner has left too much");
		return;
	}
	p->local.news = true;
	if (may_say(p, sb->st_uid))
		log_drop("drop-waits", name, sb->st_uid, "its owner has left much");
}

static void consider(struct parent *p, const char *name)
{
	struct pickup *place = free_place(p);
	struct stat sb;

	if (fstatat(p->local.drop, name, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (!is_key(name) ? clock_wall() / 1000 - sb.st_mtime > UNFINISHED_S : !S_ISREG(sb.st_mode))
		throw_away(p, name, &sb, is_key(name) ? "it is no plain file" : "it was never finished");
	else if (is_too_much(p, &sb))
		leave(p, name, &sb);
	else if (!is_key(name) || has_failed(p, name) || is_in_hand(p, name) || is_put_off(p, name, sb.st_uid))
		return;
	else if (place && !is_busy(p, sb.st_uid))
		pick_up(p, name, place);
	else if (!put_off(p, name, sb.st_uid))
		p->local.news = true;
}

/* Those whose turn it is, one of each owner. */
static void serve_owners(struct parent *p)
{
	struct pickup *place = free_place(p);

	for (size_t turns = p->local.owners.used; place && turns; turns--) {
		struct drop_owner *o = map_next(&p->local.owners, &p->local.next_owner);

		if (o == NULL) {
			p->local.next_owner = 0;
			o = map_next(&p->local.owners, &p->local.next_owner);
		}
		/* Some are gone, or no letters: then the next. */
		while (o && o->n && !is_busy(p, o->uid))
			if (!has_failed(p, o->names[--o->n]))
				pick_up(p, o->names[o->n], place);
		place = free_place(p);
	}
}

/* Those that take too long hold a place for nothing. */
static void end_late(struct parent *p)
{
	for (size_t i = 0; i < PICKUPS_MAX; i++)
		if (p->local.pickups[i].pid && p->local.pickups[i].until < clock_steady())
			kill(p->local.pickups[i].pid, SIGKILL);
}

/* Those of whom nothing waits; the counts of the others begin anew. */
static void forget_owners(struct parent *p)
{
	struct map left = { 0 };
	struct drop_owner *o;
	size_t at = 0;

	while ((o = map_next(&p->local.owners, &at)) != NULL) {
		o->files = o->bytes = o->said = 0;
		if (o->n && map_set(&left, o->uid, o) == ST_OK)
			continue;
		free(o->names);
		free(o);
	}
	map_free(&p->local.owners);
	p->local.owners = left;
	p->local.next_owner = 0;
}

static bool sweep_begin(struct parent *p)
{
	int fd = openat(p->local.drop, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	p->local.sweep = fd < 0 ? NULL : fdopendir(fd);
	if (p->local.sweep == NULL && fd >= 0)
		close(fd);
	p->local.swept = 0;
	p->local.news = false;
	p->local.next_sweep = clock_steady() + LOOK_MS;
	return p->local.sweep != NULL;
}

static void sweep_end(struct parent *p)
{
	uint64_t wait = p->local.news ? 0 : p->local.failed.used ? AGAIN_MS : LOOK_MS, least = p->local.swept * ENTRY_MS;

	closedir(p->local.sweep);
	p->local.sweep = NULL;
	forget_owners(p);
	p->local.next_sweep = clock_steady() + (wait > least ? wait : least);
}

static void sweep_step(struct parent *p)
{
	for (int i = 0; i < STEP_ENTRIES; i++) {
		const struct dirent *e = readdir(p->local.sweep);

		if (e == NULL) {
			sweep_end(p);
			return;
		}
		p->local.swept++;
		if (e->d_name[0] != '.')
			consider(p, e->d_name);
	}
}

static void look(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, local.look));
	steady_ms now = clock_steady();

	if (p->stopping)
		return;
	end_late(p);
	serve_owners(p);
	if (p->local.sweep || (p->local.next_sweep <= now && sweep_begin(p)))
		sweep_step(p);
	look_in(p, p->local.sweep ? STEP_MS : p->local.next_sweep > now ? p->local.next_sweep - now : STEP_MS);
}

/* There is more: as soon as the size of the folder lets us look again. */
static void look_for_news(struct parent *p)
{
	uint64_t wait = p->local.swept * ENTRY_MS;
	steady_ms at = clock_steady() + wait;

	p->local.news = true;
	if (p->local.sweep == NULL && p->local.next_sweep > at)
		p->local.next_sweep = at;
	look_in(p, p->local.sweep ? STEP_MS : wait);
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
	look_for_news(p);
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
