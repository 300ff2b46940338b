/* Answers of IMAP servers: as RFC 9051 has them, as servers write them, and
 * as no server should. */
#include "mua/net/imap_answer.h"

#include "base/test.h"

enum { ARENA_MAX = 1024 * 1024, ANSWER_MAX = 4096 };

static struct arena arena = ARENA(ARENA_MAX);

static struct answer take(const char *text)
{
	struct answer a;

	arena_free(&arena);
	answer_take(view_cstr(text), &arena, false, &a);
	return a;
}

static void test_states(void **state)
{
	struct answer a = take("* OK [UIDVALIDITY 3857529045] UIDs valid");

	(void)state;
	assert_int_equal(a.kind, ANSWER_OK);
	assert_view(a.tag, "");
	assert_view(a.code, "UIDVALIDITY");
	assert_view(a.code_rest, "3857529045");
	assert_view(a.text, "UIDs valid");
	a = take("a7 NO [TRYCREATE] no such mailbox");
	assert_int_equal(a.kind, ANSWER_NO);
	assert_view(a.tag, "a7");
	a = take("* BYE");
	assert_int_equal(a.kind, ANSWER_BYE);
	a = take("+ idling");
	assert_int_equal(a.kind, ANSWER_CONTINUE);
	assert_view(a.text, "idling");
	assert_int_equal(take("+").kind, ANSWER_CONTINUE);
	assert_int_equal(take("* OK [").kind, ANSWER_BROKEN);
	assert_int_equal(take("a7 MAYBE").kind, ANSWER_BROKEN);
	assert_int_equal(take("").kind, ANSWER_BROKEN);
	assert_int_equal(take("* XNEW (1 2)").kind, ANSWER_OTHER);
}

static void test_fetch(void **state)
{
	struct answer a = take(
		"* 12 FETCH (UID 7 FLAGS (\\Seen $Forwarded \\Recent word) RFC822.SIZE 44827 MODSEQ (65402)"
		" INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[HEADER] {7}\r\nA: b\r\n\r\n"
		" X-NEW ((\"a)\" {1}\r\n)) NIL) ENVELOPE (NIL \"x\"))");

	(void)state;
	/* The literal of the header is one octet short of its text. */
	assert_int_equal(a.kind, ANSWER_BROKEN);
	a = take("* 12 FETCH (UID 7 FLAGS (\\Seen $Forwarded \\Recent word) RFC822.SIZE 44827 MODSEQ (65402)"
		 " INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[HEADER] {8}\r\nA: b\r\n\r\n"
		 " X-NEW ((\"a)\" {1}\r\n)) NIL) ENVELOPE (NIL \"x\"))");
	assert_int_equal(a.kind, ANSWER_FETCH);
	assert_int_equal(a.number, 12);
	assert_int_equal(a.uid, 7);
	assert_int_equal(a.system, 1);
	assert_int_equal(a.keywords.n, 2);
	assert_view(a.keywords.v[1], "word");
	assert_int_equal(a.size, 44827);
	assert_int_equal(a.modseq, 65402);
	assert_true(a.date == INT64_C(837596665000));
	assert_view(a.body, "A: b\r\n\r\n");
	a = take("* 1 FETCH (BODY[HEADER.FIELDS (DATE \"From\")]<0> \"x\" UID 1)");
	assert_view(a.body, "x");
	assert_int_equal(a.gave, GAVE_UID | GAVE_BODY);
	assert_int_equal(take("* 1 FETCH (BODY[] NIL)").gave, 0);
	assert_int_equal(take("* 1 FETCH (UID 0)").kind, ANSWER_BROKEN);
	assert_int_equal(take("* 1 FETCH (UID 1").kind, ANSWER_BROKEN);
	assert_int_equal(take("* 1 FETCH ()").kind, ANSWER_FETCH);
	a = take("* 1 FETCH (FLAGS (\\Seen a) FLAGS (b c d e f g))");
	assert_int_equal(a.system, 0);
	assert_int_equal(a.keywords.n, 6);
}

