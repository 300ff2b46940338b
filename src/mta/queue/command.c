/* command.c - what the operator asks and says: waxwing queue, waxwing status. */
#include "mta/queue/internal.h"

#include "base/log.h"
#include "ipc/route.h"
#include "mta/queue/progress.h"

#include <stdlib.h>

static const char *const states[] = {
	[WAITING] = "waiting", [HANDED] = "in hand", [DELIVERED] = "delivered", [DEFERRED] = "put off",
	[FAILED] = "failed", [SENT] = "sent", [DONE] = "done",
};

/* ---- lists ---- */

/* A list on its way; it waits for the operator's terminal, and the letter it
 * stands at may go meanwhile. */
struct walk {
	struct walk *next;
	struct letter *at;
};

static struct letter *letter_after(const struct queue *q, const struct letter *l)
{
	struct ring *r = l ? ring_after(&q->by_place, &l->by_place) : ring_first(&q->by_place);

	return r ? RING_OF(r, struct letter, by_place) : NULL;
}

void walks_step_over(struct queue *q, const struct letter *l)
{
	for (struct walk *w = q->walks; w; w = w->next)
		if (w->at == l)
			w->at = letter_after(q, l);
}

static void walk_begin(struct queue *q, struct walk *w)
{
	*w = (struct walk){ q->walks, letter_after(q, NULL) };
	q->walks = w;
}

static void walk_end(struct queue *q, struct walk *w)
{
	struct walk **p = &q->walks;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
}

/* What is asked for: lines of "domain=foo.com", "sender=a@b.c", "held". */
struct filter {
	struct view domain, sender;
	bool held;
};

static struct filter filter_of(struct view argument)
{
	struct filter f = { 0 };

	while (argument.n) {
		struct view line = view_head(argument, view_find(argument, '\n'));
		struct view value = view_skip(line, view_find(line, '=') + 1);

		argument = view_skip(argument, line.n + 1);
		if (view_starts_i(line, VIEW("domain=")))
			f.domain = value;
		else if (view_starts_i(line, VIEW("sender=")))
			f.sender = value;
		else if (view_eq(line, VIEW("held")))
			f.held = true;
	}
	return f;
}

static bool is_in_domain(struct view address, struct view domain)
{
	return address.n > domain.n && address.p[address.n - domain.n - 1] == '@' &&
	       view_eq_i(view_skip(address, address.n - domain.n), domain);
}

static bool passes(const struct filter *f, const struct letter *l, const struct envelope *e)
{
	bool any = f->domain.n == 0;

	for (uint32_t i = 0; i < l->n && !any; i++)
		any = l->to[i].state != DONE && is_in_domain(e->recipients[i].address, f->domain);
	return any && (!f->held || l->held) && (f->sender.p == NULL || view_eq_i(f->sender, e->sender));
}

/* ---- rows ---- */

static void put_json(struct buf *b, struct view v)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '"' || c == '\\')
			buf_putf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_putf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

static void put_text(struct buf *b, const char *key, struct view v)
{
	if (v.n == 0)
		return;
	buf_putf(b, ",\"%s\":", key);
	put_json(b, v);
}

static void put_time(struct buf *b, const char *key, wall_ms at)
{
	char text[RFC3339_SIZE];

	if (at)
		buf_putf(b, ",\"%s\":\"%s\"", key, clock_rfc3339(at, text));
}

static wall_ms wall_of(const struct queue *q, steady_ms at)
{
	return at > queue_now(q) ? clock_wall() + (wall_ms)(at - queue_now(q)) : 0;
}

static void put_remote(struct queue *q, const struct handover *h, struct buf *json)
{
	const struct trip *t = h->trip;

	if (t == NULL)
		return;
	put_text(json, "site", view_make(t->task.site->name, t->task.site->name_n));
	if (t->task.state == TASK_DEFERRED)
		put_time(json, "next", t->next_at);
	else if (t->task.state == TASK_WAITING)
		put_time(json, "next", wall_of(q, t->task.site->closed_until));
}

static void put_recipient(struct queue *q, const struct handover *h, struct view address, struct buf *json)
{
	const struct trip *t = h->local ? NULL : h->trip;
	struct attempt_result said = reply_read(h->reply);
	bool waits = h->state == WAITING || h->state == DEFERRED;

	if (h->reply == NULL && t)
		said = reply_read(t->task.site->reply);
	buf_puts(json, "{\"to\":");
	put_json(json, address);
	buf_putf(json, ",\"state\":\"%s\",\"tries\":%u", waits && h->letter->held ? "held" : states[h->state],
		 t ? t->tries : h->tries);
	if (h->local && h->state == DEFERRED)
		put_time(json, "next", wall_of(q, h->after));
	if (!h->local)
		put_remote(q, h, json);
	put_text(json, "reply", said.text);
	if (said.code)
		buf_putf(json, ",\"code\":%u", said.code);
	put_text(json, "status", said.status);
	put_text(json, "host", said.host);
	buf_putc(json, '}');
}

