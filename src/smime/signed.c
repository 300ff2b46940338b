/* SignedData (RFC 5652 5): each signer's signature, certificate and chain. */
#include "smime/internal.h"
#include "smime/lines.h"
#include "smime/sink.h"

#include <openssl/err.h>

enum { CERTIFICATES_MOST = 100, EC_BITS_LEAST = 224, SET_TAG = 0x31 };

struct signed_data {
	struct reading *r;
	CMS_ContentInfo *cms;
	STACK_OF(X509) *certificates;	/* that came along */
	STACK_OF(X509_CRL) *crls;
	struct view content;
	BIO *digests;			/* of the content; NULL: one cannot be computed */
	bool looks_like_attributes;
};

CMS_ContentInfo *cms_parse(struct view skeleton)
{
	const unsigned char *p = (const unsigned char *)skeleton.p;
	CMS_ContentInfo *cms = skeleton.n ? d2i_CMS_ContentInfo(NULL, &p, (long)skeleton.n) : NULL;

	ERR_clear_error();
	return cms;
}

/* ---- digests ---- */

static enum status to_bio(void *bio, struct view piece)
{
	return bio_put(bio, piece) ? ST_OK : ST_NOMEM;
}

/* A letter whose lines end with LF lay in a file of Unix; what was signed had
 * CRLF (RFC 8551 3.1.1). */
static bool unix_ends(struct view v)
{
	size_t n = view_find(v, '\n');

	return n < v.n && (n == 0 || v.p[n - 1] != '\r');
}

static bool digest_content(BIO *digests, struct view content)
{
	struct lines l;

	if (!unix_ends(content))
		return bio_put(digests, content);
	lines_begin(&l, to_bio, digests);
	lines_put(&l, content);
	return lines_end(&l) == ST_OK;
}

static BIO *digests_of(CMS_ContentInfo *cms, struct view content)
{
	BIO *nowhere = BIO_new(BIO_s_null()), *all = nowhere ? CMS_dataInit(cms, nowhere) : NULL;

	if (all == NULL) {
		BIO_free(nowhere);
		return NULL;
	}
	if (digest_content(all, content))
		return all;
	BIO_free_all(all);
	return NULL;
}

/* ---- one signer ---- */

static struct view static_text(const char *s)
{
	return view_cstr(s ? s : "");
}

static struct view algorithm_name(EVP_PKEY *key, const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *oid;

	X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
	if (OBJ_obj2nid(oid) == NID_rsassaPss)
		return VIEW("RSA-PSS");
	switch (key ? EVP_PKEY_get_base_id(key) : 0) {
	case EVP_PKEY_RSA:
		return VIEW("RSA");
	case EVP_PKEY_RSA_PSS:
		return VIEW("RSA-PSS");
	case EVP_PKEY_EC:
		return VIEW("ECDSA");
	default:
		return static_text(OBJ_nid2sn(OBJ_obj2nid(oid)));
	}
}

static bool is_old_digest(int nid)
{
	return nid == NID_sha1 || nid == NID_md5 || nid == NID_md4 || nid == NID_md2 || nid == NID_ripemd160;
}

static bool is_short_key(EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? bits < EC_BITS_LEAST :
	       EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? false : bits < SMIME_RSA_LEAST;
}

static void read_algorithms(CMS_SignerInfo *si, EVP_PKEY *key, const X509_ALGOR *digest, const X509_ALGOR *signature,
			    struct smime_signer *s)
{
	const ASN1_OBJECT *oid;

	(void)si;
	X509_ALGOR_get0(&oid, NULL, NULL, digest);
	s->digest = static_text(OBJ_nid2sn(OBJ_obj2nid(oid)));
	s->algorithm = algorithm_name(key, signature);
	if (is_old_digest(OBJ_obj2nid(oid)))
		s->problems |= PROBLEM(OLD_DIGEST);
	if (key == NULL)
		return;
	s->key_bits = EVP_PKEY_get_bits(key) > 0 ? (unsigned)EVP_PKEY_get_bits(key) : 0;
	if (is_short_key(key))
		s->problems |= PROBLEM(SHORT_KEY);
}

static const ASN1_STRING *attribute(CMS_SignerInfo *si, int nid, int type)
{
	return CMS_signed_get0_data_by_OBJ(si, OBJ_nid2obj(nid), -3, type);
}

