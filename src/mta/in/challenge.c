/* challenge.c - letters by which an issuer of certificates finds out whether an address is ours
 * (RFC 8823 3.1): when one has been kept, warden is told of it.  It is delivered like
 * any other; only warden knows whether anybody has asked for it. */
#include "mta/in/internal.h"

#include "acme/letter.h"
#include "base/log.h"
#include "role/role.h"

enum { LETTER_ARENA = 1024 * 1024 };

static bool is_signed(const struct acme_letter *l, const struct trust_verdict *v)
{
	for (uint32_t i = 0; i < v->dkim.n; i++)
		if (acme_letter_is_signed(l, &v->dkim.signatures[i]))
			return true;
	return false;
}

static void keep(struct smtp_session *s, const struct acme_letter *l)
{
	s->challenge = ARENA_NEW(&s->tx, struct acme_letter);
	if (s->challenge)
		*s->challenge = (struct acme_letter){
			.sender = arena_copy(&s->tx, l->sender), .to = arena_copy(&s->tx, l->to),
			.token = arena_copy(&s->tx, l->token), .message_id = arena_copy(&s->tx, l->message_id),
			.reply_to = arena_copy(&s->tx, l->reply_to),
		};
}

static void log_unproved(const struct smtp_session *s, struct view from)
{
	log_begin(LOG_WARN_, "challenge-unproved");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_view("from", from);
	log_end();
}

void smtp_challenge_look(struct smtp_session *s, const struct trust_verdict *v)
{
	struct arena a = ARENA(LETTER_ARENA);
	struct acme_letter l;

	s->challenge = NULL;
	if (s->host->conf->acme[0] && acme_letter_find(buf_view(&s->checks->pass.header), &a, &l) == ST_OK) {
		if (is_signed(&l, v))
			keep(s, &l);
		else
			log_unproved(s, l.sender);
	}
	arena_free(&a);
}

/* To the accounts that have it; whoever it names in To: must be one of them. */
void smtp_challenge_tell(struct smtp_session *s)
{
	const struct acme_letter *c = s->challenge;
	struct buf b = BUF(RECORD_MAX);

	if (c == NULL)
		return;
	for (uint32_t i = 0; i < s->env.n_recipients; i++) {
		const struct recipient *r = &s->env.recipients[i];

		if (r->account == 0 || r->via_kind != VIA_NOTHING || !view_eq_i(r->address, c->to))
			continue;
		rec_put_challenge(&b, 0, s->sid, &(struct rec_challenge){
					  s->env.id, r->account, c->sender, c->token, c->message_id,
					  c->reply_to });
		(void)!role_send(s->host->warden, &b, -1);
	}
	buf_free(&b);
}
