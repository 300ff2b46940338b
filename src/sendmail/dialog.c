#include "sendmail/dialog.h"

#include "sendmail/drop.h"
#include "wire/smtp.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 * 1024, LINE_MOST = 4096, PIECE = 64 * 1024 };

struct talk {
	const char *dir;
	const struct about *about;
	struct buf in;		/* read and not used */
	struct arena tx;	/* of a transaction */
	struct outgoing out;
	bool has_sender, utf8, over;
	struct buf text;
};

static void say(const char *line)
{
	printf("%s\r\n", line);
	fflush(stdout);
}

static void forget(struct talk *t)
{
	arena_free(&t->tx);
	buf_free(&t->text);
	t->out = (struct outgoing){ 0 };
	t->has_sender = t->utf8 = false;
}

/* More of standard input; false at its end. */
static bool fill(struct talk *t)
{
	char piece[PIECE];
	ssize_t n;

	do
		n = read(STDIN_FILENO, piece, sizeof piece);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		buf_put(&t->in, view_make(piece, (size_t)n));
	return n > 0 && buf_status(&t->in) == ST_OK;
}

/* ---- MAIL, RCPT ---- */

/* As the server takes them (RFC 1870, 6152, 6531, 3461); others it knows are for
 * who waits for an answer. */
static const char *mail_parameter(struct talk *t, const struct smtp_parameter *p)
{
	uint64_t size;

	if (view_eq_i(p->key, VIEW("SIZE")))
		return !view_u64(p->value, &size) ? "501 5.5.4 SIZE takes a number" :
		       size > t->about->size	  ? "552 5.3.4 Message size exceeds fixed limit" : NULL;
	if (view_eq_i(p->key, VIEW("BODY")))
		return view_eq_i(p->value, VIEW("7BIT")) || view_eq_i(p->value, VIEW("8BITMIME")) ? NULL :
											      "501 5.5.4 BODY is 7BIT or 8BITMIME";
	if (view_eq_i(p->key, VIEW("SMTPUTF8")) && !p->has_value) {
		t->utf8 = true;
		return NULL;
	}
	if (view_eq_i(p->key, VIEW("RET")) && (view_eq_i(p->value, VIEW("FULL")) || view_eq_i(p->value, VIEW("HDRS")))) {
		t->out.ret = arena_copy(&t->tx, p->value);
		return NULL;
	}
	if (view_eq_i(p->key, VIEW("ENVID")) && smtp_is_xtext(p->value)) {
		t->out.envid = arena_copy(&t->tx, p->value);
		return NULL;
	}
	return "555 5.5.4 Parameter not recognized or not implemented while the server is down";
}

static const char *mail(struct talk *t, struct view rest)
{
	struct smtp_path_command pc;
	const char *no = NULL;

	if (t->has_sender)
		return "503 5.5.1 Bad sequence of commands";
	if (smtp_take_path(rest, VIEW("FROM:"), &pc) != ST_OK)
		return "501 5.1.7 That is no valid sender address";
	for (size_t i = 0; i < pc.n_parameters && no == NULL; i++)
		no = mail_parameter(t, &pc.parameters[i]);
	if (no == NULL && pc.path.utf8 && !t->utf8)
		no = "553 5.6.7 That address needs SMTPUTF8";
	if (no) {
		forget(t);
		return no;
	}
	t->out.sender = arena_copy(&t->tx, pc.path.address);
	t->has_sender = true;
	return arena_status(&t->tx) == ST_OK ? "250 2.1.0 OK" : "452 4.3.1 Insufficient system storage";
}

/* NOTIFY is the file's, not a recipient's: the first one's counts. */
static const char *rcpt(struct talk *t, struct view rest)
{
	struct smtp_path_command pc;
	struct view bad;
	uint8_t set;

	if (!t->has_sender)
		return "503 5.5.1 Say MAIL first";
	if (smtp_take_path(rest, VIEW("TO:"), &pc) != ST_OK)
		return "501 5.1.3 That is no valid recipient address";
	for (size_t i = 0; i < pc.n_parameters; i++) {
		const struct smtp_parameter *p = &pc.parameters[i];

		if (!view_eq_i(p->key, VIEW("NOTIFY")) || smtp_take_notify(p->value, &set) != ST_OK)
			return "555 5.5.4 Parameter not recognized or not implemented while the server is down";
		if (t->out.to.n == 0)
			t->out.notify = arena_copy(&t->tx, p->value);
	}
	if (pc.path.utf8 && !t->utf8)
		return "553 5.6.7 That address needs SMTPUTF8";
	switch (recipients_take(&t->out.to, pc.path.address, view_cstr(t->about->host), &t->tx, &bad)) {
	case ST_OK:
		return "250 2.1.5 OK";
	case ST_LIMIT:
		return "452 4.5.3 Too many recipients";
	case ST_SYNTAX:
		return "501 5.1.3 That is no valid recipient address";
	default:
		return "452 4.3.1 Insufficient system storage";
	}
}

/* ---- DATA ---- */

static void put(void *arg, struct view run)
{
	buf_put(&((struct talk *)arg)->text, run);
}

