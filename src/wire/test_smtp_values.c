/* HOLDFOR, HOLDUNTIL, BY and MT-PRIORITY as they are written, and as they
 * must not be. */
#include "base/test.h"

#include "wire/smtp_values.h"

static void test_hold(void **state)
{
	static const char *const wrong[] = { "", "0", "-1", "1000000000", "1.5", " 1", "1x" };
	static const char *const never[] = { "", "tomorrow", "2026-13-01T00:00:00Z", "2026-12-01", "2026-12-01T00:00:00",
					     "2026-12-01T24:00:00Z", "2026-12-01T00:00:00+1:00", "2026-12-01T00:00:00Zx",
					     "+026-12-01T00:00:00Z", "2026-12-01T00:00:00.Z" };
	uint32_t seconds = 0;
	wall_ms at = 0;

	(void)state;
	assert_int_equal(smtp_take_hold_for(VIEW("1"), &seconds), ST_OK);
	assert_int_equal(seconds, 1);
	assert_int_equal(smtp_take_hold_for(VIEW("999999999"), &seconds), ST_OK);
	assert_int_equal(seconds, SMTP_SECONDS_MAX);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(smtp_take_hold_for(view_cstr(wrong[i]), &seconds), ST_SYNTAX);
	assert_int_equal(smtp_take_hold_until(VIEW("1970-01-01T00:00:10Z"), &at), ST_OK);
	assert_int_equal(at, 10000);
	assert_int_equal(smtp_take_hold_until(VIEW("1970-01-01T01:00:10+01:00"), &at), ST_OK);
	assert_int_equal(at, 10000);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_int_equal(smtp_take_hold_until(view_cstr(never[i]), &at), ST_SYNTAX);
}

static void test_by(void **state)
{
	static const char *const wrong[] = {
		"", "120", "120;", "120;X", "120;RX", "120;RTT", ";R", "0;R", "-1;R", "--1;N", "+1;N", "1000000000;N", "1 ;N",
	};
	struct smtp_by by;
	struct buf b = BUF(64);

	(void)state;
	assert_int_equal(smtp_take_by(VIEW("120;R"), &by), ST_OK);
	assert_true(by.seconds == 120 && by.mode == 'R' && !by.trace);
	assert_int_equal(smtp_take_by(VIEW("-999999999;nt"), &by), ST_OK);
	assert_true(by.seconds == -SMTP_SECONDS_MAX && by.mode == 'N' && by.trace);
	smtp_put_by(&by, &b);
	assert_view(buf_view(&b), "-999999999;NT");
	assert_int_equal(smtp_take_by(VIEW("0;N"), &by), ST_OK);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(smtp_take_by(view_cstr(wrong[i]), &by), ST_SYNTAX);
	buf_free(&b);
}

static void test_priority(void **state)
{
	static const char *const wrong[] = { "", "-", "-0", "10", "-10", "+1", "x", " 1" };
	int8_t p = 0;

	(void)state;
	assert_int_equal(smtp_take_priority(VIEW("9"), &p), ST_OK);
	assert_int_equal(p, 9);
	assert_int_equal(smtp_take_priority(VIEW("-9"), &p), ST_OK);
	assert_int_equal(p, -9);
	assert_int_equal(smtp_take_priority(VIEW("0"), &p), ST_OK);
	assert_int_equal(p, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(smtp_take_priority(view_cstr(wrong[i]), &p), ST_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_by),
		cmocka_unit_test(test_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
