/* test_imap.c - commands as they come, their words and arguments; the
 * examples of RFC 9051, 3501, 7162, 5258, 4731. */
#include "base/test.h"
#include "wire/imap_args.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the reader ---- */

static const char *const event_names[] = {
	[IMAP_MORE] = "more", [IMAP_COMMAND] = "command", [IMAP_CONTINUE] = "+", [IMAP_TOO_BIG] = "toobig",
	[IMAP_TOO_LONG] = "toolong", [IMAP_BAD_BYTES] = "bytes", [IMAP_HOPELESS] = "hopeless",
	[IMAP_NO_MEMORY] = "memory",
};

/* What the reader says of `in`, given `step` bytes at a time: "command:TEXT|+|...". */
static char *events_of(struct view in, size_t step, size_t line, size_t literal)
{
	struct imap_reader r;
	struct buf out = BUF(1 << 20);
	enum imap_event e = IMAP_MORE;

	imap_reader_begin(&r, line, literal);
	while (in.n && e != IMAP_HOPELESS) {
		size_t used = 0;

		e = imap_read(&r, view_head(in, step), &used);
		in = view_skip(in, used);
		if (e == IMAP_MORE)
			continue;
		buf_puts(&out, event_names[e]);
		if (e == IMAP_COMMAND) {
			buf_putc(&out, ':');
			buf_put(&out, buf_view(&r.text));
		} else if (e != IMAP_CONTINUE && e != IMAP_HOPELESS) {
			buf_putc(&out, ':');
			buf_put(&out, imap_tag_of(buf_view(&r.text)));
		}
		buf_putc(&out, '|');
	}
	imap_reader_free(&r);
	buf_putc(&out, '\0');
	assert_int_equal(buf_status(&out), ST_OK);
	return out.p;
}

static void check_reader(struct view in, const char *want)
{
	for (size_t step = 1; step <= in.n + 1; step += step < 8 ? 1 : in.n / 3 + 1) {
		char *got = events_of(in, step, 64, 100);

		assert_string_equal(got, want);
		free(got);
	}
}
#define READS(in, want) check_reader(VIEW(in), want)

static void reader_takes_lines_and_literals(void **state)
{
	(void)state;
	READS("a1 NOOP\r\na2 LOGOUT\r\n", "command:a1 NOOP|command:a2 LOGOUT|");
	READS("a LOGIN {5}\r\nSmith {3+}\r\nx\ny\r\n", "+|command:a LOGIN {5}\r\nSmith {3+}\r\nx\ny|");
	READS("a X {0}\r\n\r\nb NOOP\r\n", "+|command:a X {0}\r\n|command:b NOOP|");
	/* What looks like a literal but is none. */
	READS("a X }\r\nb X 5}\r\nc X {}\r\nd X {+}\r\n", "command:a X }|command:b X 5}|command:c X {}|command:d X {+}|");
}

static void reader_refuses_what_is_too_large(void **state)
{
	(void)state;
	/* A client that waits never sends it; one that does not has it thrown away. */
	READS("a APPEND b {101}\r\nc NOOP\r\n", "toobig:a|command:c NOOP|");
	READS("a X {60}\r\nc NOOP\r\n", "toobig:a|command:c NOOP|");
	READS("a X {60+}\r\n0123456789012345678901234567890123456789012345678901234567\r\n rest {2+}\r\n\r\n\r\nc NOOP\r\n",
	      "toobig:a|command:c NOOP|");
	READS("a X {99999999999999999999}\r\nc NOOP\r\n", "toobig:a|command:c NOOP|");
	READS("a X {99999999999999999999+}\r\nc NOOP\r\n", "hopeless|");
	READS("a X 01234567890123456789012345678901234567890123456789012345678901234567 {6999999999+}\r\nc NOOP\r\n",
	      "toolong:a|hopeless|");
	READS("a X 0123456789012345678901234567890123456789012345678901234567890123456789\r\nc NOOP\r\n",
	      "toolong:a|command:c NOOP|");
	READS("a X 01234567890123456789012345678901234567890123456789012345678901234567 {5+}\r\n\r\nx\r\n\r\nc NOOP\r\n",
	      "toolong:a|command:c NOOP|");
}

