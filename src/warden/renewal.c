/* renewal.c - everybody's certificates for S/MIME in their time, without being asked: made
 * where an account has none, the next ones made before the end of those in use, and used
 * once DNS has had them for long enough.  Nobody's are taken away before that. */
#include "warden/internal.h"

#include "base/log.h"
#include "smime/discover.h"
#include "warden/identities.h"

enum { ROUND_ARENA = 64 * 1024 * 1024, DNS_ARENA = 1024 * 1024, ACCOUNT_ARENA = 65536, PAUSE_MS = 500, NEXT_MOST = 8,
       FIRST_MS = 60000, LIST_FRESH_MS = 60000, LIST_MOST = 1024 * 1024 - 4096, LAST_PART = 20 };

/* What the directory had when the round began: it must last while we wait. */
struct renewal_round {
	struct warden *w;
	struct identities i;
	struct arena a;
	struct view *names;
	size_t n, cap;
};

static void note_name(void *arg, struct view name, struct view none, uint64_t id)
{
	struct renewal_round *r = arg;

	(void)none;
	(void)id;
	if (r->n == r->cap) {
		size_t more = r->cap ? 2 * r->cap : 64;
		struct view *p = arena_array(&r->a, more, sizeof *p);

		if (p == NULL)
			return;
		if (r->n)
			memcpy(p, r->names, r->n * sizeof *p);
		r->names = p;
		r->cap = more;
	}
	r->names[r->n++] = arena_copy(&r->a, name);
}

static void log_certificate(enum log_level level, const char *event, struct view whose, struct view serial, const char *why)
{
	log_begin(level, event);
	log_view("of", whose);
	if (serial.n)
		log_view("serial", serial);
	if (why)
		log_str("why", why);
	log_end();
}

/* ---- those that are next ---- */

struct next {
	struct view serial, certificate;
	enum certificate_kind kind;
	wall_ms seen;
	wall_ms other_ends;	/* the one that it replaces; 0: there is none */
	bool other_published;
};

struct nexts {
	struct arena *a;
	struct next all[NEXT_MOST];
	size_t n;
	struct certificate_row active[NEXT_MOST];
	size_t n_active;
};

static void note_row(void *arg, const struct certificate_row *c)
{
	struct nexts *x = arg;

	if (c->state == CERTIFICATE_NEXT && x->n < NEXT_MOST)
		x->all[x->n++] = (struct next){ .serial = arena_copy(x->a, c->serial), .kind = c->kind, .seen = c->seen,
						.certificate = arena_copy(x->a, c->certificate) };
	if (c->state == CERTIFICATE_ACTIVE && x->n_active < NEXT_MOST) {
		x->active[x->n_active] = *c;
		x->active[x->n_active++].certificate = arena_copy(x->a, c->certificate);
	}
}

static bool is_among(const struct discovered *d, struct view certificate)
{
	for (size_t i = 0; i < d->n_people; i++)
		if (view_eq(d->people[i], certificate))
			return true;
	return false;
}

/* What it replaces: the one that ends last. */
static void find_other(const struct nexts *x, const struct discovered *d, struct next *n)
{
	for (size_t i = 0; i < x->n_active; i++) {
		const struct certificate_row *c = &x->active[i];

		if (c->kind != n->kind && c->kind != CERTIFICATE_BOTH)
			continue;
		n->other_ends = c->not_after > n->other_ends ? c->not_after : n->other_ends;
		n->other_published |= is_among(d, c->certificate);
	}
}

/* Why it is to be used now, or NULL: not yet. */
static const char *is_time(const struct renewal_round *r, const struct discovered *d, const struct next *n)
{
	const struct conf *c = &r->w->proc.conf;

	if (n->other_ends <= r->i.now)
		return "there is no other";
	if (n->seen && r->i.now - n->seen >= c->smime_wait)
		return "seen in DNS";
	if (n->other_ends - r->i.now < c->smime_validity / LAST_PART)
		return "the other one ends; DNS has not got this one";
	/* Who publishes none has nobody who would miss it. */
	if (d->outcome != DISCOVERY_FAILED && !n->other_published && !is_among(d, n->certificate))
		return "DNS has none";
	return NULL;
}

