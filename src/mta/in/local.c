/* local.c - users of this machine, who hand in letters over local/submit
 * (waxwing-sendmail).  Who they are the kernel has told the parent, so they need
 * no login; what they may do is that of who has logged in, and a user without
 * an account sends as NAME@ and host.name. */
#include "mta/in/internal.h"

#include "base/log.h"

#include <unistd.h>

static void own_address(const struct smtp_session *s, struct buf *b)
{
	buf_putf(b, "%s@%s", s->local.name, s->host->conf->host_name);
}

static enum verdict ask_account(struct smtp_session *s, struct view address, uint64_t *ret_account)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(64);
	struct rec_local_answer a = { .verdict = VERDICT_LATER };
	uint16_t type;

	rec_put_local_ask(&b, 0, s->sid, &(struct rec_local_ask){ address });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) != ST_OK ||
	    type != REC_local_answer || !rec_take_local_answer(buf_view(&answer), &a))
		a.verdict = VERDICT_LATER;
	buf_free(&b);
	buf_free(&answer);
	*ret_account = a.account;
	return (enum verdict)a.verdict;
}

enum verdict smtp_local_ticket(struct smtp_session *s)
{
	struct buf b = BUF(64), answer = BUF(RECORD_MAX);
	struct rec_local_ticket_answer a = { .verdict = VERDICT_LATER };
	uint16_t type;

	rec_put_local_ticket_ask(&b, 0, s->sid, &(struct rec_local_ticket_ask){ s->account });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) != ST_OK ||
	    type != REC_local_ticket_answer || !rec_take_local_ticket_answer(buf_view(&answer), &a))
		a.verdict = VERDICT_LATER;
	if (a.verdict == VERDICT_OK)
		buf_put(&s->ticket, a.ticket);
	buf_free(&b);
	buf_free(&answer);
	return buf_status(&s->ticket) == ST_OK ? (enum verdict)a.verdict : VERDICT_LATER;
}

/* The account of local.accounts, or that which has NAME@ and host.name. */
static enum verdict ask_own_account(struct smtp_session *s)
{
	struct view mapped = conf_local_account(s->host->conf, view_cstr(s->local.name));
	struct buf own = BUF(DOMAIN_MAX + LOCAL_NAME_MAX + 2);
	enum verdict v;

	own_address(s, &own);
	v = ask_account(s, mapped.n ? mapped : buf_view(&own), &s->account);
	buf_free(&own);
	return v;
}

/* As what he has logged in. */
static void put_login(struct smtp_session *s)
{
	struct view mapped = conf_local_account(s->host->conf, view_cstr(s->local.name));

	if (s->account && mapped.n)
		buf_put(&s->login, mapped);
	else
		own_address(s, &s->login);
}

bool smtp_local_begin(struct smtp_session *s)
{
	enum verdict v = ask_own_account(s);

	if (v == VERDICT_LATER) {
		smtp_reply(s, SAY_SHUTTING_DOWN);
		conn_close(&s->conn);
		return false;
	}
	s->local.asked = true;
	put_login(s);
	log_begin(LOG_INFO_, "local");
	log_hex("sid", s->sid);
	log_u64("uid", s->local.uid);
	log_str("user", s->local.name);
	log_u64("account", s->account);
	log_end();
	return true;
}

bool smtp_local_is_operator(const struct smtp_session *s)
{
	return s->local.here && (s->local.uid == 0 || s->local.uid == getuid());
}

enum reply smtp_local_become(struct smtp_session *s)
{
	enum verdict v = s->env.sender.n ? ask_account(s, s->env.sender, &s->account) : VERDICT_NO;

	if (v != VERDICT_OK)
		return v == VERDICT_NO ? SAY_NOT_YOURS : SAY_DIRECTORY_DOWN;
	buf_clear(&s->login);
	buf_put(&s->login, s->env.sender);
	s->env.authenticated = s->account;
	return SAY_NOTHING;
}

bool smtp_local_may_send(const struct smtp_session *s, struct view sender)
{
	if (!s->local.here)
		return false;
	return s->local.uid == 0 || conf_local_trusted(s->host->conf, view_cstr(s->local.name)) ||
	       (conf_is_here(s->host->conf, sender) && view_eq_i(view_head(sender, view_find(sender, '@')), view_cstr(s->local.name)));
}

enum verdict smtp_local_verdict(const struct smtp_session *s, struct view address, enum verdict v)
{
	/* A host that is no domain of ours has no other letters than those of its
	 * users: they do not leave it to come back. */
	return s->local.here && v == VERDICT_RELAY && conf_is_here(s->host->conf, address) ? VERDICT_NO : v;
}

void smtp_local_trace(const struct smtp_session *s, struct buf *b)
{
	buf_putf(b, "by %s (local user %s, uid %u) id %.*s", s->host->conf->host_name, s->local.name, s->local.uid,
		 VIEW_ARG(s->env.id));
}
