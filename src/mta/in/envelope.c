/* envelope.c - MAIL and RCPT. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "ipc/seal.h"
#include "wire/smtp_values.h"

enum { RECIPIENTS_FIRST = 4, ENVID_MAX = 100, ORCPT_MAX = 500 };

/* To other hosts: who has logged in, and the operator's own networks.  Nothing
 * else that a client says of himself counts. */
static bool smtp_may_relay(const struct smtp_session *s)
{
	return s->account || (s->local.here && s->host->conf->local_relay) ||
	       conf_in_networks(s->host->conf->relay_networks, s->peer);
}

/* ---- MAIL (4.1.1.2) ---- */

static enum reply size_parameter(struct smtp_session *s, struct view value)	/* RFC 1870 */
{
	uint64_t size;

	if (!view_u64(value, &size))
		return SAY_BAD_ARGUMENT;
	return size > (uint64_t)s->host->conf->message_size ? SAY_TOO_LARGE : SAY_NOTHING;
}

static enum reply body_parameter(struct smtp_session *s, struct view value)	/* RFC 6152, 3030 3 */
{
	if (view_eq_i(value, VIEW("8BITMIME")))
		s->env.body = BODY_8BIT;
	else if (view_eq_i(value, VIEW("BINARYMIME")))
		s->env.body = BODY_BINARY;
	else if (!view_eq_i(value, VIEW("7BIT")))
		return SAY_BAD_ARGUMENT;
	return SAY_NOTHING;
}

static enum reply utf8_parameter(struct smtp_session *s, struct view value)	/* RFC 6531 3.4 */
{
	if (value.p)
		return SAY_BAD_ARGUMENT;
	s->env.smtputf8 = 1;
	return SAY_NOTHING;
}

/* Who is said to have submitted it (RFC 4954 5).  Checked, and not believed:
 * that is what AUTH=<> would say. */
static enum reply auth_parameter(struct smtp_session *s, struct view value)
{
	(void)s;
	return view_eq(value, VIEW("<>")) || smtp_is_xtext(value) ? SAY_NOTHING : SAY_BAD_ARGUMENT;
}

static enum reply ret_parameter(struct smtp_session *s, struct view value)	/* RFC 3461 4.3 */
{
	if (view_eq_i(value, VIEW("FULL")))
		s->env.ret = 'F';
	else if (view_eq_i(value, VIEW("HDRS")))
		s->env.ret = 'H';
	else
		return SAY_BAD_ARGUMENT;
	return SAY_NOTHING;
}

static enum reply envid_parameter(struct smtp_session *s, struct view value)	/* RFC 3461 4.4 */
{
	if (value.n > ENVID_MAX || !smtp_is_xtext(value))
		return SAY_BAD_ARGUMENT;
	s->env.envid = arena_copy(&s->tx, value);
	return SAY_NOTHING;
}

static enum reply requiretls_parameter(struct smtp_session *s, struct view value)	/* RFC 8689 2 */
{
	if (!conn_has_tls(&s->conn))
		return SAY_PARAMETER_UNKNOWN;
	if (value.p)
		return SAY_BAD_ARGUMENT;
	s->env.requiretls = 1;
	return SAY_NOTHING;
}

static enum reply set_release(struct smtp_session *s, wall_ms now, wall_ms at)
{
	int64_t most = s->host->conf->submission_hold;

	if (s->account == 0 || most == 0)
		return SAY_PARAMETER_UNKNOWN;
	if (s->env.release || at <= now || at > now + most)
		return SAY_BAD_HOLD;
	s->env.release = at;
	return SAY_NOTHING;
}

static enum reply hold_for_parameter(struct smtp_session *s, struct view value)	/* RFC 4865 */
{
	wall_ms now = clock_wall();
	uint32_t seconds;

	return smtp_take_hold_for(value, &seconds) == ST_OK ? set_release(s, now, now + (wall_ms)seconds * 1000) : SAY_BAD_HOLD;
}

static enum reply hold_until_parameter(struct smtp_session *s, struct view value)	/* RFC 4865 */
{
	wall_ms at;

	return smtp_take_hold_until(value, &at) == ST_OK ? set_release(s, clock_wall(), at) : SAY_BAD_HOLD;
}

static enum reply by_parameter(struct smtp_session *s, struct view value)	/* RFC 2852 */
{
	struct smtp_by by;

	if (!smtp_may_relay(s))
		return SAY_PARAMETER_UNKNOWN;
	if (smtp_take_by(value, &by) != ST_OK)
		return SAY_BAD_ARGUMENT;
	s->env.deliver_by = clock_wall() + (wall_ms)by.seconds * 1000;
	s->env.by_mode = (uint8_t)by.mode;
	s->env.by_trace = by.trace;
	return SAY_NOTHING;
}

