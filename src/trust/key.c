#include "trust/key.h"

#include "msg/decode.h"
#include "wire/rdata.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <xxhash.h>

enum { KEY_BYTES_MOST = 4096, KEY_RECORD_MOST = 8192, ED25519_SIZE = 32, RECORDS_TRIED = 4 };

static const char *const algorithms[SEAL_ALGORITHMS] = {
	[SEAL_RSA_SHA256] = "rsa-sha256", [SEAL_ED25519_SHA256] = "ed25519-sha256",
};

bool seal_algorithm_of(struct view name, enum seal_algorithm *ret)
{
	for (int i = 0; i < SEAL_ALGORITHMS; i++) {
		if (!view_eq(name, view_cstr(algorithms[i])))
			continue;
		*ret = (enum seal_algorithm)i;
		return true;
	}
	return false;
}

const char *seal_algorithm_name(enum seal_algorithm a)
{
	return algorithms[a];
}

const char *seal_result_name(enum seal_result r)
{
	static const char *const names[] = {
		[SEAL_NONE] = "none", [SEAL_PASS] = "pass", [SEAL_FAIL] = "fail", [SEAL_POLICY] = "policy",
		[SEAL_NEUTRAL] = "neutral", [SEAL_TEMPERROR] = "temperror", [SEAL_PERMERROR] = "permerror",
	};

	return names[r];
}

/* ---- base64 ---- */

enum status seal_decode(struct view text, struct buf *out)
{
	struct decoder d;
	size_t before = out->n;

	decoder_begin(&d, ENC_BASE64);
	decoder_put(&d, text, out);
	decoder_end(&d, out);
	if (buf_status(out) != ST_OK)
		return buf_status(out);
	return d.damaged || out->n == before ? ST_SYNTAX : ST_OK;
}

void seal_encode(struct view bytes, struct buf *out)
{
	size_t size = (bytes.n + 2) / 3 * 4;
	char *p;

	/* One byte more, for the NUL. */
	if (buf_reserve(out, size + 1, &p) != ST_OK)
		return;
	EVP_EncodeBlock((unsigned char *)p, (const unsigned char *)bytes.p, (int)bytes.n);
	out->n += size;
}

/* ---- the cache ---- */

struct cached_key {
	struct buf record;
	enum seal_algorithm algorithm;
	enum seal_result result;
	const char *problem;
	struct seal_key key;
};

struct key_cache {
	uint64_t seed;
	struct cached_key keys[KEY_CACHE];
};

struct key_cache *key_cache_new(void)
{
	struct key_cache *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->seed = (uint64_t)(uintptr_t)c ^ clock_steady();
	for (size_t i = 0; i < KEY_CACHE; i++)
		c->keys[i].record = BUF(KEY_RECORD_MOST);
	return c;
}

static void drop_key(struct seal_key *k)
{
	EVP_PKEY_CTX_free(k->verify);
	EVP_PKEY_free(k->pkey);
	*k = (struct seal_key){ 0 };
}

void key_free(struct seal_key *k)
{
	if (!k->cached)
		drop_key(k);
}

void key_cache_free(struct key_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < KEY_CACHE; i++) {
		buf_free(&c->keys[i].record);
		drop_key(&c->keys[i].key);
	}
	free(c);
}

static struct cached_key *slot_of(struct key_cache *c, struct view record, enum seal_algorithm algorithm)
{
	return &c->keys[(XXH3_64bits_withSeed(record.p, record.n, c->seed) + (uint64_t)algorithm) % KEY_CACHE];
}

/* ---- records ---- */

/* SubjectPublicKeyInfo, as everybody publishes it, or the bare RSAPublicKey that
 * RFC 6376 3.6.1 can be read to mean. */
static EVP_PKEY *decode_rsa(struct view bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	EVP_PKEY *k = d2i_PUBKEY(NULL, &p, (long)bytes.n);

	if (k == NULL) {
		p = (const unsigned char *)bytes.p;
		k = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)bytes.n);
	}
	ERR_clear_error();
	return k;
}

static EVP_PKEY *decode_key(struct view bytes, enum seal_algorithm algorithm)
{
	if (algorithm == SEAL_RSA_SHA256)
		return decode_rsa(bytes);
	if (bytes.n != ED25519_SIZE)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.p, bytes.n);
}

/* A huge exponent makes each verification slow. */
static bool exponent_fits(EVP_PKEY *k)
{
	BIGNUM *e = NULL;
	bool fits = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		    BN_num_bits(e) <= RSA_EXPONENT_BITS;

	BN_free(e);
	return fits;
}

static enum seal_result check_key(struct seal_key *k, enum seal_algorithm algorithm, const char **ret_problem)
{
	int bits = EVP_PKEY_get_bits(k->pkey);

	k->bits = bits > 0 ? (unsigned)bits : 0;
	if (algorithm == SEAL_ED25519_SHA256)
		return SEAL_PASS;
	if (EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA) {
		*ret_problem = "the key is of another kind than the signature";
		return SEAL_PERMERROR;
	}
	*ret_problem = "the key is too short to prove anything";
	if (k->bits < RSA_BITS_LEAST)
		return SEAL_POLICY;
	*ret_problem = "the key is too large";
	return k->bits > RSA_BITS_MOST || !exponent_fits(k->pkey) ? SEAL_POLICY : SEAL_PASS;
}

