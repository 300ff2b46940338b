/* letter.c - DATA and BDAT, and from the end of the text to the 250: trace
 * field, loop check, and the queue's word that it is on disk. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdio.h>

/* KEEP_MS: far below the ten minutes for which a client waits (RFC 5321
 * 4.5.3.2.6), and below those for which a queue knows what is offered again. */
enum { KEEP_MS = 120000, OFFER_AGAIN_MS = 50, TRACE_MAX = 2048, WHY_MAX = 1024, CHUNK_MOST = 16 };

/* ---- the head that we put before it ---- */

/* What RFC 3848 and RFC 6531 4.3 call it. */
static const char *protocol(const struct smtp_session *s)
{
	static const char *const names[2][4] = {
		{ "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" },
		{ "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" },
	};
	unsigned which = (conn_has_tls(&s->conn) ? 2u : 0u) + (s->account ? 1u : 0u);

	return s->extended ? names[s->env.smtputf8][which] : "SMTP";
}

/* From whom it comes is not for every reader of a person's letters. */
static void put_from(const struct smtp_session *s, struct buf *b)
{
	const char *kind = strchr(s->peer, ':') ? "IPv6:" : "";

	buf_puts(b, "Received: ");
	if (!s->local.here && (s->account == 0 || !s->host->conf->hide_client))
		buf_putf(b, "from %.*s ([%s%s])\r\n\t", VIEW_ARG(buf_view(&s->helo)), kind, s->peer);
}

/* Received: of RFC 5321 4.4, before everything else; `tls` of RFC 8314 4.3. */
static void put_trace(struct smtp_session *s)
{
	const struct envelope *e = &s->env;
	struct buf b = BUF(TRACE_MAX);
	char date[RFC5322_DATE_SIZE];

	put_from(s, &b);
	if (s->local.here)
		smtp_local_trace(s, &b);
	else
		buf_putf(&b, "by %s with %s id %.*s", s->host->conf->host_name, protocol(s), VIEW_ARG(e->id));
	if (conn_has_tls(&s->conn))
		buf_putf(&b, "\r\n\ttls %s (%s)", conn_tls_cipher(&s->conn), conn_tls_version(&s->conn));
	/* Of several, none is to know of the others (7.2). */
	if (e->n_recipients == 1) {
		const struct recipient *r = &e->recipients[0];
		struct view to = r->original.n ? r->original : r->address;

		buf_putf(&b, "\r\n\tfor <%.*s>", VIEW_ARG(to));
	}
	if (s->priority_given)	/* RFC 6710 */
		buf_putf(&b, "\r\n\tpriority %d", e->priority);
	buf_putf(&b, ";\r\n\t%s\r\n", clock_rfc5322(e->received, date));
	s->trace = arena_copy(&s->tx, buf_view(&b));
	sink_put(&s->sink, buf_view(&b));
	buf_free(&b);
}

void smtp_text_begin(struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;
	char id[40];

	s->text_begun = true;
	s->text = (struct smtp_text){ .mend = conf->mend_line_ends };
	s->hops = (struct hop_count){ 0 };
	smtp_loop_begin(s);
	if (s->local.key[0])
		snprintf(id, sizeof id, "d%s.%u", s->local.key, s->local.uid);
	else
		snprintf(id, sizeof id, "%llx.%u", (unsigned long long)s->sid, s->letters + 1);
	s->env.id = arena_copy(&s->tx, view_cstr(id));
	s->env.received = clock_wall();
	sink_begin(&s->sink, (uint64_t)conf->message_size + TRACE_MAX, s->host->budget);
	put_trace(s);
	if (smtp_checks_begin(s) != ST_OK)
		s->sink.st = s->sink.st == ST_OK ? ST_NOMEM : s->sink.st;
	s->conn.patience = (uint64_t)conf->smtp_data_timeout;
	conn_limit(&s->conn, (uint64_t)conf->smtp_data_total);
}

/* ---- loop detection (6.3) ---- */

enum { NO_MATCH = 0xff };

static void count_hops(struct hop_count *h, struct view run)
{
	static const char name[] = "received:";
	size_t i = 0;

	while (i < run.n && !h->body) {
		char c = ascii_lower(run.p[i]);

		if (h->matched == NO_MATCH) {
			i += view_find(view_skip(run, i), '\n');
			h->matched = i < run.n ? 0 : NO_MATCH;
		} else if (c == '\n') {
			h->body = h->matched == 0;
			h->matched = 0;
		} else if (c == name[h->matched]) {
			h->matched++;
		} else if (c != '\r' || h->matched) {
			h->matched = NO_MATCH;
		}
		if (h->matched == sizeof name - 1) {
			h->n++;
			h->matched = NO_MATCH;
		}
		i++;
	}
}

static void put_text(void *arg, struct view run)
{
	struct smtp_session *s = arg;

	if (!s->hops.body)
		count_hops(&s->hops, run);
	if (!s->delivered.over)
		smtp_loop_put(s, run);
	sink_put(&s->sink, run);
	smtp_checks_put(s, run);
}

