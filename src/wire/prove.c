#include "wire/prove.h"

#include "wire/tls.h"

enum { ASK_MS = 30000, TRIES = 20, TRY_AGAIN_MS = 200, ANSWER_MAX = 32 * 1024, TLS_TEXT_MAX = 256 };

/* Warden may be on its way up again; a question that it never got may be
 * asked of the next.  What an exchange has in it dies with it. */
static enum status ask(struct proving *p, struct buf *b, bool again, struct buf *answer, uint16_t *ret_type)
{
	enum status st = ST_CLOSED;

	for (int i = 0; i < (again ? TRIES : 1) && st == ST_CLOSED && !*p->stopping; i++) {
		if (i)
			loop_sleep(p->loop, TRY_AGAIN_MS);
		st = channel_ask(p->warden, b, -1, ASK_MS, answer, ret_type, NULL);
	}
	return st;
}

static void take_verdict(struct proving *p, const struct rec_login_answer *a)
{
	p->verdict = (enum verdict)a->verdict;
	p->account = a->account;
	p->address = BUF(RECORD_MAX);
	p->ticket = BUF(RECORD_MAX);
	buf_put(&p->address, a->address);
	buf_put(&p->ticket, a->ticket);
	if (p->verdict == VERDICT_OK &&
	    (p->account == 0 || buf_status(&p->address) != ST_OK || buf_status(&p->ticket) != ST_OK))
		p->verdict = VERDICT_LATER;
}

/* What warden answered, as the exchange goes on. */
static int understand(struct proving *p, uint16_t type, struct view answer, struct buf *out)
{
	struct rec_sasl_challenge more;
	struct rec_login_answer end;

	if (type == REC_sasl_challenge && rec_take_sasl_challenge(answer, &more)) {
		p->exchange = more.exchange;
		return (int)sasl_challenge(&p->sasl, more.challenge, out);
	}
	p->exchange = 0;
	if (type != REC_login_answer || !rec_take_login_answer(answer, &end))
		end = (struct rec_login_answer){ .verdict = VERDICT_LATER };
	take_verdict(p, &end);
	if (end.last.n == 0)
		return SASL_DONE;
	p->last_word = true;
	return (int)sasl_challenge(&p->sasl, end.last, out);
}

static void put_begin(struct proving *p, const char *mechanism, bool silent, struct view message, struct buf *b)
{
	struct buf tls = BUF(TLS_TEXT_MAX), binding = BUF(TLS_BINDING_MAX), certificate = BUF(TLS_CLIENT_MAX);
	const char *binding_name = "";

	conn_tls_text(p->conn, &tls);
	if (p->offer.bindable)
		binding_name = conn_tls_binding(p->conn, &binding);
	if (sasl_flags(view_cstr(mechanism)) & SASL_NEEDS_CERTIFICATE)
		conn_tls_client(p->conn, &certificate);
	rec_put_sasl_begin(b, 0, p->sid,
			   &(struct rec_sasl_begin){ (uint8_t)p->service, view_cstr(p->peer), buf_view(&tls),
						     view_cstr(mechanism), silent, message,
						     view_cstr(binding_name), buf_view(&binding),
						     buf_view(&certificate) });
	buf_free(&tls);
	buf_wipe(&binding);
	buf_free(&certificate);
}

static int ask_message(struct proving *p, struct buf *out)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(ANSWER_MAX);
	bool first = p->exchange == 0;
	uint16_t type = 0;
	int r;

	if (first)
		put_begin(p, sasl_mechanism_name(&p->sasl), p->sasl.silent, sasl_message(&p->sasl), &b);
	else
		rec_put_sasl_next(&b, 0, p->sid, &(struct rec_sasl_next){ p->exchange, sasl_message(&p->sasl) });
	if (ask(p, &b, first, &answer, &type) != ST_OK)
		type = 0;
	r = understand(p, type, buf_view(&answer), out);
	buf_wipe(&b);
	buf_wipe(&answer);
	return r;
}

static int go_on(struct proving *p, enum sasl_result r, struct buf *out)
{
	if (r == SASL_ASK)
		return ask_message(p, out);
	if (r != SASL_PROVE)
		return (int)r;
	prove_password(p, sasl_mechanism_name(&p->sasl), sasl_name(&p->sasl), sasl_secret(&p->sasl),
		       sasl_authzid(&p->sasl));
	return SASL_DONE;
}

int prove_begin(struct proving *p, struct view mechanism, struct view initial, struct buf *out)
{
	return go_on(p, sasl_begin(&p->sasl, mechanism, initial, &p->offer, out), out);
}

int prove_line(struct proving *p, struct view line, struct buf *out)
{
	if (p->last_word) {
		buf_clear(out);
		if (view_eq(line, VIEW("*")))
			return SASL_CANCELLED;
		return SASL_DONE;
	}
	return go_on(p, sasl_line(&p->sasl, line, out), out);
}

enum verdict prove_password(struct proving *p, const char *mechanism, struct view name, struct view secret,
			    struct view authzid)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(ANSWER_MAX), tls = BUF(TLS_TEXT_MAX), none = BUF(1);
	uint16_t type = 0;

	conn_tls_text(p->conn, &tls);
	rec_put_login_ask(&b, 0, p->sid,
			  &(struct rec_login_ask){ (uint8_t)p->service, view_cstr(p->peer), buf_view(&tls),
						   view_cstr(mechanism), name, secret, authzid });
	if (ask(p, &b, true, &answer, &type) != ST_OK)
		type = 0;
	understand(p, type, buf_view(&answer), &none);
	buf_wipe(&b);
	buf_wipe(&answer);
	buf_free(&tls);
	return p->verdict;
}

enum verdict prove_message(struct proving *p, const char *mechanism, struct view message)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(ANSWER_MAX), none = BUF(1);
	uint16_t type = 0;

	put_begin(p, mechanism, false, message, &b);
	if (ask(p, &b, true, &answer, &type) != ST_OK)
		type = 0;
	if (understand(p, type, buf_view(&answer), &none) != SASL_DONE)
		p->verdict = VERDICT_NO;
	buf_wipe(&b);
	buf_wipe(&answer);
	return p->verdict;
}

void prove_end(struct proving *p)
{
	struct buf b = BUF(64);

	if (p->exchange) {
		rec_put_sasl_drop(&b, 0, p->sid, &(struct rec_sasl_drop){ p->exchange });
		/* Where it cannot be said, warden forgets by itself. */
		(void)!channel_send(p->warden, &b, -1);
	}
	p->exchange = 0;
	p->last_word = false;
	sasl_end(&p->sasl);
	buf_free(&p->address);
	buf_wipe(&p->ticket);
	buf_free(&b);
}