static void reader_refuses_bad_bytes(void **state)
{
	(void)state;
	READS("a NOOP\nb NOOP\r\n", "bytes:a|command:b NOOP|");
	READS("a N\0OP\r\nb NOOP\r\n", "bytes:a|command:b NOOP|");
	READS("a N\rOP\r\nb NOOP\r\n", "bytes:a|command:b NOOP|");
	READS("\r\n(x\r\n", "command:|command:(x|");
}

static void reader_holds_no_more_than_its_limits(void **state)
{
	struct imap_reader r;
	size_t used;

	(void)state;
	imap_reader_begin(&r, 8192, 8192);
	assert_int_equal(imap_read(&r, VIEW("a "), &used), IMAP_MORE);
	for (int i = 0; i < 100000; i++)
		(void)imap_read(&r, VIEW("endless line, endless line, endless line"), &used);
	assert_true(r.text.n < 1024);
	assert_int_equal(imap_read(&r, VIEW("\r\n"), &used), IMAP_MORE);
	assert_true(imap_reader_rests(&r));
	imap_reader_free(&r);
}

/* ---- words ---- */

static struct arena arena;

static struct imap_parse over(const char *text)
{
	arena_free(&arena);
	arena = ARENA(1 << 20);
	return imap_parse_over(view_cstr(text), &arena);
}

