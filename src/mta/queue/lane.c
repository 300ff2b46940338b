/* lane.c - one lane for each account: letters go to its room in order, a
 * window at a time, and are forgotten only once the room has flushed.
 *
 * A room that dies with letters in hand gets them again, one at a time until
 * it is seen which of them kills it; that one is put off for long, the others
 * go on.  What a room refuses is put off too, with growing pauses: the queue
 * forgets nothing that no flush has covered. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

static void lane_receive(struct channel *ch, struct record *rec);
static void lane_gone(struct channel *ch);
static void lane_again(struct timer *t);
static void lane_due(struct timer *t);
static void take_back(struct lane *l);
static void lane_run(struct lane *l);

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
	ring_init(&l->active);
	ring_init(&l->line);
	ring_init(&l->delivered);
	ring_init(&l->deferred);
	l->again.fire = lane_again;
	l->due.fire = lane_due;
	if (map_set(&q->lanes, account, l) != ST_OK) {
		free(l);
		return NULL;
	}
	return l;
}

static bool lane_has_work(const struct lane *l)
{
	return l->next || !ring_empty(&l->delivered);
}

static struct handover *handover_of(struct ring *r)
{
	return r ? RING_OF(r, struct handover, link) : NULL;
}

/* Looked at whenever something is flushed, until it has no work. */
static void is_active(struct lane *l)
{
	if (ring_empty(&l->active))
		ring_append(&l->q->active, &l->active);
}

static void want_again(struct lane *l, uint64_t in_ms)
{
	if (l->again.slot == 0 && loop_timer(l->q->proc.loop, &l->again, clock_steady() + in_ms) != ST_OK)
		queue_give_up(l->q, "timer");
}

static void asked_no_more(struct lane *l)
{
	if (l->asked)
		l->q->asked--;
	l->asked = false;
	loop_timer_clear(l->q->proc.loop, &l->again);
}

static void stand_in_line(struct lane *l)
{
	struct queue *q = l->q;

	l->in_line = true;
	l->behind = NULL;
	*q->line_end = l;
	q->line_end = &l->behind;
}

/* Asks the parent for a channel to the room; not for more than ROOMS_ASKED at
 * a time, lest a full spool starts a process for everybody at once. */
static void ask_for_room(struct lane *l)
{
	struct queue *q = l->q;

	/* While the spool is being opened there is nobody to ask yet. */
	if (channel_is_open(&l->ch) || l->again.slot || l->in_line || !channel_is_open(&q->proc.parent))
		return;
	asked_no_more(l);
	if (q->asked >= ROOMS_ASKED) {
		stand_in_line(l);
		return;
	}
	rec_put_room_open(&q->out, 0, 0, &(struct rec_room_open){ l->account, ROLE_QUEUE, 0 });
	if (role_send(&q->proc.parent, &q->out, -1) != ST_OK) {
		want_again(l, ROOM_AGAIN_MS);
		return;
	}
	l->asked = true;
	q->asked++;
	want_again(l, ROOM_ASKED_MS);
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
		st = letter_file(q, letter, &fd);
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

/* Put off: no room gets it before its pause is over. */
static void put_off(struct lane *l, struct handover *h, uint64_t ms)
{
	h->state = DEFERRED;
	h->after = clock_steady() + ms;
	ring_remove(&h->link);
	ring_append(&l->deferred, &h->link);
	if (l->due.slot && l->due.at <= h->after)
		return;
	if (loop_timer(l->q->proc.loop, &l->due, h->after) != ST_OK)
		queue_give_up(l->q, "timer");
}

static void append(struct lane *l, struct handover *h)
{
	h->state = WAITING;
	ring_remove(&h->link);
	ring_append(&l->line, &h->link);
	if (l->next == NULL)
		l->next = h;
	is_active(l);
}

/* The pauses of some are over: they join the end of the lane. */
static void lane_due(struct timer *t)
{
	struct lane *l = (struct lane *)((char *)t - offsetof(struct lane, due));
	struct ring *r, *next;
	steady_ms now = clock_steady();

	for (r = ring_first(&l->deferred); r; r = next) {
		struct handover *h = handover_of(r);

		next = ring_after(&l->deferred, r);
		if (h->after <= now)
			append(l, h);
		else if ((l->due.slot == 0 || l->due.at > h->after) &&
			 loop_timer(l->q->proc.loop, &l->due, h->after) != ST_OK)
			log_event(LOG_ERROR_, "timer", "%s", "");
	}
	lane_run(l);
}

/* Takes it out of the lane's line. */
static void cut(struct lane *l, struct handover *h)
{
	if (l->next == h)
		l->next = handover_of(ring_after(&l->line, &h->link));
	ring_remove(&h->link);
}

void lane_remove(struct handover *h)
{
	if (h->lane)
		cut(h->lane, h);
	h->state = WAITING;
	h->lane = NULL;
}

void lane_hurry(struct handover *h)
{
	if (h->lane && h->state == DEFERRED) {
		append(h->lane, h);
		lane_run(h->lane);
	}
}

/* It cannot be read back, or it kills its room: set aside, never lost. */
static void set_aside(struct lane *l, struct handover *h, const char *why)
{
	log_begin(LOG_ERROR_, "held");
	log_str("id", h->letter->name);
	log_u64("account", l->account);
	log_str("why", why);
	log_end();
	put_off(l, h, HELD_MS);
}

/* The next one that waits.  False when the lane must pause. */
static bool hand_next(struct lane *l)
{
	struct handover *h = l->next;
	enum status st = hand_over(l, h);

	if (st == ST_CORRUPT || st == ST_MISSING || st == ST_IO) {
		cut(l, h);
		set_aside(l, h, "its bytes in the spool cannot be read");
		return true;
	}
	if (st != ST_OK) {
		if (st != ST_CLOSED)
			log_event(LOG_ERROR_, "hand-over", "id=%s why=\"%s\"", h->letter->name,
				  status_name(st));
		want_again(l, ROOM_AGAIN_MS);
		return false;
	}
	h->state = HANDED;
	l->next = handover_of(ring_after(&l->line, &h->link));
	l->in_hand++;
	l->in_hand_bytes += h->letter->at.body_n;
	return true;
}

static void lane_run(struct lane *l)
{
	uint32_t window = l->careful ? 1 : ROOM_WINDOW;

	if (!channel_is_open(&l->ch)) {
		if (lane_has_work(l))
			ask_for_room(l);
		return;
	}
	if (l->left)	/* it goes; when it has gone we ask anew */
		return;
	while (l->next && l->in_hand < window && l->in_hand_bytes < ROOM_WINDOW_BYTES)
		if (!hand_next(l))
			return;
}

/* One that was asked for came, or will not come. */
static void next_in_line(struct queue *q)
{
	while (q->line && q->asked < ROOMS_ASKED) {
		struct lane *l = q->line;

		q->line = l->behind;
		if (q->line == NULL)
			q->line_end = &q->line;
		l->in_line = false;
		lane_run(l);
	}
}

enum status lane_add(struct queue *q, uint64_t account, struct handover *h)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL)
		return ST_NOMEM;
	h->lane = l;
	append(l, h);
	lane_run(l);
	return ST_OK;
}