void smtp_set_priority(struct smtp_session *s, int8_t priority)
{
	s->priority_changed = priority > s->priority_most;
	s->env.priority = s->priority_changed ? s->priority_most : priority;
}

static enum reply priority_parameter(struct smtp_session *s, struct view value)	/* RFC 6710 */
{
	int8_t priority;

	if (!smtp_may_relay(s))
		return SAY_PARAMETER_UNKNOWN;
	if (smtp_take_priority(value, &priority) != ST_OK)
		return SAY_BAD_ARGUMENT;
	s->priority_given = true;
	s->env.priority = priority;
	return SAY_NOTHING;
}

void smtp_put_parameters(const struct smtp_session *s, struct buf *out)
{
	int64_t most = s->host->conf->submission_hold;
	char at[RFC3339_SIZE];

	if (!smtp_is_submission(s) && !smtp_may_relay(s))
		return;
	buf_puts(out, "\nDELIVERBY\nMT-PRIORITY MIXER");
	if (!smtp_is_submission(s) || most == 0)
		return;
	clock_rfc3339(clock_wall() + most, at);
	buf_putf(out, "\nFUTURERELEASE %lld %.19sZ", (long long)(most / 1000), at);
}

/* The letter lies in the drop folder under this name (waxwing-sendmail). */
static enum reply key_parameter(struct smtp_session *s, struct view value)
{
	if (!s->local.here)
		return SAY_PARAMETER_UNKNOWN;
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_digit(value.p[i]) && (value.p[i] < 'a' || value.p[i] > 'f'))
			return SAY_BAD_ARGUMENT;
	if (value.n != DROP_KEY)
		return SAY_BAD_ARGUMENT;
	memcpy(s->local.key, value.p, value.n);
	return SAY_NOTHING;
}

/* Handed in by who runs the server, for the account of its sender. */
static enum reply account_parameter(struct smtp_session *s, struct view value)
{
	if (!smtp_local_is_operator(s))
		return SAY_PARAMETER_UNKNOWN;
	if (value.p)
		return SAY_BAD_ARGUMENT;
	s->local.for_account = true;
	return SAY_NOTHING;
}

/* The only list. */
static const struct {
	const char *key;
	enum reply (*take)(struct smtp_session *s, struct view value);
} mail_parameters[] = {
	{ "SIZE", size_parameter }, { "BODY", body_parameter }, { "SMTPUTF8", utf8_parameter },
	{ "AUTH", auth_parameter }, { "RET", ret_parameter },	{ "ENVID", envid_parameter },
	{ "REQUIRETLS", requiretls_parameter }, { "HOLDFOR", hold_for_parameter },
	{ "HOLDUNTIL", hold_until_parameter }, { "BY", by_parameter }, { "MT-PRIORITY", priority_parameter },
	{ "XKEY", key_parameter }, { "XACCOUNT", account_parameter },
};
enum { MAIL_PARAMETERS_N = sizeof mail_parameters / sizeof *mail_parameters };

static enum reply mail_parameter(struct smtp_session *s, const struct smtp_parameter *p, unsigned *seen)
{
	for (unsigned i = 0; i < MAIL_PARAMETERS_N; i++) {
		if (!view_eq_i(p->key, view_cstr(mail_parameters[i].key)))
			continue;
		if (*seen & (1u << i))
			return SAY_BAD_ARGUMENT;
		*seen |= 1u << i;
		return mail_parameters[i].take(s, p->has_value ? p->value : VIEW_NONE);
	}
	return SAY_PARAMETER_UNKNOWN;
}

static enum reply take_mail_parameters(struct smtp_session *s, const struct smtp_path_command *pc)
{
	unsigned seen = 0;

	for (size_t i = 0; i < pc->n_parameters; i++) {
		enum reply r = s->extended ? mail_parameter(s, &pc->parameters[i], &seen) : SAY_PARAMETER_UNKNOWN;

		if (r != SAY_NOTHING)
			return r;
	}
	return pc->path.utf8 && !s->env.smtputf8 ? SAY_NEEDS_UTF8 : SAY_NOTHING;
}

/* ---- asking warden ---- */

