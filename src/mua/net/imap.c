#include "mua/net/imap.h"

#include "mua/net/sasl_client.h"
#include "wire/sasl.h"

#include <stdio.h>

enum { ARENA_MAX = 64 * 1024 * 1024, WORDS_MAX = 8192, SAID_MAX = 300, CHALLENGES_MAX = 8, LITERAL_MINUS_MAX = 4096 };

static const struct {
	struct view name;
	unsigned bit;
} names[] = {
	{ VIEW("IDLE"), CAN_IDLE },		{ VIEW("UIDPLUS"), CAN_UIDPLUS },
	{ VIEW("MOVE"), CAN_MOVE },		{ VIEW("CONDSTORE"), CAN_CONDSTORE },
	{ VIEW("QRESYNC"), CAN_QRESYNC | CAN_CONDSTORE }, { VIEW("LITERAL+"), CAN_LITERAL_PLUS },
	{ VIEW("LITERAL-"), CAN_LITERAL_MINUS }, { VIEW("LIST-STATUS"), CAN_LIST_STATUS },
	{ VIEW("SPECIAL-USE"), CAN_SPECIAL_USE }, { VIEW("ENABLE"), CAN_ENABLE },
	{ VIEW("UTF8=ACCEPT"), CAN_UTF8 },	{ VIEW("SASL-IR"), CAN_SASL_IR },
	{ VIEW("LOGINDISABLED"), CAN_NOT_LOGIN }, { VIEW("LIST-EXTENDED"), CAN_LIST_EXTENDED },
	{ VIEW("STARTTLS"), CAN_STARTTLS },	{ VIEW("NOTIFY"), CAN_NOTIFY },
	/* RFC 9051 1.1 and appendix E: it has these without saying so. */
	{ VIEW("IMAP4rev2"), CAN_REV2 | CAN_IDLE | CAN_UIDPLUS | CAN_MOVE | CAN_LITERAL_MINUS | CAN_LIST_STATUS |
				     CAN_SPECIAL_USE | CAN_ENABLE | CAN_SASL_IR | CAN_LIST_EXTENDED },
};

static void take_capabilities(struct imap *i, struct view words)
{
	struct view word;

	i->can = 0;
	i->told = true;
	buf_clear(&i->mechanisms);
	while ((word = view_take_word(&words)).n) {
		if (view_starts_i(word, VIEW("AUTH="))) {
			buf_put(&i->mechanisms, view_skip(word, 5));
			buf_putc(&i->mechanisms, ' ');
		}
		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			if (view_eq_i(word, names[k].name))
				i->can |= names[k].bit;
	}
}

/* ---- answers ---- */

static enum status hear(struct imap *i, struct answer *ret)
{
	enum imap_heard heard;
	enum status st;
	size_t used;

	arena_free(&i->arena);
	do {
		st = client_more(&i->client);
		if (st != ST_OK)
			return st;
		heard = imap_hear(&i->hearer, conn_view(&i->client.conn), &used);
		conn_take(&i->client.conn, used);
	} while (heard == HEARD_MORE);
	if (heard == HEARD_TOO_LONG)
		return client_fail(&i->client, ST_LIMIT, "%s sent an answer that is too long", i->client.host);
	if (heard == HEARD_NO_MEMORY)
		return client_fail(&i->client, ST_NOMEM, "no memory");
	if (heard == HEARD_BAD_BYTES)
		return client_fail(&i->client, ST_SYNTAX, "%s sent something that is no IMAP", i->client.host);
	answer_take(buf_view(&i->hearer.text), &i->arena, i->utf8, ret);
	if (ret->kind == ANSWER_BROKEN)
		return client_fail(&i->client, arena_status(&i->arena) == ST_NOMEM ? ST_NOMEM : ST_SYNTAX,
				   "%s sent an answer that is no IMAP", i->client.host);
	return ST_OK;
}

