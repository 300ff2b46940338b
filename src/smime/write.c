#include "smime/write.h"

#include "smime/base64.h"
#include "smime/legacy.h"
#include "smime/lines.h"
#include "smime/protect.h"
#include "smime/sink.h"

#include "msg/convert.h"
#include "msg/mime.h"
#include "msg/header.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>

enum { BOUNDARY_OCTETS = 18, HEADER_MOST = 8 * 1024 * 1024, COPY_MOST = 512 * 1024 * 1024 };

struct writing {
	const struct smime_writing *how;
	struct view letter, header;
	bool protects;
	cms_content *take;
	void *arg;
};

/* Where something is written to. */
struct to {
	cms_content *take;
	void *arg;
};

static enum status put(struct to to, const char *text)
{
	return to.take(to.arg, view_cstr(text));
}

/* Hands on what was gathered, and empties it. */
static enum status put_buf(struct to to, struct buf *b)
{
	enum status st = buf_status(b);

	if (st == ST_OK)
		st = to.take(to.arg, buf_view(b));
	buf_clear(b);
	return st;
}

static bool seals(const struct writing *w)
{
	return w->how->n_recipients > 0;
}

/* ---- header sections ---- */

static struct view raw_field(const struct writing *w, const struct field *f)
{
	return view_make(w->header.p + f->start, f->end - f->start);
}

/* With CRLF at each line's end, also at the last. */
static void put_lines(struct view text, struct buf *out)
{
	struct lines l;

	lines_begin(&l, cms_to_buf, out);
	lines_put(&l, text);
	if (text.n && text.p[text.n - 1] != '\n')
		lines_put(&l, VIEW("\r\n"));
	if (lines_end(&l) != ST_OK)
		return;		/* said by the buf */
}

/* "Content-Type: ...", and that the fields beside it are protected (RFC 9788
 * 2.1): a letter that was opened may say so already. */
static void put_type(const struct writing *w, struct view field, bool displays, struct buf *out)
{
	struct buf kept = BUF(HEADER_MOST);

	if (w->protects) {
		legacy_put_type(field, &kept);
		buf_puts(&kept, seals(w) ? ";\r\n hp=\"cipher\"" : ";\r\n hp=\"clear\"");
		buf_puts(&kept, displays ? "; hp-legacy-display=\"1\"" : "");
	}
	put_lines(w->protects ? buf_view(&kept) : field, out);
	buf_free(&kept);
}

/* What belongs to the body. */
static void put_structure_fields(const struct writing *w, bool displays, struct buf *out)
{
	struct field f;
	size_t at = 0;
	bool type = false;

	while (field_next(w->header, &at, &f)) {
		if (field_id(f.name) == FIELD_TYPE && !type) {
			put_type(w, raw_field(w, &f), displays, out);
			type = true;
		} else if (view_starts_i(f.name, VIEW("Content-"))) {
			put_lines(raw_field(w, &f), out);
		}
	}
	if (!type)
		put_type(w, VIEW("Content-Type: text/plain"), displays, out);
}

/* Copies of what people see, and what of it is outside (RFC 9788 2.2). */
static void put_protected(const struct writing *w, struct buf *out)
{
	struct field f;
	size_t at = 0;

	while (field_next(w->header, &at, &f))
		if (!protect_is_structural(f.name) && !protect_is_outer(f.name))
			put_lines(raw_field(w, &f), out);
	for (at = 0; seals(w) && field_next(w->header, &at, &f);) {
		struct view outside = protect_outside(f.name, raw_field(w, &f));

		if (protect_is_structural(f.name) || protect_is_outer(f.name) || outside.n == 0)
			continue;
		buf_puts(out, "HP-Outer: ");
		put_lines(outside, out);
	}
}

static void put_outer(const struct writing *w, struct buf *out)
{
	struct field f;
	size_t at = 0;

	while (field_next(w->header, &at, &f)) {
		struct view raw = raw_field(w, &f);

		if (protect_is_structural(f.name) || f.name.n == 0)
			continue;
		if (w->protects && seals(w) && !protect_is_outer(f.name))
			raw = protect_outside(f.name, raw);
		put_lines(raw, out);
	}
	buf_puts(out, "MIME-Version: 1.0\r\n");
}

/* ---- the payload ---- */

