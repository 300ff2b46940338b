#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUICK_MS = 2000, AGAIN_MS = 100, AGAIN_MOST = 8, STOP_MS = 10000, LOCK_TRIES = 25, LOCK_AGAIN_MS = 20 };

struct child *parent_child(struct parent *p, enum role role, uint64_t index)
{
	switch (role) {
	case ROLE_WARDEN:
		return &p->warden;
	case ROLE_QUEUE:
		return &p->queue;
	case ROLE_NAMES:
		return &p->names;
	case ROLE_RELAY:
		return index < p->n_relays ? &p->relays[index] : NULL;
	case ROLE_DOOR:
		return index < p->n_doors ? &p->doors[index] : NULL;
	case ROLE_ROOM:
		return map_get(&p->rooms, index);
	default:
		return NULL;
	}
}

/* ---- who is joined with whom ---- */

/* Who has a channel to whom, rooms apart (room.c): sets of 1 << role. */
static const unsigned peers[ROLE_COUNT] = {
	[ROLE_DOOR] = 1 << ROLE_WARDEN | 1 << ROLE_QUEUE | 1 << ROLE_NAMES | 1 << ROLE_RELAY,
	[ROLE_RELAY] = 1 << ROLE_WARDEN | 1 << ROLE_QUEUE | 1 << ROLE_NAMES | 1 << ROLE_DOOR,
	[ROLE_WARDEN] = 1 << ROLE_DOOR | 1 << ROLE_QUEUE | 1 << ROLE_RELAY | 1 << ROLE_NAMES,
	[ROLE_QUEUE] = 1 << ROLE_DOOR | 1 << ROLE_WARDEN | 1 << ROLE_RELAY,
	[ROLE_NAMES] = 1 << ROLE_DOOR | 1 << ROLE_RELAY | 1 << ROLE_WARDEN,
};

static void join_each(struct child *c, struct child *others, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (peers[c->role] & (1u << others[i].role))
			child_join(&others[i], c);
}

/* One that has just started, with all its peers. */
static void join_all(struct child *c)
{
	struct parent *p = c->parent;

	join_each(c, p->doors, p->n_doors);
	join_each(c, p->relays, p->n_relays);
	join_each(c, &p->warden, 1);
	join_each(c, &p->queue, 1);
	join_each(c, &p->names, 1);
	if (c->role == ROLE_DOOR)
		parent_give_listeners(p, c, 0);
}

/* ---- what children say ---- */

static bool all_ready(const struct parent *p)
{
	for (uint32_t i = 0; i < p->n_doors; i++)
		if (!p->doors[i].ready)
			return false;
	for (uint32_t i = 0; i < p->n_relays; i++)
		if (!p->relays[i].ready)
			return false;
	return p->warden.ready && p->queue.ready && p->names.ready;
}

/* Whole networks of strangers' may be meant; it is worth a word. */
static void warn_of_networks(const struct parent *p)
{
	struct buf wide = BUF(4096);

	conf_wide_networks(p->conf.relay_networks, &wide);
	if (wide.n) {
		log_begin(LOG_WARN_, "relay-wide");
		log_view("networks", buf_view(&wide));
		log_str("why", "all hosts in these public networks may send to anybody through this one");
		log_end();
	}
	buf_free(&wide);
}

static void child_ready(struct child *c)
{
	struct parent *p = c->parent;

	c->ready = true;
	if (p->announced || !all_ready(p))
		return;
	p->announced = true;
	log_event(LOG_INFO_, "serving", "host=%s doors=%u after_ms=%llu", p->conf.host_name, p->n_doors,
		  (unsigned long long)(clock_steady() - p->started));
	notify_manager("READY=1");
	warn_of_networks(p);
	parent_spares_begin(p);
	parent_drop_begin(p);
	parent_issuer_begin(p);
}

static void room_leaving(struct child *c)
{
	struct buf b = BUF(64);

	c->leaving = true;
	rec_put_left(&b, 0, 0, &(struct rec_left){ c->account });
	if (role_send(&c->ch, &b, -1) != ST_OK)
		channel_close(&c->ch);
	buf_free(&b);
}

