/* imap.c - IMAP until the login (RFC 9051 6.1 and 6.2, RFC 3501).
 *
 * Not here: everything that needs a mailbox.  The room speaks from the answer
 * to LOGIN or AUTHENTICATE on.
 */
#include "door/login/internal.h"

#include "base/log.h"

static const char *const byes[BYE_COUNT] = {
	[BYE_STOPPING] = "* BYE [UNAVAILABLE] Server is shutting down\r\n",
	[BYE_LATE] = "* BYE Autologout, silent for too long\r\n",
	[BYE_ERRORS] = "* BYE Too many errors\r\n",
	[BYE_GUESSING] = "* BYE Too many wrong passwords, come again later\r\n",
	[BYE_ROOM] = "* BYE [UNAVAILABLE] Your mailbox cannot be reached now, come again later\r\n",
	[BYE_TICKET] = "* BYE Log in again\r\n",
};

static void say(struct person *p, struct view tag, const char *text)
{
	struct buf *out = conn_out(&p->conn);

	buf_put(out, tag);
	buf_putc(out, ' ');
	buf_puts(out, text);
	buf_puts(out, "\r\n");
}

static void put_capabilities(struct person *p)
{
	struct buf *out = conn_out(&p->conn);
	struct sasl_offer offer;

	buf_puts(out, "CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID");
	if (person_may_start_tls(p))
		buf_puts(out, " STARTTLS");
	if (!person_safe(p))
		buf_puts(out, " LOGINDISABLED");
	person_offer(p, &offer);
	sasl_list(out, " AUTH=", &offer);
}

static void greet(struct person *p)
{
	struct buf *out = conn_out(&p->conn);

	buf_puts(out, "* OK [");
	put_capabilities(p);
	buf_putf(out, "] %s waxwing is ready\r\n", p->host->conf->host_name);
}

/* ---- who is it? ---- */

static const char no_tls[] = "NO [PRIVACYREQUIRED] Say STARTTLS first";

/* Warden's word is there; in a case of OK the room answers. */
static void proved(struct person *p, struct view tag)
{
	enum verdict v = person_proved(p);

	if (p->last_words)
		return;
	switch (v) {
	case VERDICT_OK:
		person_enter(p, tag);
		break;
	case VERDICT_NO:
		say(p, tag, "NO [AUTHENTICATIONFAILED] Name or password is wrong");
		person_error(p);
		break;
	case VERDICT_SLOW:
		say(p, tag, "NO [LIMIT] Too many logins, come again later");
		person_bye(p, BYE_GUESSING);
		break;
	default:
		say(p, tag, "NO [UNAVAILABLE] Logins cannot be checked now, try again later");
	}
}

static void cmd_login(struct person *p, struct imap_parse *in, struct view tag)
{
	struct view name, secret;

	imap_space(in);
	name = imap_take_astring(in);
	imap_space(in);
	secret = imap_take_astring(in);
	if (!imap_end(in)) {
		say(p, tag, "BAD LOGIN takes a name and a password");
		person_error(p);
	} else if (!person_safe(p)) {
		say(p, tag, no_tls);
		person_error(p);
	} else {
		prove_password(person_proving(p), "LOGIN", name, secret, VIEW(""));
		proved(p, tag);
	}
}

/* ---- AUTHENTICATE (6.2.2) ---- */

static void sasl_goes_on(struct person *p, int r)
{
	struct login *l = p->login;
	struct view tag = buf_view(&l->tag);
	const char *why = "BAD That is no base64, or not what the mechanism wants";

	l->in_sasl = r == SASL_MORE;
	if (r == SASL_MORE) {
		buf_puts(conn_out(&p->conn), "+ ");
		buf_put(conn_out(&p->conn), buf_view(&l->challenge));
		buf_puts(conn_out(&p->conn), "\r\n");
		return;
	}
	if (r == SASL_DONE) {
		proved(p, tag);
		return;
	}
	if (r == SASL_UNKNOWN)
		why = "NO No such mechanism";
	else if (r == SASL_CANCELLED)
		why = "BAD Cancelled";
	else if (r == SASL_FULL)
		why = "NO [UNAVAILABLE] Try again later";
	prove_end(&l->proving);
	say(p, tag, why);
	person_error(p);
}