static void send_flush(struct lane *l)
{
	struct queue *q = l->q;

	rec_put_flush(&q->out, 0, 0, &(struct rec_flush){ l->account });
	if (role_send(&l->ch, &q->out, -1) != ST_OK)
		return;
	l->flushing = true;
	l->flushed_to = handover_of(ring_last(&l->delivered));
}

void lane_connected(struct queue *q, uint64_t account, int fd)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL) {
		close(fd);
		return;
	}
	asked_no_more(l);
	next_in_line(q);
	if (channel_is_open(&l->ch)) {
		channel_close(&l->ch);
		take_back(l);
	}
	l->left = l->progress = l->blamed = false;
	l->ch = (struct channel){
		.receive = lane_receive, .gone = lane_gone, .allowed = record_allowed,
		.owner = l, .peer_id = account, .self = ROLE_QUEUE, .peer = ROLE_ROOM,
	};
	if (channel_open(&l->ch, q->proc.loop, fd) != ST_OK) {
		want_again(l, ROOM_AGAIN_MS);
		return;
	}
	/* What the room before it had and did not flush. */
	if (!ring_empty(&l->delivered))
		send_flush(l);
	lane_run(l);
}

static uint64_t pause_of(unsigned failures, uint64_t first, uint64_t most)
{
	uint64_t ms = first << (failures < 16 ? failures : 16);

	return ms < most ? ms : most;
}

/* That room had not come so far as to look at a letter. */
static void forgive(struct lane *l)
{
	struct handover *h = handover_of(ring_first(&l->line));

	if (!l->blamed)
		return;
	l->blamed = false;
	l->deaths--;
	if (h && h->tries)
		h->tries--;
}

void lane_failed(struct queue *q, uint64_t account)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL)
		return;
	asked_no_more(l);
	forgive(l);
	want_again(l, pause_of(l->deaths++, ROOM_AGAIN_MS, PAUSE_MOST_MS));
	next_in_line(l->q);
}

static void lane_again(struct timer *t)
{
	lane_run((struct lane *)((char *)t - offsetof(struct lane, again)));
}

/* All that was in hand is WAITING again, in the same order. */
static void take_back(struct lane *l)
{
	for (struct ring *r = ring_first(&l->line); r; r = ring_after(&l->line, r))
		handover_of(r)->state = WAITING;
	l->next = handover_of(ring_first(&l->line));
	l->in_hand = 0;
	l->in_hand_bytes = 0;
	l->flushing = false;
	l->flushed_to = NULL;
}

/* The room died with letters in hand.  From now on it gets one at a time; one
 * that it died of DEADLY times is set aside. */