void parent_receive(struct channel *ch, struct record *rec)
{
	struct child *c = ch->owner;
	struct rec_room_open open;
	struct rec_url_room_open url;
	struct rec_encrypt_to newer;
	struct rec_room_done done;
	struct rec_letter_dropped dropped;

	switch (rec->type) {
	case REC_ready:
		child_ready(c);
		break;
	case REC_leaving:
		room_leaving(c);
		break;
	case REC_room_open:
		/* Warden lets doors in, and the queue nobody but itself. */
		if (rec_take_room_open(rec->body, &open) &&
		    open.role == (c->role == ROLE_QUEUE ? ROLE_QUEUE : ROLE_DOOR))
			parent_open_room(c->parent, open.account, (enum role)open.role, open.index);
		break;
	case REC_url_room_open:
		if (rec_take_url_room_open(rec->body, &url))
			parent_open_url(c->parent, url.account, url.index, rec->sid);
		break;
	case REC_encrypt_to:
		if (rec_take_encrypt_to(rec->body, &newer))
			parent_encrypt_to(c->parent, newer.account, newer.certificate);
		break;
	case REC_room_done:
		if (rec_take_room_done(rec->body, &done))
			parent_room_done(c->parent, done.account, c->index);
		break;
	case REC_letter_dropped:
		if (rec_take_letter_dropped(rec->body, &dropped))
			parent_drop_asked(c->parent, dropped.id);
		break;
	default:
		log_event(LOG_WARN_, "unexpected", "record=%s from=%s", record_name(rec->type),
			  role_name(c->role));
	}
	if (rec->fd >= 0)
		close(rec->fd);
}

/* Its end of the channel is closed: it is about to end, or broke the rules.
 * Either way it must be gone before it is started again. */
void parent_child_gone(struct channel *ch)
{
	struct child *c = ch->owner;

	if (c->pid && !c->parent->stopping && !c->leaving)
		kill(c->pid, SIGKILL);
}

static void start_again(struct timer *t)
{
	struct child *c = (struct child *)((char *)t - offsetof(struct child, again));
	enum status st = c->parent->stopping ? ST_CLOSED : child_start(c);

	if (st == ST_OK)
		join_all(c);
	else if (st != ST_CLOSED &&
		 loop_timer(c->parent->loop, t, clock_steady() + 1000) != ST_OK)
		log_event(LOG_ERROR_, "not-restarted", "role=%s", role_name(c->role));
}

static void child_ended(struct child *c, int status)
{
	struct parent *p = c->parent;
	steady_ms now = clock_steady();
	unsigned wait;

	c->pid = 0;
	/* That it is ready may be the last that it said. */
	if (c->role == ROLE_ROOM && !c->ready)
		channel_drain(&c->ch);
	channel_close(&c->ch);
	parent_log_end(p, &c->log);
	if (!p->stopping && (status != 0 || c->role != ROLE_ROOM))
		log_event(status ? LOG_ERROR_ : LOG_INFO_, status ? "died" : "ended", "role=%s index=%u account=%llu %s=%d", role_name(c->role),
			  c->index, (unsigned long long)c->account,
			  WIFSIGNALED(status) ? "signal" : "exit",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (c->role == ROLE_ROOM) {
		if (!c->ready && !p->stopping)
			parent_room_failed(p, c->account);
		parent_room_ended(c);
		return;
	}
	if (p->stopping)
		return;
	c->deaths++;
	if (c->role == ROLE_DOOR)
		parent_door_ended(p, c->index);
	/* One that ended of its own will (names, to begin anew) is no trouble. */
	c->quick_deaths = status && now - c->started < QUICK_MS ? c->quick_deaths + 1 : 0;
	wait = c->quick_deaths > AGAIN_MOST ? AGAIN_MOST : c->quick_deaths;
	c->again.fire = start_again;
	if (loop_timer(p->loop, &c->again, now + (wait ? (steady_ms)AGAIN_MS << wait : 0)) != ST_OK)
		start_again(&c->again);
}

/* Those that always run, one after another: start with *at = 0. */
static struct child *fixed_next(struct parent *p, uint32_t *at)
{
	struct child *const single[] = { &p->warden, &p->queue, &p->names };
	uint32_t i = (*at)++, n = sizeof single / sizeof *single;

	if (i < n)
		return single[i];
	if (i - n < p->n_doors)
		return &p->doors[i - n];
	return i - n - p->n_doors < p->n_relays ? &p->relays[i - n - p->n_doors] : NULL;
}

static struct child *child_of_pid(struct parent *p, int pid)
{
	struct child *c;
	uint32_t i = 0;
	size_t at = 0;

	while ((c = fixed_next(p, &i)) != NULL)
		if (c->pid == pid)
			return c;
	while ((c = map_next(&p->rooms, &at)) != NULL)
		if (c->pid == pid)
			return c;
	return NULL;
}

static bool any_alive(struct parent *p)
{
	struct child *c;
	uint32_t i = 0;
	size_t at = 0;

	if (p->n_spares)
		return true;
	while ((c = fixed_next(p, &i)) != NULL)
		if (c->pid)
			return true;
	while ((c = map_next(&p->rooms, &at)) != NULL)
		if (c->pid)
			return true;
	return false;
}

static void reap(struct parent *p)
{
	int status, pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of_pid(p, pid);

		if (c)
			child_ended(c, status);
		else if (!parent_pickup_ended(p, pid, status) && !parent_issuer_ended(p, pid, status))
			parent_spare_ended(p, pid);
	}
	if (p->stopping && !any_alive(p))
		loop_stop(p->loop);
}

