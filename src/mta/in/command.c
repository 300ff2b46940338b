/* command.c - the commands of the SMTP server, one function each. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { ASK_MS = 30000, RECIPIENTS_FIRST = 4 };

/* ---- HELO, EHLO (4.1.1.1) ---- */

static enum reply hello(struct smtp_session *s, struct view name)
{
	if (!smtp_is_domain(name))
		return SAY_BAD_HELO;
	smtp_forget(s);
	arena_free(&s->life);
	s->helo = arena_copy(&s->life, name);
	return s->helo.p ? SAY_OK : SAY_TRY_AGAIN;
}

static enum reply cmd_helo(struct smtp_session *s, struct view rest)
{
	enum reply r = hello(s, rest);

	if (r != SAY_OK)
		return r;
	s->extended = false;
	buf_putf(conn_out(&s->conn), "250 %s\r\n", s->host->conf->host_name);
	return SAY_COUNT;
}

static enum reply cmd_ehlo(struct smtp_session *s, struct view rest)
{
	struct buf *out = conn_out(&s->conn);
	enum reply r = hello(s, rest);

	if (r != SAY_OK)
		return r;
	s->extended = true;
	buf_putf(out, "250-%s greets %.*s\r\n", s->host->conf->host_name, VIEW_ARG(s->helo));
	buf_puts(out, "250-PIPELINING\r\n");
	if (!conn_has_tls(&s->conn) && tls_ready(s->host->tls))
		buf_puts(out, "250-STARTTLS\r\n");
	buf_putf(out, "250-SIZE %lld\r\n", (long long)s->host->conf->message_size);
	buf_puts(out, "250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
	return SAY_COUNT;
}

/* ---- MAIL (4.1.1.2) ---- */

static enum reply mail_parameter(struct smtp_session *s, const struct smtp_parameter *p)
{
	uint64_t size;

	if (view_eq_i(p->key, VIEW("SIZE"))) {		/* RFC 1870 */
		if (!view_u64(p->value, &size))
			return SAY_BAD_ARGUMENT;
		return size > (uint64_t)s->host->conf->message_size ? SAY_TOO_LARGE : SAY_OK;
	}
	if (view_eq_i(p->key, VIEW("BODY"))) {		/* RFC 6152 */
		if (view_eq_i(p->value, VIEW("8BITMIME")))
			s->env.body = BODY_8BIT;
		else if (!view_eq_i(p->value, VIEW("7BIT")))
			return SAY_BAD_ARGUMENT;
		return SAY_OK;
	}
	if (view_eq_i(p->key, VIEW("SMTPUTF8")) && !p->has_value) {	/* RFC 6531 */
		s->env.smtputf8 = 1;
		return SAY_OK;
	}
	return SAY_PARAMETER_UNKNOWN;
}

static enum reply cmd_mail(struct smtp_session *s, struct view rest)
{
	struct smtp_path_command pc;

	if (s->has_sender)
		return SAY_BAD_SEQUENCE;
	if (smtp_take_path(rest, VIEW("FROM:"), &pc) != ST_OK)
		return SAY_BAD_SENDER;
	for (size_t i = 0; i < pc.n_parameters; i++) {
		enum reply r = s->extended ? mail_parameter(s, &pc.parameters[i]) : SAY_PARAMETER_UNKNOWN;

		if (r != SAY_OK) {
			s->env = (struct envelope){ 0 };
			return r;
		}
	}
	if (pc.path.utf8 && !s->env.smtputf8)
		return SAY_NEEDS_UTF8;
	s->env.sender = arena_copy(&s->tx, pc.path.address);
	s->env.sid = s->sid;
	if (arena_status(&s->tx) != ST_OK)
		return SAY_TRY_AGAIN;
	s->has_sender = true;
	return SAY_SENDER_OK;
}

/* ---- RCPT (4.1.1.3) ---- */

static enum status add_recipient(struct smtp_session *s, const struct target *t, struct view original)
{
	struct envelope *e = &s->env;

	if (e->n_recipients == s->recipients_cap) {
		uint32_t cap = s->recipients_cap ? s->recipients_cap * 4 : RECIPIENTS_FIRST;
		struct recipient *more = arena_array(&s->tx, cap, sizeof *more);

		if (more == NULL)
			return arena_status(&s->tx);
		if (e->n_recipients)
			memcpy(more, e->recipients, e->n_recipients * sizeof *more);
		e->recipients = more;
		s->recipients_cap = cap;
	}
	e->recipients[e->n_recipients++] = (struct recipient){
		.address = arena_copy(&s->tx, t->address),
		.original = original,
		.account = t->account,
	};
	return arena_status(&s->tx);
}

static enum reply add_targets(struct smtp_session *s, struct view targets, struct view address)
{
	struct view original = arena_copy(&s->tx, address);
	struct cursor c = cursor_over(targets);
	struct target t;

	while (target_take(&c, &t))
		if (add_recipient(s, &t, original) != ST_OK)
			return SAY_TRY_AGAIN;
	return SAY_RECIPIENT_OK;
}

static enum reply ask_warden(struct smtp_session *s, struct view address)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX);
	struct rec_rcpt_answer a;
	uint16_t type;
	enum reply r = SAY_DIRECTORY_DOWN;

	rec_put_rcpt_ask(&b, 0, s->sid, &(struct rec_rcpt_ask){ address });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_rcpt_answer && rec_take_rcpt_answer(buf_view(&answer), &a)) {
		if (a.verdict == VERDICT_OK)
			r = add_targets(s, a.targets, address);
		else if (a.verdict == VERDICT_NO)
			r = SAY_NO_SUCH_USER;
		else if (a.verdict == VERDICT_RELAY)
			r = SAY_NOT_A_RELAY;
	}
	buf_free(&b);
	buf_free(&answer);
	return r;
}

