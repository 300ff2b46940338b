/* command.c - the commands of the SMTP server that need few words, and the
 * table of all. */
#include "mta/in/internal.h"

enum { LINES_MAX = 4096 };

/* ---- HELO, EHLO (4.1.1.1) ---- */

static enum reply hello(struct smtp_session *s, struct view name)
{
	/* An internationalised name is given as A-labels (RFC 6531 3.7.1). */
	if (!smtp_is_domain(name) || !view_is_ascii(name))
		return SAY_BAD_HELO;
	smtp_forget(s);
	buf_clear(&s->helo);
	buf_put(&s->helo, name);
	return buf_status(&s->helo) == ST_OK ? SAY_NOTHING : SAY_TRY_AGAIN;
}

static enum reply cmd_helo(struct smtp_session *s, struct view rest)
{
	struct buf b = BUF(LINES_MAX);
	enum reply r = hello(s, rest);

	if (r != SAY_NOTHING)
		return r;
	s->extended = false;
	buf_putf(&b, "%s OK", s->host->conf->host_name);
	smtp_say(s, 250, "", buf_view(&b));
	buf_free(&b);
	return SAY_NOTHING;
}

static bool has_starttls(const struct smtp_session *s)
{
	return tls_ready(s->host->tls) && !s->local.here && (smtp_is_submission(s) || s->host->conf->smtp_starttls);
}

static void put_mechanisms(const struct smtp_session *s, struct buf *b)
{
	struct buf list = BUF(LINES_MAX);
	struct sasl_offer offer;

	smtp_auth_offer(s, &offer);
	sasl_list(&list, " ", &offer);
	if (list.n)
		buf_putf(b, "\nAUTH%.*s", VIEW_ARG(buf_view(&list)));
	buf_free(&list);
}

/* What is offered to this client now. */
static void put_keywords(const struct smtp_session *s, struct buf *b)
{
	const struct conf *conf = s->host->conf;

	buf_puts(b, "\nPIPELINING");
	if (!conn_has_tls(&s->conn) && has_starttls(s))
		buf_puts(b, "\nSTARTTLS");
	if (smtp_needs_login(s))
		put_mechanisms(s, b);
	buf_putf(b, "\nSIZE %lld", (long long)conf->message_size);
	buf_putf(b, "\nLIMITS MAILMAX=%lld RCPTMAX=%lld", (long long)conf->smtp_letters,
		 (long long)conf->recipients);
	if (conn_has_tls(&s->conn))
		buf_puts(b, "\nREQUIRETLS");	/* RFC 8689 2: only then */
	smtp_put_parameters(s, b);
	smtp_put_burl(s, b);
	buf_puts(b, "\nDSN\n8BITMIME\nBINARYMIME\nCHUNKING\nSMTPUTF8\nENHANCEDSTATUSCODES\nHELP");
}

static enum reply cmd_ehlo(struct smtp_session *s, struct view rest)
{
	struct buf b = BUF(LINES_MAX);
	enum reply r = hello(s, rest);

	if (r != SAY_NOTHING)
		return r;
	s->extended = true;
	buf_putf(&b, "%s greets %.*s", s->host->conf->host_name, VIEW_ARG(buf_view(&s->helo)));
	put_keywords(s, &b);
	/* Without an enhanced code: the lines are keywords (RFC 2034 3). */
	if (buf_status(&b) == ST_OK)
		smtp_say(s, 250, "", buf_view(&b));
	else
		r = SAY_TRY_AGAIN;
	buf_free(&b);
	return r;
}

/* ---- STARTTLS (RFC 3207) ---- */

