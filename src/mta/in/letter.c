/* letter.c - from the end of DATA to the 250: trace field, loop check, and
 * the queue's word that it is on disk. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <stdio.h>

enum { KEEP_MS = 120000, TRACE_MAX = 2048 };

/* Received: of RFC 5321 4.4, before everything else. */
static void put_trace(struct smtp_session *s, struct view id)
{
	struct buf b = BUF(TRACE_MAX);
	char date[RFC5322_DATE_SIZE];
	bool v6 = strchr(s->peer, ':') != NULL;

	buf_putf(&b, "Received: from %.*s ([%s%s])\r\n\tby %s with %sSMTP id %.*s", VIEW_ARG(s->helo),
		 v6 ? "IPv6:" : "", s->peer, s->host->conf->host_name,
		 s->env.smtputf8 ? "UTF8" : s->extended ? "E" : "", VIEW_ARG(id));
	buf_putf(&b, ";\r\n\t%s\r\n", clock_rfc5322(s->env.received, date));
	sink_put(&s->sink, buf_view(&b));
	buf_free(&b);
}

void smtp_text_begin(struct smtp_session *s)
{
	char id[40];

	s->mode = MODE_TEXT;
	s->text = (struct smtp_text){ .mend = s->host->conf->mend_line_ends };
	snprintf(id, sizeof id, "%llx.%u", (unsigned long long)s->sid, s->letters + 1);
	s->env.id = arena_copy(&s->tx, view_cstr(id));
	s->env.received = clock_wall();
	sink_begin(&s->sink, (uint64_t)s->host->conf->message_size + TRACE_MAX, s->host->budget);
	put_trace(s, s->env.id);
}

/* How many Received: fields stand at the head of what is in memory (6.3). */
static unsigned count_hops(struct view text)
{
	unsigned hops = 0;

	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));

		if (line.n <= 1)
			return hops;
		hops += view_starts_i(line, VIEW("Received:"));
		text = view_skip(text, line.n + 1);
	}
	return hops;
}

static enum reply refusal(struct smtp_session *s)
{
	if (s->text.bare)
		return SAY_BARE_TEXT;
	switch (sink_seal(&s->sink)) {
	case ST_OK:
		break;
	case ST_LIMIT:
		return SAY_TOO_LARGE;
	default:
		return SAY_NO_SPACE;
	}
	if (count_hops(buf_view(&s->sink.head)) > (unsigned)s->host->conf->hops)
		return SAY_LOOP;
	return SAY_OK;
}

static enum reply ask_queue(struct smtp_session *s, uint64_t *ret_queue_id)
{
	struct buf env = BUF(ENVELOPE_MAX), b = BUF(RECORD_MAX), answer = BUF(1024);
	struct rec_letter_kept kept;
	uint16_t type;
	enum reply r = SAY_TRY_AGAIN;

	envelope_put(&env, &s->env);
	rec_put_letter(&b, 0, s->sid,
		       &(struct rec_letter){ buf_view(&env), s->sink.size, buf_view(&s->sink.head) });
	if (buf_status(&env) == ST_OK &&
	    channel_ask(s->host->queue, &b, s->sink.fd, KEEP_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_letter_kept && rec_take_letter_kept(buf_view(&answer), &kept)) {
		*ret_queue_id = kept.queue_id;
		r = kept.verdict == VERDICT_OK ? SAY_OK : kept.verdict == VERDICT_FULL ? SAY_NO_SPACE : SAY_TRY_AGAIN;
	}
	buf_free(&env);
	buf_free(&b);
	buf_free(&answer);
	return r;
}

static void log_letter(const struct smtp_session *s, enum reply r, uint64_t queue_id)
{
	log_begin(LOG_INFO_, r == SAY_OK ? "accepted" : "refused");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_u64("size", s->sink.size);
	if (r == SAY_OK)
		log_hex("queue", queue_id);
	log_end();
}

void smtp_letter_finish(struct smtp_session *s)
{
	uint64_t queue_id = 0;
	enum reply r = refusal(s);

	if (r == SAY_OK)
		r = ask_queue(s, &queue_id);
	log_letter(s, r, queue_id);
	s->letters++;
	if (r == SAY_OK)
		buf_putf(conn_out(&s->conn), "250 2.0.0 OK id=%.*s\r\n", VIEW_ARG(s->env.id));
	else
		smtp_reply(s, r);
	smtp_forget(s);
	if (s->letters >= (uint32_t)s->host->conf->smtp_letters) {
		smtp_reply(s, SAY_TOO_MANY_LETTERS);
		conn_close(&s->conn);
	}
}
