/* person.c - a person's connection from its greeting to its end. */
#include "door/login/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COMMAND_ARENA = 64 * 1024, TAG_MAX = 1024, CARRY_MAX = CONN_IN + 20 * 1024 };

static const char *const whys[BYE_COUNT] = {
	[BYE_STOPPING] = "stopping", [BYE_LATE] = "late",    [BYE_ERRORS] = "errors",
	[BYE_GUESSING] = "guessing", [BYE_ROOM] = "no-room", [BYE_TICKET] = "ticket",
};

void person_log(const struct person *p, const char *event, const char *why)
{
	log_begin(LOG_INFO_, event);
	log_hex("sid", p->sid);
	if (p->account)
		log_u64("account", p->account);
	if (why)
		log_str("why", why);
	log_end();
}

/* ---- the login's own memory ---- */

static void forget_login(struct person *p)
{
	struct login *l = p->login;

	if (l == NULL)
		return;
	imap_reader_free(&l->reader);
	arena_free(&l->arena);
	prove_end(&l->proving);
	buf_free(&l->challenge);
	buf_free(&l->tag);
	buf_free(&l->name);
	free(l);
	p->login = NULL;
}

/* Also after STARTTLS: what was said in clear is not known any more
 * (RFC 9051 6.2.1, RFC 2595 4). */
static enum status fresh_login(struct person *p)
{
	unsigned errors = p->login ? p->login->errors : 0;

	forget_login(p);
	p->login = calloc(1, sizeof *p->login);
	if (p->login == NULL)
		return ST_NOMEM;
	p->login->arena = ARENA(COMMAND_ARENA);
	p->login->challenge = BUF(SASL_LINE_MAX);
	p->login->tag = BUF(TAG_MAX);
	p->login->name = BUF(SASL_NAME_MAX);
	p->login->errors = errors;
	imap_reader_begin(&p->login->reader, SASL_LINE_MAX + TAG_MAX, 0);
	return ST_OK;
}

/* ---- its end ---- */

static void ended(struct conn *c)
{
	struct person *p = person_of(c);
	struct people *h = p->host;
	uint64_t sid = p->sid;

	person_log(p, "disconnect", NULL);
	carry_close(&p->pair);
	if (p->spare >= 0)
		close(p->spare);
	rooms_leave(p);
	forget_login(p);
	buf_free(&p->ticket);
	buf_free(&p->state);
	buf_free(&p->carry);
	map_remove(&h->by_sid, sid);
	h->n--;
	free(p->peer);
	free(p);
	h->ended(h->door, sid);
}

void person_finish(struct person *p)
{
	struct conn *c = &p->conn;

	if (c->out.n && conn_return(c) != ST_OK)
		c->broken = true;
	p->phase = PERSON_MOVING;	/* nothing is served any more */
	p->last_words = true;
	if (c->running) {
		conn_close(c);
		return;
	}
	conn_pause(c, true);
	if (conn_push(c) != ST_AGAIN)
		conn_close(c);
}

static void drained(struct conn *c)
{
	struct person *p = person_of(c);

	if (p->last_words)
		conn_close(c);
	else if (p->phase == PERSON_IN_ROOM)
		carry_drained(&p->pair);
}

/* The room has closed: we wait for its word on why. */
static void pair_over(struct carry *k, bool broken)
{
	if (broken)
		person_bye(person_of(k->conn), BYE_ROOM);
}

static void put_bye(struct person *p, enum bye why)
{
	buf_puts(conn_out(&p->conn), p->front->byes[why]);
}

void person_bye(struct person *p, enum bye why)
{
	if (p->last_words)
		return;
	person_log(p, "bye", whys[why]);
	if (p->phase != PERSON_HANDSHAKE)
		put_bye(p, why);
	person_finish(p);
}

void person_error(struct person *p)
{
	if (++p->login->errors >= (unsigned)p->host->conf->login_errors)
		person_bye(p, BYE_ERRORS);
}

/* ---- proving ---- */

