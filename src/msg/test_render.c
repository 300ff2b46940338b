/* What delivery renders of a letter (render.h). */
#include "msg/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void is(const struct buf *b, const char *want)
{
	char got[8192];

	assert_true(b->n < sizeof got);
	memcpy(got, b->p ? b->p : "", b->n);
	got[b->n] = '\0';
	assert_string_equal(got, want);
}

static struct msg_rendered made(const char *letter)
{
	struct msg_rendered r;

	assert_int_equal(msg_render(view_cstr(letter), &r), ST_OK);
	return r;
}

static void test_plain(void **state)
{
	struct msg_rendered r = made(
		"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
		"From: Fred Foobar <foobar@Blurdybloop.example>\r\n"
		"Subject: Re: [list]  afternoon\tmeeting (fwd)\r\n"
		"To: mooch@owatagu.siam.edu.example\r\n"
		"Message-Id: <B27397-0100000@Blurdybloop.example>\r\n"
		"References: <a@b> <c@d>\r\n"
		"In-Reply-To: <c@d>\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
		"\r\n"
		"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
		"\r\n");

	(void)state;
	is(&r.envelope, "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"Re: [list]  afternoon\tmeeting (fwd)\" "
	   "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
	   "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
	   "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
	   "((NIL NIL \"mooch\" \"owatagu.siam.edu.example\")) NIL NIL "
	   "\"<c@d>\" \"<B27397-0100000@Blurdybloop.example>\")");
	is(&r.body, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 57 2)");
	is(&r.bodystructure, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 57 2 NIL NIL NIL NIL)");
	is(&r.subject_base, "afternoon meeting");
	is(&r.message_id, "B27397-0100000@Blurdybloop.example");
	is(&r.references, "a@b\nc@d\nc@d\n");
	assert_true(r.has_sent);
	assert_int_equal(r.sent, 760686745000);
	msg_rendered_free(&r);
}

static void test_parts(void **state)
{
	struct msg_rendered r = made(
		"Content-Type: multipart/mixed; boundary=b\n"
		"\n"
		"preamble\n"
		"--b\n"
		"Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=\"b.txt\"\n"
		"Content-Language: de, en\n"
		"\n"
		"one\n"
		"two\n"
		"--b\n"
		"Content-Type: message/rfc822\n"
		"\n"
		"Subject: inside \"quoted\"\n"
		"\n"
		"text\n"
		"\n"
		"--b--\n"
		"epilogue\n");

	(void)state;
	is(&r.bodystructure,
	   "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1 NIL "
	   "(\"attachment\" (\"filename*\" \"utf-8''a%20b.txt\")) (\"de\" \"en\") NIL)"
	   "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 31 "
	   "(NIL \"inside \\\"quoted\\\"\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	   "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) "
	   "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
	assert_false(r.has_sent);
	msg_rendered_free(&r);
}

static void test_groups_and_bytes(void **state)
{
	struct msg_rendered r = made(
		"From: =?utf-8?q?J=C3=BCrgen?= <j@x>\n"
		"To: Friends: \"A \\\"B\\\"\" <@r:a@b>, c@d;, undisclosed:;\n"
		"Cc: lonely, \"q u\"@x, Pete (the man) <p@q>, p@q (Pete)\n"
		"Subject: gr\xfc\xdf" "e\n dich\n"
		"\n");

	(void)state;
	is(&r.envelope, "(NIL {12}\r\ngr\xc3\xbc\xc3\x9f" "e dich "
	   "((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"j\" \"x\")) ((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"j\" \"x\")) "
	   "((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"j\" \"x\")) "
	   "((NIL NIL \"Friends\" NIL)(\"A \\\"B\\\"\" \"@r\" \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)"
	   "(NIL NIL \"undisclosed\" NIL)(NIL NIL NIL NIL)) "
	   "((NIL NIL \"lonely\" \"\")(NIL NIL \"q u\" \"x\")(\"Pete\" NIL \"p\" \"q\")(\"Pete\" NIL \"p\" \"q\")) "
	   "NIL NIL NIL)");
	is(&r.subject_base, "gr\xc3\xbc\xc3\x9f" "e dich");
	msg_rendered_free(&r);
}

static void test_nothing(void **state)
{
	struct msg_rendered r = made("");

	(void)state;
	is(&r.envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	is(&r.body, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
	msg_rendered_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_groups_and_bytes),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
