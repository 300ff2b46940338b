/* auth.c - AUTH (RFC 4954), on the ports of submission. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdlib.h>

enum { CHALLENGE_MAX = 48 * 1024 };

bool smtp_auth_safe(const struct smtp_session *s)
{
	return conn_has_tls(&s->conn) || (s->host->conf->login_clear_text && s->loopback);
}

void smtp_auth_offer(const struct smtp_session *s, struct sasl_offer *ret)
{
	*ret = (struct sasl_offer){
		.tls = smtp_auth_safe(s), .in_clear = s->host->conf->login_without_tls,
		.bindable = conn_tls_bindable(&s->conn), .certificate = conn_tls_has_client(&s->conn),
		.issuer = *s->host->tokens, .wanted = s->host->conf->login_mechanisms,
	};
}

void smtp_auth_forget(struct smtp_session *s)
{
	if (s->proving) {
		prove_end(s->proving);
		free(s->proving);
		s->proving = NULL;
	}
	if (s->mode == MODE_AUTH)
		s->mode = MODE_COMMANDS;
}

static enum reply decided(struct smtp_session *s)
{
	const struct proving *p = s->proving;

	switch (p->verdict) {
	case VERDICT_OK:
		buf_clear(&s->login);
		buf_put(&s->login, buf_view(&p->address));
		buf_clear(&s->ticket);
		buf_put(&s->ticket, buf_view(&p->ticket));
		if (buf_status(&s->login) != ST_OK || buf_status(&s->ticket) != ST_OK)
			return SAY_LOGIN_LATER;
		s->account = p->account;
		return SAY_LOGGED_IN;
	case VERDICT_NO:
		s->failures++;
		return SAY_LOGIN_WRONG;
	case VERDICT_SLOW:
		s->failures++;
		return SAY_LOGIN_SLOW;
	default:
		return SAY_LOGIN_LATER;
	}
}

static void go_on(struct smtp_session *s, int r, struct buf *challenge)
{
	static const enum reply why[] = {
		[SASL_UNKNOWN] = SAY_NO_MECHANISM, [SASL_CANCELLED] = SAY_LOGIN_CANCELLED,
		[SASL_BAD] = SAY_LOGIN_BAD,	   [SASL_TOO_LONG] = SAY_LOGIN_TOO_LONG,
		[SASL_FULL] = SAY_LOGIN_LATER,
	};

	if (r == SASL_MORE) {
		s->mode = MODE_AUTH;
		smtp_say(s, 334, "", buf_view(challenge));
		return;
	}
	smtp_reply(s, r == SASL_DONE ? decided(s) : why[r]);
	smtp_auth_forget(s);
	if (s->failures >= (uint32_t)s->host->conf->login_errors && s->account == 0) {
		smtp_reply(s, SAY_TOO_MANY_FAILURES);
		conn_close(&s->conn);
	}
}

/* A password does not stay in the connection's buffer. */
static void wipe_line(struct view line)
{
	if (line.n)
		explicit_bzero((char *)line.p, line.n);
}

/* A copy: while we wait for warden the connection's buffer may move. */
static enum status lift(struct view line, struct buf *copy)
{
	buf_put(copy, line);
	wipe_line(line);
	return buf_status(copy);
}

void smtp_auth_line(struct smtp_session *s, struct view line)
{
	struct buf challenge = BUF(CHALLENGE_MAX), copy = BUF(SASL_LINE_MAX + 1);
	int r = lift(line, &copy) == ST_OK ? prove_line(s->proving, buf_view(&copy), &challenge) : SASL_TOO_LONG;

	go_on(s, r, &challenge);
	buf_wipe(&copy);
	buf_free(&challenge);
}

static struct proving *new_proving(struct smtp_session *s)
{
	struct proving *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	*p = (struct proving){
		.warden = s->host->warden, .loop = s->host->loop, .stopping = s->host->stopping,
		.conn = &s->conn, .service = s->service, .peer = s->peer, .sid = s->sid,
	};
	smtp_auth_offer(s, &p->offer);
	return p;
}

static void begin(struct smtp_session *s, struct view rest)
{
	struct view mechanism = view_head(rest, view_find(rest, ' '));
	struct view initial = view_trim(view_skip(rest, mechanism.n));
	struct buf challenge = BUF(CHALLENGE_MAX);

	go_on(s, prove_begin(s->proving, mechanism, initial.n ? initial : VIEW_NONE, &challenge), &challenge);
	buf_free(&challenge);
}

enum reply cmd_auth(struct smtp_session *s, struct view rest)
{
	struct buf copy = BUF(SASL_LINE_MAX + 1);
	enum reply r = SAY_NOTHING;

	if (!smtp_is_submission(s) || s->local.here)
		return SAY_NOT_IMPLEMENTED;
	if (s->account || s->has_sender)
		return SAY_BAD_SEQUENCE;
	if (!smtp_auth_safe(s) && !s->host->conf->login_without_tls) {
		wipe_line(rest);
		return SAY_NEED_TLS;
	}
	if (rest.n == 0)
		return SAY_BAD_ARGUMENT;
	s->proving = new_proving(s);
	if (s->proving == NULL)
		return SAY_LOGIN_LATER;
	if (lift(rest, &copy) == ST_OK)
		begin(s, buf_view(&copy));
	else
		r = SAY_LOGIN_TOO_LONG;
	buf_wipe(&copy);
	return r;
}