static void log_rcpt(const struct smtp_session *s, struct view address, enum reply r)
{
	log_begin(LOG_INFO_, "rcpt");
	log_hex("sid", s->sid);
	log_view("from", s->env.sender);
	log_view("to", address);
	log_str("result", r == SAY_RECIPIENT_OK ? "ok" : "refused");
	log_end();
}

static enum reply cmd_rcpt(struct smtp_session *s, struct view rest)
{
	struct smtp_path_command pc;
	struct view address;
	enum reply r;

	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (smtp_take_path(rest, VIEW("TO:"), &pc) != ST_OK)
		return SAY_BAD_RECIPIENT;
	if (pc.n_parameters)
		return SAY_PARAMETER_UNKNOWN;
	if (pc.path.utf8 && !s->env.smtputf8)
		return SAY_NEEDS_UTF8;
	if (s->env.n_recipients >= (uint32_t)s->host->conf->recipients)
		return SAY_TOO_MANY_RCPT;
	/* The line lies in the connection's buffer, which may move while we wait. */
	address = arena_copy(&s->tx, pc.path.address);
	r = address.p ? ask_warden(s, address) : SAY_TRY_AGAIN;
	log_rcpt(s, address, r);
	return r;
}

/* ---- DATA (4.1.1.4) ---- */

static enum reply cmd_data(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (s->env.n_recipients == 0)
		return SAY_NEED_RCPT;
	smtp_text_begin(s);
	return SAY_GO_AHEAD;
}

/* ---- STARTTLS (RFC 3207) ---- */

static enum reply cmd_starttls(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	if (conn_has_tls(&s->conn))
		return SAY_TLS_ALREADY;
	if (!tls_ready(s->host->tls))
		return SAY_NO_TLS;
	/* What was sent in clear behind it could have been put there by anybody
	 * on the way, to be taken for what is said under TLS. */
	if (conn_view(&s->conn).n) {
		conn_take(&s->conn, conn_view(&s->conn).n);
		conn_close(&s->conn);
		return SAY_PIPELINED_TLS;
	}
	s->mode = MODE_HANDSHAKE;
	return SAY_START_TLS;
}

/* ---- the small ones ---- */

static enum reply cmd_rset(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	smtp_forget(s);
	return SAY_RESET;
}

static enum reply cmd_noop(struct smtp_session *s, struct view rest)
{
	(void)s;
	(void)rest;
	return SAY_OK;
}

/* Who is here is not for strangers to ask (7.3). */
static enum reply cmd_vrfy(struct smtp_session *s, struct view rest)
{
	(void)s;
	return rest.n ? SAY_MAYBE : SAY_BAD_ARGUMENT;
}

static enum reply cmd_quit(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	buf_putf(conn_out(&s->conn), "221 2.0.0 %s Service closing transmission channel\r\n",
		 s->host->conf->host_name);
	conn_close(&s->conn);
	return SAY_COUNT;
}

static enum reply cmd_help(struct smtp_session *s, struct view rest);

/* ---- the table ---- */

enum {
	NEEDS_HELO = 1,
};

static const struct command {
	const char *verb;
	enum reply (*run)(struct smtp_session *s, struct view rest);
	unsigned flags;
} commands[] = {
	{ "EHLO", cmd_ehlo, 0 },
	{ "HELO", cmd_helo, 0 },
	{ "MAIL", cmd_mail, NEEDS_HELO },
	{ "RCPT", cmd_rcpt, NEEDS_HELO },
	{ "DATA", cmd_data, NEEDS_HELO },
	{ "STARTTLS", cmd_starttls, NEEDS_HELO },
	{ "RSET", cmd_rset, 0 },
	{ "NOOP", cmd_noop, 0 },
	{ "VRFY", cmd_vrfy, 0 },
	{ "HELP", cmd_help, 0 },
	{ "QUIT", cmd_quit, 0 },
};
enum { COMMANDS_N = sizeof commands / sizeof *commands };

static enum reply cmd_help(struct smtp_session *s, struct view rest)
{
	struct buf *out = conn_out(&s->conn);

	(void)rest;
	buf_puts(out, "214 2.0.0");
	for (size_t i = 0; i < COMMANDS_N; i++)
		buf_putf(out, " %s", commands[i].verb);
	buf_puts(out, "\r\n");
	return SAY_COUNT;
}

void smtp_command(struct smtp_session *s, struct view line)
{
	struct smtp_command cmd = smtp_split(line);
	enum reply r = SAY_UNKNOWN_COMMAND;

	for (size_t i = 0; i < COMMANDS_N; i++) {
		if (!view_eq_i(cmd.verb, view_cstr(commands[i].verb)))
			continue;
		if ((commands[i].flags & NEEDS_HELO) && s->helo.n == 0)
			r = SAY_NEED_HELO;
		else
			r = commands[i].run(s, cmd.rest);
		break;
	}
	if (r != SAY_COUNT)
		smtp_reply(s, r);
}