static void strings_are_taken(void **state)
{
	static const struct {
		const char *text, *want;	/* NULL: refused */
	} rows[] = {
		{ "atom]x", "atom]x" }, { "\"a b\"", "a b" }, { "\"a\\\"\\\\b\"", "a\"\\b" }, { "\"\"", "" },
		{ "{3}\r\na\r\n", "a\r\n" }, { "{3+}\r\nabc", "abc" }, { "\"caf\xc3\xa9\"", "caf\xc3\xa9" },
		{ "\"caf\xe9\"", NULL }, { "\"a\\b\"", NULL }, { "\"open", NULL }, { "\"", NULL }, { "", NULL },
		{ "{3}\r\nab", NULL }, { "{4294967295}\r\nab", NULL }, { "a\x80", NULL }, { "(", NULL },
		{ "~{3}\r\nabc", NULL }, { "\"a\r\nb\"", NULL }, { "{-1}\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct imap_parse p = over(rows[i].text);
		struct view v = imap_take_astring(&p);

		assert_int_equal(imap_end(&p), rows[i].want != NULL);
		if (rows[i].want)
			assert_view(v, rows[i].want);
	}
}

static void failure_is_sticky(void **state)
{
	struct imap_parse p = over("(a b");

	(void)state;
	(void)imap_take_astrings(&p);
	assert_false(imap_ok(&p));
	assert_int_equal(imap_take_atom(&p).n, 0);
	assert_int_equal(imap_take_number(&p), 0);
	assert_false(imap_end(&p));
}

static void names_go_both_ways(void **state)
{
	static const struct {
		const char *seven, *eight;
	} rows[] = {
		/* RFC 3501 5.1.3, and a character beyond 16 bits. */
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" }, { "a&-b", "a&b" }, { "&2D3eAA-", "\xf0\x9f\x98\x80" },
		{ "plain", "plain" }, { "", "" },
	};
	static const char *const bad[] = {
		"&Jjo!", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "&", "&x", "&APw", "&2D0-", "&3gA-", "&APx-", "&AAA-", "caf\xc3\xa9",
		"&U,BTFw=-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf a = BUF(256), b = BUF(256);

		assert_int_equal(imap_utf7_decode(view_cstr(rows[i].seven), &a), ST_OK);
		assert_view(buf_view(&a), rows[i].eight);
		imap_utf7_encode(view_cstr(rows[i].eight), &b);
		assert_view(buf_view(&b), rows[i].seven);
		buf_free(&a);
		buf_free(&b);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf a = BUF(256);

		assert_int_equal(imap_utf7_decode(view_cstr(bad[i]), &a), ST_SYNTAX);
		buf_free(&a);
	}
}

static void inbox_is_one_name(void **state)
{
	struct imap_parse p = over("iNbOx");

	(void)state;
	assert_view(imap_take_mailbox(&p), "INBOX");
	p = over("\"inbox\"");
	assert_view(imap_take_mailbox(&p), "INBOX");
	p = over("INBOX/a");
	assert_view(imap_take_mailbox(&p), "INBOX/a");
}

static void mailboxes_are_written_as_they_can_be_read(void **state)
{
	static const struct {
		const char *name, *seven, *eight;
	} rows[] = {
		{ "INBOX", "INBOX", "INBOX" }, { "a b", "\"a b\"", "\"a b\"" }, { "nil", "\"nil\"", "\"nil\"" },
		{ "x\"y", "\"x\\\"y\"", "\"x\\\"y\"" }, { "\xc3\xbc", "&APw-", "\"\xc3\xbc\"" }, { "", "\"\"", "\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b = BUF(256);

		imap_put_mailbox(&b, view_cstr(rows[i].name), false);
		assert_view(buf_view(&b), rows[i].seven);
		buf_clear(&b);
		imap_put_mailbox(&b, view_cstr(rows[i].name), true);
		assert_view(buf_view(&b), rows[i].eight);
		buf_free(&b);
	}
}

/* ---- sets ---- */

static void check_set(const char *text, uint32_t largest, const char *want)
{
	struct imap_parse p = over(text);
	struct imap_set set = imap_take_set(&p);
	struct buf b = BUF(256);

	assert_true(imap_end(&p));
	imap_set_settle(&set, largest);
	for (uint32_t i = 0; i < set.n; i++)
		buf_putf(&b, "%s%u:%u", i ? "," : "", set.r[i].from, set.r[i].to);
	assert_view(buf_view(&b), want);
	buf_free(&b);
}

static void sets_are_settled(void **state)
{
	static const char *const bad[] = { "", "0", "1:", ":1", "1,,2", "1,", "4294967296", "-1", "1:2:3" };

	(void)state;
	check_set("2,4:7,9,12:*", 15, "2:2,4:7,9:9,12:15");
	check_set("*:4,5:7", 10, "4:10");
	check_set("559:*", 3, "3:559");
	check_set("3,2,1", 9, "1:3");
	check_set("4294967294:*", 4294967295u, "4294967294:4294967295");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct imap_parse p = over(bad[i]);

		(void)imap_take_set(&p);
		assert_false(imap_end(&p));
	}
	struct imap_parse p = over("$");

	assert_true(imap_take_set(&p).saved);
}

static void sets_are_searched(void **state)
{
	struct imap_parse p = over("2,4:7,12:*");
	struct imap_set set = imap_take_set(&p);

	(void)state;
	imap_set_settle(&set, 15);
	for (uint32_t x = 0; x < 20; x++)
		assert_int_equal(imap_set_has(&set, x), x == 2 || (x >= 4 && x <= 7) || (x >= 12 && x <= 15));
}

static void sets_are_written(void **state)
{
	struct buf b = BUF(256);
	struct imap_set_writer w = { .out = &b };
	const uint32_t xs[] = { 1, 2, 3, 5, 7, 8, UINT32_MAX - 1, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < 8; i++)
		imap_set_put(&w, xs[i]);
	imap_set_finish(&w);
	assert_view(buf_view(&b), "1:3,5,7:8,4294967294:4294967295");
	buf_free(&b);
}

/* ---- dates ---- */

static void dates_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		wall_ms at;
		const char *back;
	} rows[] = {
		{ "\"17-Jul-1996 02:44:25 -0700\"", 837596665000, "\"17-Jul-1996 09:44:25 +0000\"" },
		{ "\" 1-Feb-1994 21:52:25 +0000\"", 760139545000, "\" 1-Feb-1994 21:52:25 +0000\"" },
		{ "\"29-Feb-2000 00:00:00 +0000\"", 951782400000, "\"29-Feb-2000 00:00:00 +0000\"" },
		{ "\"31-Dec-1969 23:59:59 +0000\"", -1000, "\"31-Dec-1969 23:59:59 +0000\"" },
	};
	static const char *const bad[] = {
		"\"30-Feb-2000 00:00:00 +0000\"", "\"1-Feb-1994 21:52:25 +0000\"", "\"01-Fob-1994 21:52:25 +0000\"",
		"\"01-Feb-1994 24:52:25 +0000\"", "\"01-Feb-1994 21:52:25\"", "\"00-Feb-1994 21:52:25 +0000\"", "\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct imap_parse p = over(rows[i].text);
		struct buf b = BUF(64);

		assert_int_equal(imap_take_date_time(&p), rows[i].at);
		assert_true(imap_end(&p));
		imap_put_date_time(&b, rows[i].at);
		assert_view(buf_view(&b), rows[i].back);
		buf_free(&b);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct imap_parse p = over(bad[i]);

		(void)imap_take_date_time(&p);
		assert_false(imap_end(&p));
	}
	struct imap_parse p = over("1-Feb-1994");

	assert_int_equal(imap_take_date(&p), 8797);
}

