#include "mua/net/sasl_client.h"

#include "directory/scram.h"
#include "wire/sasl.h"
#include "wire/tls.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>

enum { NONCE_OCTETS = 18 };

struct client_mechanism {
	const char *name;
	enum status (*step)(struct sasl_client *l, struct view said, struct buf *out);
	enum scram_hash hash;
	bool plus;
};

static enum status plain_step(struct sasl_client *l, struct view said, struct buf *out);
static enum status scram_step(struct sasl_client *l, struct view said, struct buf *out);

/* The best first. */
static const struct client_mechanism mechanisms[] = {
	{ "SCRAM-SHA-512-PLUS", scram_step, SCRAM_SHA_512, true },
	{ "SCRAM-SHA-256-PLUS", scram_step, SCRAM_SHA_256, true },
	{ "SCRAM-SHA-1-PLUS", scram_step, SCRAM_SHA_1, true },
	{ "SCRAM-SHA-512", scram_step, SCRAM_SHA_512, false },
	{ "SCRAM-SHA-256", scram_step, SCRAM_SHA_256, false },
	{ "PLAIN", plain_step, 0, false },
};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static bool is_offered(struct view offered, const char *name)
{
	struct view word;

	while ((word = view_take_word(&offered)).n)
		if (view_eq_i(word, view_cstr(name)))
			return true;
	return false;
}

enum status sasl_client_begin(struct sasl_client *l, struct view offered, const struct conn *c, struct view user,
			struct view password)
{
	*l = (struct sasl_client){
		.user = user, .password = password, .binding = BUF(TLS_BINDING_MAX), .gs2 = BUF(LOGIN_TEXT_MAX),
		.text = BUF(LOGIN_TEXT_MAX), .nonce = BUF(LOGIN_TEXT_MAX),
	};
	l->binding_name = conn_has_tls(c) ? conn_tls_binding(c, &l->binding) : "";
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (!is_offered(offered, mechanisms[i].name) || (mechanisms[i].plus && l->binding_name[0] == '\0'))
			continue;
		l->row = &mechanisms[i];
		l->mechanism = mechanisms[i].name;
		return ST_OK;
	}
	return ST_MISSING;
}

enum status sasl_client_step(struct sasl_client *l, struct view said, struct buf *out)
{
	enum status st;

	buf_clear(out);
	st = l->row->step(l, said, out);
	l->step++;
	return st == ST_OK ? buf_status(out) : st;
}

void sasl_client_wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

void sasl_client_end(struct sasl_client *l)
{
	OPENSSL_cleanse(l->server_key, sizeof l->server_key);
	buf_free(&l->binding);
	buf_free(&l->gs2);
	buf_free(&l->text);
	buf_free(&l->nonce);
}

/* ---- PLAIN (RFC 4616 2) ---- */

static enum status plain_step(struct sasl_client *l, struct view said, struct buf *out)
{
	(void)said;
	if (l->step > 0 || view_find(l->user, '\0') < l->user.n || view_find(l->password, '\0') < l->password.n)
		return ST_SYNTAX;
	buf_putc(out, '\0');
	buf_put(out, l->user);
	buf_putc(out, '\0');
	buf_put(out, l->password);
	l->proved = true;
	return ST_OK;
}

/* ---- SCRAM (RFC 5802 3, 5, 7) ---- */

/* saslname (5.1). */
static void put_name(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == ',' || v.p[i] == '=')
			buf_puts(out, v.p[i] == ',' ? "=2C" : "=3D");
		else
			buf_putc(out, v.p[i]);
	}
}

static bool take_attribute(struct view *left, char name, struct view *ret)
{
	if (left->n < 2 || left->p[0] != name || left->p[1] != '=')
		return false;
	*ret = view_skip(*left, 2);
	ret->n = view_find(*ret, ',');
	*left = view_skip(*left, 2 + ret->n + 1);
	return true;
}

static enum status client_first(struct sasl_client *l, struct buf *out)
{
	unsigned char random[NONCE_OCTETS];

	if (RAND_bytes(random, sizeof random) != 1)
		return ST_IO;
	sasl_encode(view_make((const char *)random, sizeof random), &l->nonce);
	if (l->row->plus)
		buf_putf(&l->gs2, "p=%s,,", l->binding_name);
	else
		buf_puts(&l->gs2, l->binding_name[0] ? "y,," : "n,,");
	buf_puts(&l->text, "n=");
	put_name(l->user, &l->text);
	buf_puts(&l->text, ",r=");
	buf_put(&l->text, buf_view(&l->nonce));
	buf_put(out, buf_view(&l->gs2));
	buf_put(out, buf_view(&l->text));
	return buf_status(&l->text);
}

static bool mac(const EVP_MD *md, const unsigned char *key, size_t n, struct view text, unsigned char *out)
{
	return HMAC(md, key, (int)n, (const unsigned char *)text.p, text.n, out, NULL) != NULL;
}