void person_offer(const struct person *p, struct sasl_offer *ret)
{
	*ret = (struct sasl_offer){
		.tls = person_safe(p), .in_clear = p->host->conf->login_without_tls,
		.bindable = conn_tls_bindable(&p->conn), .certificate = conn_tls_has_client(&p->conn),
		.issuer = *p->host->tokens, .wanted = p->host->conf->login_mechanisms,
	};
}

struct proving *person_proving(struct person *p)
{
	struct proving *pr = &p->login->proving;

	prove_end(pr);
	*pr = (struct proving){
		.warden = p->host->warden, .loop = p->host->loop, .stopping = p->host->stopping,
		.conn = &p->conn, .service = p->service, .peer = p->peer, .sid = p->sid,
	};
	person_offer(p, &pr->offer);
	return pr;
}

const char *person_lacks(const struct person *p)
{
	const struct conf *conf = p->host->conf;
	struct tls_demand level = { conf->tls_least_version, conf->tls_least_bits, conf->tls_client_certificate };

	return conf_demands_tls(conf, p->service) ? conn_tls_lacks(&p->conn, &level) : NULL;
}

static enum status take_answer(struct person *p, const struct proving *pr)
{
	struct session_state s = {
		.service = (uint8_t)p->service, .sid = p->sid, .account = pr->account,
		.address = buf_view(&pr->address), .peer = view_cstr(p->peer),
		.flags = SESSION_FRESH | (conn_has_tls(&p->conn) ? SESSION_TLS : 0) |
			 (p->loopback ? SESSION_LOOPBACK : 0) | (p->login->utf8 ? SESSION_UTF8 : 0),
	};

	p->account = pr->account;
	p->ticket = BUF(RECORD_MAX);
	p->state = BUF(SESSION_MAX);
	buf_put(&p->ticket, buf_view(&pr->ticket));
	session_put(&p->state, &s);
	p->fresh = true;
	return buf_status(&p->ticket) == ST_OK ? buf_status(&p->state) : ST_NOMEM;
}

enum verdict person_proved(struct person *p)
{
	struct proving *pr = &p->login->proving;
	enum verdict v = pr->verdict;

	if (v == VERDICT_OK && take_answer(p, pr) != ST_OK)
		v = VERDICT_LATER;
	prove_end(pr);
	return v;
}

/* The record again, now with the tag that the room has to answer. */
static enum status set_tag(struct person *p, struct view tag)
{
	struct buf with = BUF(SESSION_MAX);
	struct session_state s;
	enum status st = session_take(buf_view(&p->state), &s);

	if (st == ST_OK) {
		s.tag = tag;
		session_put(&with, &s);
		st = buf_status(&with);
	}
	if (st != ST_OK) {
		buf_free(&with);
		return st;
	}
	buf_free(&p->state);
	p->state = with;
	return ST_OK;
}

void person_enter(struct person *p, struct view tag)
{
	struct door_room *room = rooms_get(p->host, p->account);
	enum status st = room ? set_tag(p, tag) : ST_NOMEM;

	if (st == ST_OK) {
		rooms_join(p, room);
		forget_login(p);
		conn_limit(&p->conn, 0);
		rooms_move(p);
	} else {
		person_bye(p, BYE_ROOM);
	}
}

/* ---- serving ---- */

/* False when the client has not begun, or it failed (and the conn is broken). */
static bool handshake(struct person *p)
{
	struct conn *c = &p->conn;
	enum status st;

	if (!c->readable)
		return false;
	st = conn_start_tls(c, p->host->tls, p->front->alpn, (uint64_t)p->host->conf->login_timeout);
	if (st == ST_OK)
		st = fresh_login(p);
	if (st != ST_OK) {
		person_log(p, "tls-failed", status_name(st));
		c->broken = true;
		return false;
	}
	p->starts_tls = false;
	p->phase = PERSON_LOGIN;
	return true;
}