static const char *record_problem(const struct tags *t, enum seal_algorithm algorithm)
{
	const struct tag *k = tags_find(t, "k"), *h = tags_find(t, "h"), *s = tags_find(t, "s");
	struct view kind = algorithm == SEAL_RSA_SHA256 ? VIEW("rsa") : VIEW("ed25519");

	if (!view_eq(k ? k->value : VIEW("rsa"), kind))
		return "the key is of another kind than the signature";
	if (h && !tags_list_has(h->value, ':', VIEW("sha256")))
		return "the key is not for SHA-256";
	if (s && !tags_list_has(s->value, ':', VIEW("email")) && !tags_list_has(s->value, ':', VIEW("*")))
		return "the key is not for mail";
	return NULL;
}

static bool is_key_record(struct view record, struct tags *t)
{
	const struct tag *v;

	if (tags_parse(record, t) != ST_OK || tags_find(t, "p") == NULL)
		return false;
	v = tags_find(t, "v");
	return v == NULL || (v == &t->t[0] && view_eq(v->value, VIEW("DKIM1")));
}

/* Ready to verify with. */
static bool prepare(struct seal_key *k)
{
	if (EVP_PKEY_get_base_id(k->pkey) != EVP_PKEY_RSA)
		return true;
	k->verify = EVP_PKEY_CTX_new(k->pkey, NULL);
	return k->verify && EVP_PKEY_verify_init(k->verify) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(k->verify, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(k->verify, EVP_sha256()) == 1;
}

static enum seal_result parse(struct view record, enum seal_algorithm algorithm, struct seal_key *ret,
			      const char **ret_problem)
{
	struct buf bytes = BUF(KEY_BYTES_MOST);
	struct tags t;
	enum seal_result r = SEAL_PERMERROR;

	*ret_problem = "what is published there is no key record";
	if (!is_key_record(record, &t))
		return r;
	*ret_problem = "the key was revoked";
	if (tags_value(&t, "p").n == 0)
		return r;
	*ret_problem = record_problem(&t, algorithm);
	if (*ret_problem)
		return r;
	*ret_problem = "the key cannot be read";
	ret->testing = tags_list_has(tags_value(&t, "t"), ':', VIEW("y"));
	ret->strict = tags_list_has(tags_value(&t, "t"), ':', VIEW("s"));
	if (seal_decode(tags_value(&t, "p"), &bytes) == ST_OK)
		ret->pkey = decode_key(buf_view(&bytes), algorithm);
	buf_free(&bytes);
	if (ret->pkey == NULL)
		return r;
	r = check_key(ret, algorithm, ret_problem);
	if (r != SEAL_PASS)
		return r;
	*ret_problem = NULL;
	if (prepare(ret))
		return SEAL_PASS;
	*ret_problem = "no memory";
	return SEAL_TEMPERROR;
}

static enum seal_result parse_cached(struct view record, enum seal_algorithm algorithm, struct key_cache *cache,
				     struct seal_key *ret, const char **ret_problem)
{
	struct cached_key *slot = slot_of(cache, record, algorithm);

	if (slot->record.n == 0 || slot->algorithm != algorithm || !view_eq(buf_view(&slot->record), record)) {
		struct seal_key k = { 0 };

		drop_key(&slot->key);
		buf_clear(&slot->record);
		slot->result = parse(record, algorithm, &k, &slot->problem);
		slot->key = k;
		slot->key.cached = true;
		slot->algorithm = algorithm;
		/* Trouble of our own is not remembered. */
		if (slot->result != SEAL_TEMPERROR)
			buf_put(&slot->record, record);
	}
	*ret_problem = slot->problem;
	if (slot->result == SEAL_PASS)
		*ret = slot->key;
	return slot->result;
}

enum seal_result key_parse(struct view record, enum seal_algorithm algorithm, struct key_cache *cache,
			   struct seal_key *ret, const char **ret_problem)
{
	struct seal_key k = { 0 };
	enum seal_result r;

	if (cache && record.n <= KEY_RECORD_MOST)
		return parse_cached(record, algorithm, cache, ret, ret_problem);
	r = parse(record, algorithm, &k, ret_problem);
	if (r == SEAL_PASS)
		*ret = k;
	else
		drop_key(&k);
	return r;
}

/* ---- asking ---- */

static void put_key_name(struct view selector, struct view domain, struct buf *out)
{
	buf_put(out, selector);
	buf_puts(out, "._domainkey.");
	buf_put(out, domain);
}

void key_hint(struct resolver *r, struct view selector, struct view domain)
{
	struct buf name = BUF(DNS_NAME_MAX);

	put_key_name(selector, domain, &name);
	if (buf_status(&name) == ST_OK)
		dns_hint(r, buf_view(&name), DNS_TXT);
	buf_free(&name);
}

/* Of several records, which 3.6.2.2 leaves open, the first that is a key. */
static enum seal_result choose(const struct dns_answer *d, enum seal_algorithm algorithm,
			       struct key_cache *cache, struct arena *a, struct seal_key *ret,
			       const char **ret_problem)
{
	enum seal_result r = SEAL_PERMERROR;
	struct view text;

	*ret_problem = "what is published there is no key record";
	for (size_t i = 0; i < d->n && i < RECORDS_TRIED; i++) {
		if (dns_read_txt(d->rdata[i], a, &text) != ST_OK)
			continue;
		r = key_parse(text, algorithm, cache, ret, ret_problem);
		if (r == SEAL_PASS)
			break;
	}
	return r;
}

enum seal_result key_find(struct resolver *r, struct view selector, struct view domain,
			  enum seal_algorithm algorithm, struct key_cache *cache, struct arena *a,
			  struct seal_key *ret, const char **ret_problem)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct dns_answer d;
	enum status st;

	put_key_name(selector, domain, &name);
	st = buf_status(&name);
	if (st == ST_OK)
		st = dns_ask(r, buf_view(&name), DNS_TXT, a, &d);
	buf_free(&name);
	if (st == ST_LIMIT) {
		*ret_problem = "the name of the key is too long";
		return SEAL_PERMERROR;
	}
	if (st != ST_OK || d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS) {
		*ret_problem = "no answer for the key";
		return SEAL_TEMPERROR;
	}
	if (d.outcome != DNS_FOUND) {
		*ret_problem = "there is no such key";
		return SEAL_PERMERROR;
	}
	return choose(&d, algorithm, cache, a, ret, ret_problem);
}

