/* remote.c - handing over to relays: trips of letters to sites, in the order
 * that share.c says, and what became of them. */
#include "mta/queue/internal.h"

#include "base/log.h"
#include "ipc/route.h"
#include "mta/queue/progress.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { SITE_TEXT_MAX = 1024, FULL_MS = 50, LOAD_SLACK = 16 };

static void site_due(struct timer *t);
static void trip_due(struct timer *t);

/* ---- trips ---- */

static void site_gone(void *arg, struct site *site)
{
	struct queue *q = arg;

	loop_timer_clear(q->proc.loop, &site->timer);
	reply_drop(q, site->reply);
}

static void set_limits(struct queue *q)
{
	const struct conf *c = &q->proc.conf;

	q->share.limits = (struct share_limits){
		(uint32_t)c->attempts, (uint32_t)c->site_first, (uint32_t)c->site_attempts, c->retry,
	};
}

void remote_init(struct queue *q)
{
	uint64_t seed = 0;

	/* Without it names that collide could be chosen; nothing worse. */
	(void)!getrandom(&seed, sizeof seed, 0);
	share_init(&q->share, seed);
	q->share.site_gone = site_gone;
	q->share.arg = q;
	set_limits(q);
	for (uint32_t i = 0; i < RELAYS_MAX; i++) {
		q->relays[i].q = q;
		q->relays[i].ch.watch.fd = -1;
		ring_init(&q->relays[i].attempts);
	}
}

void remote_reloaded(struct queue *q)
{
	set_limits(q);
}

static struct trip *trip_new(struct queue *q, struct letter *l, struct site *site)
{
	struct trip *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	share_task(&q->share, &t->task, site, l->sender, l->priority);
	t->letter = l;
	t->due.fire = trip_due;
	ring_init(&t->recipients);
	ring_append(&l->trips, &t->of_letter);
	site->last = t;
	site->timer.fire = site_due;
	return t;
}

void trip_end(struct queue *q, struct trip *t)
{
	struct ring *r;

	while ((r = ring_first(&t->recipients)) != NULL) {
		struct handover *h = RING_OF(r, struct handover, link);

		ring_remove(r);
		h->trip = NULL;
		h->state = WAITING;
		h->tries = t->tries;
	}
	if (t->attempt) {
		map_remove(&q->attempts, t->attempt->id);
		ring_remove(&t->attempt->link);
		t->attempt->relay->out--;
		free(t->attempt);
	}
	if (t->task.site->last == t)
		t->task.site->last = NULL;
	loop_timer_clear(q->proc.loop, &t->due);
	ring_remove(&t->of_letter);
	share_task_end(&q->share, &t->task, queue_now(q));
	free(t);
}

void remote_remove(struct queue *q, struct handover *h)
{
	struct trip *t = h->trip;

	if (t == NULL)
		return;
	ring_remove(&h->link);
	h->trip = NULL;
	h->state = WAITING;
	h->tries = t->tries;
	if (ring_empty(&t->recipients) && t->attempt == NULL)
		trip_end(q, t);
}

static uint32_t trip_size(const struct trip *t)
{
	uint32_t n = 0;

	for (struct ring *r = ring_first(&t->recipients); r; r = ring_after(&t->recipients, r))
		n++;
	return n;
}

/* With others of this letter that go there, as many as travel together. */
static enum status join_trip(struct queue *q, struct letter *l, struct site *site, struct handover *h)
{
	struct trip *t = site->last;

	if (t == NULL || t->letter != l || t->task.state != TASK_NEW ||
	    trip_size(t) >= (uint32_t)q->proc.conf.site_recipients)
		t = trip_new(q, l, site);
	if (t == NULL)
		return ST_NOMEM;
	ring_append(&t->recipients, &h->link);
	h->trip = t;
	if (h->tries > t->tries)
		t->tries = h->tries;
	return ST_OK;
}

/* A route's text is a site, too; a domain has no "://". */
static bool is_route(struct view site)
{
	return memmem(site.p ? site.p : "", site.n, "://", 3) != NULL;
}

