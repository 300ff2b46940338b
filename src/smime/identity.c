#include "smime/identity.h"

#include "trust/domain.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { NAME_MOST = 4096, ADDRESS_MOST = 1024, DER_MOST = 1024 * 1024 };

/* ---- certificates and keys from text ---- */

X509 *smime_certificate(struct view der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = der.n && der.n <= DER_MOST ? d2i_X509(NULL, &p, (long)der.n) : NULL;

	ERR_clear_error();
	if (x && p != (const unsigned char *)der.p + der.n) {
		X509_free(x);
		return NULL;
	}
	return x;
}

STACK_OF(X509) *smime_certificate_list(struct view der)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	while (all && der.n) {
		const unsigned char *p = (const unsigned char *)der.p;
		X509 *x = d2i_X509(NULL, &p, (long)der.n);

		if (x == NULL || sk_X509_push(all, x) <= 0) {
			X509_free(x);
			break;
		}
		der = view_skip(der, (size_t)(p - (const unsigned char *)der.p));
	}
	ERR_clear_error();
	return all;
}

struct view smime_der(X509 *x, struct arena *a)
{
	int n = i2d_X509(x, NULL);
	unsigned char *p = n > 0 ? arena_alloc(a, (size_t)n) : NULL, *to = p;

	return p && i2d_X509(x, &to) == n ? view_make((const char *)p, (size_t)n) : VIEW_NONE;
}

static BIO *bio_over(struct view text)
{
	return text.n && text.n <= SMIME_PEM_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
}

static bool push(STACK_OF(X509) *to, X509 *x)
{
	if (to && x && sk_X509_push(to, x) > 0)
		return true;
	X509_free(x);
	return false;
}

enum status smime_certificates(struct view text, STACK_OF(X509) *to)
{
	BIO *bio = bio_over(text);
	int before = sk_X509_num(to);
	enum status st = ST_OK;
	X509 *x = smime_certificate(text);

	if (x) {
		BIO_free(bio);
		return push(to, x) ? ST_OK : ST_NOMEM;
	}
	while (st == ST_OK && bio && (x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL)
		st = push(to, x) ? ST_OK : ST_NOMEM;
	BIO_free(bio);
	ERR_clear_error();
	return st == ST_OK && sk_X509_num(to) == before ? ST_SYNTAX : st;
}

/* OpenSSL takes a tenth of a small command's time to find that there is no other key. */
static bool has_key(BIO *bio)
{
	static const char mark[] = "PRIVATE KEY-----";
	char *text = NULL;
	long n = bio ? BIO_get_mem_data(bio, &text) : 0;

	return n > 0 && memmem(text, (size_t)n, mark, sizeof mark - 1);
}

static enum status read_keys(struct smime_keys *k, struct view pem, unsigned *ret_from)
{
	char none[] = "";	/* so that nobody is asked for a passphrase */
	BIO *bio = bio_over(pem);
	enum status st = ST_OK;
	EVP_PKEY *key;

	*ret_from = k->n;
	while (has_key(bio) && (key = PEM_read_bio_PrivateKey(bio, NULL, NULL, none)) != NULL) {
		if (k->n == SMIME_KEYS_MOST) {
			EVP_PKEY_free(key);
			st = ST_LIMIT;
			break;
		}
		k->all[k->n++] = (struct smime_key){ .key = key };
	}
	BIO_free(bio);
	ERR_clear_error();
	return st;
}

/* A key may have several certificates, as after a renewal: then it stands here
 * several times. */
static bool give(struct smime_keys *k, unsigned from, X509 *x)
{
	for (unsigned i = from; i < k->n; i++) {
		if (X509_check_private_key(x, k->all[i].key) != 1)
			continue;
		if (k->all[i].certificate == NULL) {
			k->all[i].certificate = x;
			return true;
		}
		if (k->n < SMIME_KEYS_MOST && EVP_PKEY_up_ref(k->all[i].key)) {
			k->all[k->n++] = (struct smime_key){ x, k->all[i].key };
			return true;
		}
	}
	return false;
}

enum status smime_keys_add(struct smime_keys *k, struct view pem)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	unsigned from;
	enum status st = read_keys(k, pem, &from);
	X509 *x;

	if (k->others == NULL)
		k->others = sk_X509_new_null();
	if (all == NULL || k->others == NULL)
		st = ST_NOMEM;
	if (st == ST_OK)
		st = smime_certificates(pem, all);
	while (st == ST_OK && (x = sk_X509_shift(all)) != NULL)
		if (!give(k, from, x) && !push(k->others, x))
			st = ST_NOMEM;
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	for (unsigned i = from; i < k->n && st == ST_OK; i++)
		if (k->all[i].certificate == NULL)
			st = ST_SYNTAX;
	return st;
}