/* ---- FETCH ---- */

static void check_fetch(const char *text, const char *want)
{
	struct imap_parse p = over(text);
	struct imap_fetch f = imap_take_fetch(&p);
	struct buf b = BUF(512);

	if (want == NULL) {
		assert_false(imap_end(&p));
		return;
	}
	assert_true(imap_end(&p));
	for (uint32_t i = 0; i < f.n; i++) {
		buf_putf(&b, "%s%d", i ? " " : "", (int)f.items[i].kind);
		if (f.items[i].kind >= IMAP_FETCH_SECTION)
			imap_put_section(&b, &f.items[i].section);
		if (f.items[i].peek)
			buf_puts(&b, "peek");
		if (f.items[i].partial)
			buf_putf(&b, "<%d.%d>", (int)f.items[i].from, (int)f.items[i].length);
	}
	assert_view(buf_view(&b), want);
	buf_free(&b);
}

static void fetch_items_are_read(void **state)
{
	(void)state;
	check_fetch("ALL", "1 2 3 4");
	check_fetch("(FLAGS BODY[HEADER.FIELDS (DATE FROM)])", "1 11[HEADER.FIELDS (DATE FROM)]");
	check_fetch("BODY.PEEK[1.2.HEADER.FIELDS.NOT (\"a b\")]<0.2048>",
		    "11[1.2.HEADER.FIELDS.NOT (\"a b\")]peek<0.2048>");
	check_fetch("BODY[]", "11[]");
	check_fetch("BODY", "5");
	check_fetch("BODYSTRUCTURE", "6");
	check_fetch("(RFC822.SIZE RFC822 RFC822.TEXT RFC822.HEADER)", "3 8 10 9");
	check_fetch("BODY[4.1.MIME]", "11[4.1.MIME]");
	check_fetch("(BINARY.PEEK[1.2]<5.6> BINARY.SIZE[])", "12[1.2]peek<5.6> 13[]peek");
	check_fetch("BODY[MIME]", NULL);
	check_fetch("BODY[1.]", NULL);
	check_fetch("BODY[1TEXT]", NULL);
	check_fetch("BODY[0]", NULL);
	check_fetch("BODY[]<0.0>", NULL);
	check_fetch("BODY.PEEK", NULL);
	check_fetch("BINARY[TEXT]", NULL);
	check_fetch("()", NULL);
	check_fetch("(FLAGS ", NULL);
	check_fetch("BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1."
		    "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]", NULL);
}

/* ---- SEARCH ---- */

static void put_key(struct buf *b, const struct imap_search_key *k)
{
	buf_putf(b, "%d", (int)k->key);
	if (k->kids == NULL)
		return;
	buf_putc(b, '(');
	for (k = k->kids; k; k = k->next) {
		put_key(b, k);
		if (k->next)
			buf_putc(b, ' ');
	}
	buf_putc(b, ')');
}

static void check_search(const char *text, const char *want)
{
	struct imap_parse p = over(text);
	struct imap_search s = imap_take_search(&p);
	struct buf b = BUF(512);

	assert_int_equal(imap_end(&p), want != NULL);
	if (want == NULL)
		return;
	buf_putf(&b, "%u ", s.results);
	put_key(&b, s.key);
	assert_view(buf_view(&b), want);
	buf_free(&b);
}

