#include "door/certificates.h"

#include "base/log.h"
#include "ipc/records.h"

enum { ASK_MS = 10000, AGAIN_MS = 12 * 3600 * 1000, ANSWER_MAX = RECORD_MAX };

/* Called within OpenSSL, on the stack of the handshake's coroutine. */
static enum status sign(const struct tls_signer *s, enum tls_scheme scheme, struct view input,
			struct buf *ret_signature)
{
	struct certificates *c = s->owner;
	struct buf b = BUF(4096), answer = BUF(4096);
	struct rec_sign_answer in;
	uint16_t type;
	enum status st;

	rec_put_sign_ask(&b, 0, 0, &(struct rec_sign_ask){ s->key, scheme, input });
	st = channel_ask(c->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_sign_answer || !rec_take_sign_answer(buf_view(&answer), &in)))
		st = ST_SYNTAX;
	if (st == ST_OK && in.verdict != VERDICT_OK)
		st = ST_DENIED;
	if (st == ST_OK)
		buf_put(ret_signature, in.signature);
	buf_free(&b);
	buf_free(&answer);
	return st;
}

/* ST_MISSING: there is no index-th. */
static enum status ask_one(struct certificates *c, uint32_t index)
{
	struct buf b = BUF(64), answer = BUF(ANSWER_MAX);
	struct rec_certificate_answer in;
	uint16_t type;
	enum status st;

	rec_put_certificate_ask(&b, 0, 0, &(struct rec_certificate_ask){ index });
	st = channel_ask(c->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK &&
	    (type != REC_certificate_answer || !rec_take_certificate_answer(buf_view(&answer), &in)))
		st = ST_SYNTAX;
	if (st == ST_OK && in.verdict != VERDICT_OK)
		st = ST_MISSING;
	if (st == ST_OK)
		st = tls_add(c->tls, in.chain, &(struct tls_signer){ sign, in.key, c });
	buf_free(&b);
	buf_free(&answer);
	return st;
}

/* After the certificates, which the authorities are for. */
static enum status ask_clients(struct certificates *c)
{
	struct buf b = BUF(64), answer = BUF(ANSWER_MAX);
	struct rec_clients_answer in;
	uint16_t type;
	enum status st;

	rec_put_clients_ask(&b, 0, 0, &(struct rec_clients_ask){ 0 });
	st = channel_ask(c->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_clients_answer || !rec_take_clients_answer(buf_view(&answer), &in)))
		st = ST_SYNTAX;
	if (st == ST_OK)
		st = tls_authorities(c->tls, in.authorities);
	if (st == ST_OK)
		c->tokens = in.tokens;
	buf_free(&b);
	buf_free(&answer);
	return st;
}

static enum status ask_ticket_key(struct certificates *c)
{
	struct buf b = BUF(64), answer = BUF(1024);
	struct rec_ticket_key_answer in;
	uint16_t type;
	enum status st;

	rec_put_ticket_key_ask(&b, 0, 0, &(struct rec_ticket_key_ask){ 0 });
	st = channel_ask(c->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK &&
	    (type != REC_ticket_key_answer || !rec_take_ticket_key_answer(buf_view(&answer), &in)))
		st = ST_SYNTAX;
	if (st == ST_OK)
		st = tls_ticket_key(c->tls, in.key);
	buf_free(&b);
	buf_free(&answer);
	return st;
}

static void ask_all(struct certificates *c)
{
	uint32_t n = 0;
	enum status st = ST_OK;

	tls_begin(c->tls);
	while (st == ST_OK && n < TLS_CERTIFICATES_MAX)
		if ((st = ask_one(c, n)) == ST_OK)
			n++;
	if (st == ST_OK || st == ST_MISSING)
		st = ask_ticket_key(c);
	if (st == ST_OK)
		st = ask_clients(c);
	if (st == ST_OK && n)
		tls_show(c->tls);
	/* Warden gone: we are told when it is back, and keep what we have. */
	log_event(st == ST_OK ? LOG_DEBUG_ : LOG_WARN_, "certificates", "n=%u why=\"%s\"", n, status_name(st));
}

static void body(void *arg)
{
	struct certificates *c = arg;

	do {
		c->once_more = false;
		ask_all(c);
	} while (c->once_more);
	c->asking = false;
	if (loop_timer(c->loop, &c->again, clock_steady() + AGAIN_MS) != ST_OK)
		log_event(LOG_WARN_, "certificates", "why=\"%s\"", status_name(ST_NOMEM));
	c->asked(c);
}

void certificates_ask(struct certificates *c)
{
	c->once_more = true;
	if (c->asking)
		return;
	c->asking = true;
	if (co_start(body, c) != ST_OK)
		c->asking = false;
}

static void again(struct timer *t)
{
	certificates_ask((struct certificates *)((char *)t - offsetof(struct certificates, again)));
}

enum status certificates_init(struct certificates *c, struct loop *l, struct channel *warden)
{
	c->loop = l;
	c->warden = warden;
	c->again = (struct timer){ .fire = again };
	return tls_new(&c->tls);
}