static void read_attributes(CMS_SignerInfo *si, struct smime_signer *s)
{
	const ASN1_STRING *time = attribute(si, NID_pkcs9_signingTime, V_ASN1_UTCTIME);
	const ASN1_STRING *can = attribute(si, NID_SMIMECapabilities, V_ASN1_SEQUENCE);

	if (time == NULL)
		time = attribute(si, NID_pkcs9_signingTime, V_ASN1_GENERALIZEDTIME);
	s->signed_at = smime_time(time);
	if (can)
		s->capabilities |= smime_capabilities_of(view_make((const char *)ASN1_STRING_get0_data(can),
								   (size_t)ASN1_STRING_length(can)));
}

/* The attribute content-type must be there, once, and be that of the content
 * (RFC 5652 11.1): else the signature may be about something else. */
static bool right_type(const struct signed_data *d, CMS_SignerInfo *si)
{
	const ASN1_OBJECT *said = CMS_signed_get0_data_by_OBJ(si, OBJ_nid2obj(NID_pkcs9_contentType), -3, V_ASN1_OBJECT);

	return said && OBJ_cmp(said, CMS_get0_eContentType(d->cms)) == 0;
}

/* The first ESSCertIDv2 (RFC 5035 4): SHA-256 unless it names another digest. */
static bool names_certificate(const ASN1_STRING *attribute_value, X509 *x)
{
	const unsigned char *p = ASN1_STRING_get0_data(attribute_value), *end = p + ASN1_STRING_length(attribute_value);
	unsigned char digest[EVP_MAX_MD_SIZE];
	const EVP_MD *md = EVP_sha256();
	const ASN1_OBJECT *oid;
	X509_ALGOR *algorithm;
	unsigned n;
	int tag, class;
	long size;

	/* SigningCertificateV2, its certs, the first of them. */
	for (int i = 0; i < 3; i++)
		if ((ASN1_get_object(&p, &size, &tag, &class, end - p) & 0x80) || tag != V_ASN1_SEQUENCE)
			return false;
	end = p + size;
	if (p < end && *p == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED)) {
		algorithm = d2i_X509_ALGOR(NULL, &p, end - p);
		if (algorithm == NULL)
			return false;
		X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
		md = EVP_get_digestbyobj(oid);
		X509_ALGOR_free(algorithm);
	}
	if (md == NULL || (ASN1_get_object(&p, &size, &tag, &class, end - p) & 0x80) || tag != V_ASN1_OCTET_STRING ||
	    X509_digest(x, md, digest, &n) != 1)
		return false;
	return (unsigned long)size == n && memcmp(p, digest, n) == 0;
}

/* Another certificate may hold the same key, and say that it is somebody else's. */
static bool right_certificate(CMS_SignerInfo *si, X509 *x)
{
	const ASN1_STRING *said = attribute(si, NID_id_smime_aa_signingCertificateV2, V_ASN1_SEQUENCE);

	return said == NULL || names_certificate(said, x);
}

/* ---- Ed25519 (RFC 8419), which OpenSSL 3.0 has and its CMS does not ---- */

/* What is signed: the attributes as one SET, in the order in which they stand. */
static bool put_attributes(CMS_SignerInfo *si, struct buf *out)
{
	struct buf all = BUF(SKELETON_MAX);
	unsigned char head[8], *p = head;

	for (int i = 0; i < CMS_signed_get_attr_count(si); i++) {
		unsigned char *der = NULL;
		int n = i2d_X509_ATTRIBUTE(CMS_signed_get_attr(si, i), &der);

		if (n > 0)
			buf_put(&all, view_make((const char *)der, (size_t)n));
		OPENSSL_free(der);
	}
	if (buf_status(&all) == ST_OK) {
		ASN1_put_object(&p, 1, (int)all.n, V_ASN1_SET, V_ASN1_UNIVERSAL);
		buf_put(out, view_make((const char *)head, (size_t)(p - head)));
		buf_put(out, buf_view(&all));
	}
	buf_free(&all);
	return out->n && buf_status(out) == ST_OK;
}

static bool is_eddsa(CMS_SignerInfo *si)
{
	const ASN1_OBJECT *oid;
	X509_ALGOR *algorithm;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, NULL, &algorithm);
	X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
	return OBJ_obj2nid(oid) == NID_ED25519;
}

