/* rotation.c - the keys of our domains in their time: the next ones are made,
 * looked for in DNS as everybody else sees it, and used only when they have
 * been there long enough.  Nothing switches before that. */
#include "warden/internal.h"
#include "warden/signing_keys.h"

#include "base/log.h"
#include "trust/domain.h"
#include "wire/rdata.h"

enum { ROTATION_ARENA = 16 * 1024 * 1024, DNS_ARENA = 256 * 1024, KEYS_READ_MOST = 65536, PAUSE_MS = 1000 };

/* What the directory had when the round began: it must last while we wait. */
struct rotation_round {
	struct warden *w;
	struct channel *ch;	/* who asked for it, or NULL */
	struct arena a;
	struct signing_key *keys;
	size_t n, cap;
	struct view *domains;
	size_t n_domains, cap_domains;
	wall_ms now;
};

static void *grown(struct arena *a, const void *old, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *p = arena_array(a, more, size);

	if (p && n)
		memcpy(p, old, n * size);
	if (p)
		*cap = more;
	return p;
}

static void note_key(void *arg, const struct signing_key *k)
{
	struct rotation_round *r = arg;
	struct signing_key *more = r->keys;

	if (r->n == r->cap)
		more = grown(&r->a, r->keys, r->n, &r->cap, sizeof *r->keys);
	if (more == NULL || r->n == KEYS_READ_MOST)
		return;
	r->keys = more;
	r->keys[r->n] = *k;
	r->keys[r->n].domain = arena_copy(&r->a, k->domain);
	r->keys[r->n].selector = arena_copy(&r->a, k->selector);
	r->keys[r->n++].public_key = arena_copy(&r->a, k->public_key);
}

static void note_domain(void *arg, struct view name, struct view b, uint64_t id)
{
	struct rotation_round *r = arg;
	struct view *more = r->domains;

	(void)b;
	(void)id;
	if (r->n_domains == r->cap_domains)
		more = grown(&r->a, r->domains, r->n_domains, &r->cap_domains, sizeof *r->domains);
	if (more == NULL)
		return;
	r->domains = more;
	r->domains[r->n_domains++] = arena_copy(&r->a, name);
}

static void log_key(enum log_level level, const char *event, struct view domain, struct view selector,
		    const char *more)
{
	log_begin(level, event);
	log_view("domain", domain);
	if (selector.n)
		log_view("selector", selector);
	if (more)
		log_str("why", more);
	log_end();
}

/* ---- is it there? ---- */

static bool same_text(struct view folded, struct view key)
{
	size_t at = 0;

	for (size_t i = 0; i < folded.n; i++) {
		if (folded.p[i] == ' ' || folded.p[i] == '\t' || folded.p[i] == '\r' || folded.p[i] == '\n')
			continue;
		if (at == key.n || folded.p[i] != key.p[at++])
			return false;
	}
	return at == key.n;
}

/* Would a receiver take it, and is it this key? */
static bool is_record_of(struct view text, const struct signing_key *k)
{
	struct seal_key parsed = { 0 };
	const char *problem;
	struct tags t;
	bool same = tags_parse(text, &t) == ST_OK && same_text(tags_value(&t, "p"), k->public_key);

	if (!same || key_parse(text, (enum seal_algorithm)k->algorithm, NULL, &parsed, &problem) != SEAL_PASS)
		return false;
	key_free(&parsed);
	return true;
}

/* DNS_FOUND: with our key; DNS_NO_DATA: not; else it cannot be said now. */
static enum dns_outcome look(struct rotation_round *r, const struct signing_key *k)
{
	struct arena a = ARENA(DNS_ARENA);
	struct buf name = BUF(DNS_NAME_MAX + 1);
	struct view ascii, text;
	struct dns_answer d = { .outcome = DNS_NO_DATA };
	enum dns_outcome found = DNS_NO_DATA;

	if (domain_ascii(k->domain, &a, &ascii) == ST_OK) {
		buf_putf(&name, "%.*s._domainkey.%.*s", VIEW_ARG(k->selector), VIEW_ARG(ascii));
		if (buf_status(&name) == ST_OK && dns_ask(&r->w->dns.resolver, buf_view(&name), DNS_TXT, &a, &d) != ST_OK)
			d.outcome = DNS_FAILED;
	}
	for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++)
		if (dns_read_txt(d.rdata[i], &a, &text) == ST_OK && is_record_of(text, k))
			found = DNS_FOUND;
	if (d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS)
		found = DNS_FAILED;
	buf_free(&name);
	arena_free(&a);
	return found;
}

static void tell(struct rotation_round *r, const struct signing_key *k, enum dns_outcome found)
{
	struct buf row = BUF(1024);

	if (r->ch == NULL)
		return;
	/* Names of domains and selectors have nothing that JSON would escape. */
	buf_putf(&row, "{\"domain\":\"%.*s\",\"selector\":\"%.*s\",\"found\":\"%s\"}", VIEW_ARG(k->domain),
		 VIEW_ARG(k->selector), found == DNS_FOUND ? "yes" : found == DNS_NO_DATA ? "no" : "no answer");
	role_row(r->ch, buf_view(&row));
	buf_free(&row);
}

