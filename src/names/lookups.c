#include "names/lookups.h"

#include "base/map.h"
#include "names/context.h"
#include "names/message.h"
#include "wire/rdata.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

struct lookups {
	struct context context;	/* libunbound */
	struct loop *loop;
	struct map by_question;	/* hash -> struct lookup, others of that hash behind it */
	size_t in_flight;
	uint64_t timeout_ms;
	uint64_t seed;		/* of the hash: whoever chooses names cannot choose where they fall */
};

/* One question that libunbound works on. */
struct lookup {
	struct lookups *all;
	struct lookup *same_hash;
	struct lookup_wait *waiting;
	uint64_t hash;
	uint16_t type;
	size_t n;
	char wire[DNS_WIRE_NAME_MAX];
};

struct lookup_settings lookup_settings(const struct conf *c)
{
	return (struct lookup_settings){
		.resolver = c->test_resolver, .forwarders = c->dns_forwarders, .stubs = c->dns_stubs,
		.anchor = c->test_anchor[0] ? c->test_anchor : c->dns_anchor, .time = c->test_time,
		.cache = c->dns_cache, .timeout = c->dns_timeout,
	};
}

bool lookup_settings_differ(const struct lookup_settings *a, const struct lookup_settings *b)
{
	return strcmp(a->resolver, b->resolver) != 0 || strcmp(a->forwarders, b->forwarders) != 0 ||
	       strcmp(a->stubs, b->stubs) != 0 || strcmp(a->anchor, b->anchor) != 0 ||
	       strcmp(a->time, b->time) != 0 || a->cache != b->cache || a->timeout != b->timeout;
}

enum status lookups_open(const struct lookup_settings *s, struct loop *loop, struct buf *why,
			 struct lookups **ret)
{
	struct lookups *l = calloc(1, sizeof *l);
	enum status st = l ? context_open(&l->context, s, loop, why) : ST_NOMEM;

	if (st == ST_OK && getrandom(&l->seed, sizeof l->seed, 0) != (ssize_t)sizeof l->seed)
		st = ST_IO;
	if (st != ST_OK) {
		if (l)
			context_close(&l->context);
		free(l);
		return st;
	}
	l->loop = loop;
	l->timeout_ms = (uint64_t)s->timeout;
	*ret = l;
	return ST_OK;
}

static void discard(struct lookup *k)
{
	struct lookups *l = k->all;
	struct lookup *first = map_get(&l->by_question, k->hash), **p = &first;

	while (*p && *p != k)
		p = &(*p)->same_hash;
	if (*p)
		*p = k->same_hash;
	if (first == NULL)
		map_remove(&l->by_question, k->hash);
	else if (map_set(&l->by_question, k->hash, first) != ST_OK)
		abort();	/* replaces: needs no memory */
	l->in_flight--;
	free(k);
}

/* ---- answers ---- */

static void no_answer(struct lookup_wait *w, struct view name, enum dns_outcome outcome, struct view why)
{
	w->done(w, &(struct rec_dns_answer){ .outcome = (uint8_t)outcome, .name = name, .why = why });
}

static void tell_all(struct lookup *k, const struct rec_dns_answer *a)
{
	while (k->waiting) {
		struct lookup_wait *w = k->waiting;

		k->waiting = w->next;
		loop_timer_clear(k->all->loop, &w->late);
		w->done(w, a);
	}
}

static void late(struct timer *t)
{
	struct lookup_wait *w = (struct lookup_wait *)((char *)t - offsetof(struct lookup_wait, late));
	struct lookup_wait **p = &w->of->waiting;
	struct buf name = BUF(DNS_TEXT_NAME_MAX);

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	dns_name_text(view_make(w->of->wire, w->of->n), &name);
	no_answer(w, buf_view(&name), DNS_FAILED, VIEW("timeout: no server answered in time"));
	buf_free(&name);
}

static struct view why_failed(unsigned rcode)
{
	static const char *const names[] = {
		[1] = "FORMERR: the question was not understood",
		[RCODE_SERVFAIL] = "SERVFAIL: no server gave an answer that can be used",
		[4] = "NOTIMP: the question is not implemented there",
		[5] = "REFUSED: no server wants to answer",
	};
	const char *name = rcode < sizeof names / sizeof *names ? names[rcode] : NULL;

	return name ? view_cstr(name) : VIEW("an error that has no name");
}

/* What libunbound's answer comes to.  sec: 0 insecure, 1 bogus, 2 secure. */
static void judge(struct lookup *k, struct message_answer *m, enum status st, int sec, const char *why,
		  struct rec_dns_answer *a)
{
	a->name = buf_view(&m->name);
	if (sec == 1) {
		a->outcome = DNS_BOGUS;
		a->why = view_cstr(why ? why : "DNSSEC validation failed");
	} else if (m->rcode != RCODE_NOERROR && m->rcode != RCODE_NXDOMAIN) {
		a->outcome = DNS_FAILED;
		a->why = why_failed(m->rcode);
	} else if (st == ST_LIMIT || m->truncated) {
		a->outcome = DNS_FAILED;
		a->why = VIEW("too large, or too many aliases");
	} else if (st != ST_OK) {
		a->outcome = DNS_FAILED;
		a->why = VIEW("the answer is malformed");
	} else {
		a->outcome = m->n ? DNS_FOUND : m->rcode == RCODE_NXDOMAIN ? DNS_NO_NAME : DNS_NO_DATA;
		a->secure = sec == 2;
		a->ttl = m->ttl;
		a->rdata = buf_view(&m->rdata);
	}
	if (a->name.n == 0)
		dns_name_text(view_make(k->wire, k->n), &m->name);
	a->name = buf_view(&m->name);
}

