#include "mua/revoked.h"

#include "mua/net/http.h"
#include "mua/say.h"
#include "smime/kept.h"
#include "smime/revocation.h"

enum { ANSWER_MAX = 16 * 1024 * 1024, FETCH_S = 10, OCSP_AGE_S = 3600, PLACES_ARENA = 4 * 1024 * 1024,
       SILENT_MS = 5 * 60 * 1000 };

static bool get(struct place *p, const struct revocation_place *from, struct buf *out)
{
	const struct revocation_wish *w = &p->settings.revocation;
	struct buf url = BUF(REVOCATION_URL_MAX + 1);
	struct revocation_url u;
	struct http h = { .authorities = p->settings.authorities, .post = from->request, .type = "application/ocsp-request",
			  .clear = true, .public_only = !w->private, .timeout_s = FETCH_S };
	bool good = revocation_url_parse(from->url, &u) == ST_OK && (w->private || u.port == 80 || u.port == 443);

	buf_putf(&url, "%.*s", VIEW_ARG(from->url));
	if (p->settings.resolver[0]) {
		h.resolver = place_resolver(p);
		good = good && h.resolver;
	}
	h.url = url.p;
	h.host = u.host;
	h.port = u.port;
	good = good && buf_status(&url) == ST_OK && http_get(&h, out);
	buf_free(&url);
	return good;
}

static bool take(struct smime_trust *t, bool list, struct view bytes)
{
	return (list ? smime_trust_revoked(t, bytes) : smime_trust_ocsp(t, bytes)) == ST_OK;
}

static bool fetch_one(struct place *p, struct smime_trust *t, const struct revocation_place *from)
{
	bool list = from->request.n == 0, good;
	struct buf key = BUF(ANSWER_MAX), out = BUF(ANSWER_MAX);

	buf_put(&key, from->url);
	buf_put(&key, from->request);
	good = kept_find(buf_view(&key), list ? 0 : OCSP_AGE_S, &out) &&
	       (!list || smime_list_is_fresh(buf_view(&out), clock_wall())) && take(t, list, buf_view(&out));
	/* Who did not answer is not waited for again with each letter. */
	if (!good && clock_steady() >= p->revocation_silent) {
		buf_clear(&out);
		good = get(p, from, &out);
		if (!good)
			p->revocation_silent = clock_steady() + SILENT_MS;
		good = good && take(t, list, buf_view(&out));
		if (good && (!list || smime_list_is_fresh(buf_view(&out), clock_wall())))
			kept_put(buf_view(&key), buf_view(&out));
	}
	buf_free(&key);
	buf_free(&out);
	return good;
}

bool revoked_fetch(struct place *p, struct smime_trust *t, const struct smime_letter *l)
{
	const struct revocation_wish *w = &p->settings.revocation;
	const struct smime_signer *s = smime_main_signer(l);
	struct revocation_place places[REVOCATION_PLACES];
	struct arena a = ARENA(PLACES_ARENA);
	STACK_OF(X509) *others;
	X509 *leaf;
	size_t n = 0;
	bool any = false;

	if ((!w->crl && !w->ocsp) || s == NULL || !s->valid || s->chain != SMIME_CHAIN_TRUSTED ||
	    s->revocation != SMIME_NOT_CHECKED)
		return false;
	others = smime_certificates_along(l);
	leaf = smime_certificate(s->certificate);
	if (others && leaf && smime_revocation_places(t, leaf, others, clock_wall(), &a, places, &n) != ST_OK)
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (places[i].request.n ? w->ocsp : w->crl)
			any |= fetch_one(p, t, &places[i]);
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	arena_free(&a);
	return any;
}
