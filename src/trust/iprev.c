#include "trust/iprev.h"

#include "base/buf.h"
#include "base/co.h"
#include "wire/rdata.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { AHEAD_ARENA = 512 * 1024 };

const char *iprev_result_name(enum iprev_result r)
{
	static const char *const names[] = {
		[IPREV_PASS] = "pass", [IPREV_FAIL] = "fail", [IPREV_TEMPERROR] = "temperror",
		[IPREV_PERMERROR] = "permerror",
	};

	return names[r];
}

void spf_ip_text(const struct spf_ip *ip, char ret[SPF_IP_TEXT])
{
	if (inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->bytes, ret, SPF_IP_TEXT) == NULL)
		ret[0] = '\0';
}

static enum status reverse_of(const struct spf_ip *ip, struct buf *out)
{
	char text[SPF_IP_TEXT];

	spf_ip_text(ip, text);
	return dns_reverse_name(view_cstr(text), out);
}

/* Does this name have the address?  *ret_failed: nobody said. */
static enum status leads_back(const struct spf_ip *ip, struct view name, struct resolver *r, struct arena *a,
			      bool *ret_yes, bool *ret_failed)
{
	struct view want = view_make((const char *)ip->bytes, ip->v6 ? 16 : 4);
	struct dns_answer d;
	enum status st = dns_ask(r, name, ip->v6 ? DNS_AAAA : DNS_A, a, &d);

	*ret_yes = false;
	if (st != ST_OK)
		return st;
	if (d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS)
		*ret_failed = true;
	for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++)
		*ret_yes |= view_eq(d.rdata[i], want);
	return ST_OK;
}

static enum status try_names(const struct spf_ip *ip, const struct dns_answer *ptr, struct resolver *r,
			     struct arena *a, struct iprev *out)
{
	bool failed = false, yes = false;
	enum status st = ST_OK;

	for (size_t i = 0; i < ptr->n && i < SPF_NAMES && st == ST_OK && !yes; i++) {
		struct view name;

		if (dns_read_name(ptr->rdata[i], a, &name) != ST_OK || view_find(name, '\\') < name.n)
			continue;
		st = leads_back(ip, name, r, a, &yes, &failed);
		if (yes || out->name.n == 0)
			out->name = name;
	}
	out->result = yes ? IPREV_PASS : failed ? IPREV_TEMPERROR : IPREV_FAIL;
	return st;
}

enum status iprev_check(const struct spf_ip *ip, struct resolver *r, struct arena *a, struct iprev *ret)
{
	struct buf reverse = BUF(DNS_TEXT_NAME_MAX);
	struct iprev out = { .result = IPREV_PERMERROR };
	struct dns_answer d;
	enum status st = reverse_of(ip, &reverse);

	if (st == ST_OK)
		st = dns_ask(r, buf_view(&reverse), DNS_PTR, a, &d);
	buf_free(&reverse);
	if (st != ST_OK)
		return st;
	if (d.outcome == DNS_FOUND)
		st = try_names(ip, &d, r, a, &out);
	else if (!dns_is_absent(&d))
		out.result = IPREV_TEMPERROR;
	if (st == ST_OK)
		*ret = out;
	return st;
}

/* ---- ahead of the letter ---- */

struct iprev_ahead {
	struct spf_ip ip;
	struct resolver *r;
	struct arena a;
	struct iprev found;
	bool over, dropped;
};

static void end(struct iprev_ahead *h)
{
	arena_free(&h->a);
	free(h);
}

static void ask_ahead(void *arg)
{
	struct iprev_ahead *h = arg;
	struct iprev found;

	if (iprev_check(&h->ip, h->r, &h->a, &found) == ST_OK)
		h->found = found;
	h->over = true;
	if (h->dropped)
		end(h);
}

struct iprev_ahead *iprev_begin(const struct spf_ip *ip, struct resolver *r)
{
	struct iprev_ahead *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	*h = (struct iprev_ahead){ .ip = *ip, .r = r, .a = ARENA(AHEAD_ARENA), .found = { .result = IPREV_TEMPERROR } };
	if (co_start(ask_ahead, h) == ST_OK)
		return h;
	free(h);
	return NULL;
}

void iprev_take(const struct iprev_ahead *h, struct iprev *ret)
{
	*ret = h->found;
}

void iprev_drop(struct iprev_ahead *h)
{
	if (h && h->over)
		end(h);
	else if (h)
		h->dropped = true;
}
