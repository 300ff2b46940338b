#include "smime/issue.h"

#include "trust/domain.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { SERIAL_OCTETS = 16, NAME_MOST = 64, TEXT_MOST = 512 };

/* ---- parts of a certificate ---- */

/* Nobody can guess it, so nobody can prepare a collision (RFC 5280 4.1.2.2). */
static bool set_serial(X509 *x)
{
	unsigned char lot[SERIAL_OCTETS];
	BIGNUM *number;
	bool good;

	if (RAND_bytes(lot, sizeof lot) != 1)
		return false;
	lot[0] = (lot[0] & 0x7f) | 0x40;
	number = BN_bin2bn(lot, sizeof lot, NULL);
	good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	return good;
}

static bool set_times(X509 *x, const struct smime_request *q)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(q->from / 1000)) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(q->until / 1000));
}

/* A common name holds 64 characters (RFC 5280 A.1); whose it is stands in
 * subjectAltName anyway. */
static bool set_subject(X509 *x, const struct smime_request *q)
{
	char text[TEXT_MOST];

	if (q->use == SMIME_USE_AUTHORITY)
		snprintf(text, sizeof text, "Mail of %.*s", VIEW_ARG(view_head(q->domain, TEXT_MOST / 2)));
	else
		snprintf(text, sizeof text, "%.*s", VIEW_ARG(view_head(q->address, TEXT_MOST / 2)));
	if (strlen(text) > NAME_MOST)
		snprintf(text, sizeof text, "%s", q->use == SMIME_USE_AUTHORITY ? "Mail authority" : "Mail user");
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
					  -1, 0) == 1;
}

static bool add_text(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX c;
	bool good;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	good = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

static GENERAL_NAME *email(struct view text)
{
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	if (n && s && ASN1_STRING_set(s, text.p, (int)text.n) == 1) {
		GENERAL_NAME_set0_value(n, GEN_EMAIL, s);
		return n;
	}
	GENERAL_NAME_free(n);
	ASN1_IA5STRING_free(s);
	return NULL;
}

/* RFC 9598 3: the local part in UTF-8. */
static GENERAL_NAME *utf8_mailbox(struct view text)
{
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_UTF8STRING *s = ASN1_UTF8STRING_new();

	if (n && value && s && ASN1_STRING_set(s, text.p, (int)text.n) == 1) {
		ASN1_TYPE_set(value, V_ASN1_UTF8STRING, s);
		s = NULL;
		if (GENERAL_NAME_set0_othername(n, OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox), value) == 1)
			return n;
	}
	GENERAL_NAME_free(n);
	ASN1_TYPE_free(value);
	ASN1_UTF8STRING_free(s);
	return NULL;
}

static bool is_ascii(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] > 0x7e || (unsigned char)v.p[i] <= ' ')
			return false;
	return true;
}

static bool add_address(X509 *x, struct view local, struct view domain)
{
	struct buf whole = BUF(TEXT_MOST);
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *one;
	bool good = false;

	buf_put(&whole, local);
	buf_putc(&whole, '@');
	buf_put(&whole, domain);
	if (all && buf_status(&whole) == ST_OK) {
		one = is_ascii(local) ? email(buf_view(&whole)) : utf8_mailbox(buf_view(&whole));
		if (one && sk_GENERAL_NAME_push(all, one) > 0)
			good = X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
		else
			GENERAL_NAME_free(one);
	}
	GENERAL_NAMES_free(all);
	buf_free(&whole);
	return good;
}

/* It may vouch for mailboxes at this host alone (RFC 5280 4.2.1.10). */
static bool add_constraints(X509 *x, struct view domain)
{
	NAME_CONSTRAINTS *c = NAME_CONSTRAINTS_new();
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	GENERAL_NAME *name = email(domain);
	bool good = false;

	if (c && tree && name) {
		GENERAL_NAME_free(tree->base);
		tree->base = name;
		name = NULL;
		c->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
		if (c->permittedSubtrees && sk_GENERAL_SUBTREE_push(c->permittedSubtrees, tree) > 0) {
			tree = NULL;
			good = X509_add1_ext_i2d(x, NID_name_constraints, c, 1, X509V3_ADD_DEFAULT) == 1;
		}
	}
	GENERAL_NAME_free(name);
	GENERAL_SUBTREE_free(tree);
	NAME_CONSTRAINTS_free(c);
	return good;
}

/* RFC 4262. */
static bool add_capabilities(X509 *x)
{
	struct buf der = BUF(1024);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e = NULL;
	bool good = false;

	smime_put_capabilities(&der);
	if (s && der.n && ASN1_OCTET_STRING_set(s, (const unsigned char *)der.p, (int)der.n) == 1)
		e = X509_EXTENSION_create_by_NID(NULL, NID_SMIMECapabilities, 0, s);
	if (e)
		good = X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	buf_free(&der);
	return good;
}

/* Only what OpenSSL's own notation takes for nothing else. */
static bool is_url(struct view v)
{
	static const char others[] = "-._~:/?#[]@!$&'()*+=%";

	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && memchr(others, v.p[i], sizeof others - 1) == NULL)
			return false;
	return view_starts_i(v, VIEW("http://")) || view_starts_i(v, VIEW("https://"));
}

