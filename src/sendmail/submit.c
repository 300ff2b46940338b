#include "sendmail/submit.h"

#include "wire/smtp.h"
#include "wire/smtp_reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { STEP_S = 600, LINE_OUT = 4096, PIECE = 64 * 1024, PIECE_OUT = 4 * PIECE };

struct server {
	int fd;
	bool verbose;
	struct buf in;
	struct smtp_reply reply;
	struct smtp_offer offer;
};

int server_connect(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = STEP_S };
	char path[4200];
	int folder, fd;

	/* By way of the folder, so that a long path does not matter. */
	snprintf(path, sizeof path, "%s/local", dir);
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -1;
	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/submit", folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
			connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)) {
		close(fd);
		fd = -1;
	}
	close(folder);
	return fd;
}

static enum status put_all(struct server *s, struct view v)
{
	while (v.n) {
		ssize_t n = send(s->fd, v.p, v.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_CLOSED;
		v = view_skip(v, (size_t)n);
	}
	return ST_OK;
}

/* The next line into s->in. */
static enum status hear_line(struct server *s)
{
	char c;

	buf_clear(&s->in);
	do {
		ssize_t n = recv(s->fd, &c, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_CLOSED;
		buf_putc(&s->in, c);
	} while (c != '\n');
	while (s->in.n && (s->in.p[s->in.n - 1] == '\n' || s->in.p[s->in.n - 1] == '\r'))
		s->in.n--;
	return buf_status(&s->in);
}

/* ST_CLOSED: it said nothing that could be understood. */
static enum status hear(struct server *s)
{
	enum status st;

	smtp_reply_free(&s->reply);
	smtp_reply_begin(&s->reply);
	do {
		st = hear_line(s);
		if (st == ST_OK && s->verbose)
			fprintf(stderr, "<<< %.*s\n", VIEW_ARG(buf_view(&s->in)));
		if (st == ST_OK)
			st = smtp_reply_line(&s->reply, buf_view(&s->in));
	} while (st == ST_AGAIN);
	return st == ST_OK || st == ST_NOMEM ? st : ST_CLOSED;
}

static enum status say(struct server *s, struct buf *line)
{
	enum status st = buf_status(line);

	if (st == ST_OK && s->verbose)
		fprintf(stderr, ">>> %.*s\n", VIEW_ARG(buf_view(line)));
	buf_puts(line, "\r\n");
	if (st == ST_OK)
		st = put_all(s, buf_view(line));
	return st == ST_OK ? hear(s) : ST_CLOSED;
}

static enum status say_text(struct server *s, const char *text)
{
	struct buf line = BUF(LINE_OUT);
	enum status st;

	buf_puts(&line, text);
	st = say(s, &line);
	buf_free(&line);
	return st;
}

enum status server_open(const char *dir, bool verbose, struct server **ret)
{
	struct server *s = calloc(1, sizeof *s);

	if (s == NULL)
		return ST_NOMEM;
	s->fd = server_connect(dir);
	s->verbose = verbose;
	s->in = BUF(REPLY_LINE);
	smtp_reply_begin(&s->reply);
	if (s->fd >= 0 && hear(s) == ST_OK && s->reply.code == 220 && say_text(s, "EHLO localhost") == ST_OK &&
	    s->reply.code == 250) {
		s->offer = smtp_offer_of(buf_view(&s->reply.text));
		*ret = s;
		return ST_OK;
	}
	server_close(s);
	return ST_CLOSED;
}

void server_close(struct server *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	buf_free(&s->in);
	smtp_reply_free(&s->reply);
	free(s);
}

/* ---- what came of it ---- */

static int exit_of(const struct smtp_reply *r)
{
	struct view status = view_cstr(r->status);

	if (view_starts_i(status, VIEW("5.1.")) || r->code == 551)
		return EX_NOUSER;
	if (view_starts_i(status, VIEW("5.7.")))
		return EX_NOPERM;
	if (view_starts_i(status, VIEW("5.6.")))
		return EX_DATAERR;
	return EX_UNAVAILABLE;
}

static enum status refuse(struct server *s, struct view address, struct arena *a, struct outcome *o)
{
	struct refusal *more = arena_array(a, o->n_refused + 1, sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	if (o->n_refused)
		memcpy(more, o->refused, o->n_refused * sizeof *more);
	more[o->n_refused++] = (struct refusal){
		.address = address, .exit = exit_of(&s->reply), .status = arena_copy(a, view_cstr(s->reply.status)),
		.text = arena_copy(a, buf_view(&s->reply.text)),
	};
	o->refused = more;
	return arena_status(a);
}

/* All of them have to wait. */
static void all_later(const struct outgoing *o, struct outcome *ret)
{
	ret->later = o->to;
	ret->taken = 0;
}

/* ---- the transaction ---- */

static bool needs_utf8(const struct outgoing *o)
{
	bool needs = !view_is_ascii(o->sender);

	for (size_t i = 0; i < o->to.n; i++)
		needs = needs || !view_is_ascii(o->to.p[i]);
	return needs;
}

static enum status say_mail(struct server *s, const struct outgoing *o)
{
	struct buf line = BUF(LINE_OUT);
	enum status st;