/* l->text has the AuthMessage.  The proof, and ServerKey for later (3). */
static enum status prove(struct sasl_client *l, struct view salt, uint64_t iterations, unsigned char *proof)
{
	const EVP_MD *md = EVP_get_digestbyname(scram_digest(l->row->hash));
	size_t n = scram_size(l->row->hash);
	unsigned char salted[SCRAM_KEY_MAX], key[SCRAM_KEY_MAX], stored[SCRAM_KEY_MAX], signature[SCRAM_KEY_MAX];
	struct buf password = BUF(LOGIN_TEXT_MAX);
	enum status st = password_prepare(l->password, PREPARE_QUERY, &password);

	if (st == ST_OK &&
	    (md == NULL ||
	     PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, (const unsigned char *)salt.p,
			       (int)salt.n, (int)iterations, md, (int)n, salted) != 1 ||
	     !mac(md, salted, n, VIEW("Client Key"), key) ||
	     !mac(md, salted, n, VIEW("Server Key"), l->server_key) ||
	     EVP_Digest(key, n, stored, NULL, md, NULL) != 1 ||
	     !mac(md, stored, n, buf_view(&l->text), signature)))
		st = ST_NOMEM;
	for (size_t i = 0; st == ST_OK && i < n; i++)
		proof[i] = key[i] ^ signature[i];
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(key, sizeof key);
	if (password.p)
		OPENSSL_cleanse(password.p, password.cap);
	buf_free(&password);
	return st;
}

/* "r=OURS+THEIRS,s=SALT,i=COUNT" */
static bool take_server_first(const struct sasl_client *l, struct view said, struct view *ret_nonce,
			      struct buf *ret_salt, uint64_t *ret_iterations)
{
	struct view left = said, nonce, salt, count;

	return take_attribute(&left, 'r', &nonce) && take_attribute(&left, 's', &salt) &&
	       take_attribute(&left, 'i', &count) && nonce.n > l->nonce.n &&
	       view_eq(view_head(nonce, l->nonce.n), buf_view(&l->nonce)) && sasl_decode(salt, ret_salt) == ST_OK &&
	       ret_salt->n && view_u64(count, ret_iterations) && *ret_iterations > 0 &&
	       *ret_iterations <= LOGIN_ITERATIONS_MOST && (*ret_nonce = nonce, true);
}

static enum status client_final(struct sasl_client *l, struct view said, struct buf *out)
{
	struct buf salt = BUF(LOGIN_TEXT_MAX);
	unsigned char proof[SCRAM_KEY_MAX];
	struct view nonce;
	uint64_t iterations;
	enum status st = ST_SYNTAX;

	if (!take_server_first(l, said, &nonce, &salt, &iterations))
		goto out;
	if (l->row->plus)
		buf_put(&l->gs2, buf_view(&l->binding));
	buf_puts(out, "c=");
	sasl_encode(buf_view(&l->gs2), out);
	buf_puts(out, ",r=");
	buf_put(out, nonce);
	buf_putc(&l->text, ',');
	buf_put(&l->text, said);
	buf_putc(&l->text, ',');
	buf_put(&l->text, buf_view(out));
	st = buf_status(&l->text);
	if (st == ST_OK)
		st = prove(l, buf_view(&salt), iterations, proof);
	if (st == ST_OK) {
		buf_puts(out, ",p=");
		sasl_encode(view_make((const char *)proof, scram_size(l->row->hash)), out);
	}
out:
	buf_free(&salt);
	return st;
}

/* Who knows neither the password nor what is stored of it cannot sign this.
 * "e=" says that ours was wrong; the protocol's own words follow. */
static enum status check_server(struct sasl_client *l, struct view said)
{
	const EVP_MD *md = EVP_get_digestbyname(scram_digest(l->row->hash));
	size_t n = scram_size(l->row->hash);
	unsigned char signature[SCRAM_KEY_MAX];
	struct buf given = BUF(LOGIN_TEXT_MAX);
	struct view left = said, text;
	enum status st = ST_SYNTAX;

	if (take_attribute(&left, 'v', &text) && sasl_decode(text, &given) == ST_OK) {
		l->proved = md && mac(md, l->server_key, n, buf_view(&l->text), signature) && given.n == n &&
			    CRYPTO_memcmp(given.p, signature, n) == 0;
		st = l->proved ? ST_OK : ST_DENIED;
	} else if (take_attribute(&left, 'e', &text)) {
		st = ST_OK;
	}
	buf_free(&given);
	return st;
}

static enum status scram_step(struct sasl_client *l, struct view said, struct buf *out)
{
	switch (l->step) {
	case 0:
		return client_first(l, out);
	case 1:
		return client_final(l, said, out);
	case 2:
		return check_server(l, said);
	default:
		return ST_SYNTAX;
	}
}
