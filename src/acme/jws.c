#include "acme/jws.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { COORDINATE = 32, SIGNATURE_MAX = 128, JWK_MAX = 512 };

void acme_base64url(struct view v, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0;
	uint32_t held = 0;

	for (size_t i = 0; i < v.n; i++) {
		held = held << 8 | (unsigned char)v.p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			buf_putc(out, digits[held >> (bits - 6) & 63]);
	}
	if (bits)
		buf_putc(out, digits[held << (6 - bits) & 63]);
}

bool acme_is_plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < ' ' || v.p[i] > '~' || v.p[i] == '"' || v.p[i] == '\\')
			return false;
	return true;
}

/* ---- the key ---- */

static bool put_coordinate(const BIGNUM *n, struct buf *out)
{
	unsigned char octets[COORDINATE];

	if (n == NULL || BN_bn2binpad(n, octets, sizeof octets) != (int)sizeof octets)
		return false;
	acme_base64url(view_make((const char *)octets, sizeof octets), out);
	return true;
}

enum status acme_jwk(EVP_PKEY *key, struct buf *out)
{
	BIGNUM *x = NULL, *y = NULL;
	char curve[32] = "";
	size_t n;
	bool good = EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, &n) == 1 &&
		    strcmp(curve, "prime256v1") == 0 && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;

	if (good) {
		buf_puts(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
		good = put_coordinate(x, out);
		buf_puts(out, "\",\"y\":\"");
		good = good && put_coordinate(y, out);
		buf_puts(out, "\"}");
	}
	BN_free(x);
	BN_free(y);
	ERR_clear_error();
	return good ? buf_status(out) : ST_SYNTAX;
}

static void put_sha256(struct view v, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)(v.p ? v.p : ""), v.n, digest);
	acme_base64url(view_make((const char *)digest, sizeof digest), out);
}

enum status acme_thumbprint(EVP_PKEY *key, struct buf *out)
{
	struct buf jwk = BUF(JWK_MAX);
	enum status st = acme_jwk(key, &jwk);

	if (st == ST_OK)
		put_sha256(buf_view(&jwk), out);
	buf_free(&jwk);
	return st == ST_OK ? buf_status(out) : st;
}

enum status acme_digest(EVP_PKEY *key, struct view part1, struct view part2, struct buf *out)
{
	struct buf text = BUF(ACME_JWS_MAX);
	enum status st;

	buf_put(&text, part1);
	buf_put(&text, part2);
	buf_putc(&text, '.');
	st = acme_thumbprint(key, &text);
	if (st == ST_OK)
		put_sha256(buf_view(&text), out);
	buf_free(&text);
	return st == ST_OK ? buf_status(out) : st;
}

/* ---- signing ---- */

/* r and s beside each other (RFC 7518 3.4), not in DER. */
static bool put_signature(const unsigned char *der, size_t n, struct buf *out)
{
	const unsigned char *p = der;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
	unsigned char both[2 * COORDINATE];
	bool good = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), both, COORDINATE) == COORDINATE &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(s), both + COORDINATE, COORDINATE) == COORDINATE;

	if (good)
		acme_base64url(view_make((const char *)both, sizeof both), out);
	ECDSA_SIG_free(s);
	return good;
}

static enum status sign_es256(EVP_PKEY *key, struct view text, struct buf *out)
{
	unsigned char der[SIGNATURE_MAX];
	size_t n = sizeof der;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n) == 1 && put_signature(der, n, out);

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good ? buf_status(out) : ST_NOMEM;
}

/* The two parts, in the form with names (RFC 7515 7.2.2); what is signed lies in ret_text. */
static void begin(struct view protected, struct view payload, struct buf *text, struct buf *out)
{
	acme_base64url(protected, text);
	buf_puts(out, "{\"protected\":\"");
	buf_put(out, buf_view(text));
	buf_putc(text, '.');
	buf_puts(out, "\",\"payload\":\"");
	acme_base64url(payload, text);
	acme_base64url(payload, out);
	buf_puts(out, "\",\"signature\":\"");
}

enum status acme_sign(EVP_PKEY *key, const struct acme_saying *s, struct buf *out)
{
	struct buf head = BUF(ACME_JWS_MAX), text = BUF(ACME_JWS_MAX);
	enum status st = ST_OK;

	if (!acme_is_plain(s->url) || !acme_is_plain(s->nonce) || !acme_is_plain(s->account))
		return ST_SYNTAX;
	buf_putf(&head, "{\"alg\":\"ES256\",\"nonce\":\"%.*s\",\"url\":\"%.*s\",", VIEW_ARG(s->nonce), VIEW_ARG(s->url));
	if (s->account.n) {
		buf_putf(&head, "\"kid\":\"%.*s\"}", VIEW_ARG(s->account));
	} else {
		buf_puts(&head, "\"jwk\":");
		st = acme_jwk(key, &head);
		buf_putc(&head, '}');
	}
	begin(buf_view(&head), s->payload, &text, out);
	if (st == ST_OK)
		st = buf_status(&head) != ST_OK ? buf_status(&head) : buf_status(&text);
	if (st == ST_OK)
		st = sign_es256(key, buf_view(&text), out);
	buf_puts(out, "\"}");
	buf_free(&head);
	buf_free(&text);
	return st == ST_OK ? buf_status(out) : st;
}

enum status acme_bind(EVP_PKEY *key, struct view url, struct view id, struct view secret, struct buf *out)
{
	struct buf head = BUF(ACME_JWS_MAX), jwk = BUF(JWK_MAX), text = BUF(ACME_JWS_MAX);
	unsigned char mac[SHA256_DIGEST_LENGTH];
	unsigned n = sizeof mac;
	enum status st = acme_jwk(key, &jwk);

	if (!acme_is_plain(url) || !acme_is_plain(id) || secret.n == 0 || secret.n > ACME_JWS_MAX)
		st = ST_SYNTAX;
	buf_putf(&head, "{\"alg\":\"HS256\",\"kid\":\"%.*s\",\"url\":\"%.*s\"}", VIEW_ARG(id), VIEW_ARG(url));
	begin(buf_view(&head), buf_view(&jwk), &text, out);
	if (st == ST_OK)
		st = buf_status(&head) != ST_OK ? buf_status(&head) : buf_status(&text);
	if (st == ST_OK && HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)text.p, text.n, mac,
				&n) == NULL)
		st = ST_NOMEM;
	if (st == ST_OK)
		acme_base64url(view_make((const char *)mac, n), out);
	buf_puts(out, "\"}");
	buf_free(&head);
	buf_free(&jwk);
	buf_free(&text);
	return st == ST_OK ? buf_status(out) : st;
}