static enum status to_lines(void *lines, struct view piece)
{
	struct lines *l = lines;

	lines_put(l, piece);
	return l->st;
}

/* The subject is hidden outside: shown in the text for those who know of no other. */
static enum status display(const struct writing *w, struct legacy *ret)
{
	struct field f;

	*ret = (struct legacy){ .whole = w->letter };
	if (!w->protects || !seals(w) || w->how->undisplayed || !field_find(w->header, VIEW("Subject"), &f))
		return ST_OK;
	return legacy_add(w->letter, f.value, ret);
}

static enum status emit_payload(const struct writing *w, struct to to)
{
	struct buf header = BUF(HEADER_MOST);
	struct legacy shown;
	struct lines l;
	enum status st = display(w, &shown);

	if (st != ST_OK)
		return st;
	put_structure_fields(w, shown.root, &header);
	if (w->protects)
		put_protected(w, &header);
	buf_puts(&header, "\r\n");
	st = put_buf(to, &header);
	buf_free(&header);
	lines_begin(&l, to.take, to.arg);
	if (st == ST_OK)
		st = legacy_put(&shown, w->header.n, w->letter.n, to_lines, &l);
	legacy_free(&shown);
	return st == ST_OK ? lines_end(&l) : st;
}

/* ---- signing ---- */

static const EVP_MD *digest_for(EVP_PKEY *key, const char **ret_micalg)
{
	int bits = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC ? EVP_PKEY_get_bits(key) : 0;

	*ret_micalg = bits > 384 ? "sha-512" : bits > 256 ? "sha-384" : "sha-256";
	return bits > 384 ? EVP_sha512() : bits > 256 ? EVP_sha384() : EVP_sha256();
}

static bool add_attributes(CMS_SignerInfo *si, wall_ms now)
{
	STACK_OF(X509_ALGOR) *can = smime_own_capabilities();
	ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)(now / 1000));
	bool good = can && time && CMS_add_smimecap(si, can) == 1 &&
		    CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime, ASN1_STRING_type(time), time, -1) == 1;

	sk_X509_ALGOR_pop_free(can, X509_ALGOR_free);
	ASN1_TIME_free(time);
	return good;
}

/* OpenSSL names the algorithm only when it signs, but writes the beginning of
 * what passes before: until then its name alone stands there. */
static bool set_pss(CMS_SignerInfo *si)
{
	EVP_PKEY_CTX *c = CMS_SignerInfo_get0_pkey_ctx(si);
	X509_ALGOR *algorithm;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, NULL, &algorithm);
	return c && X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_rsassaPss), V_ASN1_NULL, NULL) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* NULL: OpenSSL cannot sign with such a key. */
static CMS_ContentInfo *begin_signed(const struct smime_writing *how, bool detached, const char **ret_micalg)
{
	unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_STREAM | (detached ? CMS_DETACHED : 0);
	const struct smime_key *s = how->signer;
	bool pss = how->pss && EVP_PKEY_get_base_id(s->key) == EVP_PKEY_RSA;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, how->chain, NULL, flags);
	CMS_SignerInfo *si = cms ? CMS_add1_signer(cms, s->certificate, s->key, digest_for(s->key, ret_micalg),
						   CMS_NOSMIMECAP | CMS_CADES | (pss ? CMS_KEY_PARAM : 0)) : NULL;

	if (si && add_attributes(si, how->now) && (!pss || set_pss(si)))
		return cms;
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return NULL;
}

static enum status to_bio(void *bio, struct view piece)
{
	return bio_put(bio, piece) ? ST_OK : ST_IO;
}

/* What is hashed and handed on. */
struct tee {
	BIO *digest;
	struct to to;
};

static enum status to_both(void *arg, struct view piece)
{
	struct tee *t = arg;

	return bio_put(t->digest, piece) ? t->to.take(t->to.arg, piece) : ST_NOMEM;
}

static enum status put_signature(CMS_ContentInfo *cms, struct to to)
{
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	struct base64 b;
	enum status st;

	if (n <= 0)
		return ST_NOMEM;
	base64_begin(&b, to.take, to.arg);
	st = base64_put(&b, view_make((const char *)der, (size_t)n));
	if (st == ST_OK)
		st = base64_end(&b);
	OPENSSL_free(der);
	return st;
}

