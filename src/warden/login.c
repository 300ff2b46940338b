/* login.c - is this password right, and may this door have that room?
 *
 * Who is unknown costs the same argon2id and gets the same answer as who gave
 * a wrong password.
 */
#include "warden/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUESS_NICE = 10, LOGINS_MAX = 4096, ARENA_ACCOUNT = 8192, ARENA_APPS = 128 * 1024, HELD_MAX = 4096, LAST_MAX = 8192,
	WRITE_MS = 1000, APP_USED_MS = 3600000 };

/* ---- the log of logins ---- */

void logins_flush(struct warden *w)
{
	uint64_t lost;
	enum status st = login_log_flush(w->logins.log, w->proc.conf.login_log, &lost);

	if (st != ST_OK || lost)
		log_event(LOG_WARN_, "login-log", "lost=%llu why=\"%s\"", (unsigned long long)lost, status_name(st));
}

static void write_log(struct timer *t)
{
	logins_flush((struct warden *)((char *)t - offsetof(struct warden, logins.write)));
}

static void note(struct login *g, bool right, const char *result)
{
	struct warden *w = g->w;
	struct login_event *e = &g->event;

	log_begin(LOG_INFO_, "login");
	log_hex("sid", g->sid);
	if (g->known)
		log_u64("account", g->account);
	log_str("mechanism", e->mechanism);
	log_str("result", result);
	log_end();
	if (!g->known || w->proc.conf.login_log == 0)
		return;
	e->at = clock_wall();
	e->account = g->account;
	e->times = 1;
	e->right = right;
	snprintf(e->result, sizeof e->result, "%s", result);
	if (login_log_add(w->logins.log, e) &&
	    loop_timer(w->proc.loop, &w->logins.write, clock_steady() + WRITE_MS) != ST_OK)
		logins_flush(w);
}

/* ---- begin ---- */

enum status logins_open(struct warden *w, const char *directory, int keys)
{
	struct logins *l = &w->logins;
	char path[4200];
	enum status st = mac_open(keys, "ticket.key", &l->tickets);

	if (st == ST_OK)
		st = remember_init(&l->remember);
	if (st == ST_OK)
		st = pool_new(w->proc.loop, GUESS_NICE, POOL_THREADS_MAX, &l->pool);
	snprintf(path, sizeof path, "%s/logins.db", directory);
	if (st == ST_OK)
		st = login_log_open(path, &l->log);
	l->write.fire = write_log;
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
	buf_wipe(&g->bytes);
	buf_free(&g->last);
	scram_texts_free(&g->texts);
	g->w->logins.in_hand--;
	free(g);
}

