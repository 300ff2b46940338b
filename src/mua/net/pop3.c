#include "mua/net/pop3.h"

#include "mua/net/sasl_client.h"
#include "wire/sasl.h"

#include <stdio.h>

enum { MECHANISMS_MAX = 1024, SAID_MAX = 200, CAPA_LINES = 100, CHALLENGES_MAX = 8, LETTER_LINE = 64 * 1024 };

/* ---- answers (RFC 1939 3) ---- */

/* ST_DENIED: -ERR.  ret_text: behind +OK, or the challenge behind "+ ". */
static enum status hear(struct pop3 *p, struct view *ret_text, bool *ret_more)
{
	struct buf clean = BUF(SAID_MAX + 2);
	struct view line;
	enum status st = client_line(&p->client, SASL_LINE_MAX, &line);

	if (st != ST_OK)
		return st;
	*ret_more = view_starts_i(line, VIEW("+ "));
	if (view_starts_i(line, VIEW("+OK")) || view_starts_i(line, VIEW("+ "))) {
		*ret_text = view_trim(view_skip(line, line.n > 1 && line.p[1] == ' ' ? 2 : 3));
		return ST_OK;
	}
	if (!view_starts_i(line, VIEW("-ERR")))
		return client_fail(&p->client, ST_SYNTAX, "%s sent something that is no POP3", p->client.host);
	put_harmless(view_head(view_skip(line, 4), SAID_MAX), &clean);
	st = client_fail(&p->client, ST_DENIED, "%s says:%.*s", p->client.host, VIEW_ARG(buf_view(&clean)));
	buf_free(&clean);
	return st;
}

static enum status ask(struct pop3 *p)
{
	struct view text;
	bool more;
	enum status st;

	buf_puts(client_out(&p->client), "\r\n");
	st = client_flush(&p->client);
	return st == ST_OK ? hear(p, &text, &more) : st;
}

/* A line of an answer of many; *ret_end: it was the dot.  A dot in front goes. */
static enum status many(struct pop3 *p, size_t max, struct view *ret_line, bool *ret_end)
{
	enum status st = client_line(&p->client, max, ret_line);

	if (st != ST_OK)
		return st;
	*ret_end = view_eq(*ret_line, VIEW("."));
	if (ret_line->n && ret_line->p[0] == '.')
		*ret_line = view_skip(*ret_line, 1);
	return ST_OK;
}

/* ---- the login ---- */

static void take_capability(struct pop3 *p, struct view line)
{
	struct view word = view_head(line, view_find(line, ' '));

	p->stls |= view_eq_i(word, VIEW("STLS"));
	p->user |= view_eq_i(word, VIEW("USER"));
	p->uidl |= view_eq_i(word, VIEW("UIDL"));
	if (view_eq_i(word, VIEW("SASL"))) {
		buf_put(&p->mechanisms, view_skip(line, word.n));
		buf_putc(&p->mechanisms, ' ');
	}
}

/* RFC 2449 5; who has none has the least. */
static enum status capa(struct pop3 *p)
{
	struct view line;
	bool end = false;
	enum status st;

	p->stls = p->user = p->uidl = false;
	buf_clear(&p->mechanisms);
	buf_puts(client_out(&p->client), "CAPA");
	st = ask(p);
	if (st == ST_DENIED) {
		p->user = p->uidl = true;
		return ST_OK;
	}
	for (int i = 0; st == ST_OK && !end; i++) {
		st = i < CAPA_LINES ? many(p, POP3_LINE, &line, &end) : ST_LIMIT;
		if (st == ST_OK && !end)
			take_capability(p, line);
	}
	return st;
}

static enum status start_tls(struct pop3 *p)
{
	enum status st;

	if (!p->stls)
		return client_fail(&p->client, ST_DENIED, "%s does not offer STLS, and nothing is said in clear",
				   p->client.host);
	buf_puts(client_out(&p->client), "STLS");
	st = ask(p);
	if (st == ST_OK)
		st = client_start_tls(&p->client, PROTOCOL_POP3);
	return st == ST_OK ? capa(p) : st;
}

/* AUTH (RFC 5034 4). */
static enum status exchange(struct pop3 *p, struct sasl_client *l)
{
	struct buf *out = client_out(&p->client), line = BUF(LOGIN_TEXT_MAX), bytes = BUF(LOGIN_TEXT_MAX);
	struct view text;
	bool more = true;
	enum status st = sasl_client_step(l, VIEW_NONE, &line);