/* Looks for one that is next, and remembers since when it is there. */
static void look_for(struct rotation_round *r, struct signing_key *k)
{
	enum dns_outcome found = look(r, k);
	wall_ms seen = found == DNS_FOUND ? (k->seen ? k->seen : r->now) : found == DNS_NO_DATA ? 0 : k->seen;

	tell(r, k, found);
	if (seen == k->seen)
		return;
	if (signing_set_seen(r->w->directory, k->domain, k->selector, seen) != ST_OK)
		return;
	log_key(seen ? LOG_INFO_ : LOG_WARN_, seen ? "key-seen" : "key-gone", k->domain, k->selector, NULL);
	k->seen = seen;
}

/* ---- one domain ---- */

static void make_next(struct rotation_round *r, struct view domain)
{
	enum status st = signing_keys_make(r->w->sealing.keys, r->w->directory, domain, SIGNING_NEXT, r->now,
					   &r->w->fresh);

	log_key(st == ST_OK ? LOG_INFO_ : LOG_ERROR_, st == ST_OK ? "key-made" : "key-not-made", domain, VIEW_NONE,
		st == ST_OK ? "to be published: waxwing domain key show" : status_name(st));
	/* Files were flushed meanwhile: now the others. */
	loop_sleep(r->w->proc.loop, PAUSE_MS);
}

static void switch_to_next(struct rotation_round *r, struct view domain)
{
	enum status st = signing_switch(r->w->directory, domain, r->now);

	log_key(st == ST_OK ? LOG_INFO_ : LOG_ERROR_, st == ST_OK ? "key-active" : "key-not-active", domain, VIEW_NONE,
		st == ST_OK ? NULL : status_name(st));
}

static void tend(struct rotation_round *r, struct view domain)
{
	const struct conf *c = &r->w->proc.conf;
	wall_ms oldest = r->now, since = 0;
	size_t next = 0, unseen = 0, active = 0, all = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct signing_key *k = &r->keys[i];

		if (!view_eq(k->domain, domain))
			continue;
		all++;
		if (k->state == SIGNING_NEXT) {
			look_for(r, k);
			next++;
			unseen += k->seen == 0;
			since = k->seen > since ? k->seen : since;
		} else if (k->state == SIGNING_ACTIVE) {
			active++;
			oldest = k->activated < oldest ? k->activated : oldest;
		}
	}
	if (next && unseen == 0 && r->now - since >= c->dkim_wait)
		switch_to_next(r, domain);
	/* A domain of before there were keys, or one whose time has come. */
	else if (next == 0 && (all == 0 || (active && c->dkim_rotate && r->now - oldest >= c->dkim_rotate)))
		make_next(r, domain);
}

/* ---- a round ---- */

static enum verdict go_round(struct warden *w, struct channel *ch)
{
	struct rotation_round r = { .w = w, .ch = ch, .a = ARENA(ROTATION_ARENA), .now = clock_wall() };
	enum status st = directory_each_domain(w->directory, note_domain, &r);

	if (st == ST_OK)
		st = signing_each(w->directory, VIEW_NONE, note_key, &r);
	if (st == ST_OK)
		st = arena_status(&r.a);
	for (size_t i = 0; i < r.n_domains && st == ST_OK && !w->proc.stopping; i++)
		tend(&r, r.domains[i]);
	arena_free(&r.a);
	if (st != ST_OK)
		log_event(LOG_ERROR_, "rotation", "why=\"%s\"", status_name(st));
	return st == ST_OK ? VERDICT_OK : VERDICT_LATER;
}

static void next_round(struct warden *w)
{
	if (loop_timer(w->proc.loop, &w->rotation.timer, clock_steady() + (steady_ms)w->proc.conf.dkim_check) != ST_OK)
		log_event(LOG_ERROR_, "rotation", "why=\"no timer\"");
}

static void run(void *arg)
{
	struct warden *w = arg;

	w->rotation.busy = true;
	if (w->proc.conf.dkim_sign)
		(void)!go_round(w, NULL);
	w->rotation.busy = false;
	next_round(w);
}

static void fire(struct timer *t)
{
	struct warden *w = (struct warden *)((char *)t - offsetof(struct warden, rotation.timer));

	/* One that was asked for is on its way. */
	if (w->rotation.busy || co_start(run, w) != ST_OK)
		next_round(w);
}

void rotation_start(struct warden *w)
{
	w->rotation.timer.fire = fire;
	next_round(w);
}

enum verdict rotation_check(struct warden *w, struct channel *ch)
{
	enum verdict v;

	if (w->rotation.busy)
		return VERDICT_LATER;
	w->rotation.busy = true;
	v = go_round(w, ch);
	w->rotation.busy = false;
	return v;
}
