/* lane.c - one lane for each account: letters go to its room in order, a
 * window at a time, and are forgotten only once the room has flushed. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

static void lane_receive(struct channel *ch, struct record *rec);
static void lane_gone(struct channel *ch);
static void lane_again(struct timer *t);

static struct lane *lane_of(struct queue *q, uint64_t account)
{
	struct lane *l = map_get(&q->lanes, account);

	if (l)
		return l;
	l = calloc(1, sizeof *l);
	if (l == NULL)
		return NULL;
	l->q = q;
	l->account = account;
	l->ch.watch.fd = -1;
	l->last = &l->first;
	l->again.fire = lane_again;
	if (map_set(&q->lanes, account, l) != ST_OK) {
		free(l);
		return NULL;
	}
	return l;
}

static void ask_for_room(struct lane *l)
{
	struct queue *q = l->q;

	if (l->asked || channel_is_open(&l->ch) || l->again.slot)
		return;
	l->asked = true;
	rec_put_room_open(&q->out, 0, 0, &(struct rec_room_open){ l->account, ROLE_QUEUE, 0 });
	if (role_send(&q->proc.parent, &q->out, -1) != ST_OK)
		l->asked = false;
}

/* A long letter's bytes: the memory file that the door filled, where it is
 * still held, or a new one. */
static enum status body_file(struct queue *q, struct letter *letter, int *ret_fd)
{
	if (letter->fd < 0)
		return spool_body_fd(q->spool, &letter->at, ret_fd);
	*ret_fd = letter->fd;
	return ST_OK;
}

static enum status hand_over(struct lane *l, struct handover *h)
{
	struct queue *q = l->q;
	struct letter *letter = h->letter;
	struct view env = VIEW_NONE, body = VIEW_NONE;
	int fd = -1;
	enum status st;

	if (letter->at.body_n <= LETTER_INLINE)
		st = spool_letter(q->spool, &letter->at, &env, &body);
	else
		st = body_file(q, letter, &fd);
	if (st == ST_OK && fd >= 0)
		st = spool_envelope(q->spool, &letter->at, &env);
	if (st == ST_OK) {
		rec_put_deliver(&q->out, 0, 0,
				&(struct rec_deliver){ letter->id, spool_floor(q->spool), env,
						       h->recipient, letter->at.body_n, body });
		st = role_send(&l->ch, &q->out, fd);
	}
	if (fd >= 0 && fd != letter->fd)
		close(fd);
	/* Handed over once is nearly always enough. */
	if (st == ST_OK && letter->n == 1)
		letter_let_go(q, letter);
	return st;
}

void lane_run(struct lane *l)
{
	if (!channel_is_open(&l->ch)) {
		if (l->next || l->delivered)
			ask_for_room(l);
		return;
	}
	while (l->next && l->in_hand < ROOM_WINDOW && l->in_hand_bytes < ROOM_WINDOW_BYTES) {
		struct handover *h = l->next;
		enum status st = hand_over(l, h);

		if (st != ST_OK) {
			log_event(LOG_ERROR_, "hand-over", "id=%s why=\"%s\"", h->letter->name,
				  status_name(st));
			return;
		}
		h->state = HANDED;
		l->next = h->next;
		l->in_hand++;
		l->in_hand_bytes += h->letter->at.body_n;
	}
}

enum status lane_add(struct queue *q, uint64_t account, struct handover *h)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL)
		return ST_NOMEM;
	h->state = WAITING;
	h->next = NULL;
	*l->last = h;
	l->last = &h->next;
	if (l->next == NULL)
		l->next = h;
	lane_run(l);
	return ST_OK;
}

void lane_connected(struct queue *q, uint64_t account, int fd)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL) {
		close(fd);
		return;
	}
	l->asked = false;
	channel_close(&l->ch);
	l->ch = (struct channel){
		.receive = lane_receive, .gone = lane_gone, .allowed = record_allowed,
		.owner = l, .peer_id = account, .self = ROLE_QUEUE, .peer = ROLE_ROOM,
	};
	if (channel_open(&l->ch, q->proc.loop, fd) == ST_OK)
		lane_run(l);
}

void lane_failed(struct queue *q, uint64_t account)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL)
		return;
	l->asked = false;
	if (loop_timer(q->proc.loop, &l->again, clock_steady() + ROOM_AGAIN_MS) != ST_OK)
		log_event(LOG_ERROR_, "timer", "%s", "");
}

static void lane_again(struct timer *t)
{
	lane_run((struct lane *)((char *)t - offsetof(struct lane, again)));
}

/* All that was in hand is WAITING again, in the same order. */
static void take_back(struct lane *l)
{
	for (struct handover *h = l->first; h; h = h->next)
		h->state = WAITING;
	l->next = l->first;
	l->in_hand = 0;
	l->in_hand_bytes = 0;
	l->flushing = false;
	l->flushed_to = NULL;
}