static void cmd_authenticate(struct person *p, struct imap_parse *in, struct view tag)
{
	struct login *l = p->login;
	struct view mechanism, initial = VIEW_NONE;

	imap_space(in);
	mechanism = imap_take_atom(in);
	if (imap_try(in, ' '))
		initial = imap_take_base64(in);
	if (!imap_end(in)) {
		say(p, tag, "BAD AUTHENTICATE takes a mechanism and perhaps an initial response");
		person_error(p);
		return;
	}
	if (!person_may_begin(p)) {
		say(p, tag, no_tls);
		person_error(p);
		return;
	}
	buf_clear(&l->tag);
	buf_put(&l->tag, tag);
	sasl_goes_on(p, prove_begin(person_proving(p), mechanism, initial, &l->challenge));
}

/* A copy: while warden is asked the connection's buffer may move. */
static void take_line(struct person *p, struct view line)
{
	struct login *l = p->login;
	struct view copy = arena_copy(&l->arena, line);

	if (line.n)
		explicit_bzero((char *)line.p, line.n);
	sasl_goes_on(p, arena_status(&l->arena) == ST_OK ? prove_line(&l->proving, copy, &l->challenge) : SASL_FULL);
	if (copy.n)
		explicit_bzero((char *)copy.p, copy.n);
	if (p->login)
		arena_free(&p->login->arena);
}

static bool take_response(struct person *p)
{
	struct view line;

	switch (conn_line(&p->conn, SASL_LINE_MAX, &line)) {
	case ST_OK:
		take_line(p, line);
		return true;
	case ST_LIMIT:
		/* Its end would be taken for a command. */
		sasl_goes_on(p, SASL_TOO_LONG);
		person_bye(p, BYE_ERRORS);
		return true;
	case ST_SYNTAX:
		sasl_goes_on(p, SASL_BAD);
		return true;
	default:
		return false;
	}
}

/* ---- the small ones ---- */

static void cmd_capability(struct person *p, struct imap_parse *in, struct view tag)
{
	(void)in;
	buf_puts(conn_out(&p->conn), "* ");
	put_capabilities(p);
	buf_puts(conn_out(&p->conn), "\r\n");
	say(p, tag, "OK Done");
}

static void cmd_noop(struct person *p, struct imap_parse *in, struct view tag)
{
	(void)in;
	say(p, tag, "OK Done");
}

static void cmd_logout(struct person *p, struct imap_parse *in, struct view tag)
{
	(void)in;
	buf_puts(conn_out(&p->conn), "* BYE Logging out\r\n");
	say(p, tag, "OK Done");
	person_finish(p);
}

/* RFC 2971: what a client says of itself is not kept. */
static void cmd_id(struct person *p, struct imap_parse *in, struct view tag)
{
	imap_space(in);
	imap_take_id(in);
	if (!imap_end(in)) {
		say(p, tag, "BAD ID takes NIL or a list of pairs");
		person_error(p);
		return;
	}
	buf_puts(conn_out(&p->conn), "* ID (\"name\" \"waxwing\")\r\n");
	say(p, tag, "OK Done");
}

static void cmd_starttls(struct person *p, struct imap_parse *in, struct view tag)
{
	(void)in;
	if (conn_has_tls(&p->conn)) {
		say(p, tag, "BAD TLS is active already");
		person_error(p);
	} else if (!person_may_start_tls(p)) {
		say(p, tag, "NO [UNAVAILABLE] TLS cannot be had now");
	} else if (conn_view(&p->conn).n) {
		/* Anybody on the way could have put it there, to be taken for what
		 * is said under TLS (CVE-2011-0411 and its like). */
		say(p, tag, "BAD Nothing may follow STARTTLS before the handshake");
		person_bye(p, BYE_ERRORS);
	} else {
		say(p, tag, "OK Begin TLS now");
		p->starts_tls = true;
	}
}

