#include "acme/request.h"

#include "smime/identity.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum { ADDRESS_MOST = 320 };

static const char *const usages[] = {
	[ACME_BOTH] = "critical,digitalSignature,keyEncipherment",
	[ACME_SIGNING] = "critical,digitalSignature",
	[ACME_ENCRYPTION] = "critical,keyEncipherment",
};

bool acme_request_is_for(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~')
			return false;
	return v.n && v.n <= ADDRESS_MOST && view_find(v, '@') < v.n;
}

static bool add(STACK_OF(X509_EXTENSION) *all, X509_EXTENSION *e)
{
	if (e && sk_X509_EXTENSION_push(all, e) > 0)
		return true;
	X509_EXTENSION_free(e);
	return false;
}

static X509_EXTENSION *name_of(struct view address)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();
	X509_EXTENSION *e = NULL;

	if (all && n && s && ASN1_STRING_set(s, address.p, (int)address.n) == 1) {
		GENERAL_NAME_set0_value(n, GEN_EMAIL, s);
		s = NULL;
		if (sk_GENERAL_NAME_push(all, n) > 0) {
			n = NULL;
			e = X509V3_EXT_i2d(NID_subject_alt_name, 0, all);
		}
	}
	ASN1_IA5STRING_free(s);
	GENERAL_NAME_free(n);
	GENERAL_NAMES_free(all);
	return e;
}

static bool extend(X509_REQ *r, enum acme_use use, struct view address)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	bool good = all && add(all, name_of(address)) &&
		    add(all, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usages[use])) &&
		    X509_REQ_add_extensions(r, all) == 1;

	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return good;
}

static bool put_der(X509_REQ *r, struct buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_X509_REQ(r, &der);

	if (n > 0)
		buf_put(out, view_make((const char *)der, (size_t)n));
	OPENSSL_free(der);
	return n > 0;
}

enum status acme_request_make(enum acme_use use, struct view address, EVP_PKEY **ret_key, struct buf *out)
{
	bool right = acme_request_is_for(address), good = false;
	EVP_PKEY *key = NULL;
	X509_REQ *r = NULL;

	if (right) {
		key = use == ACME_SIGNING ? EVP_EC_gen("P-256") : EVP_RSA_gen(SMIME_RSA_LEAST);
		r = X509_REQ_new();
		good = key && r && X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(r, key) == 1 &&
		       extend(r, use, address) && X509_REQ_sign(r, key, EVP_sha256()) > 0 && put_der(r, out) &&
		       buf_status(out) == ST_OK;
	}
	X509_REQ_free(r);
	ERR_clear_error();
	if (good)
		*ret_key = key;
	else
		EVP_PKEY_free(key);
	return good ? ST_OK : right ? ST_NOMEM : ST_SYNTAX;
}
