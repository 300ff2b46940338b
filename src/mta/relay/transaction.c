/* transaction.c - MAIL, RCPT, and DATA or BDAT (RFC 5321 4.1.1, 2920, 3030).
 *
 * The commands are steps of one list: [RSET] MAIL RCPT ... [DATA].  Where
 * PIPELINING is offered up to WINDOW of them are on their way, else one; so
 * both read alike, and neither side can stop the other by not reading. */
#include "mta/relay/internal.h"

#include "base/log.h"
#include "wire/smtp.h"
#include "wire/smtp_values.h"

enum { WINDOW = 64, PIECE = 64 * 1024, CHUNK = 512 * 1024, OWN_HEAD_MAX = 16 * 1024 };

struct transaction {
	struct attempt *a;
	struct remote *m;
	uint32_t *who;		/* places in a->wanted, */
	bool *taken;		/* whose RCPT was accepted */
	uint32_t n, n_taken;
	struct buf head;	/* goes before the letter */
	struct view bytes;
	enum body_type body;
	bool chunks;		/* BDAT */
	bool utf8;		/* MAIL with SMTPUTF8 */
	uint32_t steps, sent, got;
	bool mail_failed;
	bool text_wanted;	/* 354 */
};

static bool offers(const struct transaction *t, unsigned extension)
{
	return t->m->offer.set & extension;
}

static const struct recipient *recipient_of(const struct transaction *t, uint32_t i)
{
	return &t->a->env.recipients[t->a->wanted[t->who[i]]];
}

/* ---- the commands ---- */

/* What is left of it now (RFC 2852). */
static struct smtp_by time_left(const struct envelope *e)
{
	int64_t s = (e->deliver_by - clock_wall()) / 1000;

	s = s > SMTP_SECONDS_MAX ? SMTP_SECONDS_MAX : s < -SMTP_SECONDS_MAX ? -SMTP_SECONDS_MAX : s;
	return (struct smtp_by){ .seconds = (int32_t)s, .mode = (char)e->by_mode, .trace = e->by_trace };
}

static void put_mail(struct transaction *t)
{
	static const char *const bodies[] = { [BODY_7BIT] = "7BIT", [BODY_8BIT] = "8BITMIME", [BODY_BINARY] = "BINARYMIME" };
	const struct envelope *e = &t->a->env;
	struct buf *out = conn_out(&t->m->conn);

	buf_putf(out, "MAIL FROM:<%.*s>", VIEW_ARG(recipient_sender(e, recipient_of(t, 0))));
	if (offers(t, EXT_SIZE))
		buf_putf(out, " SIZE=%zu", t->head.n + t->bytes.n);
	if (t->body != BODY_7BIT)
		buf_putf(out, " BODY=%s", bodies[t->body]);
	if (t->utf8)
		buf_puts(out, " SMTPUTF8");
	if (offers(t, EXT_DSN) && e->ret)
		buf_puts(out, e->ret == 'F' ? " RET=FULL" : " RET=HDRS");
	if (offers(t, EXT_DSN) && e->envid.n)
		buf_putf(out, " ENVID=%.*s", VIEW_ARG(e->envid));
	if (e->requiretls)
		buf_puts(out, " REQUIRETLS");
	if (offers(t, EXT_DELIVERBY) && e->deliver_by) {
		struct smtp_by by = time_left(e);

		buf_puts(out, " BY=");
		smtp_put_by(&by, out);
	}
	if (offers(t, EXT_MT_PRIORITY) && e->priority)
		buf_putf(out, " MT-PRIORITY=%d", e->priority);
	buf_puts(out, "\r\n");
}

static void put_notify(struct buf *out, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = { { NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		      { NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" } };
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (notify & words[i].bit) {
			buf_puts(out, before);
			buf_puts(out, words[i].word);
			before = ",";
		}
}

/* xtext of RFC 3461 4. */
static void put_xtext(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] > 32 && v.p[i] < 127 && v.p[i] != '+' && v.p[i] != '=')
			buf_putc(out, v.p[i]);
		else
			buf_putf(out, "+%02X", (unsigned char)v.p[i]);
	}
}

