#include "base/test.h"

#include "acme/answers.h"
#include "acme/jws.h"
#include "acme/letter.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#define TOKEN "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME"
#define HEAD "From: Issuer <acme@issuer.example>\r\nTo: jones@foo.com\r\n"
#define TAIL "Auto-Submitted: auto-generated; type=acme\r\nMessage-ID: <A2299BB.FF7788@issuer.example>\r\n"

/* ---- the challenge ---- */

static enum status find(const char *text, struct arena *a, struct acme_letter *ret)
{
	arena_free(a);
	return acme_letter_find(view_cstr(text), a, ret);
}

static void test_challenge(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct acme_letter l;

	(void)state;
	assert_int_equal(find(HEAD "Subject: ACME: " TOKEN "\r\n" TAIL "\r\nblah", &a, &l), ST_OK);
	assert_view(l.token, TOKEN);
	assert_view(l.sender, "acme@issuer.example");
	assert_view(l.domain, "issuer.example");
	assert_view(l.to, "jones@foo.com");
	assert_view(l.message_id, "A2299BB.FF7788@issuer.example");
	assert_int_equal(l.reply_to.n, 0);
	/* Folds do not count, nor whether it is an encoded word (RFC 8823 3.1, 4). */
	assert_int_equal(find(HEAD TAIL "Subject: ACME: LgYemJLy3F1LDkiJrdIG\r\n bEzyFJyOyf6vBdyZ1TG3sME\r\n"
				   "Reply-To: <answers@issuer.example>\r\n\r\n", &a, &l), ST_OK);
	assert_view(l.token, TOKEN);
	assert_view(l.reply_to, "answers@issuer.example");
	assert_int_equal(find(HEAD TAIL "Subject: =?utf-8?q?ACME=3A_" TOKEN "?=\r\n\r\n", &a, &l), ST_OK);
	assert_view(l.token, TOKEN);
	arena_free(&a);
}

static void test_no_challenge(void **state)
{
	static const char *const texts[] = {
		HEAD TAIL "Subject: ACME: short\r\n\r\n",
		HEAD TAIL "Subject: Re: ACME: " TOKEN "\r\n\r\n",
		HEAD TAIL "Subject: ACME: " TOKEN "=\r\n\r\n",
		HEAD TAIL "Subject: ACME: " TOKEN "\r\nSubject: ACME: " TOKEN "\r\n\r\n",
		HEAD TAIL "Subject: ACME: " TOKEN "\r\nFrom: eve@issuer.example\r\n\r\n",
		HEAD TAIL "Subject: ACME: " TOKEN "\r\nReply-To: a@b.example, c@d.example\r\n\r\n",
		HEAD TAIL "\r\nSubject: ACME: " TOKEN "\r\n",
		HEAD "Subject: ACME: " TOKEN "\r\nMessage-ID: <a@b>\r\n\r\n",
		HEAD "Subject: ACME: " TOKEN "\r\nAuto-Submitted: auto-generated\r\nMessage-ID: <a@b>\r\n\r\n",
		HEAD "Subject: ACME: " TOKEN "\r\nAuto-Submitted: no; type=acme\r\nMessage-ID: <a@b>\r\n\r\n",
		HEAD "Subject: ACME: " TOKEN "\r\nAuto-Submitted: auto-generated; type=acme\r\n\r\n",
		HEAD "Subject: ACME: " TOKEN "\r\nAuto-Submitted: auto-generated; type=acme\r\nMessage-ID: <a b@c>\r\n\r\n",
		"From: a@b.example\r\nSubject: ACME: " TOKEN "\r\n" TAIL "\r\n",
		"From: a@b.example\r\nTo: a@foo.com, b@foo.com\r\nSubject: ACME: " TOKEN "\r\n" TAIL "\r\n",
		"From: a@b.example, c@b.example\r\nTo: a@foo.com\r\nSubject: ACME: " TOKEN "\r\n" TAIL "\r\n",
		"",
	};
	struct arena a = ARENA(1 << 20);
	struct acme_letter l;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (find(texts[i], &a, &l) != ST_MISSING)
			fail_msg("taken: %s", texts[i]);
	arena_free(&a);
}

static void test_signature(void **state)
{
	struct acme_letter l = { .domain = VIEW("issuer.example") };
	struct signature s = { .result = SEAL_PASS, .domain = VIEW("issuer.example"), .length = UINT64_MAX,
			       .names = VIEW("From : To:Subject:\r\n Auto-Submitted:Message-ID") };

	(void)state;
	assert_true(acme_letter_is_signed(&l, &s));
	l.reply_to = VIEW("a@b.example");
	assert_false(acme_letter_is_signed(&l, &s));
	l.reply_to = VIEW_NONE;
	s.domain = VIEW("example");
	assert_false(acme_letter_is_signed(&l, &s));
	s.domain = VIEW("issuer.example");
	s.names = VIEW("From:To:Auto-Submitted:Message-ID");
	assert_false(acme_letter_is_signed(&l, &s));
	s.names = VIEW("From:To:Subject:Auto-Submitted:Message-ID");
	s.unsigned_octets = 1;
	assert_false(acme_letter_is_signed(&l, &s));
	s.unsigned_octets = 0;
	s.result = SEAL_FAIL;
	assert_false(acme_letter_is_signed(&l, &s));
}