/* RFC 5280 4.2.1.13, 4.2.2.1 */
static bool add_places(X509 *x, const struct smime_request *q)
{
	char text[TEXT_MOST + 32];

	snprintf(text, sizeof text, "URI:%.*s", VIEW_ARG(q->list_url));
	if (q->list_url.n && !add_text(x, q->authority->certificate, NID_crl_distribution_points, text))
		return false;
	snprintf(text, sizeof text, "caIssuers;URI:%.*s", VIEW_ARG(q->authority_url));
	return q->authority_url.n == 0 || add_text(x, q->authority->certificate, NID_info_access, text);
}

static bool extend_authority(X509 *x, struct view domain)
{
	return add_text(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       add_text(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") && add_constraints(x, domain);
}

static bool extend_person(X509 *x, const struct smime_request *q, struct view local, struct view domain)
{
	bool signs = q->use == SMIME_USE_SIGNING;

	return add_text(x, q->authority->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_text(x, q->authority->certificate, NID_key_usage,
			signs ? "critical,digitalSignature" : "critical,keyEncipherment") &&
	       add_address(x, local, domain) && add_capabilities(x) && add_places(x, q);
}

/* ---- the whole ---- */

static bool fill(X509 *x, EVP_PKEY *key, const struct smime_request *q, struct view local, struct view domain)
{
	X509 *issuer = q->authority ? q->authority->certificate : x;

	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_times(x, q) && set_subject(x, q) &&
	       X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 && X509_set_pubkey(x, key) == 1 &&
	       (q->use == SMIME_USE_AUTHORITY ? extend_authority(x, domain) : extend_person(x, q, local, domain)) &&
	       add_text(x, issuer, NID_ext_key_usage, "emailProtection") &&
	       add_text(x, issuer, NID_subject_key_identifier, "hash") &&
	       (q->authority == NULL || add_text(x, issuer, NID_authority_key_identifier, "keyid:always")) &&
	       X509_sign(x, q->authority ? q->authority->key : key, EVP_sha256()) > 0;
}

static EVP_PKEY *fresh_key(const struct smime_request *q)
{
	if (q->use != SMIME_USE_ENCRYPTION)
		return EVP_EC_gen("P-256");
	if (q->fresh == NULL)
		return EVP_RSA_gen(SMIME_RSA_LEAST);
	return EVP_PKEY_up_ref(q->fresh) == 1 ? q->fresh : NULL;
}

enum status smime_issue(const struct smime_request *q, struct smime_key *ret)
{
	size_t at = q->use == SMIME_USE_AUTHORITY ? 0 : view_behind_last(q->address, '@');
	struct arena a = ARENA(65536);
	struct smime_key k = { 0 };
	struct view domain;
	enum status st = domain_ascii(q->use == SMIME_USE_AUTHORITY ? q->domain : view_skip(q->address, at), &a, &domain);

	if (st == ST_OK && q->use != SMIME_USE_AUTHORITY && at < 2)
		st = ST_SYNTAX;
	if (st == ST_OK && ((q->list_url.n && !is_url(q->list_url)) || (q->authority_url.n && !is_url(q->authority_url)) ||
			    q->list_url.n > TEXT_MOST || q->authority_url.n > TEXT_MOST))
		st = ST_SYNTAX;
	if (st == ST_OK) {
		k.key = fresh_key(q);
		k.certificate = X509_new();
		if (k.key == NULL || k.certificate == NULL ||
		    !fill(k.certificate, k.key, q, view_head(q->address, at ? at - 1 : 0), domain))
			st = ST_NOMEM;
	}
	arena_free(&a);
	ERR_clear_error();
	if (st == ST_OK) {
		*ret = k;
	} else {
		X509_free(k.certificate);
		EVP_PKEY_free(k.key);
	}
	return st;
}

/* ---- what was revoked ---- */

static bool add_revoked(X509_CRL *list, const struct smime_revoked *r)
{
	X509_REVOKED *row = X509_REVOKED_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)(r->when / 1000));
	bool good = row && when && X509_REVOKED_set_serialNumber(row, X509_get_serialNumber(r->certificate)) == 1 &&
		    X509_REVOKED_set_revocationDate(row, when) == 1 && X509_CRL_add0_revoked(list, row) == 1;

	if (!good)
		X509_REVOKED_free(row);
	ASN1_TIME_free(when);
	return good;
}

/* Its number grows (RFC 5280 5.2.3): the time it was made. */
static bool add_number(X509_CRL *list, wall_ms now)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	bool good = number && ASN1_INTEGER_set_int64(number, now / 1000) == 1 &&
		    X509_CRL_add1_ext_i2d(list, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;

	ASN1_INTEGER_free(number);
	return good;
}

static bool add_issuer_key(X509_CRL *list, X509 *authority)
{
	X509_EXTENSION *e;
	X509V3_CTX c;
	bool good;

	X509V3_set_ctx(&c, authority, NULL, NULL, list, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, NID_authority_key_identifier, "keyid:always");
	good = e && X509_CRL_add_ext(list, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

enum status smime_issue_list(const struct smime_key *authority, const struct smime_revoked *all, size_t n, wall_ms now,
			     wall_ms until, struct buf *out)
{
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(now / 1000)), *to = ASN1_TIME_set(NULL, (time_t)(until / 1000));
	unsigned char *der = NULL;
	bool good = list && from && to && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
		    X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate)) == 1 &&
		    X509_CRL_set1_lastUpdate(list, from) == 1 && X509_CRL_set1_nextUpdate(list, to) == 1;
	int size = -1;

	for (size_t i = 0; good && i < n; i++)
		good = add_revoked(list, &all[i]);
	if (good && add_number(list, now) && add_issuer_key(list, authority->certificate) && X509_CRL_sort(list) == 1 &&
	    X509_CRL_sign(list, authority->key, EVP_sha256()) > 0)
		size = i2d_X509_CRL(list, &der);
	if (size > 0)
		buf_put(out, view_make((const char *)der, (size_t)size));
	OPENSSL_free(der);
	X509_CRL_free(list);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	ERR_clear_error();
	return size > 0 ? buf_status(out) : ST_NOMEM;
}

