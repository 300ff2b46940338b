/* authority.c - the certificate authority of the lab, which all of its hosts
 * trust: what MTA-STS and mail programs go by (RFC 8461 4.2, RFC 5280). */
#include "admin/lab/lab.h"

#include "admin/tell.h"
#include "warden/keys.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_MAX = 64 * 1024, WEB_NAMES = 3, NAME_SIZE = 256 };

/* ---- files ---- */

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return key;
}

static enum status write_pem(const char *path, const X509 *x, const EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf text = BUF(PEM_MAX);
	enum status st = ST_NOMEM;
	char *p;
	long n = 0;

	if (bio && (x ? PEM_write_bio_X509(bio, x) : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)))
		n = BIO_get_mem_data(bio, &p);
	if (n > 0) {
		buf_put(&text, view_make(p, (size_t)n));
		st = lab_write(path, &text);
	}
	buf_free(&text);
	BIO_free(bio);
	return st;
}

/* ---- certificates ---- */

static enum status make_authority(const char *certificate, const char *secret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const struct view name = VIEW("the authority of the lab");
	X509 *x = key ? certificate_of(&(struct certificate){ .key = key, .names = &name, .n = 1, .authority = true }) : NULL;
	enum status st = x ? write_pem(secret, NULL, key) : ST_NOMEM;

	if (st == ST_OK && chmod(secret, 0600) != 0)
		st = ST_IO;
	if (st == ST_OK)
		st = write_pem(certificate, x, NULL);
	X509_free(x);
	EVP_PKEY_free(key);
	return st;
}

struct authority {
	X509 *certificate;
	EVP_PKEY *key;
};

static enum status open_authority(const struct lab *l, struct authority *ret)
{
	char path[LAB_PATH], secret[LAB_PATH];
	enum status st = ST_OK;

	lab_path(l, path, "authority.pem");
	lab_path(l, secret, "authority.key");
	if (access(path, F_OK) != 0)
		st = make_authority(path, secret);
	*ret = (struct authority){ certificate_read(path), read_key(secret) };
	return st == ST_OK && (ret->certificate == NULL || ret->key == NULL) ? ST_MISSING : st;
}

static void close_authority(struct authority *a)
{
	X509_free(a->certificate);
	EVP_PKEY_free(a->key);
}

/* Of the key that lies there: TLSA records stay as they are.  What is so already
 * stays too. */
static enum status certify(const struct authority *a, const char *path, const char *key_path, const struct view *names,
			   size_t n, bool known)
{
	EVP_PKEY *key = read_key(key_path);
	X509 *now = certificate_read(path), *x = NULL;
	enum status st = key ? ST_OK : ST_MISSING;

	if (st == ST_OK && (now == NULL || (X509_verify(now, a->key) == 1) != known)) {
		x = certificate_of(&(struct certificate){
			.key = key, .names = names, .n = n, .issuer = known ? a->certificate : NULL, .issuer_key = a->key,
		});
		st = x ? write_pem(path, x, NULL) : ST_NOMEM;
	}
	X509_free(now);
	X509_free(x);
	EVP_PKEY_free(key);
	return st;
}

/* What is served over HTTPS has a key and certificate of its own. */
static enum status certify_web(const struct lab *l, const struct authority *a, const struct lab_place *p)
{
	static const char *const below[] = { "mta-sts", "autoconfig", "autodiscover" };
	char folder[LAB_PATH], path[LAB_PATH], secret[LAB_PATH], text[WEB_NAMES][NAME_SIZE];
	struct view names[WEB_NAMES];
	EVP_PKEY *key;
	enum status st = ST_OK;

	mkdir(lab_path(l, folder, "%s/keys/tls", p->domain), 0700);
	lab_path(l, path, "%s/keys/tls/web.pem", p->domain);
	if (access(lab_path(l, secret, "%s/keys/tls/web.key", p->domain), F_OK) != 0) {
		key = EVP_EC_gen("P-256");
		st = key ? write_pem(secret, NULL, key) : ST_NOMEM;
		EVP_PKEY_free(key);
		if (st == ST_OK && chmod(secret, 0600) != 0)
			st = ST_IO;
	}
	for (int i = 0; i < WEB_NAMES; i++) {
		snprintf(text[i], NAME_SIZE, "%s.%s", below[i], p->domain);
		names[i] = view_cstr(text[i]);
	}
	return st == ST_OK ? certify(a, path, secret, names, WEB_NAMES, true) : st;
}

enum status authority_certify(const struct lab *l, const struct lab_place *p, bool known)
{
	const struct view names[] = { view_cstr(p->mail), view_cstr(p->domain) };
	char path[LAB_PATH], secret[LAB_PATH];
	struct authority a;
	enum status st = open_authority(l, &a);

	lab_path(l, path, "%s/keys/tls.pem", p->domain);
	lab_path(l, secret, "%s/keys/tls.key", p->domain);
	if (st == ST_OK)
		st = certify(&a, path, secret, names, 2, known);
	if (st == ST_OK)
		st = certify_web(l, &a, p);
	if (st != ST_OK)
		complain(path, st, NULL);
	close_authority(&a);
	return st;
}