static void look_for(struct renewal_round *r, struct view address, const struct discovered *d, struct next *n)
{
	wall_ms seen = is_among(d, n->certificate) ? (n->seen ? n->seen : r->i.now) :
		       d->outcome == DISCOVERY_FAILED ? n->seen : 0;

	if (seen == n->seen || directory_set_certificate_seen(r->w->directory, n->serial, seen) != ST_OK)
		return;
	log_certificate(seen ? LOG_INFO_ : LOG_WARN_, seen ? "certificate-seen" : "certificate-gone", address, n->serial, NULL);
	n->seen = seen;
}

/* The mailbox may be one that is stored encrypted; warden writes below none. */
static void tell_parent(struct warden *w, uint64_t account, const struct next *n)
{
	if (n->kind == CERTIFICATE_SIGNING)
		return;
	rec_put_encrypt_to(&w->out, 0, 0, &(struct rec_encrypt_to){ account, n->certificate });
	(void)!role_send(&w->proc.parent, &w->out, -1);
}

static void tend_nexts(struct renewal_round *r, const struct account *acc, struct view address, struct nexts *x)
{
	struct arena a = ARENA(DNS_ARENA);
	struct discovered d = { .outcome = DISCOVERY_FAILED };

	if (smime_discover(&r->w->dns.resolver, address, &a, &d) != ST_OK)
		d = (struct discovered){ .outcome = DISCOVERY_FAILED };
	for (size_t i = 0; i < x->n; i++) {
		struct next *n = &x->all[i];
		const char *why;
		enum status st;

		look_for(r, address, &d, n);
		find_other(x, &d, n);
		why = is_time(r, &d, n);
		if (why == NULL)
			continue;
		st = identities_switch(&r->i, n->serial);
		if (st == ST_OK)
			tell_parent(r->w, acc->id, n);
		log_certificate(st == ST_OK ? LOG_INFO_ : LOG_ERROR_, st == ST_OK ? "certificate-active" : "certificate-not-active",
				address, n->serial, st == ST_OK ? why : status_name(st));
	}
	arena_free(&a);
}

/* ---- one account ---- */

static void tend(struct renewal_round *r, struct view address)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct nexts x = { .a = &a };
	struct account acc;
	unsigned made = 0;
	enum status st = directory_account(r->w->directory, address, &a, &acc);

	if (st == ST_OK)
		st = identities_issue(&r->i, &acc, false, &made);
	/* As its owner writes it. */
	if (st == ST_OK)
		address = acc.address;
	if (st == ST_OK)
		st = directory_certificates(r->w->directory, VIEW_NONE, acc.id, note_row, &x);
	if (st == ST_OK)
		st = arena_status(&a);
	if (made)
		log_certificate(LOG_INFO_, "certificates-made", address, VIEW_NONE, NULL);
	if (st == ST_OK && x.n)
		tend_nexts(r, &acc, address, &x);
	/* Who has gone meanwhile needs none. */
	if (st != ST_OK && st != ST_MISSING)
		log_certificate(LOG_ERROR_, "certificates-not-made", address, VIEW_NONE, status_name(st));
	arena_free(&a);
	/* Files were flushed meanwhile: now the others. */
	if (made)
		loop_sleep(r->w->proc.loop, PAUSE_MS);
}

static void tend_authority(struct renewal_round *r, struct view domain)
{
	bool made = false;
	enum status st = identities_authority(&r->i, domain, NULL);

	if (st == ST_OK)
		st = identities_prepare(&r->i, domain, &made);
	if (made)
		log_certificate(LOG_WARN_, "authority-made", domain, VIEW_NONE, "the one in use ends; tell those who trust it");
	if (st != ST_OK)
		log_certificate(LOG_ERROR_, "authority-not-made", domain, VIEW_NONE, status_name(st));
}

/* ---- a round ---- */

static struct identities identities_of(struct warden *w)
{
	return (struct identities){ .keys = w->sealing.keys, .d = w->directory, .now = clock_wall(),
				    .validity = w->proc.conf.smime_validity, .conf = &w->proc.conf,
				    .fresh = &w->fresh };
}