void login_answer(struct login *g, enum verdict v)
{
	struct warden *w = g->w;
	struct channel *ch = &w->doors[g->door];
	struct rec_login_answer a = { .verdict = (uint8_t)v, .last = buf_view(&g->last) };
	struct buf ticket = BUF(TICKET_SIZE);

	if (v == VERDICT_OK) {
		a.account = g->account;
		a.address = g->address;
		if (ticket_make(&w->logins.tickets, g->use, g->account, g->app,
				g->door, g->verifier, clock_wall(), &ticket) != ST_OK)
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
	login_answer((struct login *)((char *)t - offsetof(struct login, held)), VERDICT_NO);
}

/* The same for who is not known. */
void login_decided(struct login *g, bool right)
{
	struct warden *w = g->w;
	steady_ms now = clock_steady();
	uint64_t hold = guess_end(&w->logins.guesses, &g->who, !right, (unsigned)w->proc.conf.login_failures, now);

	note(g, right, right ? "ok" : g->word ? g->word : "no");
	if (right) {
		login_answer(g, VERDICT_OK);
		return;
	}
	if (g->bytes.p)
		explicit_bzero(g->bytes.p, g->bytes.cap);
	g->held.fire = held_long_enough;
	if (w->logins.in_hand > HELD_MAX || loop_timer(w->proc.loop, &g->held, now + hold) != ST_OK)
		login_answer(g, VERDICT_NO);
}

void login_undecided(struct login *g, enum verdict v, const char *word)
{
	guess_drop(&g->w->logins.guesses, &g->who);
	note(g, false, word);
	login_answer(g, v);
}

/* ---- on a thread of the pool ---- */

static void work(struct pool_job *job)
{
	struct login *g = (struct login *)job;

	g->right = verifier_check(g->verifier, g->secret);
	g->upgrade = g->upgrade && g->right &&
		     scram_texts_make(g->secret, (uint32_t)g->w->proc.conf.scram_iterations, &g->texts) == ST_OK;
}

static void checked(struct pool_job *job)
{
	struct login *g = (struct login *)job;
	struct warden *w = g->w;
	bool right = g->right && g->known;
	enum status st = ST_OK;

	if (right && w->proc.conf.login_remember)
		remember_add(&w->logins.remember, g->account, g->verifier, g->secret,
			     clock_steady() + (steady_ms)w->proc.conf.login_remember);
	if (right && g->upgrade)
		st = directory_upgrade(w->directory, g->account, g->verifier, &g->texts);
	if (st != ST_OK && st != ST_DENIED)
		log_event(LOG_WARN_, "not-upgraded", "account=%llu why=\"%s\"", (unsigned long long)g->account,
			  status_name(st));
	login_decided(g, right);
}

/* ---- its beginning ---- */

static struct view kept(struct login *g, struct view v)
{
	size_t at = g->bytes.n;

	buf_put(&g->bytes, v);
	return buf_status(&g->bytes) == ST_OK ? view_make(g->bytes.p + at, v.n) : VIEW_NONE;
}

/* One allocation for all three, so that none moves and all is wiped. */
enum status login_keep(struct login *g, struct view address, struct view verifier, struct view secret)
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
	return buf_status(&g->bytes);
}

static void copy_text(char *to, size_t size, struct view v)
{
	snprintf(to, size, "%.*s", VIEW_ARG(v));
}

struct login *login_new(struct warden *w, uint32_t door, uint32_t call, uint64_t sid, enum service service,
			struct view peer, struct view tls, struct view mechanism)
{
	struct login *g = w->logins.in_hand < LOGINS_MAX ? calloc(1, sizeof *g) : NULL;

	if (g == NULL)
		return NULL;
	w->logins.in_hand++;
	*g = (struct login){
		.w = w, .door = door, .door_came = w->door_came[door], .call = call, .sid = sid,
		.who = { .network = guess_network(peer), .wide = guess_wide(peer) },
		.service = service, .use = service >= SERVICE_IMAP ? TICKET_ROOM : TICKET_LETTERS, .last = BUF(LAST_MAX),
	};
	copy_text(g->event.service, sizeof g->event.service, view_cstr(service_name(service)));
	copy_text(g->event.peer, sizeof g->event.peer, peer);
	copy_text(g->event.mechanism, sizeof g->event.mechanism, mechanism);
	copy_text(g->event.tls, sizeof g->event.tls, tls);
	return g;
}

enum status login_find(struct login *g, struct view name, struct account *ret, struct arena *a)
{
	enum status st = directory_account(g->w->directory, name, a, ret);

	if (st == ST_OK) {
		g->known = true;
		g->account = ret->id;
		g->who.account = ret->id;
		g->who.person = (ret->id * 0x9e3779b97f4a7c15u) ^ g->who.network;
	}
	return st;
}

enum status login_begin(struct login *g)
{
	return guess_begin(&g->w->logins.guesses, &g->who, clock_steady());
}

/* Acting for another is not offered: an authorization identity must name
 * the account itself (RFC 4616 2). */
static bool acts_for_itself(const struct rec_login_ask *in)
{
	return in->authzid.n == 0 || view_eq_i(in->authzid, in->name);
}

