/* Letters with fields by the hundred thousand, each of another name (pass.h). */
#include "base/test.h"

#include "trust/pass.h"

#include <time.h>

enum { FIELDS = 100000, CPU_S = 10 };

static void ignore(void *arg, struct pass *p)
{
	(void)arg;
	(void)p;
}

/* One name for each: what differs stands at the end, bit by bit in these two letters. */
static void check(const char *pair, size_t long_by)
{
	struct buf header = BUF(PASS_HEADER_MAX);
	clock_t begun = clock();
	struct pass p;

	for (unsigned i = 0; i < FIELDS; i++) {
		for (size_t k = 0; k < long_by; k++)
			buf_putc(&header, 'x');
		for (unsigned bit = 0; bit < 17; bit++)
			buf_putc(&header, pair[i >> bit & 1]);
		buf_puts(&header, ":\n");
	}
	buf_puts(&header, "\n");
	assert_int_equal(buf_status(&header), ST_OK);
	pass_begin(&p, ignore, NULL);
	pass_put(&p, buf_view(&header));
	assert_int_equal(pass_end(&p), ST_OK);
	assert_int_equal(p.n_fields, FIELDS);
	assert_int_equal(p.n_names, FIELDS);
	pass_free(&p);
	buf_free(&header);
	assert_true((clock() - begun) / CLOCKS_PER_SEC < CPU_S);
}

static void test_names_of_one_kind(void **state)
{
	(void)state;
	check("ab", 0);
	check("[{", 0);
	check("ab", 64);
}

/* They are told apart, and in upper and lower case they are the same. */
static void test_case(void **state)
{
	struct buf header = BUF(PASS_HEADER_MAX);
	struct pass p;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		buf_putf(&header, "%c%080u%c:\n%c%080u%c:\n", 'A', i, 'Z', 'a', i, 'z');
	buf_puts(&header, "[:\n{:\n@:\n`:\n\n");
	pass_begin(&p, ignore, NULL);
	pass_put(&p, buf_view(&header));
	assert_int_equal(pass_end(&p), ST_OK);
	assert_int_equal(p.n_names, 1000 + 4);
	assert_int_equal(p.n_fields, 2000 + 4);
	pass_free(&p);
	buf_free(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names_of_one_kind), cmocka_unit_test(test_case) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