static const char *keep(struct talk *t, bool bare)
{
	enum status st = buf_status(&t->text);

	if (bare)
		return "554 5.6.0 The text holds a CR or LF that stands alone, or a NUL";
	if (st == ST_LIMIT)
		return "552 5.3.4 Message size exceeds fixed limit";
	t->out.letter = buf_view(&t->text);
	if (st == ST_OK)
		st = drop_write(t->dir, &t->out);
	return st == ST_OK ? "250 2.0.0 OK, kept until the server runs" : "452 4.3.1 It cannot be kept for the server";
}

static const char *data(struct talk *t, struct view rest)
{
	struct smtp_text text = { 0 };
	enum smtp_text_result r = TEXT_MORE;
	const char *answer;
	size_t used;

	if (rest.n)
		return "501 5.5.4 Syntax error in parameters or arguments";
	if (!t->has_sender || t->out.to.n == 0)
		return t->has_sender ? "503 5.5.1 No valid recipients" : "503 5.5.1 Say MAIL first";
	say("354 Start mail input; end with <CRLF>.<CRLF>");
	t->text = BUF((size_t)t->about->size);
	while (r == TEXT_MORE) {
		if (t->in.n == 0 && !fill(t)) {
			/* Half a letter is none. */
			t->over = true;
			forget(t);
			return NULL;
		}
		r = smtp_text_take(&text, buf_view(&t->in), put, t, &used);
		buf_drop(&t->in, used);
	}
	answer = keep(t, text.bare);
	forget(t);
	return answer;
}

/* ---- the others, and the table ---- */

static const char *hello(struct talk *t, struct view rest)
{
	if (!smtp_is_domain(rest))
		return "501 5.5.4 Give your domain name or address literal";
	forget(t);
	printf("250 %s\r\n", t->about->host);
	return NULL;
}

static const char *extended_hello(struct talk *t, struct view rest)
{
	if (!smtp_is_domain(rest))
		return "501 5.5.4 Give your domain name or address literal";
	forget(t);
	printf("250-%s, for a server that does not run now\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-DSN\r\n250-8BITMIME\r\n"
	       "250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n", t->about->host, (unsigned long long)t->about->size);
	return NULL;
}

static const char *reset(struct talk *t, struct view rest)
{
	(void)rest;
	forget(t);
	return "250 2.0.0 OK";
}

static const char *noop(struct talk *t, struct view rest)
{
	(void)t, (void)rest;
	return "250 2.0.0 OK";
}

static const char *verify(struct talk *t, struct view rest)
{
	(void)t;
	return rest.n ? "252 2.5.0 Cannot VRFY user, but will accept message and attempt delivery" :
			"501 5.5.4 Syntax error in parameters or arguments";
}

static const char *quit(struct talk *t, struct view rest)
{
	(void)rest;
	t->over = true;
	return "221 2.0.0 Service closing transmission channel";
}

static const struct {
	const char *verb;
	const char *(*run)(struct talk *t, struct view rest);
} commands[] = {
	{ "HELO", hello }, { "EHLO", extended_hello }, { "MAIL", mail }, { "RCPT", rcpt }, { "DATA", data },
	{ "RSET", reset }, { "NOOP", noop }, { "VRFY", verify }, { "QUIT", quit },
};

static const char *command(struct talk *t, struct view line)
{
	struct smtp_command c = smtp_split(line);

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (view_eq_i(c.verb, view_cstr(commands[i].verb)))
			return commands[i].run(t, c.rest);
	return "500 5.5.2 Command unrecognized, or not while the server is down";
}

/* One line out of t->in; lines end in CRLF, as for the server. */
static const char *take_line(struct talk *t, size_t n)
{
	char line[LINE_MOST];
	struct view v;

	if (n > sizeof line) {
		buf_drop(&t->in, n);
		return "500 5.5.2 Line too long";
	}
	memcpy(line, t->in.p, n);
	buf_drop(&t->in, n);
	v = view_make(line, n - 1);
	if (v.n == 0 || v.p[v.n - 1] != '\r' || view_find(v, '\0') < v.n || view_find(v, '\r') < v.n - 1)
		return "500 5.5.2 Lines end in CRLF, and hold no other CR, LF or NUL";
	v.n--;
	return command(t, v);
}

int dialog(const char *dir, const struct about *about)
{
	struct talk t = { .dir = dir, .about = about, .in = BUF(2 * PIECE), .tx = ARENA(ARENA_MAX) };
	const char *answer;

	printf("220 %s ESMTP, no server runs: letters are kept until it does\r\n", about->host);
	fflush(stdout);
	while (!t.over) {
		struct view in = buf_view(&t.in);
		size_t n = view_find(in, '\n');

		if (n == in.n) {
			if (in.n > PIECE || !fill(&t))
				break;
			continue;
		}
		answer = take_line(&t, n + 1);
		if (answer)
			say(answer);
		fflush(stdout);
	}
	forget(&t);
	buf_free(&t.in);
	return ferror(stdout) ? EX_IOERR : EX_OK;
}
