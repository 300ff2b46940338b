#include "mua/net/submit.h"

#include "msg/charset.h"
#include "msg/convert.h"
#include "msg/mime.h"
#include "mua/net/sasl_client.h"
#include "wire/sasl.h"
#include "wire/smtp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

enum { PIECE = 64 * 1024, SAID_MAX = 300, CHALLENGES_MAX = 8, CONVERTED_MAX = 512 * 1024 * 1024 };

/* ---- replies ---- */

static enum status hear(struct submitter *s)
{
	struct view line;
	enum status st;

	smtp_reply_begin(&s->reply);
	do {
		st = client_line(&s->client, REPLY_LINE, &line);
		if (st != ST_OK)
			return st;
		st = smtp_reply_line(&s->reply, line);
	} while (st == ST_AGAIN);
	return st == ST_OK
		       ? st
		       : client_fail(&s->client, st, "%s sent something that is no SMTP reply", s->client.host);
}

static enum status refused(struct submitter *s, const char *what)
{
	struct view text = view_head(buf_view(&s->reply.text), SAID_MAX);
	struct buf clean = BUF(SAID_MAX + 2);

	put_harmless(text, &clean);
	s->permanent = s->reply.code >= 500;
	(void)!client_fail(&s->client, ST_DENIED, "%s refuses %s: %u %.*s", s->client.host, what, s->reply.code,
			   VIEW_ARG(buf_view(&clean)));
	buf_free(&clean);
	return ST_DENIED;
}

static enum status ask(struct submitter *s)
{
	enum status st;

	/* What came before we asked is no answer to what we ask. */
	if (conn_view(&s->client.conn).n)
		return client_fail(&s->client, ST_SYNTAX, "%s spoke before it was asked", s->client.host);
	st = client_flush(&s->client);
	return st == ST_OK ? hear(s) : st;
}

/* ---- EHLO ---- */

/* RFC 5321 4.1.4: who has no name says his address. */
static void put_own_name(struct submitter *s, struct buf *out)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} me = { 0 };
	socklen_t n = sizeof me;
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";

	if (getsockname(s->client.conn.watch.fd, &me.any, &n) == 0)
		inet_ntop(me.any.sa_family,
			  me.any.sa_family == AF_INET6 ? (void *)&me.v6.sin6_addr : (void *)&me.v4.sin_addr,
			  text, sizeof text);
	buf_putf(out, "[%s%s]", me.any.sa_family == AF_INET6 ? "IPv6:" : "", text);
}

static void take_mechanisms(struct submitter *s)
{
	struct view left = buf_view(&s->reply.text);

	buf_clear(&s->mechanisms);
	while (left.n) {
		struct view line = view_head(left, view_find(left, '\n'));

		if (view_starts_i(line, VIEW("AUTH ")))
			buf_put(&s->mechanisms, view_skip(line, 5));
		left = view_skip(left, line.n + 1);
	}
}

static enum status hello(struct submitter *s)
{
	struct buf *out = client_out(&s->client);
	enum status st;

	buf_puts(out, "EHLO ");
	put_own_name(s, out);
	buf_puts(out, "\r\n");
	st = ask(s);
	if (st == ST_OK && s->reply.code != 250)
		return refused(s, "EHLO");
	s->offer = smtp_offer_of(buf_view(&s->reply.text));
	take_mechanisms(s);
	return st;
}

static enum status start_tls(struct submitter *s)
{
	enum status st;

	if (!(s->offer.set & EXT_STARTTLS))
		return client_fail(&s->client, ST_DENIED, "%s does not offer STARTTLS, and nothing is said in clear",
				   s->client.host);
	buf_puts(client_out(&s->client), "STARTTLS\r\n");
	st = ask(s);
	if (st == ST_OK && s->reply.code != 220)
		return refused(s, "STARTTLS");
	if (st == ST_OK)
		st = client_start_tls(&s->client, PROTOCOL_SMTP);
	return st == ST_OK ? hello(s) : st;
}

enum status submit_greet(struct submitter *s, struct net *n, const struct server *to)
{
	enum status st;

	*s = (struct submitter){ .mechanisms = BUF(MECHANISMS_MAX) };
	st = client_open(&s->client, n, to);
	if (st == ST_OK)
		st = hear(s);
	if (st == ST_OK && s->reply.code != 220)
		return refused(s, "the session");
	if (st == ST_OK)
		st = hello(s);
	return st == ST_OK && !to->tls_first ? start_tls(s) : st;
}

