/* command.c - the commands of POP3's TRANSACTION state (RFC 1939 5, 6 and 7,
 * RFC 2449 5): one function each. */
#include "ms/pop3/internal.h"

#include "msg/charset.h"
#include "msg/convert.h"
#include "msg/mime.h"

#include <stdlib.h>

/* How much of a letter is gathered before it is sent: long ones do not need
 * that much memory. */
enum { PIECE = 256 * 1024, GATHER = 512 * 1024, CONVERTED_MORE = 64 * 1024 };

static void say(struct pop3_session *s, const char *line)
{
	buf_puts(pop3_out(s), line);
	buf_puts(pop3_out(s), "\r\n");
}

/* The message that *rest names, or NULL: then it was said. */
static struct pop3_message *take_message(struct pop3_session *s, struct view *rest)
{
	uint32_t number;

	switch (pop3_take_number(rest, s->n, &number)) {
	case ST_OK:
		if (!s->messages[number - 1].deleted)
			return &s->messages[number - 1];
		say(s, "-ERR That message is deleted");
		return NULL;
	case ST_LIMIT:
		say(s, "-ERR No such message");
		return NULL;
	default:
		say(s, "-ERR Give the number of a message");
		return NULL;
	}
}

static uint32_t number_of(const struct pop3_session *s, const struct pop3_message *m)
{
	return (uint32_t)(m - s->messages) + 1;
}

/* ---- STAT, LIST, UIDL ---- */

static void cmd_stat(struct pop3_session *s, struct view rest)
{
	(void)rest;
	buf_putf(pop3_out(s), "+OK %u %llu\r\n", s->n_left, (unsigned long long)s->size_left);
}

static void put_size(struct pop3_session *s, const struct pop3_message *m)
{
	buf_putu(pop3_out(s), number_of(s, m));
	buf_putc(pop3_out(s), ' ');
	buf_putu(pop3_out(s), m->size);
	buf_puts(pop3_out(s), "\r\n");
}

/* RFC 1939 7: never the same for two messages of a maildrop, for all time.  A
 * UID is used once under its UIDVALIDITY. */
static void put_uid(struct pop3_session *s, const struct pop3_message *m)
{
	buf_putu(pop3_out(s), number_of(s, m));
	buf_putc(pop3_out(s), ' ');
	buf_putu(pop3_out(s), s->inbox->uidvalidity);
	buf_putc(pop3_out(s), '.');
	buf_putu(pop3_out(s), m->uid);
	buf_puts(pop3_out(s), "\r\n");
}

static void listing(struct pop3_session *s, struct view rest,
		    void (*put)(struct pop3_session *s, const struct pop3_message *m))
{
	const struct pop3_message *one;

	if (rest.n) {
		one = take_message(s, &rest);
		if (one == NULL)
			return;
		buf_puts(pop3_out(s), "+OK ");
		put(s, one);
		return;
	}
	say(s, "+OK");
	for (uint32_t i = 0; i < s->n && !s->conn.broken; i++) {
		if (!s->messages[i].deleted)
			put(s, &s->messages[i]);
		if (pop3_out(s)->n > GATHER && conn_flush(&s->conn) != ST_OK)
			return;
	}
	say(s, ".");
}

static void cmd_list(struct pop3_session *s, struct view rest)
{
	listing(s, rest, put_size);
}

static void cmd_uidl(struct pop3_session *s, struct view rest)
{
	listing(s, rest, put_uid);
}

/* ---- RETR, TOP ---- */

/* Its bytes where they lie, until the next wait. */
static enum status body_of(struct pop3_session *s, const struct pop3_message *m, struct view *ret_body)
{
	uint32_t i = mailbox_find(s->inbox, m->uid, false);

	if (i >= s->inbox->n)
		return ST_MISSING;
	return message_body(s->inbox, &s->inbox->messages[i], ret_body);
}