/* ---- PKCS #12 ---- */

enum status smime_read_p12(struct view text, const char *password, struct smime_key *ret, STACK_OF(X509) **ret_chain)
{
	const unsigned char *p = (const unsigned char *)text.p;
	PKCS12 *p12 = text.n && text.n <= SMIME_PEM_MAX ? d2i_PKCS12(NULL, &p, (long)text.n) : NULL;
	STACK_OF(X509) *chain = NULL;
	struct smime_key k = { 0 };
	enum status st = p12 ? ST_OK : ST_SYNTAX;

	if (st == ST_OK && PKCS12_verify_mac(p12, password, -1) != 1)
		st = ST_DENIED;
	if (st == ST_OK && (PKCS12_parse(p12, password, &k.key, &k.certificate, &chain) != 1 || k.key == NULL ||
			    k.certificate == NULL))
		st = ST_SYNTAX;
	PKCS12_free(p12);
	ERR_clear_error();
	if (st == ST_OK) {
		*ret = k;
		*ret_chain = chain;
		return ST_OK;
	}
	EVP_PKEY_free(k.key);
	X509_free(k.certificate);
	sk_X509_pop_free(chain, X509_free);
	return st;
}

/* A key and its certificate find each other by a common id. */
static bool add_pair(STACK_OF(PKCS12_SAFEBAG) **certificates, STACK_OF(PKCS12_SAFEBAG) **keys, const struct smime_key *k,
		     unsigned number, const char *password)
{
	unsigned char id[1] = { (unsigned char)number };
	PKCS12_SAFEBAG *c = PKCS12_add_cert(certificates, k->certificate);
	PKCS12_SAFEBAG *s = c ? PKCS12_add_key(keys, k->key, 0, PKCS12_DEFAULT_ITER, NID_aes_256_cbc, password) : NULL;

	return s && PKCS12_add_localkeyid(c, id, sizeof id) == 1 && PKCS12_add_localkeyid(s, id, sizeof id) == 1;
}

static PKCS12 *build_p12(const struct smime_keys *keys, const char *password)
{
	STACK_OF(PKCS12_SAFEBAG) *certificates = NULL, *secrets = NULL;
	STACK_OF(PKCS7) *safes = NULL;
	PKCS12 *p12 = NULL;
	bool good = keys->n > 0;

	for (unsigned i = 0; good && i < keys->n; i++)
		good = add_pair(&certificates, &secrets, &keys->all[i], i + 1, password);
	for (int i = 0; good && i < sk_X509_num(keys->others); i++)
		good = PKCS12_add_cert(&certificates, sk_X509_value(keys->others, i)) != NULL;
	if (good && PKCS12_add_safe(&safes, certificates, NID_aes_256_cbc, PKCS12_DEFAULT_ITER, password) == 1 &&
	    PKCS12_add_safe(&safes, secrets, -1, 0, NULL) == 1)
		p12 = PKCS12_add_safes(safes, 0);
	if (p12 && PKCS12_set_mac(p12, password, -1, NULL, 0, PKCS12_DEFAULT_ITER, EVP_sha256()) != 1) {
		PKCS12_free(p12);
		p12 = NULL;
	}
	sk_PKCS12_SAFEBAG_pop_free(certificates, PKCS12_SAFEBAG_free);
	sk_PKCS12_SAFEBAG_pop_free(secrets, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return p12;
}

enum status smime_write_p12(const struct smime_keys *keys, const char *password, struct buf *out)
{
	PKCS12 *p12 = build_p12(keys, password);
	unsigned char *der = NULL;
	int n = p12 ? i2d_PKCS12(p12, &der) : -1;

	if (n > 0)
		buf_put(out, view_make((const char *)der, (size_t)n));
	OPENSSL_free(der);
	PKCS12_free(p12);
	ERR_clear_error();
	return n > 0 ? buf_status(out) : ST_NOMEM;
}
