/* Letters for hosts that take less (convert.h). */
#include "base/test.h"

#include "msg/convert.h"

#include <stdio.h>
#include <stdlib.h>

static const struct convert_form sevenbit;

static enum status convert(struct view letter, struct convert_form takes, struct buf *out)
{
	struct arena a = ARENA((size_t)64 * 1024 * 1024);
	enum status st = convert_letter(letter, takes, &a, out);

	arena_free(&a);
	return st;
}

static void becomes(struct view letter, struct convert_form takes, const char *want)
{
	struct buf out = BUF(1 << 20);

	assert_int_equal(convert(letter, takes, &out), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static void cannot(struct view letter, struct convert_form takes)
{
	struct buf out = BUF(1 << 20);

	assert_int_equal(convert(letter, takes, &out), ST_DENIED);
	buf_free(&out);
}

static void test_text(void **state)
{
	(void)state;
	becomes(VIEW("Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n\r\nSch\xc3\xb6ne Gr\xc3\xbc\xc3\x9f" "e\r\nJones, who writes more\r\n"),
		sevenbit,
		"Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n\r\nSch=C3=B6ne Gr=C3=BC=C3=9Fe\r\nJones, who writes more\r\n");
	/* Nothing says what it is: it still has to say how it is encoded. */
	becomes(VIEW("Subject: x\r\n\r\ncaf\xe9 au lait\r\n"), sevenbit,
		"MIME-Version: 1.0\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 au lait\r\n");
	/* Text that would be all escapes, and what is no text. */
	becomes(VIEW("MIME-Version: 1.0\r\n\r\n\xd0\x9f\xd1\x80\xd0\xb8\r\n"), sevenbit,
		"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC4DQo=\r\n");
	becomes(VIEW("MIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\n\x89PNG plain text behind it"), sevenbit,
		"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		"iVBORyBwbGFpbiB0ZXh0IGJlaGluZCBpdA==\r\n");
}

static void test_untouched(void **state)
{
	struct view plain = VIEW("Subject: x\r\nContent-Transfer-Encoding: 7bit\r\n\r\nonly ASCII\r\n");

	(void)state;
	becomes(plain, sevenbit, plain.p);
	plain = VIEW("Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n");
	becomes(plain, (struct convert_form){ .eightbit = true }, plain.p);
}

static void test_parts(void **state)
{
	(void)state;
	becomes(VIEW("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		     "pr\xe4" "amble\r\n--b\r\n\r\nASCII\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		     "Subject: inside\r\n\r\nGr\xc3\xbc\xc3\x9f" "e aus der Ferne\r\n--b--\r\nepilog\xfc" "e\r\n"),
		sevenbit,
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		"\r\n--b\r\n\r\nASCII\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		"MIME-Version: 1.0\r\nSubject: inside\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		"Gr=C3=BC=C3=9Fe aus der Ferne\r\n--b--\r\n");
}

static void test_sealed(void **state)
{
	struct view clean = VIEW("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nASCII\r\n--b\r\n"
				 "Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n");

	(void)state;
	cannot(VIEW("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n"), sevenbit);
	cannot(VIEW("Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n"), sevenbit);
	cannot(VIEW("Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n"
		    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n--m--\r\n"), sevenbit);
	becomes(clean, sevenbit, clean.p);
	cannot(VIEW("Content-Type: message/partial; id=x; number=1\r\n\r\n\xe4\r\n"), sevenbit);
	cannot(VIEW("Content-Type: multipart/mixed\r\n\r\n\xe4\r\n"), sevenbit);
}

static void test_header(void **state)
{
	(void)state;
	becomes(VIEW("Subject: Gr\xc3\xbc\xc3\x9f" "e\r\nFrom: J\xc3\xb6rg Jones <j@foo.com>, Smith <s@bar.com>\r\n"
		     "To: Friends: \"A\" <a@b.c>;\r\n\r\nx\r\n"), sevenbit,
		"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nFrom: \r\n =?utf-8?q?J=C3=B6rg_Jones?=\r\n <j@foo.com>,\r\n "
		"\"Smith\"\r\n <s@bar.com>\r\nTo: Friends: \"A\" <a@b.c>;\r\n\r\nx\r\n");
	becomes(VIEW("Content-Disposition: attachment; filename=\"\xc3\xa4 b.txt\"\r\n\r\nx\r\n"), sevenbit,
		"Content-Disposition: attachment;\r\n filename*0*=utf-8''%C3%A4%20b.txt\r\n\r\nx\r\n");
	/* An octet that does not belong there, in a body of a few characters. */
	becomes(VIEW("Content-Transfer-Encoding: base64\r\n\r\n\x9f" "Fro"), sevenbit,
		"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nFro=\r\n");
	cannot(VIEW("From: <j\xc3\xb6rg@foo.com>\r\n\r\nx\r\n"), sevenbit);
	cannot(VIEW("Message-ID: <\xc3\xb6@foo.com>\r\n\r\nx\r\n"), sevenbit);
	cannot(VIEW("Content-Type: multipart/mixed; boundary=\"\xc3\xb6\"\r\n\r\n--\xc3\xb6\r\n\r\nx\r\n--\xc3\xb6--\r\n"), sevenbit);
	becomes(VIEW("Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n\r\nx\r\n"), (struct convert_form){ .utf8 = true },
		"Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n\r\nx\r\n");
}

static void test_binary(void **state)
{
	static const char zero[] = "MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\nc";
	struct convert_form eightbit = { .eightbit = true };
	struct buf letter = BUF(8192), out = BUF(16384);

	(void)state;
	becomes(view_make(zero, sizeof zero - 1), eightbit,
		"MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBiCmM=\r\n");
	/* Text whose lines end in LF alone keeps them. */
	becomes(VIEW("MIME-Version: 1.0\nSubject: y\n\none\ntwo\n"), eightbit,
		"MIME-Version: 1.0\r\nSubject: y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\none=0Atwo=0A");
	buf_puts(&letter, "Subject: x\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		buf_putc(&letter, 'a');
	buf_puts(&letter, "\r\n");
	assert_int_equal(convert(buf_view(&letter), eightbit, &out), ST_OK);
	assert_true(memmem(out.p, out.n, "quoted-printable", 16) != NULL);
	buf_free(&letter);
	buf_free(&out);
}

static void test_needs(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct convert_form f;

	(void)state;
	assert_int_equal(convert_needs(VIEW("Subject: x\r\n\r\nx\r\n"), &a, &f), ST_OK);
	assert_false(f.eightbit || f.utf8 || f.binary);
	assert_int_equal(convert_needs(VIEW("Subject: \xc3\xa4\r\n\r\nx\r\n"), &a, &f), ST_OK);
	assert_true(!f.eightbit && f.utf8 && !f.binary);
	assert_int_equal(convert_needs(VIEW("Subject: x\r\n\r\n\xc3\xa4\n"), &a, &f), ST_OK);
	assert_true(f.eightbit && !f.utf8 && f.binary);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
