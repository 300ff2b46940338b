#include "base/test.h"

#include "smime/ldap.h"

static void filter(const char *address, const char *want)
{
	struct buf out = BUF(4096);

	assert_int_equal(ldap_put_filter(view_cstr(address), &out), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static void test_filter(void **state)
{
	(void)state;
	filter("jones+x_y-z@foo.com", "(mail=jones+x_y-z@foo.com)");
	filter("*@foo.com", "(mail=\\2a@foo.com)");
	filter("a)(uid=*@foo.com", "(mail=a\\29\\28uid\\3d\\2a@foo.com)");
	filter("a\\2a@foo.com", "(mail=a\\5c2a@foo.com)");
	filter("j\xc3\xb6rg@foo.com", "(mail=j\\c3\\b6rg@foo.com)");
}

static void test_urls(void **state)
{
	static const char *const bad[] = {
		"", "ldap.foo.com", "http://ldap.foo.com/", "ldapi:///", "ldap:///dc=foo", "ldaps://", "cldap://foo.com/",
		"ldaps://foo.com/dc=x?mail", "ldaps://foo.com/dc=x?" "?" "?" "?!x-y=z", "ldaps://foo.com:99999/",
	};
	char long_one[LDAP_URL_MOST + 2];

	(void)state;
	assert_null(ldap_url_flaw("ldaps://ldap.foo.com/dc=foo,dc=com"));
	assert_null(ldap_url_flaw("ldap://ldap.foo.com:1389"));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ldap_url_flaw(bad[i]) == NULL)
			fail_msg("taken: %s", bad[i]);
	memset(long_one, 'a', sizeof long_one);
	memcpy(long_one, "ldaps://a/", 10);
	long_one[sizeof long_one - 1] = '\0';
	assert_non_null(ldap_url_flaw(long_one));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_filter), cmocka_unit_test(test_urls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
