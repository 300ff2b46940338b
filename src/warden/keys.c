#include "warden/keys.h"

#include "base/clock.h"
#include "wire/tls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECRET_SIZE = 32, DAY_MS = 86400000, PSS_TRAILER = 0xbc, COUNTER = 4, BLOCK_MOST = 2048 };

struct key {
	struct buf chain;	/* PEM */
	X509 *cert;		/* its first */
	EVP_PKEY *pkey;		/* NULL until its file came */
	uint32_t number;
};

struct key_list {
	struct key key[KEYS_MAX];
	size_t n;
};

struct keys {
	struct key_list shown, before, next;
	unsigned char secret[SECRET_SIZE];	/* of ticket keys */
};

static void list_free(struct key_list *l)
{
	while (l->n) {
		struct key *k = &l->key[--l->n];

		buf_free(&k->chain);
		X509_free(k->cert);
		EVP_PKEY_free(k->pkey);
		*k = (struct key){ 0 };
	}
}

enum status keys_new(struct keys **ret)
{
	struct keys *k = calloc(1, sizeof *k);

	if (k == NULL)
		return ST_NOMEM;
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) || RAND_bytes(k->secret, SECRET_SIZE) != 1) {
		free(k);
		return ST_NOMEM;
	}
	*ret = k;
	return ST_OK;
}

void keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	list_free(&k->shown);
	list_free(&k->before);
	list_free(&k->next);
	OPENSSL_cleanse(k->secret, SECRET_SIZE);
	free(k);
}

/* ---- files ---- */

enum status key_file_read(int fd, struct buf *b)
{
	for (;;) {
		char *p;
		ssize_t n;
		enum status st = buf_reserve(b, 4096, &p);

		if (st != ST_OK)
			return st;
		n = read(fd, p, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? ST_OK : ST_IO;
		b->n += (size_t)n;
	}
}

/* The first bytes of a digest of the public key (SubjectPublicKeyInfo). */
static uint32_t number_of(X509 *cert)
{
	unsigned char digest[SHA256_DIGEST_LENGTH] = { 0 };
	unsigned n = 0;
	uint32_t number;

	X509_pubkey_digest(cert, EVP_sha256(), digest, &n);
	memcpy(&number, digest, sizeof number);
	return number;
}

enum status keys_take_chain(struct keys *k, uint32_t index, int fd)
{
	struct key one = { .chain = BUF(KEY_FILE_MAX) };
	enum status st = key_file_read(fd, &one.chain);
	BIO *bio;

	if (index == 0)
		list_free(&k->next);
	if (index != k->next.n || index >= KEYS_MAX) {
		buf_free(&one.chain);
		return ST_LIMIT;
	}
	bio = st == ST_OK ? BIO_new_mem_buf(one.chain.p, (int)one.chain.n) : NULL;
	one.cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (one.cert == NULL) {
		buf_free(&one.chain);
		return st == ST_OK ? ST_SYNTAX : st;
	}
	one.number = number_of(one.cert);
	k->next.key[k->next.n++] = one;
	return ST_OK;
}

enum status keys_take_key(struct keys *k, uint32_t index, int fd)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	enum status st = key_file_read(fd, &pem);
	struct key *one;
	BIO *bio;

	if (index >= k->next.n || k->next.key[index].pkey)
		st = ST_LIMIT;
	if (st == ST_OK) {
		one = &k->next.key[index];
		bio = BIO_new_mem_buf(pem.p, (int)pem.n);
		one->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
		BIO_free(bio);
		if (one->pkey == NULL || X509_check_private_key(one->cert, one->pkey) != 1)
			st = ST_SYNTAX;
	}
	if (pem.p)
		OPENSSL_cleanse(pem.p, pem.cap);
	buf_free(&pem);
	return st;
}

static bool has_all(const struct key_list *l, const struct key_list *of)
{
	for (size_t i = 0; i < of->n; i++) {
		bool has = false;

		for (size_t j = 0; j < l->n; j++)
			has = has || l->key[j].number == of->key[i].number;
		if (!has)
			return false;
	}
	return true;
}

/* A session that began under a key which is not shown any more is not resumed:
 * who has that key's place now was never proved to its client. */
enum status keys_show(struct keys *k)
{
	enum status st = ST_OK;

	list_free(&k->before);
	k->before = k->shown;
	k->shown = k->next;
	k->next = (struct key_list){ 0 };
	if (!has_all(&k->shown, &k->before) && RAND_bytes(k->secret, SECRET_SIZE) != 1)
		st = ST_IO;
	return st;
}

size_t keys_count(const struct keys *k)
{
	return k->shown.n;
}

enum status keys_chain(const struct keys *k, uint32_t index, struct view *ret_pem, uint32_t *ret_key)
{
	if (index >= k->shown.n)
		return ST_MISSING;
	*ret_pem = buf_view(&k->shown.key[index].chain);
	*ret_key = k->shown.key[index].number;
	return ST_OK;
}

/* ---- signatures ---- */

static struct key *find(struct key_list *l, uint32_t number)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->key[i].number == number && l->key[i].pkey)
			return &l->key[i];
	return NULL;
}

