/* login.c - is this password right, and may this door have that room?
 *
 * Who is unknown costs the same argon2id and gets the same answer as who gave
 * a wrong password.
 */
#include "warden/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { LOGINS_MAX = 4096, ARENA_ACCOUNT = 8192, HELD_MAX = 4096 };

/* One question, from its coming to its answer. */
struct login {
	struct pool_job job;
	struct timer held;	/* a refusal is held back until then */
	struct warden *w;
	uint32_t door;
	uint64_t door_came;
	uint32_t call;
	uint64_t sid;
	uint64_t network;
	bool counted;		/* guess_end must follow */
	bool mail;		/* IMAP or POP3: wants a ticket */
	bool known;
	uint64_t account;
	struct view address;	/* these three are in bytes, which is wiped */
	struct view verifier, secret;
	struct buf bytes;
};

enum status logins_open(struct warden *w, int keys)
{
	struct logins *l = &w->logins;
	enum status st = ticket_key(keys, &l->tickets);

	if (st == ST_OK)
		st = remember_init(&l->remember);
	if (st == ST_OK)
		st = pool_new(w->proc.loop, &l->pool);
	l->dummy = BUF(256);
	logins_settings(w);
	return st == ST_OK ? buf_status(&l->dummy) : st;
}

void logins_settings(struct warden *w)
{
	struct buf *dummy = &w->logins.dummy;

	buf_clear(dummy);
	if (verifier_dummy(w->proc.conf.argon2_memory, w->proc.conf.argon2_passes, dummy) != ST_OK)
		log_event(LOG_ERROR_, "dummy-verifier", "%s", "");
}

/* ---- the end of a question ---- */

static void discard(struct login *g)
{
	loop_timer_clear(g->w->proc.loop, &g->held);
	if (g->bytes.p)
		explicit_bzero(g->bytes.p, g->bytes.cap);
	buf_free(&g->bytes);
	g->w->logins.in_hand--;
	free(g);
}

static void log_login(const struct login *g, const char *result)
{
	log_begin(LOG_INFO_, "login");
	log_hex("sid", g->sid);
	if (g->known)
		log_u64("account", g->account);
	log_str("result", result);
	log_end();
}

static void answer(struct login *g, enum verdict v)
{
	struct warden *w = g->w;
	struct channel *ch = &w->doors[g->door];
	struct rec_login_answer a = { .verdict = (uint8_t)v };
	struct buf ticket = BUF(TICKET_SIZE);

	if (v == VERDICT_OK) {
		a.account = g->account;
		a.address = g->address;
		if (g->mail && ticket_make(&w->logins.tickets, g->account, g->door, g->verifier,
					   clock_wall(), &ticket) != ST_OK)
			a = (struct rec_login_answer){ .verdict = VERDICT_LATER };
		else
			a.ticket = buf_view(&ticket);
	}
	/* That door may have died and come again: the call is not its own then. */
	if (channel_is_open(ch) && w->door_came[g->door] == g->door_came) {
		rec_put_login_answer(&w->out, g->call, g->sid, &a);
		(void)!role_send(ch, &w->out, -1);
	}
	buf_free(&ticket);
	discard(g);
}

static void held_long_enough(struct timer *t)
{
	answer((struct login *)((char *)t - offsetof(struct login, held)), VERDICT_NO);
}

/* A password was proved or not; the same for who is not known. */
static void decided(struct login *g, bool right)
{
	struct warden *w = g->w;
	steady_ms now = clock_steady();
	uint64_t hold = guess_end(&w->logins.guesses, g->network, !right,
				  (unsigned)w->proc.conf.login_failures, now);

	log_login(g, right ? "ok" : "no");
	if (right) {
		answer(g, VERDICT_OK);
		return;
	}
	explicit_bzero(g->bytes.p, g->bytes.cap);
	g->held.fire = held_long_enough;
	if (w->logins.in_hand > HELD_MAX || loop_timer(w->proc.loop, &g->held, now + hold) != ST_OK)
		answer(g, VERDICT_NO);
}

static void checked(struct pool_job *job)
{
	struct login *g = (struct login *)job;
	struct warden *w = g->w;
	bool right = job->right && g->known;

	if (right && w->proc.conf.login_remember)
		remember_add(&w->logins.remember, g->account, g->verifier, g->secret,
			     clock_steady() + (steady_ms)w->proc.conf.login_remember);
	decided(g, right);
}

/* ---- its beginning ---- */

static struct view kept(struct login *g, struct view v)
{
	size_t at = g->bytes.n;

	buf_put(&g->bytes, v);
	return buf_status(&g->bytes) == ST_OK ? view_make(g->bytes.p + at, v.n) : VIEW_NONE;
}

/* One allocation for all three, so that none moves and all is wiped. */
static enum status keep(struct login *g, struct view address, struct view verifier, struct view secret)
{
	char *p;
	enum status st;

	g->bytes = BUF(address.n + verifier.n + secret.n + 1);
	st = buf_reserve(&g->bytes, g->bytes.max, &p);
	if (st != ST_OK)
		return st;
	g->address = kept(g, address);
	g->verifier = kept(g, verifier);
	g->secret = kept(g, secret);
	g->job.verifier = g->verifier;
	g->job.secret = g->secret;
	return buf_status(&g->bytes);
}

