/* seal.c - the signatures that stand before a letter when it leaves (RFC 6376,
 * RFC 8617).
 *
 * Here and not at the door: only here it is known what a host gets (8 bits or
 * 7, which fields of a list before it), what waits for days leaves with a
 * fresh signature by a key that is published, and reports of the queue come
 * this way too.  One pass over the bytes that are sent; the keys are warden's,
 * who signs only what the letter's grant (ipc/seal.h) names. */
#include "mta/relay/internal.h"

#include "base/log.h"
#include "ipc/seal.h"
#include "msg/address.h"
#include "trust/arc.h"
#include "trust/authres.h"
#include "trust/dkim.h"

enum { SEAL_ASK_MS = 30000, SEAL_AGAIN_MS = 5000, SEAL_PAUSE_MS = 50, KEYS_MOST = 8, PASS_PIECE = 1024 * 1024 };

/* A key of warden's. */
struct distant {
	struct signer signer;
	struct seal_work *work;
};

struct seal_work {
	struct attempt *a;
	const struct recipient *to;
	struct view grant, domain;	/* what is shown, and for which of its domains */
	bool chain;			/* sealed as sent on, not signed as ours */
	struct distant keys[KEYS_MOST];
	struct signer *signers[KEYS_MOST];
	unsigned n;
	struct dkim_signing signing;
	struct arc arc;
	struct arc_sealing sealing;
	enum status st;
};

/* ---- asking warden ---- */

/* One that has just died is there again in a moment; a letter that is sent
 * back to the queue is not. */
static enum status ask_warden(const struct attempt *a, struct buf *question, struct buf *answer, uint16_t *ret_type)
{
	steady_ms end = clock_steady() + SEAL_AGAIN_MS;
	enum status st;

	for (;;) {
		st = channel_ask(&a->r->warden, question, -1, SEAL_ASK_MS, answer, ret_type, NULL);
		if (st != ST_CLOSED || clock_steady() >= end || a->r->proc.stopping)
			return st;
		loop_sleep(a->r->proc.loop, SEAL_PAUSE_MS);
	}
}

/* Waits.  ST_CLOSED: warden is not there; ST_DENIED: it does not want to. */
static enum status sign_there(struct signer *signer, const uint8_t *digest, struct buf *out)
{
	const struct distant *k = (const struct distant *)signer;
	const struct attempt *a = k->work->a;
	struct rec_seal_ask question = { a->env.id, k->work->grant, k->work->domain, signer->selector,
					 view_make((const char *)digest, SHA256_SIZE) };
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX);
	struct rec_seal_answer said;
	uint16_t type;
	enum status st;

	rec_put_seal_ask(&b, 0, a->env.sid, &question);
	st = ask_warden(a, &b, &answer, &type);
	if (st == ST_OK && (type != REC_seal_answer || !rec_take_seal_answer(buf_view(&answer), &said)))
		st = ST_CLOSED;
	if (st == ST_OK && said.verdict != VERDICT_OK)
		st = ST_DENIED;
	if (st == ST_OK) {
		buf_put(out, said.signature);
		st = buf_status(out);
	}
	buf_free(&b);
	buf_free(&answer);
	return st;
}

static bool is_wanted(const struct seal_work *w, enum seal_algorithm algorithm)
{
	struct view words = view_cstr(w->a->r->proc.conf.dkim_algorithms);

	/* Of ARC nobody expects more than one (RFC 8617 4.1.2 leaves others open). */
	if (w->chain)
		return algorithm == SEAL_RSA_SHA256;
	while (words.n) {
		struct view word = view_head(words, view_find(words, ' '));

		words = view_skip(words, word.n + 1);
		if (view_eq_i(word, view_cstr(seal_algorithm_name(algorithm))))
			return true;
	}
	return false;
}

