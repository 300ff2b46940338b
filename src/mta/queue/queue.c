#include "mta/queue/queue.h"

#include "mta/queue/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPOOL_WAIT_MS = 5000 };

static void door_receive(struct channel *ch, struct record *rec)
{
	struct queue *q = ch->owner;

	if (rec->type == REC_letter)
		queue_take_letter(q, ch, rec);
	else if (rec->fd >= 0)
		close(rec->fd);
}

static void door_gone(struct channel *ch)
{
	queue_nobody_waits(ch->owner, ch);
}

/* Only answers come from there. */
static void warden_says(struct channel *ch, struct record *rec)
{
	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
}

static void take_warden(struct queue *q, int fd)
{
	channel_close(&q->warden);
	q->warden = (struct channel){
		.receive = warden_says, .allowed = record_allowed, .owner = q,
		.self = ROLE_QUEUE, .peer = ROLE_WARDEN,
	};
	if (channel_open(&q->warden, q->proc.loop, fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

static void take_channel(struct queue *q, const struct rec_channel_to *to, int fd)
{
	struct channel *ch;

	if (to->role == ROLE_ROOM) {
		lane_connected(q, to->account, fd);
		return;
	}
	if (to->role == ROLE_RELAY && to->index < RELAYS_MAX) {
		remote_relay(q, to->index, fd);
		return;
	}
	if (to->role == ROLE_WARDEN) {
		take_warden(q, fd);
		return;
	}
	if (to->role != ROLE_DOOR || to->index >= DOORS_MAX) {
		close(fd);
		return;
	}
	ch = &q->doors[to->index];
	if (channel_is_open(ch)) {
		channel_close(ch);
		queue_nobody_waits(q, ch);
	}
	*ch = (struct channel){
		.receive = door_receive, .gone = door_gone, .allowed = record_allowed, .owner = q,
		.peer_id = to->index, .self = ROLE_QUEUE, .peer = ROLE_DOOR,
	};
	if (channel_open(ch, q->proc.loop, fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct queue *q = (struct queue *)((char *)p - offsetof(struct queue, proc));
	struct rec_channel_to to;
	struct rec_room_failed failed;
	struct rec_letter_go go;

	if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to)) {
		take_channel(q, &to, rec->fd);
		return;
	}
	if (rec->type == REC_room_failed && rec_take_room_failed(rec->body, &failed))
		lane_failed(q, failed.account);
	if (rec->type == REC_letter_go && rec_take_letter_go(rec->body, &go))
		dropped_go(q, go.id);
	if (rec->fd >= 0)
		close(rec->fd);
}

/* No later than it is set for already. */
static void queue_timer_by(struct queue *q, struct timer *t, steady_ms at)
{
	if (t->slot == 0 || t->at > at)
		queue_timer(q, t, at);
}

void queue_timer(struct queue *q, struct timer *t, steady_ms at)
{
	if (loop_timer(q->proc.loop, t, at) != ST_OK)
		queue_give_up(q, "timer");
}

void queue_flush_in(struct queue *q, uint64_t ms)
{
	queue_timer_by(q, &q->flush, clock_steady() + ms);
}

void queue_settle_in(struct queue *q, uint64_t ms)
{
	queue_timer_by(q, &q->settle, clock_steady() + ms);
}

static void settle_due(struct timer *t)
{
	RING_OF(t, struct queue, settle)->commit_now = true;	/* at the end of this turn */
}

void queue_give_up(struct queue *q, const char *what)
{
	log_event(LOG_ERROR_, "gives-up", "what=%s why=\"%s\"", what, status_name(ST_NOMEM));
	loop_stop(q->proc.loop);
}

static void flush_due(struct timer *t)
{
	struct queue *q = (struct queue *)((char *)t - offsetof(struct queue, flush));

	q->commit_now = q->tidy = true;	/* at the end of this turn */
	if (q->to_report.n)
		reporter_start(q);
	if (lane_flush_all(q))
		queue_flush_in(q, (uint64_t)q->proc.conf.flush_interval);
}

/* Nothing is lost by stopping at once: what is owed lies in the spool. */
static void stop(struct role_process *p)
{
	loop_stop(p->loop);
}

static void reloaded(struct role_process *p)
{
	struct queue *q = RING_OF(p, struct queue, proc);

	remote_reloaded(q);
	letters_reloaded(q);
}

/* A queue whose parent was killed holds the spool until it has ended. */
static enum status open_spool(struct queue *q, const char *folder, uint64_t *ret_damaged)
{
	steady_ms end = clock_steady() + SPOOL_WAIT_MS;
	enum status st;

	while ((st = spool_open(folder, (uint64_t)q->proc.conf.queue_segment, queue_found, q, &q->spool,
				ret_damaged)) == ST_EXISTS &&
	       clock_steady() < end)
		usleep(10000);
	return st == ST_OK ? letters_by_place(q) : st;
}

struct queue *queue_new(void)
{
	struct queue *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	for (size_t i = 0; i < DOORS_MAX; i++)
		q->doors[i].watch.fd = -1;
	q->proc.parent.watch.fd = q->warden.watch.fd = -1;
	ring_init(&q->by_age);
	ring_init(&q->by_place);
	ring_init(&q->active);
	q->promises_end = &q->promises;
	q->line_end = &q->line;
	q->out = BUF(RECORD_MAX);
	q->arena = ARENA(16 * 1024 * 1024);
	return q;
}

int queue_main(void)
{
	struct queue *q = queue_new();
	char folder[4096];
	uint64_t damaged = 0;
	enum status st;

	if (q == NULL)
		return 1;
	q->flush.fire = flush_due;
	q->settle.fire = settle_due;
	q->ask_dropped.fire = dropped_ask;
	q->age.fire = letter_ages;
	role_begin(&q->proc, ROLE_QUEUE);
	q->proc.receive = parent_says;
	q->proc.stop = stop;
	q->proc.command = queue_command;
	q->proc.reloaded = reloaded;
	remote_init(q);
	times_init(q);
	snprintf(folder, sizeof folder, "%s/spool", q->proc.conf.dir);
	role_lock_in(&q->proc);
	st = open_spool(q, folder, &damaged);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "spool-open", "why=\"%s\"", status_name(st));
		log_flush();
		return 1;
	}
	if (damaged)
		log_event(LOG_ERROR_, "spool-damaged", "places=%llu", (unsigned long long)damaged);
	known_begin(q);
	reporter_start(q);
	q->commit.turn = queue_commit;
	loop_at_turn(q->proc.loop, &q->commit);
	queue_timer(q, &q->ask_dropped, clock_steady());
	queue_flush_in(q, 0);	/* and so every lane with work begins */
	role_run(&q->proc);
	q->commit.turn(&q->commit);
	log_flush();
	return 0;
}