/* ---- to the queue ---- */

static enum reply of_sink(enum status st)
{
	return st == ST_OK ? SAY_OK : st == ST_LIMIT ? SAY_TOO_LARGE : SAY_NO_SPACE;
}

static enum reply refusal(struct smtp_session *s, struct buf *why)
{
	enum reply r = of_sink(sink_status(&s->sink));

	if (s->text.bare && s->env.body != BODY_BINARY)
		return SAY_BARE_TEXT;
	if (r == SAY_OK && s->hops.n > (unsigned)s->host->conf->hops)
		return SAY_LOOP;
	if (r == SAY_OK && !smtp_loop_end(s))
		return SAY_LOOP_BACK;
	if (r == SAY_OK)
		r = smtp_checks_end(s, why);
	if (r == SAY_OK)
		r = of_sink(sink_seal(&s->sink));
	/* Only what nothing else speaks against is counted. */
	return r == SAY_OK && s->account ? smtp_submit_charge(s, why) : r;
}

/* ST_CLOSED: there is no queue now, or it died over this. */
static enum status offer(struct smtp_session *s, struct view env, uint8_t again, struct rec_letter_kept *ret)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(1024);
	uint16_t type;
	enum status st;

	if (s->local.key[0])
		again = LETTER_DROPPED;
	rec_put_letter(&b, 0, s->sid,
		       &(struct rec_letter){ env, s->sink.size, buf_view(&s->sink.head), again });
	st = channel_ask(s->host->queue, &b, s->sink.fd, KEEP_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_letter_kept || !rec_take_letter_kept(buf_view(&answer), ret)))
		st = ST_SYNTAX;
	buf_free(&b);
	buf_free(&answer);
	return st;
}

/* A queue that dies may have kept the letter and not said so.  The next one
 * knows it by its envelope: so nobody has to send it a second time. */
enum reply smtp_keep(struct smtp_session *s, uint64_t *ret_queue_id)
{
	steady_ms end = clock_steady() + KEEP_MS;
	struct buf env = BUF(ENVELOPE_MAX);
	struct rec_letter_kept kept;
	enum status st;

	envelope_put(&env, &s->env);
	st = buf_status(&env);
	if (st == ST_OK)
		st = offer(s, buf_view(&env), LETTER_NEW, &kept);
	while (st == ST_CLOSED && clock_steady() < end && !*s->host->stopping) {
		loop_sleep(s->host->loop, OFFER_AGAIN_MS);
		st = offer(s, buf_view(&env), LETTER_AGAIN, &kept);
	}
	buf_free(&env);
	if (st == ST_CLOSED && *s->host->stopping)
		return SAY_SHUTTING_DOWN;
	if (st != ST_OK)
		return SAY_TRY_AGAIN;
	*ret_queue_id = kept.queue_id;
	return kept.verdict == VERDICT_OK   ? SAY_OK :
	       kept.verdict == VERDICT_FULL ? SAY_NO_SPACE :
					      SAY_TRY_AGAIN;
}

static void log_letter(const struct smtp_session *s, enum reply r, uint64_t queue_id)
{
	log_begin(LOG_INFO_, r == SAY_OK ? "accepted" : "refused");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_u64("size", s->sink.size);
	if (r == SAY_OK)
		log_hex("queue", queue_id);
	else
		log_str("why", smtp_reply_text(r));
	log_end();
}

static void say_kept(struct smtp_session *s)
{
	struct buf b = BUF(128);

	if (s->priority_changed)	/* RFC 6710 */
		buf_putf(&b, "%d is its priority, ", s->env.priority);
	buf_putf(&b, "OK id=%.*s", VIEW_ARG(s->env.id));
	smtp_say(s, 250, s->priority_changed ? "2.3.6" : "2.0.0", buf_view(&b));
	buf_free(&b);
}

/* The transaction is over, and with it its clocks. */
void smtp_text_end(struct smtp_session *s)
{
	s->conn.patience = (uint64_t)s->host->conf->smtp_timeout;
	conn_limit(&s->conn, 0);
	smtp_forget(s);
}

static void finish(struct smtp_session *s)
{
	struct buf why = BUF(WHY_MAX);
	uint64_t queue_id = 0;
	enum reply r = refusal(s, &why);

	smtp_dialog_letter(s, s->sink.size);
	if (r == SAY_OK)
		r = smtp_protect(s, &why);
	if (r == SAY_OK)
		r = smtp_seal(s);
	if (r == SAY_OK)
		r = smtp_keep(s, &queue_id);
	if (r == SAY_OK && s->tell_hold)
		smtp_submit_tell(s);
	if (r == SAY_OK)
		smtp_challenge_tell(s);
	log_letter(s, r, queue_id);
	s->letters++;
	s->idle = 0;
	if (r == SAY_OK)
		say_kept(s);
	else if (why.n && buf_status(&why) == ST_OK)
		smtp_reply_with(s, r, buf_view(&why));
	else
		smtp_reply(s, r);
	buf_free(&why);
	smtp_text_end(s);
	if (r == SAY_SHUTTING_DOWN) {
		conn_close(&s->conn);
	} else if (s->letters >= (uint32_t)s->host->conf->smtp_letters) {
		smtp_reply(s, SAY_TOO_MANY_LETTERS);
		conn_close(&s->conn);
	}
}