/* ---- stop and reload ---- */

/* For all that could run, with their rooms. */
static void parent_each(struct parent *p, void (*fn)(struct child *c, uint8_t arg), uint8_t arg)
{
	struct child *c;
	size_t at = 0;

	for (uint32_t i = 0; i < p->n_doors; i++)
		fn(&p->doors[i], arg);
	for (uint32_t i = 0; i < p->n_relays; i++)
		fn(&p->relays[i], arg);
	fn(&p->queue, arg);
	while ((c = map_next(&p->rooms, &at)) != NULL)
		fn(c, arg);
	fn(&p->names, arg);
	fn(&p->warden, arg);
}

static void kill_child(struct child *c, uint8_t reason)
{
	(void)reason;
	if (c->pid)
		kill(c->pid, SIGKILL);
}

static void stop_is_late(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, last_wait));

	log_event(LOG_WARN_, "stop-late", "%s", "");
	parent_each(p, kill_child, 0);
}

static void stop_all(struct parent *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	notify_manager("STOPPING=1");
	log_event(LOG_INFO_, "stopping", "%s", "");
	for (size_t i = 0; i < p->n_listeners; i++)
		close(p->listeners[i].fd);
	parent_dismiss_spares(p);
	parent_issuer_stop(p);
	parent_each(p, child_stop, 0);
	p->last_wait.fire = stop_is_late;
	if (loop_timer(p->loop, &p->last_wait, clock_steady() + STOP_MS) != ST_OK)
		parent_each(p, kill_child, 0);
	if (!any_alive(p))
		loop_stop(p->loop);
}

static void resend_settings(struct child *c, uint8_t arg)
{
	struct buf text = BUF(CONF_TEXT_MAX), b = BUF(RECORD_MAX);

	(void)arg;
	conf_text(&c->parent->conf, &text);
	rec_put_settings(&b, 0, 0, &(struct rec_settings){ c->index, c->account, buf_view(&text) });
	if (channel_is_open(&c->ch))
		(void)!role_send(&c->ch, &b, -1);
	buf_free(&text);
	buf_free(&b);
}

/* All or nothing: what cannot be bound refuses the whole. */
static enum status take_over(struct parent *p, struct buf *why)
{
	size_t before = p->n_listeners;
	struct conf fresh;
	enum status st = conf_load(p->conf.dir, &fresh, why);

	if (st != ST_OK)
		return st;
	st = parent_listen(p, &fresh, why);
	if (st != ST_OK) {
		conf_free(&fresh);
		return st;
	}
	for (uint32_t i = 0; i < p->n_doors; i++)
		if (channel_is_open(&p->doors[i].ch))
			parent_give_listeners(p, &p->doors[i], before);
	parent_unlisten(p, &fresh);
	conf_free(&p->conf);
	p->conf = fresh;
	parent_each(p, resend_settings, 0);
	parent_give_keys(p);
	warn_of_networks(p);
	parent_spares_begin(p);
	if (p->local.submit.fd >= 0)
		parent_local_about(p);
	return ST_OK;
}

