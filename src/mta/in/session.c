/* session.c - the life of a session: greeting, lines, text, goodbye. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIFE_MAX = 16 * 1024, TX_MAX = 16 * 1024 * 1024 };

static const struct {
	short code;
	const char *enhanced, *text;
} replies[SAY_COUNT] = {
#define REPLY(name, code, enhanced, text) [SAY_##name] = { code, enhanced, text },
#include "mta/in/replies.def"
#undef REPLY
};

void smtp_reply(struct smtp_session *s, enum reply r)
{
	const char *enhanced = replies[r].enhanced;

	if (replies[r].code >= 400)
		s->errors++;
	buf_putf(conn_out(&s->conn), "%d %s%s%s\r\n", replies[r].code, enhanced, enhanced[0] ? " " : "",
		 replies[r].text);
}

void smtp_forget(struct smtp_session *s)
{
	sink_free(&s->sink);
	arena_free(&s->tx);
	s->env = (struct envelope){ 0 };
	s->recipients_cap = 0;
	s->has_sender = false;
}

void smtp_forget_client(struct smtp_session *s)
{
	smtp_forget(s);
	arena_free(&s->life);
	s->helo = VIEW_NONE;
	s->extended = false;
}

static void greet(struct smtp_session *s)
{
	s->greeted = true;
	buf_putf(conn_out(&s->conn), "220 %s ESMTP waxwing\r\n", s->host->conf->host_name);
}

static void put_text(void *arg, struct view run)
{
	struct smtp_session *s = arg;

	sink_put(&s->sink, run);
}

/* Bytes of DATA.  False when more must come first. */
static bool take_text(struct smtp_session *s)
{
	struct conn *c = &s->conn;
	size_t used;
	enum smtp_text_result r;

	if (conn_view(c).n == 0 && conn_fill(c) != ST_OK)
		return false;
	r = smtp_text_take(&s->text, conn_view(c), put_text, s, &used);
	conn_take(c, used);
	if (r == TEXT_MORE)
		return true;
	s->mode = MODE_COMMANDS;
	smtp_letter_finish(s);
	return true;
}

/* One command line.  False when more must come first. */
static bool take_line(struct smtp_session *s)
{
	struct view line;

	switch (conn_line(&s->conn, (size_t)s->host->conf->smtp_line, &line)) {
	case ST_OK:
		smtp_command(s, line);
		break;
	case ST_LIMIT:
		smtp_reply(s, SAY_LINE_TOO_LONG);
		break;
	case ST_SYNTAX:
		smtp_reply(s, SAY_BARE_LINE_END);
		break;
	default:
		return false;
	}
	if (s->errors > (uint32_t)s->host->conf->smtp_errors && !s->conn.closing) {
		smtp_reply(s, SAY_TOO_MANY_ERRORS);
		conn_close(&s->conn);
	}
	return true;
}

static void log_tls(const struct smtp_session *s, enum status st)
{
	struct buf what = BUF(256);

	conn_tls_text(&s->conn, &what);
	log_begin(LOG_INFO_, st == ST_OK ? "tls" : "tls-failed");
	log_hex("sid", s->sid);
	if (st == ST_OK)
		log_view("with", buf_view(&what));
	else
		log_str("why", status_name(st));
	log_end();
	buf_free(&what);
}

/* False when the client has not begun, or it failed (and the conn is broken). */
static bool handshake(struct smtp_session *s)
{
	enum status st;

	if (!s->conn.readable)
		return false;
	st = conn_start_tls(&s->conn, s->host->tls, "smtp", (uint64_t)s->host->conf->tls_handshake);
	log_tls(s, st);
	if (st != ST_OK)
		return false;
	smtp_forget_client(s);
	s->mode = MODE_COMMANDS;
	return true;
}

static bool step(struct smtp_session *s)
{
	switch (s->mode) {
	case MODE_TEXT:
		return take_text(s);
	case MODE_HANDSHAKE:
		/* Our 220 must be sent first. */
		return s->conn.out.n == 0 && handshake(s);
	default:
		return take_line(s);
	}
}

static void serve(struct conn *c)
{
	struct smtp_session *s = (struct smtp_session *)c;

	if (s->mode == MODE_HANDSHAKE && !step(s))
		return;
	if (!s->greeted)
		greet(s);
	while (!c->closing && !c->broken)
		if (!step(s))
			return;
}

static void late(struct conn *c)
{
	struct smtp_session *s = (struct smtp_session *)c;

	/* Half-way to TLS there is nothing that we could say. */
	if (s->mode == MODE_HANDSHAKE)
		return;
	smtp_reply(s, *s->host->stopping ? SAY_SHUTTING_DOWN : SAY_TOO_SLOW);
}

static void ended(struct conn *c)
{
	struct smtp_session *s = (struct smtp_session *)c;

	log_begin(LOG_INFO_, "disconnect");
	log_hex("sid", s->sid);
	log_u64("letters", s->letters);
	log_u64("errors", s->errors);
	log_end();
	smtp_forget(s);
	arena_free(&s->life);
	s->host->ended(s->host->door, s);
	free(s);
}

enum status smtp_session_open(const struct smtp_host *host, enum service service, int fd,
			      const char *peer, uint64_t sid)
{
	struct smtp_session *s = calloc(1, sizeof *s);
	enum status st;

	if (s == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	s->host = host;
	s->service = service;
	s->sid = sid;
	s->sink.fd = -1;
	s->mode = service_implicit_tls(service) ? MODE_HANDSHAKE : MODE_COMMANDS;
	s->life = ARENA(LIFE_MAX);
	s->tx = ARENA(TX_MAX);
	snprintf(s->peer, sizeof s->peer, "%s", peer);
	s->conn.serve = serve;
	s->conn.late = late;
	s->conn.ended = ended;
	s->conn.patience = (uint64_t)host->conf->smtp_timeout;
	st = conn_open(&s->conn, host->loop, fd);
	if (st != ST_OK) {
		free(s);
		return st;
	}
	log_begin(LOG_INFO_, "connect");
	log_hex("sid", sid);
	log_str("service", service_name(service));
	log_str("peer", peer);
	log_end();
	conn_begin(&s->conn);
	return ST_OK;
}