static void test_depth(void **state)
{
	struct buf deep = BUF(ANSWER_MAX);

	(void)state;
	buf_puts(&deep, "* 1 FETCH (X ");
	for (int i = 0; i < 1000; i++)
		buf_putc(&deep, '(');
	for (int i = 0; i < 1000; i++)
		buf_putc(&deep, ')');
	buf_puts(&deep, ")");
	buf_putc(&deep, '\0');
	assert_int_equal(take(deep.p).kind, ANSWER_BROKEN);
	buf_free(&deep);
}

static void test_folders(void **state)
{
	struct answer a = take("* LIST (\\HasNoChildren \\Sent) \".\" INBOX.Gesendet");

	(void)state;
	assert_int_equal(a.kind, ANSWER_LIST);
	assert_int_equal(a.attributes, LIST_SENT);
	assert_int_equal(a.delimiter, '.');
	assert_view(a.mailbox, "INBOX.Gesendet");
	a = take("* LIST () NIL \"Entw&APw-rfe\" (\"OLDNAME\" (\"x\"))");
	assert_view(a.mailbox, "Entw\xc3\xbcrfe");
	assert_int_equal(a.delimiter, 0);
	a = take("* LIST (\\Noselect) \"/\" {3}\r\na\\b");
	assert_view(a.mailbox, "a\\b");
	a = take("* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 HIGHESTMODSEQ 7011231777 X-NEW (1 2))");
	assert_int_equal(a.kind, ANSWER_STATUS);
	assert_view(a.mailbox, "a b");
	assert_int_equal(a.status.messages, 231);
	assert_int_equal(a.status.uidnext, 44292);
	assert_true(a.status.highestmodseq == UINT64_C(7011231777));
}

static void test_numbers(void **state)
{
	struct imap_set from, to;
	struct answer a = take("* SEARCH 2 84 882 (MODSEQ 917162500)");
	uint32_t validity;

	(void)state;
	assert_int_equal(a.n_numbers, 3);
	assert_int_equal(a.numbers[2], 882);
	assert_int_equal(take("* SEARCH").n_numbers, 0);
	assert_int_equal(take("* 23 EXISTS").number, 23);
	a = take("* VANISHED (EARLIER) 300:310,405,411");
	assert_int_equal(a.kind, ANSWER_VANISHED);
	assert_true(a.earlier);
	assert_int_equal(a.set.n, 3);
	assert_true(answer_uids(VIEW("38505 304,319:320 3956:3958"), &arena, &validity, &from, &to));
	assert_int_equal(validity, 38505);
	assert_int_equal(from.n, 2);
	assert_int_equal(to.r[0].to, 3958);
	assert_false(answer_uids(VIEW("38505 x"), &arena, &validity, &from, &to));
}

static enum imap_heard hear_all(struct imap_hearer *h, const char *text, size_t piece)
{
	struct view left = view_cstr(text);
	enum imap_heard r = HEARD_MORE;

	while (left.n && r == HEARD_MORE) {
		size_t used;

		r = imap_hear(h, view_head(left, piece), &used);
		left = view_skip(left, used);
	}
	return r;
}

static void test_hearing(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++) {
		struct imap_hearer h;

		imap_hearer_begin(&h, ANSWER_MAX);
		assert_int_equal(hear_all(&h, "* 1 FETCH (BODY[] {6}\r\na\r\n\n\rb {1}\r\n*)\r\n", piece),
				 HEARD_ANSWER);
		assert_view(buf_view(&h.text), "* 1 FETCH (BODY[] {6}\r\na\r\n\n\rb {1}\r\n*)");
		assert_int_equal(hear_all(&h, "a1 OK\r\n", piece), HEARD_ANSWER);
		assert_view(buf_view(&h.text), "a1 OK");
		assert_int_equal(hear_all(&h, "a1 OK\n", piece), HEARD_BAD_BYTES);
		imap_hearer_free(&h);
		imap_hearer_begin(&h, ANSWER_MAX);
		assert_int_equal(hear_all(&h, "* X {99999999999999999999}\r\n", piece), HEARD_TOO_LONG);
		imap_hearer_free(&h);
		imap_hearer_begin(&h, ANSWER_MAX);
		assert_int_equal(hear_all(&h, "* X {5000}\r\n", piece), HEARD_TOO_LONG);
		imap_hearer_free(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),	cmocka_unit_test(test_fetch),	cmocka_unit_test(test_depth),
		cmocka_unit_test(test_folders), cmocka_unit_test(test_numbers), cmocka_unit_test(test_hearing),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