/* Acting for another is not offered: an authorization identity must name
 * the account itself (RFC 4616 2). */
static bool acts_for_itself(const struct rec_login_ask *in)
{
	return in->authzid.n == 0 || view_eq_i(in->authzid, in->name);
}

static enum status look_up(struct warden *w, struct login *g, const struct rec_login_ask *in)
{
	struct arena arena = ARENA(ARENA_ACCOUNT);
	struct account acc;
	enum status st = directory_account(w->directory, in->name, &arena, &acc);

	if (st == ST_OK && acts_for_itself(in)) {
		g->known = true;
		g->account = acc.id;
		st = keep(g, acc.address, acc.verifier, in->secret);
	} else if (st == ST_OK || st == ST_MISSING) {
		st = keep(g, VIEW(""), buf_view(&w->logins.dummy), in->secret);
	}
	arena_free(&arena);
	return st;
}

/* What costs nothing is decided here, the rest by the pool. */
static void check(struct warden *w, struct login *g)
{
	steady_ms now = clock_steady();

	if (g->known && remember_has(&w->logins.remember, g->account, g->verifier, g->secret, now)) {
		decided(g, true);
	} else if (verifier_is_quick(g->verifier)) {
		decided(g, verifier_check(g->verifier, g->secret) && g->known);
	} else {
		g->job.done = checked;
		if (pool_give(w->logins.pool, &g->job) == ST_OK)
			return;
		guess_end(&w->logins.guesses, g->network, false, 0, now);
		log_login(g, "busy");
		answer(g, VERDICT_SLOW);
	}
}

void login_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_login_ask in;
	struct login *g = NULL;
	enum verdict v = VERDICT_LATER;
	enum status st;

	if (!rec_take_login_ask(rec->body, &in))
		return;
	if (w->logins.in_hand < LOGINS_MAX)
		g = calloc(1, sizeof *g);
	if (g == NULL) {
		rec_put_login_answer(&w->out, rec->call, rec->sid,
				     &(struct rec_login_answer){ .verdict = VERDICT_SLOW });
		(void)!role_send(ch, &w->out, -1);
		return;
	}
	w->logins.in_hand++;
	*g = (struct login){
		.w = w, .door = (uint32_t)ch->peer_id, .door_came = w->door_came[ch->peer_id],
		.call = rec->call, .sid = rec->sid, .network = guess_network(in.peer),
		.mail = in.service >= SERVICE_IMAP,
	};
	st = guess_begin(&w->logins.guesses, g->network, clock_steady());
	if (st == ST_LIMIT) {
		log_login(g, "slow");
		v = VERDICT_SLOW;
	}
	if (st == ST_OK) {
		st = look_up(w, g, &in);
		if (st != ST_OK)
			guess_end(&w->logins.guesses, g->network, false, 0, clock_steady());
	}
	if (st == ST_OK)
		check(w, g);
	else
		answer(g, v);
}

/* ---- rooms ---- */

/* Whose ticket this is, and a fresh one in its place.  ST_DENIED, ST_SYNTAX,
 * ST_TIMEOUT: no good; ST_MISSING: no such account any more. */
static enum status renew(struct warden *w, struct view old, uint32_t door, uint64_t *ret_account,
			 struct buf *fresh)
{
	struct arena arena = ARENA(ARENA_ACCOUNT);
	const struct mac *m = &w->logins.tickets;
	struct account acc = { 0 };
	uint64_t id;
	enum status st = ticket_account(old, &id);

	if (st == ST_OK)
		st = directory_account_by_id(w->directory, id, &arena, &acc);
	if (st == ST_OK)
		st = ticket_check(m, old, door, acc.verifier, clock_wall());
	if (st == ST_OK)
		st = ticket_make(m, id, door, acc.verifier, clock_wall(), fresh);
	arena_free(&arena);
	if (st == ST_OK)
		*ret_account = id;
	return st;
}

void room_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_room_ask in;
	struct rec_room_answer a = { .verdict = VERDICT_OK };
	struct buf fresh = BUF(TICKET_SIZE);
	uint32_t door = (uint32_t)ch->peer_id;
	enum status st;

	if (!rec_take_room_ask(rec->body, &in))
		return;
	st = renew(w, in.ticket, door, &a.account, &fresh);
	if (st == ST_OK && in.open) {
		rec_put_room_open(&w->out, 0, rec->sid,
				  &(struct rec_room_open){ a.account, ROLE_DOOR, door });
		st = role_send(&w->proc.parent, &w->out, -1);
	}
	if (st == ST_OK)
		a.ticket = buf_view(&fresh);
	else if (st == ST_DENIED || st == ST_SYNTAX || st == ST_TIMEOUT || st == ST_MISSING)
		a = (struct rec_room_answer){ .verdict = VERDICT_NO };
	else
		a = (struct rec_room_answer){ .verdict = VERDICT_LATER };
	rec_put_room_answer(&w->out, rec->call, rec->sid, &a);
	(void)!role_send(ch, &w->out, -1);
	buf_free(&fresh);
}