static void take_keys(struct seal_work *w, const struct rec_seal_keys_answer *said)
{
	struct arena *a = &w->a->arena;
	struct view domain = arena_copy(a, said->domain);
	struct cursor c = cursor_over(said->keys);
	struct seal_key_name k;

	while (seal_key_name_take(&c, &k) && w->n < KEYS_MOST) {
		struct distant *to = &w->keys[w->n];

		if (k.algorithm >= SEAL_ALGORITHMS || !is_wanted(w, (enum seal_algorithm)k.algorithm) ||
		    (w->chain && w->n))
			continue;
		*to = (struct distant){
			.signer = { sign_there, (enum seal_algorithm)k.algorithm, domain, arena_copy(a, k.selector) },
			.work = w,
		};
		w->signers[w->n++] = &to->signer;
	}
}

/* ST_MISSING: the domain has no keys now. */
static enum status ask_keys(struct seal_work *w)
{
	struct attempt *a = w->a;
	struct buf b = BUF(RECORD_MAX), answer = BUF(RECORD_MAX);
	struct rec_seal_keys_answer said;
	uint16_t type;
	enum status st;

	rec_put_seal_keys_ask(&b, 0, a->env.sid, &(struct rec_seal_keys_ask){ a->env.id, w->grant, w->domain });
	st = ask_warden(a, &b, &answer, &type);
	if (st == ST_OK && (type != REC_seal_keys_answer || !rec_take_seal_keys_answer(buf_view(&answer), &said)))
		st = ST_CLOSED;
	if (st == ST_OK && said.verdict != VERDICT_OK)
		st = said.verdict == VERDICT_NO ? ST_MISSING : said.verdict == VERDICT_DENIED ? ST_DENIED : ST_CLOSED;
	if (st == ST_OK)
		take_keys(w, &said);
	if (st == ST_OK)
		st = arena_status(&a->arena);
	buf_free(&b);
	buf_free(&answer);
	return st == ST_OK && w->n == 0 ? ST_MISSING : st;
}

/* ---- one pass over what is sent ---- */

/* What the door has found, which stands above all that others have. */
static struct view own_results(struct pass *p, struct view id)
{
	for (uint32_t i = 0; i < p->n_fields; i++)
		if (view_eq_i(p->fields[i].name, VIEW("Authentication-Results")) && authres_is_ours(p->fields[i].value, id))
			return p->fields[i].value;
	return VIEW_NONE;
}

static void header_done(void *arg, struct pass *p)
{
	struct seal_work *w = arg;
	struct relay *r = w->a->r;

	if (!w->chain) {
		w->st = dkim_sign_begin(p, &w->signing);
		return;
	}
	w->sealing.results = view_trim(own_results(p, view_cstr(r->proc.conf.host_name)));
	/* Who was not checked cannot be vouched for. */
	if (w->sealing.results.n == 0) {
		w->st = ST_MISSING;
		return;
	}
	arc_collect(p, &r->dns.resolver, &w->arc);
	w->st = arc_seal_begin(p, &w->sealing);
}

/* Between pieces others have their turn. */
static void put_all(struct seal_work *w, struct pass *p, struct view bytes)
{
	for (; bytes.n > PASS_PIECE && w->st == ST_OK; bytes = view_skip(bytes, PASS_PIECE)) {
		pass_put(p, view_head(bytes, PASS_PIECE));
		loop_sleep(w->a->r->proc.loop, 0);
	}
	if (w->st == ST_OK)
		pass_put(p, bytes);
}

static enum status work(struct seal_work *w, struct view head, struct view bytes, struct buf *out)
{
	wall_ms now = clock_wall();
	struct pass p;
	enum status st;

