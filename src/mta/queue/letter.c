/* letter.c - a letter in memory: its recipients, its progress, its age. */
#include "mta/queue/internal.h"

#include "base/log.h"
#include "mta/queue/progress.h"

#include <stdlib.h>
#include <unistd.h>

/* A letter to so many is written a millisecond later. */
enum { AGE_LOOK_MS = 60000, SETTLE_RECIPIENTS = 10 };

/* ---- its life ---- */

/* Whose turn it uses: who submitted it, or else whose letter it is said to be. */
static uint64_t sender_of(const struct queue *q, const struct envelope *e)
{
	uint64_t account = e->authenticated;

	if (account)
		return share_hash(&q->share, view_make((const char *)&account, sizeof account));
	return share_hash(&q->share, e->sender);
}

struct letter *letter_new(const struct queue *q, const struct envelope *e)
{
	struct letter *l = calloc(1, sizeof *l + e->n_recipients * sizeof l->to[0]);

	if (l == NULL)
		return NULL;
	l->n = l->owed = e->n_recipients;
	l->fd = -1;
	l->received = e->release > e->received ? e->release : e->received;
	l->release = e->release > clock_wall() ? e->release : 0;
	l->deliver_by = e->deliver_by;
	l->by_mode = (char)e->by_mode;
	l->by_trace = e->by_trace;
	l->suspect = l->held = e->hold != HOLD_NOT;
	l->held_back = e->requiretls && e->held_back;
	l->priority = e->priority;
	l->null_sender = e->sender.n == 0;
	l->sender = sender_of(q, e);
	memcpy(l->name, e->id.p ? e->id.p : "", view_head(e->id, sizeof l->name - 1).n);
	ring_init(&l->by_age);
	ring_init(&l->by_place);
	ring_init(&l->by_deadline);
	ring_init(&l->trips);
	for (uint32_t i = 0; i < l->n; i++) {
		struct handover *h = &l->to[i];

		*h = (struct handover){
			.letter = l, .recipient = i, .notify = e->recipients[i].notify,
			.local = e->recipients[i].account != 0,
		};
		ring_init(&h->link);
	}
	return l;
}

static void no_more_by_age(struct queue *q, struct letter *l)
{
	struct ring *after = ring_empty(&l->by_age) ? NULL : ring_after(&q->by_age, &l->by_age);

	if (q->to_warn == l)
		q->to_warn = after ? RING_OF(after, struct letter, by_age) : NULL;
	ring_remove(&l->by_age);
}

void letter_free(struct queue *q, struct letter *l)
{
	struct ring *r;

	while ((r = ring_first(&l->trips)) != NULL)
		trip_end(q, RING_OF(r, struct trip, of_letter));
	for (uint32_t i = 0; i < l->n; i++)
		reply_drop(q, l->to[i].reply);
	no_more_by_age(q, l);
	walks_step_over(q, l);
	ring_remove(&l->by_place);
	ring_remove(&l->by_deadline);
	letter_let_go(q, l);
	free(l->route);
	free(l);
}

static void ages_again(struct queue *q, steady_ms in_ms)
{
	queue_timer(q, &q->age, queue_now(q) + (in_ms < AGE_LOOK_MS ? in_ms : AGE_LOOK_MS));
}

static void joins_by_age(struct queue *q, struct letter *l)
{
	bool first = ring_empty(&q->by_age);

	ring_append(&q->by_age, &l->by_age);
	if (q->to_warn == NULL && !l->warned)
		q->to_warn = l;
	if (first)
		ages_again(q, 0);
}

/* Into the list that looks after it: until it may leave, or by its age. */
static void joins(struct queue *q, struct letter *l)
{
	if (l->held || !ring_empty(&l->by_age))
		return;
	if (l->release)
		times_early(q, l);
	else
		joins_by_age(q, l);
}

enum status letter_add(struct queue *q, struct letter *l)
{
	enum status st = map_set(&q->letters, l->id, l);