static void go_round(struct warden *w)
{
	struct renewal_round r = { .w = w, .i = identities_of(w), .a = ARENA(ROUND_ARENA) };
	enum status st = directory_each_domain(w->directory, note_name, &r);

	for (size_t i = 0; i < r.n && st == ST_OK && !w->proc.stopping; i++)
		tend_authority(&r, r.names[i]);
	r.n = 0;
	if (st == ST_OK)
		st = directory_retire_past(w->directory, r.i.now);
	if (st == ST_OK)
		st = directory_certificates_due(w->directory, r.i.now + r.i.validity / 3, note_name, &r);
	for (size_t i = 0; i < r.n && st == ST_OK && !w->proc.stopping; i++) {
		r.i.now = clock_wall();
		tend(&r, r.names[i]);
	}
	if (st == ST_OK)
		st = arena_status(&r.a);
	arena_free(&r.a);
	if (st != ST_OK)
		log_event(LOG_ERROR_, "renewal", "why=\"%s\"", status_name(st));
}

static void next_round(struct warden *w, wall_ms in)
{
	if (loop_timer(w->proc.loop, &w->renewal.timer, clock_steady() + (steady_ms)in) != ST_OK)
		log_event(LOG_ERROR_, "renewal", "why=\"no timer\"");
}

static void run(void *arg)
{
	struct warden *w = arg;

	w->renewal.busy = true;
	if (w->proc.conf.smime_issue)
		go_round(w);
	w->renewal.busy = false;
	next_round(w, w->proc.conf.smime_check);
}

static void fire(struct timer *t)
{
	struct warden *w = (struct warden *)((char *)t - offsetof(struct warden, renewal.timer));

	if (w->renewal.busy || co_start(run, w) != ST_OK)
		next_round(w, w->proc.conf.smime_check);
}

/* Accounts may have been made while nobody was here. */
void renewal_start(struct warden *w)
{
	wall_ms check = w->proc.conf.smime_check;

	w->renewal.timer.fire = fire;
	next_round(w, check < FIRST_MS ? check : FIRST_MS);
}

/* ---- what strangers ask for ---- */

static void slot_free(struct list_slot *s)
{
	buf_free(&s->serial);
	buf_free(&s->der);
	*s = (struct list_slot){ .serial = BUF(CERTIFICATE_SERIAL_MAX), .der = BUF(LIST_MOST) };
}

void renewal_free(struct warden *w)
{
	for (int i = 0; i < LIST_SLOTS; i++)
		slot_free(&w->renewal.lists[i]);
}

/* The list signed within the last minute, or a fresh one in the oldest place: so it never is
 * near its own end, and strangers cost at most a signature a minute. */
static enum status recent_list(struct warden *w, struct view serial, struct list_slot **ret)
{
	struct identities i = identities_of(w);
	struct list_slot *s = w->renewal.lists, *oldest = s;
	enum status st;

	for (; s < w->renewal.lists + LIST_SLOTS; s++) {
		if (view_eq(buf_view(&s->serial), serial) && i.now >= s->made && i.now - s->made < LIST_FRESH_MS) {
			*ret = s;
			return ST_OK;
		}
		oldest = s->made < oldest->made ? s : oldest;
	}
	slot_free(oldest);
	st = identities_list_of(&i, serial, &oldest->der);
	buf_put(&oldest->serial, serial);
	if (st == ST_OK)
		st = buf_status(&oldest->serial);
	if (st != ST_OK) {
		slot_free(oldest);
		return st;
	}
	oldest->made = i.now;
	*ret = oldest;
	return ST_OK;
}

void authority_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct identities i = identities_of(w);
	struct buf certificate = BUF(CERTIFICATE_DER_MAX);
	struct rec_authority_answer out = { .verdict = VERDICT_LATER };
	struct rec_authority_ask in;
	struct list_slot *s;
	enum status st;

	if (!rec_take_authority_ask(rec->body, &in))
		return;
	if (in.what == AUTHORITY_LIST) {
		st = recent_list(w, in.serial, &s);
		if (st == ST_OK) {
			out.made = (uint64_t)s->made;
			out.piece = buf_view(&s->der);
		}
	} else {
		st = identities_authority_of(&i, in.serial, &certificate);
		out.piece = buf_view(&certificate);
	}
	if (st == ST_OK || st == ST_MISSING)
		out.verdict = st == ST_OK ? VERDICT_OK : VERDICT_NO;
	out.size = out.piece.n;
	out.piece = in.from < out.size ? view_head(view_skip(out.piece, in.from), AUTHORITY_PIECE) : VIEW_NONE;
	rec_put_authority_answer(&w->out, rec->call, rec->sid, &out);
	(void)!role_send(ch, &w->out, -1);
	buf_free(&certificate);
}
