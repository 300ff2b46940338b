/* hosts.c - which hosts take the letters of a site. */
#include "mta/relay/internal.h"

#include "wire/rdata.h"

#include <ifaddrs.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* Records of one answer that are looked at, and addresses of one host. */
enum { MX_MAX = 500, ADDRESSES_MAX = 16 };

/* ---- who we are ourselves ---- */

static void add_own(struct relay *r, const struct endpoint *e)
{
	if (r->n_own < OWN_ADDRESSES)
		r->own[r->n_own++] = *e;
}

static bool is_any(const struct endpoint *e)
{
	for (size_t i = 0; i < sizeof e->address; i++)
		if (e->address[i])
			return false;
	return true;
}

/* A listener on 0.0.0.0 or :: listens on every address of the machine. */
static void add_interfaces(struct relay *r, const struct endpoint *any)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) != 0)
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct endpoint e = { .family = any->family, .port = any->port };

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != any->family)
			continue;
		if (any->family == AF_INET)
			memcpy(e.address, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, 4);
		else
			memcpy(e.address, &((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr, 16);
		add_own(r, &e);
	}
	freeifaddrs(all);
}

static bool take_listener(struct view text, struct endpoint *ret)
{
	size_t colon = text.n;
	uint64_t port;

	while (colon && text.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !view_u64(view_skip(text, colon), &port) || port > 65535)
		return false;
	text = view_head(text, colon - 1);
	if (text.n > 1 && text.p[0] == '[')
		text = view_make(text.p + 1, text.n - 2);
	return endpoint_parse(text, (uint16_t)port, ret) == ST_OK;
}

void hosts_learn_own(struct relay *r)
{
	struct view list = view_cstr(r->proc.conf.listen[SERVICE_SMTP]);

	while (list.n) {
		struct view one = view_head(list, view_find(list, ','));
		struct endpoint e;

		list = view_skip(list, one.n + 1);
		if (!take_listener(view_trim(one), &e))
			continue;
		if (is_any(&e))
			add_interfaces(r, &e);
		else
			add_own(r, &e);
	}
}

bool host_is_own(const struct relay *r, const struct endpoint *e)
{
	for (size_t i = 0; i < r->n_own; i++)
		if (endpoint_eq(&r->own[i], e))
			return true;
	return false;
}

/* ---- MX ---- */

static struct answer dns_trouble(const struct dns_answer *d, struct view name, const char *what, struct arena *a)
{
	struct answer answer = own_answerf(a, VERDICT_LATER, "4.4.3", "%s the %s of %.*s: %.*s",
					   d->outcome == DNS_BOGUS ? "DNSSEC finds false what is said of"
								   : "DNS gives no answer about",
					   what, VIEW_ARG(name), VIEW_ARG(view_head(d->why, 200)));

	answer.site = true;
	return answer;
}

static bool no_memory(struct answer *ret_why)
{
	*ret_why = own_answer(VERDICT_LATER, "4.3.0", VIEW("no memory"));
	return false;
}

static bool single(struct hosts *ret, struct view name, bool secure, struct arena *a, struct answer *ret_why)
{
	ret->list = arena_array(a, 1, sizeof *ret->list);
	if (ret->list == NULL)
		return no_memory(ret_why);
	ret->list[0].name = name;
	ret->n = 1;
	ret->secure = secure;
	return true;
}

