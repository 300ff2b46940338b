/* Parameters by the hundred thousand, in sections and without (content.h). */
#include "base/test.h"

#include "msg/content.h"

enum { FLOOD = 100000 };

/* What is read of `text`, and the value of that parameter. */
static uint32_t read_all(const struct buf *text, const char *name, size_t *ret_n)
{
	struct arena a = ARENA(1 << 20);
	const struct param *p;
	struct content c;
	uint32_t n;

	assert_int_equal(buf_status(text), ST_OK);
	assert_int_equal(content_parse(buf_view(text), &a, &c), ST_OK);
	p = content_param(&c, view_cstr(name));
	*ret_n = p ? p->value.n : 0;
	n = c.n;
	arena_free(&a);
	return n;
}

static void test_sections(void **state)
{
	struct buf text = BUF(FLOOD * 32);
	size_t n;

	(void)state;
	buf_puts(&text, "attachment");
	for (unsigned i = 0; i < FLOOD; i++)
		buf_putf(&text, "; a*%u=x", i);
	assert_int_equal(read_all(&text, "a", &n), 1);
	assert_int_equal(n, CONTENT_SECTIONS);
	/* The last one first, and each of them twice: the first counts. */
	buf_clear(&text);
	buf_puts(&text, "attachment");
	for (unsigned i = 60; i-- > 0;)
		buf_putf(&text, "; a*%u=x; a*%u=yy", i, i);
	assert_int_equal(read_all(&text, "a", &n), 1);
	assert_int_equal(n, 60);
	/* Behind a gap nothing follows; without a beginning there is nothing. */
	buf_clear(&text);
	buf_puts(&text, "attachment; a*0=x; a*2=y; b*1=z; c*00=z; d*-1=z; e*99999999999999999999=z");
	read_all(&text, "a", &n);
	assert_int_equal(n, 1);
	read_all(&text, "b", &n);
	assert_int_equal(n, 0);
	buf_free(&text);
}

static void test_parameters(void **state)
{
	struct buf text = BUF(FLOOD * 32);
	size_t n;

	(void)state;
	buf_puts(&text, "attachment");
	for (unsigned i = 0; i < FLOOD; i++)
		buf_putf(&text, ";p%u=x", i);
	assert_int_equal(read_all(&text, "p63", &n), CONTENT_PARAMS);
	assert_int_equal(n, 1);
	read_all(&text, "p64", &n);
	assert_int_equal(n, 0);
	/* A name of all the field, a value of all of it, and nothing but signs. */
	for (const char *c = "a\"\\;=*' "; *c; c++) {
		buf_clear(&text);
		buf_puts(&text, "attachment; p=");
		for (unsigned i = 0; i < FLOOD; i++)
			buf_putc(&text, *c);
		assert_true(read_all(&text, "p", &n) <= CONTENT_PARAMS);
		assert_true(n <= CONTENT_FIELD_MAX);
	}
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
