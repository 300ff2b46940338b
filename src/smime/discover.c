#include "smime/discover.h"

#include "base/buf.h"
#include "trust/domain.h"
#include "wire/rdata.h"

#include <openssl/sha.h>

enum { HASH_OCTETS = 28, LOCAL_MOST = 256 };

const char *discovery_text(enum discovery d)
{
	static const char *const texts[] = {
		[DISCOVERY_FOUND] = "has a certificate in DNS", [DISCOVERY_NONE] = "has no certificate in DNS",
		[DISCOVERY_INSECURE] = "has a domain without DNSSEC: nothing proves what DNS says of certificates there",
		[DISCOVERY_FAILED] = "cannot be looked up now: DNS gives no answer, or a false one",
	};

	return texts[d];
}

/* RFC 8162 3. */
static void put_name(struct view local, struct view domain, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)local.p, local.n, digest);
	buf_put_hex(out, digest, HASH_OCTETS);
	buf_puts(out, "._smimecert.");
	buf_put(out, domain);
}

void smime_discover_hint(struct resolver *r, struct view address)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct arena a = ARENA(16 * 1024);
	struct view domain;
	size_t at = view_behind_last(address, '@');

	if (at > 1 && domain_ascii(view_skip(address, at), &a, &domain) == ST_OK) {
		put_name(view_head(address, at - 1), domain, &name);
		if (buf_status(&name) == ST_OK)
			dns_hint(r, buf_view(&name), DNS_SMIMEA);
	}
	buf_free(&name);
	arena_free(&a);
}

static void take(struct view rdata, struct discovered *to)
{
	struct dns_tlsa t;

	if (dns_read_tlsa(rdata, &t) != ST_OK || t.selector != 0 || t.matching != 0)
		return;
	if ((t.usage == 1 || t.usage == 3) && to->n_people < DISCOVERED_MOST)
		to->people[to->n_people++] = t.data;
	else if ((t.usage == 0 || t.usage == 2) && to->n_authorities < DISCOVERED_MOST)
		to->authorities[to->n_authorities++] = t.data;
}

static enum discovery outcome_of(const struct dns_answer *d, const struct discovered *found)
{
	if (d->outcome == DNS_FAILED || d->outcome == DNS_BOGUS)
		return DISCOVERY_FAILED;
	if (!d->secure)
		return DISCOVERY_INSECURE;
	return found->n_people || found->n_authorities ? DISCOVERY_FOUND : DISCOVERY_NONE;
}

static enum status ask(struct resolver *r, struct view local, struct view domain, struct arena *a, struct discovered *ret)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct discovered found = { .outcome = DISCOVERY_NONE };
	struct dns_answer d;
	enum status st;

	put_name(local, domain, &name);
	st = buf_status(&name);
	if (st == ST_OK)
		st = dns_ask(r, buf_view(&name), DNS_SMIMEA, a, &d);
	buf_free(&name);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; d.outcome == DNS_FOUND && d.secure && i < d.n; i++)
		take(d.rdata[i], &found);
	found.outcome = outcome_of(&d, &found);
	*ret = found;
	return ST_OK;
}

enum status smime_discover(struct resolver *r, struct view address, struct arena *a, struct discovered *ret)
{
	size_t at = view_behind_last(address, '@');
	char low[LOCAL_MOST];
	struct view local, domain, folded;
	enum status st;

	if (at < 2 || at > LOCAL_MOST)
		return ST_SYNTAX;
	local = view_head(address, at - 1);
	for (size_t i = 0; i < local.n; i++)
		low[i] = ascii_lower(local.p[i]);
	folded = view_make(low, local.n);
	st = domain_ascii(view_skip(address, at), a, &domain);
	if (st == ST_OK)
		st = ask(r, local, domain, a, ret);
	if (st == ST_OK && ret->outcome == DISCOVERY_NONE && !view_eq(local, folded))
		st = ask(r, folded, domain, a, ret);
	return st;
}