/* ---- the table ---- */

enum {
	ALONE = 1,	/* takes no arguments */
	ANY_LEVEL = 2,	/* also where TLS is not what the operator demands */
};

static const struct {
	const char *name;
	void (*run)(struct person *p, struct imap_parse *in, struct view tag);
	unsigned flags;
} commands[] = {
	{ "CAPABILITY", cmd_capability, ALONE | ANY_LEVEL },
	{ "NOOP", cmd_noop, ALONE | ANY_LEVEL },
	{ "LOGOUT", cmd_logout, ALONE | ANY_LEVEL },
	{ "ID", cmd_id, 0 },
	{ "STARTTLS", cmd_starttls, ALONE | ANY_LEVEL },
	{ "AUTHENTICATE", cmd_authenticate, 0 },
	{ "LOGIN", cmd_login, 0 },
};
enum { COMMANDS_N = sizeof commands / sizeof *commands };

static bool lacks_level(struct person *p, struct view tag)
{
	const char *lacks = person_lacks(p);
	struct buf text = BUF(256);

	if (lacks == NULL)
		return false;
	buf_putf(&text, "NO [PRIVACYREQUIRED] %s", lacks);
	buf_putc(&text, '\0');
	say(p, tag, text.p ? text.p : no_tls);
	buf_free(&text);
	person_error(p);
	return true;
}

static void run_command(struct person *p)
{
	struct imap_parse in = imap_parse_over(buf_view(&p->login->reader.text), &p->login->arena);
	struct view tag = imap_take_tag(&in), name;

	imap_space(&in);
	name = imap_take_atom(&in);
	if (!imap_ok(&in)) {
		say(p, imap_tag_of(buf_view(&p->login->reader.text)), "BAD That is no command");
		person_error(p);
		return;
	}
	for (size_t i = 0; i < COMMANDS_N; i++) {
		if (!view_eq_i(name, view_cstr(commands[i].name)))
			continue;
		if ((commands[i].flags & ALONE) && !imap_end(&in))
			break;
		if (!(commands[i].flags & ANY_LEVEL) && lacks_level(p, tag))
			return;
		commands[i].run(p, &in, tag);
		return;
	}
	say(p, tag, "BAD No such command before the login, or not with these arguments");
	person_error(p);
}

static void refuse(struct person *p, const char *why)
{
	say(p, imap_tag_of(buf_view(&p->login->reader.text)), why);
	person_error(p);
}

static void handle(struct person *p, enum imap_event e)
{
	switch (e) {
	case IMAP_COMMAND:
		run_command(p);
		if (p->login)
			arena_free(&p->login->arena);
		break;
	case IMAP_CONTINUE:
		buf_puts(conn_out(&p->conn), "+ Go on\r\n");
		break;
	case IMAP_TOO_BIG:
		refuse(p, "BAD That literal is too large");
		break;
	case IMAP_TOO_LONG:
		refuse(p, "BAD That command is too long");
		break;
	case IMAP_BAD_BYTES:
		refuse(p, "BAD Lines end in CRLF, and hold no other CR, LF or NUL");
		break;
	case IMAP_HOPELESS:
	case IMAP_NO_MEMORY:
		person_bye(p, BYE_ERRORS);
		break;
	case IMAP_MORE:
		break;
	}
}

static bool step(struct person *p)
{
	struct conn *c = &p->conn;
	enum imap_event e;
	size_t used;

	if (p->login->in_sasl)
		return take_response(p);
	if (conn_view(c).n == 0 && conn_fill(c) != ST_OK)
		return false;
	e = imap_read(&p->login->reader, conn_view(c), &used);
	conn_take(c, used);
	handle(p, e);
	return true;
}

const struct front imap_front = { "imap", greet, step, byes };
