/* report.c - telling senders what became of their letters (RFC 3461, 3464).
 *
 * A report is a letter of our own in our own spool, written in one record
 * with the fact that it has been (spool_report): no crash loses or doubles
 * it.  One coroutine writes them, because who gets a report is asked of
 * warden. */
#include "mta/queue/internal.h"

#include "base/log.h"
#include "ipc/seal.h"
#include "msg/dsn.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { ASK_MS = 30000, AGAIN_MS = 1000, REPORT_MAX = 64 * 1024 * 1024, LETTER_MAX = 256 * 1024, ADDRESS_TEXT_MAX = 512 };

#define REPORTER "MAILER-DAEMON"

bool report_wanted(const struct letter *l, const struct handover *h, unsigned what)
{
	if (l->null_sender || h->notify & NOTIFY_NEVER)
		return false;
	/* Where nothing was asked for, what goes wrong is told (RFC 3461 4.1). */
	return h->notify ? (h->notify & what) != 0 : what != NOTIFY_SUCCESS;
}

void report_soon(struct queue *q, struct letter *l)
{
	if (l->to_report)
		return;
	if (ids_add(&q->to_report, l->id) != ST_OK) {
		queue_give_up(q, "report");
		return;
	}
	l->to_report = true;
	if (q->reporter)
		co_wake(q->reporter);
}

/* What is to be told of this recipient: REPORTS_*. */
static uint8_t to_tell(const struct handover *h)
{
	return (uint8_t)((h->state == FAILED || h->state == SENT ? REPORTS_END : 0) |
			 (h->told == TOLD_SOON && h->state < FAILED ? REPORTS_DELAY : 0));
}

/* ---- its text ---- */

static void say(const struct queue *q, const struct handover *h, const struct recipient *r, struct dsn_recipient *ret)
{
	struct attempt_result said = reply_read(h->reply);

	*ret = (struct dsn_recipient){
		.action = h->state == FAILED		   ? DSN_FAILED :
			  h->state != SENT		   ? DSN_DELAYED :
			  h->local			   ? DSN_DELIVERED :
							     DSN_RELAYED,
		.orcpt = r->orcpt, .original = r->original, .address = r->address,
		.status = said.status, .host = said.host, .reply = said.text, .replied = said.code != 0,
	};
	/* Given up for its age alone. */
	if (h->state == FAILED && said.verdict != VERDICT_NO)
		ret->status = letter_is_late(h->letter) ? VIEW("5.4.7") : VIEW("4.4.7");
	if (ret->action == DSN_DELAYED)
		ret->retry_until = h->letter->received + q->proc.conf.expire;
}

static bool tells_of(const struct handover *h)
{
	return h->reporting != 0;
}

/* The text of the report upon all recipients that are marked. */
static enum status write_text(struct queue *q, const struct letter *l, const struct envelope *e, struct view sender,
			      struct view id, struct arena *a, struct buf *out, struct dsn_form *ret_form)
{
	const char *host = q->proc.conf.host_name;
	struct dsn_recipient *told = arena_array(a, l->n, sizeof *told);
	struct view env, letter;
	char from[ADDRESS_TEXT_MAX], postmaster[ADDRESS_TEXT_MAX];
	size_t n = 0;
	enum status st = told ? spool_letter(q->spool, &l->at, &env, &letter) : arena_status(a);

	if (st == ST_NOMEM || told == NULL)
		return st;
	if (st != ST_OK) {	/* damaged: the report tells of it without */
		letter_log_held(l, "its text in the spool cannot be read for a report");
		letter = VIEW_NONE;
	}
	for (uint32_t i = 0; i < l->n; i++)
		if (tells_of(&l->to[i]))
			say(q, &l->to[i], &e->recipients[i], &told[n++]);
	snprintf(from, sizeof from, REPORTER "@%s", host);
	snprintf(postmaster, sizeof postmaster, "postmaster@%s", host);
	return dsn_build(&(struct dsn){
				 .reporting_mta = view_cstr(host), .from = view_cstr(from),
				 .postmaster = view_cstr(postmaster), .sender = sender, .id = id,
				 .envid = e->envid, .arrived = e->received, .now = clock_wall(), .deliver_by = e->deliver_by,
				 .smtputf8 = e->smtputf8, .whole = e->ret == 'F', .letter_max = LETTER_MAX,
				 .recipients = told, .n = n,
			 },
			 letter, out, ret_form);
}