/* ---- signatures ---- */

static bool verify_rsa(const struct seal_key *k, const uint8_t *digest, struct view signature)
{
	return EVP_PKEY_verify(k->verify, (const unsigned char *)signature.p, signature.n, digest, SHA256_SIZE) == 1;
}

/* RFC 8463 3: PureEdDSA over the digest. */
static bool verify_ed25519(EVP_PKEY *pkey, const uint8_t *digest, struct view signature)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n, digest, SHA256_SIZE) == 1;

	EVP_MD_CTX_free(c);
	return good;
}

bool key_verify(const struct seal_key *k, enum seal_algorithm algorithm, const uint8_t *digest,
		struct view signature)
{
	bool good = algorithm == SEAL_RSA_SHA256 ? verify_rsa(k, digest, signature) :
						   verify_ed25519(k->pkey, digest, signature);

	if (!good)
		ERR_clear_error();
	return good;
}

static enum status sign_rsa(EVP_PKEY *pkey, const uint8_t *digest, struct buf *out)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(pkey, NULL);
	size_t n = (size_t)EVP_PKEY_get_size(pkey);
	bool good = false;
	char *p;

	if (c && buf_reserve(out, n, &p) == ST_OK)
		good = EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
		       EVP_PKEY_sign(c, (unsigned char *)p, &n, digest, SHA256_SIZE) == 1;
	if (good)
		out->n += n;
	EVP_PKEY_CTX_free(c);
	return good ? ST_OK : ST_NOMEM;
}

static enum status sign_ed25519(EVP_PKEY *pkey, const uint8_t *digest, struct buf *out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = 64;
	bool good = false;
	char *p;

	if (c && buf_reserve(out, n, &p) == ST_OK)
		good = EVP_DigestSignInit(c, NULL, NULL, NULL, pkey) == 1 &&
		       EVP_DigestSign(c, (unsigned char *)p, &n, digest, SHA256_SIZE) == 1;
	if (good)
		out->n += n;
	EVP_MD_CTX_free(c);
	return good ? ST_OK : ST_NOMEM;
}

static enum status sign_with_key(struct signer *s, const uint8_t *digest, struct buf *out)
{
	EVP_PKEY *pkey = ((struct signer_with_key *)s)->pkey;

	return s->algorithm == SEAL_RSA_SHA256 ? sign_rsa(pkey, digest, out) : sign_ed25519(pkey, digest, out);
}

enum status signer_from_pem(struct view pem, struct view domain, struct view selector,
			    struct signer_with_key *ret)
{
	BIO *bio = pem.n && pem.n < 1 << 20 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	char none[] = "";	/* so that nobody is asked for a passphrase */
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;
	int kind = pkey ? EVP_PKEY_get_base_id(pkey) : 0;

	BIO_free(bio);
	ERR_clear_error();
	if (kind != EVP_PKEY_ED25519 && (kind != EVP_PKEY_RSA || EVP_PKEY_get_bits(pkey) < RSA_BITS_LEAST)) {
		EVP_PKEY_free(pkey);
		return ST_SYNTAX;
	}
	*ret = (struct signer_with_key){
		.signer = { .sign = sign_with_key, .domain = domain, .selector = selector,
			    .algorithm = kind == EVP_PKEY_RSA ? SEAL_RSA_SHA256 : SEAL_ED25519_SHA256 },
		.pkey = pkey,
	};
	return ST_OK;
}

void signer_free(struct signer_with_key *s)
{
	EVP_PKEY_free(s->pkey);
	s->pkey = NULL;
}
