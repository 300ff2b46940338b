/* test_route.c - routes and the table of them. */
#include "base/test.h"
#include "ipc/route.h"

static void test_routes(void **state)
{
	static const struct {
		const char *text;
		bool good, mx, tls_first, literal;
		const char *host;
		unsigned port;
	} rows[] = {
		{ "", true, true, false, false, "", 0 },
		{ "mx", true, true, false, false, "", 0 },
		{ "smtp://a.example", true, false, false, false, "a.example", 25 },
		{ "SMTPS://a.example", true, false, true, false, "a.example", 465 },
		{ "smtp://[192.0.2.1]:2525", true, false, false, true, "192.0.2.1", 2525 },
		{ "smtp://[2001:db8::1]", true, false, false, true, "2001:db8::1", 25 },
		{ "smtp://", false, 0, 0, 0, "", 0 },
		{ "smtp://a:0", false, 0, 0, 0, "", 0 },
		{ "smtp://a:65536", false, 0, 0, 0, "", 0 },
		{ "smtp://a:", false, 0, 0, 0, "", 0 },
		{ "smtp://a/b", false, 0, 0, 0, "", 0 },
		{ "smtp://[192.0.2.1", false, 0, 0, 0, "", 0 },
		{ "smtp://user@a", false, 0, 0, 0, "", 0 },
		{ "http://a", false, 0, 0, 0, "", 0 },
		{ "a.example", false, 0, 0, 0, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct route r = { 0 };

		assert_int_equal(route_parse(view_cstr(rows[i].text), &r), rows[i].good ? ST_OK : ST_SYNTAX);
		assert_int_equal(r.mx, rows[i].mx);
		assert_int_equal(r.tls_first, rows[i].tls_first);
		assert_int_equal(r.literal, rows[i].literal);
		assert_view(r.host, rows[i].host);
		assert_int_equal(r.port, rows[i].port);
	}
}

static void test_table(void **state)
{
	static const char table[] = "example.net = smtp://[192.0.2.1]:2525, .example.org=smtp://b.example ,"
				    "sender @foo.com = smtps://smart.example, sender a@bar.com = smtp://c.example,"
				    "direct.example = mx";
	static const struct {
		const char *sender, *domain, *route;
	} rows[] = {
		{ "x@y.z", "example.net", "smtp://[192.0.2.1]:2525" },
		{ "x@y.z", "Example.NET", "smtp://[192.0.2.1]:2525" },
		{ "x@y.z", "sub.example.net", "smtp://all.example" },
		{ "x@y.z", "a.b.example.org", "smtp://b.example" },
		{ "x@y.z", "example.org", "smtp://all.example" },
		{ "x@y.z", "xexample.org", "smtp://all.example" },
		{ "jones@foo.com", "y.z", "smtps://smart.example" },
		{ "jones@xfoo.com", "y.z", "smtp://all.example" },
		{ "a@bar.com", "y.z", "smtp://c.example" },
		{ "b@bar.com", "y.z", "smtp://all.example" },
		{ "", "y.z", "smtp://all.example" },
		/* The domain before the sender. */
		{ "jones@foo.com", "example.net", "smtp://[192.0.2.1]:2525" },
		{ "jones@foo.com", "direct.example", "" },
	};
	struct buf why = BUF(1000);

	(void)state;
	assert_int_equal(routes_check(view_cstr(table), &why), ST_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_view(routes_find(view_cstr(table), view_cstr(rows[i].sender), view_cstr(rows[i].domain),
					VIEW("smtp://all.example")), rows[i].route);
	buf_free(&why);
}

static void test_tables_that_are_wrong(void **state)
{
	static const char *const rows[] = { "example.net", "example.net =", "= smtp://a", "a@b.c = smtp://a",
					    "sender foo.com = smtp://a", "example.net = ftp://a" };
	struct buf why = BUF(1000);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&why);
		assert_int_equal(routes_check(view_cstr(rows[i]), &why), ST_SYNTAX);
		assert_true(why.n > 0);
	}
	assert_int_equal(routes_check(VIEW(" , ,"), &why), ST_OK);
	buf_free(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_tables_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
