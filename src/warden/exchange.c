/* exchange.c - SASL exchanges that doors carry: which are open, whose they
 * are, and what the directory says of the person.
 *
 * An exchange belongs to the door that began it, and is forgotten after
 * TALK_MS.  Nothing is counted against a network before the verdict; then it
 * is asked whether that network may try at all, and who may not is told so
 * whether he was right or not.
 */
#include "warden/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { TALKS_MAX = 4096, TALK_MS = 60000, ARENA_ACCOUNT = 8192, PLAIN_ITERATIONS = SCRAM_ITERATIONS_LEAST };

struct talk {
	struct exchange x;
	struct warden *w;
	struct timer over;
	uint64_t id;
	uint32_t door;
	uint64_t door_came;
	struct buf peer, tls;
	/* While it waits for an issuer's keys: what is looked at again then. */
	struct talk *next_waiting;
	struct buf held;
	uint32_t call;
	uint64_t sid;
	size_t issuer;
	bool waits, waited;
};

static void wait_no_more(struct talk *t)
{
	struct talk **p = &t->w->talks.waiting;

	while (t->waits && *p != t)
		p = &(*p)->next_waiting;
	if (t->waits)
		*p = t->next_waiting;
	t->waits = false;
}

static void forget(struct talk *t)
{
	loop_timer_clear(t->w->proc.loop, &t->over);
	wait_no_more(t);
	map_remove(&t->w->talks.by_id, t->id);
	t->w->talks.n--;
	exchange_end(&t->x);
	if (t->held.p)
		explicit_bzero(t->held.p, t->held.cap);
	buf_free(&t->held);
	buf_free(&t->peer);
	buf_free(&t->tls);
	free(t);
}

static void too_long(struct timer *timer)
{
	forget((struct talk *)((char *)timer - offsetof(struct talk, over)));
}

/* ---- who it is ---- */

/* Octets that stay the same for a name, and that nobody can tell from random
 * ones: what who is unknown is answered with. */
static enum status nobodys(const struct warden *w, const struct exchange *x, const char *what, unsigned char *out,
			   size_t n)
{
	unsigned char mac[MAC_SIZE];
	char low[EXCHANGE_NAME_MAX];
	struct view parts[4] = { VIEW_NONE, view_cstr(what), view_cstr(exchange_name(x)) };
	enum status st = ST_OK;

	for (size_t i = 0; i < x->name.n; i++)
		low[i] = ascii_lower(x->name.p[i]);
	parts[3] = view_make(low, x->name.n);
	for (unsigned char k = 0; n && st == ST_OK; k++) {
		size_t some = n < MAC_SIZE ? n : MAC_SIZE;
		char block[] = "waxwing nobody 0";

		block[sizeof block - 2] = (char)('0' + k);
		parts[0] = view_cstr(block);
		st = mac_of(&w->logins.tickets, parts, 4, mac);
		memcpy(out, mac, some);
		out += some;
		n -= some;
	}
	return st;
}

static enum status be_nobody(struct warden *w, struct exchange *x)
{
	struct scram_keys *k = &x->who.scram;
	enum scram_hash h = exchange_hash(x);
	unsigned char plain[MAC_SIZE];
	enum status st;

	x->who.known = false;
	buf_clear(&x->who.plain);
	if (exchange_needs_plain(x)) {
		st = nobodys(w, x, "plain", plain, sizeof plain);
		buf_put_hex(&x->who.plain, plain, sizeof plain);
		return st;
	}
	if (h == SCRAM_HASHES)
		return ST_OK;
	k->n = scram_size(h);
	k->salt_n = SCRAM_SALT;
	k->iterations = (uint32_t)w->proc.conf.scram_iterations;
	st = nobodys(w, x, "salt", k->salt, SCRAM_SALT);
	if (st == ST_OK)
		st = nobodys(w, x, "stored", k->stored, k->n);
	return st == ST_OK ? nobodys(w, x, "server", k->server, k->n) : st;
}

/* "{PLAIN}secret", of tests: everything can be made of that. */
static enum status of_plain_verifier(struct warden *w, struct exchange *x, struct view secret)
{
	enum status st = be_nobody(w, x);

	x->who.known = true;
	buf_clear(&x->who.plain);
	if (st == ST_OK)
		st = password_prepare(secret, PREPARE_STORED, &x->who.plain);
	if (st == ST_OK && exchange_hash(x) != SCRAM_HASHES)
		st = scram_derive(exchange_hash(x), buf_view(&x->who.plain), PLAIN_ITERATIONS, &x->who.scram);
	return st;
}

