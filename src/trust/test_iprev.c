/* Does the name of an address lead back to it (RFC 8601 3)? */
#include "base/test.h"

#include "trust/iprev.h"
#include "trust/records.h"

#include <stdio.h>

static enum iprev_result check(const char *ip, const char *text, const char *want_name)
{
	struct arena a = ARENA(1 << 20);
	struct records *r;
	struct spf_ip address;
	struct iprev i;
	unsigned line;

	assert_int_equal(records_open(view_cstr(text), &r, &line), ST_OK);
	assert_int_equal(spf_ip_parse(view_cstr(ip), &address), ST_OK);
	assert_int_equal(iprev_check(&address, records_resolver(r), &a, &i), ST_OK);
	assert_view(i.name, want_name);
	records_free(r);
	arena_free(&a);
	return i.result;
}

static void test_results(void **state)
{
	static const char ptr[] = "1.2.0.192.in-addr.arpa PTR mail.foo.com\n";
	char text[4096];

	(void)state;
	assert_int_equal(check("192.0.2.1", "", ""), IPREV_PERMERROR);
	assert_int_equal(check("192.0.2.1", "1.2.0.192.in-addr.arpa PTR SERVFAIL", ""), IPREV_TEMPERROR);
	assert_int_equal(check("192.0.2.1", ptr, "mail.foo.com"), IPREV_FAIL);
	snprintf(text, sizeof text, "%smail.foo.com A 192.0.2.1", ptr);
	assert_int_equal(check("192.0.2.1", text, "mail.foo.com"), IPREV_PASS);
	assert_int_equal(check("::ffff:192.0.2.1", text, "mail.foo.com"), IPREV_PASS);
	snprintf(text, sizeof text, "%smail.foo.com A 192.0.2.9", ptr);
	assert_int_equal(check("192.0.2.1", text, "mail.foo.com"), IPREV_FAIL);
	snprintf(text, sizeof text, "%smail.foo.com A BOGUS", ptr);
	assert_int_equal(check("192.0.2.1", text, "mail.foo.com"), IPREV_TEMPERROR);
	/* Of several the one that leads back. */
	snprintf(text, sizeof text, "%s1.2.0.192.in-addr.arpa PTR b.foo.com\nb.foo.com A 192.0.2.1\nmail.foo.com A 192.0.2.9", ptr);
	assert_int_equal(check("192.0.2.1", text, "b.foo.com"), IPREV_PASS);
	assert_int_equal(check("2001:db8::1",
			       "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.foo.com\n"
			       "six.foo.com AAAA 2001:db8::1", "six.foo.com"), IPREV_PASS);
}

/* No more names than SPF looks at. */
static void test_many_names(void **state)
{
	struct buf text = BUF(65536);

	(void)state;
	for (int i = 0; i < 30; i++)
		buf_putf(&text, "1.2.0.192.in-addr.arpa PTR n%d.foo.com\nn%d.foo.com A 192.0.2.%d\n", i, i, i == 29 ? 1 : 9);
	buf_putc(&text, '\0');
	assert_int_equal(check("192.0.2.1", text.p, "n0.foo.com"), IPREV_FAIL);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_results), cmocka_unit_test(test_many_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