/* RFC 3461 5.2.1: what was asked for goes on; where an alias has changed the
 * address, ORCPT tells the one that the sender knows. */
static void put_rcpt(struct transaction *t, const struct recipient *r)
{
	struct buf *out = conn_out(&t->m->conn);

	buf_putf(out, "RCPT TO:<%.*s>", VIEW_ARG(r->address));
	if (offers(t, EXT_DSN)) {
		put_notify(out, r->notify);
		if (r->orcpt.n) {
			buf_putf(out, " ORCPT=%.*s", VIEW_ARG(r->orcpt));
		} else if (r->original.n && r->notify) {
			buf_puts(out, " ORCPT=rfc822;");
			put_xtext(out, r->original);
		}
	}
	buf_puts(out, "\r\n");
}

/* Step 0 is RSET, 1 MAIL, then the recipients, the last DATA. */
static void put_step(struct transaction *t, uint32_t step)
{
	struct buf *out = conn_out(&t->m->conn);

	if (step == 0)
		buf_puts(out, "RSET\r\n");
	else if (step == 1)
		put_mail(t);
	else if (step - 2 < t->n)
		put_rcpt(t, recipient_of(t, step - 2));
	else
		buf_puts(out, "DATA\r\n");
}

/* ---- the replies ---- */

static void decide(struct transaction *t, uint32_t i, struct answer answer)
{
	t->a->answers[t->who[i]] = answer;
}

static void decide_taken(struct transaction *t, struct answer answer)
{
	answer.dsn = answer.verdict == VERDICT_OK && offers(t, EXT_DSN);
	answer.by = answer.verdict == VERDICT_OK && offers(t, EXT_DELIVERBY);
	for (uint32_t i = 0; i < t->n; i++)
		if (t->taken[i])
			decide(t, i, answer);
}

static void take_rcpt(struct transaction *t, uint32_t i)
{
	struct answer answer = remote_answer(t->m, &t->a->arena);

	if (t->m->reply.code == 421 || t->mail_failed)
		return;
	if (answer.verdict == VERDICT_OK) {
		t->taken[i] = true;
		t->n_taken++;
		return;
	}
	/* 4.5.3.1.10: the old word for "too many recipients". */
	if (answer.code == 552 && (t->m->reply.status[0] == '\0' || view_eq(answer.status, VIEW("5.5.3")))) {
		answer.verdict = VERDICT_LATER;
		answer.status = VIEW("4.5.3");
	}
	decide(t, i, answer);
}

/* 5xx is for good and for all; with anything else the next host is asked. */
static void take_mail(struct transaction *t)
{
	struct answer answer = remote_answer(t->m, &t->a->arena);

	if (answer.verdict == VERDICT_OK)
		return;
	t->mail_failed = true;
	t->a->last = answer;
	for (uint32_t i = 0; i < t->n && answer.verdict == VERDICT_NO; i++)
		decide(t, i, answer);
}

static void take_data(struct transaction *t)
{
	struct answer answer;

	t->text_wanted = t->m->reply.code == 354;
	if (t->text_wanted || t->n_taken == 0)
		return;
	answer = remote_answer(t->m, &t->a->arena);
	/* 2xx to DATA: nobody knows what it means. */
	if (answer.verdict == VERDICT_OK) {
		answer.verdict = VERDICT_LATER;
		t->m->unusable = true;
	}
	if (t->m->reply.code != 421)
		decide_taken(t, answer);
}

static void take_step(struct transaction *t, uint32_t step)
{
	if (step == 0) {
		if (t->m->reply.code / 100 != 2)
			t->m->unusable = true;
	} else if (step == 1) {
		take_mail(t);
	} else if (step - 2 < t->n) {
		take_rcpt(t, step - 2);
	} else {
		take_data(t);
	}
	if (t->m->reply.code == 421) {
		t->a->last = remote_answer(t->m, &t->a->arena);
		t->a->last.site = true;
	}
}

/* Is there a reason to send the next one? */
static bool may_send(const struct transaction *t)
{
	bool data = t->sent == t->n + 2;

	if (t->sent == t->steps || t->mail_failed || t->m->unusable)
		return false;
	return !data || t->n_taken || t->got < t->sent;
}

