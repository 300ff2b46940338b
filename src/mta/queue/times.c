/* times.c - letters that leave later (FUTURERELEASE, RFC 4865), and those that
 * are to be there by some time (DELIVERBY, RFC 2852).
 *
 * Both are few: a list of each, and a timer for the next one.  The timer is
 * never set further ahead than LOOK_MS, so that a jump of the clock is seen. */
#include "mta/queue/internal.h"

#include "base/log.h"

enum { LOOK_MS = 60000, TOGETHER_MS = 50 };

static void early_due(struct timer *t);
static void late_due(struct timer *t);

void times_init(struct queue *q)
{
	ring_init(&q->early);
	ring_init(&q->deadlines);
	q->early_due.fire = early_due;
	q->late_due.fire = late_due;
}

static void look_at(struct queue *q, struct timer *t, wall_ms when)
{
	wall_ms left = when - clock_wall();
	steady_ms at = queue_now(q) + (steady_ms)(left > LOOK_MS ? LOOK_MS : left > TOGETHER_MS ? left : TOGETHER_MS);

	if (t->slot == 0 || t->at > at)
		queue_timer(q, t, at);
}

/* ---- later ---- */

void times_early(struct queue *q, struct letter *l)
{
	ring_append(&q->early, &l->by_age);
	look_at(q, &q->early_due, l->release);
}

static void early_due(struct timer *t)
{
	struct queue *q = RING_OF(t, struct queue, early_due);
	wall_ms now = clock_wall(), first = INT64_MAX;
	struct ring *r, *next;

	for (r = ring_first(&q->early); r; r = next) {
		struct letter *l = RING_OF(r, struct letter, by_age);

		next = ring_after(&q->early, r);
		if (l->release > now) {
			first = l->release < first ? l->release : first;
			continue;
		}
		ring_remove(r);
		l->release = 0;
		log_event(LOG_INFO_, "due", "id=%s", l->name);
		letter_reschedule(q, l);
	}
	if (first < INT64_MAX)
		look_at(q, &q->early_due, first);
}

/* ---- by when ---- */

void times_deadline(struct queue *q, struct letter *l)
{
	/* Of one that came late already its sender has heard where it became so. */
	if (l->deliver_by <= l->received)
		return;
	ring_append(&q->deadlines, &l->by_deadline);
	look_at(q, &q->late_due, l->deliver_by);
}

bool letter_is_late(const struct letter *l)
{
	return l->by_mode == 'R' && l->deliver_by <= clock_wall();
}

/* R: who does not have it will not get it.  What is in hand just now is looked
 * at when it comes back. */
static void give_back(struct queue *q, struct letter *l)
{
	struct attempt_result why = {
		.verdict = VERDICT_NO, .status = VIEW("5.4.7"),
		.text = VIEW("the time within which it was to be delivered is over"),
	};

	log_event(LOG_WARN_, "late", "id=%s mode=R", l->name);
	l->owed++;
	for (uint32_t i = 0; i < l->n; i++) {
		struct handover *h = &l->to[i];

		if (h->state != WAITING && h->state != DEFERRED)
			continue;
		handover_reply(q, h, reply_of(q, &why));
		recipient_failed(q, h);
	}
	letter_settled(q, l);
}

static void late_due(struct timer *t)
{
	struct queue *q = RING_OF(t, struct queue, late_due);
	wall_ms now = clock_wall(), first = INT64_MAX;
	struct ring *r, *next;

	for (r = ring_first(&q->deadlines); r; r = next) {
		struct letter *l = RING_OF(r, struct letter, by_deadline);

		next = ring_after(&q->deadlines, r);
		if (l->deliver_by > now) {
			first = l->deliver_by < first ? l->deliver_by : first;
			continue;
		}
		ring_remove(r);
		if (l->by_mode == 'R') {
			give_back(q, l);
		} else {
			log_event(LOG_INFO_, "late", "id=%s mode=N", l->name);
			letter_tell_delay(q, l);
		}
	}
	if (first < INT64_MAX)
		look_at(q, &q->late_due, first);
}
