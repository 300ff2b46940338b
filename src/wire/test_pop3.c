/* test_pop3.c - the words of POP3. */
#include "wire/pop3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void lines_are_verb_and_rest(void **state)
{
	struct pop3_command c = pop3_split(VIEW("PASS my secret  has blanks "));

	(void)state;
	assert_true(view_eq(c.verb, VIEW("PASS")));
	assert_true(view_eq(c.rest, VIEW("my secret  has blanks ")));
	c = pop3_split(VIEW("QUIT"));
	assert_true(view_eq(c.verb, VIEW("QUIT")) && !c.has_rest && c.rest.n == 0);
	c = pop3_split(VIEW("LIST "));
	assert_true(c.has_rest && c.rest.n == 0);
	c = pop3_split(VIEW(""));
	assert_true(c.verb.n == 0 && !c.has_rest);
}

static void numbers_are_checked(void **state)
{
	static const struct {
		const char *text;
		enum status st;
	} cases[] = {
		{ "1", ST_OK },	      { "3", ST_OK },		    { "4", ST_LIMIT },
		{ "0", ST_LIMIT },    { "", ST_SYNTAX },	    { "-1", ST_SYNTAX },
		{ "1x", ST_SYNTAX },  { "4294967297", ST_LIMIT },   { "18446744073709551617", ST_SYNTAX },
		{ " 1", ST_SYNTAX },  { "0x1", ST_SYNTAX },	    { "+1", ST_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct view rest = view_cstr(cases[i].text);
		uint32_t n = 99;

		if (pop3_take_number(&rest, 3, &n) != cases[i].st)
			fail_msg("%s", cases[i].text);
	}
}

static void two_numbers(void **state)
{
	struct view rest = VIEW("2 10");
	uint32_t m, n;

	(void)state;
	assert_int_equal(pop3_take_number(&rest, 3, &m), ST_OK);
	assert_int_equal(pop3_take_count(&rest, &n), ST_OK);
	assert_int_equal(m, 2);
	assert_int_equal(n, 10);
}

/* The same whatever pieces it comes in. */
static void check_text(const char *text, const char *want)
{
	size_t n = strlen(text);

	for (size_t cut = 0; cut <= n; cut++) {
		struct buf b = BUF(256);
		bool at_line = true;

		pop3_put_text(&b, view_make(text, cut), &at_line);
		pop3_put_text(&b, view_make(text + cut, n - cut), &at_line);
		if (!view_eq(buf_view(&b), view_cstr(want)))
			fail_msg("cut at %zu: %.*s", cut, VIEW_ARG(buf_view(&b)));
		buf_free(&b);
	}
}

static void dots_are_stuffed(void **state)
{
	(void)state;
	check_text("", "");
	check_text(".\r\n", "..\r\n");
	check_text("a.b\r\n.c\r\n..d\r\n", "a.b\r\n..c\r\n...d\r\n");
	check_text("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n");
	check_text("bare\n.\n", "bare\n..\n");
	check_text("cr\r.\r\n", "cr\r.\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_verb_and_rest),
		cmocka_unit_test(numbers_are_checked),
		cmocka_unit_test(two_numbers),
		cmocka_unit_test(dots_are_stuffed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
