#include "admin/dns/seen.h"

const char *seen_state_name(enum seen_state s)
{
	static const char *const names[] = {
		[SEEN_GOOD] = "done", [SEEN_MISSING] = "to do", [SEEN_CONFLICT] = "differs", [SEEN_UNKNOWN] = "unknown",
	};

	return names[s];
}

static struct view text_of(enum dns_type type, struct view rdata, struct arena *a)
{
	struct buf b = BUF(4 * DNS_ANSWER_MAX);
	struct view v;

	dns_rdata_text(type, rdata, &b);
	v = arena_copy(a, view_head(buf_view(&b), 1024));
	buf_free(&b);
	return v;
}

/* Common to all answers: outcome and security.  False: nothing more to see. */
static bool take(const struct dns_answer *d, struct seen *s)
{
	*s = (struct seen){ .state = SEEN_MISSING, .secure = d->secure, .ttl = d->ttl };
	if (d->outcome == DNS_FOUND)
		return true;
	if (!dns_is_absent(d)) {
		s->state = SEEN_UNKNOWN;
		s->other = d->why.n ? d->why : view_cstr(dns_outcome_name(d->outcome));
	}
	return false;
}

static bool is_of_host(const struct dns_facts *f, struct view rdata)
{
	struct endpoint e;

	for (size_t i = 0; endpoint_from_rdata(rdata, 0, &e) && i < f->n_addresses; i++)
		if (endpoint_same_host(&f->addresses[i], &e))
			return true;
	return false;
}

static enum status look_at_alias(const struct wanted *w, const struct dns_facts *f, struct resolver *r,
				 struct arena *a, struct seen *ret)
{
	enum dns_type types[] = { DNS_A, DNS_AAAA };
	struct dns_answer d;
	enum status st = ST_OK;

	for (size_t i = 0; i < 2 && st == ST_OK; i++) {
		st = dns_ask(r, w->name, types[i], a, &d);
		if (st != ST_OK || !take(&d, ret))
			continue;
		ret->state = view_eq_i(d.name, f->host) ? SEEN_GOOD : SEEN_CONFLICT;
		ret->other = text_of(types[i], d.rdata[0], a);
		for (size_t j = 0; j < d.n; j++)
			if (is_of_host(f, d.rdata[j]))
				ret->state = SEEN_GOOD;
		break;
	}
	return st;
}

enum status wanted_look(const struct wanted *w, const struct dns_facts *f, struct resolver *r, struct arena *a,
			struct seen *ret)
{
	struct dns_answer d;
	struct seen s;
	enum status st;

	if (w->type == DNS_CNAME)
		return look_at_alias(w, f, r, a, ret);
	st = dns_ask(r, w->name, w->type, a, &d);
	if (st != ST_OK)
		return st;
	if (take(&d, &s)) {
		for (size_t i = 0; i < d.n && s.state != SEEN_GOOD; i++) {
			if (wanted_is(w, w->type, d.rdata[i]))
				s.state = SEEN_GOOD;
			else if (!wanted_agrees(w, w->type, d.rdata[i]))
				s.other = text_of(w->type, d.rdata[i], a);
		}
		if (s.state == SEEN_MISSING && s.other.n)
			s.state = SEEN_CONFLICT;
	}
	*ret = s;
	return arena_status(a);
}
