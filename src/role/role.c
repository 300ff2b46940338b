#include "role/role.h"

#include "base/disk.h"
#include "base/disk_record.h"
#include "base/log.h"
#include "role/walls.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ROOM_UID_BEGIN = 16, ROWS_WAIT_MS = 2, LOG_AGAIN_MS = 100 };

uint32_t role_uid(const struct conf *c, enum role role, uint64_t account)
{
	if (geteuid() != 0 || c->uid_base == 0)
		return 0;
	if (role == ROLE_ROOM)
		return (uint32_t)c->uid_base + ROOM_UID_BEGIN + (uint32_t)account;
	return (uint32_t)c->uid_base + (uint32_t)role;
}

enum status role_send(struct channel *ch, const struct buf *b, int fd)
{
	enum status st = channel_send(ch, b, fd);

	if (st != ST_OK && st != ST_CLOSED)
		log_event(LOG_WARN_, "ipc-send", "to=%s why=\"%s\"", role_name(ch->peer),
			  status_name(st));
	return st;
}

/* At start, and when a reload brings another: so that a test can let the
 * clock jump. */
static void take_clock(const char *before, const char *now)
{
	wall_ms at;

	if (now[0] && strcmp(before ? before : "", now) != 0 &&
	    clock_parse_rfc3339(view_cstr(now), &at) == ST_OK)
		clock_override(at);
}

static void take_hooks(struct role_process *p)
{
	struct view fault = view_cstr(p->conf.test_fault);
	size_t slash = view_find(fault, '/');

	if (slash < fault.n && view_eq(view_head(fault, slash), view_cstr(role_name(p->role))) &&
	    disk_fault(view_skip(fault, slash + 1)) != ST_OK)
		log_event(LOG_WARN_, "bad-fault", "spec=%s", p->conf.test_fault);
	if (p->conf.test_record[0] && disk_record_to(p->conf.test_record) != ST_OK)
		log_event(LOG_WARN_, "not-recorded", "file=%s", p->conf.test_record);
}

static bool take_settings(struct role_process *p, struct view body)
{
	struct rec_settings s;
	struct conf c;

	if (!rec_take_settings(body, &s) || conf_take(s.text, &c) != ST_OK)
		return false;
	take_clock(p->conf.test_time, c.test_time);
	conf_free(&p->conf);
	p->conf = c;
	p->index = s.index;
	p->account = s.account;
	return true;
}

void role_begin(struct role_process *p, enum role role)
{
	struct buf b = BUF(RECORD_MAX);
	struct record rec;
	enum status st;

	char name[16];

	p->role = role;
	/* Executed through a descriptor, it would be called by its number. */
	snprintf(name, sizeof name, "waxwing-%s", role_name(role));
	prctl(PR_SET_NAME, name, 0, 0, 0);
	log_start(NULL, STDERR_FILENO, LOG_INFO_);
	/* A terminal's Ctrl-C is for the parent, who tells us what to do. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	st = record_read_blocking(ROLE_PARENT_FD, &b, &rec);
	if (st == ST_CLOSED)
		exit(0);	/* not needed any more */
	if (st != ST_OK || rec.type != REC_settings || !take_settings(p, rec.body) ||
	    loop_new(&p->loop) != ST_OK) {
		log_event(LOG_ERROR_, "no-settings", "why=\"the first record must be settings\"");
		exit(1);
	}
	buf_free(&b);
	log_start(NULL, STDERR_FILENO, p->conf.log_debug ? LOG_DEBUG_ : LOG_INFO_);
	take_hooks(p);
}

void role_lock_in(struct role_process *p)
{
	struct sandbox_filter filter = { .ops = NULL };
	struct walls w;
	const char *why = "filter";
	enum status st;

	walls_of(p->role, p->conf.dir, p->account, &w);
	w.sandbox.uid = role_uid(&p->conf, p->role, p->account);
	w.sandbox.filter = &filter;
	st = sandbox_filter_read(ROLE_FILTER_FD, &filter);
	close(ROLE_FILTER_FD);
	if (st == ST_OK)
		st = sandbox_enter(&w.sandbox, &why);
	sandbox_filter_free(&filter);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "sandbox", "wall=\"%s\" why=\"%s\"", why, status_name(st));
		exit(1);
	}
}

/* ---- what the operator asks ---- */

struct operator {
	struct channel ch;
	struct role_process *p;
	struct buf asked;	/* the command in hand */
	bool busy, gone;
};

void role_row(struct channel *ch, struct view json)
{
	struct buf b = BUF(RECORD_MAX);

	rec_put_command_row(&b, 0, 0, &(struct rec_command_row){ json });
	(void)!role_send(ch, &b, -1);
	buf_free(&b);
}