/* ---- DATA (RFC 5321 4.1.1.4) ---- */

enum reply cmd_data(struct smtp_session *s, struct view rest)
{
	if (rest.n)
		return SAY_BAD_ARGUMENT;
	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (s->env.n_recipients == 0)
		return SAY_NEED_RCPT;
	if (s->text_begun)
		return SAY_NOT_AFTER_BDAT;
	if (s->env.body == BODY_BINARY)
		return SAY_BINARY_BY_BDAT;
	smtp_text_begin(s);
	s->mode = MODE_TEXT;
	return SAY_GO_AHEAD;
}

bool smtp_take_text(struct smtp_session *s)
{
	struct conn *c = &s->conn;
	size_t used;
	enum smtp_text_result r;

	if (conn_view(c).n == 0 && conn_fill(c) != ST_OK)
		return false;
	r = smtp_text_take(&s->text, conn_view(c), put_text, s, &used);
	conn_take(c, used);
	if (r == TEXT_MORE)
		return true;
	s->mode = MODE_COMMANDS;
	finish(s);
	return true;
}

/* ---- BDAT (RFC 3030 2) ---- */

/* Whatever is wrong, the chunk itself is on its way and must be swallowed. */
static enum reply chunk_refusal(const struct smtp_session *s)
{
	if (s->helo.n == 0)
		return SAY_NEED_HELO;
	if (smtp_needs_login(s))
		return SAY_NEED_LOGIN;
	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (s->env.n_recipients == 0)
		return SAY_NEED_RCPT;
	return s->chunk > (uint64_t)s->host->conf->message_size ? SAY_TOO_LARGE : SAY_NOTHING;
}

enum reply cmd_bdat(struct smtp_session *s, struct view rest)
{
	/* Without a count nobody knows where the commands go on. */
	if (smtp_take_chunk(rest, &s->chunk, &s->last) != ST_OK) {
		conn_close(&s->conn);
		return SAY_BAD_CHUNK;
	}
	if (s->chunk / CHUNK_MOST > (uint64_t)s->host->conf->message_size) {
		conn_close(&s->conn);
		return SAY_TOO_LARGE;
	}
	s->chunk_left = s->chunk;
	s->chunk_refusal = (uint8_t)chunk_refusal(s);
	if (s->chunk_refusal == SAY_NOTHING && !s->text_begun)
		smtp_text_begin(s);
	s->mode = MODE_CHUNK;
	return SAY_NOTHING;
}

/* So of BODY=BINARYMIME, and else lines that end in CRLF. */
void smtp_text_put(struct smtp_session *s, struct view run)
{
	if (s->env.body == BODY_BINARY)
		put_text(s, run);
	else
		smtp_chunk_take(&s->text, run, put_text, s);
}

uint64_t smtp_text_room(const struct smtp_session *s)
{
	return s->sink.size < s->sink.most ? s->sink.most - s->sink.size : 0;
}

void smtp_text_finish(struct smtp_session *s)
{
	smtp_chunk_end(&s->text, put_text, s);
	finish(s);
}

static void chunk_end(struct smtp_session *s)
{
	struct buf b = BUF(64);
	enum reply r = s->chunk_refusal;

	s->mode = MODE_COMMANDS;
	if (r == SAY_NOTHING && sink_status(&s->sink) != ST_OK)
		r = sink_status(&s->sink) == ST_LIMIT ? SAY_TOO_LARGE : SAY_NO_SPACE;
	if (r != SAY_NOTHING) {
		/* What came of it is worth nothing; so chunks pipelined behind this
		 * one are refused too (there is no MAIL any more). */
		smtp_reply(s, r);
		smtp_text_end(s);
		return;
	}
	if (s->last) {
		smtp_text_finish(s);
		return;
	}
	buf_putf(&b, "%llu octets received", (unsigned long long)s->chunk);
	smtp_say(s, 250, "2.0.0", buf_view(&b));
	buf_free(&b);
}

bool smtp_take_chunk_bytes(struct smtp_session *s)
{
	struct conn *c = &s->conn;
	struct view v;

	if (s->chunk_left == 0) {
		chunk_end(s);
		return true;
	}
	if (conn_view(c).n == 0 && conn_fill(c) != ST_OK)
		return false;
	v = view_head(conn_view(c), s->chunk_left);
	if (s->chunk_refusal == SAY_NOTHING)
		smtp_text_put(s, v);
	conn_take(c, v.n);
	s->chunk_left -= v.n;
	return true;
}