/* What is the same once more, is the same guess. */
static uint64_t pair_of(const struct warden *w, const struct rec_login_ask *in)
{
	const struct view parts[] = { in->name, in->secret };
	unsigned char mac[MAC_SIZE];
	uint64_t pair = 0;

	if (mac_of(&w->logins.remember.mac, parts, 2, mac) == ST_OK)
		memcpy(&pair, mac, sizeof pair);
	return pair;
}

/* ---- app passwords ---- */

static void app_was_used(struct warden *w, const struct app *app, wall_ms now)
{
	enum status st = now - app->used > APP_USED_MS ? directory_app_used(w->directory, app->id, now) : ST_OK;

	if (st != ST_OK)
		log_event(LOG_WARN_, "app-not-noted", "app=%llu why=\"%s\"", (unsigned long long)app->id,
			  status_name(st));
}

/* Is the secret one of the account's app passwords?  Then g has it, and word
 * says why it is not good here. */
static enum status find_app(struct login *g, struct view secret, struct arena *arena, struct app **ret)
{
	struct app *apps;
	size_t n;
	wall_ms now = clock_wall();
	enum status st;

	*ret = NULL;
	if (!app_password_is(secret))
		return ST_OK;
	st = directory_apps(g->w->directory, g->account, arena, &apps, &n);
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		if (!app_password_check(apps[i].verifier, secret))
			continue;
		*ret = &apps[i];
		g->app = apps[i].id;
		copy_text(g->event.app, sizeof g->event.app, apps[i].name);
		if (apps[i].expires && apps[i].expires <= now)
			g->word = "expired";
		else if (!(apps[i].scope & scope_of_service(g->service)))
			g->word = "scope";
		else
			app_was_used(g->w, &apps[i], now);
	}
	return st;
}

static bool has_scram(struct login *g)
{
	struct buf text = BUF(SCRAM_TEXT_MAX);
	/* Where it cannot be said there is nothing to make. */
	bool has = directory_secret(g->w->directory, g->account, scram_name(SCRAM_SHA_256), &text) != ST_MISSING;

	buf_free(&text);
	return has;
}

static enum status look_up(struct login *g, const struct rec_login_ask *in)
{
	struct arena arena = ARENA(ARENA_APPS);
	struct account acc;
	struct app *app = NULL;
	enum status st = login_find(g, in->name, &acc, &arena);

	if (st == ST_OK && !acts_for_itself(in)) {
		g->known = false;
		g->who.account = g->who.person = 0;
		st = ST_MISSING;
	}
	if (st == ST_OK)
		st = find_app(g, in->secret, &arena, &app);
	if (st == ST_OK)
		st = login_keep(g, acc.address, app ? app->verifier : acc.verifier, in->secret);
	else if (st == ST_MISSING)
		st = login_keep(g, VIEW(""), buf_view(&g->w->logins.dummy), in->secret);
	arena_free(&arena);
	return st;
}

/* What costs nothing is decided here, the rest by the pool. */
static void check(struct warden *w, struct login *g)
{
	steady_ms now = clock_steady();

	if (g->app) {
		login_decided(g, g->word == NULL);
	} else if (g->known && remember_has(&w->logins.remember, g->account, g->verifier, g->secret, now)) {
		login_decided(g, true);
	} else if (verifier_is_quick(g->verifier)) {
		login_decided(g, verifier_check(g->verifier, g->secret) && g->known);
	} else {
		g->upgrade = g->known && !has_scram(g);
		g->job.work = work;
		g->job.done = checked;
		if (pool_give(w->logins.pool, &g->job, g->who.familiar) != ST_OK)
			login_undecided(g, VERDICT_SLOW, "busy");
	}
}

