#include "smime/revocation.h"

#include "smime/internal.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

enum { LIST_DER_MOST = 64 * 1024 * 1024, LABEL_MOST = 63 };

/* ---- URLs ---- */

/* A last label of digits, or of a hexadecimal number, is an address to many programs
 * (RFC 6943 3.1.1); no top level domain begins with a digit. */
static bool is_host_name(struct view v)
{
	size_t label = 0;

	if (v.n == 0 || v.n > REVOCATION_HOST_MAX)
		return false;
	for (size_t i = 0, n = 0; i < v.n; i++) {
		n = v.p[i] == '.' ? 0 : n + 1;
		if (v.p[i] == '.')
			label = i + 1;
		if ((v.p[i] == '.' && (i == 0 || v.p[i - 1] == '.')) || n > LABEL_MOST ||
		    (v.p[i] != '.' && v.p[i] != '-' && !ascii_alpha(v.p[i]) && !ascii_digit(v.p[i])))
			return false;
	}
	return label < v.n && ascii_alpha(v.p[label]);
}

static bool take_port(struct view v, uint16_t *ret)
{
	unsigned port = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (!ascii_digit(v.p[i]) || i == 5)
			return false;
		port = port * 10 + (unsigned)(v.p[i] - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool is_path(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 0x7f || v.p[i] == '#' || v.p[i] == '\\')
			return false;
	return v.n == 0 || v.p[0] == '/';
}

enum status revocation_url_parse(struct view url, struct revocation_url *ret)
{
	struct revocation_url u = { .clear = view_starts_i(url, VIEW("http://")), .port = 443 };
	struct view left, host, path;
	size_t colon;

	if (url.n > REVOCATION_URL_MAX || (!u.clear && !view_starts_i(url, VIEW("https://"))))
		return ST_SYNTAX;
	left = view_skip(url, u.clear ? 7 : 8);
	host = view_head(left, view_find(left, '/'));
	path = view_skip(left, host.n);
	colon = view_find(host, ':');
	if (u.clear)
		u.port = 80;
	if ((colon < host.n && !take_port(view_skip(host, colon + 1), &u.port)) || !is_host_name(view_head(host, colon)) ||
	    !is_path(path))
		return ST_SYNTAX;
	memcpy(u.host, host.p, colon < host.n ? colon : host.n);
	if (path.n)
		memcpy(u.path, path.p, path.n);
	else
		u.path[0] = '/';
	*ret = u;
	return ST_OK;
}

/* RFC 6890 and what came since: all that is not of the public Internet, and what leads
 * elsewhere by an address within it.  Of IPv6 only 2000::/3 is public at all. */
static const struct {
	unsigned char head[6], bits;
} special4[] = {
	{ { 0 }, 8 }, { { 10 }, 8 }, { { 100, 64 }, 10 }, { { 127 }, 8 }, { { 169, 254 }, 16 }, { { 172, 16 }, 12 },
	{ { 192, 0, 0 }, 24 }, { { 192, 0, 2 }, 24 }, { { 192, 88, 99 }, 24 }, { { 192, 168 }, 16 }, { { 198, 18 }, 15 },
	{ { 198, 51, 100 }, 24 }, { { 203, 0, 113 }, 24 }, { { 224 }, 3 },
}, special6[] = {
	{ { 0x20, 0x01, 0x00, 0x00 }, 23 }, { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, { { 0x20, 0x02 }, 16 }, { { 0x3f, 0xff, 0x00 }, 20 },
};

static bool is_within(const unsigned char *address, const unsigned char *head, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	unsigned mask = 0xff00u >> rest & 0xff;

	return memcmp(address, head, whole) == 0 && (rest == 0 || (address[whole] & mask) == (head[whole] & mask));
}

bool is_public_address(int family, const unsigned char *address)
{
	if (family == AF_INET) {
		for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
			if (is_within(address, special4[i].head, special4[i].bits))
				return false;
		return true;
	}
	for (size_t i = 0; i < sizeof special6 / sizeof *special6; i++)
		if (is_within(address, special6[i].head, special6[i].bits))
			return false;
	return family == AF_INET6 && (address[0] & 0xe0) == 0x20;
}

/* ---- what a chain names ---- */

struct places {
	struct arena *a;
	struct revocation_place *all;
	size_t n;
};

static void add_place(struct places *p, const ASN1_IA5STRING *url, struct view request)
{
	struct view v = view_make((const char *)ASN1_STRING_get0_data(url), (size_t)ASN1_STRING_length(url));
	struct revocation_url u;

	if (p->n == REVOCATION_PLACES || revocation_url_parse(v, &u) != ST_OK)
		return;
	for (size_t i = 0; i < p->n; i++)
		if (view_eq(p->all[i].url, v))
			return;
	p->all[p->n].request = request;
	p->all[p->n++].url = arena_copy(p->a, v);
}

/* The first of each point that can be fetched: they are the same list (RFC 5280 4.2.1.13). */
static void add_lists(struct places *p, X509 *x)
{
	CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);

	for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
		const DIST_POINT *one = sk_DIST_POINT_value(points, i);
		size_t before = p->n;

		if (one->distpoint == NULL || one->distpoint->type != 0)
			continue;
		for (int k = 0; k < sk_GENERAL_NAME_num(one->distpoint->name.fullname) && p->n == before; k++) {
			const GENERAL_NAME *g = sk_GENERAL_NAME_value(one->distpoint->name.fullname, k);

			if (g->type == GEN_URI)
				add_place(p, g->d.uniformResourceIdentifier, VIEW_NONE);
		}
	}
	CRL_DIST_POINTS_free(points);
}