static void reload(struct parent *p)
{
	struct buf why = BUF(4096), state = BUF(8192);
	enum status st;

	buf_putf(&state, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_steady() * 1000);
	buf_putc(&state, '\0');
	notify_manager(state.p);
	st = take_over(p, &why);
	parent_log_reopen(p);
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_ERROR_, st == ST_OK ? "reloaded" : "reload-refused");
	if (st != ST_OK)
		log_view("why", buf_view(&why));
	log_end();
	buf_clear(&state);
	buf_putf(&state, "READY=1\nSTATUS=%s%.*s", st == ST_OK ? "reloaded" : "reload refused: ",
		 VIEW_ARG(buf_view(&why)));
	buf_putc(&state, '\0');
	notify_manager(state.p);
	buf_free(&why);
	buf_free(&state);
}

static void signal_ready(struct watch *w, uint32_t events)
{
	struct parent *p = (struct parent *)((char *)w - offsetof(struct parent, signals));
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGCHLD)
			reap(p);
		else if (si.ssi_signo == SIGHUP)
			reload(p);
		else
			stop_all(p);
	}
}

/* ---- start ---- */

static enum status watch_signals(struct parent *p)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return status_of_errno(errno);
	p->signals = (struct watch){ .fd = fd, .ready = signal_ready };
	return loop_watch(p->loop, &p->signals, EPOLLIN);
}

/* The folders of the instance, each with the owner who works in it. */
static enum status make_folders(const struct conf *c)
{
	static const struct {
		const char *name;
		mode_t mode;
		enum role owner;
	} folders[] = {
		{ "directory", 0700, ROLE_WARDEN }, { "keys", 0700, ROLE_WARDEN },
		{ "spool", 0700, ROLE_QUEUE },	    { "mail", 0711, ROLE_PARENT },
		{ "log", 0700, ROLE_PARENT },	    { "run", 0700, ROLE_PARENT },
		{ "relay", 0700, ROLE_RELAY },
	};
	char path[4096];

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		uint32_t uid = folders[i].owner == ROLE_PARENT ? 0 : role_uid(c, folders[i].owner, 0);

		snprintf(path, sizeof path, "%s/%s", c->dir, folders[i].name);
		if (mkdir(path, folders[i].mode) != 0 && errno != EEXIST)
			return status_of_errno(errno);
		if (uid && chown(path, uid, uid) != 0)
			return status_of_errno(errno);
	}
	return ST_OK;
}

/* Files that a command wrote as root belong to the role that reads them. */
static void own_directory(const struct conf *c)
{
	static const char *const files[] = { "directory/directory.db", "directory/directory.db-wal",
					     "directory/directory.db-shm", "directory/logins.db",
					     "directory/logins.db-wal", "directory/logins.db-shm", "keys/tls.key",
					     "keys/tls.pem" };
	uint32_t uid = role_uid(c, ROLE_WARDEN, 0);
	char path[4096];

	for (size_t i = 0; uid && i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", c->dir, files[i]);
		if (lchown(path, uid, uid) != 0 && errno != ENOENT)
			log_event(LOG_WARN_, "chown", "file=%s", files[i]);
	}
	if (uid)
		parent_own_key_folders(c, uid);
}

/* Standard descriptors are open, and nothing lies on those that a child
 * begins with. */
static void tidy_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= ROLE_FILTER_FD)
		fd = dup(fd);
	if (fd > ROLE_FILTER_FD)
		close(fd);
	fcntl(ROLE_PARENT_FD, F_SETFD, FD_CLOEXEC);
	fcntl(ROLE_FILTER_FD, F_SETFD, FD_CLOEXEC);
}

static void more_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void child_init(struct parent *p, struct child *c, enum role role, uint32_t index)
{
	*c = (struct child){ .parent = p, .role = role, .index = index };
	c->ch.watch.fd = -1;
}

/* As many as the setting says, or one for so many processors. */
static enum status make_children(struct parent *p, enum role role, int64_t wanted, uint32_t each, uint32_t most,
				 struct child **ret_children, uint32_t *ret_n)
{
	uint32_t processors = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = wanted ? (uint32_t)wanted : (processors + each - 1) / each;
	struct child *all;

