#include "wire/tls_internal.h"

/* EC_KEY_METHOD and RSA_METHOD are the only way to put a function of ours in
 * the place of a private key without writing a provider. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct certificates {
	SSL_CTX *ctx[TLS_CERTIFICATES_MAX];
	size_t n;
	bool asks_clients;
};

struct tls {
	struct certificates shown, next;
	EC_KEY_METHOD *ec;
	RSA_METHOD *rsa;
};

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";

/* ---- a key that is elsewhere ---- */

/* "Application data" is the first of OpenSSL's slots for data of others. */
enum { APP_DATA = 0 };

static size_t ask_signer(const struct tls_signer *s, enum tls_scheme scheme, const unsigned char *in,
			 int n, unsigned char *out, size_t room)
{
	struct buf sig = BUF(TLS_SIGNATURE_MAX);
	size_t got = 0;

	if (s && n >= 0 && s->sign(s, scheme, view_make((const char *)in, (size_t)n), &sig) == ST_OK &&
	    buf_status(&sig) == ST_OK && sig.n <= room) {
		memcpy(out, sig.p, sig.n);
		got = sig.n;
	}
	buf_free(&sig);
	return got;
}

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *sig, unsigned *siglen,
		   const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	size_t got = ask_signer(EC_KEY_get_ex_data(key, APP_DATA), TLS_SIGN_ECDSA, digest, n, sig,
				(size_t)ECDSA_size(key));

	(void)type;
	(void)kinv;
	(void)r;
	*siglen = (unsigned)got;
	return got > 0;
}

static int rsa_private(int n, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
	enum tls_scheme scheme = padding == RSA_NO_PADDING ? TLS_SIGN_RSA_PSS : TLS_SIGN_RSA_PKCS1;
	size_t size = (size_t)RSA_size(key);

	if (padding != RSA_NO_PADDING && padding != RSA_PKCS1_PADDING)
		return -1;
	return ask_signer(RSA_get_ex_data(key, APP_DATA), scheme, from, n, to, size) == size ? (int)size : -1;
}

/* The key owns its signer, since a handshake may outlive the list that it
 * began with. */
static void ec_finish(EC_KEY *key)
{
	free(EC_KEY_get_ex_data(key, APP_DATA));
}

static int rsa_finish(RSA *key)
{
	free(RSA_get_ex_data(key, APP_DATA));
	return RSA_meth_get_finish(RSA_PKCS1_OpenSSL())(key);
}

static struct tls_signer *copy_of(const struct tls_signer *signer)
{
	struct tls_signer *mine = malloc(sizeof *mine);

	if (mine)
		*mine = *signer;
	return mine;
}

/* A key pair whose private half is the signer.  The public half is a copy. */
static EVP_PKEY *ec_pair(struct tls *t, EVP_PKEY *public, const struct tls_signer *signer)
{
	EC_KEY *ec = EVP_PKEY_get1_EC_KEY(public);
	EC_KEY *mine = ec ? EC_KEY_dup(ec) : NULL;
	EVP_PKEY *pair = EVP_PKEY_new();

	EC_KEY_free(ec);
	if (mine && pair && EC_KEY_set_method(mine, t->ec) &&
	    EC_KEY_set_ex_data(mine, APP_DATA, copy_of(signer)) && EVP_PKEY_assign_EC_KEY(pair, mine))
		return pair;
	EC_KEY_free(mine);
	EVP_PKEY_free(pair);
	return NULL;
}

static EVP_PKEY *rsa_pair(struct tls *t, EVP_PKEY *public, const struct tls_signer *signer)
{
	RSA *rsa = EVP_PKEY_get1_RSA(public);
	RSA *mine = rsa ? RSAPublicKey_dup(rsa) : NULL;
	EVP_PKEY *pair = EVP_PKEY_new();

	RSA_free(rsa);
	if (mine && pair && RSA_set_method(mine, t->rsa) &&
	    RSA_set_ex_data(mine, APP_DATA, copy_of(signer)) && EVP_PKEY_assign_RSA(pair, mine))
		return pair;
	RSA_free(mine);
	EVP_PKEY_free(pair);
	return NULL;
}

EVP_PKEY *tls_pair(struct tls *t, EVP_PKEY *public, const struct tls_signer *signer)
{
	switch (public ? EVP_PKEY_get_base_id(public) : 0) {
	case EVP_PKEY_EC:
		return ec_pair(t, public, signer);
	case EVP_PKEY_RSA:
		return rsa_pair(t, public, signer);
	default:
		return NULL;
	}
}

/* ---- what a client asks for ---- */

/* Chooses the certificate by the name that the client names (RFC 6066 3); an
 * unknown one gets the first, since mail clients often name what DNS said. */