/* Without a nonce: responders answer with what they have signed before (RFC 6960 4.4.1). */
static struct view put_request(X509 *leaf, X509 *issuer, struct arena *a)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, issuer);
	unsigned char *der = NULL;
	struct view v = VIEW_NONE;
	int n = -1;

	if (q && id && OCSP_request_add0_id(q, id)) {
		id = NULL;
		n = i2d_OCSP_REQUEST(q, &der);
	}
	if (n > 0)
		v = arena_copy(a, view_make((const char *)der, (size_t)n));
	OPENSSL_free(der);
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(q);
	return v;
}

static void add_responders(struct places *p, X509 *leaf, X509 *issuer)
{
	AUTHORITY_INFO_ACCESS *all = X509_get_ext_d2i(leaf, NID_info_access, NULL, NULL);
	struct view request = VIEW_NONE;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(all); i++) {
		const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(all, i);

		if (OBJ_obj2nid(d->method) != NID_ad_OCSP || d->location->type != GEN_URI)
			continue;
		if (request.n == 0)
			request = put_request(leaf, issuer, p->a);
		if (request.n)
			add_place(p, d->location->d.uniformResourceIdentifier, request);
	}
	AUTHORITY_INFO_ACCESS_free(all);
}

enum status smime_revocation_places(struct smime_trust *t, X509 *leaf, STACK_OF(X509) *others, wall_ms now, struct arena *a,
				    struct revocation_place ret[REVOCATION_PLACES], size_t *ret_n)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct places p = { .a = a, .all = ret };
	STACK_OF(X509) *chain = NULL;

	if (ctx && X509_STORE_CTX_init(ctx, trust_store(t), leaf, others) == 1) {
		X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SMIME_SIGN);
		X509_STORE_CTX_set_time(ctx, 0, (time_t)(now / 1000));
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
		if (X509_verify_cert(ctx) == 1)
			chain = X509_STORE_CTX_get0_chain(ctx);
	}
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		add_lists(&p, sk_X509_value(chain, i));
	if (sk_X509_num(chain) > 1)
		add_responders(&p, leaf, sk_X509_value(chain, 1));
	*ret_n = p.n;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return ctx ? arena_status(a) : ST_NOMEM;
}

bool smime_list_is_fresh(struct view der, wall_ms now)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509_CRL *crl = der.n && der.n <= LIST_DER_MOST ? d2i_X509_CRL(NULL, &p, (long)der.n) : NULL;
	bool fresh = crl && X509_CRL_get0_nextUpdate(crl) && smime_time(X509_CRL_get0_nextUpdate(crl)) > now;

	X509_CRL_free(crl);
	ERR_clear_error();
	return fresh;
}

/* ---- what may be fetched ---- */

STACK_OF(X509) *smime_certificates_along(const struct smime_letter *l)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	for (size_t i = 0; all && i < l->n_certificates; i++) {
		X509 *x = smime_certificate(l->certificates[i]);

		if (x && sk_X509_push(all, x) <= 0)
			X509_free(x);
	}
	return all;
}

static const char *const wish_words[] = { "crl", "ocsp", "private" };

bool revocation_wish_take(struct view text, struct revocation_wish *ret)
{
	struct revocation_wish w = { 0 };
	bool *const to[] = { &w.crl, &w.ocsp, &w.private };

	while (text.n) {
		struct view one = view_head(text, view_find(text, ','));
		size_t i = 0;

		text = view_skip(text, one.n + 1);
		while (i < 3 && !view_eq(one, view_cstr(wish_words[i])))
			i++;
		if (i == 3)
			return false;
		*to[i] = true;
	}
	*ret = w;
	return true;
}

void revocation_wish_put(const struct revocation_wish *w, struct buf *out)
{
	const bool set[] = { w->crl, w->ocsp, w->private };
	size_t from = out->n;

	for (size_t i = 0; i < 3; i++)
		if (set[i])
			buf_putf(out, "%s%s", out->n > from ? "," : "", wish_words[i]);
}