static void blame(struct lane *l)
{
	struct handover *h = handover_of(ring_first(&l->line));
	bool alone = l->careful && l->in_hand == 1;

	l->careful = ROOM_WINDOW;
	l->deaths = l->progress ? 1 : l->deaths + 1;
	take_back(l);
	if (!alone || h == NULL)
		return;
	l->blamed = true;
	if (++h->tries < DEADLY)
		return;
	l->blamed = false;
	cut(l, h);
	h->tries = 0;
	set_aside(l, h, "its room died of it each time");
}

static void lane_gone(struct channel *ch)
{
	struct lane *l = ch->owner;

	if (l->in_hand && !l->left)
		blame(l);
	else
		take_back(l);
	if (!lane_has_work(l) || l->q->proc.stopping)
		return;
	want_again(l, l->left ? 0 : pause_of(l->deaths, ROOM_GONE_MS, PAUSE_MOST_MS));
}

/* Refused for now: asked later, until the letter is too old. */
static void refused(struct lane *l, struct handover *h, const struct rec_delivered *in)
{
	bool later = in->verdict == VERDICT_LATER || in->verdict == VERDICT_FULL;
	struct attempt_result why = {
		.verdict = in->verdict == VERDICT_NO ? VERDICT_NO : VERDICT_LATER,
		.status = in->verdict == VERDICT_NO    ? VIEW("5.2.0") :
			  in->verdict == VERDICT_QUOTA ? VIEW("4.2.2") :
							 VIEW("4.2.0"),
		.text = in->text,
	};

	log_begin(LOG_WARN_, in->verdict == VERDICT_NO ? "no" : "put-off");
	log_str("id", h->letter->name);
	log_u64("account", l->account);
	log_u64("verdict", in->verdict);
	log_view("why", in->text);
	log_end();
	handover_reply(l->q, h, reply_of(l->q, &why));
	put_off(l, h, later ? pause_of(h->tries, ROOM_AGAIN_MS, PAUSE_MOST_MS) : HELD_MS);
	if (h->tries < UINT8_MAX)
		h->tries++;
	if (in->verdict == VERDICT_NO || letter_too_old(l->q, h->letter) || letter_is_late(h->letter))
		recipient_failed(l->q, h);
	else if (h->letter->held)
		lane_remove(h);
}

static void take_delivered(struct lane *l, const struct rec_delivered *in)
{
	struct letter *letter = map_get(&l->q->letters, in->queue_id);
	struct handover *h;

	if (letter == NULL || in->recipient >= letter->n)
		return;
	h = &letter->to[in->recipient];
	/* A room that answers for another's letters finds nothing to settle. */
	if (h->state != HANDED || !h->local || h->lane != l)
		return;
	cut(l, h);
	l->in_hand--;
	l->in_hand_bytes -= letter->at.body_n;
	l->progress = true;
	if (l->careful)
		l->careful--;
	if (in->verdict != VERDICT_OK) {
		refused(l, h, in);
	} else {
		h->state = DELIVERED;
		ring_append(&l->delivered, &h->link);
		is_active(l);
		queue_flush_in(l->q, (uint64_t)l->q->proc.conf.flush_interval);
	}
	if (l->next)
		lane_run(l);
}

/* What stood in the list when the flush was asked for is on disk now. */
static void take_flushed(struct lane *l, enum verdict v, bool asked)
{
	struct handover *last = asked ? l->flushed_to : handover_of(ring_last(&l->delivered)), *h = NULL;

	l->flushing = false;
	l->flushed_to = NULL;
	if (v != VERDICT_OK) {
		/* Not one of them is forgotten; the room is asked again. */
		log_event(LOG_ERROR_, "not-flushed", "account=%llu", (unsigned long long)l->account);
		l->flush_after = clock_steady() + pause_of(l->flush_failures++, ROOM_AGAIN_MS, PAUSE_MOST_MS);
		queue_flush_in(l->q, ROOM_AGAIN_MS);
		return;
	}
	l->flush_failures = 0;
	l->deaths = 0;
	while (last && h != last) {
		h = handover_of(ring_first(&l->delivered));
		ring_remove(&h->link);
		h->lane = NULL;
		recipient_sent(l->q, h, report_wanted(h->letter, h, NOTIFY_SUCCESS));
	}
}

bool lane_flush_all(struct queue *q)
{
	struct ring *r, *next;
	steady_ms now = clock_steady();
	bool more = false;

	for (r = ring_first(&q->active); r; r = next) {
		struct lane *l = RING_OF(r, struct lane, active);

		next = ring_after(&q->active, r);
		if (!lane_has_work(l))
			ring_remove(r);
		lane_run(l);
		if (ring_empty(&l->delivered))
			continue;
		more = true;
		if (channel_is_open(&l->ch) && !l->flushing && !l->left && l->flush_after <= now)
			send_flush(l);
	}
	return more;
}

static void lane_leaving(struct lane *l)
{
	struct queue *q = l->q;

	l->left = true;
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