static int by_name(SSL *ssl, int *alert, void *arg)
{
	const struct conn *c = SSL_get_app_data(ssl);
	const struct certificates *list = &c->tls->shown;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)arg;
	for (size_t i = 0; name && list->n > 1 && i < list->n; i++)
		if (X509_check_host(SSL_CTX_get0_certificate(list->ctx[i]), name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, list->ctx[i]);
			break;
		}
	return SSL_TLSEXT_ERR_OK;
}

static int by_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		       const unsigned char *in, unsigned n, void *arg)
{
	const char *ours = ((const struct conn *)SSL_get_app_data(ssl))->protocol;

	(void)arg;
	if (ours == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned i = 0; i < n && n - i > in[i]; i += 1u + in[i])
		if (view_eq(view_make((const char *)in + i + 1, in[i]), view_cstr(ours))) {
			*out = in + i + 1;
			*outlen = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- certificates ---- */

static SSL_CTX *new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* One read for many records, instead of two for each. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_tlsext_servername_callback(ctx, by_name);
	SSL_CTX_set_alpn_select_cb(ctx, by_protocol, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) && SSL_CTX_set_cipher_list(ctx, ciphers) &&
	    SSL_CTX_set1_groups_list(ctx, groups) &&
	    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"waxwing", 7))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* The certificate itself first, then those above it. */
static enum status take_chain(SSL_CTX *ctx, struct view chain, X509 **ret_cert)
{
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL, *more;
	enum status st = cert && SSL_CTX_use_certificate(ctx, cert) ? ST_OK : ST_SYNTAX;

	while (st == ST_OK && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (!SSL_CTX_add1_chain_cert(ctx, more))
			st = ST_NOMEM;
		X509_free(more);
	}
	BIO_free(bio);
	X509_free(cert);
	ERR_clear_error();
	if (st == ST_OK)
		*ret_cert = SSL_CTX_get0_certificate(ctx);
	return st;
}

static EVP_PKEY *read_key(struct view pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static bool same_names(X509 *a, X509 *b)
{
	int i = X509_get_ext_by_NID(a, NID_subject_alt_name, -1), k = X509_get_ext_by_NID(b, NID_subject_alt_name, -1);

	return i >= 0 && k >= 0 && ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(a, i)),
							 X509_EXTENSION_get_data(X509_get_ext(b, k))) == 0;
}

/* The context of a certificate for the same names whose key is of another
 * kind, or NULL. */
static SSL_CTX *beside(const struct certificates *list, struct view chain)
{
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.n);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	SSL_CTX *found = NULL;

	for (size_t i = 0; x && i < list->n; i++) {
		X509 *there = SSL_CTX_get0_certificate(list->ctx[i]);

		if (EVP_PKEY_get_base_id(X509_get0_pubkey(there)) != EVP_PKEY_get_base_id(X509_get0_pubkey(x)) &&
		    same_names(there, x))
			found = list->ctx[i];
	}
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

/* key empty: the signer has it. */
static enum status add(struct tls *t, struct view chain, const struct tls_signer *signer, struct view key)
{
	struct certificates *list = &t->next;
	EVP_PKEY *pair = NULL;
	SSL_CTX *ctx, *old;
	X509 *x;
	enum status st;

	if (list->n == TLS_CERTIFICATES_MAX || chain.n > INT32_MAX || key.n > INT32_MAX)
		return ST_LIMIT;
	old = beside(list, chain);
	ctx = old ? old : new_context();
	st = ctx ? take_chain(ctx, chain, &x) : ST_NOMEM;
	if (st == ST_OK) {
		pair = signer ? tls_pair(t, X509_get0_pubkey(x), signer) : read_key(key);
		st = pair && SSL_CTX_use_PrivateKey(ctx, pair) ? ST_OK : ST_SYNTAX;
	}
	EVP_PKEY_free(pair);
	ERR_clear_error();
	if (old)
		return st;
	if (st == ST_OK)
		list->ctx[list->n++] = ctx;
	else
		SSL_CTX_free(ctx);
	return st;
}

enum status tls_add(struct tls *t, struct view chain, const struct tls_signer *signer)
{
	return add(t, chain, signer, VIEW_NONE);
}

enum status tls_add_with_key(struct tls *t, struct view chain, struct view key)
{
	return add(t, chain, NULL, key);
}

enum status tls_ticket_key(struct tls *t, struct view key)
{
	char copy[TLS_TICKET_KEY];

	if (key.n != sizeof copy)
		return ST_SYNTAX;
	memcpy(copy, key.p, sizeof copy);
	for (size_t i = 0; i < t->next.n; i++)
		if (!SSL_CTX_set_tlsext_ticket_keys(t->next.ctx[i], copy, sizeof copy))
			return ST_SYNTAX;
	OPENSSL_cleanse(copy, sizeof copy);
	return ST_OK;
}

