/* remote.c - a connection to another host: from the greeting to where MAIL
 * may be said. */
#include "mta/relay/internal.h"

#include "base/log.h"
#include "wire/sasl.h"

#include <openssl/hmac.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGE_MS = 300000, ANSWER_TEXT = ATTEMPT_TEXT_MAX };

/* ---- answers ---- */

struct answer own_answer(enum verdict v, const char *status, struct view text)
{
	return (struct answer){ .verdict = (uint8_t)v, .status = view_cstr(status), .text = text };
}

struct answer own_answerf(struct arena *a, enum verdict v, const char *status, const char *fmt, ...)
{
	char text[ANSWER_TEXT + 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return own_answer(v, status, arena_copy(a, view_cstr(text)));
}

struct answer remote_answer(const struct remote *m, struct arena *a)
{
	static const char *const none[] = { "2.0.0", "", "4.0.0", "5.0.0" };
	const struct smtp_reply *r = &m->reply;
	int class = r->code / 100;

	return (struct answer){
		.verdict = class == 2 ? VERDICT_OK : class == 5 ? VERDICT_NO : VERDICT_LATER,
		.code = r->code,
		.status = r->status[0] ? arena_copy(a, view_cstr(r->status))
				       : view_cstr(class == 3 ? "4.5.0" : none[class - 2]),
		.text = arena_copy(a, view_head(buf_view(&r->text), ANSWER_TEXT)),
		.host = arena_copy(a, m->host),
	};
}

struct answer remote_trouble(const struct remote *m, struct arena *a, const char *status)
{
	return (struct answer){
		.verdict = VERDICT_LATER, .status = view_cstr(status),
		.text = view_cstr(m->why ? m->why : "the connection was lost"), .host = arena_copy(a, m->host),
	};
}

/* ---- replies ---- */

/* The rules are broken, or nobody is there any more: not another word. */
static enum status give_up(struct remote *m, enum status st, const char *why)
{
	m->unusable = true;
	m->why = why;
	return st == ST_OK ? ST_SYNTAX : st;
}

static enum status read_line(struct remote *m, struct view *ret)
{
	enum status st;

	while ((st = conn_line(&m->conn, REPLY_LINE, ret)) == ST_AGAIN)
		if ((st = conn_wait(&m->conn, &m->conn.readable)) != ST_OK)
			break;
	switch (st) {
	case ST_OK:
		return ST_OK;
	case ST_TIMEOUT:
		return give_up(m, st, "the host was silent for too long");
	case ST_CLOSED:
		return give_up(m, st, "the host closed the connection");
	case ST_LIMIT:
		return give_up(m, st, "the host sent a line without end");
	case ST_SYNTAX:
		return give_up(m, st, "the host sent a line that does not end in CRLF, or holds a NUL");
	default:
		return give_up(m, st, "no memory");
	}
}

enum status remote_read(struct remote *m, int64_t patience)
{
	struct view line;
	enum status st;

	conn_patience(&m->conn, (uint64_t)patience);
	/* A reply in drops ends too. */
	conn_limit(&m->conn, 2 * (uint64_t)patience);
	smtp_reply_begin(&m->reply);
	do {
		st = read_line(m, &line);
		if (st == ST_OK)
			st = smtp_reply_line(&m->reply, line);
		else
			return st;
	} while (st == ST_AGAIN);
	conn_limit(&m->conn, 0);
	if (st == ST_LIMIT)
		return give_up(m, st, "the host sent a reply without end");
	if (st != ST_OK)
		return give_up(m, st, "the host sent something that is no SMTP reply");
	/* RFC 5321 3.8: it may come at any time, and it is the last. */
	if (m->reply.code == 421)
		m->unusable = true;
	return ST_OK;
}

/* What came before we asked is no answer to what we ask: an injection, or a
 * host that counts wrong.  Only a goodbye may. */
static enum status nothing_unasked(struct remote *m)
{
	if (m->conn.readable)
		(void)!conn_fill(&m->conn);
	if (conn_view(&m->conn).n == 0)
		return m->conn.broken ? give_up(m, ST_CLOSED, "the host closed the connection") : ST_OK;
	if (remote_read(m, 1) == ST_OK && m->reply.code == 421)
		return give_up(m, ST_CLOSED, "the host said goodbye (421)");
	return give_up(m, ST_SYNTAX, "the host spoke before it was asked");
}

enum status remote_flush(struct remote *m, int64_t patience)
{
	enum status st = buf_status(conn_out(&m->conn));

	conn_patience(&m->conn, (uint64_t)patience);
	if (st == ST_OK)
		st = conn_flush(&m->conn);
	if (st == ST_OK)
		return ST_OK;
	return give_up(m, st, st == ST_TIMEOUT ? "the host took nothing for too long" : "the host closed the connection");
}

enum status remote_ask(struct remote *m, int64_t patience)
{
	enum status st = nothing_unasked(m);

