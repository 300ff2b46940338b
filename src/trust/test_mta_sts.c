/* The record and the policy of RFC 8461, its examples, and what is none. */
#include "trust/mta_sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void records(void **state)
{
	struct view id;

	(void)state;
	assert_int_equal(sts_record_parse(VIEW("v=STSv1; id=20160831085700Z;"), &id), ST_OK);
	assert_true(view_eq(id, VIEW("20160831085700Z")));
	assert_int_equal(sts_record_parse(VIEW("v=STSv1;x=y;id=1"), &id), ST_OK);
	assert_int_equal(sts_record_parse(VIEW("v=STSv1"), &id), ST_SYNTAX);
	assert_int_equal(sts_record_parse(VIEW("id=1; v=STSv1"), &id), ST_SYNTAX);
	assert_int_equal(sts_record_parse(VIEW("v=STSv2; id=1"), &id), ST_SYNTAX);
	assert_int_equal(sts_record_parse(VIEW("v=STSv1; id=a-b"), &id), ST_SYNTAX);
	assert_int_equal(sts_record_parse(VIEW("v=STSv1; id=123456789012345678901234567890123"), &id), ST_SYNTAX);
	assert_int_equal(sts_record_parse(VIEW("v=spf1 -all"), &id), ST_SYNTAX);
}

static enum status parse(const char *text, struct arena *a, struct sts_policy *p)
{
	return sts_policy_parse(view_cstr(text), a, p);
}

/* The example of 3.2. */
static void policies(void **state)
{
	struct arena a = ARENA(64 * 1024);
	struct sts_policy p;

	(void)state;
	assert_int_equal(parse("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
			       "mx: backupmx.example.com\r\nmax_age: 604800\r\n", &a, &p), ST_OK);
	assert_int_equal(p.mode, STS_ENFORCE);
	assert_int_equal(p.max_age, 604800);
	assert_int_equal(p.n_mx, 3);
	assert_true(sts_matches(&p, VIEW("mail.example.com")));
	assert_true(sts_matches(&p, VIEW("MAIL.example.com")));
	assert_true(sts_matches(&p, VIEW("a.example.net")));
	assert_false(sts_matches(&p, VIEW("a.b.example.net")));
	assert_false(sts_matches(&p, VIEW("example.net")));
	assert_false(sts_matches(&p, VIEW(".example.net")));
	assert_false(sts_matches(&p, VIEW("xmail.example.com")));
	arena_free(&a);
}

static void broken(void **state)
{
	static const char *const none[] = {
		"", "version: STSv1\n", "version: STSv1\nmode: enforce\nmax_age: 1\n",
		"version: STSv2\nmode: none\nmax_age: 1\n", "version: STSv1\nmode: maybe\nmx: a.b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: a.b\nmax_age: x\n", "version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 31557601\n",
		"version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 99999999999999999999\n",
		"<html>\nversion: STSv1\nmode: enforce\nmx: a.b\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: *\nmx: a..\nmx: .a\nmax_age: 1\n", "mode: enforce\nmx: a.b\nmax_age: 1\n",
	};
	static const char *const good[] = {
		"version:STSv1\nmode:none\nmax_age:0", "mx: a.b\nmode: testing\nmax_age: 1\nversion: STSv1\nnew: thing\n\n",
		"version: STSv1\nmode: enforce\nmode: none\nmx: a.b\nmax_age: 1\n",
	};
	struct arena a = ARENA(1024 * 1024);
	struct sts_policy p = { .mode = STS_NONE };

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(parse(none[i], &a, &p), ST_SYNTAX);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(parse(good[i], &a, &p), ST_OK);
	assert_int_equal(p.mode, STS_ENFORCE);	/* the first counts */
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(policies),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