enum status tls_authorities(struct tls *t, struct view pem)
{
	BIO *bio = pem.n ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *ca;
	enum status st = pem.n && bio == NULL ? ST_NOMEM : ST_OK;
	size_t found = 0;

	while (st == ST_OK && bio && (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		for (size_t i = 0; i < t->next.n; i++)
			if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(t->next.ctx[i]), ca) ||
			    !SSL_CTX_add_client_CA(t->next.ctx[i], ca))
				st = ST_NOMEM;
		found++;
		X509_free(ca);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (st == ST_OK && pem.n && found == 0)
		st = ST_SYNTAX;
	t->next.asks_clients = st == ST_OK && found > 0;
	return st;
}

static void forget(struct certificates *list)
{
	while (list->n)
		SSL_CTX_free(list->ctx[--list->n]);
	list->asks_clients = false;
}

void tls_begin(struct tls *t)
{
	forget(&t->next);
}

void tls_show(struct tls *t)
{
	forget(&t->shown);
	t->shown = t->next;
	t->next = (struct certificates){ .n = 0 };
}

bool tls_ready(const struct tls *t)
{
	return t->shown.n > 0;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	forget(&t->shown);
	forget(&t->next);
	EC_KEY_METHOD_free(t->ec);
	RSA_meth_free(t->rsa);
	free(t);
}

enum status tls_new(struct tls **ret)
{
	struct tls *t = calloc(1, sizeof *t);

	if (t == NULL)
		return ST_NOMEM;
	/* The machine's openssl.cnf is not ours to follow, nor to open once the
	 * process is locked in. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL)) {
		t->ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
		t->rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	}
	if (t->ec == NULL || t->rsa == NULL || !RSA_meth_set_priv_enc(t->rsa, rsa_private) ||
	    !RSA_meth_set_finish(t->rsa, rsa_finish)) {
		tls_free(t);
		return ST_NOMEM;
	}
	EC_KEY_METHOD_set_sign(t->ec, ec_sign, NULL, NULL);
	EC_KEY_METHOD_set_init(t->ec, NULL, ec_finish, NULL, NULL, NULL, NULL);
	*ret = t;
	return ST_OK;
}

/* ---- a conn's bytes ---- */

/* Why OpenSSL did not go on.  Not SSL_get_error: that looks at the thread's
 * queue of errors, in which another coroutine may have left something while
 * this one waited for a signature. */
static enum status tls_why_not(struct conn *c)
{
	SSL *ssl = c->secret;

	ERR_clear_error();
	if (SSL_want_read(ssl) && BIO_should_read(SSL_get_rbio(ssl))) {
		c->readable = false;
		return ST_AGAIN;
	}
	if (SSL_want_write(ssl) && BIO_should_write(SSL_get_wbio(ssl))) {
		c->writable = false;
		return ST_AGAIN;
	}
	return ST_CLOSED;
}

enum status tls_read(struct conn *c, char *p, size_t n, size_t *ret_n)
{
	enum status st;

	c->read_wants_write = false;
	if (SSL_read_ex(c->secret, p, n, ret_n))
		return ST_OK;
	st = tls_why_not(c);
	if (st == ST_AGAIN && !c->writable) {
		c->read_wants_write = true;
		c->readable = false;
	}
	return st;
}

enum status tls_write(struct conn *c, const char *p, size_t n, size_t *ret_n)
{
	enum status st;

	if (SSL_write_ex(c->secret, p, n, ret_n))
		return ST_OK;
	st = tls_why_not(c);
	/* Without renegotiation a write never waits for the other side. */
	return st == ST_AGAIN && c->writable ? ST_CLOSED : st;
}

void tls_end(struct conn *c)
{
	SSL *ssl = c->secret;

	if (!c->broken)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	c->secret = NULL;
	ERR_clear_error();
}

static const struct conn_io tls_io = { tls_read, tls_write, tls_end };

/* ---- the handshake ---- */

static enum status shake_hands(struct conn *c)
{
	for (;;) {
		enum status st;

		if (SSL_do_handshake(c->secret) == 1)
			return ST_OK;
		if (c->broken || c->timed_out)
			return c->timed_out ? ST_TIMEOUT : ST_CLOSED;
		st = tls_why_not(c);
		if (st == ST_AGAIN)
			st = conn_wait(c, c->writable ? &c->readable : &c->writable);
		else
			st = ST_DENIED;
		if (st != ST_OK)
			return st;
	}
}

enum status tls_shake_hands(struct conn *c, uint64_t timeout_ms)
{
	steady_ms limit_before = c->latest;
	enum status st;

