/* test_tls.c - a handshake between a conn and OpenSSL's client, both on one
 * loop: names, a signer that waits, one that refuses, bytes in the way. */
#include "warden/keys.h"
#include "wire/tls.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	struct conn conn;	/* first: the server */
	struct loop *loop;
	struct tls *tls;
	int client_fd;
	const char *name;	/* that the client asks for */
	char shown[64];		/* common name that it saw */
	bool shaken;		/* the client is content */
	enum status server;
	bool client_done, ended;
};

static void stop_when_done(struct pair *p)
{
	if (p->client_done && p->ended)
		loop_stop(p->loop);
}

/* ---- the server: echoes a line ---- */

static void serve(struct conn *c)
{
	struct pair *p = (struct pair *)c;
	struct view line;

	if (!conn_has_tls(c)) {
		if (!c->readable)
			return;
		p->server = conn_start_tls(c, p->tls, "smtp", 2000);
		if (p->server != ST_OK)
			return;
	}
	while (!c->closing && conn_line(c, 100, &line) == ST_OK) {
		buf_put(conn_out(c), line);
		conn_close(c);
	}
}

static void ended(struct conn *c)
{
	struct pair *p = (struct pair *)c;

	p->ended = true;
	stop_when_done(p);
}

/* ---- the client ---- */

static bool more(struct pair *p, SSL *ssl, int rc)
{
	uint32_t wants = SSL_get_error(ssl, rc) == SSL_ERROR_WANT_READ ? EPOLLIN
			 : SSL_get_error(ssl, rc) == SSL_ERROR_WANT_WRITE ? EPOLLOUT : 0;

	return wants && loop_wait_fd(p->loop, p->client_fd, wants, clock_steady() + 5000) == ST_OK;
}

static void look(struct pair *p, SSL *ssl)
{
	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)), NID_commonName,
				  p->shown, sizeof p->shown);
}