/* ---- AUTH (RFC 4954 4) ---- */

static enum status exchange(struct submitter *s, struct sasl_client *l)
{
	struct buf *out = client_out(&s->client), line = BUF(LOGIN_TEXT_MAX), bytes = BUF(LOGIN_TEXT_MAX);
	enum status st = sasl_client_step(l, VIEW_NONE, &line);

	buf_putf(out, "AUTH %s ", l->mechanism);
	sasl_encode(buf_view(&line), out);
	for (int n = 0; st == ST_OK; n++) {
		buf_puts(out, "\r\n");
		st = ask(s);
		if (st != ST_OK || s->reply.code != 334)
			break;
		buf_clear(&bytes);
		st = n < CHALLENGES_MAX ? sasl_decode(buf_view(&s->reply.text), &bytes) : ST_LIMIT;
		if (st == ST_OK)
			st = sasl_client_step(l, buf_view(&bytes), &line);
		if (st == ST_OK)
			sasl_encode(buf_view(&line), out);
		else
			st = client_fail(&s->client, ST_DENIED,
					 "%s says nothing that makes sense in this login", s->client.host);
	}
	sasl_client_wipe(&line);
	sasl_client_wipe(&bytes);
	if (st == ST_OK && s->reply.code != 235)
		return refused(s, "the login");
	if (st == ST_OK && !sasl_client_proved(l))
		st = client_fail(&s->client, ST_DENIED, "%s did not prove that it knows the account", s->client.host);
	return st;
}

enum status submit_open(struct submitter *s, struct net *n, const struct server *to, struct view user,
			struct view password)
{
	enum status st = submit_greet(s, n, to);
	struct sasl_client l;

	if (st != ST_OK || user.n == 0)
		return st;
	st = sasl_client_begin(&l, buf_view(&s->mechanisms), &s->client.conn, user, password);
	if (st == ST_MISSING)
		st = client_fail(&s->client, ST_DENIED, "%s offers no login that we know", s->client.host);
	else if (st == ST_OK)
		st = exchange(s, &l);
	sasl_client_end(&l);
	return st;
}

void submit_close(struct submitter *s)
{
	if (s->client.open && !s->client.conn.broken)
		buf_puts(client_out(&s->client), "QUIT\r\n");
	client_close(&s->client);
	smtp_reply_free(&s->reply);
	buf_free(&s->mechanisms);
}

/* ---- a letter ---- */

static enum status needs_of(const struct submission *l, struct arena *a, struct convert_form *ret)
{
	struct convert_form has = { 0 };
	enum status st = convert_needs(l->letter, a, &has);

	has.binary = false;	/* line ends are made right, and lines of ours are short */
	has.utf8 |= !view_is_ascii(l->from);
	for (size_t i = 0; i < l->n_to; i++)
		has.utf8 |= !view_is_ascii(l->to[i]);
	*ret = has;
	return st;
}

/* Nothing in them can end the command that they stand in. */
static bool all_are_addresses(const struct submission *l)
{
	struct smtp_path path;

	if (l->from.n && smtp_take_mailbox(l->from, &path) != ST_OK)
		return false;
	for (size_t i = 0; i < l->n_to; i++)
		if (smtp_take_mailbox(l->to[i], &path) != ST_OK)
			return false;
	return l->n_to > 0;
}

static enum status reset(struct submitter *s)
{
	enum status st;

	buf_puts(client_out(&s->client), "RSET\r\n");
	st = ask(s);
	s->dirty = false;
	return st == ST_OK && s->reply.code / 100 != 2 ? refused(s, "RSET") : st;
}

static void put_mail(struct submitter *s, const struct submission *l, struct convert_form has)
{
	struct buf *out = client_out(&s->client);

	buf_putf(out, "MAIL FROM:<%.*s>", VIEW_ARG(l->from));
	if (s->offer.set & EXT_SIZE)
		buf_putf(out, " SIZE=%zu", l->letter.n);
	if (has.eightbit && s->offer.set & EXT_8BITMIME)
		buf_puts(out, " BODY=8BITMIME");
	if (has.utf8 && s->offer.set & EXT_SMTPUTF8)
		buf_puts(out, " SMTPUTF8");
	if (l->headers_only && s->offer.set & EXT_DSN)
		buf_puts(out, " RET=HDRS");
	if (l->require_tls)
		buf_puts(out, " REQUIRETLS");
	buf_puts(out, "\r\n");
}

