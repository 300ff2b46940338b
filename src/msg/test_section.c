/* Pieces of a letter as IMAP names them (section.h). */
#include "msg/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define INNER "Subject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" \
	"--i\r\n\r\nA\r\n--i\r\nContent-Type: text/html\r\n\r\nB\r\n--i--\r\n"
static const char letter[] =
	"From: a@b\r\nTo: c@d\r\n e\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
	"--o\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
	"--o\r\nContent-Type: message/rfc822\r\n\r\n" INNER
	"\r\n--o\r\nContent-Transfer-Encoding: x-unknown\r\n\r\n?\r\n--o--\r\n";

static enum status get(const char *text, const char *name, char *ret, size_t size)
{
	struct arena a = ARENA(1 << 20);
	struct buf out = BUF(4096);
	struct section s;
	struct view v;
	enum status st = section_parse(view_cstr(name), &a, &s);

	if (st == ST_OK)
		st = section_of(view_cstr(text), &s, &a, &out, &v);
	if (st == ST_OK) {
		assert_true(v.n < size);
		memcpy(ret, v.p, v.n);
		ret[v.n] = '\0';
	}
	buf_free(&out);
	arena_free(&a);
	return st;
}

static void is(const char *text, const char *name, const char *want)
{
	char got[2048];

	assert_int_equal(get(text, name, got, sizeof got), ST_OK);
	assert_string_equal(got, want);
}

static void is_not(const char *text, const char *name, enum status why)
{
	char got[2048];

	assert_int_equal(get(text, name, got, sizeof got), why);
}

static void test_sections(void **state)
{
	(void)state;
	is(letter, "", letter);
	is(letter, "1", "aGVsbG8=");
	is(letter, "1.MIME", "Content-Transfer-Encoding: base64\r\n\r\n");
	is(letter, "2", INNER);
	is(letter, "2.HEADER", "Subject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n");
	is(letter, "2.1", "A");
	is(letter, "2.2", "B");
	is(letter, "2.2.MIME", "Content-Type: text/html\r\n\r\n");
	is(letter, "2.HEADER.FIELDS (Subject)", "Subject: in\r\n\r\n");
	is(letter, "header.fields (\"TO\" x)", "To: c@d\r\n e\r\n\r\n");
	is(letter, "HEADER.FIELDS.NOT (To Content-Type)", "From: a@b\r\n\r\n");
	is("A: b\n\ntext", "TEXT", "text");
	is("A: b\n\ntext", "1", "text");
	is("A: b\n\ntext", "HEADER", "A: b\n\n");
	is("A: b", "HEADER.FIELDS (a)", "A: b\r\n\r\n");
}

static void test_missing(void **state)
{
	(void)state;
	is_not(letter, "4", ST_MISSING);
	is_not(letter, "1.1", ST_MISSING);
	is_not(letter, "1.HEADER", ST_MISSING);
	is_not(letter, "2.3", ST_MISSING);
	is_not(letter, "MIME", ST_SYNTAX);
	is_not(letter, "0", ST_SYNTAX);
	is_not(letter, "1.", ST_SYNTAX);
	is_not(letter, "1..2", ST_SYNTAX);
	is_not(letter, "TEXTS", ST_SYNTAX);
	is_not(letter, "HEADER.FIELDS ()", ST_SYNTAX);
	is_not(letter, "HEADER.FIELDS (a", ST_SYNTAX);
	is_not(letter, "99999999999999999999", ST_SYNTAX);
}

static void test_binary(void **state)
{
	const uint32_t one[] = { 1 }, three[] = { 3 };
	struct arena a = ARENA(1 << 20);
	struct buf out = BUF(4096);
	uint64_t size;

	(void)state;
	assert_int_equal(section_binary(view_cstr(letter), one, 1, &a, &out), ST_OK);
	assert_true(view_eq(buf_view(&out), VIEW("hello")));
	assert_int_equal(section_binary_size(view_cstr(letter), one, 1, &a, &size), ST_OK);
	assert_int_equal(size, 5);
	assert_int_equal(section_binary(view_cstr(letter), three, 1, &a, &out), ST_SYNTAX);
	buf_free(&out);
	arena_free(&a);
}

/* Of a line of one character come 63 octets, where it is uuencode. */
static void test_binary_grows(void **state)
{
	static char text[100 * 1024] = "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n";
	const uint32_t one[] = { 1 };
	struct arena a = ARENA(1 << 20);
	size_t n = strlen(text), lines = 0;
	uint64_t size;

	(void)state;
	for (; n + 2 <= sizeof text; n += 2, lines++)
		memcpy(text + n, "_\n", 2);
	assert_int_equal(section_binary_size(view_make(text, n), one, 1, &a, &size), ST_OK);
	assert_int_equal(size, 63 * lines);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_binary_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