/* MGF1 of the seed, put over p (RFC 8017 B.2.1). */
static bool mask(const EVP_MD *md, const unsigned char *seed, size_t size, unsigned char *p, size_t n)
{
	unsigned char in[EVP_MAX_MD_SIZE + COUNTER] = { 0 }, out[EVP_MAX_MD_SIZE];
	unsigned char *count = in + size + COUNTER - 1;

	memcpy(in, seed, size);
	/* One octet of the counter is enough for BLOCK_MOST. */
	for (size_t i = 0; i < n; i++) {
		if (i % size == 0) {
			*count = (unsigned char)(i / size);
			if (EVP_Digest(in, size + COUNTER, out, NULL, md, NULL) != 1)
				return false;
		}
		p[i] ^= out[i % size];
	}
	return true;
}

/* Is that block one of EMSA-PSS by this digest, with a salt of its length (RFC 8017
 * 9.1.1, RFC 8446 4.2.3)?  The last octet alone proves nothing: in one of 256 it is
 * right by chance, and who may choose (c times r^e) would have any c decrypted. */
static bool is_pss(const EVP_MD *md, const unsigned char *block, size_t n, int bits)
{
	unsigned char db[BLOCK_MOST];
	size_t size = (size_t)EVP_MD_get_size(md), spare = (size_t)(bits - 1) % 8, at = 0;

	/* The block is shorter than the modulus where that has one bit more. */
	if (spare == 0 && *block++ != 0)
		return false;
	n -= spare == 0;
	if (n > sizeof db || n < 2 * size + 2 || block[n - 1] != PSS_TRAILER)
		return false;
	n -= size + 1;
	memcpy(db, block, n);
	if ((spare && db[0] >> spare) || !mask(md, block + n, size, db, n))
		return false;
	if (spare)
		db[0] &= (unsigned char)((1u << spare) - 1);
	while (at < n - size - 1 && db[at] == 0)
		at++;
	return at == n - size - 1 && db[at] == 1;
}

static bool is_any_pss(struct view v, int bits)
{
	const EVP_MD *const all[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (is_pss(all[i], (const unsigned char *)v.p, v.n, bits))
			return true;
	return false;
}

/* Only what TLS and S/MIME sign: so a door that was taken over cannot make us decrypt. */
static bool decent(EVP_PKEY *pkey, uint32_t scheme, struct view input)
{
	int kind = EVP_PKEY_get_base_id(pkey);

	switch (scheme) {
	case TLS_SIGN_ECDSA:
		return kind == EVP_PKEY_EC && input.n >= 20 && input.n <= 64;
	case TLS_SIGN_RSA_PKCS1:
		return kind == EVP_PKEY_RSA && input.n >= 20 && input.n <= 128;
	case TLS_SIGN_RSA_PSS:
		return kind == EVP_PKEY_RSA && input.n == (size_t)EVP_PKEY_get_size(pkey) &&
		       is_any_pss(input, EVP_PKEY_get_bits(pkey));
	default:
		return false;
	}
}

enum status key_sign(EVP_PKEY *key, uint32_t scheme, struct view input, struct buf *ret)
{
	EVP_PKEY_CTX *ctx;
	size_t n = 0;
	char *p;
	enum status st = ST_NOMEM;

	if (!decent(key, scheme, input))
		return ST_DENIED;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx && EVP_PKEY_sign_init(ctx) == 1 &&
	    (scheme == TLS_SIGN_ECDSA ||
	     EVP_PKEY_CTX_set_rsa_padding(ctx, scheme == TLS_SIGN_RSA_PSS ? RSA_NO_PADDING
									  : RSA_PKCS1_PADDING) == 1) &&
	    EVP_PKEY_sign(ctx, NULL, &n, (const unsigned char *)input.p, input.n) == 1 &&
	    buf_reserve(ret, n, &p) == ST_OK &&
	    EVP_PKEY_sign(ctx, (unsigned char *)p, &n, (const unsigned char *)input.p, input.n) == 1) {
		ret->n += n;
		st = ST_OK;
	}
	EVP_PKEY_CTX_free(ctx);
	return st;
}

enum status keys_sign(struct keys *k, uint32_t number, uint32_t scheme, struct view input, struct buf *ret)
{
	struct key *key = find(&k->shown, number);

	if (key == NULL)
		key = find(&k->before, number);
	return key ? key_sign(key->pkey, scheme, input, ret) : ST_MISSING;
}

enum status keys_ticket(struct keys *k, char ret_key[TICKET_KEY_SIZE])
{
	char all[3 * SHA256_DIGEST_LENGTH];
	int64_t day = clock_wall() / DAY_MS;
	unsigned n;

	for (unsigned char i = 0; i < 3; i++) {
		unsigned char what[sizeof day + 1];

		memcpy(what, &day, sizeof day);
		what[sizeof day] = i;
		if (HMAC(EVP_sha256(), k->secret, SECRET_SIZE, what, sizeof what,
			 (unsigned char *)all + (size_t)i * SHA256_DIGEST_LENGTH, &n) == NULL)
			return ST_NOMEM;
	}
	memcpy(ret_key, all, TICKET_KEY_SIZE);
	OPENSSL_cleanse(all, sizeof all);
	return ST_OK;
}