static enum status make_boundary(char *out)
{
	unsigned char lot[BOUNDARY_OCTETS];

	if (RAND_bytes(lot, sizeof lot) != 1)
		return ST_NOMEM;
	for (size_t i = 0; i < sizeof lot; i++)
		out += snprintf(out, 3, "%02x", lot[i]);
	return ST_OK;
}

static enum status emit_parts(const struct writing *w, CMS_ContentInfo *cms, BIO *digest, const char *micalg,
			      struct to to)
{
	char boundary[2 * BOUNDARY_OCTETS + 1] = "";
	struct buf text = BUF(4096);
	struct tee tee = { digest, to };
	enum status st = make_boundary(boundary);

	buf_putf(&text, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
		 " micalg=%s; boundary=\"%s\"\r\n\r\n--%s\r\n", micalg, boundary, boundary);
	if (st == ST_OK)
		st = put_buf(to, &text);
	if (st == ST_OK)
		st = emit_payload(w, (struct to){ to_both, &tee });
	if (st == ST_OK && CMS_dataFinal(cms, digest) != 1)
		st = ST_DENIED;
	buf_putf(&text, "\r\n--%s\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
		 "Content-Transfer-Encoding: base64\r\n"
		 "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n", boundary);
	if (st == ST_OK)
		st = put_buf(to, &text);
	if (st == ST_OK)
		st = put_signature(cms, to);
	buf_putf(&text, "\r\n--%s--\r\n", boundary);
	if (st == ST_OK)
		st = put_buf(to, &text);
	buf_free(&text);
	return st;
}

static enum status emit_multipart(const struct writing *w, struct to to)
{
	const char *micalg;
	CMS_ContentInfo *cms = begin_signed(w->how, true, &micalg);
	BIO *nowhere = BIO_new(BIO_s_null()), *digest = cms && nowhere ? CMS_dataInit(cms, nowhere) : NULL;
	enum status st = cms == NULL ? ST_DENIED : digest == NULL ? ST_NOMEM : ST_OK;

	if (st == ST_OK)
		st = emit_parts(w, cms, digest, micalg, to);
	BIO_free_all(digest ? digest : nowhere);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return st;
}

/* ---- CMS around a content that passes ---- */

typedef enum status emit_content(const struct writing *w, struct to to);

static enum status emit_cms(const struct writing *w, CMS_ContentInfo *cms, emit_content *content, struct to to)
{
	struct base64 b;
	struct cms_sink sink;
	BIO *out, *in = NULL, *next;
	enum status st = ST_NOMEM;

	base64_begin(&b, to.take, to.arg);
	out = cms_sink_open(&sink, base64_put, &b);
	if (out)
		in = BIO_new_CMS(out, cms);
	if (in) {
		st = content(w, (struct to){ to_bio, in });
		if (st == ST_OK && BIO_flush(in) != 1)
			st = ST_DENIED;
		if (sink.st != ST_OK)
			st = sink.st;
		/* The chain ends with our own, which the others do not free. */
		for (; in != out; in = next) {
			next = BIO_pop(in);
			BIO_free(in);
		}
	}
	BIO_free(out);
	cms_sink_free(&sink);
	return st == ST_OK ? base64_end(&b) : st;
}

static enum status emit_opaque(const struct writing *w, struct to to)
{
	const char *micalg;
	CMS_ContentInfo *cms = begin_signed(w->how, false, &micalg);
	enum status st = cms ? put(to, "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"\r\n"
				   "Content-Transfer-Encoding: base64\r\n"
				   "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n") : ST_DENIED;

	if (st == ST_OK)
		st = emit_cms(w, cms, emit_payload, to);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return st;
}

static enum status emit_signed(const struct writing *w, struct to to)
{
	if (w->how->signer == NULL)
		return emit_payload(w, to);
	return w->how->opaque ? emit_opaque(w, to) : emit_multipart(w, to);
}

/* ---- encrypting ---- */

/* What SMIME_CIPHER_BEST comes to. */
static enum smime_cipher best_cipher(const struct smime_recipient *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((all[i].can | smime_capabilities(all[i].certificate)) & SMIME_CAN_AES256_GCM))
			return SMIME_CIPHER_CBC;
	return SMIME_CIPHER_GCM;
}