static void put_letter(const struct letter *l, const struct envelope *e, struct buf *json)
{
	char at[RFC3339_SIZE];

	buf_putf(json, "{\"queue\":\"%llx\",\"id\":\"%s\",\"received\":\"%s\",\"size\":%u,\"from\":",
		 (unsigned long long)l->id, l->name, clock_rfc3339(e->received, at), l->at.body_n);
	put_json(json, e->sender);
	buf_putf(json, ",\"recipients\":%u,\"owed\":%u,\"held\":%s", l->n, l->owed, l->held ? "true" : "false");
	if (e->priority)
		buf_putf(json, ",\"priority\":%d", e->priority);
	if (l->held && l->suspect)
		buf_puts(json, ",\"why\":\"recipients\"");
	else if (l->held && l->lacking)
		buf_puts(json, ",\"why\":\"requiretls\"");
	put_time(json, "leaves", l->release);
	put_time(json, "by", e->deliver_by);
	put_text(json, "route", view_cstr(l->route));
}

static bool read_envelope(struct queue *q, const struct letter *l, struct envelope *ret)
{
	struct view env;

	arena_free(&q->arena);
	return spool_envelope(q->spool, &l->at, &env) == ST_OK && envelope_take(env, &q->arena, ret) == ST_OK;
}

static void list_row(struct queue *q, struct channel *ch, const struct letter *l, const struct filter *f)
{
	struct buf json = BUF(RECORD_MAX - 256);
	struct envelope e;

	if (read_envelope(q, l, &e) && passes(f, l, &e)) {
		put_letter(l, &e, &json);
		buf_putc(&json, '}');
		if (buf_status(&json) == ST_OK)
			role_row(ch, buf_view(&json));
	}
	buf_free(&json);
}

/* In a coroutine: it waits where the operator reads slowly. */
static enum verdict list(struct queue *q, struct channel *ch, const struct rec_command *cmd)
{
	struct filter f = filter_of(cmd->argument);
	struct walk w;
	enum status st = ST_OK;

	walk_begin(q, &w);
	while (w.at && st == ST_OK) {
		struct letter *l = w.at;

		w.at = letter_after(q, l);
		list_row(q, ch, l, &f);
		st = role_rows_wait(ch);
	}
	walk_end(q, &w);
	return st == ST_OK ? VERDICT_OK : VERDICT_LATER;
}

/* How many letters, and how many recipients in each state. */
static enum verdict status(struct queue *q, struct channel *ch, const struct rec_command *cmd)
{
	uint64_t letters = 0, held = 0, early = 0, in[DONE + 1] = { 0 };
	struct buf json = BUF(512);

