/* Does a letter contain a text (search.h). */
#include "msg/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char letter[] =
	"From: =?iso-8859-1?q?J=FCrgen?= <j@x.example>\r\n"
	"Subject: a long\r\n line\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"preamble\r\n"
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Gr=FC=DFe und ein gebro=\r\nchenes Wort\r\n"
	"--b\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"8NLJ18XU\r\n"
	"--b\r\nContent-Type: image/png; name=cat.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"c2VjcmV0\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nDeep TEXT\r\n"
	"--b--\r\n";

typedef enum status searcher(struct view letter, const struct needle *n, bool *ret_found);

static bool has(searcher *search, const char *text, const char *what)
{
	struct arena a = ARENA(1 << 20);
	struct needle n;
	bool found = false;

	assert_int_equal(needle_make(view_cstr(what), &a, &n), ST_OK);
	assert_int_equal(search(view_cstr(text), &n, &found), ST_OK);
	arena_free(&a);
	return found;
}

static bool has_field(const char *name, const char *what)
{
	struct arena a = ARENA(1 << 20);
	struct needle n;
	bool found = false;

	assert_int_equal(needle_make(view_cstr(what), &a, &n), ST_OK);
	assert_int_equal(search_field(view_cstr(letter), view_cstr(name), &n, &found), ST_OK);
	arena_free(&a);
	return found;
}

static void test_fields(void **state)
{
	(void)state;
	assert_true(has_field("from", "J\xc3\x9cRGEN"));
	assert_true(has_field("from", "Ju\xcc\x88rgen"));
	assert_true(has_field("FROM", "x.EXAMPLE"));
	assert_true(has_field("subject", "long line"));
	assert_true(has_field("subject", ""));
	assert_false(has_field("to", ""));
	assert_false(has_field("subject", "inside"));
}

static void test_bodies(void **state)
{
	(void)state;
	assert_true(has(search_body, letter, "GR\xc3\xbcSSE"));
	assert_true(has(search_body, letter, "gebrochenes"));
	assert_true(has(search_body, letter, "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"));
	assert_true(has(search_body, letter, "deep text"));
	assert_true(has(search_body, letter, "inside"));
	assert_true(has(search_body, letter, "cat.png"));
	assert_false(has(search_body, letter, "secret"));
	assert_false(has(search_body, letter, "c2VjcmV0"));
	assert_false(has(search_body, letter, "long"));
	assert_true(has(search_text, letter, "long line"));
	assert_true(has(search_text, letter, "j\xc3\xbcrgen"));
	assert_false(has(search_text, letter, "preamble"));
	assert_false(has(search_text, letter, "absent"));
	assert_true(has(search_text, letter, ""));
}

/* A needle at every place of a text that is read in pieces is found, in
 * each encoding, and one that only nearly stands there is not. */
static void test_piece_ends(void **state)
{
	static char text[140 * 1024];

	(void)state;
	for (size_t at = 32 * 1024 - 12; at < 32 * 1024 + 4; at++) {
		int n = snprintf(text, sizeof text, "Content-Type: text/plain; charset=utf-8\n"
				 "Content-Transfer-Encoding: quoted-printable\n\n");
		char *body = text + n;

		memset(body, 'x', 100 * 1024);
		body[100 * 1024] = '\0';
		memcpy(body + at, "Needle", 6);
		assert_true(has(search_body, text, "xNEEDLEx"));
		assert_false(has(search_body, text, "xneedlesx"));
		memcpy(body + at, "=C3=84h", 7);
		assert_true(has(search_body, text, "x\xc3\xa4h"));
		assert_false(has(search_body, text, "\xc3\xa4x"));
	}
}

/* 31 times as much comes of it as was sent, in an encoding where a line of one
 * character stands for 63 octets. */
static void test_little_that_is_much(void **state)
{
	static char text[140 * 1024];
	int n = snprintf(text, sizeof text, "Content-Type: text/plain; charset=iso-8859-1\n"
			 "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n");

	(void)state;
	for (; n < 100 * 1024; n += 2)
		memcpy(text + n, "_\n", 2);
	memcpy(text + n, "&;F5E9&QE\n`\nend\n", sizeof "&;F5E9&QE\n`\nend\n");
	assert_true(has(search_body, text, "needle"));
	assert_true(has(search_text, text, "NEEDLE"));
	assert_false(has(search_text, text, "\xc3\xa4"));
}

static void test_scan(void **state)
{
	char text[128];
	const char needle[] = "zeb[@fin";

	(void)state;
	for (size_t at = 0; at + sizeof needle <= sizeof text; at++) {
		struct scan s = scan_for(VIEW("zeb[@fin"));

		memset(text, 'z', sizeof text);
		memcpy(text + at, "ZEB[@fIN", 8);
		assert_true(scan_in(&s, view_make(text, sizeof text)));
		assert_true(scan_in(&s, view_make(text + at, 8)));
		assert_false(scan_in(&s, view_make(text, at + 7)));
		text[at + 3] = '{';	/* '[' with the bit of lower case */
		assert_false(scan_in(&s, view_make(text, sizeof text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_piece_ends),
		cmocka_unit_test(test_little_that_is_much),
		cmocka_unit_test(test_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