	buf_putf(&line, "MAIL FROM:<%.*s>", VIEW_ARG(o->sender));
	if (!view_is_ascii(o->letter))
		buf_puts(&line, " BODY=8BITMIME");
	if (needs_utf8(o))
		buf_puts(&line, " SMTPUTF8");
	if (o->ret.n)
		buf_putf(&line, " RET=%.*s", VIEW_ARG(o->ret));
	if (o->envid.n)
		buf_putf(&line, " ENVID=%.*s", VIEW_ARG(o->envid));
	if (o->key.n)
		buf_putf(&line, " XKEY=%.*s", VIEW_ARG(o->key));
	if (o->for_account)
		buf_puts(&line, " XACCOUNT");
	st = say(s, &line);
	buf_free(&line);
	return st;
}

static enum status say_rcpt(struct server *s, const struct outgoing *o, struct view to)
{
	struct buf line = BUF(LINE_OUT);
	enum status st;

	buf_putf(&line, "RCPT TO:<%.*s>", VIEW_ARG(to));
	if (o->notify.n)
		buf_putf(&line, " NOTIFY=%.*s", VIEW_ARG(o->notify));
	st = say(s, &line);
	buf_free(&line);
	return st;
}

/* ST_CLOSED: the connection is of no use any more. */
static enum status recipients(struct server *s, const struct outgoing *o, struct arena *a, struct outcome *ret)
{
	struct view *later = arena_array(a, o->to.n, sizeof *later);
	enum status st = later ? ST_OK : ST_NOMEM;

	for (size_t i = 0; st == ST_OK && i < o->to.n; i++) {
		st = say_rcpt(s, o, o->to.p[i]);
		if (st != ST_OK)
			break;
		if (s->reply.code / 100 == 2)
			ret->taken++;
		else if (s->reply.code / 100 == 5)
			st = refuse(s, o->to.p[i], a, ret);
		else
			later[ret->later.n++] = o->to.p[i];
	}
	ret->later.p = later;
	return st;
}

static enum status put_text(struct server *s, struct view letter)
{
	struct smtp_sender text = { .dots = true };
	struct buf out = BUF(PIECE_OUT);
	enum status st = ST_OK;

	while (st == ST_OK && letter.n) {
		buf_clear(&out);
		smtp_send_text(&text, view_head(letter, PIECE), &out);
		letter = view_skip(letter, PIECE);
		st = buf_status(&out) == ST_OK ? put_all(s, buf_view(&out)) : buf_status(&out);
	}
	buf_clear(&out);
	smtp_send_end(&text, &out);
	if (st == ST_OK)
		st = put_all(s, buf_view(&out));
	buf_free(&out);
	return st;
}

/* Behind RCPT.  ST_CLOSED as above. */
static enum status data(struct server *s, const struct outgoing *o, struct arena *a, struct outcome *ret)
{
	enum status st = say_text(s, "DATA");

	if (st == ST_OK && s->reply.code == 354) {
		st = put_text(s, o->letter);
		if (st == ST_OK) {
			st = hear(s);
			ret->in_doubt = st != ST_OK;
		}
	}
	if (st != ST_OK || s->reply.code == 250)
		return st;
	if (s->reply.code / 100 != 5)
		return ST_CLOSED;
	ret->taken = 0;
	return refuse(s, VIEW_NONE, a, ret);
}

enum status server_submit(struct server *s, const struct outgoing *o, struct arena *a, struct outcome *ret)
{
	struct outcome out = { 0 };
	enum status st = say_mail(s, o);

	if (st == ST_OK && s->reply.code / 100 == 5)
		st = refuse(s, VIEW_NONE, a, &out);
	else if (st == ST_OK && s->reply.code != 250)
		st = ST_CLOSED;
	else if (st == ST_OK) {
		st = recipients(s, o, a, &out);
		if (st == ST_OK && out.taken)
			st = data(s, o, a, &out);
		if (st == ST_OK)
			st = say_text(s, "RSET") == ST_NOMEM ? ST_NOMEM : ST_OK;
	}
	if (st == ST_NOMEM)
		return st;
	/* Those that were refused for good stay refused, when they are asked again. */
	if (st != ST_OK) {
		out.n_refused = 0;
		all_later(o, &out);
	}
	*ret = out;
	return ST_OK;
}
