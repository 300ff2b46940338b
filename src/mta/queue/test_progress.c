/* test_progress.c - what is known of a letter, there and back. */
#include "base/test.h"
#include "mta/queue/progress.h"

enum { PLACE_OF_FORM = 0 };

static struct progress example(void)
{
	static struct view replies[] = { { "550 nobody", 10 }, { "", 0 } };
	static struct progress_recipient of[] = {
		{ .recipient = 0, .state = PROGRESS_DONE },
		{ .recipient = 7, .state = PROGRESS_FAILED, .tries = 255, .told = 2, .down = 1, .next_at = INT64_MAX, .reply = 1 },
		{ .recipient = UINT32_MAX, .state = PROGRESS_WAITING, .next_at = -1, .reply = 2 },
	};

	return (struct progress){ .hold = PROGRESS_HELD, .route = VIEW("smtp://mx.foo.com"), .n_replies = 2, .replies = replies,
				  .n = 3, .of = of };
}

static void test_there_and_back(void **state)
{
	struct buf b = BUF(65536), again = BUF(65536);
	struct arena a = ARENA(65536);
	struct progress p = example(), got;

	(void)state;
	progress_put(&b, &p);
	assert_int_equal(progress_take(buf_view(&b), &a, &got), ST_OK);
	assert_int_equal(got.hold, PROGRESS_HELD);
	assert_view(got.route, "smtp://mx.foo.com");
	assert_int_equal(got.n_replies, 2);
	assert_view(got.replies[0], "550 nobody");
	assert_int_equal(got.n, 3);
	assert_int_equal(got.of[1].recipient, 7);
	assert_int_equal(got.of[1].state, PROGRESS_FAILED);
	assert_int_equal(got.of[1].tries, 255);
	assert_int_equal(got.of[1].told, 2);
	assert_int_equal(got.of[1].down, 1);
	assert_true(got.of[1].next_at == INT64_MAX);
	assert_int_equal(got.of[1].reply, 1);
	assert_true(got.of[2].next_at == -1);
	progress_put(&again, &got);
	assert_true(view_eq(buf_view(&b), buf_view(&again)));
	buf_free(&b);
	buf_free(&again);
	arena_free(&a);
}

static void test_nothing_to_say(void **state)
{
	struct buf b = BUF(65536);
	struct arena a = ARENA(65536);
	struct progress p = { 0 }, got = { .n = 5 };

	(void)state;
	progress_put(&b, &p);
	assert_int_equal(progress_take(buf_view(&b), &a, &got), ST_OK);
	assert_int_equal(got.n + got.n_replies + got.route.n + got.hold, 0);
	buf_free(&b);
	arena_free(&a);
}

/* Cut anywhere, longer than it should be, of another form, with numbers that
 * point nowhere: refused, and what was asked for is untouched. */
static void refused(struct view bytes)
{
	struct arena a = ARENA(65536);
	struct progress got = { .n = 77 };

	assert_int_equal(progress_take(bytes, &a, &got), ST_SYNTAX);
	assert_int_equal(got.n, 77);
	arena_free(&a);
}

static void test_damaged(void **state)
{
	struct buf b = BUF(65536), bad = BUF(65536);
	struct progress p = example();

	(void)state;
	progress_put(&b, &p);
	for (size_t n = 0; n < b.n; n++)
		refused(view_make(b.p, n));
	buf_put(&bad, buf_view(&b));
	buf_putc(&bad, '\0');
	refused(buf_view(&bad));
	bad.n--;
	bad.p[PLACE_OF_FORM] = 9;
	refused(buf_view(&bad));
	buf_clear(&bad);
	p.of[1].reply = 3;	/* of two */
	progress_put(&bad, &p);
	refused(buf_view(&bad));
	buf_clear(&bad);
	p.of[1].reply = 1;
	p.of[1].state = PROGRESS_DONE + 1;
	progress_put(&bad, &p);
	refused(buf_view(&bad));
	p.of[1].state = PROGRESS_FAILED;
	buf_free(&b);
	buf_free(&bad);
}

/* Four billion of anything are not made room for. */
static void test_counts(void **state)
{
	struct buf b = BUF(1024);

	(void)state;
	buf_put(&b, view_make("\1\0\0\0\0\0\xff\xff\xff\xff", 10));
	buf_put(&b, view_make("\0\0\0\0\0\0\0\0", 8));
	refused(buf_view(&b));
	buf_clear(&b);
	buf_put(&b, view_make("\1\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff", 14));
	refused(buf_view(&b));
	buf_free(&b);
}

static void test_no_room(void **state)
{
	struct buf b = BUF(65536);
	struct arena a = ARENA(8);
	struct progress p = example(), got;

	(void)state;
	progress_put(&b, &p);
	assert_int_equal(progress_take(buf_view(&b), &a, &got), ST_LIMIT);
	buf_free(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
