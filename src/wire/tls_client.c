#include "wire/tls_client.h"

#include "wire/tls_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 256, NAME_MAX_ = 255 };

/* What can be resumed: a ring, the oldest is forgotten. */
struct resumable {
	unsigned char key[EVP_MAX_MD_SIZE];	/* of host, port and trust; all zero: none */
	SSL_SESSION *session;
	const char *verified;
};

struct tls_client {
	SSL_CTX *ctx;
	struct resumable sessions[SESSIONS_MAX];
	size_t next;
};

/* What a conn remembers beside its SSL: the SSL's application data. */
struct client_state {
	struct tls_client *client;
	unsigned char key[EVP_MAX_MD_SIZE];
	const char *verified;	/* of the session that is resumed */
	const char *why;
	long error;		/* X509_V_ code, of who had to be verified */
	bool done;
};

static struct client_state *state_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* ---- resuming ---- */

static void digest_view(EVP_MD_CTX *md, struct view v)
{
	uint64_t n = v.n;

	EVP_DigestUpdate(md, &n, sizeof n);
	EVP_DigestUpdate(md, v.p ? v.p : "", v.n);
}

/* Everything that the verification hangs on. */
static bool trust_key(const struct tls_trust *trust, unsigned char key[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned n;
	bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

	if (good) {
		const unsigned char flags[] = { (unsigned char)trust->how, trust->report, trust->check_ee_name };

		EVP_DigestUpdate(md, flags, sizeof flags);
		digest_view(md, trust->server_name);
		for (size_t i = 0; i < trust->n_names; i++)
			digest_view(md, trust->names[i]);
		for (size_t i = 0; i < trust->n_records; i++) {
			const struct dns_tlsa *r = &trust->records[i];
			const unsigned char kind[] = { r->usage, r->selector, r->matching };

			EVP_DigestUpdate(md, kind, sizeof kind);
			digest_view(md, r->data);
		}
		memset(key, 0, EVP_MAX_MD_SIZE);
		good = EVP_DigestFinal_ex(md, key, &n);
	}
	EVP_MD_CTX_free(md);
	return good;
}

static struct resumable *find_session(struct tls_client *t, const unsigned char *key)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (t->sessions[i].session && memcmp(t->sessions[i].key, key, EVP_MAX_MD_SIZE) == 0)
			return &t->sessions[i];
	return NULL;
}

/* The other side sent a ticket: keep it under the trust it was earned with. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct client_state *s = state_of(ssl);
	struct resumable *r;

	if (s == NULL || s->client == NULL || !s->done || !SSL_SESSION_is_resumable(session))
		return 0;
	r = find_session(s->client, s->key);
	if (r == NULL)
		r = &s->client->sessions[s->client->next++ % SESSIONS_MAX];
	SSL_SESSION_free(r->session);
	memcpy(r->key, s->key, sizeof r->key);
	r->session = session;
	r->verified = s->verified;
	return 1;
}

/* ---- the context ---- */

enum status tls_client_new(const char *authorities, struct tls_client **ret)
{
	struct tls_client *t = calloc(1, sizeof *t);
	enum status st = t && OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) ? ST_OK : ST_NOMEM;

	if (st == ST_OK) {
		t->ctx = SSL_CTX_new(TLS_client_method());
		st = t->ctx && SSL_CTX_dane_enable(t->ctx) > 0 &&
		     SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) &&
		     SSL_CTX_set_cipher_list(t->ctx, "HIGH:!aNULL:!PSK:!SRP:!kRSA:!3DES:@STRENGTH:+kRSA") ? ST_OK : ST_NOMEM;
	}
	if (st == ST_OK && authorities[0] && !SSL_CTX_load_verify_file(t->ctx, authorities))
		st = ST_MISSING;
	ERR_clear_error();
	if (st != ST_OK) {
		tls_client_free(t);
		return st;
	}
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(t->ctx, 1);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->ctx, keep_session);
	*ret = t;
	return ST_OK;
}

void tls_client_free(struct tls_client *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		SSL_SESSION_free(t->sessions[i].session);
	SSL_CTX_free(t->ctx);
	free(t);
}

/* ---- trust ---- */