	if (st == ST_OK)
		st = remote_flush(m, patience);
	return st == ST_OK ? remote_read(m, patience) : st;
}

/* ---- the conn's own ends ---- */

static void remote_ended(struct conn *c)
{
	struct remote *m = (struct remote *)c;

	pool_forget(m);
	smtp_reply_free(&m->reply);
	buf_free(&m->how);
	free((char *)(uintptr_t)m->key.p);
	free((char *)(uintptr_t)m->host.p);
	free(m);
}

/* Nobody drives it: whatever the host says now is the end. */
static void remote_serve(struct conn *c)
{
	struct remote *m = (struct remote *)c;
	enum status st = conn_fill(c);

	if (st == ST_AGAIN && !c->broken)
		return;
	pool_forget(m);
	conn_close(c);
}

static void remote_late(struct conn *c)
{
	struct remote *m = (struct remote *)c;

	if (m->idle && c->out.n == 0)
		buf_puts(conn_out(c), "QUIT\r\n");
	pool_forget(m);
}

void remote_end(struct remote *m)
{
	if (!m->conn.broken && !m->conn.timed_out && !m->unusable)
		buf_puts(conn_out(&m->conn), "QUIT\r\n");
	(void)!conn_push(&m->conn);
	buf_clear(conn_out(&m->conn));
	conn_close(&m->conn);
	conn_let_go(&m->conn);
}

static struct view heap_copy(struct view v)
{
	char *p = malloc(v.n + 1);

	if (p == NULL)
		return VIEW_NONE;
	if (v.n)
		memcpy(p, v.p, v.n);
	p[v.n] = '\0';
	return view_make(p, v.n);
}

/* ---- EHLO ---- */

static enum status say_hello(struct remote *m, const char *verb)
{
	const struct conf *conf = &m->r->proc.conf;

	buf_putf(conn_out(&m->conn), "%s %s\r\n", verb, conf->host_name);
	return remote_ask(m, conf->relay_command_timeout);
}

/* ST_DENIED: m->reply says why. */
static enum status hello(struct remote *m)
{
	enum status st = say_hello(m, "EHLO");

	m->offer = (struct smtp_offer){ 0 };
	m->extended = false;
	if (st != ST_OK)
		return st;
	if (m->reply.code == 250) {
		m->extended = true;
		m->offer = smtp_offer_of(buf_view(&m->reply.text));
		return ST_OK;
	}
	/* 3.2: a host that does not know EHLO. */
	if (m->reply.code / 100 == 5 && !m->unusable && (st = say_hello(m, "HELO")) != ST_OK)
		return st;
	return m->reply.code == 250 ? ST_OK : ST_DENIED;
}

/* ---- TLS ---- */

static void log_tls_failure(const struct remote *m, const struct destination *d, const char *why)
{
	log_begin(LOG_WARN_, "tls-out-failed");
	log_view("site", d->site);
	log_view("host", m->host);
	log_str("address", m->address);
	log_str("policy", d->policy->by);
	log_str("why", why);
	log_end();
}

/* RFC 8460 4.3.1. */
static enum tls_result result_of(long error)
{
	switch (error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_HOST_MISMATCH;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_EXPIRED;
	/* The handshake itself, or the certificate is another than TLSA says. */
	case X509_V_OK:
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_VALIDATION_FAILURE;
	default:
		return TLS_NOT_TRUSTED;
	}
}

static void note_outcome(const struct remote *m, const struct destination *d, enum tls_result result, const char *reason)
{
	struct endpoint own;

	if (d->outcome == NULL)
		return;
	d->outcome->known = true;
	d->outcome->result = result;
	d->outcome->reason = reason;
	if (endpoint_own(m->conn.watch.fd, &own))
		endpoint_host_text(&own, d->outcome->own);
}

/* Also where the policy is only tried out, so that the connection goes on. */
static void note_handshake(const struct remote *m, const struct destination *d, enum status st)
{
	long error = conn_tls_error(&m->conn);

	if (st == ST_OK && error == X509_V_OK)
		note_outcome(m, d, TLS_RESULT_OK, NULL);
	else
		note_outcome(m, d, result_of(error), conn_tls_why(&m->conn));
}

static enum status shake_hands(struct remote *m, const struct destination *d)
{
	enum status st;

	if (conn_view(&m->conn).n)
		return give_up(m, ST_SYNTAX, "the host sent something in clear behind its reply to STARTTLS");
	st = conn_start_tls_client(&m->conn, m->r->tls, &d->policy->trust, NULL,
				   (uint64_t)m->r->proc.conf.tls_handshake);
	note_handshake(m, d, st);
	if (st == ST_OK)
		return ST_OK;
	log_tls_failure(m, d, conn_tls_why(&m->conn));
	return give_up(m, ST_DENIED, conn_tls_why(&m->conn));
}

/* 3207.  ST_MISSING: not to be had, and the connection goes on in clear. */
static enum status start_tls(struct remote *m, const struct destination *d)
{
	enum status st;