static enum reply cmd_starttls(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	if (conn_has_tls(&s->conn))
		return SAY_TLS_ALREADY;
	if (!has_starttls(s))
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

static enum reply cmd_not_here(struct smtp_session *s, struct view rest)
{
	(void)s;
	(void)rest;
	return SAY_NOT_IMPLEMENTED;
}

static enum reply cmd_quit(struct smtp_session *s, struct view rest)
{
	struct buf b = BUF(LINES_MAX);

	if (rest.n)
		return SAY_BAD_ARGUMENT;
	buf_putf(&b, "%s %s", s->host->conf->host_name, smtp_reply_text(SAY_CLOSING));
	smtp_say(s, 221, "2.0.0", buf_view(&b));
	buf_free(&b);
	conn_close(&s->conn);
	return SAY_NOTHING;
}

static enum reply cmd_help(struct smtp_session *s, struct view rest);

/* ---- the table ---- */

enum {
	NEEDS_HELO = 1,
	NEEDS_LOGIN = 2,	/* on the ports of submission (RFC 6409 4.3) */
	IDLE = 4,		/* does nothing for a letter: not for ever */
	ANY_LEVEL = 8,		/* also where TLS is not what the operator demands */
};

static const struct command {
	const char *verb;
	enum reply (*run)(struct smtp_session *s, struct view rest);
	unsigned flags;
} commands[] = {
	{ "EHLO", cmd_ehlo, IDLE | ANY_LEVEL },
	{ "HELO", cmd_helo, IDLE | ANY_LEVEL },
	{ "MAIL", cmd_mail, NEEDS_HELO | NEEDS_LOGIN },
	{ "RCPT", cmd_rcpt, NEEDS_HELO | NEEDS_LOGIN },
	{ "DATA", cmd_data, NEEDS_HELO | NEEDS_LOGIN },
	{ "BDAT", cmd_bdat, ANY_LEVEL },
	{ "BURL", cmd_burl, NEEDS_HELO | NEEDS_LOGIN },
	{ "STARTTLS", cmd_starttls, NEEDS_HELO | IDLE | ANY_LEVEL },
	{ "AUTH", cmd_auth, NEEDS_HELO | IDLE },
	{ "RSET", cmd_rset, IDLE },
	{ "NOOP", cmd_noop, IDLE | ANY_LEVEL },
	{ "VRFY", cmd_vrfy, IDLE },
	{ "EXPN", cmd_not_here, IDLE },
	{ "HELP", cmd_help, IDLE },
	{ "QUIT", cmd_quit, ANY_LEVEL },
};
enum { COMMANDS_N = sizeof commands / sizeof *commands };

static enum reply cmd_help(struct smtp_session *s, struct view rest)
{
	struct buf b = BUF(LINES_MAX);

	(void)rest;
	buf_puts(&b, "Commands here (RFC 5321):\n");
	for (size_t i = 0; i < COMMANDS_N; i++)
		buf_putf(&b, "%s%s", i ? " " : "", commands[i].verb);
	smtp_say(s, 214, "2.0.0", buf_view(&b));
	buf_free(&b);
	return SAY_NOTHING;
}

/* RFC 3207 4.2: a server may refuse to go on with what it takes for too weak. */
static const char *smtp_lacks(const struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;
	struct tls_demand level = { conf->tls_least_version, conf->tls_least_bits, conf->tls_client_certificate };

	return conf_demands_tls(conf, s->service) ? conn_tls_lacks(&s->conn, &level) : NULL;
}

static enum reply run(struct smtp_session *s, const struct command *c, struct view rest)
{
	const char *lacks = c->flags & ANY_LEVEL ? NULL : smtp_lacks(s);

	if (lacks) {
		smtp_say(s, 554, "5.7.0", view_cstr(lacks));
		return SAY_NOTHING;
	}
	if ((c->flags & NEEDS_HELO) && s->helo.n == 0)
		return SAY_NEED_HELO;
	if ((c->flags & NEEDS_LOGIN) && smtp_needs_login(s))
		return smtp_auth_safe(s) || s->host->conf->login_without_tls ? SAY_NEED_LOGIN : SAY_NEED_TLS;
	s->idle += (c->flags & IDLE) != 0;
	return c->run(s, rest);
}

void smtp_command(struct smtp_session *s, struct view line)
{
	struct smtp_command cmd = smtp_split(line);
	enum reply r = SAY_UNKNOWN_COMMAND;

	if (line.n > (size_t)s->host->conf->smtp_line && !view_eq_i(cmd.verb, VIEW("AUTH"))) {
		smtp_reply(s, SAY_LINE_TOO_LONG);
		return;
	}
	for (size_t i = 0; i < COMMANDS_N; i++)
		if (view_eq_i(cmd.verb, view_cstr(commands[i].verb))) {
			r = run(s, &commands[i], cmd.rest);
			break;
		}
	if (r != SAY_NOTHING)
		smtp_reply(s, r);
}
