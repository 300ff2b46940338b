/* submission.c - how much an account may hand in, by its own numbers or by
 * the settings, and what the operator does about one that is held. */
#include "warden/internal.h"

#include "base/log.h"
#include "directory/numbers.h"

#include <stdio.h>

enum { FLUSH_MS = 2000, PRUNE_AT_ONCE = 20 };

/* Also where it cannot be said. */
static bool is_there(void *arg, uint64_t account)
{
	struct arena a = ARENA(8192);
	struct account acc;
	enum status st = directory_account_by_id(arg, account, &a, &acc);

	arena_free(&a);
	return st != ST_MISSING;
}

static void flush(struct warden *w)
{
	enum status st = submitted_flush(w->submissions.counts);

	if (st == ST_OK)
		st = submitted_prune(w->submissions.counts, PRUNE_AT_ONCE, is_there, w->directory);
	if (st != ST_OK)
		log_event(LOG_WARN_, "submissions", "why=\"%s\"", status_name(st));
}

static void write_due(struct timer *t)
{
	flush((struct warden *)((char *)t - offsetof(struct warden, submissions.write)));
}

static void write_soon(struct warden *w)
{
	struct timer *t = &w->submissions.write;

	if (t->slot == 0 && submitted_dirty(w->submissions.counts) &&
	    loop_timer(w->proc.loop, t, clock_steady() + FLUSH_MS) != ST_OK)
		flush(w);
}

enum status submissions_open(struct warden *w, const char *directory, int keys)
{
	char path[4200];
	struct mac key;
	bool lost = false;
	enum status st = mac_open(keys, "recipients.key", &key);

	w->submissions.write.fire = write_due;
	snprintf(path, sizeof path, "%s/submitted.db", directory);
	if (st == ST_OK)
		st = submitted_open(path, key, &w->submissions.counts, &lost);
	if (lost)
		log_event(LOG_ERROR_, "submissions-lost", "why=\"submitted.db was damaged: every recipient counts as new\"");
	return st;
}

void submissions_close(struct warden *w)
{
	if (w->submissions.counts && submitted_dirty(w->submissions.counts))
		flush(w);
	submitted_close(w->submissions.counts);
}

/* ---- questions of doors ---- */

static int64_t own_or(const struct numbers *n, enum number which, int64_t setting)
{
	return n->has[which] ? n->value[which] : setting;
}

static struct submit_limits limits_of(const struct conf *c, const struct numbers *n)
{
	return (struct submit_limits){
		.letters_hour = own_or(n, NUMBER_LETTERS_HOUR, c->letters_hour),
		.letters_day = own_or(n, NUMBER_LETTERS_DAY, c->letters_day),
		.recipients_hour = own_or(n, NUMBER_RECIPIENTS_HOUR, c->recipients_hour),
		.recipients_day = own_or(n, NUMBER_RECIPIENTS_DAY, c->recipients_day),
		.new_recipients = own_or(n, NUMBER_NEW_RECIPIENTS, c->new_recipients),
		.known = c->known_recipients,
	};
}

static enum status judge(struct warden *w, const struct rec_submit_ask *in, const struct numbers *n,
			 struct submit_state *ret)
{
	struct submit_limits l = limits_of(&w->proc.conf, n);
	struct submitted *counts = w->submissions.counts;

	if (in->what == SUBMIT_TOLD)
		submitted_told(counts, in->account);
	return in->what == SUBMIT_LETTER
		       ? submitted_charge(counts, in->account, &l, in->addresses, in->recipients, clock_wall(), ret)
		       : submitted_look(counts, in->account, &l, clock_wall(), ret);
}

void submit_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_submit_answer a = { .verdict = VERDICT_LATER };
	struct rec_submit_ask in;
	struct submit_state state;
	struct numbers n;

	if (!rec_take_submit_ask(rec->body, &in))
		return;
	if (directory_numbers(w->directory, in.account, &n) == ST_OK && judge(w, &in, &n, &state) == ST_OK)
		a = (struct rec_submit_answer){
			.verdict = state.slow ? VERDICT_SLOW : VERDICT_OK, .wait = state.wait, .left = state.left,
			.hold = (uint8_t)((state.held ? HOLD_RECIPIENTS : HOLD_NOT) | (state.tell ? HOLD_TELL : 0)),
			.sent = own_or(&n, NUMBER_SENT, 0) != 0,
			.priority = (uint8_t)own_or(&n, NUMBER_PRIORITY, w->proc.conf.submission_priority),
			.protect = (uint8_t)own_or(&n, NUMBER_PROTECT, PROTECT_OFF),
		};
	rec_put_submit_answer(&w->out, rec->call, rec->sid, &a);
	(void)!role_send(ch, &w->out, -1);
	/* Who is held stays so, and is told once, whatever happens to this process. */
	if ((a.hold & HOLD_TELL) || in.what == SUBMIT_TOLD)
		flush(w);
	write_soon(w);
}

/* ---- the operator ---- */

static enum verdict show(struct warden *w, struct channel *ch, uint64_t account)
{
	struct submit_counts n;
	struct buf json = BUF(512);

	if (submitted_counts(w->submissions.counts, account, clock_wall(), &n) != ST_OK)
		return VERDICT_LATER;
	buf_putf(&json, "{\"letters-hour\":%llu,\"letters-day\":%llu,", (unsigned long long)n.letters_hour,
		 (unsigned long long)n.letters_day);
	buf_putf(&json, "\"recipients-hour\":%llu,\"recipients-day\":%llu,", (unsigned long long)n.recipients_hour,
		 (unsigned long long)n.recipients_day);
	buf_putf(&json, "\"new-recipients\":%llu,\"held\":%s}", (unsigned long long)n.new_day,
		 n.held ? "true" : "false");
	role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

static enum verdict release(struct warden *w, uint64_t account, bool drop)
{
	bool held = false;

	if (submitted_release(w->submissions.counts, account, drop, &held) != ST_OK)
		return VERDICT_LATER;
	log_event(LOG_INFO_, drop ? "account-dropped" : "account-released", "account=%llu was_held=%s",
		  (unsigned long long)account, held ? "yes" : "no");
	return VERDICT_OK;
}

enum verdict submission_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct warden *w = (struct warden *)((char *)p - offsetof(struct warden, proc));
	uint64_t account;

	if (!view_u64(cmd->argument, &account) || account == 0)
		return VERDICT_NO;
	if (view_eq(cmd->verb, VIEW("submission-show")))
		return show(w, ch, account);
	if (view_eq(cmd->verb, VIEW("submission-release")))
		return release(w, account, false);
	return view_eq(cmd->verb, VIEW("submission-drop")) ? release(w, account, true) : VERDICT_NO;
}
