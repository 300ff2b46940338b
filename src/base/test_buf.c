/* buf and cursor: what one writes the other reads, and both stop at their
 * limits without touching what lies behind; and what view.h finds in bytes. */
#include "base/test.h"

#include "base/buf.h"
#include "base/cursor.h"

#include <stdlib.h>

static void numbers_come_back(void **state)
{
	struct buf b = BUF(1024);
	struct cursor c;

	(void)state;
	put_u8(&b, 0xfe);
	put_u16(&b, 0xfedc);
	put_u32(&b, 0xfedcba98);
	put_u64(&b, 0xfedcba9876543210);
	put_view(&b, VIEW("Blah blah blah"));
	put_view(&b, VIEW_NONE);
	assert_int_equal(buf_status(&b), ST_OK);
	c = cursor_over(buf_view(&b));
	assert_int_equal(take_u8(&c), 0xfe);
	assert_int_equal(take_u16(&c), 0xfedc);
	assert_int_equal(take_u32(&c), 0xfedcba98);
	assert_true(take_u64(&c) == 0xfedcba9876543210);
	assert_view(take_view(&c), "Blah blah blah");
	assert_int_equal(take_view(&c).n, 0);
	assert_true(cursor_end(&c));
	buf_free(&b);
}

static void the_maximum_is_never_passed(void **state)
{
	struct buf b = BUF(10);

	(void)state;
	buf_puts(&b, "12345678");
	put_u32(&b, 1);
	assert_int_equal(buf_status(&b), ST_LIMIT);
	assert_view(buf_view(&b), "12345678");
	buf_putc(&b, '9');	/* would fit, but the writer must see one error */
	assert_view(buf_view(&b), "12345678");
	buf_clear(&b);
	buf_puts(&b, "1234567890");
	assert_int_equal(buf_status(&b), ST_OK);
	buf_free(&b);
	assert_int_equal(b.max, 10);
}

static void a_reserve_near_the_end_of_numbers_fails(void **state)
{
	struct buf b = BUF(SIZE_MAX);
	char *p;

	(void)state;
	buf_putc(&b, 'x');
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &p), ST_LIMIT);
	buf_clear(&b);
	buf_putc(&b, 'x');
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 1, &p), ST_NOMEM);
	buf_free(&b);
}

static void drop_keeps_the_rest(void **state)
{
	struct buf b = BUF(100);

	(void)state;
	buf_putf(&b, "%s %d", "number", -5);
	buf_putu(&b, UINT64_MAX);
	buf_putu(&b, 0);
	assert_view(buf_view(&b), "number -5184467440737095516150");
	buf_drop(&b, 7);
	assert_view(buf_view(&b), "-5184467440737095516150");
	buf_drop(&b, 1000);
	assert_int_equal(b.n, 0);
	buf_free(&b);
}

static void printing_needs_a_byte_more(void **state)
{
	struct buf b = BUF(6);

	(void)state;
	buf_putf(&b, "%s", "12345");
	assert_int_equal(buf_status(&b), ST_OK);
	assert_view(buf_view(&b), "12345");
	buf_putf(&b, "%s", "6");	/* the C library writes a NUL behind it */
	assert_int_equal(buf_status(&b), ST_LIMIT);
	buf_free(&b);
}

static void a_failed_take_is_sticky(void **state)
{
	struct cursor c = cursor_over(VIEW("\x05\x00\x00\x00" "four"));

	(void)state;
	assert_int_equal(take_view(&c).n, 0);
	assert_false(cursor_ok(&c));
	assert_int_equal(take_u8(&c), 0);
	assert_int_equal(cursor_left(&c), 0);
	assert_int_equal(peek_char(&c), 0);
	assert_false(take_char(&c, 'f'));
	assert_false(cursor_end(&c));
}

static void words_of_a_list_come_one_by_one(void **state)
{
	struct view list = view_cstr(", one,two \t three,,");

	(void)state;
	assert_true(view_eq(view_take_word(&list), view_cstr("one")));
	assert_true(view_eq(view_take_word(&list), view_cstr("two")));
	assert_true(view_eq(view_take_word(&list), view_cstr("three")));
	assert_int_equal(view_take_word(&list).n, 0);
	assert_int_equal(view_take_word(&list).n, 0);
}

static void hexadecimal_goes_both_ways(void **state)
{
	struct buf b = BUF(100);
	unsigned char octets[4] = { 0 };

	(void)state;
	buf_put_hex(&b, "\x00\x7f\xa5\xff", 4);
	assert_view(buf_view(&b), "007fa5ff");
	assert_true(view_unhex(buf_view(&b), octets));
	assert_memory_equal(octets, "\x00\x7f\xa5\xff", 4);
	assert_true(view_unhex(VIEW("A5fF"), octets));
	assert_memory_equal(octets, "\xa5\xff", 2);
	assert_true(view_unhex(VIEW_NONE, octets));
	assert_false(view_unhex(VIEW("a5f"), octets));
	assert_false(view_unhex(VIEW("a5fg"), octets));
	assert_int_equal(ascii_hex('/'), -1);
	assert_int_equal(ascii_hex(':'), -1);
	assert_int_equal(ascii_hex('@'), -1);
	assert_int_equal(ascii_hex('`'), -1);
	buf_free(&b);
}

static void ascii_is_told_wherever_it_ends(void **state)
{
	char text[20];

	(void)state;
	for (size_t at = 0; at < sizeof text; at++) {
		memset(text, 'a', sizeof text);
		text[at] = '\x80';
		assert_int_equal(ascii_run(view_make(text, sizeof text)), at);
		assert_false(view_is_ascii(view_make(text, sizeof text)));
		assert_true(view_is_ascii(view_make(text, at)));
	}
	assert_true(view_is_ascii(VIEW_NONE));
}

static void the_last_of_several_is_found(void **state)
{
	(void)state;
	assert_int_equal(view_behind_last(VIEW("\"a@b\"@c"), '@'), 6);
	assert_int_equal(view_behind_last(VIEW("a@"), '@'), 2);
	assert_int_equal(view_behind_last(VIEW("a"), '@'), 0);
	assert_int_equal(view_behind_last(VIEW_NONE, '@'), 0);
}

static void an_empty_view_is_an_empty_cursor(void **state)
{
	struct cursor c = cursor_over(VIEW_NONE);

	(void)state;
	assert_true(cursor_end(&c));
	assert_int_equal(take_bytes(&c, 0).n, 0);
	assert_true(cursor_ok(&c));
	assert_int_equal(take_u8(&c), 0);
	assert_false(cursor_ok(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(the_maximum_is_never_passed),
		cmocka_unit_test(a_reserve_near_the_end_of_numbers_fails),
		cmocka_unit_test(drop_keeps_the_rest),
		cmocka_unit_test(printing_needs_a_byte_more),
		cmocka_unit_test(a_failed_take_is_sticky),
		cmocka_unit_test(words_of_a_list_come_one_by_one),
		cmocka_unit_test(hexadecimal_goes_both_ways),
		cmocka_unit_test(ascii_is_told_wherever_it_ends),
		cmocka_unit_test(the_last_of_several_is_found),
		cmocka_unit_test(an_empty_view_is_an_empty_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