/* ---- what is signed ---- */

static const unsigned char x[] = {	/* RFC 7515 A.3.1 */
	127, 205, 206, 39, 112, 246, 196, 93, 65, 131, 203, 238, 111, 219, 75, 123, 88, 7, 51, 53, 123, 233, 239, 19, 186, 207, 110, 60, 123, 209, 84, 69,
}, y[] = {
	199, 241, 68, 205, 27, 189, 155, 126, 135, 44, 223, 237, 185, 238, 185, 244, 179, 105, 93, 110, 169, 11, 36, 173, 138, 70, 35, 40, 133, 136, 229, 173,
};

static EVP_PKEY *public_key(void)
{
	unsigned char point[65] = { 4 };
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point), OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	memcpy(point + 1, x, 32);
	memcpy(point + 33, y, 32);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	EVP_PKEY_CTX_free(c);
	return key;
}

static void test_key(void **state)
{
	struct buf out = BUF(1024);
	EVP_PKEY *key = public_key(), *rsa;

	(void)state;
	assert_int_equal(acme_jwk(key, &out), ST_OK);
	assert_view(buf_view(&out), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	buf_clear(&out);
	/* By python3-josepy. */
	assert_int_equal(acme_thumbprint(key, &out), ST_OK);
	assert_view(buf_view(&out), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
	buf_clear(&out);
	assert_int_equal(acme_digest(key, view_cstr(TOKEN), VIEW("DGyRejmCefe7v4NfDGDKfA"), &out), ST_OK);
	assert_view(buf_view(&out), "oimd8rzfrRG5XUjw_uxdy41JJg5MKr9YrUHKwHhWcYE");
	rsa = EVP_RSA_gen(1024);
	assert_int_equal(acme_jwk(rsa, &out), ST_SYNTAX);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(key);
	buf_free(&out);
}

static void test_nothing_breaks_out(void **state)
{
	struct acme_saying s = { .url = VIEW("https://a.example/\""), .nonce = VIEW("n") };
	struct buf out = BUF(ACME_JWS_MAX);
	EVP_PKEY *key = EVP_EC_gen("P-256");

	(void)state;
	assert_int_equal(acme_sign(key, &s, &out), ST_SYNTAX);
	s.url = VIEW("https://a.example/");
	s.nonce = VIEW("a\\");
	assert_int_equal(acme_sign(key, &s, &out), ST_SYNTAX);
	s.nonce = VIEW("n");
	assert_int_equal(acme_sign(key, &s, &out), ST_OK);
	buf_clear(&out);
	assert_int_equal(acme_bind(key, s.url, VIEW("a\"b"), VIEW("secret"), &out), ST_SYNTAX);
	EVP_PKEY_free(key);
	buf_free(&out);
}

/* ---- what is answered ---- */

static void test_origin(void **state)
{
	static const char *const bad[] = { "http://a.example/", "https:///", "https://a@b.example/", "https://[::1]/", "" };
	struct view v;

	(void)state;
	assert_int_equal(acme_origin(VIEW("https://a.example:8443/dir?x"), &v), ST_OK);
	assert_view(v, "https://a.example:8443");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(acme_origin(view_cstr(bad[i]), &v), ST_SYNTAX);
	assert_int_equal(acme_url_check(VIEW("https://a.example/x"), VIEW("https://a.example")), ST_OK);
	assert_int_equal(acme_url_check(VIEW("https://a.example.evil/x"), VIEW("https://a.example")), ST_DENIED);
	assert_int_equal(acme_url_check(VIEW("https://a.example@evil/x"), VIEW("https://a.example")), ST_DENIED);
	assert_int_equal(acme_url_check(VIEW("https://a.example/ x"), VIEW("https://a.example")), ST_SYNTAX);
}

static void test_problem(void **state)
{
	json_t *o = json_loads("{\"type\":\"urn:ietf:params:acme:error:compound\",\"detail\":\"two things\",\"subproblems\":["
			       "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"one\"},{\"detail\":\"two\\n\"},{},{},{}]}", 0, NULL);
	struct buf out = BUF(ACME_PROBLEM_MAX);

	(void)state;
	acme_problem_put(o, &out);
	assert_view(buf_view(&out), "two things (compound); one (malformed); two?; no reason is given");
	assert_view(acme_problem_kind(o), "compound");
	json_decref(o);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenge), cmocka_unit_test(test_no_challenge), cmocka_unit_test(test_signature),
		cmocka_unit_test(test_key),	  cmocka_unit_test(test_nothing_breaks_out), cmocka_unit_test(test_origin),
		cmocka_unit_test(test_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