void smime_keys_free(struct smime_keys *k)
{
	for (unsigned i = 0; i < k->n; i++) {
		X509_free(k->all[i].certificate);
		EVP_PKEY_free(k->all[i].key);
	}
	sk_X509_pop_free(k->others, X509_free);
	*k = (struct smime_keys){ 0 };
}

const struct smime_key *smime_signing_key(const struct smime_keys *k, wall_ms now)
{
	for (unsigned i = 0; i < k->n; i++) {
		X509 *x = k->all[i].certificate;

		if ((X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) &&
		    smime_time(X509_get0_notBefore(x)) <= now && now <= smime_time(X509_get0_notAfter(x)))
			return &k->all[i];
	}
	return NULL;
}

/* ---- names ---- */

/* What a BIO of memory has gathered, without control characters. */
static struct view shown(BIO *bio, struct arena *a)
{
	char *text = NULL, *p;
	long n = bio ? BIO_get_mem_data(bio, &text) : 0;
	struct view v = view_head(view_make(text, n > 0 ? (size_t)n : 0), NAME_MOST);

	p = v.n ? arena_alloc(a, v.n) : NULL;
	for (size_t i = 0; p && i < v.n; i++)
		p[i] = (unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f ? '?' : v.p[i];
	return view_make(p, p ? v.n : 0);
}

struct view smime_name(const X509_NAME *name, struct arena *a)
{
	BIO *bio = name ? BIO_new(BIO_s_mem()) : NULL;
	struct view v = VIEW_NONE;

	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		v = shown(bio, a);
	BIO_free(bio);
	ERR_clear_error();
	return v;
}

struct view smime_serial(const ASN1_INTEGER *serial, struct arena *a)
{
	BIO *bio = serial && ASN1_STRING_length(serial) <= 64 ? BIO_new(BIO_s_mem()) : NULL;
	struct view v = VIEW_NONE;

	if (bio && i2a_ASN1_INTEGER(bio, serial) > 0)
		v = shown(bio, a);
	BIO_free(bio);
	ERR_clear_error();
	return v;
}

wall_ms smime_time(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (wall_ms)timegm(&tm) * 1000 : -1;
}

/* ---- addresses ---- */

struct addresses {
	struct arena *a;
	struct view *all;
	size_t n;
	bool bad;
};

/* NUL, blanks and controls hide what follows them; bytes above 127 belong to
 * SmtpUTF8Mailbox alone. */
static bool clean(struct view v, bool utf8)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || v.p[i] == 0x7f || (!utf8 && (unsigned char)v.p[i] > 0x7f))
			return false;
	return v.n && v.n <= ADDRESS_MOST && view_find(v, '@') < v.n;
}

static void add(struct addresses *to, const ASN1_STRING *s, bool utf8)
{
	struct view v = view_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));

	if (to->n == SMIME_ADDRESSES_MOST)
		return;
	if (clean(v, utf8))
		to->all[to->n++] = arena_copy(to->a, v);
	else
		to->bad = true;
}

static void add_alternative(struct addresses *to, const GENERAL_NAME *name)
{
	const OTHERNAME *other = name->type == GEN_OTHERNAME ? name->d.otherName : NULL;

	if (name->type == GEN_EMAIL)
		add(to, name->d.rfc822Name, false);
	else if (other && OBJ_obj2nid(other->type_id) == NID_id_on_SmtpUTF8Mailbox &&
		 other->value->type == V_ASN1_UTF8STRING)
		add(to, other->value->value.utf8string, true);
}

static void add_subject(struct addresses *to, const X509_NAME *name)
{
	for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_pkcs9_emailAddress, i)) >= 0;)
		add(to, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)), false);
}

struct view *smime_addresses(X509 *x, struct arena *a, size_t *ret_n, bool *ret_bad)
{
	struct addresses to = { .a = a, .all = arena_array(a, SMIME_ADDRESSES_MOST, sizeof *to.all) };
	GENERAL_NAMES *names = to.all ? X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL) : NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		add_alternative(&to, sk_GENERAL_NAME_value(names, i));
	if (to.all && to.n == 0 && !to.bad)
		add_subject(&to, X509_get_subject_name(x));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	*ret_n = to.n;
	*ret_bad = to.bad;
	return to.all;
}

struct view smime_plain_address(struct view address, struct arena *a)
{
	size_t at = view_behind_last(address, '@');
	struct view domain = VIEW_NONE;
	char *p;