	if (!(m->offer.set & EXT_STARTTLS)) {
		note_outcome(m, d, TLS_STARTTLS_NOT_SUPPORTED, NULL);
		return ST_MISSING;
	}
	buf_puts(conn_out(&m->conn), "STARTTLS\r\n");
	st = remote_ask(m, m->r->proc.conf.relay_command_timeout);
	if (st != ST_OK)
		return st;
	if (m->reply.code != 220) {
		log_tls_failure(m, d, "STARTTLS was offered and then refused");
		note_outcome(m, d, TLS_STARTTLS_NOT_SUPPORTED, "STARTTLS was offered and then refused");
		return m->unusable ? give_up(m, ST_CLOSED, "the host said goodbye (421)") : ST_MISSING;
	}
	st = shake_hands(m, d);
	/* 3207 4.2: what was offered in clear is forgotten. */
	return st == ST_OK ? hello(m) : st;
}

/* ---- AUTH (RFC 4954) ---- */

static void put_secret_line(struct remote *m, const char *before, struct buf *bytes)
{
	struct buf line = BUF(4096);

	sasl_encode(buf_view(bytes), &line);
	buf_puts(conn_out(&m->conn), before);
	buf_put(conn_out(&m->conn), buf_view(&line));
	buf_puts(conn_out(&m->conn), "\r\n");
	buf_wipe(&line);
	buf_wipe(bytes);
}

static enum status login_plain(struct remote *m, const struct credential *l)	/* RFC 4616 */
{
	struct buf b = BUF(4096);

	put_u8(&b, 0);
	buf_put(&b, l->name);
	put_u8(&b, 0);
	buf_put(&b, l->secret);
	put_secret_line(m, "AUTH PLAIN ", &b);
	return remote_ask(m, m->r->proc.conf.relay_command_timeout);
}

static enum status answer_with(struct remote *m, struct view v)
{
	struct buf b = BUF(4096);

	buf_put(&b, v);
	put_secret_line(m, "", &b);
	return remote_ask(m, m->r->proc.conf.relay_command_timeout);
}

static enum status login_login(struct remote *m, const struct credential *l)
{
	enum status st;

	buf_puts(conn_out(&m->conn), "AUTH LOGIN\r\n");
	st = remote_ask(m, m->r->proc.conf.relay_command_timeout);
	if (st == ST_OK && m->reply.code == 334)
		st = answer_with(m, l->name);
	if (st == ST_OK && m->reply.code == 334)
		st = answer_with(m, l->secret);
	return st;
}

static enum status login_cram(struct remote *m, const struct credential *l)	/* RFC 2195 */
{
	struct buf challenge = BUF(4096), answer = BUF(4096);
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	enum status st;

	buf_puts(conn_out(&m->conn), "AUTH CRAM-MD5\r\n");
	st = remote_ask(m, m->r->proc.conf.relay_command_timeout);
	if (st == ST_OK && m->reply.code == 334) {
		st = sasl_decode(buf_view(&m->reply.text), &challenge);
		if (st == ST_OK && HMAC(EVP_md5(), l->secret.p, (int)l->secret.n, (unsigned char *)challenge.p,
					challenge.n, mac, &n) == NULL)
			st = ST_NOMEM;
		buf_put(&answer, l->name);
		buf_putc(&answer, ' ');
		buf_put_hex(&answer, mac, n);
		st = st == ST_OK ? answer_with(m, buf_view(&answer)) : give_up(m, st, "the challenge of CRAM-MD5 is none");
	}
	buf_free(&challenge);
	buf_free(&answer);
	return st;
}

/* ST_DENIED: m->reply says why, or there was none. */
static enum status log_in(struct remote *m, const struct credential *l)
{
	enum status st;