static bool copy_name(struct view name, char out[NAME_MAX_ + 1])
{
	if (name.n == 0 || name.n > NAME_MAX_ || view_find(name, '\0') < name.n)
		return false;
	memcpy(out, name.p, name.n);
	out[name.n] = '\0';
	return true;
}

/* The names are those of X509_VERIFY_PARAM: any of them, no partial
 * wildcards; or one address. */
static bool set_names(SSL *ssl, const struct tls_trust *trust)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[NAME_MAX_ + 1];

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < trust->n_names; i++) {
		if (!copy_name(trust->names[i], name))
			return false;
		if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
			continue;
		ERR_clear_error();
		if (!X509_VERIFY_PARAM_add1_host(param, name, 0))
			return false;
	}
	return trust->n_names > 0;
}

static bool set_records(SSL *ssl, const struct tls_trust *trust)
{
	size_t usable = 0;
	char name[NAME_MAX_ + 1];

	/* The base name also becomes the SNI and the first reference name. */
	if (!copy_name(trust->n_names ? trust->names[0] : trust->server_name, name) || SSL_dane_enable(ssl, name) <= 0)
		return false;
	if (!trust->check_ee_name)
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < trust->n_records; i++) {
		const struct dns_tlsa *r = &trust->records[i];

		usable += SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
					    (const unsigned char *)r->data.p, r->data.n) > 0;
	}
	ERR_clear_error();
	return usable > 0;
}

static bool set_trust(SSL *ssl, const struct tls_trust *trust)
{
	char name[NAME_MAX_ + 1];

	if (trust->how == TLS_VERIFY_DANE && !set_records(ssl, trust))
		return false;
	if (trust->server_name.n &&
	    (!copy_name(trust->server_name, name) || !SSL_set_tlsext_host_name(ssl, name)))
		return false;
	/* A weak key in the way of nobody in particular is better than no TLS. */
	SSL_set_security_level(ssl, trust->how == TLS_VERIFY_NONE ? 1 : 2);
	SSL_set_verify(ssl, trust->how == TLS_VERIFY_NONE || trust->report ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	return trust->how == TLS_VERIFY_NONE || set_names(ssl, trust);
}

bool tlsa_is_usable(struct tls_client *t, const struct dns_tlsa *r)
{
	SSL *ssl = SSL_new(t->ctx);
	bool usable = ssl && SSL_dane_enable(ssl, "mx.example") > 0 &&
		      SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, (const unsigned char *)r->data.p,
					r->data.n) > 0;

	SSL_free(ssl);
	ERR_clear_error();
	return usable;
}

/* ---- the handshake ---- */

/* Which of the three it was, in words; static. */
static const char *verified_words(SSL *ssl, const struct tls_trust *trust)
{
	uint8_t usage = 0;

	if (trust->how == TLS_VERIFY_NONE || SSL_get_verify_result(ssl) != X509_V_OK ||
	    SSL_get0_peer_certificate(ssl) == NULL)
		return "not verified";
	if (trust->how == TLS_VERIFY_PKIX)
		return "PKIX verified";
	if (SSL_get0_dane_authority(ssl, NULL, NULL) < 0)
		return "not verified";
	SSL_get0_dane_tlsa(ssl, &usage, NULL, NULL, NULL, NULL);
	return usage == 3 ? "DANE-EE verified" : usage == 2 ? "DANE-TA verified" : "DANE verified";
}

static void client_end(struct conn *c)
{
	struct client_state *s = state_of(c->secret);

	tls_end(c);
	free(s);
}

static const struct conn_io client_io = { tls_read, tls_write, client_end };

static bool offer_protocol(SSL *ssl, const char *protocol)
{
	unsigned char list[32];
	size_t n = protocol ? strlen(protocol) : 0;

	if (n == 0 || n >= sizeof list)
		return n == 0;
	list[0] = (unsigned char)n;
	memcpy(list + 1, protocol, n);
	return SSL_set_alpn_protos(ssl, list, (unsigned)n + 1) == 0;
}

