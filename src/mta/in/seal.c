/* seal.c - a letter that will leave us: for which domains may it be signed?
 * Asked while who sent it is known; the answer travels in the envelope. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "ipc/seal.h"

/* Who is not here gets a letter that we send, signed or sealed. */
static bool leaves(const struct envelope *e)
{
	for (uint32_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].account == 0)
			return true;
	return false;
}

/* The addresses of ours by which it goes on to other hosts. */
static void put_vias(const struct envelope *e, struct buf *out)
{
	struct view before = VIEW_NONE;

	for (uint32_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];
		struct view via = r->via.n ? r->via : r->original;

		if (r->account || via.n == 0 || view_eq(via, before))
			continue;
		put_view(out, via);
		before = via;
	}
}

/* False: nobody can say whose it is, and so nobody can sign it.  All of them
 * are asked about, or none. */
static bool put_authors(struct smtp_session *s, struct buf *out)
{
	struct author author;
	enum status st = author_find(buf_view(&s->checks->pass.header), &s->tx, &author);
	bool good = st == ST_OK && (author.kind == AUTHOR_ONE || author.kind == AUTHOR_SEVERAL);

	/* Without one it gets this (RFC 6409 8; submit.c). */
	if (st == ST_OK && author.kind == AUTHOR_NONE && s->account && s->host->conf->submission_mend) {
		put_view(out, s->env.sender.n ? s->env.sender : buf_view(&s->login));
		return buf_status(out) == ST_OK;
	}
	for (size_t i = 0; good && i < author.n; i++)
		put_view(out, author.all[i].address);
	return good && buf_status(out) == ST_OK;
}

static void log_unsealed(const struct smtp_session *s, const char *why)
{
	log_begin(LOG_WARN_, "not-sealed");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_str("why", why);
	log_end();
}

static enum verdict ask(struct smtp_session *s, struct view authors, struct view vias)
{
	struct rec_seal_grant_ask question = { s->env.id, s->account, smtp_speaks_for_us(s), authors, s->env.sender, vias };
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX);
	struct rec_seal_grant_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_seal_grant_ask(&b, 0, s->sid, &question);
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_seal_grant_answer && rec_take_seal_grant_answer(buf_view(&answer), &a)) {
		v = (enum verdict)a.verdict;
		s->env.seal = arena_copy(&s->tx, view_head(a.grant, SEAL_GRANT_MAX));
	}
	buf_free(&b);
	buf_free(&answer);
	return arena_status(&s->tx) == ST_OK ? v : VERDICT_LATER;
}

enum reply smtp_seal(struct smtp_session *s)
{
	struct buf authors = BUF(RECORD_MAX / 2), vias = BUF(ENVELOPE_MAX);
	bool ours = s->account || smtp_speaks_for_us(s);
	enum verdict v = VERDICT_NO;

	if (!s->host->conf->dkim_sign || !leaves(&s->env))
		return SAY_OK;
	if (s->account == 0)
		put_vias(&s->env, &vias);
	if (ours && !put_authors(s, &authors))
		log_unsealed(s, "From: does not say who wrote it");
	else if (ours || vias.n)
		v = ask(s, buf_view(&authors), buf_view(&vias));
	if (v == VERDICT_DENIED)
		log_unsealed(s, "From: is of a domain of ours, and not an address of the account");
	buf_free(&authors);
	buf_free(&vias);
	return v == VERDICT_LATER ? SAY_TRY_AGAIN : SAY_OK;
}
