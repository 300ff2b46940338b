#include "admin/revoked.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "mta/relay/fetch.h"
#include "smime/kept.h"
#include "wire/rdata.h"

#include <arpa/inet.h>

enum { PLACES_ARENA = 4 * 1024 * 1024, ADDRESSES_MOST = 8 };

struct revoked {
	const struct invocation *in;
	struct smime_means *m;
	struct revocation_wish wish;
	bool any, done;
	struct loop *loop;
	struct fetcher *fetcher;
	struct resolver *resolver;
	const struct revocation_place *places;
	size_t n;
};

/* ---- fetching ---- */

static void put_addresses(struct revoked *r, const char *host, enum dns_type type, struct buf *out, bool *ret_private)
{
	struct arena a = ARENA(PLACES_ARENA);
	char text[DNS_ADDRESS_TEXT];
	struct dns_answer d;

	if (dns_ask(r->resolver, view_cstr(host), type, &a, &d) == ST_OK && d.outcome == DNS_FOUND)
		for (size_t i = 0; i < d.n && i < ADDRESSES_MOST; i++) {
			if (dns_read_address(type, d.rdata[i], text) != ST_OK)
				continue;
			if (r->wish.private ||
			    is_public_address(type == DNS_A ? AF_INET : AF_INET6, (const unsigned char *)d.rdata[i].p))
				buf_putf(out, type == DNS_AAAA ? "%s[%s]" : "%s%s", out->n ? "," : "", text);
			else
				*ret_private = true;
		}
	arena_free(&a);
}

/* Where it may be fetched, or why not. */
static const char *find_host(struct revoked *r, const struct revocation_url *u, struct buf *out)
{
	bool private = false;

	if (!r->wish.private && u->port != 80 && u->port != 443)
		return "not from another port than 80 and 443, without --fetch private";
	put_addresses(r, u->host, DNS_A, out, &private);
	put_addresses(r, u->host, DNS_AAAA, out, &private);
	if (out->n == 0)
		return private ? "its address is not a public one, and --fetch has no private" : "its host is not found in DNS";
	buf_putc(out, '\0');
	return buf_status(out) == ST_OK ? NULL : "too many addresses";
}

static enum status get(struct revoked *r, const struct revocation_place *p, struct buf *out, struct buf *why)
{
	struct buf addresses = BUF(FETCH_ADDRESSES);
	struct revocation_url u;
	enum status st = revocation_url_parse(p->url, &u);
	const char *not = st == ST_OK ? find_host(r, &u, &addresses) : "no URL that is followed";

	if (not == NULL) {
		struct fetch f = { .host = u.host, .path = u.path, .addresses = addresses.p, .port = u.port, .clear = u.clear,
				   .timeout_ms = REVOKED_MS, .post = p->request, .post_type = "application/ocsp-request" };

		st = fetch(r->fetcher, &f, out);
		if (st != ST_OK)
			buf_puts(why, f.why);
	} else {
		buf_puts(why, not);
		st = ST_DENIED;
	}
	buf_free(&addresses);
	return st;
}

static void fetch_one(struct revoked *r, const struct revocation_place *p)
{
	struct buf out = BUF(REVOKED_MOST), why = BUF(1024);
	bool list = p->request.n == 0;
	enum status st = list && kept_find(p->url, 0, &out) && smime_list_is_fresh(buf_view(&out), clock_wall()) ? ST_OK : ST_MISSING;

	if (st != ST_OK) {
		buf_clear(&out);
		st = get(r, p, &out, &why);
	}

	if (st == ST_OK) {
		st = list ? smime_trust_revoked(r->m->trust, buf_view(&out)) : smime_trust_ocsp(r->m->trust, buf_view(&out));
		if (st != ST_OK)
			buf_puts(&why, list ? "it is no list of revoked certificates" : "it is no OCSP response");
	}
	if (st == ST_OK && list && smime_list_is_fresh(buf_view(&out), clock_wall()))
		kept_put(p->url, buf_view(&out));
	if (st != ST_OK)
		tell("%.*s: %.*s", VIEW_ARG(p->url), VIEW_ARG(buf_view(&why)));
	r->any |= st == ST_OK;
	buf_free(&out);
	buf_free(&why);
}

static void fetch_all(void *arg)
{
	struct revoked *r = arg;

	for (size_t i = 0; i < r->n; i++)
		if (r->places[i].request.n ? r->wish.ocsp : r->wish.crl)
			fetch_one(r, &r->places[i]);
	r->done = true;
	loop_stop(r->loop);
}

static void run(struct revoked *r)
{
	struct asker asker;
	enum status st;

	r->resolver = asker_open(&asker, r->in);
	if (r->resolver) {
		st = loop_new(&r->loop);
		if (st == ST_OK)
			st = fetcher_new(r->loop, system_authorities, &r->fetcher);
		if (st == ST_OK)
			st = co_start(fetch_all, r);
		/* With lists that were kept it has not waited. */
		if (st == ST_OK && !r->done)
			loop_run(r->loop);
		else if (st != ST_OK)
			tell("nothing can be fetched: %s", status_name(st));
		fetcher_free(r->fetcher);
		if (r->loop)
			loop_free(r->loop);
	}
	asker_close(&asker);
}

/* ---- for whom ---- */

/* Adds to the means what was fetched for the letter's signers; false: nothing was.
 * What could not be had is told, and is no error: then it is not checked. */
static bool fetch_revoked(const struct invocation *in, struct smime_means *m, const struct smime_letter *l)
{
	const struct smime_signer *s = smime_main_signer(l);
	struct revocation_place places[REVOCATION_PLACES];
	struct revoked r = { .in = in, .m = m, .places = places };
	struct arena a = ARENA(PLACES_ARENA);
	STACK_OF(X509) *others;
	X509 *leaf;

	if (in->given[OPTION_fetch] == NULL || !revocation_wish_take(view_cstr(in->given[OPTION_fetch]), &r.wish))
		return false;
	if (s == NULL || !s->valid || s->chain != SMIME_CHAIN_TRUSTED || s->revocation != SMIME_NOT_CHECKED)
		return false;
	others = smime_certificates_along(l);
	leaf = smime_certificate(s->certificate);
	if (others && leaf && smime_revocation_places(m->trust, leaf, others, clock_wall(), &a, places, &r.n) == ST_OK && r.n)
		run(&r);
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	arena_free(&a);
	return r.any;
}

enum status read_with_fetch(const struct invocation *in, struct smime_means *m, const struct smime_reading *how,
			    struct view letter, struct smime_letter *ret)
{
	enum status st = smime_read(letter, how, ret);

	if (st != ST_OK || !fetch_revoked(in, m, ret))
		return st;
	smime_free(ret);
	return smime_read(letter, how, ret);
}
