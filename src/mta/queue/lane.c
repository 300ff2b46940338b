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
	l->due.fire = lane_due;
	if (map_set(&q->lanes, account, l) != ST_OK) {
		free(l);
		return NULL;
	}
	return l;
}

static bool lane_has_work(const struct lane *l)
{
	return l->next || l->delivered;
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

/* Put off: no room gets it before its pause is over. */
static void put_off(struct lane *l, struct handover *h, uint64_t ms)
{
	h->state = DEFERRED;
	h->after = clock_steady() + ms;
	h->next = l->deferred;
	l->deferred = h;
	if (l->due.slot && l->due.at <= h->after)
		return;
	if (loop_timer(l->q->proc.loop, &l->due, h->after) != ST_OK)
		queue_give_up(l->q, "timer");
}

static void append(struct lane *l, struct handover *h)
{
	h->state = WAITING;
	h->next = NULL;
	*l->last = h;
	l->last = &h->next;
	if (l->next == NULL)
		l->next = h;
}

/* The pauses of some are over: they join the end of the lane. */
static void lane_due(struct timer *t)
{
	struct lane *l = (struct lane *)((char *)t - offsetof(struct lane, due));
	struct handover *h = l->deferred, *next;
	steady_ms now = clock_steady();

	l->deferred = NULL;
	for (; h; h = next) {
		next = h->next;
		if (h->after <= now)
			append(l, h);
		else
			put_off(l, h, h->after - now);
	}
	lane_run(l);
}

/* Takes it out of the lane, in whatever list it is. */
static bool cut(struct lane *l, struct handover **list, struct handover *h)
{
	struct handover **p = list;

	while (*p && *p != h)
		p = &(*p)->next;
	if (*p == NULL)
		return false;
	if (l->next == h)
		l->next = h->next;
	*p = h->next;
	if (list == &l->first && h->next == NULL)
		l->last = p;
	h->next = NULL;
	return true;
}

void lane_remove(struct queue *q, struct handover *h)
{
	struct lane *l;
	size_t at = 0;

	while ((l = map_next(&q->lanes, &at)) != NULL)
		if (cut(l, &l->first, h) || cut(l, &l->deferred, h))
			return;
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

	if (st == ST_CORRUPT || st == ST_MISSING) {
		if (cut(l, &l->first, h))
			set_aside(l, h, "its bytes in the spool are damaged");
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
	l->next = h->next;
	l->in_hand++;
	l->in_hand_bytes += h->letter->at.body_n;
	return true;
}

void lane_run(struct lane *l)
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
	l->flushed_to = l->delivered;
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
	l->left = l->progress = false;
	l->ch = (struct channel){
		.receive = lane_receive, .gone = lane_gone, .allowed = record_allowed,
		.owner = l, .peer_id = account, .self = ROLE_QUEUE, .peer = ROLE_ROOM,
	};
	if (channel_open(&l->ch, q->proc.loop, fd) != ST_OK) {
		want_again(l, ROOM_AGAIN_MS);
		return;
	}
	/* What the room before it had and did not flush. */
	if (l->delivered)
		send_flush(l);
	lane_run(l);
}

static uint64_t pause_of(unsigned failures, uint64_t first, uint64_t most)
{
	uint64_t ms = first << (failures < 16 ? failures : 16);

	return ms < most ? ms : most;
}

void lane_failed(struct queue *q, uint64_t account)
{
	struct lane *l = lane_of(q, account);

	if (l == NULL)
		return;
	asked_no_more(l);
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
	for (struct handover *h = l->first; h; h = h->next)
		h->state = WAITING;
	l->next = l->first;
	l->in_hand = 0;
	l->in_hand_bytes = 0;
	l->flushing = false;
	l->flushed_to = NULL;
}

/* The room died with letters in hand.  From now on it gets one at a time; one
 * that it died of DEADLY times is set aside. */
static void blame(struct lane *l)
{
	struct handover *h = l->first;
	bool alone = l->careful && l->in_hand == 1;

	l->careful = ROOM_WINDOW;
	l->deaths = l->progress ? 1 : l->deaths + 1;
	take_back(l);
	if (!alone || ++h->tries < DEADLY || !cut(l, &l->first, h))
		return;
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
	if (spool_done(q->spool, l->id, &l->at) != ST_OK)
		log_event(LOG_WARN_, "done-unwritten", "id=%s", l->name);
	q->done_waiting = true;
	queue_flush_in(q, (uint64_t)q->proc.conf.flush_interval);
	map_remove(&q->letters, l->id);
	letter_let_go(q, l);
	free(l);
}

/* Refused for now, or for good: until there is somebody who writes bounces,
 * the second is only tried less often. */
static void refused(struct lane *l, struct handover *h, const struct rec_delivered *in)
{
	bool later = in->verdict == VERDICT_LATER || in->verdict == VERDICT_FULL;

	log_begin(LOG_WARN_, "put-off");
	log_str("id", h->letter->name);
	log_u64("account", l->account);
	log_u64("verdict", in->verdict);
	log_view("why", in->text);
	log_end();
	put_off(l, h, later ? pause_of(h->tries, ROOM_AGAIN_MS, PAUSE_MOST_MS) : HELD_MS);
	if (h->tries < UINT8_MAX)
		h->tries++;
}

static void take_delivered(struct lane *l, const struct rec_delivered *in)
{
	struct letter *letter = map_get(&l->q->letters, in->queue_id);
	struct handover *h;

	if (letter == NULL || in->recipient >= letter->n)
		return;
	h = &letter->to[in->recipient];
	/* A room that answers for another's letters finds nothing to settle. */
	if (h->state != HANDED || !cut(l, &l->first, h))
		return;
	l->in_hand--;
	l->in_hand_bytes -= letter->at.body_n;
	l->progress = true;
	if (l->careful)
		l->careful--;
	if (in->verdict != VERDICT_OK) {
		refused(l, h, in);
	} else {
		h->state = DELIVERED;
		h->next = l->delivered;
		l->delivered = h;
		queue_flush_in(l->q, (uint64_t)l->q->proc.conf.flush_interval);
	}
	if (l->next)
		lane_run(l);
}

/* What stood in the list when the flush was asked for is on disk now. */
static void take_flushed(struct lane *l, enum verdict v, bool asked)
{
	struct handover *h = asked ? l->flushed_to : l->delivered, **p = &l->delivered, *next;

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
	if (h == NULL)
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

bool lane_flush_all(struct queue *q)
{
	struct lane *l;
	size_t at = 0;
	steady_ms now = clock_steady();
	bool more = false;

	while ((l = map_next(&q->lanes, &at)) != NULL) {
		lane_run(l);
		if (l->delivered == NULL)
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
