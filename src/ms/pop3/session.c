/* session.c - the life of a POP3 session in its room. */
#include "ms/pop3/internal.h"

#include <stdlib.h>
#include <unistd.h>

static void ended(struct conn *c)
{
	struct pop3_session *s = (struct pop3_session *)c;
	struct pop3_host *h = s->host;
	uint64_t sid = s->sid;

	if (h->holder == s)
		h->holder = NULL;
	if (s->inbox)
		mailbox_release(s->inbox);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	free(s->messages);
	free(s);
	h->ended(h->room, sid);
}

/* The maildrop as it is now.  What is shown must not be lost any more. */
static enum status take_maildrop(struct pop3_session *s)
{
	struct mailbox *m;
	enum status st = mailbox_open(s->host->store, VIEW("INBOX"), &m);

	if (st != ST_OK)
		return st;
	s->inbox = m;
	st = store_flush(s->host->store);
	if (st != ST_OK)
		return st;
	s->messages = calloc(m->n ? m->n : 1, sizeof *s->messages);
	if (s->messages == NULL)
		return ST_NOMEM;
	s->n = s->n_left = m->n;
	for (uint32_t i = 0; i < m->n; i++) {
		s->messages[i] = (struct pop3_message){ m->messages[i].uid, m->messages[i].size, false };
		s->size_left += m->messages[i].size;
	}
	return ST_OK;
}

/* The answer to the login. */
static void answer_login(struct pop3_session *s)
{
	s->opened = true;
	if (s->host->stopping) {
		buf_puts(pop3_out(s), "-ERR [SYS/TEMP] Server is shutting down\r\n");
		conn_close(&s->conn);
	} else if (s->host->holder) {
		buf_puts(pop3_out(s), "-ERR [IN-USE] Another session has the maildrop\r\n");
		conn_close(&s->conn);
	} else if (take_maildrop(s) != ST_OK) {
		buf_puts(pop3_out(s), "-ERR [SYS/TEMP] The maildrop cannot be opened now\r\n");
		conn_close(&s->conn);
	} else {
		s->host->holder = s;
		buf_putf(pop3_out(s), "+OK %u messages (%llu octets)\r\n", s->n,
			 (unsigned long long)s->size_left);
	}
}

static void serve(struct conn *c)
{
	struct pop3_session *s = (struct pop3_session *)c;
	struct view line;

	if (!s->opened)
		answer_login(s);
	while (!c->closing && !c->broken) {
		switch (conn_line(c, POP3_LINE_MAX, &line)) {
		case ST_OK:
			pop3_command(s, line);
			break;
		case ST_LIMIT:
			/* Its end would be taken for a command. */
			buf_puts(pop3_out(s), "-ERR That line is too long\r\n");
			conn_close(c);
			break;
		case ST_SYNTAX:
			buf_puts(pop3_out(s), "-ERR Lines end in CRLF, and hold no other CR, LF or NUL\r\n");
			break;
		default:
			return;
		}
	}
}

/* RFC 1939 3: without UPDATE, nothing is deleted. */
static void late(struct conn *c)
{
	buf_puts(conn_out(c), "-ERR Autologout, silent for too long\r\n");
}

static enum status take_pending(struct conn *c, struct view pending)
{
	buf_put(&c->in, pending);
	return buf_status(&c->in);
}

enum status pop3_session_open(struct pop3_host *host, int fd, const struct session_state *state,
			      struct view pending)
{
	struct pop3_session *s = calloc(1, sizeof *s);
	enum status st;

	if (s == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	s->host = host;
	s->sid = state->sid;
	s->utf8 = state->flags & SESSION_UTF8;
	s->conn.serve = serve;
	s->conn.late = late;
	s->conn.ended = ended;
	s->conn.patience = (uint64_t)host->conf->pop3_timeout;
	st = conn_open(&s->conn, host->loop, fd);
	if (st != ST_OK) {
		free(s);
		return st;
	}
	s->next = host->sessions;
	if (s->next)
		s->next->prev = &s->next;
	s->prev = &host->sessions;
	host->sessions = s;
	if (take_pending(&s->conn, pending) != ST_OK)
		s->conn.broken = true;
	conn_begin(&s->conn);
	return ST_OK;
}

void pop3_sessions_stop(struct pop3_host *host)
{
	host->stopping = true;
	/* None ends on this stack: conn_close leaves that to the loop. */
	for (struct pop3_session *s = host->sessions; s; s = s->next) {
		buf_puts(pop3_out(s), "-ERR [SYS/TEMP] Server is shutting down\r\n");
		if (!s->conn.running)
			(void)!conn_push(&s->conn);
		conn_close(&s->conn);
	}
}