/* ---- its envelope ---- */

static struct recipient *take_targets(struct view targets, struct arena *a, uint32_t *ret_n)
{
	struct cursor c = cursor_over(targets);
	struct recipient *all;
	struct target t;
	uint32_t n = 0;

	while (target_take(&c, &t))
		n++;
	all = arena_array(a, n, sizeof *all);
	c = cursor_over(targets);
	for (uint32_t i = 0; all && i < n && target_take(&c, &t); i++)
		all[i] = (struct recipient){
			.address = t.address, .account = t.account, .notify = NOTIFY_NEVER,
			.via_kind = t.via_kind, .via = t.via, .detail = t.detail,
		};
	*ret_n = n;
	return all;
}

struct draft {
	struct view sender;	/* who gets it */
	struct view targets;	/* where that is */
	char name[32];		/* its id */
	struct view seal;	/* what it may be signed for */
	struct arena arena;
	struct buf text, envelope, progress;
};

static enum status draft_envelope(struct draft *d, const struct dsn_form *form, struct letter **ret,
				  const struct queue *q)
{
	struct envelope e = {
		.id = view_cstr(d->name), .received = clock_wall(), .seal = d->seal,
		.body = form->eightbit ? BODY_8BIT : BODY_7BIT, .smtputf8 = form->smtputf8,
	};
	struct letter *l;

	e.recipients = take_targets(d->targets, &d->arena, &e.n_recipients);
	if (e.recipients == NULL || e.n_recipients == 0)
		return ST_MISSING;
	envelope_put(&d->envelope, &e);
	if (buf_status(&d->envelope) != ST_OK)
		return buf_status(&d->envelope);
	l = letter_new(q, &e);
	if (l == NULL)
		return ST_NOMEM;
	*ret = l;
	return ST_OK;
}

/* An id that nobody can guess: reports are not to be forged. */
static void make_id(uint64_t queue_id, char out[static 32])
{
	uint64_t secret = 0;

	(void)!getrandom(&secret, sizeof secret, 0);
	snprintf(out, 32, "r%llx.%08llx", (unsigned long long)queue_id, (unsigned long long)(secret & 0xffffffff));
}

/* Text, envelope and what they settle, into the batch. */
static enum status draft_write(struct queue *q, struct letter *about, const struct envelope *e, struct draft *d)
{
	struct report *r = calloc(1, sizeof *r);
	struct dsn_form form = { 0 };
	uint64_t id = about->report_id;
	enum status st = r ? ST_OK : ST_NOMEM;

	if (st == ST_OK)
		st = write_text(q, about, e, d->sender, view_cstr(d->name), &d->arena, &d->text, &form);
	if (st == ST_OK)
		st = draft_envelope(d, &form, &r->letter, q);
	if (st == ST_OK)
		st = letter_progress(q, about, true, &d->progress);
	if (st == ST_OK) {
		r->spooled = (struct spool_report){
			.envelope = buf_view(&d->envelope), .body = buf_view(&d->text),
			.about = about->id, .progress = buf_view(&d->progress),
		};
		st = spool_report(q->spool, &id, &r->spooled);
	}
	if (st != ST_OK) {
		if (r && r->letter)
			letter_free(q, r->letter);
		free(r);
		return st;
	}
	r->about = about;
	r->ends = d->progress.n == 0;
	r->letter->id = about->report_id = id;
	r->letter->at = r->spooled.at;
	r->next = q->reports;
	q->reports = r;
	about->in_report = true;
	q->commit_now = true;
	return ST_OK;
}

/* ---- what the commit said ---- */

static void unmark(struct letter *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		l->to[i].reporting = 0;
}

/* All that was marked is told. */
static uint32_t settle_marked(struct letter *l)
{
	uint32_t ended = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		struct handover *h = &l->to[i];

		if (h->reporting & REPORTS_DELAY)
			h->told = TOLD;
		if (h->reporting & REPORTS_END) {
			h->state = DONE;
			ended++;
		}
		h->reporting = 0;
	}
	return ended;
}

static bool more_to_tell(const struct letter *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (to_tell(&l->to[i]))
			return true;
	return false;
}

