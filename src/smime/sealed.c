/* EnvelopedData and AuthEnvelopedData (RFC 5652 6, RFC 5083, 5084): decrypting
 * with the keys that are here.
 *
 * Whatever goes wrong behind the choice of the key has one outcome.  For RSA
 * of PKCS #1 v1.5 OpenSSL goes on with a key by chance where the padding is
 * wrong (RFC 3218 2.3), so that nothing tells the two apart.
 */
#include "smime/internal.h"
#include "smime/sink.h"

#include <openssl/err.h>
#include <openssl/provider.h>

enum { BLOCK_MOST = 64 };

struct sealed {
	struct reading *r;
	struct smime_layer *layer;
	CMS_ContentInfo *cms;
	struct cms_shape shape;
	OSSL_LIB_CTX *old;		/* for ciphers that OpenSSL keeps apart */
	OSSL_PROVIDER *providers[2];
};

/* ---- ciphers ---- */

static const struct {
	int nid;
	const char *name;
	bool tagged;	/* authenticates */
	bool old;	/* not to be used any more */
	bool apart;	/* in OpenSSL's provider "legacy" */
} ciphers[] = {
	{ NID_aes_128_cbc, "AES-128-CBC", false, false, false },
	{ NID_aes_192_cbc, "AES-192-CBC", false, false, false },
	{ NID_aes_256_cbc, "AES-256-CBC", false, false, false },
	{ NID_aes_128_gcm, "AES-128-GCM", true, false, false },
	{ NID_aes_192_gcm, "AES-192-GCM", true, false, false },
	{ NID_aes_256_gcm, "AES-256-GCM", true, false, false },
	{ NID_camellia_128_cbc, "Camellia-128-CBC", false, false, false },
	{ NID_camellia_256_cbc, "Camellia-256-CBC", false, false, false },
	{ NID_des_ede3_cbc, "3DES-CBC", false, true, false },
	{ NID_rc2_cbc, "RC2-CBC", false, true, true },
	{ NID_des_cbc, "DES-CBC", false, true, true },
};

static int cipher_nid(const struct cms_shape *s)
{
	unsigned char der[2 + CMS_OID_MOST] = { V_ASN1_OBJECT, s->n_cipher };
	const unsigned char *p = der;
	ASN1_OBJECT *oid;
	int nid;

	memcpy(der + 2, s->cipher, s->n_cipher);
	oid = d2i_ASN1_OBJECT(NULL, &p, 2 + s->n_cipher);
	nid = OBJ_obj2nid(oid);
	ASN1_OBJECT_free(oid);
	ERR_clear_error();
	return nid;
}

static bool open_old(struct sealed *s)
{
	s->old = OSSL_LIB_CTX_new();
	if (s->old) {
		s->providers[0] = OSSL_PROVIDER_load(s->old, "default");
		s->providers[1] = OSSL_PROVIDER_load(s->old, "legacy");
	}
	return s->providers[0] && s->providers[1];
}

static void close_old(struct sealed *s)
{
	for (int i = 0; i < 2; i++)
		if (s->providers[i])
			OSSL_PROVIDER_unload(s->providers[i]);
	OSSL_LIB_CTX_free(s->old);
}

/* Is it one that is read; an authenticated message wants a cipher that
 * authenticates, and a tag of some length (RFC 5084 3.2): OpenSSL would
 * be content with one octet. */
static bool choose_cipher(struct sealed *s)
{
	int nid = cipher_nid(&s->shape);
	bool auth = s->shape.type == CMS_AUTH_ENVELOPED;

	for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
		if (ciphers[i].nid != nid)
			continue;
		s->layer->cipher = view_cstr(ciphers[i].name);
		if (ciphers[i].old)
			s->layer->problems |= PROBLEM(OLD_CIPHER);
		if (auth && ciphers[i].tagged && s->shape.mac < SMIME_TAG_LEAST)
			s->layer->problems |= PROBLEM(SHORT_TAG);
		s->layer->authenticated = ciphers[i].tagged && auth;
		return ciphers[i].tagged == auth && !(s->layer->problems & PROBLEM(SHORT_TAG)) &&
		       (!ciphers[i].apart || open_old(s));
	}
	s->layer->cipher = view_cstr(nid == NID_undef ? "unknown" : OBJ_nid2sn(nid));
	return false;
}

/* ---- recipients ---- */

static bool is_for(CMS_RecipientInfo *ri, X509 *x)
{
	STACK_OF(CMS_RecipientEncryptedKey) *keys;

	switch (CMS_RecipientInfo_type(ri)) {
	case CMS_RECIPINFO_TRANS:
		return CMS_RecipientInfo_ktri_cert_cmp(ri, x) == 0;
	case CMS_RECIPINFO_AGREE:
		keys = CMS_RecipientInfo_kari_get0_reks(ri);
		for (int i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); i++)
			if (CMS_RecipientEncryptedKey_cert_cmp(sk_CMS_RecipientEncryptedKey_value(keys, i), x) == 0)
				return true;
		return false;
	default:
		return false;
	}
}

static struct view key_algorithm(CMS_RecipientInfo *ri)
{
	const ASN1_OBJECT *oid = NULL;
	ASN1_OCTET_STRING *ukm;
	X509_ALGOR *algorithm = NULL;

