/* dane.c - TLSA records of a person's servers (RFC 6698, 7671; RFC 7673 for those that SRV
 * named).
 *
 * They count where DNSSEC proves them: in place of authorities (usages 2 and 3), or beside
 * them (0 and 1).  A server that has none, or none that can be used, or of which DNS does
 * not answer, is verified by authorities alone, as always.  Where DNSSEC says that an answer
 * is false, TLS is not begun (RFC 6698 4.1); but where nothing at all is proved on this
 * network, a hotel's say, whose DNS is its own, there is nothing to be learned here.
 */
#include "mua/net/client.h"

#include <stdio.h>

enum { TLSA_MAX = 32, DANE_ARENA = 512 * 1024, LEAST_S = 60, MOST_S = 3600 };

static struct dane_host *host_of(struct net *n, const char *host, uint16_t port)
{
	for (size_t i = 0; i < n->n_dane; i++)
		if (n->dane[i].port == port && view_eq_i(view_cstr(n->dane[i].host), view_cstr(host)))
			return &n->dane[i];
	return NULL;
}

const struct dane_host *dane_of(struct net *n, const char *host, uint16_t port)
{
	return host_of(n, host, port);
}

/* Names that are of this network alone have nothing that DNSSEC proves. */
static bool is_worth_asking(const struct server *s)
{
	static const char *const ours[] = { ".localhost", ".local", ".internal", ".home.arpa" };
	struct endpoint literal;
	size_t n = strlen(s->host);

	if (s->port == 0 || strchr(s->host, '.') == NULL || endpoint_parse(view_cstr(s->host), 0, &literal) == ST_OK)
		return false;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		size_t k = strlen(ours[i]);

		if (n >= k && view_eq_i(view_cstr(s->host + n - k), view_cstr(ours[i])))
			return false;
	}
	return true;
}

/* ---- asking ---- */

/* After a question that got no answer in its time nobody waits for others for a while. */
static bool ask(struct net *n, struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		struct dns_answer *ret)
{
	*ret = (struct dns_answer){ .outcome = DNS_FAILED };
	if (clock_steady() < n->dns_silent || dns_ask(r, name, type, a, ret) != ST_OK)
		return false;
	if (ret->outcome == DNS_FAILED)
		n->dns_silent = clock_steady() + DNS_SILENT_MS;
	return true;
}

static struct view name_of(struct view host, uint16_t port, struct arena *a)
{
	struct buf text = BUF(DNS_NAME_MAX + 32);
	struct view v;

	buf_putf(&text, "_%u._tcp.%.*s", port, VIEW_ARG(host));
	v = buf_status(&text) == ST_OK ? arena_copy(a, buf_view(&text)) : VIEW_NONE;
	buf_free(&text);
	return v;
}

/* Does DNSSEC prove anything here: is not even the domain above all of the host's true? */
static bool works_at_all(struct net *n, struct resolver *r, struct view host, struct arena *a)
{
	struct view top = host;
	struct dns_answer answer;
	size_t dot;

	while ((dot = view_find(top, '.')) < top.n)
		top = view_skip(top, dot + 1);
	return ask(n, r, top, DNS_SOA, a, &answer) && answer.outcome != DNS_BOGUS &&
	       answer.outcome != DNS_FAILED;
}

static size_t take_records(struct net *n, const struct dns_answer *answer, struct dane_host *h)
{
	size_t used = 0;

	h->records = arena_array(&h->arena, TLSA_MAX, sizeof *h->records);
	for (size_t i = 0; h->records && i < answer->n && used < TLSA_MAX; i++)
		if (dns_read_tlsa(answer->rdata[i], &h->records[used]) == ST_OK &&
		    tlsa_is_usable(n->tls, &h->records[used]))
			used++;
	return used;
}

/* True: DNSSEC has something to say of that base. */
static bool ask_base(struct net *n, struct resolver *r, struct view base, struct dane_host *h)
{
	struct dns_answer answer;
	struct view name = name_of(base, h->port, &h->arena);

	if (name.n == 0 || !ask(n, r, name, DNS_TLSA, &h->arena, &answer))
		return false;
	if (answer.outcome == DNS_BOGUS && works_at_all(n, r, base, &h->arena)) {
		h->state = DANE_FALSE;
		return true;
	}
	if (answer.outcome == DNS_FOUND && answer.secure && (h->n_records = take_records(n, &answer, h)) > 0) {
		h->state = DANE_PROVED;
		h->names[0] = arena_copy(&h->arena, base);
		h->ttl_s = answer.ttl;
		return true;
	}
	return answer.outcome == DNS_FOUND && answer.secure;
}

/* Behind the aliases, where all of them are proved (RFC 7671 7). */
static struct view behind_aliases(struct net *n, struct resolver *r, struct view host, struct arena *a)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	struct dns_answer answer = { .outcome = DNS_NO_DATA };

	for (size_t i = 0; i < 2 && dns_is_absent(&answer); i++)
		if (!ask(n, r, host, types[i], a, &answer))
			return host;
	return answer.outcome == DNS_FOUND && answer.secure && answer.name.n ? answer.name : host;
}

static void ask_host(struct net *n, struct resolver *r, struct dane_host *h)
{
	struct view host = view_cstr(h->host), first;

	dns_hint(r, name_of(host, h->port, &h->arena), DNS_TLSA);
	first = behind_aliases(n, r, host, &h->arena);
	h->names[1] = host;
	if ((view_eq_i(first, host) || !ask_base(n, r, first, h)) && !ask_base(n, r, host, h))
		return;
	if (arena_status(&h->arena) != ST_OK)
		h->state = DANE_NONE;
}

/* One that is not used yet, else the one that is old soonest. */
static struct dane_host *free_host(struct net *n)
{
	struct dane_host *h = &n->dane[0];

	if (n->n_dane < DANE_HOSTS)
		return &n->dane[n->n_dane++];
	for (size_t i = 1; i < n->n_dane; i++)
		if (n->dane[i].until < h->until)
			h = &n->dane[i];
	return h;
}

void net_learn_tlsa(struct net *n, struct resolver *r, const struct server *s)
{
	struct dane_host *h = host_of(n, s->host, s->port);
	uint32_t ttl;

	if (!is_worth_asking(s) || (h && clock_steady() < h->until))
		return;
	if (h == NULL)
		h = free_host(n);
	arena_free(&h->arena);
	*h = (struct dane_host){ .port = s->port, .arena = ARENA(DANE_ARENA), .ttl_s = LEAST_S };
	for (size_t i = 0; s->host[i]; i++)
		h->host[i] = ascii_lower(s->host[i]);
	ask_host(n, r, h);
	ttl = h->ttl_s < LEAST_S ? LEAST_S : h->ttl_s > MOST_S ? MOST_S : h->ttl_s;
	h->until = clock_steady() + (steady_ms)ttl * 1000;
}

void dane_free(struct net *n)
{
	for (size_t i = 0; i < n->n_dane; i++)
		arena_free(&n->dane[i].arena);
	n->n_dane = 0;
}