	buf_putf(out, "AUTH %s ", l->mechanism);
	sasl_encode(buf_view(&line), out);
	for (int n = 0; st == ST_OK; n++) {
		buf_puts(out, "\r\n");
		st = client_flush(&p->client);
		if (st == ST_OK)
			st = hear(p, &text, &more);
		if (st != ST_OK || !more)
			break;
		buf_clear(&bytes);
		st = n < CHALLENGES_MAX ? sasl_decode(text, &bytes) : ST_LIMIT;
		if (st == ST_OK)
			st = sasl_client_step(l, buf_view(&bytes), &line);
		if (st == ST_OK)
			sasl_encode(buf_view(&line), out);
		else
			st = client_fail(&p->client, ST_DENIED,
					 "%s says nothing that makes sense in this login", p->client.host);
	}
	sasl_client_wipe(&line);
	sasl_client_wipe(&bytes);
	if (st == ST_OK && !sasl_client_proved(l))
		st = client_fail(&p->client, ST_DENIED, "%s did not prove that it knows the account", p->client.host);
	return st;
}

static bool has_line_end(struct view v)
{
	return view_find(v, '\r') < v.n || view_find(v, '\n') < v.n || view_find(v, '\0') < v.n;
}

static enum status user_pass(struct pop3 *p, struct view user, struct view password)
{
	enum status st;

	if (!p->user || has_line_end(user) || has_line_end(password))
		return client_fail(&p->client, ST_DENIED, "%s offers no login that we know", p->client.host);
	buf_putf(client_out(&p->client), "USER %.*s", VIEW_ARG(user));
	st = ask(p);
	if (st != ST_OK)
		return st;
	buf_putf(client_out(&p->client), "PASS %.*s", VIEW_ARG(password));
	return ask(p);
}

enum status pop3_open(struct pop3 *p, struct net *n, const struct server *s, struct view user,
		      struct view password)
{
	struct view text;
	struct sasl_client l;
	bool more;
	enum status st;

	*p = (struct pop3){ .mechanisms = BUF(MECHANISMS_MAX) };
	st = client_open(&p->client, n, s);
	if (st == ST_OK)
		st = hear(p, &text, &more);
	if (st == ST_OK)
		st = capa(p);
	if (st == ST_OK && !s->tls_first)
		st = start_tls(p);
	if (st != ST_OK)
		return st;
	st = sasl_client_begin(&l, buf_view(&p->mechanisms), &p->client.conn, user, password);
	st = st == ST_MISSING ? user_pass(p, user, password) : st == ST_OK ? exchange(p, &l) : st;
	sasl_client_end(&l);
	return st;
}

/* ---- letters ---- */

/* "1 whqtswO00WBw418f9t5JxYwZ" (RFC 1939 7). */
static bool take_uidl(struct view line, struct pop3_letter *ret)
{
	struct view number = view_take_word(&line), name = view_take_word(&line);
	uint64_t n;

	if (!view_u64(number, &n) || n == 0 || n > UINT32_MAX || name.n == 0 || name.n > UIDL_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 0x21 || name.p[i] > 0x7e)
			return false;
	*ret = (struct pop3_letter){ (uint32_t)n, name };
	return true;
}

enum status pop3_list(struct pop3 *p, struct arena *a, struct pop3_letter **ret, size_t *ret_n)
{
	struct pop3_letter *all = NULL, *more, one;
	size_t n = 0, cap = 0;
	struct view line;
	bool end = false;
	enum status st;

	buf_puts(client_out(&p->client), "UIDL");
	st = ask(p);
	while (st == ST_OK && !end) {
		st = many(p, POP3_LINE, &line, &end);
		if (st != ST_OK || end)
			break;
		if (n == cap) {
			cap = cap ? 2 * cap : 256;
			more = cap > 2 * (size_t)POP3_LETTERS_MAX ? NULL : arena_array(a, cap, sizeof *more);
			if (more == NULL)
				return client_fail(&p->client, ST_LIMIT, "%s has too many letters", p->client.host);
			if (n)
				memcpy(more, all, n * sizeof *all);
			all = more;
		}
		if (!take_uidl(line, &one))
			return client_fail(&p->client, ST_SYNTAX, "%s sent something that is no POP3",
					   p->client.host);
		one.uidl = arena_copy(a, one.uidl);
		all[n++] = one;
	}
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		*ret = all;
		*ret_n = n;
	}
	return st;
}

enum status pop3_fetch(struct pop3 *p, uint32_t number, struct buf *out)
{
	struct view line;
	bool end = false;
	enum status st;

	buf_putf(client_out(&p->client), "RETR %u", number);
	st = ask(p);
	while (st == ST_OK && !end) {
		st = many(p, LETTER_LINE, &line, &end);
		if (st == ST_OK && !end) {
			buf_put(out, line);
			buf_puts(out, "\r\n");
			st = buf_status(out);
		}
	}
	return st;
}

enum status pop3_delete(struct pop3 *p, uint32_t number)
{
	buf_putf(client_out(&p->client), "DELE %u", number);
	return ask(p);
}

enum status pop3_quit(struct pop3 *p)
{
	buf_puts(client_out(&p->client), "QUIT");
	return ask(p);
}

void pop3_close(struct pop3 *p)
{
	client_close(&p->client);
	buf_free(&p->mechanisms);
}
