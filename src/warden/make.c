/* make.c - a certificate of our own, for the time until there is a real one. */
#include "warden/keys.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

enum { YEARS = 10, SERIAL_BITS = 127, NAMES_MAX = 64 * 1024, COMMON_NAME_MAX = 64, NEXT_NAMES = 64 };

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return good;
}

static bool put_subject(X509 *x, struct view name, X509 *issuer)
{
	X509_NAME *subject = X509_get_subject_name(x);
	struct view first = view_head(name, COMMON_NAME_MAX);

	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)first.p, (int)first.n,
					  -1, 0) &&
	       X509_set_issuer_name(x, X509_get_subject_name(issuer));
}

static bool put_names(X509 *x, const struct view *names, size_t n, X509 *issuer)
{
	struct buf alt = BUF(NAMES_MAX);
	bool good;

	for (size_t i = 0; i < n; i++)
		buf_putf(&alt, "%sDNS:%.*s", i ? "," : "", VIEW_ARG(names[i]));
	buf_putc(&alt, '\0');
	good = buf_status(&alt) == ST_OK && extend(x, issuer, NID_subject_alt_name, alt.p) &&
	       extend(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
	       extend(x, issuer, NID_key_usage, "critical,digitalSignature") &&
	       extend(x, issuer, NID_ext_key_usage, "serverAuth");
	buf_free(&alt);
	return good;
}

static bool put_serial(X509 *x)
{
	BIGNUM *bn = BN_new();
	bool good = bn && BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
		    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));

	BN_free(bn);
	return good;
}

static bool fill(X509 *x, const struct certificate *c)
{
	X509 *issuer = c->issuer ? c->issuer : x;

	return X509_set_version(x, X509_VERSION_3) && put_serial(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -86400) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 365 * YEARS) && X509_set_pubkey(x, c->key) &&
	       put_subject(x, c->names[0], issuer) &&
	       (c->authority ? extend(x, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
			       extend(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign")
			     : put_names(x, c->names, c->n, issuer)) &&
	       extend(x, issuer, NID_subject_key_identifier, "hash") &&
	       X509_sign(x, c->issuer ? c->issuer_key : c->key, EVP_sha256());
}

X509 *certificate_of(const struct certificate *c)
{
	X509 *x = X509_new();

	if (x && c->n && fill(x, c))
		return x;
	X509_free(x);
	return NULL;
}

X509 *certificate_read(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return x;
}

static bool pem_out(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	buf_put(out, view_make(p, (size_t)n));
	return buf_status(out) == ST_OK;
}

enum status certificate_make(const struct view *names, size_t n, struct buf *ret_chain, struct buf *ret_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? certificate_of(&(struct certificate){ .key = key, .names = names, .n = n }) : NULL;
	BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
	bool good = x && chain && secret &&
		    PEM_write_bio_X509(chain, x) &&
		    PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) &&
		    pem_out(chain, ret_chain) && pem_out(secret, ret_key);

	BIO_free(chain);
	BIO_free(secret);
	X509_free(x);
	EVP_PKEY_free(key);
	return good ? ST_OK : ST_NOMEM;
}

/* The certificate is written last: where it is, its key is there too. */
static enum status write_pair(int dir, const char *pem, const char *secret, const struct buf *chain,
			      const struct buf *key)
{
	enum status st;

	(void)!disk_unlink(dir, secret);
	st = disk_write_file(dir, secret, O_EXCL, buf_view(key));
	if (st == ST_OK)
		st = disk_write_file(dir, pem, O_EXCL, buf_view(chain));
	return st == ST_OK ? disk_flush_all(dir) : st;
}

/* Makes it, where it is not there. */
static enum status make_pair(int dir, const char *pem, const char *secret, const struct view *names, size_t n)
{
	struct buf chain = BUF(KEY_FILE_MAX), key = BUF(KEY_FILE_MAX);
	enum status st = ST_EXISTS;

	if (faccessat(dir, pem, F_OK, 0) != 0) {
		st = certificate_make(names, n, &chain, &key);
		if (st == ST_OK)
			st = write_pair(dir, pem, secret, &chain, &key);
	}
	if (key.p)
		OPENSSL_cleanse(key.p, key.cap);
	buf_free(&chain);
	buf_free(&key);
	return st;
}

static enum status open_keys(const char *dir, bool make, int *ret)
{
	char path[4096];
	enum status st = ST_EXISTS;

	snprintf(path, sizeof path, "%s/keys", dir);
	if (make)
		st = disk_mkdir(AT_FDCWD, path, 0700);
	return st == ST_OK || st == ST_EXISTS ? disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, ret) : st;
}

enum status certificate_setup(const char *dir, const struct view *names, size_t n)
{
	int fd;
	enum status st = open_keys(dir, true, &fd);

	if (st != ST_OK)
		return st;
	st = make_pair(fd, "tls.pem", "tls.key", names, n);
	close(fd);
	return st;
}

/* ---- the next one ---- */

/* The names of hosts that a certificate bears, as they lie in it. */
static size_t names_of(const GENERAL_NAMES *all, struct view *out, size_t most)
{
	size_t n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(all) && n < most; i++) {
		int kind;
		const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &kind);

		if (kind == GEN_DNS)
			out[n++] = view_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	}
	return n;
}

enum status certificate_next(const char *dir)
{
	struct view names[NEXT_NAMES];
	char path[4096];
	GENERAL_NAMES *all = NULL;
	X509 *x;
	size_t n = 0;
	int fd;
	enum status st = open_keys(dir, false, &fd);

	if (st != ST_OK)
		return st;
	snprintf(path, sizeof path, "%s/keys/tls.pem", dir);
	x = certificate_read(path);
	if (x)
		all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	if (all)
		n = names_of(all, names, NEXT_NAMES);
	if (x == NULL)
		st = access(path, F_OK) == 0 ? ST_SYNTAX : ST_MISSING;
	else
		st = n ? make_pair(fd, "next.pem", "next.key", names, n) : ST_SYNTAX;
	GENERAL_NAMES_free(all);
	X509_free(x);
	close(fd);
	return st;
}

static enum status move(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to) == 0 ? ST_OK : status_of_errno(errno);
}

/* The key goes first: where next.pem is without next.key, the rest is to be done. */
enum status certificate_switch(const char *dir)
{
	int fd;
	enum status st = open_keys(dir, false, &fd);

	if (st != ST_OK)
		return st;
	if (faccessat(fd, "next.pem", F_OK, 0) != 0)
		st = ST_MISSING;
	else if (faccessat(fd, "next.key", F_OK, 0) == 0)
		st = move(fd, "next.key", "tls.key");
	if (st == ST_OK)
		st = move(fd, "next.pem", "tls.pem");
	if (st == ST_OK)
		st = disk_flush_all(fd);
	close(fd);
	return st;
}

enum status certificate_finish(const char *dir)
{
	int fd;
	enum status st = open_keys(dir, false, &fd);
	bool half;

	if (st != ST_OK)
		return st;
	half = faccessat(fd, "next.pem", F_OK, 0) == 0 && faccessat(fd, "next.key", F_OK, 0) != 0;
	close(fd);
	return half ? certificate_switch(dir) : ST_EXISTS;
}
