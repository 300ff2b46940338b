/* outbox.c - sending what waits. */
#include "mua/sync/internal.h"

#include "mua/net/submit.h"

#include <stdio.h>

enum { RETRY_FIRST_MS = 5 * 60 * 1000, RETRY_MOST_MS = 4 * 60 * 60 * 1000 };

struct sending {
	struct sync *sync;
	const struct copy_out *all;
	size_t n;
	uint64_t only;
	int64_t draft;
	enum status only_st;
};

static int64_t pause_after(uint32_t tries)
{
	int64_t ms = RETRY_FIRST_MS;

	while (tries-- && ms < RETRY_MOST_MS)
		ms *= 2;
	return ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS;
}

bool out_option(const struct copy_out *o, const char *word, struct view *ret)
{
	struct view left = o->options;

	while (left.n) {
		struct view one = view_head(left, view_find(left, ' '));

		left = view_skip(left, one.n + 1);
		if (!view_starts_i(one, view_cstr(word)))
			continue;
		if (ret)
			*ret = view_skip(one, strlen(word));
		return true;
	}
	return false;
}

/* The server has it: a copy for the sender, and what it answers is answered. */
static enum status keep_sent(struct sync *s, const struct copy_out *o, struct view letter)
{
	struct arena a = ARENA(SYNC_ARENA);
	struct copy_folder sent;
	int64_t id;
	enum status st = ST_OK;

	if (s->place->account->save_sent && !out_option(o, OUT_NO_COPY, NULL)) {
		st = place_folder(s->place, COPY_USE_SENT, &a, &sent);
		if (st == ST_OK)
			st = copy_add(s->place->copy, sent.id, COPY_SEEN, letter, &id);
	}
	if (st == ST_OK && o->answers)
		st = copy_flags(s->place->copy, &o->answers, 1, COPY_ANSWERED, 0);
	arena_free(&a);
	return st;
}

/* At once, since from here on it must not be sent again. */
static enum status settle_sent(struct sync *s, const struct copy_out *o, struct view letter)
{
	struct copy *c = s->place->copy;
	enum status st = copy_begin(c);

	if (st != ST_OK)
		return st;
	st = copy_out_remove(c, o->id);
	if (st == ST_OK)
		st = keep_sent(s, o, letter);
	if (st == ST_OK)
		return copy_commit(c);
	copy_roll_back(c);
	return st;
}

/* It will never be taken: back to where it can be changed. */
static enum status make_draft(struct sending *g, const struct copy_out *o, struct view letter)
{
	struct place *p = g->sync->place;
	struct arena a = ARENA(SYNC_ARENA);
	struct copy_folder drafts;
	enum status st = place_folder(p, COPY_USE_DRAFTS, &a, &drafts);

	/* Of what is sent on, or goes to many apart, the letter itself is elsewhere. */
	if (st == ST_OK && !out_option(o, OUT_NO_COPY, NULL))
		st = copy_add(p->copy, drafts.id, COPY_DRAFT | COPY_SEEN, letter, &g->draft);
	if (st == ST_OK)
		st = copy_out_remove(p->copy, o->id);
	arena_free(&a);
	return st;
}

static enum status send_one(struct sending *g, struct submitter *s, const struct copy_out *o)
{
	struct copy *c = g->sync->place->copy;
	struct submission l = { .from = o->from, .to = o->to, .n_to = o->n_to,
				.require_tls = out_option(o, OUT_REQUIRE_TLS, NULL) };
	struct copy_letter letter;
	bool mine = false;
	enum status st = copy_out_claim(c, o->id, &mine), told;

	(void)out_option(o, OUT_NOTIFY, &l.notify);
	if (st != ST_OK || !mine)
		return st;
	st = copy_out_read(c, o->id, &letter);
	if (st != ST_OK)
		return st;
	l.letter = letter.bytes;
	told = submit_letter(s, &l);
	if (told == ST_OK) {
		st = settle_sent(g->sync, o, letter.bytes);
		g->sync->sent += st == ST_OK;
	} else if (told == ST_DENIED && s->permanent) {
		st = make_draft(g, o, letter.bytes);
	} else {
		st = copy_out_failed(c, o->id, view_cstr(s->client.why),
				     s->unprotected ? COPY_OUT_HELD : clock_wall() + pause_after(o->tries));
		g->sync->held += s->unprotected;
	}
	copy_letter_close(&letter);
	if (told != ST_OK) {
		snprintf(g->sync->why, sizeof g->sync->why, "%s", s->client.why);
		g->sync->refused++;
	}
	if (g->only)
		g->only_st = s->unprotected ? ST_AGAIN : told == ST_DENIED && !s->permanent ? ST_TIMEOUT : told;
	/* The session goes on after a refusal, and not after anything else. */
	return st == ST_OK && told != ST_OK && told != ST_DENIED ? told : st;
}

static enum status outbox_job(struct net *n, void *arg)
{
	struct sending *g = arg;
	struct place *p = g->sync->place;
	struct submitter s;
	enum status st = submit_open(&s, n, &p->account->send, place_user(p), buf_view(&p->password));

	for (size_t i = 0; st == ST_OK && i < g->n; i++) {
		if (g->only ? g->all[i].id != g->only : g->all[i].next > clock_wall())
			continue;
		st = sync_goes_on(g->sync, VIEW("sending"), i, g->n) ? send_one(g, &s, &g->all[i]) : ST_AGAIN;
	}
	if (st != ST_OK && s.client.why[0])
		snprintf(g->sync->why, sizeof g->sync->why, "%s", s.client.why);
	submit_close(&s);
	return st;
}

static bool any_due(const struct sending *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->only ? g->all[i].id == g->only : g->all[i].next <= clock_wall())
			return true;
	return false;
}

enum status sync_outbox(struct sync *s, uint64_t only, int64_t *ret_draft)
{
	struct place *p = s->place;
	struct arena a = ARENA(SYNC_ARENA);
	struct sending g = { .sync = s, .only = only };
	struct copy_out *all = NULL;
	enum status st = copy_out_all(p->copy, &a, &all, &g.n);

	g.all = all;
	if (st == ST_OK && any_due(&g)) {
		if (p->account->send.port == 0) {
			snprintf(s->why, sizeof s->why, "the account has no server to send by");
			st = ST_MISSING;
		}
		if (st == ST_OK)
			st = place_net(p);
		if (st == ST_OK)
			st = place_password(p);
		if (st == ST_OK)
			st = net_run(&p->net, outbox_job, &g);
		/* The session was refused, and not the letter, which waits. */
		if (st == ST_DENIED)
			st = ST_CLOSED;
	}
	if (st == ST_OK && only)
		st = g.only_st;
	if (ret_draft && g.draft)
		*ret_draft = g.draft;
	arena_free(&a);
	return st;
}
