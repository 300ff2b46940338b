/* test_srs.c - addresses that stand for senders elsewhere. */
#include "warden/srs.h"

#include "directory/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char key[MAC_KEY] = "0123456789abcdef0123456789abcde";
static const wall_ms now = 1795343465000, day = 86400000, life = 21 * 86400000LL;

static struct view made(const struct mac *m, const char *sender, struct buf *b)
{
	buf_clear(b);
	assert_int_equal(srs_put(m, view_cstr(sender), VIEW("foo.com"), now, b), ST_OK);
	return buf_view(b);
}

static void there_and_back(void **state)
{
	static const char *const senders[] = {
		"smith@bar.com", "S=m=ith+x@Bar.Com", "a@b", "SRS0=abc=de=orig.org=joe@first.com",
		"SRS0+abc=de=orig.org=joe@first.com", "SRS0-abc=de=orig.org=joe@first.com", "srs0x@bar.com",
	};
	struct buf b = BUF(ADDRESS_MAX), back = BUF(ADDRESS_MAX);
	struct mac m;

	(void)state;
	assert_int_equal(mac_init(&m, key), ST_OK);
	for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
		struct view a = made(&m, senders[i], &b);

		assert_true(srs_is(a));
		buf_clear(&back);
		assert_int_equal(srs_take(&m, a, now, life, &back), ST_OK);
		assert_true(view_eq_i(buf_view(&back), view_cstr(senders[i])));
		/* As a host that does not keep case writes it. */
		for (size_t j = 0; j < b.n; j++)
			b.p[j] = ascii_lower(b.p[j]);
		buf_clear(&back);
		assert_int_equal(srs_take(&m, buf_view(&b), now, life, &back), ST_OK);
	}
	mac_free(&m);
	buf_free(&b);
	buf_free(&back);
}

/* A third host keeps who was first, and does not grow the address. */
static void the_first_stays_the_first(void **state)
{
	struct buf b = BUF(ADDRESS_MAX), back = BUF(ADDRESS_MAX);
	struct mac m;

	(void)state;
	assert_int_equal(mac_init(&m, key), ST_OK);
	assert_int_equal(srs_put(&m, VIEW("SRS1=zzzz=first.com==abc=de=orig.org=joe@second.com"), VIEW("foo.com"), now, &b), ST_OK);
	assert_int_equal(srs_take(&m, buf_view(&b), now, life, &back), ST_OK);
	assert_true(view_eq(buf_view(&back), VIEW("SRS0=abc=de=orig.org=joe@first.com")));
	mac_free(&m);
	buf_free(&b);
	buf_free(&back);
}

static void forged_and_stale(void **state)
{
	struct buf b = BUF(ADDRESS_MAX), back = BUF(ADDRESS_MAX);
	struct mac m;

	(void)state;
	assert_int_equal(mac_init(&m, key), ST_OK);
	made(&m, "smith@bar.com", &b);
	assert_int_equal(srs_take(&m, buf_view(&b), now + life, life, &back), ST_OK);
	buf_clear(&back);
	assert_int_equal(srs_take(&m, buf_view(&b), now + life + day, life, &back), ST_TIMEOUT);
	assert_int_equal(srs_take(&m, buf_view(&b), now - day, life, &back), ST_TIMEOUT);
	/* Any character of it but the tag's, and our own domain. */
	for (size_t i = 5; i < b.n - strlen("@foo.com"); i++) {
		char was = b.p[i];

		b.p[i] = was == 'x' ? 'y' : 'x';
		assert_int_not_equal(srs_take(&m, buf_view(&b), now, life, &back), ST_OK);
		b.p[i] = was;
	}
	b.p[3] = '1';
	assert_int_equal(srs_take(&m, buf_view(&b), now, life, &back), ST_DENIED);
	assert_int_equal(back.n, 0);
	mac_free(&m);
	buf_free(&b);
	buf_free(&back);
}

static void what_has_no_place(void **state)
{
	char text[ADDRESS_MAX + 1];
	struct buf b = BUF(ADDRESS_MAX);
	struct mac m;

	(void)state;
	assert_int_equal(mac_init(&m, key), ST_OK);
	assert_int_equal(srs_put(&m, VIEW("\"a b\"@bar.com"), VIEW("foo.com"), now, &b), ST_SYNTAX);
	assert_int_equal(srs_put(&m, VIEW("a@[192.0.2.1]"), VIEW("foo.com"), now, &b), ST_SYNTAX);
	assert_int_equal(srs_put(&m, VIEW("a"), VIEW("foo.com"), now, &b), ST_SYNTAX);
	memset(text, 'a', sizeof text);
	text[1] = '@';
	assert_int_equal(srs_put(&m, view_make(text, 250), VIEW("foo.com"), now, &b), ST_LIMIT);
	assert_int_equal(b.n, 0);
	mac_free(&m);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_first_stays_the_first),
		cmocka_unit_test(forged_and_stale),
		cmocka_unit_test(what_has_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