static void client(void *arg)
{
	struct pair *p = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	char answer[16];
	int rc;

	SSL_set_fd(ssl, p->client_fd);
	if (p->name)
		SSL_set_tlsext_host_name(ssl, p->name);
	while ((rc = SSL_connect(ssl)) != 1 && more(p, ssl, rc))
		;
	if (rc == 1) {
		look(p, ssl);
		SSL_write(ssl, "hello\r\n", 7);
		while ((rc = SSL_read(ssl, answer, sizeof answer)) <= 0 && more(p, ssl, rc))
			;
		p->shaken = rc == 5 && memcmp(answer, "hello", 5) == 0;
		/* The end was said, not only cut. */
		while ((rc = SSL_read(ssl, answer, sizeof answer)) <= 0 && more(p, ssl, rc))
			;
		p->shaken &= (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(p->client_fd);
	p->client_done = true;
	stop_when_done(p);
}

static void shake(struct pair *p, struct tls *t, const char *name)
{
	int fds[2];

	*p = (struct pair){ .tls = t, .name = name, .server = ST_AGAIN };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(loop_new(&p->loop), ST_OK);
	p->client_fd = fds[1];
	p->conn.serve = serve;
	p->conn.ended = ended;
	p->conn.patience = 5000;
	assert_int_equal(conn_open(&p->conn, p->loop, fds[0]), ST_OK);
	conn_begin(&p->conn);
	assert_int_equal(co_start(client, p), ST_OK);
	loop_run(p->loop);
	loop_free(p->loop);
}

/* ---- certificates ---- */

static void make(const char *name, struct buf *chain, struct buf *key)
{
	*chain = BUF(KEY_FILE_MAX);
	*key = BUF(KEY_FILE_MAX);
	assert_int_equal(certificate_make(&(struct view){ name, strlen(name) }, 1, chain, key), ST_OK);
}

static void add(struct tls *t, const char *name)
{
	struct buf chain, key;

	make(name, &chain, &key);
	assert_int_equal(tls_add_with_key(t, buf_view(&chain), buf_view(&key)), ST_OK);
	buf_free(&chain);
	buf_free(&key);
}

static void test_by_name(void **state)
{
	static const char *const rows[][2] = { { "one.example", "one.example" }, { "two.example", "two.example" },
					       { "TWO.example", "two.example" }, { "three.example", "one.example" },
					       { NULL, "one.example" } };
	struct tls *t;

	(void)state;
	assert_int_equal(tls_new(&t), ST_OK);
	assert_false(tls_ready(t));
	tls_begin(t);
	add(t, "one.example");
	add(t, "two.example");
	assert_false(tls_ready(t));
	tls_show(t);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pair p;

		shake(&p, t, rows[i][0]);
		assert_int_equal(p.server, ST_OK);
		assert_true(p.shaken);
		assert_string_equal(p.shown, rows[i][1]);
	}
	tls_free(t);
}

/* ---- a signer elsewhere ---- */

struct elsewhere {
	struct keys *keys;
	struct loop **loop;
	unsigned asked;
	bool refuse;
	struct tls *show_meanwhile;	/* a list that is replaced while we wait */
};

static enum status sign(const struct tls_signer *s, enum tls_scheme scheme, struct view input, struct buf *ret)
{
	struct elsewhere *e = s->owner;

	e->asked++;
	if (e->show_meanwhile) {
		tls_begin(e->show_meanwhile);
		add(e->show_meanwhile, "later.example");
		tls_show(e->show_meanwhile);
		e->show_meanwhile = NULL;
	}
	loop_sleep(*e->loop, 20);
	return e->refuse ? ST_DENIED : keys_sign(e->keys, s->key, scheme, input, ret);
}

static int file_with(const struct buf *b)
{
	char name[] = "/tmp/waxwing-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0 && unlink(name) == 0);
	assert_int_equal(write(fd, b->p, b->n), b->n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void take(struct keys *k, struct buf *chain, struct buf *key)
{
	int a = file_with(chain), b = file_with(key);

	assert_int_equal(keys_take_chain(k, 0, a), ST_OK);
	assert_int_equal(keys_take_key(k, 0, b), ST_OK);
	assert_int_equal(keys_show(k), ST_OK);
	close(a);
	close(b);
}

static void test_signer(void **state)
{
	struct pair p = { 0 };
	struct elsewhere e = { .loop = &p.loop };
	struct buf chain, key;
	struct view pem;
	uint32_t number;
	struct tls *t;

	(void)state;
	make("far.example", &chain, &key);
	assert_int_equal(keys_new(&e.keys), ST_OK);
	take(e.keys, &chain, &key);
	assert_int_equal(keys_chain(e.keys, 0, &pem, &number), ST_OK);
	assert_int_equal(tls_new(&t), ST_OK);
	tls_begin(t);
	assert_int_equal(tls_add(t, pem, &(struct tls_signer){ sign, number, &e }), ST_OK);
	tls_show(t);
	shake(&p, t, NULL);
	assert_int_equal(p.server, ST_OK);
	assert_true(p.shaken && e.asked == 1);
	e.refuse = true;
	shake(&p, t, NULL);
	assert_int_equal(p.server, ST_DENIED);
	assert_false(p.shaken);
	/* The certificate is replaced in the middle of a handshake with it. */
	e.refuse = false;
	e.show_meanwhile = t;
	shake(&p, t, NULL);
	assert_true(p.shaken);
	assert_string_equal(p.shown, "far.example");
	shake(&p, t, NULL);
	assert_string_equal(p.shown, "later.example");
	tls_free(t);
	keys_free(e.keys);
	buf_free(&chain);
	buf_free(&key);
}

/* ---- what warden signs, and what not ---- */

static void test_keys(void **state)
{
	struct keys *k;
	struct buf chain, key, other_chain, other_key, sig = BUF(1024);
	char digest[64] = { 0 };
	struct view pem;
	uint32_t number, second;
	int fd;

	(void)state;
	make("a.example", &chain, &key);
	make("b.example", &other_chain, &other_key);
	assert_int_equal(keys_new(&k), ST_OK);
	assert_int_equal(keys_chain(k, 0, &pem, &number), ST_MISSING);
	take(k, &chain, &key);
	assert_int_equal(keys_chain(k, 0, &pem, &number), ST_OK);
	assert_int_equal(keys_sign(k, number, TLS_SIGN_ECDSA, view_make(digest, 32), &sig), ST_OK);
	assert_int_equal(keys_sign(k, number, TLS_SIGN_ECDSA, view_make(digest, 5), &sig), ST_DENIED);
	assert_int_equal(keys_sign(k, number, TLS_SIGN_RSA_PSS, view_make(digest, 64), &sig), ST_DENIED);
	assert_int_equal(keys_sign(k, number, 99, view_make(digest, 32), &sig), ST_DENIED);
	assert_int_equal(keys_sign(k, number + 1, TLS_SIGN_ECDSA, view_make(digest, 32), &sig), ST_MISSING);
	/* The one before is still good for what is on its way, once. */
	take(k, &other_chain, &other_key);
	assert_int_equal(keys_chain(k, 0, &pem, &second), ST_OK);
	assert_int_not_equal(number, second);
	assert_int_equal(keys_sign(k, number, TLS_SIGN_ECDSA, view_make(digest, 32), &sig), ST_OK);
	take(k, &other_chain, &other_key);
	assert_int_equal(keys_sign(k, number, TLS_SIGN_ECDSA, view_make(digest, 32), &sig), ST_MISSING);
	/* A key that is not the certificate's. */
	fd = file_with(&chain);
	assert_int_equal(keys_take_chain(k, 0, fd), ST_OK);
	close(fd);
	fd = file_with(&other_key);
	assert_int_equal(keys_take_key(k, 0, fd), ST_SYNTAX);
	close(fd);
	fd = file_with(&key);
	assert_int_equal(keys_take_chain(k, 0, fd), ST_SYNTAX);
	close(fd);
	keys_free(k);
	buf_free(&chain);
	buf_free(&key);
	buf_free(&other_chain);
	buf_free(&other_key);
	buf_free(&sig);
}

/* The padded block of a signature that OpenSSL has made itself. */
static void make_pss(EVP_PKEY *key, const EVP_MD *md, unsigned char *block, size_t *n, unsigned char *sig)
{
	EVP_MD_CTX *sign = EVP_MD_CTX_new();
	EVP_PKEY_CTX *c, *raw = EVP_PKEY_CTX_new(key, NULL);
	size_t size = *n;

	assert_int_equal(EVP_DigestSignInit(sign, &c, md, NULL, key), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST), 1);
	assert_int_equal(EVP_DigestSign(sign, sig, &size, (const unsigned char *)"a letter", 8), 1);
	assert_int_equal(EVP_PKEY_verify_recover_init(raw), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(raw, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_verify_recover(raw, block, n, sig, size), 1);
	EVP_MD_CTX_free(sign);
	EVP_PKEY_CTX_free(raw);
}

static void check_pss(EVP_PKEY *key, const EVP_MD *md)
{
	unsigned char block[512], sig[512];
	struct buf ret = BUF(1024);
	size_t n = sizeof block;

	make_pss(key, md, block, &n, sig);
	assert_int_equal(key_sign(key, TLS_SIGN_RSA_PSS, view_make((char *)block, n), &ret), ST_OK);
	assert_true(view_eq(buf_view(&ret), view_make((char *)sig, n)));
	for (size_t i = 0; i < n; i++) {
		block[i] ^= 1;
		/* In the salt everything is right. */
		if (key_sign(key, TLS_SIGN_RSA_PSS, view_make((char *)block, n), &ret) == ST_OK)
			assert_true(i >= n - 2 * (size_t)EVP_MD_get_size(md) - 1 && i < n - (size_t)EVP_MD_get_size(md) - 1);
		block[i] ^= 1;
	}
	buf_free(&ret);
}

/* RSA: what was encrypted to the key, hidden behind a factor until it ends as PSS does. */
static void check_no_decryption(EVP_PKEY *key)
{
	unsigned char block[512];
	struct buf ret = BUF(1024);
	BIGNUM *n = NULL, *e = NULL, *c = BN_new(), *r = BN_new(), *hidden = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	int size = EVP_PKEY_get_size(key), tried = 0;

	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e), 1);
	assert_int_equal(BN_rand_range(c, n), 1);
	for (unsigned long i = 2; tried < 2; i++) {
		assert_int_equal(BN_set_word(r, i), 1);
		assert_int_equal(BN_mod_exp(hidden, r, e, n, ctx), 1);
		assert_int_equal(BN_mod_mul(hidden, hidden, c, n, ctx), 1);
		assert_int_equal(BN_bn2binpad(hidden, block, size), size);
		if (block[size - 1] != 0xbc)
			continue;
		tried++;
		assert_int_equal(key_sign(key, TLS_SIGN_RSA_PSS, view_make((char *)block, (size_t)size), &ret), ST_DENIED);
	}
	BN_free(n);
	BN_free(e);
	BN_free(c);
	BN_free(r);
	BN_free(hidden);
	BN_CTX_free(ctx);
	buf_free(&ret);
}

static void test_pss(void **state)
{
	/* One bit more or less is another place for the first one. */
	static const unsigned sizes[] = { 2048, 2049, 2050 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		EVP_PKEY *key = EVP_RSA_gen(sizes[i]);

		check_pss(key, EVP_sha256());
		check_pss(key, EVP_sha384());
		check_pss(key, EVP_sha512());
		check_no_decryption(key);
		EVP_PKEY_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_signer),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_pss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
