/* pop3.c - POP3's AUTHORIZATION state (RFC 1939 4, RFC 2449, 2595, 5034). */
#include "door/login/internal.h"

#include "wire/imap.h"
#include "wire/pop3.h"

#include <stdio.h>
#include <sys/random.h>

static const char *const byes[BYE_COUNT] = {
	[BYE_STOPPING] = "-ERR [SYS/TEMP] Server is shutting down\r\n",
	[BYE_LATE] = "-ERR Autologout, silent for too long\r\n",
	[BYE_ERRORS] = "-ERR Too many errors\r\n",
	[BYE_GUESSING] = "-ERR [SYS/TEMP] Too many logins, come again later\r\n",
	[BYE_ROOM] = "-ERR [SYS/TEMP] Your mailbox cannot be reached now, come again later\r\n",
	[BYE_TICKET] = "-ERR [AUTH] Log in again\r\n",
};

static void say(struct person *p, const char *line)
{
	buf_puts(conn_out(&p->conn), line);
	buf_puts(conn_out(&p->conn), "\r\n");
}

static void wrong(struct person *p, const char *line)
{
	say(p, line);
	person_error(p);
}

static bool apop_is_offered(const struct person *p)
{
	struct sasl_offer offer;

	person_offer(p, &offer);
	return sasl_offered(VIEW("APOP"), &offer);
}

/* With a timestamp where APOP (RFC 1939 7) may be said.  Its random part is
 * what keeps an answer from being good twice. */
static void greet(struct person *p)
{
	struct login *l = p->login;
	uint64_t random[2];

	buf_putf(conn_out(&p->conn), "+OK %s waxwing is ready", p->host->conf->host_name);
	if (apop_is_offered(p) && getrandom(random, sizeof random, 0) == (ssize_t)sizeof random) {
		snprintf(l->stamp, sizeof l->stamp, "<%016llx%016llx@%.80s>", (unsigned long long)random[0],
			 (unsigned long long)random[1], p->host->conf->host_name);
		buf_putf(conn_out(&p->conn), " %s", l->stamp);
	}
	buf_puts(conn_out(&p->conn), "\r\n");
}

/* ---- who is it? ---- */

static const char no_tls[] = "-ERR [SYS/PERM] Say STLS first";

static void proved(struct person *p)
{
	enum verdict v = person_proved(p);

	if (p->last_words)
		return;
	switch (v) {
	case VERDICT_OK:
		person_enter(p, VIEW(""));
		break;
	case VERDICT_NO:
		wrong(p, "-ERR [AUTH] Name or password is wrong");
		break;
	case VERDICT_SLOW:
		person_bye(p, BYE_GUESSING);
		break;
	default:
		say(p, "-ERR [SYS/TEMP] Logins cannot be checked now, try again later");
	}
}

static void cmd_user(struct person *p, struct view rest)
{
	struct buf *name = &p->login->name;

	buf_clear(name);
	if (!person_safe(p)) {
		wrong(p, no_tls);
		return;
	}
	buf_put(name, rest);
	if (rest.n == 0 || buf_status(name) != ST_OK || !imap_is_utf8(rest)) {
		buf_clear(name);
		wrong(p, "-ERR USER takes a name");
		return;
	}
	/* Whether there is such a one shows with the password. */
	say(p, "+OK Now the password");
}

static void cmd_pass(struct person *p, struct view rest)
{
	struct view secret;

	if (p->login->name.n == 0 || rest.n == 0 || !imap_is_utf8(rest)) {
		wrong(p, "-ERR Say USER first, then PASS with the password");
		return;
	}
	secret = arena_copy(&p->login->arena, rest);
	explicit_bzero((char *)rest.p, rest.n);
	prove_password(person_proving(p), "USER", buf_view(&p->login->name), secret, VIEW(""));
	if (secret.n)
		explicit_bzero((char *)secret.p, secret.n);
	arena_free(&p->login->arena);
	proved(p);
	if (p->login)
		buf_clear(&p->login->name);
}

