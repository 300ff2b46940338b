#include "base/test.h"

#include "smime/base64.h"
#include "smime/chain.h"
#include "smime/lines.h"
#include "smime/sink.h"
#include "smime/write.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* ---- small things ---- */

static void lines(const char *text, size_t piece, const char *want)
{
	struct buf out = BUF(1 << 20);
	struct view v = view_cstr(text);
	struct lines l;

	lines_begin(&l, cms_to_buf, &out);
	for (; v.n; v = view_skip(v, piece))
		lines_put(&l, view_head(v, piece));
	assert_int_equal(lines_end(&l), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 5; piece++) {
		lines("a\nb\r\nc\rd\n\n\r\n", piece, "a\r\nb\r\nc\rd\r\n\r\n\r\n");
		lines("a\r", piece, "a\r");
		lines("", piece, "");
	}
	assert_true(lines_need(VIEW("a\nb")));
	assert_true(lines_need(VIEW("a\r\n\n")));
	assert_false(lines_need(VIEW("a\r\nb\r")));
}

static void test_base64(void **state)
{
	struct buf in = BUF(1 << 20), out = BUF(1 << 20), back = BUF(1 << 20);
	struct base64 b;

	(void)state;
	for (size_t n = 0; n < 60000; n += 997) {
		buf_clear(&in);
		buf_clear(&out);
		buf_clear(&back);
		for (size_t i = 0; i < n; i++)
			buf_putc(&in, (char)(uint8_t)(i * 7));
		base64_begin(&b, cms_to_buf, &out);
		for (struct view v = buf_view(&in); v.n; v = view_skip(v, 1000))
			assert_int_equal(base64_put(&b, view_head(v, 1000)), ST_OK);
		assert_int_equal(base64_end(&b), ST_OK);
		decode_body(ENC_BASE64, buf_view(&out), &back);
		assert_true(view_eq(buf_view(&in), buf_view(&back)));
	}
	buf_free(&in);
	buf_free(&out);
	buf_free(&back);
}

/* ---- CMS without its content ---- */

static enum status skim(struct view octets, struct buf *content, struct cms_shape *ret)
{
	struct buf skeleton = BUF(SKELETON_MAX);
	struct octets in;
	enum status st;

	buf_clear(content);
	octets_begin(&in, ENC_BINARY, octets);
	st = cms_skim(&in, &skeleton, cms_to_buf, content, ret);
	octets_free(&in);
	buf_free(&skeleton);
	return st;
}

#define SIGNED "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
#define DATA "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
#define HEAD "\x30\x80" SIGNED "\xa0\x80\x30\x80\x02\x01\x01\x31\x00"

static void test_skim(void **state)
{
	struct buf content = BUF(1024), deep = BUF(65536);
	struct cms_shape s;

	(void)state;
	/* A string in one piece, in segments, in segments of segments; none. */
	assert_int_equal(skim(VIEW(HEAD "\x30\x80" DATA "\xa0\x80\x04\x02hi\0\0\0\0\x31\x00\0\0\0\0\0\0"), &content, &s), ST_OK);
	assert_view(buf_view(&content), "hi");
	assert_int_equal(skim(VIEW(HEAD "\x30\x80" DATA "\xa0\x80\x24\x80\x04\x01h\x24\x03\x04\x01i\0\0\0\0\0\0\x31\x00\0\0\0\0\0\0"), &content, &s), ST_OK);
	assert_view(buf_view(&content), "hi");
	assert_int_equal(s.content, 2);
	assert_int_equal(skim(VIEW(HEAD "\x30\x80" DATA "\0\0\x31\x00\0\0\0\0\0\0"), &content, &s), ST_OK);
	assert_false(s.has_content);
	/* An inner length beyond the outer one; no end. */
	assert_int_equal(skim(VIEW("\x30\x1a" SIGNED "\xa0\x0d\x30\x7f\x02\x01\x01\x31\x00" "aaaaaaaaaaaa"), &content, &s), ST_SYNTAX);
	assert_int_equal(skim(VIEW(HEAD "\x30\x80" DATA "\xa0\x80\x04\x02hi"), &content, &s), ST_SYNTAX);
	assert_int_equal(skim(VIEW(""), &content, &s), ST_SYNTAX);
	/* Too deep, both ways. */
	buf_put(&deep, VIEW(HEAD "\x30\x80" DATA "\xa0\x80"));
	for (int i = 0; i < 1000; i++)
		buf_put(&deep, VIEW("\x24\x80"));
	assert_int_equal(skim(buf_view(&deep), &content, &s), ST_LIMIT);
	buf_clear(&deep);
	buf_put(&deep, VIEW("\x30\x80" SIGNED "\xa0\x80\x30\x80\x02\x01\x01"));
	for (int i = 0; i < 1000; i++)
		buf_put(&deep, VIEW("\x31\x80"));
	assert_int_equal(skim(buf_view(&deep), &content, &s), ST_LIMIT);
	buf_free(&content);
	buf_free(&deep);
}

