#include "room/room.h"

#include "base/disk.h"
#include "base/log.h"
#include "mda/deliver.h"
#include "room/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOUSE_AFTER_MS = 200, HOUSE_PAUSE_MS = 2, STOP_MS = 3000, PLACE_MS = 50 };

/* ---- leaving: ask everybody, finish what came before, flush, go ---- */

static void set_owing(struct room *r, const struct channel *ch, bool owing)
{
	uint64_t door;

	if (ch == &r->proc.parent) {
		r->owing.parent = owing;
	} else if (ch == &r->queue) {
		r->owing.queue = owing;
	} else {
		door = 1ull << (ch - r->doors);
		r->owing.doors = owing ? r->owing.doors | door : r->owing.doors & ~door;
	}
}

static void maybe_go(struct room *r)
{
	enum status st;

	if (!r->leaving || r->owing.parent || r->owing.queue || r->owing.doors)
		return;
	st = store_turn(r->store);
	if (st == ST_OK)
		st = store_flush(r->store);
	if (channel_is_open(&r->queue)) {
		rec_put_flushed(&r->out, 0, 0,
				&(struct rec_flushed){ r->proc.account, st == ST_OK ? VERDICT_OK : VERDICT_LATER });
		(void)!role_send(&r->queue, &r->out, -1);
	}
	loop_stop(r->proc.loop);
}

static void say_leaving(struct room *r, struct channel *ch)
{
	if (!channel_is_open(ch))
		return;
	rec_put_leaving(&r->out, 0, 0, &(struct rec_leaving){ r->proc.account });
	if (role_send(ch, &r->out, -1) == ST_OK)
		set_owing(r, ch, true);
}

static void leave(struct room *r)
{
	if (r->leaving || r->sessions.n)
		return;
	r->leaving = true;
	say_leaving(r, &r->proc.parent);
	say_leaving(r, &r->queue);
	for (int i = 0; i < DOORS_MAX; i++)
		say_leaving(r, &r->doors[i]);
	maybe_go(r);
}

/* It has answered, or it is gone. */
static void one_left(struct room *r, const struct channel *ch)
{
	set_owing(r, ch, false);
	maybe_go(r);
}

/* Nothing to do for long enough; or, when stopping, the sessions have had
 * their time to say goodbye. */
static void idle_due(struct timer *t)
{
	struct room *r = (struct room *)((char *)t - offsetof(struct room, idle));

	if (r->proc.stopping)
		maybe_go(r);
	else
		leave(r);
}

static void house_at(struct room *r, uint64_t ms)
{
	if (loop_timer(r->proc.loop, &r->house, clock_steady() + ms) != ST_OK)
		log_event(LOG_WARN_, "timer", "%s", "");
}

/* One small step, then whoever has come meanwhile. */
static void house_due(struct timer *t)
{
	struct room *r = (struct room *)((char *)t - offsetof(struct room, house));

	if (!r->leaving && store_housekeeping(r->store))
		house_at(r, HOUSE_PAUSE_MS);
}

static void leave_in(struct room *r, steady_ms ms)
{
	if (loop_timer(r->proc.loop, &r->idle, clock_steady() + ms + 1) != ST_OK)
		log_event(LOG_WARN_, "timer", "%s", "");
}

void room_busy(struct room *r)
{
	if (r->proc.stopping)
		return;
	house_at(r, HOUSE_AFTER_MS);
	leave_in(r, (steady_ms)r->proc.conf.linger);
}

void room_no_sessions(struct room *r)
{
	/* Not from here: the session that ended is on the stack. */
	if (r->proc.stopping)
		leave_in(r, 0);
}

/* ---- the queue ---- */

static void take_deliver(struct room *r, struct record *rec)
{
	struct rec_deliver in;
	struct buf text = BUF(512);
	enum verdict v;

	if (!rec_take_deliver(rec->body, &in)) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	v = deliver_take(r->store, &(struct encryption){ buf_view(&r->certificate), r->encrypt }, &in, rec->fd, &text);
	rec_put_delivered(&r->out, 0, rec->sid,
			  &(struct rec_delivered){ in.queue_id, in.recipient, (uint8_t)v, buf_view(&text) });
	(void)!role_send(&r->queue, &r->out, -1);
	buf_free(&text);
}

static void take_flush(struct room *r)
{
	enum status st = store_flush(r->store);

	if (st != ST_OK)
		log_event(LOG_ERROR_, "flush", "why=\"%s\"", status_name(st));
	rec_put_flushed(&r->out, 0, 0,
			&(struct rec_flushed){ r->proc.account, st == ST_OK ? VERDICT_OK : VERDICT_LATER });
	(void)!role_send(&r->queue, &r->out, -1);
}

static void queue_says(struct channel *ch, struct record *rec)
{
	struct room *r = ch->owner;

	room_busy(r);
	if (rec->type == REC_deliver)
		take_deliver(r, rec);
	else if (rec->type == REC_flush)
		take_flush(r);
	else if (rec->type == REC_left)
		one_left(r, ch);
}

/* ---- doors ---- */

static void door_says(struct channel *ch, struct record *rec)
{
	struct room *r = ch->owner;

	if (rec->type == REC_session)
		sessions_take(r, ch, rec);
	else if (rec->type == REC_left)
		one_left(r, ch);
}

/* Also of a door: it is gone for good, and will say nothing more. */
static void peer_gone(struct channel *ch)
{
	struct room *r = ch->owner;

	if (r->leaving)
		one_left(r, ch);
}

/* ---- the parent ---- */

