/* session.c - the life of a session: greeting, lines, goodbye. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TX_MAX = 16 * 1024 * 1024, LOGIN_MAX = 512, TICKET_MAX = 256, GREETING_MAX = 64 };

static const struct {
	short code;
	const char *enhanced, *text;
} replies[SAY_COUNT] = {
#define REPLY(name, code, enhanced, text) [SAY_##name] = { code, enhanced, text },
#include "mta/in/replies.def"
#undef REPLY
};

void smtp_say(struct smtp_session *s, int code, const char *enhanced, struct view text)
{
	struct buf *out = conn_out(&s->conn);

	for (;;) {
		struct view line = view_head(text, view_find(text, '\n'));
		bool last = line.n == text.n;
		size_t begins = out->n;

		buf_putu(out, (uint64_t)code);
		buf_putc(out, last ? ' ' : '-');
		if (s->extended && enhanced[0]) {
			buf_puts(out, enhanced);
			buf_putc(out, ' ');
		}
		buf_put(out, line);
		smtp_dialog_reply(s, view_skip(buf_view(out), begins));
		buf_puts(out, "\r\n");
		if (last)
			break;
		text = view_skip(text, line.n + 1);
	}
	s->errors += code >= 400;
}

void smtp_reply(struct smtp_session *s, enum reply r)
{
	smtp_say(s, replies[r].code, replies[r].enhanced, view_cstr(replies[r].text));
}

void smtp_reply_with(struct smtp_session *s, enum reply r, struct view text)
{
	smtp_say(s, replies[r].code, replies[r].enhanced, text);
}

const char *smtp_reply_text(enum reply r)
{
	return replies[r].text;
}

void smtp_forget(struct smtp_session *s)
{
	smtp_checks_forget(s);
	sink_free(&s->sink);
	arena_free(&s->tx);
	s->env = (struct envelope){ 0 };
	s->env_size = 0;
	s->recipients_cap = 0;
	s->local.key[0] = '\0';
	s->has_sender = s->text_begun = s->last = false;
	s->sender_own = s->priority_given = s->priority_changed = s->tell_hold = false;
	s->sent_asked = 0;
	s->protect_asked = PROTECT_UNASKED;
	s->protect = PROTECT_OFF;
	s->recipients_taken = 0;
	s->bcc = VIEW_NONE;
	s->challenge = NULL;
	s->chunk_refusal = 0;
}

/* RFC 3207 4.2: after the handshake nothing is known of what was said before. */
static void smtp_forget_client(struct smtp_session *s)
{
	smtp_forget(s);
	smtp_auth_forget(s);
	buf_free(&s->helo);
	buf_free(&s->login);
	buf_wipe(&s->ticket);
	s->account = 0;
	s->extended = false;
}

static void greet(struct smtp_session *s)
{
	struct buf text = BUF(DOMAIN_MAX + GREETING_MAX);

	s->greeted = true;
	buf_putf(&text, "%s Simple Mail Transfer Service Ready", s->host->conf->host_name);
	smtp_say(s, 220, "", buf_view(&text));
	buf_free(&text);
}

/* ---- lines ---- */

static void refuse_and_close(struct smtp_session *s, enum reply r)
{
	smtp_reply(s, r);
	conn_close(&s->conn);
}

static void patience_is_over(struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;

	if (s->conn.closing)
		return;
	if (s->errors > (uint32_t)conf->smtp_errors)
		refuse_and_close(s, SAY_TOO_MANY_ERRORS);
	else if (s->idle > (uint32_t)conf->smtp_idle)
		refuse_and_close(s, SAY_TOO_MANY_IDLE);
}

/* AUTH may bring a long initial response (RFC 4954 4); smtp_command holds the
 * other commands to smtp.line. */
static size_t longest_line(const struct smtp_session *s)
{
	enum { AUTH_LINE_MAX = SASL_LINE_MAX + 64 };
	size_t set = (size_t)s->host->conf->smtp_line;

	if (s->mode == MODE_AUTH)
		return SASL_LINE_MAX;
	return smtp_is_submission(s) && s->account == 0 && set < AUTH_LINE_MAX ? AUTH_LINE_MAX : set;
}