/* ---- there and back ---- */

static void extend(X509 *x, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx(&c, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static struct smime_key make_key(EVP_PKEY *key, const char *address)
{
	struct smime_key k = { X509_new(), key };
	char names[128];

	assert_non_null(key);
	X509_set_version(k.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(k.certificate), 7);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(k.certificate), "CN", MBSTRING_UTF8, (const unsigned char *)"Smith", -1, -1, 0);
	X509_set_issuer_name(k.certificate, X509_get_subject_name(k.certificate));
	X509_gmtime_adj(X509_getm_notBefore(k.certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(k.certificate), 3600);
	X509_set_pubkey(k.certificate, key);
	snprintf(names, sizeof names, "email:%s", address);
	extend(k.certificate, NID_subject_alt_name, names);
	extend(k.certificate, NID_basic_constraints, "critical,CA:FALSE");
	assert_true(X509_sign(k.certificate, key, EVP_sha256()) > 0);
	return k;
}

static const char letter[] =
	"From: smith@bar.com\r\nTo: jones@foo.com\r\nSubject: The offer\r\nMIME-Version: 1.0\r\n"
	"Content-Type: text/plain; charset=utf-8; hp=\"cipher\"\r\n\r\nHello\r\n";

struct round {
	struct smime_key key;
	struct smime_keys keys;
	struct smime_trust *trust;
	struct buf out, opened;
	struct smime_letter l;
};

static void write_and_read(struct round *r, struct smime_writing *how)
{
	struct smime_reading reading = { .trust = r->trust, .keys = &r->keys, .now = (wall_ms)time(NULL) * 1000 };

	buf_clear(&r->out);
	buf_clear(&r->opened);
	how->now = reading.now;
	assert_int_equal(smime_write(view_make(letter, sizeof letter - 1), how, cms_to_buf, &r->out), ST_OK);
	assert_int_equal(smime_read(buf_view(&r->out), &reading, &r->l), ST_OK);
	assert_int_equal(smime_put_letter(&r->l, buf_view(&r->out), cms_to_buf, &r->opened), ST_OK);
	buf_putc(&r->opened, '\0');
	assert_non_null(strstr(r->opened.p, "Subject: The offer\r\n"));
	assert_non_null(strstr(r->opened.p, "\r\n\r\nHello\r\n"));
	assert_null(strstr(r->opened.p, "HP-Outer"));
}

static void begin(struct round *r, EVP_PKEY *key)
{
	struct arena a = ARENA(1 << 20);

	*r = (struct round){ .key = make_key(key, "smith@bar.com"), .out = BUF(1 << 20), .opened = BUF(1 << 20) };
	assert_int_equal(smime_trust_new(&r->trust), ST_OK);
	assert_int_equal(smime_trust_certificate(r->trust, smime_der(r->key.certificate, &a)), ST_OK);
	r->keys.all[r->keys.n++] = r->key;
	arena_free(&a);
}

static void end(struct round *r)
{
	smime_keys_free(&r->keys);
	smime_trust_free(r->trust);
	buf_free(&r->out);
	buf_free(&r->opened);
}

static void test_round(EVP_PKEY *key)
{
	struct smime_recipient to;
	struct smime_writing how = { 0 };
	struct round r;

	begin(&r, key);
	to = (struct smime_recipient){ .certificate = r.key.certificate };
	how.recipients = &to;
	for (unsigned form = 1; form < 32; form++) {
		how.signer = form & 1 ? &r.key : NULL;
		how.n_recipients = form & 2 ? 1 : 0;
		how.opaque = form & 4;
		how.cipher = form & 8 ? SMIME_CIPHER_GCM : SMIME_CIPHER_BEST;
		how.oaep = how.pss = form & 16;
		if (!(form & 3))
			continue;
		write_and_read(&r, &how);
		assert_int_equal(r.l.word, form & 1 ? SMIME_GOOD : SMIME_ENCRYPTED);
		assert_int_equal(r.l.protection, form & 2 ? SMIME_HP_CIPHER : SMIME_HP_CLEAR);
		assert_int_equal(r.l.decrypted, form & 2 ? 1 : 0);
		assert_int_equal(r.l.authenticated, form & 2 && (form & 1 || form & 8));
		if (form & 1)
			assert_int_equal(r.l.signers[0].chain, SMIME_CHAIN_PINNED);
		smime_free(&r.l);
	}
	end(&r);
}

static void test_rsa(void **state)
{
	(void)state;
	test_round(EVP_RSA_gen(2048));
}

static void test_ec(void **state)
{
	(void)state;
	test_round(EVP_EC_gen("P-256"));
	test_round(EVP_EC_gen("P-521"));
}

/* A letter that is flipped at any octet is never both good and another. */
static void test_flips(void **state)
{
	struct smime_writing how = { 0 };
	struct smime_reading reading = { .now = (wall_ms)time(NULL) * 1000 };
	struct round r;
	struct view payload;
	struct buf good = BUF(1 << 20);

	(void)state;
	begin(&r, EVP_EC_gen("P-256"));
	how.signer = &r.key;
	write_and_read(&r, &how);
	buf_put(&good, r.l.payload);
	smime_free(&r.l);
	reading.trust = r.trust;
	for (size_t i = 0; i < r.out.n; i += 3) {
		r.out.p[i] ^= 1;
		assert_int_equal(smime_read(buf_view(&r.out), &reading, &r.l), ST_OK);
		payload = r.l.payload;
		if (r.l.word == SMIME_GOOD)
			assert_true(view_eq(payload, buf_view(&good)));
		smime_free(&r.l);
		r.out.p[i] ^= 1;
	}
	buf_free(&good);
	end(&r);
}

/* OpenSSL of Debian 12 signs with no EdDSA key in CMS, and encrypts for no X25519 one. */
static void test_what_is_not(void **state)
{
	struct smime_writing how = { 0 };
	struct smime_key k = { X509_new(), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
	struct buf out = BUF(1 << 20);

	(void)state;
	X509_set_pubkey(k.certificate, k.key);
	how.signer = &k;
	assert_int_equal(smime_write(view_make(letter, sizeof letter - 1), &how, cms_to_buf, &out), ST_DENIED);
	assert_false(smime_can_receive(k.certificate, 0));
	assert_int_equal(smime_write(VIEW("no letter"), &how, cms_to_buf, &out), ST_SYNTAX);
	X509_free(k.certificate);
	EVP_PKEY_free(k.key);
	buf_free(&out);
}

static void test_cover(void **state)
{
	static const struct {
		const char *type;
		enum smime_cover cover;
	} all[] = {
		{ "text/plain", SMIME_COVER_NONE },
		{ "multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b", SMIME_COVER_SIGNED },
		{ "Multipart/Signed; protocol=\"application/pgp-signature\"; boundary=b", SMIME_COVER_SIGNED },
		{ "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b", SMIME_COVER_ENCRYPTED },
		{ "application/pkcs7-mime; smime-type=signed-data", SMIME_COVER_SIGNED },
		{ "application/x-pkcs7-mime; smime-type=\"Enveloped-Data\"", SMIME_COVER_ENCRYPTED },
		{ "application/pkcs7-mime; name=smime.p7m; smime-type=authEnveloped-data", SMIME_COVER_ENCRYPTED },
		/* It does not say what it is, or nothing that hides anything. */
		{ "application/pkcs7-mime; name=smime.p7m", SMIME_COVER_NONE },
		{ "application/pkcs7-mime; smime-type=compressed-data", SMIME_COVER_NONE },
		{ "text/plain; smime-type=enveloped-data", SMIME_COVER_NONE },
		/* Two: nobody knows which one counts. */
		{ "multipart/encrypted; boundary=b\r\nContent-Type: text/plain", SMIME_COVER_NONE },
	};
	char header[512];

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		snprintf(header, sizeof header, "From: a@b\r\nContent-Type: %s\r\n\r\n", all[i].type);
		assert_int_equal(smime_cover(view_cstr(header)), all[i].cover);
	}
	assert_int_equal(smime_cover(VIEW("From: a@b\r\n\r\n")), SMIME_COVER_NONE);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} all[] = {
		{ "Smith@bar.com", "smith@BAR.com", true },
		{ "smith@b\xc3\xbc" "cher.example", "SMITH@xn--bcher-kva.Example", true },
		{ "smith@bar.com", "smith@bar.com.", true },
		{ "smith@bar.com", "smiths@bar.com", false },
		{ "smith@bar.com", "smith@bar.org", false },
		{ "a@b@bar.com", "a@bar.com", false },
		/* No mailboxes, and so the same as nothing. */
		{ "smith", "smith", false },
		{ "@bar.com", "@bar.com", false },
		{ "smith@", "smith@", false },
		{ "smith@b..com", "smith@b..com", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct arena a = ARENA(65536);
		struct view one = view_cstr(all[i].a), other = view_cstr(all[i].b), plain = smime_plain_address(one, &a);

		assert_int_equal(smime_same_address(one, other), all[i].same);
		assert_int_equal(plain.n && view_eq(plain, smime_plain_address(other, &a)), all[i].same);
		arena_free(&a);
	}
}

/* CompressedData without a content, whose last end-of-contents octets lie within what
 * they belong to, or behind it: then two readers would see two things. */
static void test_skim_ends(void **state)
{
	static const char der[] =
		"\x30\x27\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09\xa0\x18"
		"\x30\x80\x02\x01\x00\x30\x0d\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08"
		"\x30\x80\x06\x01\x2a\x00\x00\x00\x00";
	char bytes[sizeof der - 1];
	struct cms_shape shape;
	struct buf content = BUF(100);

	(void)state;
	memcpy(bytes, der, sizeof bytes);
	for (size_t less = 0; less <= 2; less += 2) {
		bytes[1] = (char)(sizeof bytes - 2 - less);
		bytes[16] = (char)(sizeof bytes - 17 - less);
		assert_int_equal(skim(view_make(bytes, sizeof bytes), &content, &shape), less ? ST_SYNTAX : ST_OK);
	}
	assert_int_equal(shape.type, CMS_COMPRESSED);
	buf_free(&content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_base64), cmocka_unit_test(test_skim),
		cmocka_unit_test(test_rsa),   cmocka_unit_test(test_ec),     cmocka_unit_test(test_flips),
		cmocka_unit_test(test_what_is_not), cmocka_unit_test(test_cover), cmocka_unit_test(test_skim_ends),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