	if (at < 2 || domain_ascii(view_skip(address, at), a, &domain) != ST_OK)
		return VIEW_NONE;
	p = arena_alloc(a, at + domain.n);
	for (size_t i = 0; p && i < at; i++)
		p[i] = ascii_lower(address.p[i]);
	if (p)
		memcpy(p + at, domain.p, domain.n);
	return view_make(p, p ? at + domain.n : 0);
}

bool smime_same_address(struct view a, struct view b)
{
	struct arena work = ARENA(16384);
	size_t x = view_behind_last(a, '@'), y = view_behind_last(b, '@');
	struct view one, other;
	bool same = x > 1 && y > 1 && view_eq_i(view_head(a, x), view_head(b, y)) &&
		    domain_ascii(view_skip(a, x), &work, &one) == ST_OK &&
		    domain_ascii(view_skip(b, y), &work, &other) == ST_OK && view_eq(one, other);

	arena_free(&work);
	return same;
}

/* ---- what somebody can read ---- */

static const struct {
	int nid;
	enum smime_capability can;
	bool ours;
} capabilities[] = {
	{ NID_aes_256_gcm, SMIME_CAN_AES256_GCM, true },
	{ NID_aes_128_gcm, SMIME_CAN_AES128_GCM, true },
	{ NID_aes_256_cbc, SMIME_CAN_AES256_CBC, true },
	{ NID_aes_128_cbc, SMIME_CAN_AES128_CBC, true },
	{ NID_rsaesOaep, SMIME_CAN_OAEP, true },
	{ NID_des_ede3_cbc, SMIME_CAN_3DES, false },
};

unsigned smime_capabilities_of(struct view der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509_ALGORS *all = der.n && der.n < NAME_MOST ? d2i_X509_ALGORS(NULL, &p, (long)der.n) : NULL;
	const ASN1_OBJECT *oid;
	unsigned can = 0;

	for (int i = 0; i < sk_X509_ALGOR_num(all); i++) {
		X509_ALGOR_get0(&oid, NULL, NULL, sk_X509_ALGOR_value(all, i));
		for (size_t k = 0; k < sizeof capabilities / sizeof *capabilities; k++)
			if (OBJ_obj2nid(oid) == capabilities[k].nid)
				can |= capabilities[k].can;
	}
	sk_X509_ALGOR_pop_free(all, X509_ALGOR_free);
	ERR_clear_error();
	return can;
}

unsigned smime_capabilities(X509 *x)
{
	int at = X509_get_ext_by_NID(x, NID_SMIMECapabilities, -1);
	const ASN1_OCTET_STRING *s = at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(x, at)) : NULL;

	if (s == NULL)
		return 0;
	return smime_capabilities_of(view_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)));
}

STACK_OF(X509_ALGOR) *smime_own_capabilities(void)
{
	STACK_OF(X509_ALGOR) *all = NULL;
	bool good = true;

	for (size_t k = 0; k < sizeof capabilities / sizeof *capabilities; k++)
		if (capabilities[k].ours)
			good = good && CMS_add_simple_smimecap(&all, capabilities[k].nid, -1) == 1;
	if (good)
		return all;
	sk_X509_ALGOR_pop_free(all, X509_ALGOR_free);
	return NULL;
}

void smime_put_capabilities(struct buf *out)
{
	STACK_OF(X509_ALGOR) *all = smime_own_capabilities();
	unsigned char *der = NULL;
	int n = all ? i2d_X509_ALGORS(all, &der) : -1;

	if (n > 0)
		buf_put(out, view_make((const char *)der, (size_t)n));
	OPENSSL_free(der);
	sk_X509_ALGOR_pop_free(all, X509_ALGOR_free);
}

bool smime_can_receive(X509 *x, wall_ms now)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	int kind = key ? EVP_PKEY_get_base_id(key) : 0;
	uint32_t usage = X509_get_key_usage(x), purpose = X509_get_extended_key_usage(x);
	uint32_t wanted = kind == EVP_PKEY_EC ? KU_KEY_AGREEMENT : KU_KEY_ENCIPHERMENT;

	ERR_clear_error();
	if ((kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) || !(usage & wanted))
		return false;
	if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < SMIME_RSA_LEAST)
		return false;
	if (purpose != UINT32_MAX && !(purpose & (XKU_SMIME | XKU_ANYEKU)))
		return false;
	return smime_time(X509_get0_notBefore(x)) <= now && now <= smime_time(X509_get0_notAfter(x));
}
