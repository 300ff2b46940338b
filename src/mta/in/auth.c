/* auth.c - AUTH (RFC 4954), on the ports of submission. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdlib.h>

enum { CHALLENGE_MAX = 16 * 1024, ANSWER_MAX = 4096 };

bool smtp_auth_safe(const struct smtp_session *s)
{
	return conn_has_tls(&s->conn) || (s->host->conf->login_clear_text && s->loopback);
}

void smtp_auth_forget(struct smtp_session *s)
{
	if (s->sasl) {
		sasl_end(s->sasl);
		free(s->sasl);
		s->sasl = NULL;
	}
	if (s->mode == MODE_AUTH)
		s->mode = MODE_COMMANDS;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

static enum reply ask_warden(struct smtp_session *s)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(ANSWER_MAX);
	struct rec_login_answer in = { .verdict = VERDICT_LATER };
	uint16_t type;
	enum reply r = SAY_LOGIN_LATER;

	rec_put_login_ask(&b, 0, s->sid,
			  &(struct rec_login_ask){ (uint8_t)s->service, view_cstr(s->peer), sasl_name(s->sasl),
						   sasl_secret(s->sasl), sasl_authzid(s->sasl) });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) != ST_OK ||
	    type != REC_login_answer || !rec_take_login_answer(buf_view(&answer), &in))
		in.verdict = VERDICT_LATER;
	if (in.verdict == VERDICT_OK && in.account) {
		buf_clear(&s->login);
		buf_put(&s->login, in.address);
		s->account = in.account;
		r = SAY_LOGGED_IN;
	} else if (in.verdict == VERDICT_NO) {
		r = SAY_LOGIN_WRONG;
	} else if (in.verdict == VERDICT_SLOW) {
		r = SAY_LOGIN_SLOW;
	}
	wipe(&b);
	wipe(&answer);
	return r;
}

static void go_on(struct smtp_session *s, enum sasl_result r, struct buf *challenge)
{
	static const enum reply why[] = {
		[SASL_UNKNOWN] = SAY_NO_MECHANISM, [SASL_CANCELLED] = SAY_LOGIN_CANCELLED,
		[SASL_BAD] = SAY_LOGIN_BAD,	   [SASL_TOO_LONG] = SAY_LOGIN_TOO_LONG,
		[SASL_FULL] = SAY_LOGIN_LATER,
	};

	if (r == SASL_MORE) {
		s->mode = MODE_AUTH;
		smtp_say(s, 334, "", buf_view(challenge));
	} else {
		smtp_reply(s, r == SASL_PROVE ? ask_warden(s) : why[r]);
		smtp_auth_forget(s);
	}
}

/* A password does not stay in the connection's buffer. */
static void wipe_line(struct view line)
{
	if (line.n)
		explicit_bzero((char *)line.p, line.n);
}

void smtp_auth_line(struct smtp_session *s, struct view line)
{
	struct buf challenge = BUF(CHALLENGE_MAX);
	enum sasl_result r = sasl_line(s->sasl, line, &challenge);

	wipe_line(line);
	go_on(s, r, &challenge);
	buf_free(&challenge);
}

enum reply cmd_auth(struct smtp_session *s, struct view rest)
{
	struct view mechanism = view_head(rest, view_find(rest, ' '));
	struct view initial = view_trim(view_skip(rest, mechanism.n));
	struct buf challenge = BUF(CHALLENGE_MAX);
	enum sasl_result r;

	if (!smtp_is_submission(s))
		return SAY_NOT_IMPLEMENTED;
	if (s->account || s->has_sender)
		return SAY_BAD_SEQUENCE;
	if (!smtp_auth_safe(s)) {
		wipe_line(rest);
		return SAY_NEED_TLS;
	}
	if (mechanism.n == 0)
		return SAY_BAD_ARGUMENT;
	s->sasl = calloc(1, sizeof *s->sasl);
	if (s->sasl == NULL)
		return SAY_LOGIN_LATER;
	r = sasl_begin(s->sasl, mechanism, initial.n ? initial : VIEW_NONE, &challenge);
	wipe_line(rest);
	go_on(s, r, &challenge);
	buf_free(&challenge);
	return SAY_NOTHING;
}