/* What counts for the session, whoever asked. */
static void note(struct imap *i, const struct answer *a)
{
	uint64_t n = 0;

	if (a->kind == ANSWER_CAPABILITY)
		take_capabilities(i, a->text);
	if (a->kind == ANSWER_EXISTS)
		i->exists = a->number;
	if (a->kind == ANSWER_EXPUNGE && i->exists)
		i->exists--;
	if (a->kind == ANSWER_ENABLED && memmem(a->text.p ? a->text.p : "", a->text.n, "QRESYNC", 7))
		i->qresync = true;
	if (a->kind != ANSWER_OK && a->kind != ANSWER_PREAUTH)
		return;
	if (view_eq_i(a->code, VIEW("CAPABILITY")))
		take_capabilities(i, a->code_rest);
	else if (view_eq_i(a->code, VIEW("UIDVALIDITY")) && view_u64(a->code_rest, &n) && n <= UINT32_MAX)
		i->uidvalidity = (uint32_t)n;
	else if (view_eq_i(a->code, VIEW("UIDNEXT")) && view_u64(a->code_rest, &n) && n <= UINT32_MAX)
		i->uidnext = (uint32_t)n;
	else if (view_eq_i(a->code, VIEW("HIGHESTMODSEQ")) && view_u64(a->code_rest, &n))
		i->modseq = n;
	else if (view_eq_i(a->code, VIEW("READ-ONLY")))
		i->read_only = true;
}

static enum status said(struct imap *i, enum status st, const char *what, struct view text)
{
	struct buf clean = BUF(SAID_MAX + 2);

	put_harmless(view_head(text, SAID_MAX), &clean);
	st = client_fail(&i->client, st, "%s %s: %.*s", i->client.host, what, VIEW_ARG(buf_view(&clean)));
	buf_free(&clean);
	return st;
}

/* Until the answer to our command, or where `go_on` a "+". */
static enum status hear_all(struct imap *i, bool go_on, struct answer *ret)
{
	char tag[16];
	enum status st;

	snprintf(tag, sizeof tag, "a%u", i->tag);
	for (;;) {
		st = hear(i, ret);
		if (st != ST_OK)
			return st;
		if (ret->kind == ANSWER_CONTINUE) {
			if (go_on)
				return ST_OK;
			return client_fail(&i->client, ST_SYNTAX, "%s wants more, and we have said all",
					   i->client.host);
		}
		note(i, ret);
		if (ret->tag.n)
			break;
		if (ret->kind == ANSWER_BYE)
			return said(i, ST_CLOSED, "ended the session", ret->text);
		if (i->untagged)
			i->untagged(i->arg, ret);
	}
	if (!view_eq(ret->tag, view_cstr(tag)))
		return client_fail(&i->client, ST_SYNTAX, "%s answered another command than ours", i->client.host);
	buf_clear(&i->code);
	buf_clear(&i->code_rest);
	buf_put(&i->code, ret->code);
	buf_put(&i->code_rest, ret->code_rest);
	return ret->kind == ANSWER_OK ? ST_OK : said(i, ST_DENIED, "says", ret->text);
}

struct buf *imap_begin(struct imap *i)
{
	buf_putf(client_out(&i->client), "a%u ", ++i->tag);
	return client_out(&i->client);
}

enum status imap_put_octets(struct imap *i, struct view v)
{
	bool plus = imap_can(i, CAN_LITERAL_PLUS) || (imap_can(i, CAN_LITERAL_MINUS) && v.n <= LITERAL_MINUS_MAX);
	struct answer a;
	enum status st = ST_OK;

	buf_putf(client_out(&i->client), "{%zu%s}\r\n", v.n, plus ? "+" : "");
	if (!plus) {
		st = client_flush(&i->client);
		if (st == ST_OK)
			st = hear_all(i, true, &a);
		if (st == ST_OK && a.kind != ANSWER_CONTINUE)
			return client_fail(&i->client, ST_SYNTAX, "%s did not wait for what was announced",
					   i->client.host);
	}
	/* In pieces: a letter may be larger than what may wait. */
	while (st == ST_OK && v.n) {
		struct view piece = view_head(v, CONN_IN);

		buf_put(client_out(&i->client), piece);
		st = client_flush(&i->client);
		v = view_skip(v, piece.n);
	}
	return st;
}

enum status imap_run(struct imap *i, imap_untagged *untagged, void *arg)
{
	struct answer a;
	enum status st;

	i->untagged = untagged;
	i->arg = arg;
	buf_puts(client_out(&i->client), "\r\n");
	st = client_flush(&i->client);
	if (st == ST_OK)
		st = hear_all(i, false, &a);
	i->untagged = NULL;
	return st;
}