/* OAEP by wish; for ECDH a KDF with SHA-256 (RFC 5753 7.1.4), of which OpenSSL's
 * own choice is SHA-1. */
static bool add_recipient(CMS_ContentInfo *cms, X509 *x, bool oaep)
{
	bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(x)) == EVP_PKEY_RSA;
	CMS_RecipientInfo *ri = CMS_add1_recipient_cert(cms, x, !rsa || oaep ? CMS_KEY_PARAM : 0);
	EVP_PKEY_CTX *c = ri ? CMS_RecipientInfo_get0_pkey_ctx(ri) : NULL;

	if (ri == NULL || (rsa && !oaep))
		return ri != NULL;
	if (!rsa)
		return c && EVP_PKEY_CTX_set_ecdh_kdf_md(c, EVP_sha256()) == 1;
	return c && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) == 1;
}

static CMS_ContentInfo *begin_sealed(const struct smime_writing *how, bool gcm)
{
	CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc(),
					   CMS_BINARY | CMS_PARTIAL | CMS_STREAM);

	for (size_t i = 0; cms && i < how->n_recipients; i++)
		if (!add_recipient(cms, how->recipients[i].certificate, how->oaep)) {
			CMS_ContentInfo_free(cms);
			cms = NULL;
		}
	ERR_clear_error();
	return cms;
}

static enum status emit_sealed(const struct writing *w, struct to to)
{
	enum smime_cipher cipher = w->how->cipher == SMIME_CIPHER_BEST ?
		best_cipher(w->how->recipients, w->how->n_recipients) : w->how->cipher;
	bool gcm = cipher == SMIME_CIPHER_GCM;
	CMS_ContentInfo *cms = begin_sealed(w->how, gcm);
	struct buf text = BUF(4096);
	enum status st = cms ? ST_OK : ST_DENIED;

	buf_putf(&text, "Content-Type: application/pkcs7-mime; smime-type=%s;\r\n name=\"smime.p7m\"\r\n"
		 "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n",
		 gcm ? "authEnveloped-data" : "enveloped-data");
	if (st == ST_OK)
		st = put_buf(to, &text);
	if (st == ST_OK)
		st = emit_cms(w, cms, emit_signed, to);
	buf_free(&text);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return st;
}

/* ---- the whole ---- */

static enum status emit_letter(struct writing *w)
{
	struct to to = { w->take, w->arg };
	struct buf header = BUF(HEADER_MOST);
	enum status st;

	put_outer(w, &header);
	st = put_buf(to, &header);
	buf_free(&header);
	if (st != ST_OK)
		return st;
	return seals(w) ? emit_sealed(w, to) : emit_signed(w, to);
}

static void split(struct writing *w)
{
	w->header = view_head(w->letter, header_size(w->letter));
	w->protects = !w->how->unprotected && !smime_concerns(w->header);
}

/* A body of 8 bits would be changed on its way to a host that takes 7. */
static enum status emit_survivor(struct writing *w)
{
	struct buf crlf = BUF(COPY_MOST), seven = BUF(COPY_MOST);
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct convert_form has;
	enum status st = ST_OK;

	if (lines_need(w->letter)) {
		put_lines(w->letter, &crlf);
		st = buf_status(&crlf);
		w->letter = buf_view(&crlf);
	}
	if (st == ST_OK)
		st = convert_needs(w->letter, &a, &has);
	if (st == ST_OK && (has.eightbit || has.binary)) {
		st = convert_letter(w->letter, (struct convert_form){ .utf8 = true }, &a, &seven);
		w->letter = buf_view(&seven);
	}
	if (st == ST_OK) {
		split(w);
		st = emit_letter(w);
	}
	arena_free(&a);
	buf_free(&crlf);
	buf_free(&seven);
	return st;
}

enum status smime_write(struct view letter, const struct smime_writing *how, cms_content *take, void *arg)
{
	struct writing w = { .how = how, .letter = letter, .take = take, .arg = arg };
	struct field f;
	size_t at = 0;

	if (!field_next(letter, &at, &f) || f.name.n == 0)
		return ST_SYNTAX;
	if (how->signer && !how->opaque && how->n_recipients == 0)
		return emit_survivor(&w);
	split(&w);
	return emit_letter(&w);
}
