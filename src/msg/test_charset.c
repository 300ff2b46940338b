/* Charsets, transfer encodings and encoded words, whole and in pieces. */
#include "base/sandbox.h"
#include "msg/charset.h"
#include "msg/decode.h"
#include "msg/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void is(struct buf *b, const char *want)
{
	assert_int_equal(buf_status(b), ST_OK);
	buf_putc(b, '\0');
	assert_string_equal(b->p, want);
	buf_clear(b);
}

/* In pieces of each size the text is the same. */
static void converts(const char *charset, const char *bytes, const char *want)
{
	struct view v = view_cstr(bytes);
	struct buf out = BUF(4096);

	for (size_t size = 1; size <= v.n; size++) {
		struct charset c;

		charset_open(&c, view_cstr(charset));
		for (struct view rest = v; rest.n; rest = view_skip(rest, size))
			charset_put(&c, view_head(rest, size), &out);
		charset_end(&c, &out);
		charset_close(&c);
		is(&out, want);
	}
	buf_free(&out);
}

static void test_charsets(void **state)
{
	(void)state;
	converts("UTF-8", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6");
	converts("utf-8", "a\xff" "b\xc0\xaf\xed\xa0\x80" "c", "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "c");
	converts("iso-8859-1", "\xe4\x80", "\xc3\xa4\xe2\x82\xac");
	converts("iso-8859-15", "\xe4\xa4", "\xc3\xa4\xe2\x82\xac");
	converts("us-ascii", "gr\xc3\xbc\xfc", "gr\xc3\xbc\xc3\xbc");
	converts("x-not-known", "gr\xfc", "gr\xc3\xbc");
	converts("koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	converts("iso-2022-jp", "\x1b$B%O\x1b(B!", "\xe3\x83\x8f!");
	converts("../../../tmp/x//TRANSLIT", "a", "a");
}

/* What a room may do: nothing opened before it locks itself in, and yet
 * letters in any charset can be read. */
static void test_charsets_when_locked_in(void **state)
{
	pid_t pid = fork();
	int how = 0;

	(void)state;
	if (pid == 0) {
		struct sandbox_filter filter;
		struct sandbox s = { .calls = SANDBOX_FILES | SANDBOX_LIBRARIES, .filter = &filter };
		struct buf out = BUF(256);
		const char *why;
		int fd;

		for (int i = 0; CHARSET_FOLDERS[i]; i++)
			s.readable[i] = CHARSET_FOLDERS[i];
		if (sandbox_filter_make(s.calls, &fd) != ST_OK || sandbox_filter_read(fd, &filter) != ST_OK ||
		    sandbox_enter(&s, &why) != ST_OK)
			_exit(2);
		charset_text(VIEW("euc-kr"), VIEW("\xb0\xa1"), &out);
		_exit(view_eq(buf_view(&out), VIEW("\xea\xb0\x80")) ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
}

static void decodes(enum mime_encoding encoding, const char *bytes, const char *want)
{
	struct view v = view_cstr(bytes);
	struct buf out = BUF(4096);

	for (size_t size = 1; size <= v.n; size++) {
		struct decoder d;

		decoder_begin(&d, encoding);
		for (struct view rest = v; rest.n; rest = view_skip(rest, size))
			decoder_put(&d, view_head(rest, size), &out);
		decoder_end(&d, &out);
		is(&out, want);
	}
	buf_free(&out);
}

static void test_encodings(void **state)
{
	(void)state;
	decodes(ENC_BASE64, "aGVs\r\nbG8=", "hello");
	decodes(ENC_BASE64, "aGVs!bG8=aGVs", "hellohel");
	decodes(ENC_BASE64, "a", "");
	decodes(ENC_QP, "a=3D=\r\nb  \r\nc\t=20\r\n", "a=b\r\nc\t \r\n");
	decodes(ENC_QP, "=zz =4 = \n=", "=zz =4 ");
	decodes(ENC_QP, "a\nb =  \nc", "a\nb c");
	decodes(ENC_UUENCODE, "text\nbegin 644 x\n%:&5L;&\\\n`\nend\nmore\n", "hello");
	decodes(ENC_7BIT, "=41", "=41");
}

static void word(const char *text, const char *want)
{
	struct buf out = BUF(4096);

	words_decode(view_cstr(text), &out);
	is(&out, want);
	buf_free(&out);
}

static void test_words(void **state)
{
	(void)state;
	word("=?utf-8?q?=E2=82?= =?utf-8?q?=AC_x?=", "\xe2\x82\xac x");
	word("a =?iso-8859-1?Q?b?= =?utf-8?B?Yw==?=\r\n d", "a bc d");
	word("=?utf-8?q?a=0D=0AFrom:_b?=", "a  From: b");
	word("=?utf-8?x?a?= =?utf-8?q?open", "=?utf-8?x?a?= =?utf-8?q?open");
	word("=?utf-8*en?q?a?=", "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_charsets_when_locked_in),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