static enum status find_site(struct queue *q, const struct letter *l, struct view sender, struct view address,
			     struct buf *name)
{
	const struct conf *c = &q->proc.conf;
	struct view route = view_cstr(l->route);
	enum status st;

	if (!is_route(route)) {
		st = site_name(address, name);
		if (st != ST_OK || route.n)	/* "mx" */
			return st;
		route = routes_find(view_cstr(c->relay_routes), sender, buf_view(name), view_cstr(c->relay_smarthost));
	}
	if (is_route(route)) {
		buf_clear(name);
		buf_put(name, route);
	}
	return buf_status(name);
}

enum status remote_add(struct queue *q, struct letter *l, uint32_t recipient, struct view sender,
		       struct view address)
{
	struct buf name = BUF(SITE_TEXT_MAX);
	enum status st = find_site(q, l, sender, address, &name);
	struct site *site = NULL;

	if (st == ST_OK)
		site = share_site(&q->share, buf_view(&name));
	buf_free(&name);
	if (st != ST_OK)
		return st;
	return site ? join_trip(q, l, site, &l->to[recipient]) : ST_NOMEM;
}

static void defer(struct queue *q, struct trip *t, wall_ms ms)
{
	t->next_at = clock_wall() + ms;
	for (struct ring *r = ring_first(&t->recipients); r; r = ring_after(&t->recipients, r))
		RING_OF(r, struct handover, link)->state = DEFERRED;
	share_defer(&q->share, &t->task, queue_now(q));
	queue_timer(q, &t->due, queue_now(q) + (steady_ms)ms);
}

static void wait_turn(struct queue *q, struct trip *t)
{
	for (struct ring *r = ring_first(&t->recipients); r; r = ring_after(&t->recipients, r))
		RING_OF(r, struct handover, link)->state = WAITING;
	loop_timer_clear(q->proc.loop, &t->due);
	if (share_wait(&q->share, &t->task, queue_now(q)) != ST_OK)
		defer(q, t, ROOM_AGAIN_MS);
}

static void trip_due(struct timer *timer)
{
	struct trip *t = RING_OF(timer, struct trip, due);
	struct queue *q = RING_OF(t->task.site->share, struct queue, share);

	wait_turn(q, t);
}

static void site_due(struct timer *timer)
{
	struct site *site = RING_OF(timer, struct site, timer);

	share_site_open(site->share, site, site->closed_until);
}

static void when_open(struct queue *q, struct site *site)
{
	if (site_closed(site, queue_now(q)))
		queue_timer(q, &site->timer, site->closed_until);
}

void remote_start(struct queue *q, struct letter *l)
{
	struct ring *r, *next;
	wall_ms now = clock_wall();

	for (r = ring_first(&l->trips); r; r = next) {
		struct trip *t = RING_OF(r, struct trip, of_letter);
		wall_ms left = t->next_at - now;

		next = ring_after(&l->trips, r);
		if (t->task.state != TASK_NEW)
			continue;
		if (left > 0 && t->down)
			share_site_resume(t->task.site, t->tries, queue_now(q) + (steady_ms)left);
		if (left > 0 && !t->down)
			defer(q, t, left);
		else
			wait_turn(q, t);
		when_open(q, t->task.site);
	}
}

void remote_hurry(struct queue *q, struct letter *l)
{
	for (struct ring *r = ring_first(&l->trips); r; r = ring_after(&l->trips, r)) {
		struct trip *t = RING_OF(r, struct trip, of_letter);

		if (t->task.state == TASK_DEFERRED)
			wait_turn(q, t);
		share_site_open(&q->share, t->task.site, queue_now(q));
	}
}

bool remote_try_all(struct queue *q, struct view name)
{
	struct site *site = share_find(&q->share, name);
	struct ring *r;

	if (site == NULL || site->n_tasks == 0)
		return false;
	while ((r = ring_first(&site->deferred)) != NULL) {
		struct trip *t = RING_OF(RING_OF(r, struct task, link), struct trip, task);

		wait_turn(q, t);
		if (t->task.state == TASK_DEFERRED)	/* no memory */
			break;
	}
	share_site_open(&q->share, site, queue_now(q));
	return true;
}

