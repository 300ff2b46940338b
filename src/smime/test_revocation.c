#include "base/test.h"

#include "smime/revocation.h"

#include <arpa/inet.h>

static void good(const char *text, const char *host, uint16_t port, const char *path, bool clear)
{
	struct revocation_url u;

	assert_int_equal(revocation_url_parse(view_cstr(text), &u), ST_OK);
	assert_string_equal(u.host, host);
	assert_string_equal(u.path, path);
	assert_int_equal(u.port, port);
	assert_int_equal(u.clear, clear);
}

static void test_urls(void **state)
{
	static const char *const bad[] = {
		"", "http://", "http:///x", "ftp://foo.com/x", "ldap://foo.com/cn=x", "file:///etc/passwd", "gopher://foo.com/",
		/* Addresses, as many programs understand them. */
		"http://127.0.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/",
		"http://127.1/", "http://[::1]/", "http://foo.1/", "http://foo.com./",
		"http://user@foo.com/", "http://foo.com@127.0.0.1/", "http://foo.com:0/", "http://foo.com:65536/", "http://foo.com:/",
		"http://foo.com:80:80/", "http://foo.com:8o/", "http://foo..com/", "http://.foo.com/", "http://foo_bar.com/",
		"http://foo.com\\x", "http://foo.com?x", "http://foo.com/a b", "http://foo.com/\r\nHost: x", "http://foo.com/x#y",
		"http://foo.com/\x80", "http://f\xc3\xb6\xc3\xb6.com/",
	};
	struct revocation_url u;
	char long_one[REVOCATION_URL_MAX + 64];

	(void)state;
	good("http://crl.foo.com/a/b.crl?x=1&y", "crl.foo.com", 80, "/a/b.crl?x=1&y", true);
	good("https://crl.foo.com", "crl.foo.com", 443, "/", false);
	good("HTTP://localhost:8080/", "localhost", 8080, "/", true);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (revocation_url_parse(view_cstr(bad[i]), &u) != ST_SYNTAX)
			fail_msg("taken: %s", bad[i]);
	memset(long_one, 'a', sizeof long_one);
	memcpy(long_one, "http://foo.com/", 15);
	assert_int_equal(revocation_url_parse(view_make(long_one, sizeof long_one), &u), ST_SYNTAX);
	assert_int_equal(revocation_url_parse(view_make(long_one, REVOCATION_URL_MAX), &u), ST_OK);
	memset(long_one + 7, 'a', sizeof long_one - 7);
	assert_int_equal(revocation_url_parse(view_make(long_one, REVOCATION_URL_MAX), &u), ST_SYNTAX);
}

static bool is_public(const char *text)
{
	unsigned char b[16] = { 0 };
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, b), 1);
	return is_public_address(family, b);
}

static void test_addresses(void **state)
{
	static const char *const ours[] = {
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1",
		"fd00::1", "fe80::1", "ff02::1",
	};
	static const char *const theirs[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1", "172.15.0.1",
		"172.32.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "2001:200::1", "2a00:1450::1", "2620:fe::fe",
	};

	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (is_public(ours[i]))
			fail_msg("%s is taken for public", ours[i]);
	for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
		if (!is_public(theirs[i]))
			fail_msg("%s is not taken for public", theirs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_urls), cmocka_unit_test(test_addresses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