	if (st != ST_OK)
		return st;
	ring_append(&q->by_place, &l->by_place);
	joins(q, l);
	times_deadline(q, l);
	return ST_OK;
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

enum status letter_file(struct queue *q, struct letter *l, int *ret_fd)
{
	if (l->fd < 0)
		return spool_body_fd(q->spool, &l->at, ret_fd);
	*ret_fd = l->fd;
	return ST_OK;
}

void letter_dirty(struct queue *q, struct letter *l)
{
	if (l->dirty)
		return;
	if (ids_add(&q->dirty, l->id) != ST_OK) {
		queue_give_up(q, "progress");
		return;
	}
	l->dirty = true;
	l->settle_at = clock_steady() + l->n / SETTLE_RECIPIENTS;
	queue_settle_in(q, SETTLE_MS + l->n / SETTLE_RECIPIENTS);
}

void letter_settled(struct queue *q, struct letter *l)
{
	bool progress = l->progress_at.segment || l->dirty;

	if (--l->owed)
		return;
	if (spool_done(q->spool, l->id, &l->at, &l->progress_at) != ST_OK)
		log_event(LOG_WARN_, "done-unwritten", "id=%s", l->name);
	q->done_waiting = true;
	if (progress)
		queue_settle_in(q, SETTLE_MS);
	else
		queue_flush_in(q, (uint64_t)q->proc.conf.flush_interval);
	map_remove(&q->letters, l->id);
	letter_free(q, l);
}

/* ---- its recipients ---- */

/* One that is settled but for the report to its sender, or wholly. */
static void recipient_ends(struct queue *q, struct handover *h, enum recipient_state reported, bool report)
{
	struct letter *l = h->letter;

	h->state = (uint8_t)(report ? reported : DONE);
	letter_dirty(q, l);
	if (report)
		report_soon(q, l);
	else
		letter_settled(q, l);
}

void recipient_sent(struct queue *q, struct handover *h, bool report)
{
	struct letter *l = h->letter;

	/* A local one that is handed over again changes nothing: no haste. */
	if (!report && h->local) {
		h->state = DONE;
		letter_settled(q, l);
		return;
	}
	if (!h->local)
		remote_remove(q, h);
	recipient_ends(q, h, SENT, report);
}

void recipient_failed(struct queue *q, struct handover *h)
{
	struct attempt_result why = reply_read(h->reply);

	if (h->local)
		lane_remove(h);
	else
		remote_remove(q, h);
	log_begin(LOG_WARN_, "failed");
	log_str("id", h->letter->name);
	log_u64("recipient", h->recipient);
	log_view("why", why.text);
	log_end();
	recipient_ends(q, h, FAILED, report_wanted(h->letter, h, NOTIFY_FAILURE));
}

static bool waits(const struct handover *h)
{
	return h->state == WAITING || h->state == DEFERRED;
}

static void no_way(struct queue *q, struct handover *h)
{
	handover_reply(q, h, reply_of(q, &(struct attempt_result){
						 .verdict = VERDICT_NO, .status = VIEW("5.1.2"),
						 .text = VIEW("the domain of this address is no name"),
					 }));
	recipient_failed(q, h);
}

/* The caller keeps the letter. */
static void place(struct queue *q, struct letter *l, const struct envelope *e)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct recipient *r = &e->recipients[i];
		struct handover *h = &l->to[i];
		enum status st;

		if (!waits(h))
			continue;
		st = h->local ? lane_add(q, r->account, h)
			      : remote_add(q, l, i, recipient_sender(e, r), r->address);
		if (st == ST_SYNTAX)
			no_way(q, h);
		else if (st != ST_OK)
			log_event(LOG_ERROR_, "unroutable", "id=%s recipient=%u why=\"%s\"", l->name, i,
				  status_name(st));
	}
}