static enum status command(struct imap *i, const char *text)
{
	buf_puts(imap_begin(i), text);
	return imap_run(i, NULL, NULL);
}

/* ---- the login ---- */

static enum status start_tls(struct imap *i)
{
	enum status st = imap_can(i, CAN_STARTTLS) ? command(i, "STARTTLS") : ST_DENIED;

	if (st == ST_DENIED)
		return client_fail(&i->client, ST_DENIED, "%s does not offer STARTTLS, and nothing is said in clear",
				   i->client.host);
	if (st == ST_OK)
		st = client_start_tls(&i->client, PROTOCOL_IMAP);
	/* RFC 9051 6.2.1: what it said in clear is forgotten. */
	i->can = 0;
	return st == ST_OK ? command(i, "CAPABILITY") : st;
}

enum status imap_greet(struct imap *i, struct net *n, const struct server *s, size_t answer_max)
{
	struct answer a;
	enum status st;

	*i = (struct imap){ .arena = ARENA(ARENA_MAX), .mechanisms = BUF(WORDS_MAX), .code = BUF(WORDS_MAX),
			    .code_rest = BUF(answer_max) };
	imap_hearer_begin(&i->hearer, answer_max);
	st = client_open(&i->client, n, s);
	if (st == ST_OK)
		st = hear(i, &a);
	if (st != ST_OK)
		return st;
	if (a.kind == ANSWER_BYE)
		return said(i, ST_CLOSED, "ended the session", a.text);
	/* A session that is somebody's already, before we said who we are, is
	 * nobody's that we know (CVE-2020-12398 and its kin). */
	if (a.kind != ANSWER_OK || a.tag.n)
		return client_fail(&i->client, ST_DENIED, "%s did not greet as an IMAP server", i->client.host);
	note(i, &a);
	st = i->told ? ST_OK : command(i, "CAPABILITY");
	return st == ST_OK && !s->tls_first ? start_tls(i) : st;
}

/* AUTHENTICATE (RFC 9051 6.2.2). */
static enum status exchange(struct imap *i, struct sasl_client *l)
{
	struct buf *out = imap_begin(i), line = BUF(LOGIN_TEXT_MAX), bytes = BUF(LOGIN_TEXT_MAX);
	bool with = imap_can(i, CAN_SASL_IR);
	struct answer a = { .kind = ANSWER_CONTINUE };
	enum status st = ST_OK;

	buf_putf(out, "AUTHENTICATE %s", l->mechanism);
	if (with) {
		st = sasl_client_step(l, VIEW_NONE, &line);
		buf_putc(out, ' ');
		sasl_encode(buf_view(&line), out);
	}
	for (int n = 0; st == ST_OK; n++) {
		buf_puts(out, "\r\n");
		st = client_flush(&i->client);
		if (st == ST_OK)
			st = hear_all(i, true, &a);
		if (st != ST_OK || a.kind != ANSWER_CONTINUE)
			break;
		buf_clear(&bytes);
		st = n < CHALLENGES_MAX ? sasl_decode(a.text, &bytes) : ST_LIMIT;
		if (st == ST_OK)
			st = sasl_client_step(l, buf_view(&bytes), &line);
		if (st == ST_OK)
			sasl_encode(buf_view(&line), out);
		else
			st = client_fail(&i->client, ST_DENIED, "%s %s", i->client.host,
					 st == ST_DENIED ? "does not know the password itself"
							 : "says nothing that makes sense in this login");
	}
	sasl_client_wipe(&line);
	sasl_client_wipe(&bytes);
	if (st == ST_OK && !sasl_client_proved(l))
		st = client_fail(&i->client, ST_DENIED, "%s did not prove that it knows the account", i->client.host);
	return st;
}

/* RFC 9051 6.2.3, for those who offer no mechanism that we know. */
static enum status plain_login(struct imap *i, struct view user, struct view password)
{
	enum status st;