static enum status of_account(struct warden *w, struct exchange *x, const struct account *acc)
{
	enum scram_hash h = exchange_hash(x);
	struct buf text = BUF(SCRAM_TEXT_MAX);
	enum status st = ST_OK;

	if (verifier_is_quick(acc->verifier))
		return of_plain_verifier(w, x, verifier_plain(acc->verifier));
	if (exchange_needs_plain(x)) {
		st = directory_secret(w->directory, acc->id, SECRET_PLAIN, &x->who.plain);
	} else if (h != SCRAM_HASHES) {
		st = directory_secret(w->directory, acc->id, scram_name(h), &text);
		if (st == ST_OK)
			st = scram_take(h, buf_view(&text), &x->who.scram);
	}
	buf_wipe(&text);
	x->who.known = st == ST_OK;
	return st;
}

/* exchange_host.find */
static enum status find(struct exchange *x)
{
	struct talk *t = (struct talk *)x;
	struct warden *w = t->w;
	struct arena arena = ARENA(ARENA_ACCOUNT);
	struct account acc;
	enum status st = directory_account(w->directory, buf_view(&x->name), &arena, &acc);

	x->who.account = 0;
	if (st == ST_OK) {
		x->who.account = acc.id;
		st = of_account(w, x, &acc);
	}
	/* Also who has no such secret. */
	if (st == ST_MISSING)
		st = be_nobody(w, x);
	arena_free(&arena);
	return st;
}

/* exchange_host.renew */
static bool renew(struct exchange *x, size_t issuer)
{
	struct talk *t = (struct talk *)x;

	if (t->waited || !issuers_renew(t->w, issuer))
		return false;
	t->issuer = issuer;
	return true;
}

/* ---- the verdict ---- */

static bool acts_for_itself(const struct exchange *x)
{
	return x->authzid.n == 0 || view_eq_i(buf_view(&x->authzid), buf_view(&x->name));
}

/* The login's own view of the person: the verifier binds tickets. */
static enum status know(struct talk *t, struct login *g)
{
	struct arena arena = ARENA(ARENA_ACCOUNT);
	struct account acc;
	enum status st = t->x.name.n ? login_find(g, buf_view(&t->x.name), &acc, &arena) : ST_MISSING;

	if (st == ST_OK)
		st = login_keep(g, acc.address, acc.verifier, VIEW(""));
	arena_free(&arena);
	return st == ST_MISSING ? ST_OK : st;
}

static void verdict(struct talk *t, uint32_t call, uint64_t sid, enum mechanism_result r, struct view last)
{
	struct warden *w = t->w;
	struct exchange *x = &t->x;
	bool right = r == MECHANISM_RIGHT && acts_for_itself(x);
	struct login *g = login_new(w, t->door, call, sid, x->service, buf_view(&t->peer), buf_view(&t->tls),
				    view_cstr(exchange_name(x)));
	enum status st = g ? know(t, g) : ST_LIMIT;
	uint32_t door = t->door;

	forget(t);
	if (g == NULL) {
		rec_put_login_answer(&w->out, call, sid, &(struct rec_login_answer){ .verdict = VERDICT_SLOW });
		(void)!role_send(&w->doors[door], &w->out, -1);
		return;
	}
	if (st == ST_OK)
		st = login_begin(g);
	if (st != ST_OK) {
		login_answer(g, st == ST_LIMIT ? VERDICT_SLOW : VERDICT_LATER);
		return;
	}
	buf_put(&g->last, last);
	if (r == MECHANISM_FAILED || (right && !g->known))
		login_undecided(g, VERDICT_LATER, "later");
	else if (r == MECHANISM_BAD)
		login_undecided(g, VERDICT_NO, "grammar");
	else
		login_decided(g, right);
}

static void hold(struct talk *t, uint32_t call, uint64_t sid, struct view message)
{
	t->held = BUF(RECORD_MAX);
	buf_put(&t->held, message);
	t->call = call;
	t->sid = sid;
	t->waits = true;
	t->next_waiting = t->w->talks.waiting;
	t->w->talks.waiting = t;
}