/* ---- APOP (RFC 1939 7): name and hex of MD5(timestamp, secret) ---- */

static void cmd_apop(struct person *p, struct view rest)
{
	struct buf message = BUF(SASL_LINE_MAX);
	struct view name = view_head(rest, view_find(rest, ' '));

	if (p->login->stamp[0] == '\0' || !apop_is_offered(p)) {
		wrong(p, "-ERR APOP is not offered here");
		return;
	}
	buf_puts(&message, p->login->stamp);
	buf_putc(&message, '\0');
	buf_put(&message, name);
	buf_putc(&message, '\0');
	buf_put(&message, view_skip(rest, name.n + 1));
	/* One answer for one timestamp. */
	p->login->stamp[0] = '\0';
	if (buf_status(&message) == ST_OK) {
		prove_message(person_proving(p), "APOP", buf_view(&message));
		proved(p);
	} else {
		wrong(p, "-ERR APOP takes a name and a digest");
	}
	buf_free(&message);
}

/* ---- AUTH (RFC 5034) ---- */

static void sasl_goes_on(struct person *p, int r)
{
	struct login *l = p->login;
	const char *why = "-ERR That is no base64, or not what the mechanism wants";

	l->in_sasl = r == SASL_MORE;
	if (r == SASL_MORE) {
		buf_puts(conn_out(&p->conn), "+ ");
		buf_put(conn_out(&p->conn), buf_view(&l->challenge));
		buf_puts(conn_out(&p->conn), "\r\n");
		return;
	}
	if (r == SASL_DONE) {
		proved(p);
		return;
	}
	if (r == SASL_UNKNOWN)
		why = "-ERR No such mechanism";
	else if (r == SASL_CANCELLED)
		why = "-ERR Cancelled";
	else if (r == SASL_FULL)
		why = "-ERR [SYS/TEMP] Try again later";
	prove_end(&l->proving);
	wrong(p, why);
}

static void auth(struct person *p, struct view line)
{
	struct login *l = p->login;
	size_t blank = view_find(line, ' ');

	sasl_goes_on(p, prove_begin(person_proving(p), view_head(line, blank),
				    blank < line.n ? view_skip(line, blank + 1) : VIEW_NONE, &l->challenge));
}

/* With a copy of the line: while warden is asked the connection's buffer may
 * move. */
static void on_copy(struct person *p, struct view line, void (*fn)(struct person *p, struct view line))
{
	struct view copy = arena_copy(&p->login->arena, line);

	if (line.n)
		explicit_bzero((char *)line.p, line.n);
	if (arena_status(&p->login->arena) == ST_OK)
		fn(p, copy);
	else
		sasl_goes_on(p, SASL_FULL);
	if (p->login)
		arena_free(&p->login->arena);
}

static void cmd_auth(struct person *p, struct view rest)
{
	struct buf *out = conn_out(&p->conn);
	struct sasl_offer offer;

	person_offer(p, &offer);
	if (rest.n == 0) {
		/* Old clients ask so which there are. */
		buf_puts(out, "+OK");
		sasl_list(out, "\r\n", &offer);
		say(p, "\r\n.");
	} else if (!person_may_begin(p)) {
		wrong(p, no_tls);
	} else {
		on_copy(p, rest, auth);
	}
}

static void answer(struct person *p, struct view line)
{
	sasl_goes_on(p, prove_line(&p->login->proving, line, &p->login->challenge));
}

/* ---- the others ---- */

static void put_mechanisms(struct person *p)
{
	struct buf list = BUF(SASL_LINE_MAX);
	struct sasl_offer offer;

	person_offer(p, &offer);
	sasl_list(&list, " ", &offer);
	if (list.n)
		buf_putf(conn_out(&p->conn), "SASL%.*s\r\n", VIEW_ARG(buf_view(&list)));
	buf_free(&list);
}