	/* From the first byte to the last: no dripping. */
	conn_limit(c, timeout_ms);
	st = shake_hands(c);
	c->latest = limit_before;
	conn_alive(c);
	/* What came meanwhile may lie in OpenSSL. */
	c->readable = true;
	return st;
}

/* A certificate that nobody vouches for is no reason to end it: the client may
 * have a password too.  No tickets, since they would not bear the certificates
 * between. */
static int let_pass(int good, X509_STORE_CTX *ctx)
{
	(void)good;
	(void)ctx;
	return 1;
}

static void ask_client(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_PEER, let_pass);
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	SSL_set_num_tickets(ssl, 0);
}

static enum status new_ssl(struct conn *c, struct tls *t, const char *protocol)
{
	SSL *ssl = t->shown.n ? SSL_new(t->shown.ctx[0]) : NULL;

	if (ssl == NULL)
		return ST_NOMEM;
	if (!SSL_set_fd(ssl, c->watch.fd) || !SSL_set_app_data(ssl, c)) {
		SSL_free(ssl);
		return ST_NOMEM;
	}
	SSL_set_accept_state(ssl);
	if (c->wants_client && t->shown.asks_clients)
		ask_client(ssl);
	c->secret = ssl;
	c->tls = t;
	c->protocol = protocol;
	c->io = &tls_io;
	return ST_OK;
}

enum status conn_start_tls(struct conn *c, struct tls *t, const char *protocol, uint64_t timeout_ms)
{
	enum status st;

	if (conn_view(c).n || c->out.n)
		return ST_SYNTAX;
	st = new_ssl(c, t, protocol);
	if (st == ST_OK)
		st = tls_shake_hands(c, timeout_ms);
	if (st != ST_OK)
		c->broken = true;
	return st;
}

/* ---- what was agreed ---- */

const char *conn_tls_version(const struct conn *c)
{
	return c->secret ? SSL_get_version(c->secret) : NULL;
}

const char *conn_tls_cipher(const struct conn *c)
{
	return c->secret ? SSL_get_cipher_name(c->secret) : NULL;
}

static const char exporter_label[] = "EXPORTER-Channel-Binding";	/* RFC 9266 2 */
enum { EXPORTED = 32 };

/* The first Finished of the handshake: the client's, or in a resumed one the
 * server's (RFC 5929 3.1). */
static size_t first_finished(SSL *ssl, char *p, size_t n)
{
	return SSL_session_reused(ssl) ? SSL_get_finished(ssl, p, n) : SSL_get_peer_finished(ssl, p, n);
}

bool conn_tls_bindable(const struct conn *c)
{
	SSL *ssl = c->secret;

	return ssl && (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1);
}

const char *conn_tls_binding(const struct conn *c, struct buf *out)
{
	SSL *ssl = c->secret;
	char *p;
	size_t n;

	if (!conn_tls_bindable(c) || buf_reserve(out, TLS_BINDING_MAX, &p) != ST_OK)
		return "";
	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		n = EXPORTED;
		if (SSL_export_keying_material(ssl, (unsigned char *)p, n, exporter_label,
					       sizeof exporter_label - 1, NULL, 0, 0) != 1)
			return "";
		out->n += n;
		return "tls-exporter";
	}
	n = first_finished(ssl, p, TLS_BINDING_MAX);
	if (n == 0 || n > TLS_BINDING_MAX)
		return "";
	out->n += n;
	return "tls-unique";
}

bool conn_tls_has_client(const struct conn *c)
{
	return c->secret && SSL_get0_peer_certificate(c->secret) && SSL_get_verify_result(c->secret) == X509_V_OK;
}

static void put_der(X509 *x, struct buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);

	if (n > 0)
		put_view(out, view_make((const char *)der, (size_t)n));
	OPENSSL_free(der);
}

void conn_tls_client(const struct conn *c, struct buf *out)
{
	STACK_OF(X509) *more;

	if (!conn_tls_has_client(c))
		return;
	put_der(SSL_get0_peer_certificate(c->secret), out);
	more = SSL_get_peer_cert_chain(c->secret);
	for (int i = 0; i < sk_X509_num(more); i++)
		put_der(sk_X509_value(more, i), out);
}

const char *conn_tls_lacks(const struct conn *c, const struct tls_demand *l)
{
	SSL *ssl = c->secret;

	if (!tls_demand_is_set(l))
		return NULL;
	if (ssl == NULL)
		return "TLS is demanded here";
	if (strcmp(l->version, "1.3") == 0 && SSL_version(ssl) < TLS1_3_VERSION)
		return "TLS 1.3 is demanded here";
	if (SSL_get_cipher_bits(ssl, NULL) < l->bits)
		return "A stronger cipher is demanded here";
	if (l->client && !conn_tls_has_client(c))
		return "A certificate of the client is demanded here";
	return NULL;
}

void conn_tls_text(const struct conn *c, struct buf *out)
{
	if (c->secret)
		buf_putf(out, "%s %s %d bits", SSL_get_version(c->secret), SSL_get_cipher_name(c->secret),
			 SSL_get_cipher_bits(c->secret, NULL));
}