static void committed(struct queue *q, struct report *r)
{
	struct letter *about = r->about;

	log_begin(LOG_INFO_, "reported");
	log_str("id", about->name);
	log_hex("queue", about->id);
	log_str("report", r->letter->name);
	log_end();
	about->in_report = false;
	about->report_id = 0;
	about->owed -= settle_marked(about);
	spool_moved(q->spool, &about->progress_at);
	if (r->ends) {		/* its DONE is in the same record */
		spool_moved(q->spool, &about->at);
		map_remove(&q->letters, about->id);
		letter_free(q, about);
	} else {
		about->progress_at = r->spooled.progress_at;
		if (more_to_tell(about))
			report_soon(q, about);
	}
	if (letter_add(q, r->letter) != ST_OK)
		queue_give_up(q, "report");
	else
		queue_keep(q, r->letter);
}

void reports_committed(struct queue *q, enum status st)
{
	struct report *r = q->reports, *next;

	q->reports = NULL;
	for (; r; r = next) {
		next = r->next;
		if (st == ST_OK) {
			committed(q, r);
		} else {
			unmark(r->about);
			r->about->in_report = false;
			letter_free(q, r->letter);
			/* When the reporter wakes next; it must not hurry. */
			r->about->to_report = ids_add(&q->to_report, r->about->id) == ST_OK;
		}
		free(r);
	}
}

/* ---- the reporter ---- */

static enum verdict ask_warden(struct queue *q, struct view address, struct buf *answer, struct view *ret_targets)
{
	struct buf b = BUF(RECORD_MAX);
	struct rec_rcpt_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_rcpt_ask(&b, 0, 0, &(struct rec_rcpt_ask){ .address = address });
	if (channel_ask(&q->warden, &b, -1, ASK_MS, answer, &type, NULL) == ST_OK && type == REC_rcpt_answer &&
	    rec_take_rcpt_answer(buf_view(answer), &a)) {
		v = (enum verdict)a.verdict;
		*ret_targets = a.targets;
	}
	buf_free(&b);
	return v;
}

/* Its author is we ourselves.  VERDICT_NO: no domain of ours is that of this
 * host. */
static enum verdict ask_seal(struct queue *q, struct draft *d)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX), authors = BUF(ADDRESS_TEXT_MAX), from = BUF(ADDRESS_TEXT_MAX);
	struct rec_seal_grant_ask question = { .id = view_cstr(d->name) };
	struct rec_seal_grant_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	buf_putf(&from, REPORTER "@%s", q->proc.conf.host_name);
	put_view(&authors, buf_view(&from));
	question.authors = buf_view(&authors);
	rec_put_seal_grant_ask(&b, 0, 0, &question);
	if (channel_ask(&q->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK && type == REC_seal_grant_answer &&
	    rec_take_seal_grant_answer(buf_view(&answer), &a)) {
		v = (enum verdict)a.verdict;
		d->seal = arena_copy(&d->arena, view_head(a.grant, SEAL_GRANT_MAX));
	}
	buf_free(&b);
	buf_free(&answer);
	buf_free(&authors);
	buf_free(&from);
	return v;
}

/* Somebody of another domain: he is his own target. */
static void target_of(struct view address, struct buf *out)
{
	target_put(out, &(struct target){ .address = address });
}

/* Nobody can be told: what was to be told is settled without. */
static void drop(struct queue *q, struct letter *l, const char *why)
{
	uint32_t ended = settle_marked(l);

	log_begin(LOG_WARN_, "report-dropped");
	log_str("id", l->name);
	log_str("why", why);
	log_end();
	l->owed++;
	letter_dirty(q, l);
	if (more_to_tell(l))
		report_soon(q, l);
	while (ended--)
		letter_settled(q, l);
	letter_settled(q, l);
}

/* Marks all recipients of that reverse-path (VIEW_NONE: of the first there is)
 * that are to be told of; it, or VIEW_NONE where there are none. */
static struct view mark(struct letter *l, const struct envelope *e, struct view sender)
{
	bool any = false;

