/* Files with a key of TSIG (RFC 8945), as tools write them. */
#include "base/test.h"

#include "admin/dns/tsig.h"

static void good(const char *text, const char *name, const char *secret)
{
	struct tsig_key k;

	assert_int_equal(tsig_key_parse(view_cstr(text), &k), ST_OK);
	assert_string_equal(k.name, name);
	assert_string_equal(k.secret, secret);
}

static void test_forms(void **state)
{
	(void)state;
	good("hmac-sha256:update.foo.com:c2VjcmV0\n", "update.foo.com", "c2VjcmV0");
	/* keymgr -t */
	good("# hmac-sha256:update:c2VjcmV0IQ==\nkey:\n  - id: update\n    algorithm: hmac-sha256\n", "update", "c2VjcmV0IQ==");
	/* tsig-keygen */
	good("key \"tsig-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2Vj+/8=\";\n};\n", "tsig-key", "c2Vj+/8=");
	good("// by hand\nkey k{algorithm HMAC-SHA256.;secret c2Vj;};", "k", "c2Vj");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "hmac-sha256", "hmac-sha256:name", "hmac-sha256:name:", "hmac-sha256::c2Vj", "hmac-sha256:na me:c2Vj",
		"hmac-sha256:name:not base64", "key \"a\" { algorithm hmac-sha256; };", "key a { secret c2Vj; };",
		"key a { algorithm hmac-sha256; secret c2Vj; secret c2Vj; };", "zone foo.com { };",
		"key a { algorithm hmac-sha256; secret \"\"; };",
	};
	struct tsig_key k;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(tsig_key_parse(view_cstr(bad[i]), &k), ST_SYNTAX);
	assert_int_equal(tsig_key_parse(VIEW("hmac-md5:name:c2Vj"), &k), ST_DENIED);
	assert_int_equal(tsig_key_parse(VIEW("key a { algorithm hmac-sha512; secret c2Vj; };"), &k), ST_DENIED);
	assert_int_equal(tsig_key_parse(VIEW("hmac-sha256:n\0me:c2Vj"), &k), ST_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
