/* authority.c - the certificate authority of the lab, which all of its hosts
 * trust: what MTA-STS and mail programs go by (RFC 8461 4.2, RFC 5280). */
#include "admin/lab/lab.h"

#include "admin/tell.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAYS = 3650, SERIAL_BITS = 127, NAMES_MAX = 1024, PEM_MAX = 64 * 1024 };

/* ---- files ---- */

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return key;
}

static X509 *read_certificate(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return x;
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

static bool extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = e && X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
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

/* issuer NULL: it stands for itself.  names: of hosts, or NULL for an authority. */
static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *names)
{
	X509 *x = X509_new();
	X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
	bool good = subject && X509_set_version(x, X509_VERSION_3) && put_serial(x) &&
		    X509_gmtime_adj(X509_getm_notBefore(x), -86400) &&
		    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * DAYS) && X509_set_pubkey(x, key) &&
		    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
		    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject) &&
		    extend(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");

	if (good && names)
		good = extend(x, issuer, NID_subject_alt_name, names) && extend(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
		       extend(x, issuer, NID_key_usage, "critical,digitalSignature") &&
		       extend(x, issuer, NID_ext_key_usage, "serverAuth");
	else if (good)
		good = extend(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
		       extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
	if (good && X509_sign(x, issuer_key, EVP_sha256()))
		return x;
	X509_free(x);
	return NULL;
}

static enum status make_authority(const char *certificate, const char *secret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? make("the authority of the lab", key, NULL, key, NULL) : NULL;
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
	*ret = (struct authority){ read_certificate(path), read_key(secret) };
	return st == ST_OK && (ret->certificate == NULL || ret->key == NULL) ? ST_MISSING : st;
}

static void close_authority(struct authority *a)
{
	X509_free(a->certificate);
	EVP_PKEY_free(a->key);
}

/* Of the key that lies there: TLSA records stay as they are.  What is so already
 * stays too. */
static enum status certify(const struct authority *a, const char *path, const char *key_path, const char *name,
			   const char *names, bool known)
{
	EVP_PKEY *key = read_key(key_path);
	X509 *now = read_certificate(path), *x = NULL;
	enum status st = key ? ST_OK : ST_MISSING;

	if (st == ST_OK && (now == NULL || (X509_verify(now, a->key) == 1) != known)) {
		x = known ? make(name, key, a->certificate, a->key, names) : make(name, key, NULL, key, names);
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
	char folder[LAB_PATH], path[LAB_PATH], secret[LAB_PATH], names[NAMES_MAX];
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
	snprintf(names, sizeof names, "DNS:mta-sts.%s,DNS:autoconfig.%s,DNS:autodiscover.%s", p->domain, p->domain, p->domain);
	return st == ST_OK ? certify(a, path, secret, p->domain, names, true) : st;
}

enum status authority_certify(const struct lab *l, const struct lab_place *p, bool known)
{
	char path[LAB_PATH], secret[LAB_PATH], names[NAMES_MAX];
	struct authority a;
	enum status st = open_authority(l, &a);

	lab_path(l, path, "%s/keys/tls.pem", p->domain);
	lab_path(l, secret, "%s/keys/tls.key", p->domain);
	snprintf(names, sizeof names, "DNS:%s,DNS:%s", p->mail, p->domain);
	if (st == ST_OK)
		st = certify(&a, path, secret, p->mail, names, known);
	if (st == ST_OK)
		st = certify_web(l, &a, p);
	if (st != ST_OK)
		complain(path, st, NULL);
	close_authority(&a);
	return st;
}