void letter_schedule(struct queue *q, struct letter *l, const struct envelope *e)
{
	if (l->held && l->suspect)
		log_event(LOG_WARN_, "hold", "id=%s why=recipients", l->name);
	if (l->held || l->release || l->dropped) {
		letter_let_go(q, l);	/* for long */
		return;
	}
	l->owed++;
	place(q, l, e);
	remote_start(q, l);
	letter_settled(q, l);
}

void letter_reschedule(struct queue *q, struct letter *l)
{
	struct envelope e;
	struct view env;

	arena_free(&q->arena);
	if (spool_envelope(q->spool, &l->at, &env) == ST_OK && envelope_take(env, &q->arena, &e) == ST_OK) {
		joins(q, l);
		letter_schedule(q, l, &e);
	} else {
		letter_log_held(l, "its envelope in the spool is damaged");
	}
}

bool letter_unschedule(struct queue *q, struct letter *l)
{
	bool all = true;

	for (uint32_t i = 0; i < l->n; i++) {
		struct handover *h = &l->to[i];

		if (h->state == HANDED || h->state == DELIVERED)
			all = false;
		else if (waits(h) && h->local)
			lane_remove(h);
		else if (waits(h))
			remote_remove(q, h);
	}
	if (l->held)
		no_more_by_age(q, l);
	return all;
}

void letter_log_held(const struct letter *l, const char *why)
{
	log_begin(LOG_ERROR_, "held");
	log_str("id", l->name);
	log_str("why", why);
	log_end();
}

/* ---- its progress ---- */

/* The place of a reply in the list; each is named once. */
static uint32_t reply_place(struct progress *p, struct map *seen, const struct reply *r)
{
	uint32_t *at = r ? map_get(seen, (uint64_t)(uintptr_t)r) : NULL;

	if (r == NULL)
		return 0;
	if (at)
		return (uint32_t)((const struct view *)(void *)at - p->replies) + 1;
	if (map_set(seen, (uint64_t)(uintptr_t)r, &p->replies[p->n_replies]) != ST_OK)
		return 0;
	p->replies[p->n_replies++] = view_make(r->bytes, r->n);
	return p->n_replies;
}

static uint8_t state_of(const struct handover *h, bool ends)
{
	bool told = ends && h->reporting & REPORTS_END;

	return told || h->state == DONE ? PROGRESS_DONE :
	       h->state == FAILED	? PROGRESS_FAILED :
	       h->state == SENT		? PROGRESS_SENT :
					  PROGRESS_WAITING;
}

static wall_ms next_try(const struct queue *q, const struct trip *t)
{
	if (t->task.state == TASK_DEFERRED)
		return t->next_at;
	if (t->down && site_closed(t->task.site, queue_now(q)))
		return clock_wall() + (wall_ms)(t->task.site->closed_until - queue_now(q));
	return 0;
}

static struct progress_recipient recipient_progress(const struct queue *q, const struct handover *h, bool ends)
{
	const struct trip *t = h->local ? NULL : h->trip;

	return (struct progress_recipient){
		.recipient = h->recipient,
		.state = state_of(h, ends),
		.tries = t ? t->tries : h->tries,
		.told = ends && h->reporting & REPORTS_DELAY ? TOLD : h->told,
		.down = t && t->down,
		.next_at = t ? next_try(q, t) : 0,
	};
}

static uint8_t hold_of(const struct letter *l)
{
	return !l->held ? l->released : l->lacking ? PROGRESS_LACKING : PROGRESS_HELD;
}

enum status letter_progress(struct queue *q, const struct letter *l, bool ends, struct buf *out)
{
	struct arena a = ARENA((size_t)l->n * (sizeof(struct view) + sizeof(struct progress_recipient)) + 4096);
	struct progress p = {
		.hold = hold_of(l), .route = view_cstr(l->route),
		.replies = arena_array(&a, l->n, sizeof *p.replies),
		.of = arena_array(&a, l->n, sizeof *p.of),
	};
	struct map seen = { 0 };
	uint32_t settled = 0;
	enum status st = arena_status(&a);

