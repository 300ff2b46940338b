/* test_totp.c - the vectors of RFC 4226 appendix D and RFC 6238 appendix B. */
#include "base/test.h"
#include "directory/totp.h"

#define SECRET VIEW("12345678901234567890")
#define STORED VIEW("3132333435363738393031323334353637383930")

static void by_count(void **state)
{
	static const uint32_t codes[] = { 755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489 };
	uint32_t code;

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(totp_code(SECRET, i, 6, &code), ST_OK);
		assert_int_equal(code, codes[i]);
	}
}

static void by_time(void **state)
{
	static const struct {
		uint64_t seconds;
		uint32_t code;
	} rows[] = {
		{ 59, 94287082 },	  { 1111111109, 7081804 },   { 1111111111, 14050471 },
		{ 1234567890, 89005924 }, { 2000000000, 69279037 }, { 20000000000, 65353130 },
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(totp_code(SECRET, rows[i].seconds / 30, 8, &code), ST_OK);
		assert_int_equal(code, rows[i].code);
	}
}

static enum status check(const char *code, uint64_t seconds, uint64_t used, uint64_t *step)
{
	return totp_check(STORED, view_cstr(code), (wall_ms)seconds * 1000, used, step);
}

static void one_step_either_way_and_once(void **state)
{
	uint64_t step = 0;

	(void)state;
	assert_int_equal(check("081804", 1111111109, 0, &step), ST_OK);
	assert_int_equal(step, 1111111109 / 30);
	assert_int_equal(check("081804", 1111111109 + 30, 0, &step), ST_OK);
	assert_int_equal(check("081804", 1111111109 - 30, 0, &step), ST_OK);
	assert_int_equal(check("081804", 1111111109 + 61, 0, &step), ST_DENIED);
	assert_int_equal(check("081804", 1111111109 - 61, 0, &step), ST_DENIED);
	assert_int_equal(check("081804", 1111111109, step, &step), ST_DENIED);
	assert_int_equal(check("81804", 1111111109, 0, &step), ST_DENIED);
	assert_int_equal(check("0818040", 1111111109, 0, &step), ST_DENIED);
	assert_int_equal(check("", 1111111109, 0, &step), ST_DENIED);
	assert_int_equal(totp_check(VIEW("31"), VIEW("081804"), 1111111109000, 0, &step), ST_SYNTAX);
	assert_int_equal(totp_check(VIEW("z132333435363738393031323334353637383930"), VIEW("081804"), 1111111109000, 0, &step),
			 ST_SYNTAX);
}

static void for_people(void **state)
{
	struct buf out = BUF(1024);

	(void)state;
	assert_int_equal(totp_address(STORED, VIEW("Jo nes+x@foo.com"), VIEW("mail.foo.com"), &out), ST_OK);
	assert_view(buf_view(&out), "otpauth://totp/mail.foo.com:Jo%20nes%2Bx@foo.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
				    "&issuer=mail.foo.com");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_count),
		cmocka_unit_test(by_time),
		cmocka_unit_test(one_step_either_way_and_once),
		cmocka_unit_test(for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