/* One command line.  False when more must come first. */
static bool take_line(struct smtp_session *s)
{
	size_t most = longest_line(s);
	struct view line;

	switch (conn_line(&s->conn, most, &line)) {
	case ST_OK:
		smtp_dialog_line(s, line);
		if (s->mode == MODE_AUTH)
			smtp_auth_line(s, line);
		else
			smtp_command(s, line);
		break;
	case ST_LIMIT:
		smtp_auth_forget(s);
		smtp_reply(s, SAY_LINE_TOO_LONG);
		break;
	case ST_SYNTAX:
		smtp_auth_forget(s);
		smtp_reply(s, SAY_BARE_LINE_END);
		break;
	default:
		return false;
	}
	patience_is_over(s);
	return true;
}

/* ---- TLS ---- */

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
		return smtp_take_text(s);
	case MODE_CHUNK:
		return smtp_take_chunk_bytes(s);
	case MODE_HANDSHAKE:
		/* Our 220 must be sent first. */
		return s->conn.out.n == 0 && handshake(s);
	default:
		return take_line(s);
	}
}

/* ---- the conn's three ---- */

static void serve(struct conn *c)
{
	struct smtp_session *s = (struct smtp_session *)c;

	if (s->mode == MODE_HANDSHAKE && !step(s))
		return;
	if (s->local.here && !s->local.asked && !smtp_local_begin(s))
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
	smtp_forget_client(s);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->host->ended(s->host->door, s->sid);
	iprev_drop(s->address);
	free(s);
}

static void enlist(struct smtp_session *s)
{
	s->prev = s->host->sessions;
	s->next = *s->prev;
	if (s->next)
		s->next->prev = &s->next;
	*s->prev = s;
}

void smtp_sessions_stop(const struct smtp_host *host)
{
	/* None ends on this stack: its clock does it. */
	for (struct smtp_session *s = *host->sessions; s; s = s->next)
		conn_limit(&s->conn, 1);
}

static void log_connect(const struct smtp_session *s)
{
	log_begin(LOG_INFO_, "connect");
	log_hex("sid", s->sid);
	log_str("service", service_name(s->service));
	log_str("peer", s->peer);
	log_end();
}

static enum status open_session(const struct smtp_host *host, enum service service, int fd, const char *peer,
				bool loopback, const struct local_user *local, uint64_t sid)
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
	s->loopback = loopback;
	if (local)
		s->local = *local;
	s->sink.fd = -1;
	s->mode = service_implicit_tls(service) ? MODE_HANDSHAKE : MODE_COMMANDS;
	s->helo = BUF(DOMAIN_MAX);
	s->login = BUF(LOGIN_MAX);
	s->ticket = BUF(TICKET_MAX);
	s->tx = ARENA(TX_MAX);
	snprintf(s->peer, sizeof s->peer, "%s", peer);
	s->conn.serve = serve;
	s->conn.late = late;
	s->conn.ended = ended;
	s->conn.patience = (uint64_t)host->conf->smtp_timeout;
	/* Other servers have certificates too, but nothing to prove by them. */
	s->conn.wants_client = smtp_is_submission(s);
	st = conn_open(&s->conn, host->loop, fd);
	if (st != ST_OK) {
		free(s);
		return st;
	}
	enlist(s);
	log_connect(s);
	conn_begin(&s->conn);
	return ST_OK;
}

enum status smtp_session_open(const struct smtp_host *host, enum service service, int fd,
			      const char *peer, bool loopback, uint64_t sid)
{
	return open_session(host, service, fd, peer, loopback, NULL, sid);
}

enum status smtp_local_open(const struct smtp_host *host, int fd, const struct local_user *who, uint64_t sid)
{
	static const char busy[] = "421 4.7.0 Too many connections of yours\r\n";
	int64_t n = 0;

	for (struct smtp_session *s = *host->sessions; s; s = s->next)
		n += s->local.here && s->local.uid == who->uid;
	if (n < host->conf->local_connections)
		return open_session(host, SERVICE_LOCAL, fd, "local", false, who, sid);
	(void)!send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	return ST_LIMIT;
}