	(void)cmd;
	for (struct letter *l = letter_after(q, NULL); l; l = letter_after(q, l)) {
		letters++;
		held += l->held;
		early += l->release != 0;
		for (uint32_t i = 0; i < l->n; i++)
			in[l->to[i].state]++;
	}
	buf_putf(&json,
		 "{\"letters\":%llu,\"waiting\":%llu,\"in_hand\":%llu,\"unflushed\":%llu,\"held\":%llu,"
		 "\"later\":%llu,\"attempts\":%zu}",
		 (unsigned long long)letters, (unsigned long long)(in[WAITING] + in[DEFERRED]),
		 (unsigned long long)in[HANDED], (unsigned long long)in[DELIVERED], (unsigned long long)held,
		 (unsigned long long)early, q->attempts.used);
	role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

/* ---- one letter ---- */

static uint64_t hex_value(struct view v)
{
	uint64_t id = 0;

	if (v.n == 0 || v.n > 16)
		return 0;
	for (size_t i = 0; i < v.n; i++) {
		char c = ascii_lower(v.p[i]);

		if (!ascii_digit(c) && (c < 'a' || c > 'f'))
			return 0;
		id = id << 4 | (uint64_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return id;
}

/* By its queue number, or by its id. */
static struct letter *named(struct queue *q, struct view name)
{
	struct letter *l = map_get(&q->letters, hex_value(name));

	if (l)
		return l;
	for (l = letter_after(q, NULL); l; l = letter_after(q, l))
		if (view_eq(name, view_cstr(l->name)))
			return l;
	return NULL;
}

/* Said only when it is on disk. */
static enum verdict write_down(struct queue *q, struct letter *l)
{
	uint64_t id = l->id;

	letter_dirty(q, l);
	l->settle_at = 0;
	q->commit_now = true;
	q->commit.turn(&q->commit);
	l = map_get(&q->letters, id);
	return l && l->dirty ? VERDICT_LATER : VERDICT_OK;
}

static enum verdict show(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	struct envelope e;
	struct buf json = BUF(RECORD_MAX - 256);

	(void)more;
	if (!read_envelope(q, l, &e))
		return VERDICT_LATER;
	/* A row takes so many recipients as it has room for. */
	put_letter(l, &e, &json);
	for (uint32_t i = 0; i < l->n; i++) {
		struct buf one = BUF(8192);

		put_recipient(q, &l->to[i], e.recipients[i].address, &one);
		if (json.n + one.n + 64 > json.max) {
			buf_puts(&json, "]}");
			role_row(ch, buf_view(&json));
			buf_clear(&json);
			put_letter(l, &e, &json);
			buf_puts(&json, ",\"to\":[");
		} else {
			buf_puts(&json, i ? "," : ",\"to\":[");
		}
		buf_put(&json, buf_view(&one));
		buf_free(&one);
	}
	buf_puts(&json, "]}");
	if (buf_status(&json) == ST_OK)
		role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

static bool is_in_hand(const struct letter *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->to[i].state == HANDED || l->to[i].state == DELIVERED)
			return true;
	return l->in_report;
}

/* The operator's word: no recipient is owed it any more. */
static enum verdict remove_letter(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	(void)ch;
	(void)more;
	if (is_in_hand(l) || !letter_unschedule(q, l))
		return VERDICT_LATER;
	log_event(LOG_INFO_, "removed", "id=%s", l->name);
	l->owed = 1;
	letter_settled(q, l);
	return VERDICT_OK;
}

/* What its sender is told. */
static void give_back(struct queue *q, struct handover *h)
{
	struct attempt_result why = { .verdict = VERDICT_NO, .status = VIEW("5.0.0"),
				      .text = VIEW("the operator of this host has removed it") };
	struct attempt_result said = reply_read(h->reply);

	if (h->letter->lacking && said.text.n) {
		why = said;
		why.verdict = VERDICT_NO;
		why.status = VIEW("5.7.30");
	}
	handover_reply(q, h, reply_of(q, &why));
}

/* The same, and its sender is told. */
static enum verdict bounce(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	(void)ch;
	(void)more;
	if (is_in_hand(l))
		return VERDICT_LATER;
	log_event(LOG_INFO_, "removed", "id=%s bounced=yes", l->name);
	l->owed++;
	for (uint32_t i = 0; i < l->n; i++)
		if (l->to[i].state == WAITING || l->to[i].state == DEFERRED) {
			give_back(q, &l->to[i]);
			recipient_failed(q, &l->to[i]);
		}
	letter_settled(q, l);
	return VERDICT_OK;
}

static enum verdict hold(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	(void)ch;
	(void)more;
	l->held = true;
	/* What is in hand just now stays there; the rest goes nowhere. */
	(void)letter_unschedule(q, l);
	log_event(LOG_INFO_, "hold", "id=%s", l->name);
	return write_down(q, l);
}

/* One that is held is let go; one that only waits for its time leaves now. */
static void let_go(struct letter *l)
{
	if (!l->held) {
		ring_remove(&l->by_age);
		l->release = 0;
		l->released = PROGRESS_AT_ONCE;
	} else if (l->released != PROGRESS_AT_ONCE) {
		l->released = PROGRESS_LET_GO;
	}
	l->held = l->lacking = false;
}

static enum verdict release(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	uint64_t id = l->id;
	enum verdict v;

	(void)ch;
	if (!l->held && !l->release)
		return VERDICT_OK;
	let_go(l);
	/* He says so: without what it asks for, where that cannot be had. */
	if (view_eq(more, VIEW("unprotected")) && l->held_back)
		l->released = PROGRESS_UNPROTECTED;
	log_event(LOG_INFO_, "release", "id=%s%s", l->name, l->released == PROGRESS_UNPROTECTED ? " unprotected=yes" : "");
	v = write_down(q, l);
	l = map_get(&q->letters, id);
	if (l)
		letter_reschedule(q, l);
	return v;
}

static enum verdict retry(struct queue *q, struct channel *ch, struct letter *l, struct view more)
{
	(void)ch;
	(void)more;
	if (l->held)
		return VERDICT_QUOTA;	/* "it is held" */
	for (uint32_t i = 0; i < l->n; i++)
		if (l->to[i].local)
			lane_hurry(&l->to[i]);
	remote_hurry(q, l);
	return VERDICT_OK;
}

/* "-": as its domains and the table of routes say. */
static enum verdict change_route(struct queue *q, struct channel *ch, struct letter *l, struct view route)
{
	uint64_t id = l->id;
	struct route parsed;
	char *own = NULL;
	enum verdict v;

	(void)ch;
	if (is_in_hand(l))
		return VERDICT_LATER;
	if (!view_eq(route, VIEW("-")) &&
	    (route_parse(route, &parsed) != ST_OK || (own = strndup(route.p, route.n)) == NULL))
		return VERDICT_LATER;
	(void)letter_unschedule(q, l);
	free(l->route);
	l->route = own;
	log_begin(LOG_INFO_, "route");
	log_str("id", l->name);
	log_view("route", route);
	log_end();
	v = write_down(q, l);
	l = map_get(&q->letters, id);
	if (l)
		letter_reschedule(q, l);
	return v;
}

static enum verdict flush(struct queue *q, struct channel *ch, const struct rec_command *cmd)
{
	struct buf name = BUF(1024), address = BUF(1024);
	bool any = false;

	(void)ch;
	/* A domain as people write it, or the text of a route as it is. */
	buf_puts(&address, "@");
	buf_put(&address, cmd->argument);
	if (site_name(buf_view(&address), &name) == ST_OK)
		any = remote_try_all(q, buf_view(&name));
	any = remote_try_all(q, cmd->argument) || any;
	buf_free(&name);
	buf_free(&address);
	return any ? VERDICT_OK : VERDICT_NO;
}

/* ---- all that an account was held for ---- */

static bool is_suspect_of(struct queue *q, const struct letter *l, uint64_t account)
{
	struct envelope e;

	return l->held && l->suspect && read_envelope(q, l, &e) && e.authenticated == account;
}

static void say_letters(struct channel *ch, size_t n)
{
	struct buf json = BUF(64);

	buf_putf(&json, "{\"letters\":%zu}", n);
	role_row(ch, buf_view(&json));
	buf_free(&json);
}

/* One commit for all, and only then they go. */
static enum verdict release_account(struct queue *q, struct channel *ch, const struct rec_command *cmd)
{
	struct ids ids = { 0 };
	enum verdict v = VERDICT_OK;
	uint64_t account;

	if (!view_u64(cmd->argument, &account) || account == 0)
		return VERDICT_NO;
	for (struct letter *l = letter_after(q, NULL); l && v == VERDICT_OK; l = letter_after(q, l)) {
		if (!is_suspect_of(q, l, account))
			continue;
		if (ids_add(&ids, l->id) != ST_OK) {
			v = VERDICT_LATER;
			continue;
		}
		let_go(l);
		letter_dirty(q, l);
		l->settle_at = 0;
	}
	q->commit_now = true;
	q->commit.turn(&q->commit);
	for (size_t i = 0; i < ids.n; i++) {
		struct letter *l = map_get(&q->letters, ids.p[i]);

		if (l == NULL)
			continue;
		if (l->dirty)
			v = VERDICT_LATER;
		log_event(LOG_INFO_, "release", "id=%s", l->name);
		letter_reschedule(q, l);
	}
	say_letters(ch, ids.n);
	free(ids.p);
	return v;
}

static enum verdict drop_account(struct queue *q, struct channel *ch, const struct rec_command *cmd)
{
	uint64_t account;
	struct letter *next;
	size_t n = 0;

	if (!view_u64(cmd->argument, &account) || account == 0)
		return VERDICT_NO;
	for (struct letter *l = letter_after(q, NULL); l; l = next) {
		next = letter_after(q, l);
		if (is_suspect_of(q, l, account) && remove_letter(q, ch, l, VIEW_NONE) == VERDICT_OK)
			n++;
	}
	say_letters(ch, n);
	return VERDICT_OK;
}

/* ---- what may be asked: the only list ---- */

static const struct {
	const char *verb;
	enum verdict (*of_all)(struct queue *q, struct channel *ch, const struct rec_command *cmd);
	/* argument: "ID" or "ID MORE" */
	enum verdict (*of_one)(struct queue *q, struct channel *ch, struct letter *l, struct view more);
} verbs[] = {
	{ "queue-list", list, NULL },
	{ "queue-status", status, NULL },
	{ "queue-flush", flush, NULL },
	{ "queue-release-account", release_account, NULL },
	{ "queue-drop-account", drop_account, NULL },
	{ "queue-show", NULL, show },
	{ "queue-remove", NULL, remove_letter },
	{ "queue-bounce", NULL, bounce },
	{ "queue-hold", NULL, hold },
	{ "queue-release", NULL, release },
	{ "queue-retry", NULL, retry },
	{ "queue-route", NULL, change_route },
};

enum verdict queue_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct queue *q = RING_OF(p, struct queue, proc);
	size_t blank = view_find(cmd->argument, ' ');
	struct letter *l;

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (!view_eq(cmd->verb, view_cstr(verbs[i].verb)))
			continue;
		if (verbs[i].of_all)
			return verbs[i].of_all(q, ch, cmd);
		l = named(q, view_head(cmd->argument, blank));
		return l ? verbs[i].of_one(q, ch, l, view_skip(cmd->argument, blank + 1)) : VERDICT_NO;
	}
	return VERDICT_NO;
}