	for (uint32_t i = 0; i < l->n && st == ST_OK; i++) {
		struct progress_recipient r = recipient_progress(q, &l->to[i], ends);

		settled += r.state == PROGRESS_DONE;
		r.reply = reply_place(&p, &seen, l->to[i].reply);
		if (r.state || r.tries || r.told || r.reply || r.next_at)
			p.of[p.n++] = r;
	}
	if (st == ST_OK && settled < l->n) {
		progress_put(out, &p);
		st = buf_status(out);
	}
	map_free(&seen);
	arena_free(&a);
	return st;
}

static void take_recipient(struct queue *q, struct letter *l, const struct progress *p,
			   const struct progress_recipient *r)
{
	static const uint8_t states[] = {
		[PROGRESS_WAITING] = WAITING, [PROGRESS_FAILED] = FAILED,
		[PROGRESS_SENT] = SENT, [PROGRESS_DONE] = DONE,
	};
	struct handover *h = &l->to[r->recipient];
	struct cursor c;
	struct attempt_result said;

	h->state = states[r->state];
	h->tries = r->tries;
	h->told = r->told;
	l->owed -= h->state == DONE;
	if (r->reply == 0)
		return;
	c = cursor_over(p->replies[r->reply - 1]);
	if (attempt_result_take(&c, &said))
		handover_reply(q, h, reply_of(q, &said));
}

/* Where the schedule of its trips was when that was written. */
static void resume(struct letter *l, const struct progress_recipient *r)
{
	struct handover *h = &l->to[r->recipient];

	if (h->local || h->trip == NULL)
		return;
	if (r->next_at > h->trip->next_at)
		h->trip->next_at = r->next_at;
	if (r->down)
		h->trip->down = true;
}

static bool fits(const struct letter *l, const struct progress *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->of[i].recipient >= l->n)
			return false;
	return true;
}

enum status letter_take_progress(struct queue *q, struct letter *l, const struct envelope *e, struct view bytes)
{
	struct progress p = { 0 };
	enum status st = bytes.n ? progress_take(bytes, &q->arena, &p) : ST_OK;
	bool report = false;

	if (st == ST_OK && !fits(l, &p))
		st = ST_SYNTAX;
	if (st != ST_OK)
		return st;
	if (p.hold != PROGRESS_AS_IT_CAME)
		l->held = p.hold == PROGRESS_HELD || p.hold == PROGRESS_LACKING;
	l->lacking = p.hold == PROGRESS_LACKING;
	l->released = l->held ? PROGRESS_AS_IT_CAME : p.hold;
	if (p.hold == PROGRESS_AT_ONCE || p.hold == PROGRESS_UNPROTECTED)
		l->release = 0;
	if (p.route.n && (l->route = strndup(p.route.p, p.route.n)) == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < p.n; i++)
		take_recipient(q, l, &p, &p.of[i]);
	st = letter_add(q, l);
	if (st != ST_OK)
		return st;
	l->owed++;
	if (!l->held && !l->release && !l->dropped)
		place(q, l, e);
	for (uint32_t i = 0; i < p.n; i++)
		resume(l, &p.of[i]);
	for (uint32_t i = 0; i < l->n; i++)
		report = report || l->to[i].state == FAILED || l->to[i].state == SENT || l->to[i].told == TOLD_SOON;
	if (report)
		report_soon(q, l);
	remote_start(q, l);
	letter_settled(q, l);
	return ST_OK;
}

/* ---- its place ---- */

enum status letter_copy(struct queue *q, const struct letter *l, struct spool_place *ret_at,
			struct spool_place *ret_progress_at)
{
	struct buf progress = BUF(SPOOL_BATCH_MAX);
	enum status st;

	*ret_progress_at = (struct spool_place){ 0 };
	if (l->in_report)	/* behind which its progress must not come */
		return ST_EXISTS;
	st = spool_copy(q->spool, l->id, &l->at, ret_at);
	/* It must lie behind its letter, also one that this batch is the first to say. */
	if (st == ST_OK && (l->progress_at.segment || l->dirty)) {
		st = letter_progress(q, l, false, &progress);
		if (st == ST_OK)
			st = spool_progress(q->spool, l->id, buf_view(&progress), ret_progress_at);
	}
	buf_free(&progress);
	return st;
}