static void step(struct talk *t, uint32_t call, uint64_t sid, struct view message)
{
	struct warden *w = t->w;
	struct buf out = BUF(EXCHANGE_CHALLENGE_MAX);
	enum mechanism_result r;

	/* As they are today: a reload may have come between. */
	w->talks.host = (struct exchange_host){
		.find = find, .owner = w, .host_name = w->proc.conf.host_name, .tokens = issuers_tokens(w),
		.renew = renew, .authorities = w->authorities,
	};
	r = exchange_step(&t->x, message, &out);
	if (r == MECHANISM_WAIT) {
		hold(t, call, sid, message);
	} else if (r == MECHANISM_MORE) {
		rec_put_sasl_challenge(&w->out, call, sid, &(struct rec_sasl_challenge){ t->id, buf_view(&out) });
		(void)!role_send(&w->doors[t->door], &w->out, -1);
	} else {
		verdict(t, call, sid, r, buf_view(&out));
	}
	buf_free(&out);
}

void sasl_go_on(struct warden *w, size_t issuer)
{
	struct talk **p = &w->talks.waiting, *t;

	while ((t = *p) != NULL) {
		if (issuer != SASL_ALL && t->issuer != issuer) {
			p = &t->next_waiting;
			continue;
		}
		*p = t->next_waiting;
		t->waits = false;
		t->waited = true;
		if (t->door_came == w->door_came[t->door])
			step(t, t->call, t->sid, buf_view(&t->held));
		else
			forget(t);
	}
}

/* ---- what doors say ---- */

static enum status new_talk(struct warden *w, uint32_t door, const struct rec_sasl_begin *in, struct talk **ret)
{
	struct talk *t = w->talks.n < TALKS_MAX ? calloc(1, sizeof *t) : NULL;
	enum status st;

	if (t == NULL)
		return ST_LIMIT;
	t->w = w;
	t->id = ++w->talks.last_id;
	t->door = door;
	t->door_came = w->door_came[door];
	t->peer = BUF(LOGIN_PEER_MAX);
	t->tls = BUF(RECORD_MAX);
	t->over.fire = too_long;
	st = exchange_begin(&t->x, in->mechanism, &w->talks.host);
	t->x.service = (enum service)in->service;
	t->x.silent = in->silent;
	buf_put(&t->x.binding_name, in->binding_name);
	buf_put(&t->x.binding, in->binding);
	buf_put(&t->x.certificate, in->certificate);
	buf_put(&t->peer, in->peer);
	buf_put(&t->tls, in->tls);
	if (st == ST_OK && (buf_status(&t->x.binding) != ST_OK || buf_status(&t->x.certificate) != ST_OK ||
			    buf_status(&t->peer) != ST_OK))
		st = ST_LIMIT;
	if (st == ST_OK)
		st = map_set(&w->talks.by_id, t->id, t);
	w->talks.n++;
	if (st == ST_OK)
		st = loop_timer(w->proc.loop, &t->over, clock_steady() + TALK_MS);
	if (st != ST_OK) {
		forget(t);
		return st;
	}
	*ret = t;
	return ST_OK;
}

static void refuse(struct warden *w, struct channel *ch, const struct record *rec, enum verdict v)
{
	rec_put_login_answer(&w->out, rec->call, rec->sid, &(struct rec_login_answer){ .verdict = (uint8_t)v });
	(void)!role_send(ch, &w->out, -1);
}

void sasl_begin_asked(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_sasl_begin in;
	struct talk *t;
	enum status st;

	if (!rec_take_sasl_begin(rec->body, &in) || in.service >= SERVICE_COUNT)
		return;
	st = new_talk(w, (uint32_t)ch->peer_id, &in, &t);
	if (st == ST_OK)
		step(t, rec->call, rec->sid, in.message);
	else
		refuse(w, ch, rec, st == ST_LIMIT ? VERDICT_SLOW : st == ST_MISSING ? VERDICT_NO : VERDICT_LATER);
}

/* Another door's, or one's that has died meanwhile, is not there. */
static struct talk *talk_of(struct warden *w, const struct channel *ch, uint64_t id)
{
	struct talk *t = map_get(&w->talks.by_id, id);

	return t && t->door == ch->peer_id && t->door_came == w->door_came[t->door] ? t : NULL;
}

void sasl_next_asked(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_sasl_next in;
	struct talk *t;

	if (!rec_take_sasl_next(rec->body, &in))
		return;
	t = talk_of(w, ch, in.exchange);
	if (t && !t->waits)
		step(t, rec->call, rec->sid, in.message);
	else
		refuse(w, ch, rec, VERDICT_LATER);
}

void sasl_dropped(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_sasl_drop in;
	struct talk *t = rec_take_sasl_drop(rec->body, &in) ? talk_of(w, ch, in.exchange) : NULL;

	if (t)
		forget(t);
}