static void say_unreadable(struct pop3_session *s, enum status st)
{
	if (st == ST_MISSING)
		say(s, "-ERR That message was removed by another session");
	else
		say(s, "-ERR [SYS/PERM] That message cannot be read");
}

/* The letter as this client can read it: with UTF-8 in its headers only where it
 * has said UTF8 (RFC 6856 2.1).  own: room for another form of it; empty: body is
 * the letter itself.  ST_DENIED: there is no other form. */
static enum status readable(struct pop3_session *s, struct view *body, struct buf *own)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct convert_form has = { 0 }, takes = { .eightbit = true, .binary = true };
	bool plain = s->utf8 || ascii_run(*body) == body->n;
	enum status st = plain ? ST_OK : convert_needs(*body, &a, &has);

	if (st == ST_OK && has.utf8) {
		st = convert_letter(*body, takes, &a, own);
		*body = buf_view(own);
	}
	arena_free(&a);
	return st;
}

/* Where the letter that is asked for lies, in a form for this client; else that
 * was said. */
static bool find_letter(struct pop3_session *s, const struct pop3_message *m, struct view *ret_body, struct buf *own)
{
	enum status st = body_of(s, m, ret_body);

	if (st != ST_OK) {
		say_unreadable(s, st);
		return false;
	}
	*own = BUF(2 * ret_body->n + CONVERTED_MORE);
	st = readable(s, ret_body, own);
	if (st == ST_DENIED)
		say(s, "-ERR [UTF8] That message is in UTF-8; say UTF8 before the login");
	else if (st != ST_OK)
		say(s, "-ERR [SYS/TEMP] No memory left for this");
	if (st != ST_OK)
		buf_free(own);
	return st == ST_OK;
}

/* The first n octets of a letter, dots stuffed.  Between its pieces others
 * may run, and so each is looked up anew, unless it is a form of our own; when the
 * letter is gone by then there is no way to say so but to hang up. */
static bool put_letter(struct pop3_session *s, const struct pop3_message *m, struct view body, size_t n, bool own)
{
	bool at_line = true;

	for (size_t at = 0; at < n;) {
		size_t piece = n - at < PIECE ? n - at : PIECE;

		pop3_put_text(pop3_out(s), view_head(view_skip(body, at), piece), &at_line);
		at += piece;
		if (at == n && pop3_out(s)->n < GATHER)
			break;
		if (conn_flush(&s->conn) != ST_OK)
			return false;
		if (at < n && !own && (body_of(s, m, &body) != ST_OK || body.n < n)) {
			s->conn.broken = true;
			return false;
		}
	}
	if (!at_line)
		buf_puts(pop3_out(s), "\r\n");
	say(s, ".");
	return true;
}

static void cmd_retr(struct pop3_session *s, struct view rest)
{
	const struct pop3_message *m = take_message(s, &rest);
	struct view body;
	struct buf own;

	if (m == NULL || !find_letter(s, m, &body, &own))
		return;
	buf_putf(pop3_out(s), "+OK %zu octets\r\n", body.n);
	if (put_letter(s, m, body, body.n, own.n > 0))
		s->retrieved++;
	buf_free(&own);
}

/* Octets of the header with its empty line, and of so many lines behind it. */
static size_t top_of(struct view body, uint32_t lines)
{
	size_t at = 0;
	bool in_body = false;

	while (at < body.n) {
		struct view rest = view_skip(body, at);
		size_t lf = view_find(rest, '\n');
		bool empty = lf == 0 || (lf == 1 && rest.p[0] == '\r');

		if (in_body && lines-- == 0)
			return at;
		at += lf < rest.n ? lf + 1 : rest.n;
		if (!in_body && empty)
			in_body = true;
	}
	return at;
}