/* False: the connection is of no more use. */
static bool exchange(struct transaction *t)
{
	const struct conf *conf = &t->m->r->proc.conf;
	uint32_t window = offers(t, EXT_PIPELINING) ? WINDOW : 1;

	for (;;) {
		bool quiet = t->got == t->sent;
		int64_t patience = t->got == t->n + 2 ? conf->relay_data_timeout : conf->relay_command_timeout;
		enum status st;

		while (t->sent - t->got < window && may_send(t))
			put_step(t, t->sent++);
		if (t->got == t->sent)
			return !t->m->unusable;
		st = quiet ? remote_ask(t->m, patience) : remote_flush(t->m, patience);
		if (st == ST_OK && !quiet)
			st = remote_read(t->m, patience);
		if (st != ST_OK)
			return false;
		take_step(t, t->got++);
		if (t->m->reply.code == 421)
			return false;
	}
}

/* ---- the text ---- */

static void log_doubt(const struct transaction *t)
{
	log_begin(LOG_WARN_, "may-be-doubled");
	log_hex("sid", t->a->env.sid);
	log_view("id", t->a->env.id);
	log_view("host", t->m->host);
	log_str("why", t->m->why ? t->m->why : "");
	log_end();
}

/* The end of the text was sent: from here on a lost reply leaves open whether
 * the host has it (RFC 5321 4.2.5; 1047). */
static void take_end(struct transaction *t, enum status st)
{
	if (st == ST_OK) {
		struct answer answer = remote_answer(t->m, &t->a->arena);

		if (answer.verdict == VERDICT_OK && t->n_taken)
			t->m->letters++;
		decide_taken(t, answer);
		return;
	}
	if (t->n_taken)
		log_doubt(t);
	decide_taken(t, remote_trouble(t->m, &t->a->arena, "4.4.2"));
}

static enum status flush_piece(struct transaction *t)
{
	enum status st = buf_status(conn_out(&t->m->conn));

	conn_patience(&t->m->conn, (uint64_t)t->m->r->proc.conf.relay_block_timeout);
	if (st == ST_OK)
		st = conn_flush(&t->m->conn);
	if (st != ST_OK) {
		t->m->unusable = true;
		t->m->why = st == ST_TIMEOUT ? "the host took nothing of the text for too long"
					     : "the host closed the connection amid the text";
		t->a->last = remote_trouble(t->m, &t->a->arena, "4.4.2");
	}
	return st;
}

/* All of it but what was left in conn_out. */
static enum status put_pieces(struct transaction *t, struct smtp_sender *s, struct view bytes)
{
	for (; bytes.n > PIECE; bytes = view_skip(bytes, PIECE)) {
		smtp_send_text(s, view_head(bytes, PIECE), conn_out(&t->m->conn));
		if (flush_piece(t) != ST_OK)
			return ST_CLOSED;
	}
	smtp_send_text(s, bytes, conn_out(&t->m->conn));
	return ST_OK;
}

static void send_data(struct transaction *t)
{
	struct smtp_sender s = { .dots = true };

	/* RFC 2920 3.1: the host wants a text although nobody is to get it. */
	if (t->n_taken &&
	    (put_pieces(t, &s, buf_view(&t->head)) != ST_OK || put_pieces(t, &s, t->bytes) != ST_OK))
		return;
	smtp_send_end(&s, conn_out(&t->m->conn));
	take_end(t, remote_ask(t->m, t->m->r->proc.conf.relay_end_timeout));
}

/* A chunk as BDAT counts it: its lines mended, or as it is where the letter
 * is binary. */
static enum status send_chunk(struct transaction *t, struct smtp_sender *s, struct view bytes, bool last)
{
	struct buf chunk = BUF(3 * CHUNK);
	enum status st;