static bool verify_octets(CMS_SignerInfo *si, EVP_PKEY *key, struct view v)
{
	const ASN1_OCTET_STRING *s = CMS_SignerInfo_get0_signature(si);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c && s && is_eddsa(si) && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(c, ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s),
				     (const unsigned char *)v.p, v.n) == 1;

	EVP_MD_CTX_free(c);
	return good;
}

/* Over the attributes, of which one is the digest of the content (2), or over the content itself (3). */
static bool verify_eddsa(struct signed_data *d, CMS_SignerInfo *si, EVP_PKEY *key, bool attributes)
{
	struct buf octets = BUF(2 * d->content.n + SKELETON_MAX);
	struct view what = d->content;
	struct lines l;
	bool good = true;

	if (attributes) {
		good = put_attributes(si, &octets);
		what = buf_view(&octets);
	} else if (unix_ends(what)) {
		lines_begin(&l, cms_to_buf, &octets);
		lines_put(&l, what);
		good = lines_end(&l) == ST_OK;
		what = buf_view(&octets);
	}
	good = good && verify_octets(si, key, what);
	buf_free(&octets);
	return good;
}

static bool verify_signature(struct signed_data *d, CMS_SignerInfo *si, EVP_PKEY *key, bool attributes)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
		return verify_eddsa(d, si, key, attributes);
	return !attributes || CMS_SignerInfo_verify(si) == 1;
}