static void answered(void *arg, int rcode, void *packet, int n, int sec, char *why, int limited)
{
	struct lookup *k = arg;
	struct message_answer m = { .rcode = (unsigned)rcode, .name = BUF(DNS_TEXT_NAME_MAX) };
	struct rec_dns_answer a = { 0 };
	enum status st = ST_OK;

	(void)limited;
	if (rcode == RCODE_NOERROR && packet && n > 0)
		st = message_read(view_make(packet, (size_t)n), view_make(k->wire, k->n),
				  (enum dns_type)k->type, &m);
	else if (rcode == RCODE_NOERROR)
		m.rcode = RCODE_SERVFAIL;
	judge(k, &m, st, sec, why, &a);
	tell_all(k, &a);
	message_answer_free(&m);
	discard(k);
}

size_t lookups_in_flight(const struct lookups *l)
{
	return l->in_flight;
}

void lookups_free(struct lookups *l)
{
	struct lookup *k;
	size_t at = 0;

	if (l == NULL)
		return;
	/* Says SERVFAIL to most that are in flight; the others hear it here. */
	context_close(&l->context);
	while ((k = map_next(&l->by_question, &at)) != NULL) {
		answered(k, RCODE_SERVFAIL, NULL, 0, 0, NULL, 0);
		at = 0;
	}
	map_free(&l->by_question);
	free(l);
}

/* ---- questions ---- */

static struct lookup *find(struct lookups *l, uint64_t hash, struct view wire, uint16_t type)
{
	struct lookup *k = map_get(&l->by_question, hash);

	while (k && (k->type != type || !view_eq(view_make(k->wire, k->n), wire)))
		k = k->same_hash;
	return k;
}

static struct lookup *add(struct lookups *l, uint64_t hash, struct view wire, uint16_t type)
{
	struct lookup *k = l->in_flight < LOOKUPS_MAX ? calloc(1, sizeof *k) : NULL;

	if (k == NULL)
		return NULL;
	*k = (struct lookup){
		.all = l, .same_hash = map_get(&l->by_question, hash), .hash = hash, .type = type, .n = wire.n,
	};
	memcpy(k->wire, wire.p, wire.n);
	if (map_set(&l->by_question, hash, k) != ST_OK) {
		free(k);
		return NULL;
	}
	l->in_flight++;
	return k;
}

static void begin(struct lookup *k, struct view wire)
{
	struct buf text = BUF(DNS_TEXT_NAME_MAX + 1);
	struct rec_dns_answer failed = {
		.outcome = DNS_FAILED, .why = VIEW("libunbound did not take the question"),
	};

	dns_name_text(wire, &text);
	buf_putc(&text, '.');
	buf_putc(&text, '\0');
	/* Where the answer is known already, k is gone when it returns. */
	if (buf_status(&text) != ST_OK || context_ask(&k->all->context, text.p, k->type, k, answered) != ST_OK) {
		failed.name = view_make(text.p, text.n > 2 ? text.n - 2 : 0);
		tell_all(k, &failed);
		discard(k);
	}
	buf_free(&text);
}

static void join(struct lookup *k, struct lookup_wait *w)
{
	struct lookups *l = k->all;

	w->next = k->waiting;
	w->of = k;
	w->late = (struct timer){ .fire = late };
	k->waiting = w;
	/* Without memory for a timer it waits for libunbound's own end. */
	if (loop_timer(l->loop, &w->late, clock_steady() + l->timeout_ms) != ST_OK)
		return;
}

static void ask_wire(struct lookups *l, struct view wire, struct view name, uint16_t type,
		     struct lookup_wait *w)
{
	uint64_t hash = XXH3_64bits_withSeed(wire.p, wire.n, l->seed ^ type);
	struct lookup *k = find(l, hash, wire, type);

	if (k) {
		join(k, w);
		return;
	}
	k = add(l, hash, wire, type);
	if (k == NULL) {
		no_answer(w, name, DNS_FAILED, VIEW("too many questions in flight"));
		return;
	}
	join(k, w);
	begin(k, wire);
}

void lookups_ask(struct lookups *l, struct view name, uint16_t type, struct lookup_wait *w)
{
	struct buf wire = BUF(DNS_TEXT_NAME_MAX);
	enum status st = dns_name_wire(name, &wire);

	if (st == ST_OK && dns_type_name(type))
		ask_wire(l, buf_view(&wire), name, type, w);
	else if (st == ST_NOMEM)
		no_answer(w, name, DNS_FAILED, VIEW("no memory"));
	else if (st == ST_OK)
		no_answer(w, name, DNS_FAILED, VIEW("nobody here knows this type"));
	else	/* What cannot be a name is not in DNS. */
		no_answer(w, name, DNS_NO_NAME, VIEW("not a name that DNS can have"));
	buf_free(&wire);
}
