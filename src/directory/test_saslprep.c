/* test_saslprep.c - passwords as SCRAM wants them (RFC 4013). */
#include "base/test.h"
#include "directory/scram.h"

#include <stdlib.h>

static void check(const char *in, enum prepare what, enum status st, const char *want)
{
	struct buf out = BUF(8192);

	if (password_prepare(view_cstr(in), what, &out) != st)
		fail_msg("%s", in);
	if (st == ST_OK)
		assert_view(buf_view(&out), want);
	else
		assert_int_equal(out.n, 0);
	buf_free(&out);
}

/* Section 3. */
static void examples_of_the_rfc(void **state)
{
	(void)state;
	check("I\xc2\xadX", PREPARE_STORED, ST_OK, "IX");
	check("user", PREPARE_STORED, ST_OK, "user");
	check("USER", PREPARE_STORED, ST_OK, "USER");
	check("\xc2\xaa", PREPARE_STORED, ST_OK, "a");
	check("\xe2\x85\xa8", PREPARE_STORED, ST_OK, "IX");
	check("\x07", PREPARE_STORED, ST_SYNTAX, NULL);
	check("\xd8\xa7" "1", PREPARE_STORED, ST_SYNTAX, NULL);
}

static void blanks_are_spaces(void **state)
{
	(void)state;
	check("", PREPARE_STORED, ST_OK, "");
	check("a\xc2\xa0" "b\xe3\x80\x80" "c", PREPARE_STORED, ST_OK, "a b c");
	check("gr\xc3\xbc" "n gru\xcc\x88n", PREPARE_STORED, ST_OK, "gr\xc3\xbc" "n gr\xc3\xbc" "n");
}

/* RFC 3454 6: with a letter that is written from the right there is none from
 * the left, and it begins and ends with such ones. */
static void writing_directions_are_not_mixed(void **state)
{
	(void)state;
	check("\xd8\xa7" "1\xd8\xa8", PREPARE_STORED, ST_OK, "\xd8\xa7" "1\xd8\xa8");
	check("\xd8\xa7" "a\xd8\xa8", PREPARE_STORED, ST_SYNTAX, NULL);
	check("1\xd8\xa7", PREPARE_QUERY, ST_SYNTAX, NULL);
}

/* RFC 3454 7: U+0221 and U+1F600 came after Unicode 3.2. */
static void what_is_unassigned_is_asked_about_only(void **state)
{
	(void)state;
	check("\xc8\xa1", PREPARE_STORED, ST_SYNTAX, NULL);
	check("\xc8\xa1", PREPARE_QUERY, ST_OK, "\xc8\xa1");
	check("\xf0\x9f\x98\x80", PREPARE_STORED, ST_SYNTAX, NULL);
	check("\xf0\x9f\x98\x80", PREPARE_QUERY, ST_OK, "\xf0\x9f\x98\x80");
}

static void what_is_prohibited(void **state)
{
	static const char *const bad[] = {
		"\xe2\x80\x8e", "\xe2\x80\xae" "x", "\xee\x80\x80", "\xef\xbf\xbe", "\xef\xbf\xbd", "\xe2\xbf\xb0", "\xf3\xa0\x80\x81",
		"\xed\xa0\x80", "\xff", "\xc3", "a\r\nb",
	};
	char text[4098];
	struct buf out = BUF(8192);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check(bad[i], PREPARE_QUERY, ST_SYNTAX, NULL);
	assert_int_equal(password_prepare(view_make("a\0b", 3), PREPARE_QUERY, &out), ST_SYNTAX);
	memset(text, 'x', sizeof text);
	assert_int_equal(password_prepare(view_make(text, 4096), PREPARE_STORED, &out), ST_OK);
	assert_int_equal(password_prepare(view_make(text, 4097), PREPARE_STORED, &out), ST_LIMIT);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(blanks_are_spaces),
		cmocka_unit_test(writing_directions_are_not_mixed),
		cmocka_unit_test(what_is_unassigned_is_asked_about_only),
		cmocka_unit_test(what_is_prohibited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