	if (!conn_has_tls(&m->conn))
		return give_up(m, ST_DENIED, "no password is given without TLS");
	if (m->offer.set & EXT_PLAIN)
		st = login_plain(m, l);
	else if (m->offer.set & EXT_LOGIN)
		st = login_login(m, l);
	else if (m->offer.set & EXT_CRAM_MD5)
		st = login_cram(m, l);
	else
		return give_up(m, ST_DENIED, "the host offers no way to log in that is known here");
	if (st != ST_OK || m->reply.code / 100 == 2)
		return st;
	log_begin(LOG_ERROR_, "login-refused");
	log_view("host", m->host);
	log_u64("code", m->reply.code);
	log_end();
	m->login_refused = true;
	return ST_DENIED;
}

/* ---- all together ---- */

static void note_how(struct remote *m)
{
	const struct conn *c = &m->conn;

	m->how = BUF(HOW_MAX);
	if (conn_has_tls(c))
		buf_putf(&m->how, "%s %s, %s, ", conn_tls_version(c), conn_tls_cipher(c), conn_tls_verified(c));
	else
		buf_puts(&m->how, "clear text, ");
	buf_put(&m->how, m->host);
}

/* What the policy asks for is there.  Whose DNS or policy promises TLS will have
 * it again; where only the letter asks for it, the host has none. */
static bool is_secure_enough(const struct remote *m, const struct destination *d, struct arena *a, struct answer *ret_why)
{
	const struct tls_policy *p = d->policy;
	bool promised = strcmp(p->by, "REQUIRETLS") != 0;

	if (p->level != TLS_IF_OFFERED && !conn_has_tls(&m->conn))
		*ret_why = own_answerf(a, promised ? VERDICT_LATER : VERDICT_NO, promised ? "4.7.4" : "5.7.30",
				       "%s asks for TLS, and %.*s does not offer STARTTLS", p->by, VIEW_ARG(m->host));
	else if (p->require_tls && !(m->offer.set & EXT_REQUIRETLS))
		*ret_why = own_answerf(a, VERDICT_NO, "5.7.30", "REQUIRETLS is asked for, and %.*s does not offer it",
				       VIEW_ARG(m->host));
	else
		return true;
	ret_why->host = arena_copy(a, m->host);
	return false;
}

/* The first words.  ST_OK: ready for MAIL.  ST_DENIED with m->reply: it said
 * no; all else: m->why. */
static enum status introduce(struct remote *m, const struct destination *d)
{
	const struct conf *conf = &m->r->proc.conf;
	enum status st = d->tls_first ? shake_hands(m, d) : ST_OK;

	if (st == ST_OK)
		st = remote_read(m, conf->relay_greeting_timeout);
	if (st == ST_OK && m->reply.code != 220)
		return ST_DENIED;
	if (st == ST_OK)
		st = hello(m);
	if (st == ST_OK && !d->tls_first && !d->clear) {
		st = start_tls(m, d);
		if (st == ST_MISSING)
			st = ST_OK;
	}
	if (st == ST_OK && d->login)
		st = log_in(m, d->login);
	return st;
}

static struct remote *new_remote(struct relay *r, const struct destination *d)
{
	struct remote *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->r = r;
	m->conn.serve = remote_serve;
	m->conn.late = remote_late;
	m->conn.ended = remote_ended;
	m->conn.patience = (uint64_t)r->proc.conf.relay_connect_timeout;
	m->until = loop_now(r->proc.loop) + AGE_MS;
	m->host = heap_copy(d->host);
	endpoint_text(&d->to, m->address);
	return m;
}

static const struct endpoint *source_of(const struct relay *r, const struct endpoint *to, struct endpoint *own)
{
	const char *text = to->family == AF_INET ? r->proc.conf.relay_source4 : r->proc.conf.relay_source6;

	return text[0] && endpoint_parse(view_cstr(text), 0, own) == ST_OK ? own : NULL;
}

struct remote *remote_open(struct relay *r, const struct destination *d, struct arena *a, struct answer *ret_why,
			   bool *ret_tls_failed)
{
	struct remote *m = new_remote(r, d);
	struct endpoint own;
	const char *why = NULL;
	enum status st;

	*ret_tls_failed = false;
	if (m == NULL) {
		*ret_why = own_answer(VERDICT_LATER, "4.3.0", VIEW("no memory"));
		return NULL;
	}
	st = conn_connect(&m->conn, r->proc.loop, &d->to, source_of(r, &d->to, &own), &why);
	if (st != ST_OK) {
		*ret_why = own_answerf(a, VERDICT_LATER, "4.4.1", "%s: %s", m->address, why);
		ret_why->host = arena_copy(a, m->host);
		remote_ended(&m->conn);
		return NULL;
	}
	st = introduce(m, d);
	if (st == ST_OK) {
		note_how(m);
		if (is_secure_enough(m, d, a, ret_why))
			return m;
	} else if (st == ST_DENIED && m->why == NULL) {
		*ret_why = remote_answer(m, a);
		/* Our settings are wrong, not the letter. */
		if (m->login_refused)
			ret_why->verdict = VERDICT_LATER;
	} else {
		*ret_tls_failed = st == ST_DENIED && d->policy->level == TLS_IF_OFFERED && !d->tls_first && d->login == NULL;
		*ret_why = remote_trouble(m, a, st == ST_DENIED ? "4.7.5" : "4.4.2");
	}
	remote_end(m);
	return NULL;
}
