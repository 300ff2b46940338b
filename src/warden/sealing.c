/* sealing.c - what a letter may be signed for, and signing it.
 *
 * A door says which letter it is about to keep and gets a grant (ipc/seal.h);
 * a relay shows it and gets signatures for the domains in it, for no others. */
#include "warden/internal.h"
#include "warden/signing_keys.h"

#include "base/log.h"
#include "ipc/seal.h"
#include "msg/address.h"
#include "trust/domain.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

_Static_assert((int)SIGNING_RSA == (int)SEAL_RSA_SHA256 && (int)SIGNING_ED25519 == (int)SEAL_ED25519_SHA256,
	       "a key signs by the algorithm of its number");

/* A letter is held for submission.hold and tried for queue.expire; what is on
 * its way then may be sent yet. */
enum { GRANT_SPARE_MS = 86400000, SIGNATURE_MAX = 1024, KEY_NAME_MAX = 512, ANSWER_ARENA = 16 * 1024, AUTHORS_ARENA = 256 * 1024 };

/* ---- grants ---- */

/* The domain of ours that it is, or the nearest above it, with which it is
 * aligned (RFC 9989 5.3.1, relaxed). */
static enum verdict nearest(struct warden *w, struct view domain, struct view *ret)
{
	while (domain.n) {
		enum verdict v = directory_has_domain(w->directory, domain);

		if (v == VERDICT_OK)
			*ret = domain;
		if (v != VERDICT_NO)
			return v;
		domain = view_skip(domain, view_find(domain, '.') + 1);
	}
	return VERDICT_NO;
}

static enum status other_form(struct view domain, bool ascii, struct arena *a, struct view *ret)
{
	struct view v = VIEW_NONE;
	enum status st = domain_ascii(domain, a, &v);

	if (st == ST_OK && !ascii)
		st = domain_unicode(v, a, &v);
	if (st == ST_OK)
		*ret = v;
	return st;
}

enum verdict own_address(struct warden *w, struct view address, struct arena *a, struct view *ret_address,
			 struct view *ret_domain)
{
	struct view domain = address_domain(address), other = VIEW_NONE;
	enum verdict v = nearest(w, domain, ret_domain);
	struct buf b = BUF(ANSWER_ARENA / 4);

	if (v == VERDICT_OK)
		*ret_address = address;
	for (int ascii = 1; v == VERDICT_NO && ascii >= 0; ascii--) {
		if (other_form(domain, ascii, a, &other) != ST_OK || view_eq(other, domain))
			continue;
		v = nearest(w, other, ret_domain);
		if (v != VERDICT_OK)
			continue;
		buf_put(&b, view_head(address, address.n - domain.n));
		buf_put(&b, other);
		*ret_address = arena_copy(a, buf_view(&b));
	}
	if (buf_status(&b) == ST_NOMEM || a->st == ST_NOMEM)
		v = VERDICT_LATER;
	buf_free(&b);
	return v;
}

/* Whose letter it is.  An address of ours that is not the account's is nobody's
 * whom we would prove; a stranger's (sent by us all the same) is signed for
 * who sends it. */
static enum verdict find_author(struct warden *w, const struct rec_seal_grant_ask *in, bool own, struct arena *a,
				struct view *ret)
{
	struct cursor c = cursor_over(in->authors);
	struct view domain = VIEW_NONE, found = VIEW_NONE, sender;
	bool its_own;

	while (cursor_left(&c)) {
		struct view address = take_view(&c);
		enum verdict v = cursor_ok(&c) ? own_address(w, address, a, &address, &domain) : VERDICT_DENIED;

		if (v == VERDICT_NO)
			continue;
		if (v == VERDICT_OK && !own)
			v = directory_may_send(w->directory, in->account, address, view_cstr(w->proc.conf.separators), &its_own);
		if (v != VERDICT_OK)
			return v == VERDICT_LATER ? v : VERDICT_DENIED;
		if (found.n == 0)
			found = domain;
	}
	if (found.n == 0 && in->account && in->sender.n)
		(void)!own_address(w, in->sender, a, &sender, &found);
	*ret = found;
	return found.n ? VERDICT_OK : VERDICT_NO;
}

