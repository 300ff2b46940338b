/* What a person fills in, as it stands in the letter. */
#include "mua/compose/aliases.h"
#include "mua/compose/letter.h"

#include "base/test.h"

enum { OUT_MAX = 64 * 1024 };

static struct buf built = BUF(OUT_MAX);

static enum status build(struct draft d)
{
	buf_clear(&built);
	d.from = d.from.n ? d.from : VIEW("Jones@foo.com");
	return letter_build(&d, &built, NULL, NULL);
}

static bool says(const char *text)
{
	return memmem(built.p, built.n, text, strlen(text)) != NULL;
}

static void test_fields(void **state)
{
	(void)state;
	assert_int_equal(build((struct draft){ .to = VIEW("Jo \"the\" Jones <j@foo.com>, b@bar.com"),
					       .cc = VIEW("J\xc3\xb6rg <j@foo.com>, \"a, b\" <c@foo.com>"),
					       .subject = VIEW("plain"), .text = VIEW("Blah\n") }),
			 ST_OK);
	assert_true(says("To: Jo the Jones <j@foo.com>, b@bar.com\r\n") || says("To: \"Jo the Jones\" <j@foo.com>"));
	assert_true(says("Cc: =?utf-8?b?SsO2cmc=?= <j@foo.com>, \"a, b\" <c@foo.com>\r\n"));
	assert_true(says("Subject: plain\r\n"));
	assert_true(says(
		"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nBlah\r\n"));
}

static void test_nothing_is_injected(void **state)
{
	(void)state;
	assert_int_equal(
		build((struct draft){ .subject = VIEW("a\r\nBcc: x@y.z\n\nbody"), .text = VIEW("t\n") }),
		ST_OK);
	assert_true(says("Subject: a  Bcc: x@y.z  body\r\n"));
	assert_int_equal(build((struct draft){ .to = VIEW("\"a\r\nBcc: x@y.z\" <b@c.d>") }), ST_OK);
	assert_false(says("\nBcc"));
	assert_int_equal(build((struct draft){ .to = VIEW("nobody") }), ST_SYNTAX);
	assert_int_equal(build((struct draft){ .to = VIEW("<a@b.c\r\nX: y>") }), ST_SYNTAX);
	assert_int_equal(build((struct draft){ .text = VIEW("\xff") }), ST_SYNTAX);
	assert_int_equal(build((struct draft){ .in_reply_to = VIEW("<a@b>\r\nX: y") }), ST_OK);
	assert_false(says("\nX:"));
}

static void test_flowing(void **state)
{
	struct buf out = BUF(OUT_MAX);

	(void)state;
	flow_text(VIEW("short \n > no quote\nFrom me\n> quote  \n-- \nme"), &out);
	assert_view(buf_view(&out), "short\n  > no quote\n From me\n> quote\n-- \nme\n");
	buf_clear(&out);
	flow_text(
		VIEW("aaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccc dddddddddddddd eeeeeeeeeeee"),
		&out);
	assert_view(buf_view(&out), "aaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccc \n"
				    "dddddddddddddd eeeeeeeeeeee\n");
	buf_free(&out);
}

static void test_parameters(void **state)
{
	struct buf out = BUF(OUT_MAX);

	(void)state;
	put_parameter("filename", VIEW("a \"b\".txt"), &out);
	assert_view(buf_view(&out), ";\r\n\tfilename=\"a \\\"b\\\".txt\"");
	buf_clear(&out);
	put_parameter("filename", VIEW("\xc3\xbc.txt"), &out);
	assert_view(buf_view(&out), ";\r\n\tfilename*=utf-8''%C3%BC.txt");
	buf_clear(&out);
	put_parameter("filename",
		      VIEW("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc.txt"),
		      &out);
	assert_view(buf_view(&out), ";\r\n\tfilename*0*=utf-8''%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC"
				    ";\r\n\tfilename*1*=%C3%BC.txt");
	buf_free(&out);
}

static void test_aliases(void **state)
{
	struct view book = VIEW("# people\njo\tJo Jones <Jones@foo.com>\ncrew jo, Brown@foo.com\nme me\n");
	struct buf out = BUF(OUT_MAX);

	(void)state;
	assert_int_equal(aliases_expand(book, VIEW("crew, Smith@bar.com, unknown"), &out), ST_OK);
	assert_view(buf_view(&out), "Jo Jones <Jones@foo.com>, Brown@foo.com, Smith@bar.com, unknown");
	buf_clear(&out);
	/* One that names itself ends, too. */
	assert_int_equal(aliases_expand(book, VIEW("me"), &out), ST_OK);
	assert_view(buf_view(&out), "me");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	cmocka_unit_test(test_nothing_is_injected),
		cmocka_unit_test(test_flowing), cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_aliases),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&built);
	return failed;
}