	w->signing = (struct dkim_signing){ .signers = w->signers, .n = w->n, .now = now,
					    .lifetime = w->a->r->proc.conf.dkim_lifetime / 1000 };
	w->sealing = (struct arc_sealing){ .signer = w->signers[0], .now = now };
	pass_begin(&p, header_done, w);
	pass_put(&p, head);
	put_all(w, &p, bytes);
	st = pass_end(&p);
	if (st == ST_OK)
		st = w->st;
	if (st == ST_OK && w->chain) {
		arc_check(&p, &w->arc, &w->a->r->dns.resolver, NULL, now);
		st = arc_seal_end(&p, &w->arc, &w->sealing, out);
		onward_log(w->a, w->to, w->sealing.results, bytes.p != w->a->letter.raw.p,
			   st == ST_OK && w->arc.result != ARC_FAIL);
	} else if (st == ST_OK) {
		st = dkim_sign_end(&p, &w->signing, out);
	}
	pass_free(&p);
	return st;
}

/* ---- which ---- */

/* For which domain of the grant; false: for none. */
static bool choose(struct seal_work *w, const struct seal_grant *g, const struct recipient *r)
{
	struct view via = address_domain(r->via.n ? r->via : r->original);

	w->chain = g->author.n == 0;
	w->domain = w->chain ? via : g->author;
	return seal_grant_has(g, w->domain);
}

static const char *why_not(const struct seal_work *w, enum status st)
{
	if (st == ST_MISSING)
		return w->n ? "it was not checked when it came" : "the domain has no active key";
	if (st == ST_DENIED && w->chain && w->n)
		return w->arc.result == ARC_TEMPERROR ? "DNS does not answer for its chain" :
							"its chain has failed, or is full";
	return st == ST_SYNTAX ? "it has no From:, or two" : status_name(st);
}

static void log_sealed(const struct seal_work *w, enum status st)
{
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "sealed" : "not-sealed");
	log_hex("sid", w->a->env.sid);
	log_view("id", w->a->env.id);
	log_str("by", w->chain ? "arc" : "dkim");
	log_view("domain", w->domain);
	if (st != ST_OK)
		log_str("why", why_not(w, st));
	for (unsigned i = 0; i < w->n && st == ST_OK; i++)
		log_view("selector", w->keys[i].signer.selector);
	log_end();
}

/* What cannot be signed goes as it is; what cannot be signed now waits. */
static bool is_final(enum status st)
{
	return st == ST_MISSING || st == ST_SYNTAX || st == ST_DENIED || st == ST_LIMIT;
}

static enum status seal(struct attempt *a, const struct recipient *r, struct view head, struct view bytes,
			struct buf *out)
{
	struct seal_work w = { .a = a, .to = r, .grant = a->env.seal };
	struct buf fields = BUF(SEALED_MAX);
	struct seal_grant g;
	enum status st;

	if (!a->r->proc.conf.dkim_sign || seal_grant_take(a->env.seal, &g) != ST_OK || !choose(&w, &g, r))
		return ST_OK;
	st = ask_keys(&w);
	if (st == ST_OK)
		st = work(&w, head, bytes, &fields);
	log_sealed(&w, st);
	if (st == ST_OK)
		buf_put(out, buf_view(&fields));
	buf_free(&fields);
	return is_final(st) ? ST_OK : st;
}

/* The same letter to more recipients, or to the next host, is not signed anew;
 * one that was converted is, because the host before may have got another. */
enum status seal_letter(struct attempt *a, const struct recipient *r, struct view head, struct view bytes,
			struct buf *out)
{
	struct view via = r->via.n ? r->via : r->original;
	bool whole = bytes.p == a->letter.raw.p;
	enum status st;

	if (whole && a->sealed.there && view_eq(a->sealed.head, head) && view_eq(a->sealed.via, via)) {
		buf_put(out, buf_view(&a->sealed.fields));
		return buf_status(out);
	}
	a->sealed.there = false;
	buf_clear(&a->sealed.fields);
	st = seal(a, r, head, bytes, &a->sealed.fields);
	if (st != ST_OK)
		return st;
	buf_put(out, buf_view(&a->sealed.fields));
	a->sealed.head = arena_copy(&a->arena, head);
	a->sealed.via = via;
	a->sealed.there = whole && buf_status(&a->sealed.fields) == ST_OK && arena_status(&a->arena) == ST_OK;
	return buf_status(out);
}