void letter_moved(struct queue *q, struct letter *l, const struct spool_place *at,
		  const struct spool_place *progress_at)
{
	spool_moved(q->spool, &l->at);
	l->at = *at;
	if (progress_at->segment) {
		spool_moved(q->spool, &l->progress_at);
		l->progress_at = *progress_at;
	}
	walks_step_over(q, l);
	ring_remove(&l->by_place);
	ring_append(&q->by_place, &l->by_place);
}

static int as_they_lie(const void *a, const void *b)
{
	const struct spool_place *x = &(*(struct letter *const *)a)->at, *y = &(*(struct letter *const *)b)->at;

	if (x->segment != y->segment)
		return x->segment < y->segment ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

enum status letters_by_place(struct queue *q)
{
	struct letter **all = calloc(q->letters.used + 1, sizeof(*all)), *l;
	size_t n = 0, at = 0;

	if (all == NULL)
		return ST_NOMEM;
	while ((l = map_next(&q->letters, &at)) != NULL)
		all[n++] = l;
	qsort(all, n, sizeof(*all), as_they_lie);
	for (size_t i = 0; i < n; i++) {
		ring_remove(&all[i]->by_place);
		ring_append(&q->by_place, &all[i]->by_place);
	}
	free(all);
	return ST_OK;
}

/* ---- its age ---- */

bool letter_too_old(const struct queue *q, const struct letter *l)
{
	return !l->held && clock_wall() - l->received >= q->proc.conf.expire;
}

static void expire(struct queue *q, struct letter *l)
{
	no_more_by_age(q, l);
	log_event(LOG_WARN_, "expired", "id=%s", l->name);
	l->owed++;
	for (uint32_t i = 0; i < l->n; i++)
		if (waits(&l->to[i]))
			recipient_failed(q, &l->to[i]);
	letter_settled(q, l);
}

void letter_tell_delay(struct queue *q, struct letter *l)
{
	bool any = false;

	for (uint32_t i = 0; i < l->n; i++) {
		struct handover *h = &l->to[i];

		if (!waits(h) || h->told || !report_wanted(l, h, NOTIFY_DELAY))
			continue;
		h->told = TOLD_SOON;
		any = true;
	}
	if (!any)
		return;
	letter_dirty(q, l);
	report_soon(q, l);
}

static void warn_of(struct queue *q, struct letter *l)
{
	l->warned = true;
	letter_tell_delay(q, l);
}

static struct letter *oldest(const struct queue *q)
{
	struct ring *r = ring_first(&q->by_age);

	return r ? RING_OF(r, struct letter, by_age) : NULL;
}

void letter_ages(struct timer *t)
{
	struct queue *q = RING_OF(t, struct queue, age);
	const struct conf *c = &q->proc.conf;
	wall_ms now = clock_wall(), next = INT64_MAX;
	struct letter *l;
	struct ring *r;

	while ((l = oldest(q)) != NULL && letter_too_old(q, l))
		expire(q, l);
	while (c->warn && (l = q->to_warn) != NULL && now - l->received >= c->warn) {
		r = ring_after(&q->by_age, &l->by_age);
		q->to_warn = r ? RING_OF(r, struct letter, by_age) : NULL;
		warn_of(q, l);
	}
	if (c->warn && q->to_warn)
		next = q->to_warn->received + c->warn - now;
	l = oldest(q);
	if (l && l->received + c->expire - now < next)
		next = l->received + c->expire - now;
	if (l)
		ages_again(q, next > 0 ? (steady_ms)next : 0);
}

/* The settings that say how old may have changed. */
void letters_reloaded(struct queue *q)
{
	struct letter *l = oldest(q);

	q->to_warn = l;
	if (l)
		ages_again(q, 0);
}