static enum status new_client(struct conn *c, struct tls_client *t, const struct tls_trust *trust,
			      const char *protocol)
{
	struct client_state *s = calloc(1, sizeof *s);
	SSL *ssl = s ? SSL_new(t->ctx) : NULL;
	struct resumable *r;

	if (ssl == NULL || !SSL_set_fd(ssl, c->watch.fd) || !SSL_set_app_data(ssl, s) ||
	    !trust_key(trust, s->key)) {
		SSL_free(ssl);
		free(s);
		return ST_NOMEM;
	}
	s->client = t;
	s->why = "the TLS handshake failed";
	if (!set_trust(ssl, trust) || !offer_protocol(ssl, protocol)) {
		SSL_free(ssl);
		free(s);
		return ST_SYNTAX;
	}
	r = find_session(t, s->key);
	if (r && SSL_set_session(ssl, r->session))
		s->verified = r->verified;
	SSL_set_connect_state(ssl);
	c->secret = ssl;
	c->io = &client_io;
	return ST_OK;
}

static void note_result(struct conn *c, const struct tls_trust *trust, enum status st)
{
	struct client_state *s = state_of(c->secret);
	long error = SSL_get_verify_result(c->secret);

	s->error = trust->how != TLS_VERIFY_NONE ? error : X509_V_OK;
	if (s->error != X509_V_OK)
		s->why = X509_verify_cert_error_string(error);
	else if (st == ST_OK)
		s->why = "ok";
	else if (st == ST_TIMEOUT)
		s->why = "the TLS handshake took too long";
	if (!SSL_session_reused(c->secret) || s->verified == NULL)
		s->verified = verified_words(c->secret, trust);
	s->done = st == ST_OK;
}

enum status conn_start_tls_client(struct conn *c, struct tls_client *t, const struct tls_trust *trust,
				  const char *protocol, uint64_t timeout_ms)
{
	enum status st;

	if (conn_view(c).n || c->out.n)
		return ST_SYNTAX;
	st = new_client(c, t, trust, protocol);
	if (st == ST_OK) {
		st = tls_shake_hands(c, timeout_ms);
		note_result(c, trust, st);
	}
	if (st != ST_OK)
		c->broken = true;
	return st;
}

const char *conn_tls_verified(const struct conn *c)
{
	const struct client_state *s = c->secret ? state_of(c->secret) : NULL;

	return s && s->verified ? s->verified : "not verified";
}

const char *conn_tls_why(const struct conn *c)
{
	const struct client_state *s = c->secret ? state_of(c->secret) : NULL;

	return s ? s->why : "no TLS";
}

long conn_tls_error(const struct conn *c)
{
	const struct client_state *s = c->secret ? state_of(c->secret) : NULL;

	return s ? s->error : X509_V_OK;
}

void conn_tls_chain(const struct conn *c, struct buf *out)
{
	STACK_OF(X509) *chain = c->secret ? SSL_get_peer_cert_chain(c->secret) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	for (int i = 0; bio && i < sk_X509_num(chain); i++)
		PEM_write_bio_X509(bio, sk_X509_value(chain, i));
	n = bio ? BIO_get_mem_data(bio, &p) : 0;
	if (n > 0)
		buf_put(out, view_make(p, (size_t)n));
	BIO_free(bio);
}

/* ---- without a connection ---- */

static STACK_OF(X509) *read_chain(struct view pem)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *x;

	while (chain && bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_push(chain, x)) {
			X509_free(x);
			break;
		}
	BIO_free(bio);
	ERR_clear_error();
	return chain;
}

enum status tls_verify_chain(struct tls_client *t, const struct tls_trust *trust, struct view pem,
			     long *ret_error, int *ret_depth)
{
	STACK_OF(X509) *chain = read_chain(pem);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	SSL *ssl = SSL_new(t->ctx);
	enum status st = chain && ctx && ssl ? ST_OK : ST_NOMEM;

	if (st == ST_OK && (sk_X509_num(chain) < 1 || !set_trust(ssl, trust)))
		st = ST_SYNTAX;
	if (st == ST_OK && (!X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(t->ctx), sk_X509_value(chain, 0), chain) ||
			    !X509_STORE_CTX_set_default(ctx, "ssl_server") ||
			    !X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), SSL_get0_param(ssl))))
		st = ST_NOMEM;
	if (st == ST_OK) {
		X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(ssl));
		X509_verify_cert(ctx);
		*ret_error = X509_STORE_CTX_get_error(ctx);
		SSL_set_verify_result(ssl, *ret_error);
		*ret_depth = SSL_get0_dane_authority(ssl, NULL, NULL);
	}
	X509_STORE_CTX_free(ctx);
	SSL_free(ssl);
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return st;
}