static void search_is_read(void **state)
{
	char deep[20010];

	(void)state;
	check_search("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"", "4 1(4 13 3(22))");
	check_search("TEXT \"string not in mailbox\"", "4 1(24)");
	check_search("CHARSET UTF-8 TEXT {6}\r\n\xd0\xbc\xd0\xb0\xd0\xbc", "4 1(24)");
	check_search("RETURN (MIN COUNT) FLAGGED", "9 1(4)");
	check_search("RETURN () 1:* (OR SEEN DELETED)", "4 1(9 1(2(4 4)))");
	check_search("RETURN (SAVE) UID $", "16 1(10)");
	check_search("MODSEQ \"/flags/\\\\draft\" all 620162338", "4 1(21)");
	check_search("OR 1 2 3", "4 1(2(9 9) 9)");
	check_search("", NULL);
	check_search("OR SEEN", NULL);
	check_search("NOT", NULL);
	check_search("()", NULL);
	check_search("SINCE 31-Feb-1994", NULL);
	check_search("RETURN (FOO) ALL", NULL);
	memset(deep, '(', 10000);
	memcpy(deep + 10000, "ALL", 3);
	memset(deep + 10003, ')', 10000);
	deep[20003] = '\0';
	check_search(deep, NULL);
	for (int i = 0; i < 4000; i++)
		memcpy(deep + 4 * i, "NOT ", 5);
	check_search(deep, NULL);
}

/* ---- LIST ---- */

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{ "*", "a/b/c", true }, { "%", "a", true }, { "%", "a/b", false }, { "a/%", "a/b", true },
		{ "a/%", "a/b/c", false }, { "a*c", "a/b/c", true }, { "*%", "a/b", true }, { "%*", "a/b", true },
		{ "%/%", "a/b", true }, { "%/%", "ab", false }, { "INBOX", "INBOX", true }, { "", "", true },
		{ "*b%d", "a/b/bcd", true }, { "%b%", "abc", true }, { "a%b*c", "axb/x/c", true }, { "a", "ab", false },
		{ "*a*a*a*a*a*a*a*a*a*a*a*a*ab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(imap_match(view_cstr(rows[i].pattern), view_cstr(rows[i].name), '/'), rows[i].match);
}

static void list_is_read(void **state)
{
	struct imap_parse p = over("(SUBSCRIBED RECURSIVEMATCH) \"\" (\"foo\" \"bar/%\") RETURN (STATUS (UNSEEN) CHILDREN)");
	struct imap_list_command l = imap_take_list(&p);

	(void)state;
	assert_true(imap_end(&p));
	assert_int_equal(l.select, IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVEMATCH);
	assert_int_equal(l.answer, IMAP_LIST_STATUS | IMAP_LIST_CHILDREN);
	assert_int_equal(l.status, IMAP_STATUS_UNSEEN);
	assert_int_equal(l.patterns.n, 2);
	assert_view(l.patterns.v[1], "bar/%");
	p = over("(RECURSIVEMATCH) \"\" \"*\"");
	(void)imap_take_list(&p);
	assert_false(imap_end(&p));
}

static int give_back(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_takes_lines_and_literals),
		cmocka_unit_test(reader_refuses_what_is_too_large),
		cmocka_unit_test(reader_refuses_bad_bytes),
		cmocka_unit_test(reader_holds_no_more_than_its_limits),
		cmocka_unit_test(strings_are_taken),
		cmocka_unit_test(failure_is_sticky),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(inbox_is_one_name),
		cmocka_unit_test(mailboxes_are_written_as_they_can_be_read),
		cmocka_unit_test(sets_are_settled),
		cmocka_unit_test(sets_are_searched),
		cmocka_unit_test(sets_are_written),
		cmocka_unit_test(dates_are_read_and_written),
		cmocka_unit_test(fetch_items_are_read),
		cmocka_unit_test(search_is_read),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(list_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, give_back);
}