static void take_channel(struct room *r, const struct rec_channel_to *to, int fd)
{
	bool queue = to->role == ROLE_QUEUE;
	struct channel *ch = queue ? &r->queue : &r->doors[to->index % DOORS_MAX];

	if (!queue && to->role != ROLE_DOOR) {
		close(fd);
		return;
	}
	channel_close(ch);
	set_owing(r, ch, false);
	*ch = (struct channel){
		.receive = queue ? queue_says : door_says, .gone = peer_gone,
		.allowed = record_allowed, .owner = r, .self = ROLE_ROOM, .peer = to->role,
	};
	if (channel_open(ch, r->proc.loop, fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
	else if (r->leaving)
		/* It asked before the parent heard of our leaving.  The parent has
		 * not answered that yet, so we are here until this one has. */
		say_leaving(r, ch);
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct room *r = (struct room *)((char *)p - offsetof(struct room, proc));
	struct rec_channel_to to;

	if (rec->type == REC_left) {
		one_left(r, &p->parent);
	} else if (rec->type == REC_make_place) {
		/* What is being delivered moves this again. */
		if (r->sessions.n == 0)
			leave_in(r, PLACE_MS);
	} else if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to)) {
		take_channel(r, &to, rec->fd);
		return;
	} else if (rec->type == REC_url_channel && rec->fd >= 0) {
		urls_take(r, rec->fd);
		return;
	}
	if (rec->fd >= 0)
		close(rec->fd);
}

static void stop(struct role_process *p)
{
	struct room *r = (struct room *)((char *)p - offsetof(struct room, proc));

	r->leaving = true;
	memset(&r->owing, 0, sizeof r->owing);
	if (r->sessions.n == 0) {
		maybe_go(r);
		return;
	}
	leave_in(r, STOP_MS);
	sessions_stop(r);
}

static void end_turn(struct turn_hook *h)
{
	struct room *r = (struct room *)((char *)h - offsetof(struct room, turn));
	enum status st = store_turn(r->store);

	if (st != ST_OK)
		log_event(LOG_ERROR_, "index", "why=\"%s\"", status_name(st));
}

static enum status open_store(struct room *r, const char *folder)
{
	struct store_settings settings = {
		.segment_size = (uint64_t)r->proc.conf.store_segment,
		.quota = r->proc.conf.quota,
		.undelete_ms = (uint64_t)r->proc.conf.undelete,
	};
	struct store_findings f;
	enum status st = store_open(folder, &settings, &r->store, &f);

	if (st != ST_OK) {
		log_event(LOG_ERROR_, "store-open", "why=\"%s\"", status_name(st));
		return st;
	}
	if (f.rebuilt || f.damaged)
		log_event(LOG_WARN_, "store-mended", "rebuilt=%d damaged=%llu replayed=%llu", f.rebuilt,
			  (unsigned long long)f.damaged, (unsigned long long)f.replayed);
	return ST_OK;
}

/* ST_OK also where there is none. */
static enum status read_certificate(struct room *r, const char *folder)
{
	char path[4200];
	char *p;
	off_t n;
	int fd;
	enum status st;

	snprintf(path, sizeof path, "%s/" ROLE_ENCRYPT_FILE, folder);
	st = disk_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (st != ST_OK)
		return st == ST_MISSING ? ST_OK : st;
	n = lseek(fd, 0, SEEK_END);
	st = n <= 0 || n > ENCRYPT_CERTIFICATE_MAX ? ST_CORRUPT : buf_reserve(&r->certificate, (size_t)n, &p);
	if (st == ST_OK)
		st = disk_read_at(fd, p, (size_t)n, 0);
	if (st == ST_OK)
		r->certificate.n += (size_t)n;
	close(fd);
	return st;
}

/* A spare room shows whose it has become: over the words of its command line,
 * which are kept as long as they were. */
static void show_account(const struct room *r, char **argv)
{
	size_t n = strlen(argv[0]);
	char name[40];

	if (strcmp(argv[2], SPARE_ROOM) != 0)
		return;
	snprintf(name, sizeof name, "waxwing: room %llu", (unsigned long long)r->proc.account);
	snprintf(argv[0], n + 1, "%-*s", (int)n, name);
	memcpy(argv[2], "room", sizeof "room");
}

int room_main(char **argv, letter_encrypt *encrypt)
{
	struct room *r = calloc(1, sizeof *r);
	char folder[4096];
	enum status st;

	if (r == NULL)
		return 1;
	r->queue.watch.fd = -1;
	r->proc.parent.watch.fd = -1;
	for (int i = 0; i < DOORS_MAX; i++)
		r->doors[i].watch.fd = -1;
	r->out = BUF(RECORD_MAX);
	r->certificate = BUF(ENCRYPT_CERTIFICATE_MAX);
	r->encrypt = encrypt;
	r->idle.fire = idle_due;
	r->house.fire = house_due;
	r->turn.turn = end_turn;
	role_begin(&r->proc, ROLE_ROOM);
	show_account(r, argv);
	r->proc.receive = parent_says;
	r->proc.stop = stop;
	snprintf(folder, sizeof folder, "%s/mail/%llu", r->proc.conf.dir,
		 (unsigned long long)r->proc.account);
	role_lock_in(&r->proc);
	st = read_certificate(r, folder);
	/* What is to be encrypted is not stored in clear because that cannot be read. */
	if (st != ST_OK)
		log_event(LOG_ERROR_, "certificate", "why=\"%s\"", status_name(st));
	if (st != ST_OK || open_store(r, folder) != ST_OK) {
		log_flush();
		return 1;
	}
	loop_at_turn(r->proc.loop, &r->turn);
	sessions_begin(r);
	room_busy(r);
	role_run(&r->proc);
	urls_stop(r);
	store_close(r->store);
	log_flush();
	return 0;
}
