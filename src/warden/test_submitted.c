/* How much an account has handed in, and to whom it has written: windows that
 * slide, first-time recipients, holding and letting go, what a restart keeps. */
#include "base/test.h"

#include "base/buf.h"
#include "warden/submitted.h"

#include <stdio.h>
#include <unistd.h>

enum { START = 1000000000, HOUR = 3600000, DAY = 24 * HOUR };

static const unsigned char key[MAC_KEY] = { 1, 2, 3 };
static const struct submit_limits none = { .known = 1000 };

static struct submitted *opened(const char *path)
{
	struct submitted *s = NULL;
	struct mac m;
	bool lost;

	assert_int_equal(mac_init(&m, key), ST_OK);
	assert_int_equal(submitted_open(path, m, &s, &lost), ST_OK);
	assert_false(lost);
	return s;
}

/* One letter to n people, numbered from `from` on. */
static struct submit_state sends(struct submitted *s, const struct submit_limits *l, unsigned from, unsigned n, wall_ms now)
{
	struct buf addresses = BUF(64 * 1024);
	struct submit_state st = { 0 };

	for (unsigned i = 0; i < n; i++) {
		char one[64];

		snprintf(one, sizeof one, "User%u@Example.net", from + i);
		put_view(&addresses, view_cstr(one));
	}
	assert_int_equal(submitted_charge(s, 7, l, buf_view(&addresses), n, now, &st), ST_OK);
	buf_free(&addresses);
	return st;
}

static const char *fresh_path(void)
{
	static const char *const ends[] = { "-wal", "-shm", "" };
	static char path[64], one[80];

	snprintf(path, sizeof path, "/tmp/submitted-%d.db", getpid());
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(one, sizeof one, "%s%s", path, ends[i]);
		(void)!unlink(one);
	}
	return path;
}

static void test_rates(void **state)
{
	struct submitted *s = opened(fresh_path());
	struct submit_limits l = { .letters_hour = 10, .recipients_day = 100, .known = 1000 };
	struct submit_state st;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(sends(s, &l, 0, 2, START).slow);
	st = sends(s, &l, 0, 2, START);
	assert_true(st.slow && st.wait > 0 && st.wait <= HOUR / 1000 * 2);
	/* An hour later what was sent an hour ago has begun to fade. */
	assert_true(sends(s, &l, 0, 2, START + HOUR).slow);
	assert_false(sends(s, &l, 0, 2, START + HOUR + HOUR / 2).slow);
	/* Of the recipients of the day 22 are gone. */
	assert_int_equal(submitted_look(s, 7, &l, START + 2 * HOUR, &st), ST_OK);
	assert_int_equal(st.left, 78);
	assert_true(sends(s, &l, 0, 79, START + 3 * HOUR).slow);
	assert_false(sends(s, &l, 0, 78, START + 3 * HOUR).slow);
	assert_int_equal(submitted_look(s, 7, &l, START + 3 * HOUR, &st), ST_OK);
	assert_int_equal(st.left, 0);
	/* Two days later nothing of it counts; nor where the clock goes back. */
	assert_int_equal(submitted_look(s, 7, &l, START + 3 * DAY, &st), ST_OK);
	assert_int_equal(st.left, 100);
	assert_int_equal(submitted_look(s, 8, &none, START, &st), ST_OK);
	assert_true(!st.slow && st.left == UINT32_MAX);
	submitted_close(s);
}

static void test_first_time(void **state)
{
	const char *path = fresh_path();
	struct submitted *s = opened(path);
	struct submit_limits l = { .new_recipients = 20, .known = 1000 };
	struct submit_state st;
	bool held = false;

	(void)state;
	assert_false(sends(s, &l, 0, 20, START).held);
	/* Known ones cost nothing, in whatever case. */
	for (int i = 0; i < 50; i++)
		assert_false(sends(s, &l, 0, 20, START).held);
	st = sends(s, &l, 20, 1, START);
	assert_true(st.held && st.tell && !st.slow);
	/* All its letters are held from then on; told once, and where that came to
	 * nothing again. */
	st = sends(s, &l, 0, 1, START);
	assert_true(st.held && !st.tell);
	assert_true(sends(s, &l, 0, 1, START + TELL_AGAIN_MS).tell);
	submitted_told(s, 7);
	assert_false(sends(s, &l, 0, 1, START + 2 * TELL_AGAIN_MS).tell);
	assert_int_equal(submitted_flush(s), ST_OK);
	submitted_close(s);
	s = opened(path);
	st = sends(s, &l, 0, 1, START);
	assert_true(st.held && !st.tell);
	assert_int_equal(submitted_release(s, 7, false, &held), ST_OK);
	assert_true(held);
	/* Whom it wrote to while held is known now, and the count begins anew. */
	assert_false(sends(s, &l, 20, 1, START).held);
	assert_false(sends(s, &l, 100, 20, START).held);
	assert_true(sends(s, &l, 200, 1, START).tell);
	assert_int_equal(submitted_release(s, 7, true, &held), ST_OK);
	/* Dropped: it is not. */
	assert_false(sends(s, &l, 300, 20, START).held);
	assert_true(sends(s, &l, 200, 1, START).held);
	submitted_close(s);
}

static void test_memory_is_bounded(void **state)
{
	struct submitted *s = opened(fresh_path());
	struct submit_limits l = { .new_recipients = 1000000, .known = 100 };
	struct submit_limits strict = { .new_recipients = 5, .known = 100 };
	struct submit_counts n;
	bool held;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		assert_false(sends(s, &l, i * 10, 10, START + i).held);
		assert_int_equal(submitted_flush(s), ST_OK);
	}
	assert_int_equal(submitted_counts(s, 7, START, &n), ST_OK);
	assert_true(n.new_day == 400 && n.letters_day == 40 && n.recipients_hour == 400 && !n.held);
	assert_int_equal(submitted_release(s, 7, false, &held), ST_OK);
	assert_false(held);
	/* The newest are known, the oldest are forgotten. */
	assert_false(sends(s, &strict, 390, 10, START + 41).held);
	assert_true(sends(s, &strict, 0, 10, START + 42).held);
	submitted_close(s);
}

static bool is_even(void *arg, uint64_t account)
{
	(void)arg;
	return account % 2 == 0;
}

static void test_removed_accounts(void **state)
{
	const char *path = fresh_path();
	struct submitted *s = opened(path);
	struct submit_limits l = { .new_recipients = 5, .known = 1000 };
	struct submit_counts n;

	(void)state;
	assert_true(sends(s, &l, 0, 10, START).held);
	assert_int_equal(submitted_flush(s), ST_OK);
	submitted_close(s);
	s = opened(path);
	assert_int_equal(submitted_counts(s, 7, START, &n), ST_OK);
	assert_true(n.letters_day > 0);
	assert_int_equal(submitted_prune(s, 10, is_even, NULL), ST_OK);
	assert_int_equal(submitted_counts(s, 7, START, &n), ST_OK);
	assert_true(n.letters_day == 0 && !n.held);
	submitted_close(s);
}

static void test_damage(void **state)
{
	const char *path = fresh_path();
	FILE *f = fopen(path, "w");
	struct submitted *s = NULL;
	struct mac m;
	bool lost = false;

	(void)state;
	for (int i = 0; i < 4096; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(mac_init(&m, key), ST_OK);
	assert_int_equal(submitted_open(path, m, &s, &lost), ST_OK);
	assert_true(lost);
	assert_false(sends(s, &none, 0, 1, START).held);
	submitted_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_first_time),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_removed_accounts),
		cmocka_unit_test(test_damage),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	(void)fresh_path();
	return failed;
}