	if (CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_TRANS)
		CMS_RecipientInfo_ktri_get0_algs(ri, NULL, NULL, &algorithm);
	else if (CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_AGREE)
		CMS_RecipientInfo_kari_get0_alg(ri, &algorithm, &ukm);
	if (algorithm)
		X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
	switch (oid ? OBJ_obj2nid(oid) : NID_undef) {
	case NID_rsaEncryption:
		return VIEW("RSA");
	case NID_rsaesOaep:
		return VIEW("RSA-OAEP");
	case NID_undef:
		return VIEW_NONE;
	default:
		return CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_AGREE ? VIEW("ECDH") :
									   view_cstr(OBJ_nid2sn(OBJ_obj2nid(oid)));
	}
}

static const struct smime_key *find_key(struct sealed *s)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(s->cms);
	const struct smime_keys *keys = s->r->how->keys;
	int n = sk_CMS_RecipientInfo_num(all);

	s->layer->recipients = n > 0 ? (unsigned)n : 0;
	if (n <= 0 || n > SMIME_RECIPIENTS_MOST)
		return NULL;
	s->layer->key_algorithm = key_algorithm(sk_CMS_RecipientInfo_value(all, 0));
	for (unsigned k = 0; keys && k < keys->n; k++)
		for (int i = 0; i < n; i++)
			if (is_for(sk_CMS_RecipientInfo_value(all, i), keys->all[k].certificate)) {
				s->layer->key_algorithm = key_algorithm(sk_CMS_RecipientInfo_value(all, i));
				return &keys->all[k];
			}
	return NULL;
}

/* ---- the content ---- */

static enum status to_cipher(void *bio, struct view piece)
{
	return bio_put(bio, piece) ? ST_OK : ST_CORRUPT;
}

/* ST_CORRUPT: it does not decrypt. */
static enum status pass_through(struct cms_part part, BIO *cipher)
{
	struct cms_shape again;
	struct octets in;
	enum status st;

	octets_begin(&in, part.encoding, part.body);
	st = cms_skim(&in, NULL, to_cipher, cipher, &again);
	octets_free(&in);
	if (st != ST_OK)
		return st;
	return BIO_flush(cipher) == 1 && BIO_get_cipher_status(cipher) == 1 ? ST_OK : ST_CORRUPT;
}

static enum status decrypt(struct sealed *s, const struct smime_key *key, struct cms_part part, struct buf *out)
{
	enum status st = ST_CORRUPT;
	struct cms_sink sink;
	BIO *to = cms_sink_open(&sink, cms_to_buf, out), *cipher = NULL;
	char *room;

	if (to == NULL) {
		st = ST_NOMEM;
	} else if (CMS_decrypt_set1_pkey(s->cms, key->key, key->certificate) == 1 &&
		   (cipher = CMS_dataInit(s->cms, to)) != NULL) {
		st = buf_reserve(out, (size_t)s->shape.content + BLOCK_MOST, &room);
		if (st == ST_OK)
			st = pass_through(part, cipher);
	}
	/* What was put before the flaw was seen is worth nothing. */
	if (sink.st == ST_NOMEM)
		st = ST_NOMEM;
	BIO_free_all(cipher ? cipher : to);
	cms_sink_free(&sink);
	ERR_clear_error();
	return st;
}

static enum status parse(struct sealed *s, struct cms_part part)
{
	struct buf skeleton = BUF(SKELETON_MAX);
	const unsigned char *p;
	struct octets in;
	enum status st;

	octets_begin(&in, part.encoding, part.body);
	st = cms_skim(&in, &skeleton, NULL, NULL, &s->shape);
	octets_free(&in);
	if (st == ST_OK && choose_cipher(s)) {
		p = (const unsigned char *)skeleton.p;
		s->cms = s->old ? CMS_ContentInfo_new_ex(s->old, NULL) : NULL;
		if (s->cms)
			d2i_CMS_ContentInfo(&s->cms, &p, (long)skeleton.n);
		else if (s->old == NULL)
			s->cms = cms_parse(buf_view(&skeleton));
	}
	buf_free(&skeleton);
	ERR_clear_error();
	return st;
}

enum status sealed_open(struct reading *r, struct smime_layer *layer, struct cms_part part, struct buf *ret_content)
{
	struct sealed s = { .r = r, .layer = layer };
	struct buf content = BUF(content_max(r) + BLOCK_MOST);
	const struct smime_key *key = NULL;
	enum status st = parse(&s, part);

	if (st == ST_OK && s.cms)
		key = find_key(&s);
	if (s.shape.content > content_max(r))
		layer->problems |= PROBLEM(BOMB);
	else if (st == ST_OK && s.cms && key == NULL)
		layer->problems |= layer->recipients ? PROBLEM(NO_KEY) : PROBLEM(NOT_DECRYPTED);
	else if (st == ST_OK && s.cms)
		st = decrypt(&s, key, part, &content);
	layer->opened = st == ST_OK && key && !(layer->problems & PROBLEM(BOMB));
	if (!layer->opened && !(layer->problems & (PROBLEM(NO_KEY) | PROBLEM(BOMB) | PROBLEM(SHORT_TAG))))
		layer->problems |= PROBLEM(NOT_DECRYPTED);
	if (layer->opened) {
		*ret_content = content;
		content = BUF(0);
	} else {
		layer->authenticated = false;
		if (content.n)
			OPENSSL_cleanse(content.p, content.n);
	}
	buf_free(&content);
	CMS_ContentInfo_free(s.cms);
	close_old(&s);
	return is_theirs(st) ? ST_OK : st;
}