static bool has_room(const struct seal_grant *g, struct view domain)
{
	size_t size = SEAL_MAC + 16 + g->author.n + domain.n + 4;

	for (uint32_t i = 0; i < g->n_vias; i++)
		size += 4 + g->vias[i].n;
	return g->n_vias < SEAL_VIAS_MOST && size + 4 <= SEAL_GRANT_MAX;
}

/* Of many the first ones: a letter that comes for more domains than that goes
 * on without a seal for the others. */
static void find_vias(struct warden *w, const struct rec_seal_grant_ask *in, struct seal_grant *g)
{
	struct cursor c = cursor_over(in->vias);

	while (cursor_left(&c)) {
		struct view domain = address_domain(take_view(&c));

		if (!cursor_ok(&c))
			return;
		if (domain.n == 0 || seal_grant_has(g, domain) || !has_room(g, domain) ||
		    directory_has_domain(w->directory, domain) != VERDICT_OK)
			continue;
		g->vias[g->n_vias++] = domain;
	}
}

static enum status mac_grant(struct warden *w, struct view id, struct view said, unsigned char out[MAC_SIZE])
{
	_Static_assert((int)SEAL_MAC == (int)MAC_SIZE, "the grant has room for it");
	return mac_of(&w->sealing.grants, (struct view[]){ id, said }, 2, out);
}

static enum verdict grant(struct warden *w, const struct rec_seal_grant_ask *in, bool own, struct arena *a,
			  struct buf *out)
{
	const struct conf *c = &w->proc.conf;
	struct seal_grant g = { .until = clock_wall() + c->submission_hold + c->expire + GRANT_SPARE_MS };
	unsigned char mac[MAC_SIZE];
	enum verdict v = VERDICT_NO;

	if (own || in->account)
		v = find_author(w, in, own, a, &g.author);
	/* What a host sends on for others, too. */
	if (in->account == 0 && g.author.n == 0)
		find_vias(w, in, &g);
	if (v != VERDICT_OK && g.n_vias == 0)
		return v;
	seal_grant_put(out, &g);
	if (buf_status(out) != ST_OK || mac_grant(w, in->id, buf_view(out), mac) != ST_OK)
		return VERDICT_LATER;
	buf_put(out, view_make((const char *)mac, sizeof mac));
	return buf_status(out) == ST_OK ? VERDICT_OK : VERDICT_LATER;
}

/* A relay reports to other systems in one name only: so it can have no other
 * domain's letters signed than those it is given, and this. */
static void put_reporter(struct warden *w, struct buf *out)
{
	struct buf from = BUF(KEY_NAME_MAX);

	conf_reports_from(&w->proc.conf, &from);
	put_view(out, buf_view(&from));
	buf_free(&from);
}

void seal_grant_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_seal_grant_ask in;
	struct buf out = BUF(SEAL_GRANT_MAX), reporter = BUF(KEY_NAME_MAX);
	struct arena a = ARENA(AUTHORS_ARENA);
	enum verdict v;
	bool own;

	if (!rec_take_seal_grant_ask(rec->body, &in))
		return;
	if (ch->peer == ROLE_RELAY) {
		put_reporter(w, &reporter);
		in = (struct rec_seal_grant_ask){ .id = in.id, .authors = buf_view(&reporter) };
	}
	/* A host that the operator answers for speaks for all of ours, as the queue does. */
	own = ch->peer != ROLE_DOOR || (in.host && in.account == 0 && w->proc.conf.dkim_networks[0]);
	v = grant(w, &in, own, &a, &out);
	rec_put_seal_grant_answer(&w->out, rec->call, rec->sid, &(struct rec_seal_grant_answer){
					  (uint8_t)v, v == VERDICT_OK ? buf_view(&out) : VIEW_NONE });
	(void)!role_send(ch, &w->out, -1);
	buf_free(&out);
	buf_free(&reporter);
	arena_free(&a);
}

/* ST_DENIED: it is not ours, not for that letter or domain, or too old. */
static enum status check_grant(struct warden *w, struct view id, struct view bytes, struct view domain)
{
	unsigned char mac[MAC_SIZE];
	struct seal_grant g;
	enum status st = seal_grant_take(bytes, &g);