enum status role_rows_wait(struct channel *ch)
{
	while (channel_is_open(ch) && ch->out_bytes > CHANNEL_BACKLOG / 4)
		loop_sleep(ch->loop, ROWS_WAIT_MS);
	return channel_is_open(ch) ? ST_OK : ST_CLOSED;
}

static void operator_free(struct operator *o)
{
	buf_free(&o->asked);
	free(o);
}

static void run_command(void *arg)
{
	struct operator *o = arg;
	struct rec_command cmd;
	struct buf b = BUF(1024);
	enum verdict v = VERDICT_NO;

	if (rec_take_command(buf_view(&o->asked), &cmd))
		v = o->p->command(o->p, &o->ch, &cmd);
	rec_put_command_done(&b, 0, 0, &(struct rec_command_done){ (uint8_t)v, VIEW_NONE });
	(void)!role_send(&o->ch, &b, -1);
	buf_free(&b);
	o->busy = false;
	if (o->gone)
		operator_free(o);
}

/* One at a time. */
static void operator_says(struct channel *ch, struct record *rec)
{
	struct operator *o = ch->owner;

	if (rec->type != REC_command || o->busy)
		return;
	buf_clear(&o->asked);
	buf_put(&o->asked, rec->body);
	o->busy = buf_status(&o->asked) == ST_OK;
	if (o->busy && co_start(run_command, o) != ST_OK)
		o->busy = false;
}

static void operator_gone(struct channel *ch)
{
	struct operator *o = ch->owner;

	o->gone = true;
	if (!o->busy)
		operator_free(o);
}

static void operator_comes(struct role_process *p, int fd)
{
	struct operator *o = p->command ? calloc(1, sizeof *o) : NULL;

	if (o == NULL) {
		close(fd);
		return;
	}
	o->p = p;
	o->asked = BUF(RECORD_MAX);
	o->ch = (struct channel){
		.receive = operator_says, .gone = operator_gone, .allowed = record_allowed,
		.owner = o, .self = (uint8_t)p->role, .peer = ROLE_ADMIN,
	};
	if (channel_open(&o->ch, p->loop, fd) != ST_OK)
		free(o);
}

static bool is_operator(const struct record *rec)
{
	struct rec_channel_to to;

	return rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to) && to.role == ROLE_ADMIN;
}

/* ---- the parent ---- */

static void from_parent(struct channel *ch, struct record *rec)
{
	struct role_process *p = ch->owner;

	if (rec->type == REC_stop) {
		p->stopping = true;
		if (p->stop)
			p->stop(p);
		else
			loop_stop(p->loop);
	} else if (rec->type == REC_settings) {
		if (take_settings(p, rec->body) && p->reloaded)
			p->reloaded(p);
	} else if (is_operator(rec)) {
		operator_comes(p, rec->fd);
	} else {
		p->receive(p, rec);
	}
}

/* Without its parent a process has nobody to answer to. */
static void parent_gone(struct channel *ch)
{
	struct role_process *p = ch->owner;

	log_event(LOG_WARN_, "parent-gone", "%s", "");
	p->stopping = true;
	loop_stop(p->loop);
}

struct logs {
	struct turn_hook turn;
	struct timer again;
	struct loop *loop;
};

static void flush_again(struct timer *t)
{
	(void)t;
	log_catch_up();
}

static void flush_log(struct turn_hook *h)
{
	struct logs *l = (struct logs *)((char *)h - offsetof(struct logs, turn));

	log_flush();
	/* The process may have nothing else to do for long. */
	if (log_waits() && l->again.slot == 0)
		(void)!loop_timer(l->loop, &l->again, loop_now(l->loop) + LOG_AGAIN_MS);
}

void role_run(struct role_process *p)
{
	struct logs logs = { .turn.turn = flush_log, .again.fire = flush_again, .loop = p->loop };
	struct buf b = BUF(64);

	p->parent = (struct channel){
		.receive = from_parent, .gone = parent_gone, .allowed = record_allowed,
		.owner = p, .self = (uint8_t)p->role, .peer = ROLE_PARENT,
	};
	if (channel_open(&p->parent, p->loop, ROLE_PARENT_FD) != ST_OK)
		exit(1);
	loop_at_turn(p->loop, &logs.turn);
	rec_put_ready(&b, 0, 0, &(struct rec_ready){ p->index });
	if (role_send(&p->parent, &b, -1) != ST_OK)
		exit(1);
	buf_free(&b);
	loop_run(p->loop);
	log_finish();
}