/* Gone already?  Then no room needs to start for him. */
static bool hung_up(struct person *p)
{
	struct conn *c = &p->conn;
	char byte;
	ssize_t n;
	enum status st;

	if (!c->readable)
		return false;
	if (!conn_has_tls(c)) {
		/* The bytes are for the room to read. */
		n = recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		c->readable = n > 0;
		c->broken = n == 0;
		return c->broken;
	}
	st = conn_fill(c);
	return st != ST_OK && st != ST_AGAIN && st != ST_LIMIT;
}

/* A parked session stirs. */
static void stir(struct person *p)
{
	if (hung_up(p))
		return;
	/* Readable TLS may have had news of its own only. */
	if (p->wake || (conn_has_tls(&p->conn) ? conn_view(&p->conn).n > 0 : p->conn.readable))
		rooms_move(p);
}

static void serve_login(struct person *p)
{
	struct conn *c = &p->conn;

	if (!p->greeted) {
		p->greeted = true;
		p->front->greet(p);
	}
	while (p->phase == PERSON_LOGIN && !c->closing && !c->broken) {
		if (!p->front->step(p))
			return;
		if (!p->starts_tls)
			continue;
		/* Our answer goes out in clear, and then nothing more does. */
		if (conn_flush(c) != ST_OK)
			return;
		p->phase = PERSON_HANDSHAKE;
		if (!handshake(p))
			return;
	}
}

static void serve(struct conn *c)
{
	struct person *p = person_of(c);

	if (p->phase == PERSON_HANDSHAKE && !handshake(p))
		return;
	if (p->phase == PERSON_LOGIN)
		serve_login(p);
	else if (p->phase == PERSON_PARKED)
		stir(p);
	else if (p->phase == PERSON_IN_ROOM)
		carry_serve(&p->pair);
}

static void late(struct conn *c)
{
	struct person *p = person_of(c);

	if (p->phase == PERSON_LOGIN || p->phase == PERSON_PARKED)
		put_bye(p, *p->host->stopping ? BYE_STOPPING : BYE_LATE);
}

/* ---- its beginning ---- */

static enum status prepare(struct person *p, const char *peer)
{
	p->peer = strdup(peer);
	p->phase = service_implicit_tls(p->service) ? PERSON_HANDSHAKE : PERSON_LOGIN;
	p->front = p->service == SERVICE_IMAP || p->service == SERVICE_IMAPS ? &imap_front : &pop3_front;
	p->spare = -1;
	carry_init(&p->pair, &p->conn, pair_over);
	p->carry = BUF(CARRY_MAX);
	p->conn.serve = serve;
	p->conn.late = late;
	p->conn.drained = drained;
	p->conn.ended = ended;
	p->conn.patience = (uint64_t)p->host->conf->login_timeout;
	p->conn.wants_client = true;
	return p->peer ? fresh_login(p) : ST_NOMEM;
}

enum status person_open(struct people *h, enum service service, int fd, const char *peer, bool loopback,
			uint64_t sid)
{
	struct person *p = calloc(1, sizeof *p);
	enum status st;

	if (p == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	p->host = h;
	p->service = service;
	p->sid = sid;
	p->loopback = loopback;
	st = prepare(p, peer);
	if (st == ST_OK)
		st = map_set(&h->by_sid, sid, p);
	if (st != ST_OK)
		close(fd);
	else
		st = conn_open(&p->conn, h->loop, fd);
	if (st != ST_OK) {
		map_remove(&h->by_sid, sid);
		forget_login(p);
		free(p->peer);
		free(p);
		return st;
	}
	h->n++;
	conn_limit(&p->conn, (uint64_t)h->conf->login_timeout);
	log_begin(LOG_INFO_, "connect");
	log_hex("sid", sid);
	log_str("service", service_name(service));
	log_str("peer", peer);
	log_end();
	conn_begin(&p->conn);
	return ST_OK;
}

void people_begin(struct people *h)
{
	h->out = BUF(RECORD_MAX);
}

void people_stop(struct people *h)
{
	size_t at = 0;
	struct person *p;

	/* None ends on this stack: conn_close leaves that to the loop. */
	while ((p = map_next(&h->by_sid, &at)) != NULL)
		if (p->phase != PERSON_IN_ROOM)
			person_bye(p, BYE_STOPPING);
}