static void cmd_capa(struct person *p, struct view rest)
{
	struct buf *out = conn_out(&p->conn);

	(void)rest;
	buf_puts(out, "+OK\r\n");
	pop3_put_capabilities(out);
	if (person_may_start_tls(p))
		buf_puts(out, "STLS\r\n");
	if (person_safe(p))
		buf_puts(out, "USER\r\n");
	put_mechanisms(p);
	buf_puts(out, "IMPLEMENTATION waxwing\r\n.\r\n");
}

static void cmd_stls(struct person *p, struct view rest)
{
	(void)rest;
	if (conn_has_tls(&p->conn)) {
		wrong(p, "-ERR TLS is active already");
	} else if (p->login->utf8) {
		wrong(p, "-ERR STLS is for before UTF8");
	} else if (!person_may_start_tls(p)) {
		say(p, "-ERR [SYS/TEMP] TLS cannot be had now");
	} else if (conn_view(&p->conn).n) {
		/* See cmd_starttls of imap.c. */
		say(p, "-ERR Nothing may follow STLS before the handshake");
		person_finish(p);
	} else {
		say(p, "+OK Begin TLS now");
		p->starts_tls = true;
	}
}

/* RFC 6856 2.1: from now on letters come as they are (ms/pop3). */
static void cmd_utf8(struct person *p, struct view rest)
{
	(void)rest;
	p->login->utf8 = true;
	say(p, "+OK UTF8 it is");
}

static void cmd_lang(struct person *p, struct view rest)
{
	if (!pop3_put_language(conn_out(&p->conn), rest))
		person_error(p);
}

static void cmd_quit(struct person *p, struct view rest)
{
	(void)rest;
	say(p, "+OK Goodbye");
	person_finish(p);
}

/* ---- the table ---- */

enum {
	ALONE = 1,	/* takes no arguments */
	ANY_LEVEL = 2,	/* also where TLS is not what the operator demands */
};

static const struct {
	const char *verb;
	void (*run)(struct person *p, struct view rest);
	unsigned flags;
} commands[] = {
	{ "USER", cmd_user, 0 },
	{ "PASS", cmd_pass, 0 },
	{ "APOP", cmd_apop, 0 },
	{ "AUTH", cmd_auth, 0 },
	{ "UTF8", cmd_utf8, ALONE },
	{ "LANG", cmd_lang, 0 },
	{ "CAPA", cmd_capa, ALONE | ANY_LEVEL },
	{ "STLS", cmd_stls, ALONE | ANY_LEVEL },
	{ "QUIT", cmd_quit, ALONE | ANY_LEVEL },
};

static bool lacks_level(struct person *p)
{
	const char *lacks = person_lacks(p);

	if (lacks == NULL)
		return false;
	buf_putf(conn_out(&p->conn), "-ERR [SYS/PERM] %s\r\n", lacks);
	person_error(p);
	return true;
}

static void run_command(struct person *p, struct view line)
{
	struct pop3_command cmd = pop3_split(line);

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!view_eq_i(cmd.verb, view_cstr(commands[i].verb)))
			continue;
		if ((commands[i].flags & ALONE) && cmd.has_rest)
			break;
		if (!(commands[i].flags & ANY_LEVEL) && lacks_level(p))
			return;
		commands[i].run(p, cmd.rest);
		return;
	}
	wrong(p, "-ERR No such command before the login, or not with these arguments");
}

static bool step(struct person *p)
{
	struct login *l = p->login;
	/* AUTH may bring a long initial response. */
	enum { AUTH_LINE_MAX = SASL_LINE_MAX + 64 };
	struct view line;

	switch (conn_line(&p->conn, AUTH_LINE_MAX, &line)) {
	case ST_OK:
		if (l->in_sasl)
			on_copy(p, line, answer);
		else
			run_command(p, line);
		return true;
	case ST_LIMIT:
		/* Its end would be taken for a command. */
		person_bye(p, BYE_ERRORS);
		return true;
	case ST_SYNTAX:
		if (l->in_sasl)
			sasl_goes_on(p, SASL_BAD);
		else
			wrong(p, "-ERR Lines end in CRLF, and hold no other CR, LF or NUL");
		return true;
	default:
		return false;
	}
}

const struct front pop3_front = { "pop3", greet, step, byes };