static int by_preference(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static uint32_t draw(void)
{
	uint32_t lot = 0;

	RAND_bytes((unsigned char *)&lot, sizeof lot);
	return lot;
}

/* Names that are none, and the "." that may stand only alone, are left out. */
static bool take_records(const struct dns_answer *d, struct arena *a, struct hosts *h)
{
	h->list = arena_array(a, d->n < MX_MAX ? d->n : MX_MAX, sizeof *h->list);
	for (size_t i = 0; h->list && i < d->n && h->n < MX_MAX; i++) {
		struct dns_mx mx;

		if (dns_read_mx(d->rdata[i], a, &mx) != ST_OK || mx.host.n == 0 ||
		    view_find(mx.host, '\\') < mx.host.n)
			continue;
		h->list[h->n++] = (struct host){ .name = mx.host, .preference = mx.preference, .lot = draw() };
	}
	return h->list != NULL;
}

static bool is_null_mx(const struct dns_answer *d, struct arena *a)
{
	struct dns_mx mx;

	return d->n == 1 && dns_read_mx(d->rdata[0], a, &mx) == ST_OK && mx.host.n == 0;
}

/* 5.1: where we are among the hosts, those that are not better than us would
 * only send it back. */
static bool drop_ourselves(struct relay *r, struct hosts *h, struct view site, struct arena *a,
			   struct answer *ret_why)
{
	struct view own = view_cstr(r->proc.conf.host_name);
	size_t n = h->n;

	for (size_t i = 0; i < h->n && n == h->n; i++)
		if (view_eq_i(h->list[i].name, own))
			for (n = i; n && h->list[n - 1].preference == h->list[i].preference;)
				n--;
	h->n = n;
	if (n)
		return true;
	*ret_why = own_answerf(a, VERDICT_NO, "5.4.6", "mail for %.*s comes back to this host: its best MX is %.*s, but it is "
			       "no domain of ours", VIEW_ARG(site), VIEW_ARG(own));
	return false;
}

static bool of_literal(struct view site, struct arena *a, struct hosts *ret, struct answer *ret_why)
{
	struct endpoint e, *copy = ARENA_NEW(a, struct endpoint);

	if (endpoint_parse(view_make(site.p + 1, site.n - 2), 0, &e) != ST_OK) {
		*ret_why = own_answerf(a, VERDICT_NO, "5.1.2", "%.*s is no address of a host", VIEW_ARG(site));
		return false;
	}
	if (copy == NULL || !single(ret, VIEW_NONE, false, a, ret_why))
		return no_memory(ret_why);
	*copy = e;
	ret->list[0].addresses = copy;
	ret->list[0].n_addresses = 1;
	return true;
}

/* An answer with records. */
static bool of_records(struct relay *r, const struct dns_answer *d, struct view site, struct arena *a,
		       struct hosts *ret, struct answer *ret_why)
{
	if (is_null_mx(d, a)) {
		*ret_why = own_answerf(a, VERDICT_NO, "5.1.10", "%.*s takes no mail: its MX is \".\" (RFC 7505)",
				       VIEW_ARG(site));
		return false;
	}
	if (!take_records(d, a, ret))
		return no_memory(ret_why);
	if (ret->n == 0) {
		*ret_why = own_answerf(a, VERDICT_NO, "5.4.4", "the MX records of %.*s name no hosts", VIEW_ARG(site));
		return false;
	}
	ret->secure = d->secure;
	qsort(ret->list, ret->n, sizeof *ret->list, by_preference);
	if (!drop_ourselves(r, ret, site, a, ret_why))
		return false;
	if (ret->n > (size_t)r->proc.conf.relay_hosts)
		ret->n = (size_t)r->proc.conf.relay_hosts;
	return true;
}

bool hosts_find(struct relay *r, struct view site, struct arena *a, struct hosts *ret, struct answer *ret_why)
{
	struct dns_answer d;

	*ret = (struct hosts){ 0 };
	if (site.n > 2 && site.p[0] == '[' && site.p[site.n - 1] == ']')
		return of_literal(site, a, ret, ret_why);
	if (dns_ask(&r->dns.resolver, site, DNS_MX, a, &d) != ST_OK)
		return no_memory(ret_why);
	switch (d.outcome) {
	case DNS_FOUND:
		return of_records(r, &d, site, a, ret, ret_why);
	case DNS_NO_DATA:
		/* 5.1: without MX the domain itself is the host; behind an alias,
		 * what the alias leads to. */
		return single(ret, d.name.n ? d.name : site, d.secure, a, ret_why);
	case DNS_NO_NAME:
		*ret_why = own_answerf(a, VERDICT_NO, "5.1.2", "there is no domain %.*s", VIEW_ARG(site));
		return false;
	default:
		*ret_why = dns_trouble(&d, site, "MX", a);
		return false;
	}
}

bool hosts_of_route(const struct route *route, struct arena *a, struct hosts *ret, struct answer *ret_why)
{
	struct endpoint *e;

	*ret = (struct hosts){ 0 };
	if (!route->literal)
		/* The operator's word is as good as DNSSEC's (RFC 7672 2.2.3). */
		return single(ret, route->host, true, a, ret_why);
	e = ARENA_NEW(a, struct endpoint);
	if (e == NULL || !single(ret, VIEW_NONE, false, a, ret_why))
		return no_memory(ret_why);
	if (endpoint_parse(route->host, route->port, e) != ST_OK) {
		*ret_why = own_answerf(a, VERDICT_LATER, "4.3.5", "the route's [%.*s] is no address",
				       VIEW_ARG(route->host));
		return false;
	}
	ret->list[0].addresses = e;
	ret->list[0].n_addresses = 1;
	return true;
}

/* ---- addresses ---- */

static bool ask_addresses(struct relay *r, struct host *h, enum dns_type type, uint16_t port, struct arena *a,
			  struct dns_answer *ret)
{
	if (dns_ask(&r->dns.resolver, h->name, type, a, ret) != ST_OK)
		return false;
	for (size_t i = 0; i < ret->n && ret->outcome == DNS_FOUND && h->n_addresses < ADDRESSES_MAX; i++) {
		struct endpoint e;

		if (endpoint_from_rdata(ret->rdata[i], port, &e))
			h->addresses[h->n_addresses++] = e;
	}
	return true;
}

/* RFC 7672 2.2.2.  One family that is secure is enough to look for TLSA: an
 * insecure one could only lead to a host that does not have the key. */
static void note_base(struct host *h, const struct dns_answer *d, uint16_t port)
{
	if (d->outcome != DNS_FOUND)
		return;
	h->base.secure |= d->secure;
	h->base.name = h->name;
	h->base.canonical = d->secure && d->name.n ? d->name : h->name;
	h->base.port = port;
}

static void set_port(struct host *h, uint16_t port)
{
	for (size_t i = 0; i < h->n_addresses; i++)
		h->addresses[i].port = port;
}

bool host_addresses(struct relay *r, struct host *h, uint16_t port, struct arena *a, struct answer *ret_why)
{
	static const enum dns_type types[] = { DNS_AAAA, DNS_A };
	const int64_t wanted[] = { r->proc.conf.relay_ipv6, r->proc.conf.relay_ipv4 };
	struct dns_answer d = { 0 };

	if (h->addresses) {
		set_port(h, port);
		return true;
	}
	h->addresses = arena_array(a, ADDRESSES_MAX, sizeof *h->addresses);
	if (h->addresses == NULL)
		return no_memory(ret_why);
	if (wanted[0] && wanted[1])
		dns_hint(&r->dns.resolver, h->name, DNS_A);
	*ret_why = own_answerf(a, VERDICT_NO, "5.4.4", "the host %.*s has no address", VIEW_ARG(h->name));
	for (int i = 0; i < 2; i++) {
		if (!wanted[i])
			continue;
		if (!ask_addresses(r, h, types[i], port, a, &d))
			return no_memory(ret_why);
		note_base(h, &d, port);
		if (d.outcome != DNS_FOUND && !dns_is_absent(&d))
			*ret_why = dns_trouble(&d, h->name, "address", a);
	}
	return h->n_addresses > 0;
}
