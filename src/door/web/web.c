#include "door/web/web.h"

#include "base/log.h"
#include "wire/carry.h"

#include <stdlib.h>
#include <unistd.h>

enum { SILENCE_MS = (HTTP_SILENCE_S + 5) * 1000, TOTAL_MS = 600000 };

/* One connection. */
struct visit {
	struct conn conn;
	struct carry pair;
	struct web *web;
	uint64_t sid;
	bool secure;
	bool begun;		/* the library has the other end */
};

static struct visit *visit_of(struct conn *c)
{
	return (struct visit *)c;
}

static bool handshake(struct visit *v)
{
	enum status st;

	if (!v->conn.readable)
		return false;
	st = conn_start_tls(&v->conn, v->web->tls, "http/1.1", (uint64_t)v->web->conf->tls_handshake);
	if (st != ST_OK) {
		log_begin(LOG_INFO_, "tls-failed");
		log_hex("sid", v->sid);
		log_str("why", status_name(st));
		log_end();
	}
	return st == ST_OK;
}

static enum status begin(struct visit *v)
{
	int other = -1;
	enum status st = carry_open(&v->pair, &other);

	if (st == ST_OK)
		st = http_take(v->secure ? v->web->secure : v->web->clear, other);
	v->begun = st == ST_OK;
	return st;
}

static void serve(struct conn *c)
{
	struct visit *v = visit_of(c);

	if (v->secure && !conn_has_tls(c) && !handshake(v))
		return;
	if (!v->begun && begin(v) != ST_OK)
		conn_close(c);
	else
		carry_serve(&v->pair);
}

static void drained(struct conn *c)
{
	carry_drained(&visit_of(c)->pair);
}

/* The library has closed its end: what it said is in out, or sent. */
static void pair_over(struct carry *k, bool broken)
{
	(void)broken;
	conn_close(k->conn);
}

static void late(struct conn *c)
{
	(void)c;
}

static void ended(struct conn *c)
{
	struct visit *v = visit_of(c);

	log_begin(LOG_INFO_, "disconnect");
	log_hex("sid", v->sid);
	log_end();
	carry_close(&v->pair);
	v->web->ended(v->web->door, v->sid);
	free(v);
}

enum status web_open(struct web *w, enum service service, int fd, const char *peer, uint64_t sid)
{
	struct visit *v = calloc(1, sizeof *v);
	enum status st;

	if (v == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	v->web = w;
	v->sid = sid;
	v->secure = service == SERVICE_HTTPS;
	carry_init(&v->pair, &v->conn, pair_over);
	v->conn.serve = serve;
	v->conn.late = late;
	v->conn.drained = drained;
	v->conn.ended = ended;
	v->conn.patience = SILENCE_MS;
	st = conn_open(&v->conn, w->loop, fd);
	if (st != ST_OK) {
		free(v);
		return st;
	}
	conn_limit(&v->conn, TOTAL_MS);
	log_begin(LOG_INFO_, "connect");
	log_hex("sid", sid);
	log_str("service", service_name(service));
	log_str("peer", peer);
	log_end();
	conn_begin(&v->conn);
	return ST_OK;
}

enum status web_begin(struct web *w)
{
	enum status st = http_new(w->loop, web_page, w, &w->secure);

	return st == ST_OK ? http_new(w->loop, web_lead_to_tls, w, &w->clear) : st;
}