	if (imap_can(i, CAN_NOT_LOGIN))
		return client_fail(&i->client, ST_DENIED, "%s offers no login that we know", i->client.host);
	buf_puts(imap_begin(i), "LOGIN ");
	st = imap_put_octets(i, user);
	buf_putc(client_out(&i->client), ' ');
	if (st == ST_OK)
		st = imap_put_octets(i, password);
	return st == ST_OK ? imap_run(i, NULL, NULL) : st;
}

static enum status log_in(struct imap *i, struct view user, struct view password)
{
	struct sasl_client l;
	enum status st = sasl_client_begin(&l, buf_view(&i->mechanisms), &i->client.conn, user, password);

	st = st == ST_MISSING ? plain_login(i, user, password) : st == ST_OK ? exchange(i, &l) : st;
	sasl_client_end(&l);
	return st;
}

enum status imap_open(struct imap *i, struct net *n, const struct server *s, struct view user,
		      struct view password, size_t answer_max)
{
	enum status st = imap_greet(i, n, s, answer_max);

	if (st == ST_OK)
		st = log_in(i, user, password);
	i->login = st == ST_OK;
	/* It may offer more now, and what it offered before may be old. */
	if (st == ST_OK && !view_eq_i(buf_view(&i->code), VIEW("CAPABILITY")))
		st = command(i, "CAPABILITY");
	if (st == ST_OK && imap_can(i, CAN_ENABLE) && (i->can & (CAN_QRESYNC | CAN_UTF8))) {
		buf_putf(imap_begin(i), "ENABLE%s%s", imap_can(i, CAN_QRESYNC) ? " QRESYNC" : "",
			 imap_can(i, CAN_UTF8) ? " UTF8=ACCEPT" : "");
		st = imap_run(i, NULL, NULL);
		i->utf8 = st == ST_OK && imap_can(i, CAN_UTF8);
	}
	return st;
}

void imap_close(struct imap *i)
{
	if (i->client.open && !i->client.conn.broken && i->login)
		buf_puts(imap_begin(i), "LOGOUT\r\n");
	client_close(&i->client);
	imap_hearer_free(&i->hearer);
	arena_free(&i->arena);
	buf_free(&i->mechanisms);
	buf_free(&i->code);
	buf_free(&i->code_rest);
}

/* ---- a folder ---- */

enum status imap_enter(struct imap *i, struct view mailbox, const char *how, imap_untagged *untagged, void *arg)
{
	struct buf *out = imap_begin(i);

	i->exists = i->uidvalidity = i->uidnext = 0;
	i->modseq = 0;
	i->read_only = false;
	buf_puts(out, "SELECT ");
	imap_put_mailbox(out, mailbox, i->utf8);
	buf_puts(out, how);
	return imap_run(i, untagged, arg);
}

struct idle {
	bool happened;
};

static void on_idle(void *arg, const struct answer *a)
{
	struct idle *d = arg;

	d->happened |= a->kind == ANSWER_EXISTS || a->kind == ANSWER_EXPUNGE || a->kind == ANSWER_VANISHED ||
		       a->kind == ANSWER_FETCH || a->kind == ANSWER_STATUS;
}

enum status imap_idle(struct imap *i, uint64_t ms)
{
	struct idle d = { false };
	steady_ms end = clock_steady() + ms;
	struct answer a;
	enum status st;

	buf_puts(imap_begin(i), "IDLE\r\n");
	i->untagged = on_idle;
	i->arg = &d;
	st = client_flush(&i->client);
	if (st == ST_OK)
		st = hear_all(i, true, &a);
	if (st == ST_OK && a.kind != ANSWER_CONTINUE)
		st = client_fail(&i->client, ST_SYNTAX, "%s does not idle", i->client.host);
	while (st == ST_OK && !d.happened) {
		steady_ms now = clock_steady();

		st = now >= end ? ST_TIMEOUT : client_listen(&i->client, end - now);
		if (st == ST_OK && (st = hear(i, &a)) == ST_OK) {
			note(i, &a);
			on_idle(&d, &a);
		}
	}
	if (st == ST_OK || st == ST_TIMEOUT) {
		buf_puts(client_out(&i->client), "DONE\r\n");
		st = client_flush(&i->client);
		if (st == ST_OK)
			st = hear_all(i, false, &a);
		if (st == ST_OK && !d.happened)
			st = ST_TIMEOUT;
	}
	i->untagged = NULL;
	return st;
}