static void cmd_top(struct pop3_session *s, struct view rest)
{
	const struct pop3_message *m = take_message(s, &rest);
	struct view body;
	struct buf own;
	uint32_t lines;

	if (m == NULL)
		return;
	if (pop3_take_count(&rest, &lines) != ST_OK) {
		say(s, "-ERR TOP takes a message and a number of lines");
		return;
	}
	if (!find_letter(s, m, &body, &own))
		return;
	say(s, "+OK");
	put_letter(s, m, body, top_of(body, lines), own.n > 0);
	buf_free(&own);
}

/* ---- DELE, RSET, QUIT ---- */

static void cmd_dele(struct pop3_session *s, struct view rest)
{
	struct pop3_message *m = take_message(s, &rest);

	if (m == NULL)
		return;
	m->deleted = true;
	s->n_left--;
	s->size_left -= m->size;
	say(s, "+OK Deleted");
}

static void cmd_rset(struct pop3_session *s, struct view rest)
{
	(void)rest;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->messages[i].deleted) {
			s->n_left++;
			s->size_left += s->messages[i].size;
		}
		s->messages[i].deleted = false;
	}
	buf_putf(pop3_out(s), "+OK %u messages\r\n", s->n_left);
}

/* The UPDATE state (6): all that was deleted goes, durably, or none. */
static enum status update(struct pop3_session *s)
{
	uint32_t *uids = calloc(s->n, sizeof *uids), n = 0;
	enum status st;

	if (uids == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->messages[i].deleted)
			uids[n++] = s->messages[i].uid;
	st = mailbox_expunge(s->inbox, uids, n);
	if (st == ST_OK)
		st = store_flush(s->host->store);
	if (st == ST_OK)
		s->deleted = n;
	free(uids);
	return st;
}

static void cmd_quit(struct pop3_session *s, struct view rest)
{
	(void)rest;
	if (s->n_left < s->n && update(s) != ST_OK)
		say(s, "-ERR [SYS/TEMP] Some deleted messages are not removed");
	else
		say(s, "+OK Goodbye");
	conn_close(&s->conn);
}

/* ---- the others ---- */

static void cmd_noop(struct pop3_session *s, struct view rest)
{
	(void)rest;
	say(s, "+OK");
}

static void cmd_capa(struct pop3_session *s, struct view rest)
{
	(void)rest;
	say(s, "+OK");
	pop3_put_capabilities(pop3_out(s));
	say(s, "IMPLEMENTATION waxwing\r\n.");
}

static void cmd_lang(struct pop3_session *s, struct view rest)
{
	(void)pop3_put_language(pop3_out(s), rest);
}

/* RFC 6856 2: before the login only. */
static void cmd_utf8(struct pop3_session *s, struct view rest)
{
	(void)rest;
	say(s, "-ERR UTF8 is for before the login");
}

/* ---- the table ---- */

enum { ALONE = 1 };	/* takes no arguments */

static const struct {
	const char *verb;
	void (*run)(struct pop3_session *s, struct view rest);
	unsigned flags;
} commands[] = {
	{ "STAT", cmd_stat, ALONE },
	{ "LIST", cmd_list, 0 },
	{ "RETR", cmd_retr, 0 },
	{ "DELE", cmd_dele, 0 },
	{ "NOOP", cmd_noop, ALONE },
	{ "RSET", cmd_rset, ALONE },
	{ "TOP", cmd_top, 0 },
	{ "UIDL", cmd_uidl, 0 },
	{ "CAPA", cmd_capa, ALONE },
	{ "LANG", cmd_lang, 0 },
	{ "UTF8", cmd_utf8, ALONE },
	{ "QUIT", cmd_quit, ALONE },
};

void pop3_command(struct pop3_session *s, struct view line)
{
	struct pop3_command cmd = pop3_split(line);

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!view_eq_i(cmd.verb, view_cstr(commands[i].verb)))
			continue;
		if ((commands[i].flags & ALONE) && cmd.has_rest)
			break;
		commands[i].run(s, cmd.rest);
		return;
	}
	say(s, "-ERR No such command here, or not with these arguments");
}
