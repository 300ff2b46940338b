/* Letters for readers without UTF-8 (surrogate.h). */
#include "base/test.h"

#include "msg/surrogate.h"

static void becomes(struct view header, const char *want)
{
	struct arena a = ARENA((size_t)16 * 1024 * 1024);
	struct buf out = BUF(1 << 20);
	struct view whole;

	assert_true(surrogate_needs(header, &whole));
	assert_int_equal(surrogate_header(whole, &a, &out), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
	arena_free(&a);
}

static void test_forms(void **state)
{
	(void)state;
	becomes(VIEW("X: as  it\r\n\tis\r\nSubject: gr\xc3\xbcn\r\nTo: M\xc3\xbcller <m@foo.com>\r\n\r\nb\xc3\xbc\r\n"),
		"X: as  it\r\n\tis\r\nSubject: =?utf-8?b?Z3LDvG4=?=\r\nTo: \r\n =?utf-8?q?M=C3=BCller?=\r\n <m@foo.com>\r\n\r\n");
	/* Addresses that no such reader can write to, and an id that has no other form. */
	becomes(VIEW("From: M <m\xc3\xbc@foo.com>\r\nMessage-ID: <\xc3\xbc@foo.com>\r\n\r\n"),
		"From: =?utf-8?q?M_=3Cm=C3=BC=40foo=2Ecom=3E?=:;\r\nDowngraded-Message-ID: =?utf-8?q?=3C=C3=BC=40foo=2Ecom=3E?=\r\n\r\n");
	/* Not even UTF-8; a field that is none; no end. */
	becomes(VIEW("Subject: gr\xfcn"), "Subject: =?utf-8?b?Z3LDvG4=?=\r\n\r\n");
	becomes(VIEW("S\xc3\xbc: x\r\nA: b\r\n\r\n"), "A: b\r\n\r\n");
}

static void test_untouched(void **state)
{
	struct view header;

	(void)state;
	assert_false(surrogate_needs(VIEW("A: b\r\n\r\n\xc3\xbc"), &header));
	assert_int_equal(header.n, sizeof "A: b\r\n\r\n" - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms), cmocka_unit_test(test_untouched) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