	if (st == ST_OK)
		st = mac_grant(w, id, g.said, mac);
	if (st != ST_OK)
		return st;
	if (!mac_same(mac, (const unsigned char *)g.mac.p) || g.until < clock_wall() || !seal_grant_has(&g, domain))
		return ST_DENIED;
	return ST_OK;
}

/* ---- which keys ---- */

static void put_active(void *arg, const struct signing_key *k)
{
	if (k->state == SIGNING_ACTIVE)
		seal_key_name_put(arg, &(struct seal_key_name){ (uint8_t)k->algorithm, k->selector });
}

void seal_keys_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct arena a = ARENA(ANSWER_ARENA);
	struct rec_seal_keys_ask in;
	struct buf keys = BUF(RECORD_MAX / 2);
	struct view ascii = VIEW_NONE;
	enum status st;

	if (!rec_take_seal_keys_ask(rec->body, &in))
		return;
	st = check_grant(w, in.id, in.grant, in.domain);
	if (st == ST_OK)
		st = domain_ascii(in.domain, &a, &ascii);
	if (st == ST_OK)
		st = signing_each(w->directory, in.domain, put_active, &keys);
	if (st == ST_OK)
		st = keys.n ? buf_status(&keys) : ST_MISSING;
	if (st != ST_OK && st != ST_MISSING)
		log_event(LOG_WARN_, "not-sealed", "why=\"%s\"", status_name(st));
	rec_put_seal_keys_answer(&w->out, rec->call, rec->sid,
				 &(struct rec_seal_keys_answer){ st == ST_OK		 ? VERDICT_OK :
								 st == ST_MISSING	 ? VERDICT_NO :
								 st == ST_DENIED	 ? VERDICT_DENIED :
											   VERDICT_LATER,
								 ascii, buf_view(&keys) });
	(void)!role_send(ch, &w->out, -1);
	buf_free(&keys);
	arena_free(&a);
}

/* ---- signing ---- */

struct wanted_key {
	struct view selector;
	bool good;
};

static void find_key(void *arg, const struct signing_key *k)
{
	struct wanted_key *want = arg;

	/* One that was retired a moment ago may have been answered just before. */
	if (view_eq(k->selector, want->selector))
		want->good = k->state != SIGNING_NEXT;
}

static void slot_clear(struct sealing_slot *s)
{
	if (s->key.pkey)
		signer_free(&s->key);
	buf_free(&s->name);
	*s = (struct sealing_slot){ .name = BUF(KEY_NAME_MAX) };
}

/* Kept once it was read: a selector never gets another key. */
static enum status key_of(struct warden *w, struct view domain, struct view selector, struct signer_with_key **ret)
{
	struct buf name = BUF(KEY_NAME_MAX);
	struct sealing_slot *s;
	enum status st;

	put_view(&name, domain);
	put_view(&name, selector);
	st = buf_status(&name);
	if (st != ST_OK) {
		buf_free(&name);
		return st;
	}
	s = &w->sealing.slots[XXH3_64bits(name.p, name.n) % SEALING_SLOTS];
	if (!view_eq(buf_view(&s->name), buf_view(&name))) {
		slot_clear(s);
		st = signing_key_read(w->sealing.keys, domain, selector, &s->key);
		if (st == ST_OK)
			buf_put(&s->name, buf_view(&name));
	}
	buf_free(&name);
	if (st == ST_OK)
		*ret = &s->key;
	return st;
}

/* The key, where it may sign that. */
static enum status key_for(struct warden *w, const struct rec_seal_ask *in, struct signer_with_key **ret)
{
	struct wanted_key want = { .selector = in->selector };
	enum status st = in->digest.n == SHA256_SIZE ? check_grant(w, in->id, in->grant, in->domain) : ST_SYNTAX;

	if (st == ST_OK)
		st = signing_each(w->directory, in->domain, find_key, &want);
	if (st == ST_OK && !want.good)
		st = ST_MISSING;
	if (st == ST_OK)
		st = key_of(w, in->domain, in->selector, ret);
	return st;
}