	for (uint32_t i = 0; i < l->n; i++) {
		struct view from = recipient_sender(e, &e->recipients[i]);
		uint8_t what = to_tell(&l->to[i]);

		if (what == 0 || (sender.n && !view_eq(sender, from)))
			continue;
		sender = from;
		l->to[i].reporting = what;
		any = true;
	}
	return any ? sender : VIEW_NONE;
}

/* The letter's envelope, in memory of its own: it must last while we wait. */
static enum status read_envelope(struct queue *q, const struct letter *l, struct arena *a, struct envelope *ret)
{
	struct view env;
	enum status st = spool_envelope(q->spool, &l->at, &env);

	if (st != ST_OK)
		return st;
	env = arena_copy(a, env);
	return arena_status(a) == ST_OK ? envelope_take(env, a, ret) : arena_status(a);
}

static void report_again(struct queue *q, struct letter *l, enum status st)
{
	unmark(l);
	log_event(LOG_ERROR_, "report", "id=%s why=\"%s\"", l->name, status_name(st));
	loop_sleep(q->proc.loop, AGAIN_MS);
}

/* False: to be tried again. */
static bool report_on(struct queue *q, uint64_t id, struct draft *d)
{
	struct letter *l = map_get(&q->letters, id);
	struct buf answer = BUF(RECORD_MAX);
	struct envelope e;
	enum verdict v;
	enum status st;

	if (l == NULL || l->in_report)
		return true;
	st = read_envelope(q, l, &d->arena, &e);
	if (st != ST_OK) {
		letter_log_held(l, "its envelope in the spool cannot be read for a report");
		return true;
	}
	d->sender = mark(l, &e, VIEW_NONE);
	unmark(l);
	if (d->sender.n == 0)
		return true;
	make_id(l->report_id ? l->report_id : spool_next_id(q->spool), d->name);
	v = ask_warden(q, d->sender, &answer, &d->targets);
	d->targets = arena_copy(&d->arena, d->targets);
	buf_free(&answer);
	if ((v == VERDICT_OK || v == VERDICT_RELAY) && q->proc.conf.dkim_sign && ask_seal(q, d) == VERDICT_LATER)
		v = VERDICT_LATER;
	l = map_get(&q->letters, id);
	if (l == NULL || l->in_report)
		return true;
	if (v == VERDICT_RELAY) {
		target_of(d->sender, &d->progress);
		d->targets = arena_copy(&d->arena, buf_view(&d->progress));
		buf_clear(&d->progress);
	}
	/* More may have ended meanwhile, also of others whom we have not asked for. */
	if (mark(l, &e, d->sender).n == 0) {
		report_soon(q, l);
		return true;
	}
	st = v == VERDICT_OK || v == VERDICT_RELAY ? draft_write(q, l, &e, d) :
	     v == VERDICT_NO			   ? ST_MISSING :
						     ST_CLOSED;
	if (st == ST_OK)
		return true;
	if (st == ST_MISSING || st == ST_SYNTAX || st == ST_DENIED || st == ST_LIMIT) {
		drop(q, l, st == ST_LIMIT ? "it would be too long" : "there is no such sender");
		return true;
	}
	report_again(q, l, st);
	return false;
}

static void reporter(void *arg)
{
	struct queue *q = arg;

	for (;;) {
		struct ids ids = q->to_report;

		q->to_report = (struct ids){ 0 };
		for (size_t i = 0; i < ids.n; i++) {
			struct draft d = {
				.arena = ARENA(16 * 1024 * 1024), .text = BUF(REPORT_MAX),
				.envelope = BUF(ENVELOPE_MAX), .progress = BUF(SPOOL_BATCH_MAX),
			};
			struct letter *l = map_get(&q->letters, ids.p[i]);

			if (l)
				l->to_report = false;
			if (!report_on(q, ids.p[i], &d) && (l = map_get(&q->letters, ids.p[i])) != NULL)
				report_soon(q, l);
			arena_free(&d.arena);
			buf_free(&d.text);
			buf_free(&d.envelope);
			buf_free(&d.progress);
		}
		free(ids.p);
		if (q->to_report.n)
			continue;
		q->reporter = co_self();
		co_wait();
		q->reporter = NULL;
	}
}

void reporter_start(struct queue *q)
{
	if (!q->reporting)
		q->reporting = co_start(reporter, q) == ST_OK;
	else if (q->reporter)
		co_wake(q->reporter);
}
