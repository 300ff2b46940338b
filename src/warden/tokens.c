#include "warden/tokens.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

enum { PART_MAX = 8192, RSA_BITS_LEAST = 2048, P256_SIZE = 32, ED25519_SIZE = 32, KID_MAX = 256 };

struct token_key {
	EVP_PKEY *pkey;
	const struct algorithm *algorithm;
	char kid[KID_MAX];	/* empty: it has none */
};

struct tokens {
	struct token_key key[TOKEN_KEYS_MAX];
	size_t n;
	char *issuer, *audience, *scope, *claim;
};

/* ---- base64url without padding (RFC 7515 2) ---- */

static int digit(char c)
{
	if (ascii_alpha(c))
		return c >= 'a' ? c - 'a' + 26 : c - 'A';
	if (ascii_digit(c))
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static enum status take_base64url(struct view v, struct buf *out)
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

static bool member(const json_t *jwk, const char *name, struct buf *out)
{
	const json_t *m = json_object_get(jwk, name);

	buf_clear(out);
	return json_is_string(m) &&
	       take_base64url(view_make(json_string_value(m), json_string_length(m)), out) == ST_OK && out->n;
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
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (bld && crv && strcmp(crv, "P-256") == 0 && member(jwk, "x", &x) && member(jwk, "y", &y) &&
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
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	EVP_PKEY *pkey = NULL;

	if (crv && strcmp(crv, "Ed25519") == 0 && member(jwk, "x", &x) && x.n == ED25519_SIZE)
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

static bool says(const json_t *o, const char *name, const char *want)
{
	const char *v = json_string_value(json_object_get(o, name));

	return v && strcmp(v, want) == 0;
}

static void take_key(struct tokens *t, const json_t *jwk)
{
	struct token_key *k = &t->key[t->n];
	const char *kid = json_string_value(json_object_get(jwk, "kid"));

	if (json_object_get(jwk, "use") && !says(jwk, "use", "sig"))
		return;
	for (size_t i = 0; i < ALGORITHMS_N && t->n < TOKEN_KEYS_MAX; i++) {
		if (!says(jwk, "kty", algorithms[i].kty) ||
		    (json_object_get(jwk, "alg") && !says(jwk, "alg", algorithms[i].name)))
			continue;
		k->pkey = algorithms[i].key(jwk);
		if (k->pkey == NULL || (kid && strlen(kid) >= KID_MAX)) {
			EVP_PKEY_free(k->pkey);
			k->pkey = NULL;
			return;
		}
		k->algorithm = &algorithms[i];
		memcpy(k->kid, kid ? kid : "", kid ? strlen(kid) + 1 : 1);
		t->n++;
		return;
	}
}

void tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		EVP_PKEY_free(t->key[i].pkey);
	free(t->issuer);
	free(t->audience);
	free(t->scope);
	free(t->claim);
	free(t);
}

enum status tokens_new(struct view json, const struct token_rules *rules, struct tokens **ret)
{
	json_t *root = json_loadb(json.p ? json.p : "", json.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(root, "keys");
	struct tokens *t = calloc(1, sizeof *t);

	for (size_t i = 0; t && i < json_array_size(keys); i++)
		take_key(t, json_array_get(keys, i));
	json_decref(root);
	ERR_clear_error();
	if (t == NULL)
		return ST_NOMEM;
	t->issuer = strdup(rules->issuer);
	t->audience = strdup(rules->audience);
	t->scope = strdup(rules->scope);
	t->claim = strdup(rules->claim);
	/* Without these two a token made for anything at all would be good. */
	if (t->n && t->issuer && t->audience && t->scope && t->claim && t->issuer[0] && t->audience[0]) {
		*ret = t;
		return ST_OK;
	}
	tokens_free(t);
	return ST_SYNTAX;
}

/* ---- a token ---- */

static json_t *take_json(struct view part)
{
	struct buf text = BUF(PART_MAX);
	json_t *o = NULL;

	if (take_base64url(part, &text) == ST_OK && text.n)
		o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	buf_free(&text);
	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static bool is_signed(const struct tokens *t, const json_t *head, struct view text, struct view sig)
{
	const char *kid = json_string_value(json_object_get(head, "kid"));

	/* "crit": extensions that must be understood; there are none (RFC 7515
	 * 4.1.11). */
	if (json_object_get(head, "crit"))
		return false;
	for (size_t i = 0; i < t->n; i++) {
		const struct token_key *k = &t->key[i];

		if (!says(head, "alg", k->algorithm->name) || (kid && k->kid[0] && strcmp(kid, k->kid) != 0))
			continue;
		if (k->algorithm->verify(k->pkey, text, sig))
			return true;
	}
	return false;
}

/* "aud" is a text or a list of them (RFC 7519 4.1.3). */
static bool is_for(const json_t *claims, const char *audience)
{
	const json_t *aud = json_object_get(claims, "aud");

	for (size_t i = 0; i < json_array_size(aud); i++) {
		const char *one = json_string_value(json_array_get(aud, i));

		if (one && strcmp(one, audience) == 0)
			return true;
	}
	return says(claims, "aud", audience);
}

static bool in_time(const json_t *claims, wall_ms now)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
	double s = (double)now / 1000;

	/* Without an end it would be a password. */
	if (!json_is_number(exp) || json_number_value(exp) + TOKEN_SKEW_S <= s)
		return false;
	return nbf == NULL || (json_is_number(nbf) && json_number_value(nbf) - TOKEN_SKEW_S <= s);
}

/* "scope" is words (RFC 8693 4.2), "scp" a list of them elsewhere. */
static bool has_scope(const json_t *claims, const char *scope)
{
	struct view left = view_cstr(json_string_value(json_object_get(claims, "scope")));
	const json_t *scp = json_object_get(claims, "scp");

	while (left.n) {
		size_t n = view_find(left, ' ');

		if (view_eq(view_head(left, n), view_cstr(scope)))
			return true;
		left = view_skip(left, n + 1);
	}
	for (size_t i = 0; i < json_array_size(scp); i++) {
		const char *one = json_string_value(json_array_get(scp, i));

		if (one && strcmp(one, scope) == 0)
			return true;
	}
	return scope[0] == '\0';
}

static enum status check_claims(const struct tokens *t, const json_t *claims, wall_ms now, struct buf *ret)
{
	const json_t *who = json_object_get(claims, t->claim);

	if (!says(claims, "iss", t->issuer) || !is_for(claims, t->audience) || !in_time(claims, now) ||
	    !has_scope(claims, t->scope) || json_is_false(json_object_get(claims, "email_verified")))
		return ST_DENIED;
	if (!json_is_string(who) || json_string_length(who) == 0)
		return ST_DENIED;
	buf_put(ret, view_make(json_string_value(who), json_string_length(who)));
	return buf_status(ret) == ST_OK ? ST_OK : ST_DENIED;
}

enum status token_check(const struct tokens *t, struct view token, wall_ms now, struct buf *ret_who)
{
	struct view head = view_head(token, view_find(token, '.')), rest = view_skip(token, head.n + 1);
	struct view body = view_head(rest, view_find(rest, '.')), tail = view_skip(rest, body.n + 1);
	struct view text = view_head(token, head.n + 1 + body.n);
	struct buf sig = BUF(PART_MAX);
	json_t *h, *claims;
	enum status st = ST_SYNTAX;

	if (token.n > TOKEN_MAX || head.n == 0 || body.n == 0 || tail.n == 0 || take_base64url(tail, &sig) != ST_OK) {
		buf_free(&sig);
		return ST_SYNTAX;
	}
	h = take_json(head);
	if (h)
		st = is_signed(t, h, text, buf_view(&sig)) ? ST_OK : ST_DENIED;
	/* What it claims is looked at only when it is the issuer's. */
	claims = st == ST_OK ? take_json(body) : NULL;
	if (st == ST_OK)
		st = claims ? check_claims(t, claims, now, ret_who) : ST_SYNTAX;
	json_decref(h);
	json_decref(claims);
	buf_free(&sig);
	return st;
}