/* ---- attempts ---- */

/* A site stays with its relay, which may have a connection to it, unless
 * another has much less to do. */
static struct relay_link *relay_for(struct queue *q, struct site *site)
{
	struct relay_link *own = &q->relays[site->relay], *least = NULL;

	for (uint32_t i = 0; i < RELAYS_MAX; i++) {
		struct relay_link *r = &q->relays[i];

		if (channel_is_open(&r->ch) && !r->full && (least == NULL || r->out < least->out))
			least = r;
	}
	if (least == NULL || (channel_is_open(&own->ch) && !own->full && own->out <= 2 * least->out + LOAD_SLACK))
		return least ? own : NULL;
	site->relay = (uint32_t)(least - q->relays);
	return least;
}

static void put_places(const struct trip *t, struct buf *out)
{
	for (struct ring *r = ring_first(&t->recipients); r; r = ring_after(&t->recipients, r))
		put_u32(out, RING_OF(r, struct handover, link)->recipient);
}

static enum status send_attempt(struct queue *q, struct attempt *a)
{
	struct letter *l = a->trip->letter;
	const struct site *site = a->trip->task.site;
	struct view to = view_make(site->name, site->name_n);
	struct view env = VIEW_NONE, body = VIEW_NONE;
	struct buf places = BUF(4 * RECIPIENTS_MAX);
	int fd = -1;
	enum status st;

	if (l->at.body_n <= LETTER_INLINE)
		st = spool_letter(q->spool, &l->at, &env, &body);
	else
		st = letter_file(q, l, &fd);
	if (st == ST_OK && fd >= 0)
		st = spool_envelope(q->spool, &l->at, &env);
	put_places(a->trip, &places);
	if (st == ST_OK)
		st = buf_status(&places);
	if (st == ST_OK) {
		rec_put_attempt(&q->out, 0, 0,
				&(struct rec_attempt){ a->id, l->id, to, is_route(to) ? to : VIEW_NONE, env,
						       buf_view(&places), l->at.body_n, body,
						       l->released == PROGRESS_UNPROTECTED });
		st = channel_send(&a->relay->ch, &q->out, fd);
	}
	if (fd >= 0 && fd != l->fd)
		close(fd);
	buf_free(&places);
	return st;
}

static void set_state(struct trip *t, enum recipient_state state)
{
	for (struct ring *r = ring_first(&t->recipients); r; r = ring_after(&t->recipients, r))
		RING_OF(r, struct handover, link)->state = (uint8_t)state;
}

/* The attempt is over, and what is left of the trip NEW. */
static void attempt_end(struct queue *q, struct attempt *a, enum share_outcome outcome)
{
	struct trip *t = a->trip;

	map_remove(&q->attempts, a->id);
	ring_remove(&a->link);
	a->relay->out--;
	t->attempt = NULL;
	free(a);
	share_back(&q->share, &t->task, outcome, queue_now(q));
}

static enum status attempt_begin(struct queue *q, struct relay_link *relay, struct trip *t)
{
	struct attempt *a = malloc(sizeof *a);
	enum status st = ST_NOMEM;

	if (a && map_set(&q->attempts, q->next_attempt + 1, a) == ST_OK)
		st = ST_OK;
	if (st != ST_OK) {
		free(a);
		share_back(&q->share, &t->task, NOT_TRIED, queue_now(q));
		return st;
	}
	*a = (struct attempt){ .id = ++q->next_attempt, .relay = relay, .trip = t };
	ring_init(&a->link);
	ring_append(&relay->attempts, &a->link);
	relay->out++;
	t->attempt = a;
	set_state(t, HANDED);
	st = send_attempt(q, a);
	if (st != ST_OK)
		attempt_end(q, a, NOT_TRIED);
	return st;
}

static void not_full(struct timer *timer)
{
	struct queue *q = RING_OF(timer, struct queue, again);

	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		q->relays[i].full = false;
}