enum verdict smtp_ask_warden(struct smtp_session *s, struct view address, struct buf *answer,
			     struct view *ret_targets)
{
	struct buf b = BUF(RECORD_MAX);
	struct rec_rcpt_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_rcpt_ask(&b, 0, s->sid, &(struct rec_rcpt_ask){ address, s->env.sender, s->account });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, answer, &type, NULL) == ST_OK &&
	    type == REC_rcpt_answer && rec_take_rcpt_answer(buf_view(answer), &a)) {
		v = (enum verdict)a.verdict;
		*ret_targets = a.targets;
	}
	buf_free(&b);
	return v;
}

/* Who has logged in sends as himself: by an address whose letters he gets, or
 * by one that the operator gave him (RFC 6409 6.1). */
static enum reply check_sender(struct smtp_session *s)
{
	enum verdict v = VERDICT_OK;

	if (s->env.sender.n && !smtp_local_may_send(s, s->env.sender))
		v = s->account ? smtp_may_send(s, s->env.sender, &s->sender_own) : VERDICT_NO;
	if (v != VERDICT_OK)
		return v == VERDICT_NO ? SAY_NOT_YOURS : SAY_DIRECTORY_DOWN;
	return s->account ? smtp_submit_begin(s) : SAY_NOTHING;
}

/* What the parameters say together. */
static void settle_parameters(struct smtp_session *s)
{
	/* A letter that leaves later has its time from then on. */
	if (s->env.release && s->env.deliver_by)
		s->env.deliver_by += s->env.release - clock_wall();
	if (!s->account)
		s->priority_most = SMTP_PRIORITY_MOST;
	if (s->priority_given)
		smtp_set_priority(s, s->env.priority);
}

enum reply cmd_mail(struct smtp_session *s, struct view rest)
{
	struct smtp_path_command pc;
	enum reply r;

	if (s->has_sender)
		return SAY_BAD_SEQUENCE;
	if (smtp_take_path(rest, VIEW("FROM:"), &pc) != ST_OK)
		return SAY_BAD_SENDER;
	s->env = (struct envelope){ .sid = s->sid, .authenticated = s->account };
	r = take_mail_parameters(s, &pc);
	/* The line lies in the connection's buffer, which may move while we wait. */
	if (r == SAY_NOTHING) {
		s->env.sender = arena_copy(&s->tx, pc.path.address);
		r = arena_status(&s->tx) == ST_OK ? SAY_NOTHING : SAY_TRY_AGAIN;
	}
	if (r == SAY_NOTHING && s->local.for_account)
		r = smtp_local_become(s);
	if (r == SAY_NOTHING && (s->account || s->local.here))
		r = check_sender(s);
	if (r != SAY_NOTHING) {
		smtp_forget(s);
		return r == SAY_ANSWERED ? SAY_NOTHING : r;
	}
	settle_parameters(s);
	s->has_sender = true;
	s->env_size = envelope_size(&s->env);
	smtp_checks_hint(s);
	return SAY_SENDER_OK;
}

/* ---- RCPT (4.1.1.3) ---- */

static enum status add_recipient(struct smtp_session *s, const struct recipient *r)
{
	struct envelope *e = &s->env;

	if (e->n_recipients == s->recipients_cap) {
		uint32_t cap = s->recipients_cap ? s->recipients_cap * 4 : RECIPIENTS_FIRST;
		struct recipient *more = arena_array(&s->tx, cap, sizeof *more);

		if (more == NULL)
			return arena_status(&s->tx);
		if (e->n_recipients)
			memcpy(more, e->recipients, e->n_recipients * sizeof *more);
		e->recipients = more;
		s->recipients_cap = cap;
	}
	e->recipients[e->n_recipients++] = *r;
	s->env_size += recipient_size(r);
	return arena_status(&s->tx);
}

/* What the envelope must have room for besides: the letter's id, and what it
 * may be signed for. */
enum { ENVELOPE_SPARE = 64 + SEAL_GRANT_MAX + QUARANTINE_MAX };

/* Where the envelope has room. */
enum reply smtp_add_recipient(struct smtp_session *s, const struct recipient *r)
{
	if (s->env.n_recipients >= RECIPIENTS_MAX || s->env_size + recipient_size(r) + ENVELOPE_SPARE > ENVELOPE_MAX)
		return SAY_TOO_MANY_RCPT;
	return add_recipient(s, r) == ST_OK ? SAY_RECIPIENT_OK : SAY_TRY_AGAIN;
}

/* All targets of one RCPT, or none. */
static enum reply add_targets(struct smtp_session *s, struct view targets, const struct recipient *given)
{
	struct cursor c = cursor_over(targets);
	uint32_t n = s->env.n_recipients;
	size_t size = s->env_size;
	enum reply r = SAY_RECIPIENT_OK;
	struct target t;

