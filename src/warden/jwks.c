#include "warden/jwks.h"

#include "base/json.h"
#include "conf/conf.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

enum { PART_MAX = 8192, RSA_BITS_LEAST = 2048, P256_SIZE = 32, ED25519_SIZE = 32, KID_MAX = 256 };

struct jwk {
	EVP_PKEY *pkey;
	const struct algorithm *algorithm;
	char kid[KID_MAX];	/* empty: it has none */
};

struct jwks {
	struct jwk key[JWKS_KEYS_MAX];
	size_t n;
};

/* ---- base64url ---- */

static int digit(char c)
{
	if (ascii_alpha(c))
		return c >= 'a' ? c - 'a' + 26 : c - 'A';
	if (ascii_digit(c))
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

enum status jwks_take_base64url(struct view v, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	if (v.n % 4 == 1)
		return ST_SYNTAX;
	for (size_t i = 0; i < v.n; i++) {
		int d = digit(v.p[i]);

		if (d < 0)
			return ST_SYNTAX;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_putc(out, (char)(bits >> have & 0xff));
		}
	}
	return bits & ((1u << have) - 1) ? ST_SYNTAX : buf_status(out);
}

/* ---- keys ---- */

static bool says(const json_t *o, const char *name, const char *want)
{
	return view_eq(json_member(o, name), view_cstr(want));
}

static bool member(const json_t *jwk, const char *name, struct buf *out)
{
	buf_clear(out);
	return jwks_take_base64url(json_member(jwk, name), out) == ST_OK && out->n;
}

static EVP_PKEY *from_params(const char *kind, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *pkey = NULL;

	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *rsa_key(const json_t *jwk)
{
	struct buf n = BUF(PART_MAX), e = BUF(PART_MAX);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn_n = NULL, *bn_e = NULL;
	EVP_PKEY *pkey = NULL;

	if (bld && member(jwk, "n", &n) && member(jwk, "e", &e)) {
		bn_n = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
		bn_e = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	}
	if (bn_n && bn_e && BN_num_bits(bn_n) >= RSA_BITS_LEAST && BN_num_bits(bn_n) <= 2 * 4096 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e))
		pkey = from_params("RSA", bld);
	BN_free(bn_n);
	BN_free(bn_e);
	OSSL_PARAM_BLD_free(bld);
	buf_free(&n);
	buf_free(&e);
	return pkey;
}

static EVP_PKEY *p256_key(const json_t *jwk)
{
	struct buf x = BUF(PART_MAX), y = BUF(PART_MAX), point = BUF(1 + 2 * P256_SIZE);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (bld && says(jwk, "crv", "P-256") && member(jwk, "x", &x) && member(jwk, "y", &y) &&
	    x.n == P256_SIZE && y.n == P256_SIZE) {
		buf_putc(&point, 4);	/* uncompressed */
		buf_put(&point, buf_view(&x));
		buf_put(&point, buf_view(&y));
		if (buf_status(&point) == ST_OK &&
		    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
		    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n))
			pkey = from_params("EC", bld);
	}
	OSSL_PARAM_BLD_free(bld);
	buf_free(&x);
	buf_free(&y);
	buf_free(&point);
	return pkey;
}

static EVP_PKEY *ed25519_key(const json_t *jwk)
{
	struct buf x = BUF(PART_MAX);
	EVP_PKEY *pkey = NULL;

	if (says(jwk, "crv", "Ed25519") && member(jwk, "x", &x) && x.n == ED25519_SIZE)
		pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
	buf_free(&x);
	return pkey;
}

/* ---- signatures ---- */