/* Without attributes it is the signature itself that is about the content. */
static bool verify_content(struct signed_data *d, CMS_SignerInfo *si, EVP_PKEY *key, bool attributes)
{
	if (!attributes && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
		return true;
	return CMS_SignerInfo_verify_content(si, d->digests) == 1;
}

static smime_problems verify(struct signed_data *d, CMS_SignerInfo *si, EVP_PKEY *key, X509 *x)
{
	bool attributes = CMS_signed_get_attr_count(si) >= 0;

	if (d->digests == NULL || EVP_PKEY_get_base_id(key) == EVP_PKEY_ED448)
		return PROBLEM(UNSUPPORTED);
	/* Else it is about a time stamp, a receipt, a list: whatever else is signed with such a key. */
	if (OBJ_obj2nid(CMS_get0_eContentType(d->cms)) != NID_pkcs7_data)
		return PROBLEM(CONTENT_TYPE);
	/* Signed attributes could be passed off as the content of a signature without. */
	if (!attributes && d->looks_like_attributes)
		return PROBLEM(CONFUSED);
	if (attributes && !right_type(d, si))
		return PROBLEM(CONTENT_TYPE);
	if (!verify_signature(d, si, key, attributes))
		return PROBLEM(SIGNATURE);
	if (attributes && !right_certificate(si, x))
		return PROBLEM(CERTIFICATE);
	if (!verify_content(d, si, key, attributes))
		return PROBLEM(CHANGED);
	return 0;
}

static void read_certificate(struct signed_data *d, X509 *x, struct smime_signer *s)
{
	struct arena *a = &d->r->l->a;
	bool bad;

	s->certificate = smime_der(x, a);
	s->subject = smime_name(X509_get_subject_name(x), a);
	s->issuer = smime_name(X509_get_issuer_name(x), a);
	s->serial = smime_serial(X509_get0_serialNumber(x), a);
	s->addresses = smime_addresses(x, a, &s->n_addresses, &bad);
	s->not_before = smime_time(X509_get0_notBefore(x));
	s->not_after = smime_time(X509_get0_notAfter(x));
	s->capabilities |= smime_capabilities(x);
	if (bad)
		s->problems |= PROBLEM(BAD_ADDRESS);
}

static enum status look_at_chain(struct signed_data *d, X509 *x, struct smime_signer *s)
{
	const struct smime_reading *how = d->r->how;
	struct chain_answer c;
	enum status st;

	if (how->trust == NULL) {
		s->problems |= PROBLEM(UNKNOWN_AUTHORITY);
		return ST_OK;
	}
	st = smime_chain(how->trust, x, d->certificates, d->crls, how->now, s->signed_at, &c);
	if (st != ST_OK)
		return st;
	s->chain = c.chain;
	s->revocation = c.revocation;
	s->problems |= c.problems;
	return ST_OK;
}

static void read_signer_id(struct signed_data *d, CMS_SignerInfo *si, struct smime_signer *s)
{
	ASN1_OCTET_STRING *key_id;
	X509_NAME *issuer = NULL;
	ASN1_INTEGER *serial = NULL;

	if (CMS_SignerInfo_get0_signer_id(si, &key_id, &issuer, &serial) != 1)
		return;
	s->issuer = smime_name(issuer, &d->r->l->a);
	s->serial = smime_serial(serial, &d->r->l->a);
}

static enum status check_signer(struct signed_data *d, CMS_SignerInfo *si, struct smime_signer *s)
{
	X509_ALGOR *digest, *signature;
	EVP_PKEY *key;
	X509 *x;

	CMS_SignerInfo_get0_algs(si, &key, &x, &digest, &signature);
	read_algorithms(si, key, digest, signature, s);
	read_attributes(si, s);
	if (x == NULL || key == NULL) {
		read_signer_id(d, si, s);
		s->problems |= PROBLEM(NO_CERTIFICATE);
		return ST_OK;
	}
	read_certificate(d, x, s);
	s->problems |= verify(d, si, key, x);
	ERR_clear_error();
	s->valid = !(s->problems & (PROBLEM(UNSUPPORTED) | PROBLEM(CONFUSED) | PROBLEM(CONTENT_TYPE) |
				    PROBLEM(SIGNATURE) | PROBLEM(CERTIFICATE) | PROBLEM(CHANGED)));
	return s->valid ? look_at_chain(d, x, s) : ST_OK;
}

/* ---- all of them ---- */

static enum status keep_certificates(struct signed_data *d)
{
	struct smime_letter *l = d->r->l;
	int n = sk_X509_num(d->certificates);
	struct view *all = n > 0 ? arena_array(&l->a, l->n_certificates + (size_t)n, sizeof *all) : NULL;

	if (n <= 0)
		return ST_OK;
	if (all == NULL)
		return arena_status(&l->a);
	if (l->n_certificates)
		memcpy(all, l->certificates, l->n_certificates * sizeof *all);
	for (int i = 0; i < n; i++)
		all[l->n_certificates++] = smime_der(sk_X509_value(d->certificates, i), &l->a);
	l->certificates = all;
	return arena_status(&l->a);
}

static enum status check_signers(struct signed_data *d, struct smime_layer *layer)
{
	STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(d->cms);
	struct smime_letter *l = d->r->l;
	enum status st = ST_OK;
	int n = sk_CMS_SignerInfo_num(all);

	layer->first = l->n_signers;
	if (n <= 0)
		layer->problems |= PROBLEM(NO_SIGNER);
	if (n > (int)(SMIME_SIGNERS_MOST - l->n_signers)) {
		layer->problems |= PROBLEM(TOO_MANY);
		n = 0;
	}
	for (int i = 0; i < n && st == ST_OK; i++) {
		struct smime_signer *s = &l->signers[l->n_signers++];

		*s = (struct smime_signer){ .layer = (unsigned)(layer - l->layers), .signed_at = -1 };
		layer->signers++;
		st = check_signer(d, sk_CMS_SignerInfo_value(all, i), s);
	}
	return st == ST_OK ? arena_status(&l->a) : st;
}

enum status signed_check(struct reading *r, struct smime_layer *layer, struct view whole, struct view content)
{
	struct signed_data d = { .r = r, .cms = cms_parse(whole), .content = content };
	enum status st = ST_OK;

	if (d.cms == NULL || CMS_get0_SignerInfos(d.cms) == NULL) {
		layer->problems |= PROBLEM(UNREADABLE);
	} else {
		d.certificates = CMS_get1_certs(d.cms);
		d.crls = CMS_get1_crls(d.cms);
		d.looks_like_attributes = content.n && content.p[0] == SET_TAG;
		if (sk_X509_num(d.certificates) > CERTIFICATES_MOST) {
			layer->problems |= PROBLEM(TOO_MANY);
		} else {
			CMS_set1_signers_certs(d.cms, r->how->keys ? r->how->keys->others : NULL, 0);
			if (sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(d.cms)) > 0)
				d.digests = digests_of(d.cms, content);
			st = keep_certificates(&d);
			if (st == ST_OK)
				st = check_signers(&d, layer);
		}
	}
	BIO_free_all(d.digests);
	sk_X509_pop_free(d.certificates, X509_free);
	sk_X509_CRL_pop_free(d.crls, X509_CRL_free);
	CMS_ContentInfo_free(d.cms);
	ERR_clear_error();
	return st;
}