/* It could not be handed over; nothing was tried. */
static void not_begun(struct queue *q, struct relay_link *relay, struct trip *t, enum status st)
{
	if (st == ST_CORRUPT || st == ST_MISSING || st == ST_IO) {
		letter_log_held(t->letter, "its bytes in the spool cannot be read");
		defer(q, t, HELD_MS);
		return;
	}
	if (st == ST_LIMIT) {	/* it has not read for a while */
		relay->full = true;
		q->again.fire = not_full;
		queue_timer(q, &q->again, queue_now(q) + FULL_MS);
		wait_turn(q, t);
		return;
	}
	if (st != ST_CLOSED)
		log_event(LOG_ERROR_, "hand-over", "id=%s why=\"%s\"", t->letter->name, status_name(st));
	defer(q, t, ROOM_AGAIN_MS);
}

static bool any_relay(const struct queue *q)
{
	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		if (channel_is_open(&q->relays[i].ch) && !q->relays[i].full)
			return true;
	return false;
}

void remote_run(struct queue *q)
{
	struct task *task;

	while (any_relay(q) && (task = share_next(&q->share)) != NULL) {
		struct trip *t = RING_OF(task, struct trip, task);
		struct relay_link *relay = relay_for(q, task->site);
		enum status st = attempt_begin(q, relay, t);

		if (st != ST_OK)
			not_begun(q, relay, t, st);
	}
}

/* ---- what became of them ---- */

/* Is this handing on told of (RFC 2852)?  All are where that was asked for; and
 * where it is to be told when it is late, that to a host which cannot tell. */
static bool is_traced(const struct handover *h, const struct attempt_result *r)
{
	const struct letter *l = h->letter;

	return (l->by_trace || (l->by_mode == 'N' && !r->by)) && !l->null_sender && !(h->notify & NOTIFY_NEVER);
}

/* What it asks for cannot be had of that host (RFC 8689 4.2.1), and its sender
 * wants it kept rather than back. */
static bool is_held_back(const struct letter *l, const struct attempt_result *r)
{
	return r->verdict == VERDICT_NO && view_eq(r->status, VIEW("5.7.30")) && l->held_back &&
	       l->released != PROGRESS_UNPROTECTED;
}

static void hold_back(struct queue *q, struct handover *h, const struct attempt_result *r)
{
	struct attempt_result why = *r;
	struct buf text = BUF(2 * ATTEMPT_TEXT_MAX);

	buf_puts(&text, "held, since it is to be protected: ");
	buf_put(&text, r->text);
	why.verdict = VERDICT_LATER;
	why.status = VIEW("4.7.30");
	why.text = view_head(buf_view(&text), ATTEMPT_TEXT_MAX);
	handover_reply(q, h, reply_of(q, &why));
	buf_free(&text);
	h->letter->held = h->letter->lacking = true;
	log_event(LOG_WARN_, "hold", "id=%s why=requiretls recipient=%u", h->letter->name, h->recipient);
}

/* Nothing more of it goes, and its sender hears why. */
static void hold_rest(struct queue *q, struct letter *l)
{
	(void)letter_unschedule(q, l);
	letter_dirty(q, l);
	letter_tell_delay(q, l);
}

/* One recipient of an attempt, which was HANDED. */
static void take_result(struct queue *q, struct handover *h, const struct attempt_result *r)
{
	h->state = WAITING;
	if (is_held_back(h->letter, r)) {
		hold_back(q, h, r);
		return;
	}
	handover_reply(q, h, reply_of(q, r));
	if (r->verdict == VERDICT_OK)
		recipient_sent(q, h, (!r->dsn && report_wanted(h->letter, h, NOTIFY_SUCCESS)) || is_traced(h, r));
	else if (r->verdict == VERDICT_NO || letter_too_old(q, h->letter) || letter_is_late(h->letter))
		recipient_failed(q, h);
}

/* All results of the attempt; what the site said of itself. */
static enum share_outcome take_results(struct queue *q, struct attempt *a, const struct rec_attempted *in)
{
	struct cursor c = cursor_over(in->results);
	enum share_outcome outcome = NOT_TRIED;
	struct letter *l = a->trip->letter;
	struct attempt_result r;