static bool verify(EVP_PKEY *key, const EVP_MD *md, struct view text, const unsigned char *sig, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, sig, n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static bool verify_rs256(EVP_PKEY *key, struct view text, struct view sig)
{
	return verify(key, EVP_sha256(), text, (const unsigned char *)sig.p, sig.n);
}

static bool verify_eddsa(EVP_PKEY *key, struct view text, struct view sig)
{
	return verify(key, NULL, text, (const unsigned char *)sig.p, sig.n);
}

/* r and s, 32 octets each (RFC 7518 3.4), as OpenSSL wants them. */
static bool verify_es256(EVP_PKEY *key, struct view text, struct view sig)
{
	ECDSA_SIG *pair = sig.n == 2 * P256_SIZE ? ECDSA_SIG_new() : NULL;
	unsigned char *der = NULL;
	BIGNUM *r, *s;
	int n;
	bool good;

	if (pair == NULL)
		return false;
	r = BN_bin2bn((const unsigned char *)sig.p, P256_SIZE, NULL);
	s = BN_bin2bn((const unsigned char *)sig.p + P256_SIZE, P256_SIZE, NULL);
	if (!r || !s || !ECDSA_SIG_set0(pair, r, s)) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(pair);
		return false;
	}
	n = i2d_ECDSA_SIG(pair, &der);
	good = n > 0 && verify(key, EVP_sha256(), text, der, (size_t)n);
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return good;
}

/* The only list: a kind of key has one algorithm. */
static const struct algorithm {
	const char *name, *kty;
	EVP_PKEY *(*key)(const json_t *jwk);
	bool (*verify)(EVP_PKEY *key, struct view text, struct view sig);
} algorithms[] = {
	{ "RS256", "RSA", rsa_key, verify_rs256 },
	{ "ES256", "EC", p256_key, verify_es256 },
	{ "EdDSA", "OKP", ed25519_key, verify_eddsa },
};
enum { ALGORITHMS_N = sizeof algorithms / sizeof *algorithms };

/* ---- the set ---- */

static void take_key(struct jwks *s, struct view allowed, const json_t *jwk)
{
	struct jwk *k = &s->key[s->n];
	struct view kid = json_member(jwk, "kid");

	if ((json_object_get(jwk, "use") && !says(jwk, "use", "sig")) || kid.n >= KID_MAX)
		return;
	for (size_t i = 0; i < ALGORITHMS_N; i++) {
		if (!says(jwk, "kty", algorithms[i].kty) || !conf_has_word(allowed, view_cstr(algorithms[i].name)) ||
		    (json_object_get(jwk, "alg") && !says(jwk, "alg", algorithms[i].name)))
			continue;
		k->pkey = algorithms[i].key(jwk);
		if (k->pkey == NULL)
			return;
		k->algorithm = &algorithms[i];
		if (kid.n)
			memcpy(k->kid, kid.p, kid.n);
		s->n++;
		return;
	}
}

void jwks_free(struct jwks *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		EVP_PKEY_free(s->key[i].pkey);
	free(s);
}

enum status jwks_new(struct view json, struct view allowed, struct jwks **ret)
{
	json_t *root = json_object_of(json);
	const json_t *keys = json_object_get(root, "keys");
	struct jwks *s = calloc(1, sizeof *s);

	for (size_t i = 0; s && i < json_array_size(keys) && s->n < JWKS_KEYS_MAX; i++)
		take_key(s, allowed, json_array_get(keys, i));
	json_decref(root);
	ERR_clear_error();
	if (s == NULL)
		return ST_NOMEM;
	if (s->n == 0) {
		jwks_free(s);
		return ST_SYNTAX;
	}
	*ret = s;
	return ST_OK;
}

enum status jwks_check(const struct jwks *s, struct view algorithm, const char *kid, struct view text,
		       struct view signature)
{
	enum status st = ST_MISSING;

	for (size_t i = 0; i < s->n; i++) {
		const struct jwk *k = &s->key[i];
		bool named = kid && k->kid[0];

		if (named && strcmp(kid, k->kid) != 0)
			continue;
		if (view_eq(algorithm, view_cstr(k->algorithm->name)) && k->algorithm->verify(k->pkey, text, signature))
			return ST_OK;
		if (named)
			st = ST_DENIED;
	}
	return st;
}