static void seal_said(struct warden *w, struct channel *ch, uint32_t call, uint64_t sid, enum status st,
		      struct view signature)
{
	rec_put_seal_answer(&w->out, call, sid, &(struct rec_seal_answer){
				    st == ST_OK ? VERDICT_OK : VERDICT_NO, signature });
	(void)!role_send(ch, &w->out, -1);
}

static void log_not_sealed(const struct rec_seal_ask *in, enum status st)
{
	log_begin(LOG_WARN_, "not-sealed");
	log_view("id", in->id);
	log_view("domain", in->domain);
	log_view("selector", in->selector);
	log_str("why", status_name(st));
	log_end();
}

/* One signature that is made beside. */
struct sealing_job {
	struct pool_job job;
	struct warden *w;
	uint64_t relay, relay_came, sid;
	uint32_t call;
	struct signer_with_key key;	/* with a reference of its own */
	uint8_t digest[SHA256_SIZE];
	struct buf signature;
	enum status st;
	struct arena names;
	struct rec_seal_ask in;		/* for the log */
};

static void sealing_job_free(struct sealing_job *j)
{
	signer_free(&j->key);
	buf_free(&j->signature);
	arena_free(&j->names);
	free(j);
}

static void sign_beside(struct pool_job *job)
{
	struct sealing_job *j = (struct sealing_job *)job;

	j->st = j->key.signer.sign(&j->key.signer, j->digest, &j->signature);
}

static void signed_beside(struct pool_job *job)
{
	struct sealing_job *j = (struct sealing_job *)job;
	struct channel *ch = &j->w->relays[j->relay];

	if (j->st != ST_OK)
		log_not_sealed(&j->in, j->st);
	/* Another relay by now would take it for an answer to something else. */
	if (channel_is_open(ch) && j->w->relay_came[j->relay] == j->relay_came)
		seal_said(j->w, ch, j->call, j->sid, j->st, buf_view(&j->signature));
	sealing_job_free(j);
}

/* False: it is to be done here and now. */
static bool give(struct warden *w, const struct channel *ch, const struct record *rec, const struct rec_seal_ask *in,
		 const struct signer_with_key *key)
{
	struct sealing_job *j = NULL;

	/* Ed25519 takes less time than the way there and back. */
	if (w->sealing.pool && key->signer.algorithm == SEAL_RSA_SHA256 && ch->peer_id < RELAYS_MAX)
		j = calloc(1, sizeof *j);
	if (j == NULL || EVP_PKEY_up_ref(key->pkey) != 1) {
		free(j);
		return false;
	}
	*j = (struct sealing_job){
		.job = { .work = sign_beside, .done = signed_beside }, .w = w, .relay = ch->peer_id,
		.relay_came = w->relay_came[ch->peer_id], .sid = rec->sid, .call = rec->call, .key = *key,
		.signature = BUF(SIGNATURE_MAX), .names = ARENA(ANSWER_ARENA),
	};
	memcpy(j->digest, in->digest.p, SHA256_SIZE);
	j->in.id = arena_copy(&j->names, in->id);
	j->in.domain = arena_copy(&j->names, in->domain);
	j->in.selector = arena_copy(&j->names, in->selector);
	if (pool_give(w->sealing.pool, &j->job, false) == ST_OK)
		return true;
	sealing_job_free(j);
	return false;
}

void seal_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct signer_with_key *key = NULL;
	struct rec_seal_ask in;
	struct buf signature = BUF(SIGNATURE_MAX);
	enum status st;

	if (!rec_take_seal_ask(rec->body, &in))
		return;
	st = key_for(w, &in, &key);
	if (st == ST_OK && give(w, ch, rec, &in, key))
		return;
	if (st == ST_OK)
		st = key->signer.sign(&key->signer, (const uint8_t *)in.digest.p, &signature);
	if (st != ST_OK)
		log_not_sealed(&in, st);
	seal_said(w, ch, rec->call, rec->sid, st, buf_view(&signature));
	buf_free(&signature);
}

void sealing_free(struct warden *w)
{
	for (size_t i = 0; i < SEALING_SLOTS; i++)
		slot_clear(&w->sealing.slots[i]);
	mac_free(&w->sealing.grants);
}