static void lane_gone(struct channel *ch)
{
	struct lane *l = ch->owner;
	bool work = l->first || l->delivered;

	take_back(l);
	if (!work || l->q->proc.stopping)
		return;
	if (loop_timer(l->q->proc.loop, &l->again, clock_steady() + 20) != ST_OK)
		ask_for_room(l);
}

static void unlink_first(struct lane *l, struct handover *h)
{
	struct handover **p = &l->first;

	while (*p && *p != h)
		p = &(*p)->next;
	if (*p == NULL)
		return;
	*p = h->next;
	if (h->next == NULL)
		l->last = p;
	h->next = NULL;
	l->in_hand--;
	l->in_hand_bytes -= h->letter->at.body_n;
}

void letter_let_go(struct queue *q, struct letter *l)
{
	if (l->fd < 0)
		return;
	close(l->fd);
	l->fd = -1;
	q->held--;
	q->held_bytes -= l->at.body_n;
}

/* A recipient of this letter is settled for good. */
void letter_settled(struct queue *q, struct letter *l)
{
	if (--l->owed)
		return;
	if (spool_done(q->spool, l->id, l->at.segment) != ST_OK)
		log_event(LOG_WARN_, "done-unwritten", "id=%s", l->name);
	q->done_waiting = true;
	map_remove(&q->letters, l->id);
	letter_let_go(q, l);
	free(l);
}

static void retry_later(struct lane *l, struct handover *h)
{
	h->state = WAITING;
	*l->last = h;
	l->last = &h->next;
	if (l->next == NULL)
		l->next = h;
	if (loop_timer(l->q->proc.loop, &l->again, clock_steady() + ROOM_AGAIN_MS) != ST_OK)
		log_event(LOG_ERROR_, "timer", "%s", "");
}

static void take_delivered(struct lane *l, const struct rec_delivered *in)
{
	struct letter *letter = map_get(&l->q->letters, in->queue_id);
	struct handover *h;

	if (letter == NULL || in->recipient >= letter->n)
		return;
	h = &letter->to[in->recipient];
	if (h->state != HANDED)
		return;
	unlink_first(l, h);
	if (in->verdict == VERDICT_LATER || in->verdict == VERDICT_FULL) {
		retry_later(l, h);
		return;
	}
	h->state = DELIVERED;
	h->next = l->delivered;
	l->delivered = h;
	if (l->q->flush.slot == 0 &&
	    loop_timer(l->q->proc.loop, &l->q->flush,
		       clock_steady() + (steady_ms)l->q->proc.conf.flush_interval) != ST_OK)
		log_event(LOG_ERROR_, "timer", "%s", "");
	if (l->next)
		lane_run(l);
}

static void send_flush(struct lane *l)
{
	struct queue *q = l->q;

	rec_put_flush(&q->out, 0, 0, &(struct rec_flush){ l->account });
	if (role_send(&l->ch, &q->out, -1) != ST_OK)
		return;
	l->flushing = true;
	l->flushed_to = l->delivered;
}

/* What stood in the list when the flush was asked for is on disk now. */
static void take_flushed(struct lane *l, enum verdict v, bool asked)
{
	struct handover *h = asked ? l->flushed_to : l->delivered, **p = &l->delivered, *next;

	l->flushing = false;
	l->flushed_to = NULL;
	if (v != VERDICT_OK || h == NULL)
		return;
	while (*p && *p != h)
		p = &(*p)->next;
	*p = NULL;
	for (; h; h = next) {
		next = h->next;
		h->state = DONE;
		letter_settled(l->q, h->letter);
	}
}

void lane_flush_all(struct queue *q)
{
	struct lane *l;
	size_t at = 0;

	while ((l = map_next(&q->lanes, &at)) != NULL) {
		if (l->delivered == NULL || l->flushing)
			continue;
		if (channel_is_open(&l->ch))
			send_flush(l);
		else
			ask_for_room(l);
	}
}

static void lane_leaving(struct lane *l)
{
	struct queue *q = l->q;

	rec_put_left(&q->out, 0, 0, &(struct rec_left){ l->account });
	(void)!role_send(&l->ch, &q->out, -1);
}

static void lane_receive(struct channel *ch, struct record *rec)
{
	struct lane *l = ch->owner;
	struct rec_delivered d;
	struct rec_flushed f;

	switch (rec->type) {
	case REC_delivered:
		if (rec_take_delivered(rec->body, &d))
			take_delivered(l, &d);
		break;
	case REC_flushed:
		if (rec_take_flushed(rec->body, &f))
			take_flushed(l, (enum verdict)f.verdict, l->flushing);
		break;
	case REC_leaving:
		lane_leaving(l);
		break;
	default:
		break;
	}
}