	while (attempt_result_take(&c, &r)) {
		struct handover *h = r.recipient < l->n ? &l->to[r.recipient] : NULL;

		/* A relay that answers for what it was not asked finds nothing. */
		if (h == NULL || h->local || h->trip != a->trip || h->state != HANDED || r.verdict > VERDICT_LATER)
			continue;
		if (r.verdict == VERDICT_LATER && r.site) {
			struct site *site = a->trip->task.site;
			struct reply *why = reply_of(q, &r);

			reply_drop(q, site->reply);
			site->reply = why;
			outcome = SITE_FAILED;
		} else if (outcome == NOT_TRIED) {
			outcome = CAME_THROUGH;
		}
		take_result(q, h, &r);
	}
	return outcome;
}

/* What is left of a trip that came back waits for the next time. */
static void again(struct queue *q, struct trip *t, bool site_failed)
{
	int64_t pause = conf_time_at(q->proc.conf.retry, t->tries);

	if (ring_empty(&t->recipients) || t->letter->held) {
		trip_end(q, t);
		return;
	}
	set_state(t, WAITING);
	if (t->tries < UINT8_MAX)
		t->tries++;
	letter_dirty(q, t->letter);
	t->down = site_failed && site_closed(t->task.site, queue_now(q));
	if (t->down)
		wait_turn(q, t);
	else
		defer(q, t, pause);
	when_open(q, t->task.site);
}

static void take_attempted(struct relay_link *relay, const struct rec_attempted *in)
{
	struct queue *q = relay->q;
	struct attempt *a = map_get(&q->attempts, in->attempt);
	struct letter *l;
	struct trip *t;
	enum share_outcome outcome;

	if (a == NULL || a->relay != relay)
		return;
	t = a->trip;
	l = t->letter;
	l->owed++;	/* it stays until we are done here */
	outcome = take_results(q, a, in);
	t->deaths = 0;
	attempt_end(q, a, outcome);
	again(q, t, outcome == SITE_FAILED);
	if (l->held && l->lacking)
		hold_rest(q, l);
	letter_settled(q, l);
}

/* All that it had in hand is taken back: at least once, each goes out again. */
static void relay_gone(struct channel *ch)
{
	struct relay_link *relay = ch->owner;
	struct queue *q = relay->q;
	struct ring *r;

	queue_nobody_waits(q, ch);
	while ((r = ring_first(&relay->attempts)) != NULL) {
		struct attempt *a = RING_OF(r, struct attempt, link);
		struct trip *t = a->trip;

		attempt_end(q, a, NOT_TRIED);
		set_state(t, WAITING);
		if (t->letter->held) {
			trip_end(q, t);
		} else if (++t->deaths >= DEADLY) {
			t->deaths = 0;
			letter_log_held(t->letter, "its relay died each time");
			defer(q, t, HELD_MS);
		} else {
			defer(q, t, ROOM_GONE_MS << 2 * t->deaths);
		}
	}
}

static void relay_says(struct channel *ch, struct record *rec)
{
	struct relay_link *relay = ch->owner;
	struct rec_attempted in;

	if (rec->type == REC_letter) {
		queue_take_letter(relay->q, ch, rec);
		return;
	}
	if (rec->type == REC_attempted && rec_take_attempted(rec->body, &in))
		take_attempted(relay, &in);
	if (rec->fd >= 0)
		close(rec->fd);
}

void remote_relay(struct queue *q, uint32_t index, int fd)
{
	struct relay_link *relay = &q->relays[index];

	if (channel_is_open(&relay->ch)) {
		channel_close(&relay->ch);
		relay_gone(&relay->ch);
	}
	relay->full = false;
	relay->ch = (struct channel){
		.receive = relay_says, .gone = relay_gone, .allowed = record_allowed, .owner = relay,
		.peer_id = index, .self = ROLE_QUEUE, .peer = ROLE_RELAY,
	};
	if (channel_open(&relay->ch, q->proc.loop, fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}