static void put_rcpt(struct submitter *s, const struct submission *l, struct view to)
{
	struct buf *out = client_out(&s->client);

	buf_putf(out, "RCPT TO:<%.*s>", VIEW_ARG(to));
	if (l->notify.n && s->offer.set & EXT_DSN)
		buf_putf(out, " NOTIFY=%.*s", VIEW_ARG(l->notify));
	buf_puts(out, "\r\n");
}

static enum status rcpt_refused(struct submitter *s, struct view to)
{
	char what[SAID_MAX];

	snprintf(what, sizeof what, "%.*s", VIEW_ARG(view_head(to, SAID_MAX - 1)));
	return refused(s, what);
}

/* With PIPELINING all at once, but not DATA: nothing may be sent when one of
 * them is refused. */
static enum status envelope(struct submitter *s, const struct submission *l, struct convert_form has)
{
	bool at_once = s->offer.set & EXT_PIPELINING;
	enum status st, so_far = ST_OK;

	put_mail(s, l, has);
	for (size_t i = 0; at_once && i < l->n_to; i++)
		put_rcpt(s, l, l->to[i]);
	st = ask(s);
	if (st == ST_OK && s->reply.code / 100 != 2)
		so_far = refused(s, "the sender");
	for (size_t i = 0; st == ST_OK && i < l->n_to && (at_once || so_far == ST_OK); i++) {
		if (!at_once)
			put_rcpt(s, l, l->to[i]);
		st = at_once ? hear(s) : ask(s);
		/* The first refusal is the one that is told. */
		if (st == ST_OK && s->reply.code / 100 != 2 && so_far == ST_OK)
			so_far = rcpt_refused(s, l->to[i]);
	}
	return st == ST_OK ? so_far : st;
}

static enum status data(struct submitter *s, struct view letter)
{
	struct smtp_sender t = { .dots = true };
	struct buf *out = client_out(&s->client);
	enum status st;

	buf_puts(out, "DATA\r\n");
	st = ask(s);
	if (st == ST_OK && s->reply.code != 354)
		return refused(s, "the letter");
	while (st == ST_OK && letter.n) {
		struct view piece = view_head(letter, PIECE);

		smtp_send_text(&t, piece, out);
		st = client_flush(&s->client);
		letter = view_skip(letter, piece.n);
	}
	if (st != ST_OK)
		return st;
	smtp_send_end(&t, out);
	st = ask(s);
	return st == ST_OK && s->reply.code / 100 != 2 ? refused(s, "the letter") : st;
}

static enum status cannot(struct submitter *s, const char *why)
{
	s->permanent = true;
	return client_fail(&s->client, ST_DENIED, "%s %s", s->client.host, why);
}

enum status submit_letter(struct submitter *s, const struct submission *l)
{
	struct convert_form takes = { s->offer.set & EXT_8BITMIME, true, s->offer.set & EXT_SMTPUTF8 }, has = { 0 };
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf converted = BUF(CONVERTED_MAX);
	struct submission real = *l;
	enum status st;

	s->permanent = s->unprotected = false;
	if (!all_are_addresses(l))
		return cannot(s, "cannot be told of a recipient or sender that is no address");
	if (l->require_tls && !(s->offer.set & EXT_REQUIRETLS)) {
		s->unprotected = true;
		return client_fail(&s->client, ST_DENIED, "it is not encrypted, and %s does not offer REQUIRETLS",
				   s->client.host);
	}
	st = s->dirty ? reset(s) : ST_OK;
	if (st == ST_OK)
		st = needs_of(l, &a, &has);
	if (st == ST_OK && has.utf8 && !takes.utf8)
		st = cannot(s, "does not take addresses or headers in UTF-8");
	if (st == ST_OK && s->offer.size && l->letter.n > s->offer.size)
		st = cannot(s, "does not take letters as large as this one");
	if (st == ST_OK && convert_lacks(takes, has)) {
		st = convert_letter(l->letter, takes, &a, &converted);
		real.letter = buf_view(&converted);
	}
	if (st == ST_OK)
		st = envelope(s, &real, has);
	if (st == ST_OK)
		st = data(s, real.letter);
	s->dirty = st == ST_DENIED;
	buf_free(&converted);
	arena_free(&a);
	return st;
}
