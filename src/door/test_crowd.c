/* test_crowd.c - who counts as one place. */
#include "door/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct sockaddr_storage from(const char *text)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&sa)->sin_addr) == 1)
		return sa;
	sa.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	return sa;
}

static uint64_t next = 1;

static bool comes(struct crowd *c, struct crowd_limits l, const char *text)
{
	struct sockaddr_storage sa = from(text);

	return crowd_enter(c, &l, next++, &sa);
}

static void test_address(void **state)
{
	struct crowd c = { 0 };
	struct crowd_limits l = { 2, 100, false };

	(void)state;
	assert_true(comes(&c, l, "192.0.2.1"));
	assert_true(comes(&c, l, "::ffff:192.0.2.1"));
	assert_false(comes(&c, l, "192.0.2.1"));
	assert_true(comes(&c, l, "192.0.2.2"));
	/* One machine has all of a /64. */
	assert_true(comes(&c, l, "2001:db8:1:1::1"));
	assert_true(comes(&c, l, "2001:db8:1:1:ffff::2"));
	assert_false(comes(&c, l, "2001:db8:1:1:8000::3"));
	assert_true(comes(&c, l, "2001:db8:1:2::1"));
	crowd_free(&c);
}

static void test_network(void **state)
{
	struct crowd c = { 0 };
	struct crowd_limits l = { 100, 2, false };

	(void)state;
	assert_true(comes(&c, l, "192.0.2.1"));
	assert_true(comes(&c, l, "192.0.2.255"));
	assert_false(comes(&c, l, "192.0.2.3"));
	assert_true(comes(&c, l, "192.0.3.1"));
	assert_true(comes(&c, l, "2001:db8:1:1::1"));
	assert_true(comes(&c, l, "2001:db8:1:ffff::1"));
	assert_false(comes(&c, l, "2001:db8:1:2::1"));
	assert_true(comes(&c, l, "2001:db8:2::1"));
	crowd_free(&c);
}

static void test_leaving(void **state)
{
	struct crowd c = { 0 };
	struct crowd_limits l = { 1, 1, false };
	struct sockaddr_storage sa = from("192.0.2.1");

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(crowd_enter(&c, &l, 5000 + i, &sa));
		assert_false(crowd_enter(&c, &l, 9000, &sa));
		crowd_leave(&c, 5000 + i);
		crowd_leave(&c, 5000 + i);
	}
	assert_int_equal(c.addresses.used, 0);
	assert_int_equal(c.places.used, 0);
	crowd_free(&c);
}

static void test_loopback(void **state)
{
	struct crowd c = { 0 };
	struct crowd_limits l = { 1, 1, false };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(comes(&c, l, "127.0.0.1"));
		assert_true(comes(&c, l, "::1"));
		assert_true(comes(&c, l, "::ffff:127.8.8.8"));
	}
	l.count_loopback = true;
	assert_true(comes(&c, l, "127.0.0.1"));
	assert_false(comes(&c, l, "127.0.0.1"));
	crowd_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_leaving),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