	/* The first one. */
	if (bytes.p == t->bytes.p)
		buf_put(&chunk, buf_view(&t->head));
	if (t->body == BODY_BINARY)
		buf_put(&chunk, bytes);
	else
		smtp_send_text(s, bytes, &chunk);
	if (last && t->body != BODY_BINARY)
		smtp_send_end(s, &chunk);
	st = buf_status(&chunk);
	buf_putf(conn_out(&t->m->conn), "BDAT %zu%s\r\n", chunk.n, last ? " LAST" : "");
	for (struct view v = buf_view(&chunk); v.n && st == ST_OK; v = view_skip(v, PIECE)) {
		buf_put(conn_out(&t->m->conn), view_head(v, PIECE));
		st = v.n > PIECE ? flush_piece(t) : buf_status(conn_out(&t->m->conn));
	}
	buf_free(&chunk);
	return st;
}

static void send_chunks(struct transaction *t)
{
	const struct conf *conf = &t->m->r->proc.conf;
	struct smtp_sender s = { 0 };
	struct view left = t->bytes;

	for (;;) {
		bool last = left.n <= CHUNK;

		if (send_chunk(t, &s, view_head(left, CHUNK), last) != ST_OK)
			return;
		if (last) {
			take_end(t, remote_ask(t->m, conf->relay_end_timeout));
			return;
		}
		if (remote_ask(t->m, conf->relay_command_timeout) != ST_OK) {
			t->a->last = remote_trouble(t->m, &t->a->arena, "4.4.2");
			return;
		}
		if (t->m->reply.code / 100 != 2) {
			decide_taken(t, remote_answer(t->m, &t->a->arena));
			t->m->dirty = true;
			return;
		}
		left = view_skip(left, CHUNK);
	}
}

static void send_text(struct transaction *t)
{
	if (t->chunks && t->n_taken)
		send_chunks(t);
	else if (t->text_wanted && t->mail_failed)
		t->m->unusable = true;	/* no sender, but a text is wanted: not from us */
	else if (t->text_wanted)
		send_data(t);
}

/* ---- what the host cannot take ---- */

/* RFC 6531 3.4, 3.2: an address that is not ASCII needs SMTPUTF8. */
static bool needs_utf8(const struct transaction *t)
{
	bool ascii = view_is_ascii(recipient_sender(&t->a->env, recipient_of(t, 0)));

	for (uint32_t i = 0; i < t->n; i++)
		ascii &= view_is_ascii(recipient_of(t, i)->address);
	return !ascii;
}

static bool refuse(struct transaction *t, struct answer answer)
{
	answer.host = arena_copy(&t->a->arena, t->m->host);
	for (uint32_t i = 0; i < t->n; i++)
		decide(t, i, answer);
	return false;
}

/* Signatures over the fields of this recipient and the letter, and those fields. */
static enum status put_head(struct transaction *t)
{
	struct buf own = BUF(OWN_HEAD_MAX);
	enum status st;

	/* Through hosts that know no priorities it goes as a field (RFC 6758 3.3). */
	if (t->a->env.priority && !offers(t, EXT_MT_PRIORITY))
		buf_putf(&own, "MT-Priority: %d\r\n", t->a->env.priority);
	recipient_head(recipient_of(t, 0), &own);
	st = buf_status(&own);
	if (st == ST_OK)
		st = seal_letter(t->a, recipient_of(t, 0), buf_view(&own), t->bytes, &t->head);
	buf_put(&t->head, buf_view(&own));
	buf_free(&own);
	return st == ST_OK ? buf_status(&t->head) : st;
}

/* A letter that is to come back rather than to be late goes to nobody who does
 * not promise that (RFC 2852). */
static bool in_time(struct transaction *t)
{
	const struct envelope *e = &t->a->env;
	struct smtp_by by = time_left(e);

	if (e->by_mode != 'R')
		return true;
	if (by.seconds <= 0)
		return refuse(t, own_answer(VERDICT_NO, "5.4.7", VIEW("the time within which it was to be delivered is over")));
	if (!offers(t, EXT_DELIVERBY))
		return refuse(t, own_answerf(&t->a->arena, VERDICT_NO, "5.4.7", "%.*s does not offer DELIVERBY, and the letter "
					     "was to come back rather than to be late", VIEW_ARG(t->m->host)));
	if ((uint32_t)by.seconds < t->m->offer.least_by)
		return refuse(t, own_answerf(&t->a->arena, VERDICT_NO, "5.4.7", "%.*s promises delivery in %u seconds, but only "
					     "%d are left", VIEW_ARG(t->m->host), t->m->offer.least_by, by.seconds));
	return true;
}