void login_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_login_ask in;
	struct login *g;
	enum status st;

	if (!rec_take_login_ask(rec->body, &in) || in.service >= SERVICE_COUNT)
		return;
	g = login_new(w, (uint32_t)ch->peer_id, rec->call, rec->sid, (enum service)in.service, in.peer, in.tls,
		      in.mechanism);
	if (g == NULL) {
		rec_put_login_answer(&w->out, rec->call, rec->sid,
				     &(struct rec_login_answer){ .verdict = VERDICT_SLOW });
		(void)!role_send(ch, &w->out, -1);
		return;
	}
	g->who.pair = pair_of(w, &in);
	st = look_up(g, &in);
	if (st == ST_OK)
		st = login_begin(g);
	if (st == ST_OK) {
		check(w, g);
		return;
	}
	if (st == ST_LIMIT)
		note(g, false, "slow");
	login_answer(g, st == ST_LIMIT ? VERDICT_SLOW : VERDICT_LATER);
}

/* ---- rooms ---- */

/* Whose ticket this is, and a fresh one in its place, where that is wanted. */
static enum status renew(struct warden *w, enum ticket_use use, struct view old, uint32_t door, uint64_t *ret_account,
			 struct buf *fresh)
{
	struct arena arena = ARENA(ARENA_ACCOUNT);
	const struct mac *m = &w->logins.tickets;
	struct account acc = { 0 };
	struct app one = { 0 };
	uint64_t id, app;
	enum status st = ticket_account(use, old, &id, &app);

	if (st == ST_OK)
		st = directory_account_by_id(w->directory, id, &arena, &acc);
	if (st == ST_OK && app)
		st = directory_app(w->directory, app, &arena, &one);
	if (st == ST_OK && app && (one.account != id || (one.expires && one.expires <= clock_wall())))
		st = ST_DENIED;
	if (app)
		acc.verifier = one.verifier;
	if (st == ST_OK)
		st = ticket_check(m, use, old, door, acc.verifier, clock_wall());
	if (st == ST_OK && fresh)
		st = ticket_make(m, use, id, app, door, acc.verifier, clock_wall(), fresh);
	arena_free(&arena);
	if (st == ST_OK)
		*ret_account = id;
	return st;
}

enum status login_of_ticket(struct warden *w, enum ticket_use use, struct view ticket, uint32_t door,
			    uint64_t *ret_account)
{
	return renew(w, use, ticket, door, ret_account, NULL);
}

static enum verdict verdict_of_ticket(enum status st)
{
	bool bad = st == ST_DENIED || st == ST_SYNTAX || st == ST_TIMEOUT || st == ST_MISSING;

	return st == ST_OK ? VERDICT_OK : bad ? VERDICT_NO : VERDICT_LATER;
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
	st = renew(w, TICKET_ROOM, in.ticket, door, &a.account, &fresh);
	if (st == ST_OK && in.open) {
		rec_put_room_open(&w->out, 0, rec->sid,
				  &(struct rec_room_open){ a.account, ROLE_DOOR, door });
		st = role_send(&w->proc.parent, &w->out, -1);
	}
	if (st == ST_OK)
		a.ticket = buf_view(&fresh);
	else
		a = (struct rec_room_answer){ .verdict = (uint8_t)verdict_of_ticket(st) };
	rec_put_room_answer(&w->out, rec->call, rec->sid, &a);
	(void)!role_send(ch, &w->out, -1);
	buf_free(&fresh);
}

void url_room_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_url_room_ask in;
	struct rec_url_room_answer a = { 0 };
	uint32_t door = (uint32_t)ch->peer_id;
	uint64_t account;
	enum status st;

	if (!rec_take_url_room_ask(rec->body, &in))
		return;
	st = login_of_ticket(w, TICKET_LETTERS, in.ticket, door, &account);
	if (st == ST_OK) {
		rec_put_url_room_open(&w->out, 0, rec->sid, &(struct rec_url_room_open){ account, door });
		st = role_send(&w->proc.parent, &w->out, -1);
	}
	a.verdict = (uint8_t)verdict_of_ticket(st);
	rec_put_url_room_answer(&w->out, rec->call, rec->sid, &a);
	(void)!role_send(ch, &w->out, -1);
}
