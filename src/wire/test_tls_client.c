/* test_tls_client.c - records and authorities that cannot be used; the published
 * cases of records against chains are in tests/test_suites.py. */
#include "base/test.h"
#include "wire/tls_client.h"

static void test_usable(void **state)
{
	static const struct {
		uint8_t usage, selector, matching;
		size_t n;
		bool usable;
	} rows[] = {
		{ 3, 1, 1, 32, true },	{ 3, 1, 2, 64, true },	{ 2, 0, 1, 32, true },	{ 3, 1, 1, 31, false },
		{ 3, 1, 1, 33, false }, { 3, 1, 2, 32, false }, { 3, 2, 1, 32, false }, { 3, 1, 3, 32, false },
		{ 4, 1, 1, 32, false }, { 3, 0, 0, 32, false }, { 3, 1, 0, 32, false }, { 3, 1, 1, 0, false },
	};
	static const char data[64];
	struct tls_client *t;

	(void)state;
	assert_int_equal(tls_client_new("", &t), ST_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(tlsa_is_usable(t, &(struct dns_tlsa){ rows[i].usage, rows[i].selector, rows[i].matching,
								       view_make(data, rows[i].n) }),
				 rows[i].usable);
	tls_client_free(t);
}

static void test_no_authorities(void **state)
{
	struct tls_client *t;

	(void)state;
	assert_int_equal(tls_client_new("/nowhere/at/all.pem", &t), ST_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usable),
		cmocka_unit_test(test_no_authorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