	while (r == SAY_RECIPIENT_OK && target_take(&c, &t)) {
		struct recipient one = *given;

		one.account = t.account;
		one.address = arena_copy(&s->tx, t.address);
		one.via_kind = t.via_kind;
		one.via = arena_copy(&s->tx, t.via);
		one.detail = arena_copy(&s->tx, t.detail);
		/* A bounce stays one, whoever it is sent on to. */
		one.sender = s->env.sender.n ? arena_copy(&s->tx, t.sender) : VIEW_NONE;
		if (view_eq(one.address, given->original))
			one.original = VIEW_NONE;
		r = smtp_add_recipient(s, &one);
	}
	if (r != SAY_RECIPIENT_OK) {
		s->env.n_recipients = n;
		s->env_size = size;
	}
	return r;
}

bool smtp_speaks_for_us(const struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;

	return s->account == 0 && !s->local.here && conf_in_networks(conf->relay_networks, s->peer) &&
	       conf_in_networks(conf->dkim_networks, s->peer);
}

static enum reply add_elsewhere(struct smtp_session *s, const struct recipient *given)
{
	struct recipient one = *given;

	if (!smtp_may_relay(s))
		return SAY_NOT_A_RELAY;
	one.address = given->original;
	one.original = VIEW_NONE;
	return smtp_add_recipient(s, &one);
}

static enum reply find_recipient(struct smtp_session *s, const struct recipient *given)
{
	struct buf answer = BUF(RECORD_MAX);
	struct view targets = VIEW_NONE;
	enum verdict v = smtp_ask_warden(s, given->original, &answer, &targets);
	enum reply r;

	switch (smtp_local_verdict(s, given->original, v)) {
	case VERDICT_OK:
		r = add_targets(s, targets, given);
		break;
	case VERDICT_NO:
		r = SAY_NO_SUCH_USER;
		break;
	case VERDICT_DENIED:
		r = SAY_MAY_NOT_POST;
		break;
	case VERDICT_RELAY:
		r = add_elsewhere(s, given);
		break;
	default:
		r = SAY_DIRECTORY_DOWN;
	}
	buf_free(&answer);
	return r;
}

/* RFC 3461 4.1, 4.2 */
static enum reply rcpt_parameter(struct smtp_session *s, const struct smtp_parameter *p, struct recipient *r)
{
	if (!s->extended)
		return SAY_PARAMETER_UNKNOWN;
	if (view_eq_i(p->key, VIEW("NOTIFY")))
		return r->notify || smtp_take_notify(p->value, &r->notify) != ST_OK ? SAY_BAD_ARGUMENT : SAY_NOTHING;
	if (!view_eq_i(p->key, VIEW("ORCPT")))
		return SAY_PARAMETER_UNKNOWN;
	if (r->orcpt.n || p->value.n > ORCPT_MAX || !smtp_is_orcpt(p->value))
		return SAY_BAD_ARGUMENT;
	r->orcpt = arena_copy(&s->tx, p->value);
	return SAY_NOTHING;
}

static void log_rcpt(const struct smtp_session *s, struct view address, enum reply r)
{
	log_begin(LOG_INFO_, "rcpt");
	log_hex("sid", s->sid);
	log_view("from", s->env.sender);
	log_view("to", address);
	log_str("result", r == SAY_RECIPIENT_OK ? "ok" : smtp_reply_text(r));
	log_end();
}

enum reply cmd_rcpt(struct smtp_session *s, struct view rest)
{
	struct smtp_path_command pc;
	struct recipient given = { 0 };
	enum reply r = SAY_NOTHING;

	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (s->text_begun)
		return SAY_BAD_SEQUENCE;
	if (smtp_take_path(rest, VIEW("TO:"), &pc) != ST_OK)
		return SAY_BAD_RECIPIENT;
	for (size_t i = 0; i < pc.n_parameters && r == SAY_NOTHING; i++)
		r = rcpt_parameter(s, &pc.parameters[i], &given);
	if (r != SAY_NOTHING)
		return r;
	if (pc.path.utf8 && !s->env.smtputf8)
		return SAY_NEEDS_UTF8;
	if (s->env.n_recipients >= (uint32_t)s->host->conf->recipients)
		return SAY_TOO_MANY_RCPT;
	if (s->account && s->recipients_taken >= s->recipients_left)
		return SAY_TOO_MUCH_RCPT;
	given.original = arena_copy(&s->tx, pc.path.address);
	r = arena_status(&s->tx) == ST_OK ? find_recipient(s, &given) : SAY_TRY_AGAIN;
	s->recipients_taken += r == SAY_RECIPIENT_OK;
	log_rcpt(s, given.original, r);
	return r;
}