/* False: all are decided. */
static bool prepare(struct transaction *t)
{
	struct arena *a = &t->a->arena;
	bool utf8 = needs_utf8(t);
	enum status st;

	if (!in_time(t))
		return false;
	if (utf8 && !offers(t, EXT_SMTPUTF8))
		return refuse(t, own_answerf(a, VERDICT_NO, "5.6.7", "an address is not ASCII, and %.*s does not offer "
					     "SMTPUTF8", VIEW_ARG(t->m->host)));
	t->utf8 = utf8 || (t->a->env.smtputf8 && offers(t, EXT_SMTPUTF8));
	st = letter_for(&t->a->letter, &t->m->offer, &t->bytes, &t->body);
	if (st == ST_MISSING)
		return refuse(t, own_answerf(a, VERDICT_NO, "5.6.3", "%.*s takes only letters of 7 bits, and this one cannot "
					     "be made one", VIEW_ARG(t->m->host)));
	if (st != ST_OK)
		return refuse(t, own_answer(VERDICT_LATER, "4.3.0", view_cstr(status_name(st))));
	if (t->utf8 && t->body == BODY_7BIT && t->a->letter.eight_header)
		t->body = BODY_8BIT;
	if (put_head(t) != ST_OK)
		return refuse(t, own_answer(VERDICT_LATER, "4.3.0", VIEW("it cannot be signed now")));
	if (t->m->offer.size && t->head.n + t->bytes.n > t->m->offer.size)
		return refuse(t, own_answerf(a, VERDICT_NO, "5.3.4", "the letter has %zu octets, %.*s takes %llu", t->bytes.n,
					     VIEW_ARG(t->m->host), (unsigned long long)t->m->offer.size));
	t->chunks = offers(t, EXT_CHUNKING) &&
		    (t->body == BODY_BINARY || t->bytes.n >= (size_t)t->m->r->proc.conf.relay_chunking);
	return true;
}

/* ---- all together ---- */

/* May they share a transaction: one sender, one head? */
static bool alike(const struct recipient *a, const struct recipient *b)
{
	return a->via_kind == b->via_kind && view_eq(a->via, b->via) && view_eq(a->sender, b->sender);
}

/* The next undecided ones, as many as go in one transaction. */
static bool choose(struct transaction *t)
{
	struct attempt *a = t->a;
	uint32_t most = (uint32_t)a->r->proc.conf.relay_recipients;

	t->who = arena_array(&a->arena, most < a->n ? most : a->n, sizeof *t->who);
	t->taken = arena_array(&a->arena, most < a->n ? most : a->n, sizeof *t->taken);
	for (uint32_t i = 0; i < a->n && t->n < most && t->who && t->taken; i++)
		if (a->answers[i].verdict == UNDECIDED &&
		    (t->n == 0 || alike(recipient_of(t, 0), &a->env.recipients[a->wanted[i]])))
			t->who[t->n++] = i;
	return t->n > 0;
}

static void one_transaction(struct transaction *t)
{
	struct remote *m = t->m;

	if (!prepare(t))
		return;
	t->sent = t->got = m->dirty ? 0 : 1;
	t->steps = t->n + (t->chunks ? 2 : 3);
	m->dirty = true;
	if (!exchange(t)) {
		if (m->reply.code != 421)
			t->a->last = remote_trouble(m, &t->a->arena, "4.4.2");
		return;
	}
	send_text(t);
	/* A reply to the text leaves no transaction open (4.1.1.4). */
	if ((t->text_wanted || t->chunks) && t->n_taken && !m->unusable)
		m->dirty = false;
}

void transact(struct attempt *a, struct remote *m)
{
	while (!m->unusable && attempt_is_open(a)) {
		struct transaction t = { .a = a, .m = m, .head = BUF(SEALED_MAX + OWN_HEAD_MAX) };

		if (!choose(&t))
			return;
		one_transaction(&t);
		buf_free(&t.head);
		if (t.mail_failed)
			return;
	}
}
