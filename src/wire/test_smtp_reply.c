/* test_smtp_reply.c - replies of servers, good and bad, and what they offer. */
#include "base/test.h"
#include "wire/smtp_reply.h"

#include <stdio.h>

/* The lines of `text`, until one of them ends it or is wrong. */
static enum status read_reply(struct smtp_reply *r, const char *text)
{
	struct view left = view_cstr(text);
	enum status st = ST_AGAIN;

	smtp_reply_begin(r);
	while (st == ST_AGAIN && left.n) {
		struct view line = view_head(left, view_find(left, '\n'));

		st = smtp_reply_line(r, line);
		left = view_skip(left, line.n + 1);
	}
	return st;
}

static void test_replies(void **state)
{
	static const struct {
		const char *lines;
		enum status st;
		unsigned code;
		const char *status, *text;
	} rows[] = {
		{ "220 mx.foo.com ESMTP", ST_OK, 220, "", "mx.foo.com ESMTP" },
		{ "250-5\n250 2.1.5 b", ST_OK, 250, "", "5\n2.1.5 b" },
		{ "550 5.1.1 no", ST_OK, 550, "5.1.1", "5.1.1 no" },
		{ "550 5.1.10", ST_OK, 550, "5.1.10", "5.1.10" },
		{ "550 4.1.1 of another class", ST_OK, 550, "", "4.1.1 of another class" },
		{ "550 5.1234.1 x", ST_OK, 550, "", "5.1234.1 x" },
		{ "550 5.1.1x", ST_OK, 550, "", "5.1.1x" },
		{ "354", ST_OK, 354, "", "" },
		{ "354 3.0.0 go", ST_OK, 354, "", "3.0.0 go" },
		{ "250-a\n250-b\n250", ST_OK, 250, "", "a\nb\n" },
		{ "250 \x1b[31m\xc3\xb6", ST_OK, 250, "", "?[31m??" },
		{ "250-a", ST_AGAIN, 250, "", "a" },
		{ "", ST_AGAIN, 0, "", "" },
		{ "25", ST_SYNTAX, 0, "", "" },
		{ "2500 x", ST_SYNTAX, 0, "", "" },
		{ "150 x", ST_SYNTAX, 0, "", "" },
		{ "650 x", ST_SYNTAX, 0, "", "" },
		{ "250-a\n251 b", ST_SYNTAX, 250, "", "a" },
		{ "hello", ST_SYNTAX, 0, "", "" },
		{ " 250 x", ST_SYNTAX, 0, "", "" },
	};
	struct smtp_reply r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(read_reply(&r, rows[i].lines), rows[i].st);
		assert_int_equal(r.code, rows[i].code);
		assert_string_equal(r.status, rows[i].status);
		assert_view(buf_view(&r.text), rows[i].text);
	}
	smtp_reply_free(&r);
}

static void test_limits(void **state)
{
	struct smtp_reply r = { 0 };
	static char line[REPLY_LINE + 2];
	enum status st = ST_AGAIN;
	unsigned n = 0;

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "250-", 4);
	smtp_reply_begin(&r);
	assert_int_equal(smtp_reply_line(&r, view_make(line, sizeof line)), ST_LIMIT);
	while (st == ST_AGAIN && n < 1000) {
		st = smtp_reply_line(&r, view_make(line, 1000));
		n++;
	}
	assert_int_equal(st, ST_LIMIT);
	assert_int_equal(n, REPLY_LINES + 1);
	assert_true(r.text.n <= REPLY_TEXT);
	smtp_reply_free(&r);
}

static void test_offers(void **state)
{
	static const struct {
		const char *text;
		unsigned set;
		uint64_t size;
	} rows[] = {
		{ "mx.foo.com", 0, 0 },
		{ "PIPELINING\npipelining", EXT_PIPELINING, 0 },
		{ "mx\nSIZE 1000\n8BITMIME\nSTARTTLS", EXT_SIZE | EXT_8BITMIME | EXT_STARTTLS, 1000 },
		{ "mx\nSIZE", EXT_SIZE, 0 },
		{ "mx\nSIZE 99999999999999999999", EXT_SIZE, 0 },
		{ "mx\nAUTH LOGIN SCRAM-SHA-1 plain", EXT_LOGIN | EXT_PLAIN, 0 },
		{ "mx\nAUTH=CRAM-MD5 PLAIN", EXT_CRAM_MD5 | EXT_PLAIN, 0 },
		{ "mx\nXSTARTTLS\nSTARTTLSX\n STARTTLS", 0, 0 },
		{ "mx\nREQUIRETLS\nDSN\nSMTPUTF8\nCHUNKING\nBINARYMIME",
		  EXT_REQUIRETLS | EXT_DSN | EXT_SMTPUTF8 | EXT_CHUNKING | EXT_BINARYMIME, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct smtp_offer o = smtp_offer_of(view_cstr(rows[i].text));

		assert_int_equal(o.set, rows[i].set);
		assert_int_equal(o.size, rows[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