	if (n > most)
		n = most;
	all = calloc(n, sizeof *all);
	if (all == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		child_init(p, &all[i], role, i);
	*ret_children = all;
	*ret_n = n;
	return ST_OK;
}

static enum status start_children(struct parent *p)
{
	struct child *c;
	uint32_t i = 0;
	enum status st;

	child_init(p, &p->warden, ROLE_WARDEN, 0);
	child_init(p, &p->queue, ROLE_QUEUE, 0);
	child_init(p, &p->names, ROLE_NAMES, 0);
	st = make_children(p, ROLE_DOOR, p->conf.doors, 1, DOORS_MAX, &p->doors, &p->n_doors);
	if (st == ST_OK)
		st = make_children(p, ROLE_RELAY, p->conf.relays, 2, RELAYS_MAX, &p->relays, &p->n_relays);
	/* Each is joined with those that were there before it. */
	while (st == ST_OK && (c = fixed_next(p, &i)) != NULL) {
		st = child_start(c);
		if (st == ST_OK)
			join_all(c);
	}
	return st;
}

/* Two servers on one directory would destroy it.  What a killed parent was just
 * starting has its descriptors until it executes, some milliseconds later. */
static enum status lock_directory(const struct conf *c, struct buf *why)
{
	char path[4096];
	int fd, tries = 0;

	snprintf(path, sizeof path, "%s/run/lock", c->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return status_of_errno(errno);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (++tries == LOCK_TRIES) {
			buf_putf(why, "another waxwing serves %s already", c->dir);
			return ST_EXISTS;
		}
		usleep(LOCK_AGAIN_MS * 1000);
	}
	return ST_OK;	/* held until we end */
}

static void flush_log(struct turn_hook *h)
{
	(void)h;
	log_flush();
}

/* What must be so before the first process starts. */
static enum status prepare(struct parent *p, struct buf *why)
{
	enum status st = parent_reachable(&p->conf, why);

	if (st == ST_OK)
		st = make_folders(&p->conf);
	if (st == ST_OK)
		st = lock_directory(&p->conf, why);
	if (st == ST_OK)
		st = loop_new(&p->loop);
	if (st == ST_OK)
		st = parent_make_filters(p);
	if (st == ST_OK)
		st = watch_signals(p);
	if (st == ST_OK)
		st = parent_listen(p, &p->conf, why);
	if (st == ST_OK)
		st = parent_control_open(p);
	if (st == ST_OK)
		st = parent_log_open(p);
	if (st == ST_OK)
		st = parent_log_begin(p);
	if (st == ST_OK)
		st = parent_local_open(p);
	return st;
}

static int serve(struct parent *p)
{
	struct buf why = BUF(4096);
	enum status st = prepare(p, &why);

	if (st != ST_OK) {
		if (why.n == 0)
			buf_putf(&why, "cannot start in %s: %s", p->conf.dir, status_name(st));
		fprintf(stderr, "waxwing: %.*s\n", VIEW_ARG(buf_view(&why)));
		buf_free(&why);
		return 1;
	}
	buf_free(&why);
	log_start("parent", 2, p->conf.log_debug ? LOG_DEBUG_ : LOG_INFO_);
	own_directory(&p->conf);
	p->logs.turn = flush_log;
	loop_at_turn(p->loop, &p->logs);
	parent_log_watch(p);
	st = start_children(p);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "start", "why=\"%s\"", status_name(st));
		return 1;
	}
	loop_run(p->loop);
	parent_control_close(p);
	parent_local_close(p);
	log_event(LOG_INFO_, "stopped", "%s", "");
	log_flush();
	return 0;
}

int parent_serve(const char *dir)
{
	struct parent *p = calloc(1, sizeof *p);
	struct buf why = BUF(4096);

	if (p == NULL)
		return 1;
	p->started = clock_steady();
	p->control.fd = p->local.submit.fd = p->local.drop = p->local.program = -1;
	/* Whatever the operator's: folders that others pass stay passable. */
	umask(066);
	tidy_descriptors();
	more_descriptors();
	parent_find_programs(p);
	if (conf_load(dir, &p->conf, &why) != ST_OK) {
		fprintf(stderr, "waxwing: %.*s\n", VIEW_ARG(buf_view(&why)));
		return 2;
	}
	return serve(p);
}
