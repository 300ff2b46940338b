/* test_session.c - sessions as their clients see them: several on one
 * mailbox, given back to the door and taken up again, and hostile ones. */
#include "base/disk.h"
#include "base/test.h"
#include "ms/imap/house.h"

static struct house house;

static int setup(void **state)
{
	(void)state;
	return house_open(&house, "/tmp") ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	house_close(&house);
	return 0;
}

static bool heard(const struct client *c, const char *text)
{
	return c->heard.n && memmem(c->heard.p, c->heard.n, text, strlen(text));
}

static void expect(struct client *c, const char *text)
{
	for (int i = 0; i < 3000 && !heard(c, text) && !c->over; i++)
		house_run(&house, 1);
	if (!heard(c, text))
		print_error("wanted: %s\nheard: %.*s\n", text, VIEW_ARG(buf_view(&c->heard)));
	assert_true(heard(c, text));
}

static void send_all(struct client *c, struct view v)
{
	while (v.n) {
		ssize_t n = send(c->fd, v.p, v.n, MSG_NOSIGNAL);

		if (n > 0)
			v = view_skip(v, (size_t)n);
		else
			house_run(&house, 1);
	}
}

/* Says it and waits for its tag; what was heard is kept until the next say. */
static void say(struct client *c, const char *command)
{
	char line[9000];

	buf_clear(&c->heard);
	snprintf(line, sizeof line, "q %s\r\n", command);
	send_all(c, view_cstr(line));
	expect(c, "\r\n");
	for (int i = 0; i < 3000; i++) {
		if (c->heard.n > 2 && memcmp(c->heard.p, "q ", 2) == 0)
			return;
		if (heard(c, "\r\nq "))
			return;
		house_run(&house, 1);
	}
	fail_msg("no answer to %s: %.*s", command, VIEW_ARG(buf_view(&c->heard)));
}

static void says(struct client *c, const char *command, const char *want)
{
	say(c, command);
	expect(c, want);
}

static void never(const struct client *c, const char *text)
{
	assert_false(heard(c, text));
}

static void add(struct client *c, int n)
{
	for (int i = 0; i < n; i++)
		says(c, "APPEND INBOX {27+}\r\nSubject: one\r\n\r\nThe body.\r\n", "APPENDUID");
}

static struct client *enter(int i)
{
	struct client *c = house_login(&house, i);

	expect(c, "t0 OK [CAPABILITY IMAP4rev1 IMAP4rev2 ");
	return c;
}

static void login_tag_is_answered(void **state)
{
	struct client *c = enter(0);

	(void)state;
	says(c, "NOOP", "q OK");
	says(c, "LOGIN a b", "q BAD");
	says(c, "STARTTLS", "q BAD");
	says(c, "LOGOUT", "* BYE");
}

/* A flush that fails shows whether one was asked for. */
static void status_shows_nothing_that_could_be_lost(void **state)
{
	const struct delivery d = { .letter = VIEW("Subject: one\r\n\r\nThe body.\r\n") };
	struct client *a = enter(0);
	uint32_t uid;

	(void)state;
	assert_int_equal(store_deliver(house.store, &d, &uid), ST_OK);
	assert_int_equal(disk_fault(VIEW("flush:EIO:0:100")), ST_OK);
	says(a, "LIST \"\" INBOX", "q OK");
	says(a, "LIST \"\" INBOX RETURN (STATUS (HIGHESTMODSEQ))", "q NO [SERVERBUG]");
	says(a, "STATUS INBOX (HIGHESTMODSEQ)", "q NO [SERVERBUG]");
	assert_int_equal(disk_fault(VIEW("flush:EIO:0:0")), ST_OK);
	says(a, "LIST \"\" INBOX RETURN (STATUS (MESSAGES))", "* STATUS INBOX (MESSAGES 1)");
}

static void two_sessions_see_each_other(void **state)
{
	struct client *a = enter(0), *b = enter(1);

	(void)state;
	add(a, 3);
	says(a, "SELECT INBOX", "* 3 EXISTS");
	says(b, "SELECT INBOX", "* 3 EXISTS");
	says(a, "STORE 1 +FLAGS (\\Deleted $Mine)", "* 1 FETCH (UID 1 FLAGS (\\Deleted $Mine))");
	says(b, "NOOP", "* 1 FETCH (UID 1 FLAGS (\\Deleted $Mine))");
	expect(b, "* FLAGS (");
	says(a, "EXPUNGE", "* 1 EXPUNGE");
	/* Numbers must not change under FETCH, STORE and SEARCH. */
	says(b, "FETCH 2:3 UID", "* 2 FETCH (UID 2)");
	never(b, "EXPUNGE\r\n");
	says(b, "FETCH 1 FLAGS", "q NO [EXPUNGEISSUED]");
	says(b, "STORE 3 +FLAGS.SILENT (\\Seen)", "q OK");
	never(b, "EXPUNGE\r\n");
	says(b, "SEARCH ALL", "* SEARCH 2 3\r\n");
	never(b, "EXPUNGE\r\n");
	says(b, "UID FETCH 3 FLAGS", "* 1 EXPUNGE");
	says(b, "FETCH 1:* UID", "* 2 FETCH (UID 3)");
	add(a, 1);
	says(b, "NOOP", "* 3 EXISTS");
	/* A change of our own is not told twice. */
	says(b, "STORE 1 +FLAGS (\\Flagged)", "* 1 FETCH (UID 2 FLAGS (\\Flagged))");
	say(b, "NOOP");
	never(b, "FETCH");
}

static void idle_is_parked_and_woken(void **state)
{
	struct client *a = enter(0), *b = enter(1);

	(void)state;
	add(a, 4);
	says(a, "SELECT INBOX", "* 4 EXISTS");
	says(b, "SELECT INBOX", "* 4 EXISTS");
	send_all(b, VIEW("i IDLE\r\n"));
	expect(b, "+ ");
	/* Still in the room. */
	says(a, "STORE 2 +FLAGS (\\Deleted)", "q OK");
	expect(b, "* 2 FETCH (UID 2 FLAGS (\\Deleted))");
	for (int i = 0; i < 3000 && b->parked_fd < 0; i++)
		house_run(&house, 1);
	assert_true(b->parked_fd >= 0);
	assert_true(b->record.n < 512);
	buf_clear(&b->heard);
	/* Only the door has it now. */
	says(a, "STORE 3 +FLAGS (\\Deleted)", "q OK");
	says(a, "UID EXPUNGE 2", "* 2 EXPUNGE");
	add(a, 1);
	expect(b, "* 3 FETCH (UID 3 FLAGS (\\Deleted))");
	expect(b, "* 2 EXPUNGE");
	expect(b, "* 4 EXISTS");
	send_all(b, VIEW("DONE\r\n"));
	expect(b, "i OK");
	says(b, "FETCH 1:* UID", "* 4 FETCH (UID 5)");
	assert_true(b->parks >= 1);
}

static void changes_while_parked_are_told_once(void **state)
{
	struct client *a = enter(0), *b = enter(1);

	(void)state;
	add(a, 3);
	says(a, "SELECT INBOX", "* 3 EXISTS");
	says(b, "ENABLE QRESYNC", "* ENABLED QRESYNC");
	says(b, "SELECT INBOX", "* 3 EXISTS");
	says(b, "SEARCH RETURN (SAVE) UID 2:3", "q OK");
	for (int i = 0; i < 6000 && b->parked_fd < 0; i++)
		house_run(&house, 1);
	assert_true(b->parked_fd >= 0);
	says(a, "STORE 1:2 +FLAGS (\\Deleted)", "q OK");
	says(a, "UID EXPUNGE 2", "q OK");
	/* It is not in IDLE: nothing wakes it, and FETCH tells no expunge. */
	assert_true(b->parked_fd >= 0);
	says(b, "FETCH 1,3 UID", "* 3 FETCH (UID 3)");
	never(b, "VANISHED");
	expect(b, "* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ");
	says(b, "NOOP", "* VANISHED 2\r\n");
	never(b, "FETCH");
	says(b, "FETCH $ UID", "* 2 FETCH (UID 3)");
}

static void conditional_store_leaves_what_changed(void **state)
{
	struct client *c = enter(0);

	(void)state;
	add(c, 2);
	says(c, "SELECT INBOX (CONDSTORE)", "* OK [HIGHESTMODSEQ ");
	says(c, "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", "q OK [MODIFIED 1]");
	never(c, "\\Seen)");
	says(c, "STORE 1:2 (UNCHANGEDSINCE 100000) +FLAGS.SILENT (\\Seen)", "* 2 FETCH (UID 2 MODSEQ (");
	says(c, "FETCH 1:2 (FLAGS) (CHANGEDSINCE 100000)", "q OK");
	never(c, "* 1 FETCH");
}

static void copy_and_move_say_where(void **state)
{
	struct client *c = enter(0);

	(void)state;
	add(c, 3);
	says(c, "SELECT INBOX", "* 3 EXISTS");
	says(c, "COPY 1:2 Sent", "q OK [COPYUID ");
	expect(c, " 1:2 1:2]");
	says(c, "COPY 1 Nowhere", "q NO [TRYCREATE]");
	says(c, "MOVE 2 Archive", "* OK [COPYUID ");
	expect(c, "* 2 EXPUNGE");
	says(c, "STATUS Archive (MESSAGES SIZE)", "* STATUS Archive (MESSAGES 1 SIZE 27)");
	says(c, "EXAMINE INBOX", "q OK [READ-ONLY]");
	says(c, "MOVE 1 Archive", "q NO [READ-ONLY]");
	says(c, "STORE 1 +FLAGS (\\Seen)", "q NO [READ-ONLY]");
	says(c, "FETCH 1 BODY[]", "Subject: one");
	say(c, "NOOP");
	never(c, "\\Seen");
}

static void append_takes_several_or_none(void **state)
{
	struct client *c = enter(0);

	(void)state;
	says(c, "APPEND Sent (\\Seen) {10+}\r\nA: b\r\n\r\nab \" 1-Feb-1994 21:52:25 +0000\" ~{10+}\r\nA: c\r\n\r\nab",
	     "q OK [APPENDUID ");
	expect(c, " 1:2]");
	says(c, "APPEND Nowhere {10+}\r\nA: b\r\n\r\nab", "q NO [TRYCREATE]");
	says(c, "APPEND Sent {10+}\r\nA: b\r\n\r\nab (\\Bogus) {10+}\r\nA: c\r\n\r\nab", "q BAD");
	says(c, "STATUS Sent (MESSAGES)", "MESSAGES 2)");
	says(c, "APPEND Sent {65537}", "q NO [TOOBIG]");
	says(c, "SELECT Sent", "* 2 EXISTS");
	says(c, "FETCH 2 INTERNALDATE", "\" 1-Feb-1994 21:52:25 +0000\"");
}

static void rev2_answers_differ(void **state)
{
	struct client *c = enter(0);

	(void)state;
	add(c, 2);
	says(c, "SELECT INBOX", "* 0 RECENT");
	expect(c, "* OK [UNSEEN 1]");
	says(c, "ENABLE IMAP4rev2", "* ENABLED IMAP4rev2");
	says(c, "SELECT INBOX", "* OK [CLOSED]");
	never(c, "RECENT");
	never(c, "UNSEEN");
	expect(c, "* LIST () \"/\" INBOX");
	says(c, "SEARCH SUBJECT one", "* ESEARCH (TAG \"q\") ALL 1:2\r\n");
	says(c, "CREATE \"Entw\xc3\xbcrfe\"", "q OK");
	says(c, "LIST \"\" Entw*", "* LIST (\\HasNoChildren) \"/\" \"Entw\xc3\xbcrfe\"");
}

static void bad_input_is_answered(void **state)
{
	struct client *c = enter(0);
	char deep[8192];

	(void)state;
	add(c, 1);
	says(c, "SELECT INBOX", "* 1 EXISTS");
	memcpy(deep, "SEARCH ", 7);
	memset(deep + 7, '(', 8000);
	deep[8007] = '\0';
	says(c, deep, "q BAD");
	says(c, "SEARCH TEXT \"\xff\xfe\"", "q BAD");
	says(c, "FETCH 0 FLAGS", "q BAD");
	says(c, "FETCH 2 FLAGS", "q BAD");
	says(c, "FETCH 1:4294967296 FLAGS", "q BAD");
	says(c, "UID FETCH 4294967295 FLAGS", "q OK");
	says(c, "LOGIN {20000+}", "q BAD [TOOBIG]");
	for (int i = 0; i < 20; i++)
		send_all(c, view_make(deep + 7, 1000));
	send_all(c, VIEW("\r\n"));
	says(c, "NOOP", "q OK");
	buf_clear(&c->heard);
	send_all(c, VIEW("x NO\0OP\r\ny NOOP\nz NOOP\r\n"));
	expect(c, "z OK");
	expect(c, "x BAD");
	expect(c, "y BAD");
	for (int i = 0; i < 60 && !c->over; i++) {
		send_all(c, VIEW("x BOGUS\r\n"));
		house_run(&house, 1);
	}
	expect(c, "* BYE too many errors");
}

static void a_pipeline_is_answered_in_order(void **state)
{
	struct client *c = enter(0);

	(void)state;
	add(c, 2);
	buf_clear(&c->heard);
	send_all(c, VIEW("a SELECT INBOX\r\nb FETCH 1:2 (UID BODY.PEEK[])\r\nc LIST \"\" *\r\nd LOGOUT\r\ne NOOP\r\n"));
	for (int i = 0; i < 1000 && !c->over; i++)
		house_run(&house, 1);
	expect(c, "d OK");
	assert_true(memmem(c->heard.p, c->heard.n, "b OK", 4) < memmem(c->heard.p, c->heard.n, "c OK", 4));
	never(c, "e OK");
}

/* A client that reads slowly gets every byte; others are served meanwhile. */
static void large_letters_reach_slow_readers(void **state)
{
	enum { SIZE = 60000, COUNT = 40 };
	struct client *a = enter(0), *b = enter(1);
	char *letter = malloc(SIZE + 64);
	int n = snprintf(letter, 64, "q APPEND INBOX {%d+}\r\nA: b\r\n\r\n", SIZE);
	int small = 1;

	(void)state;
	assert_non_null(letter);
	for (int i = n; i < n + SIZE - 8; i++)
		letter[i] = (char)('a' + i % 26);
	memcpy(letter + n + SIZE - 8, "\r\n", 3);
	for (int i = 0; i < COUNT; i++) {
		buf_clear(&a->heard);
		send_all(a, view_make(letter, (size_t)n + SIZE - 6));
		expect(a, "q OK");
	}
	says(a, "SELECT INBOX", "* 40 EXISTS");
	says(b, "SELECT INBOX", "* 40 EXISTS");
	setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	buf_clear(&a->heard);
	send_all(a, VIEW("q FETCH 1:40 BODY.PEEK[]\r\n"));
	/* b removes half of them while a still waits for its bytes. */
	says(b, "STORE 20:40 +FLAGS.SILENT (\\Deleted)", "q OK");
	says(b, "EXPUNGE", "q OK");
	expect(a, "\r\nq ");
	for (size_t at = 0, k = 1; k < 20; k++) {
		char head[64];
		char *p;

		snprintf(head, sizeof head, "* %zu FETCH (BODY[] {%d}\r\n", k, SIZE);
		p = memmem(a->heard.p + at, a->heard.n - at, head, strlen(head));
		assert_non_null(p);
		p += strlen(head);
		assert_memory_equal(p, letter + n - 8, 8);
		assert_memory_equal(p, strstr(letter, "A: b"), SIZE);
		assert_memory_equal(p + SIZE, ")\r\n", 3);
		at = (size_t)(p - a->heard.p) + SIZE;
	}
	free(letter);
}

static void mailbox_that_is_deleted_ends_its_sessions(void **state)
{
	struct client *a = enter(0), *b = enter(1);

	(void)state;
	says(a, "CREATE gone", "q OK");
	says(b, "SELECT gone", "* 0 EXISTS");
	says(a, "DELETE gone", "q OK");
	buf_clear(&b->heard);
	send_all(b, VIEW("q NOOP\r\n"));
	expect(b, "* BYE the mailbox was deleted");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(login_tag_is_answered),
		TEST(status_shows_nothing_that_could_be_lost),
		TEST(two_sessions_see_each_other),
		TEST(idle_is_parked_and_woken),
		TEST(changes_while_parked_are_told_once),
		TEST(conditional_store_leaves_what_changed),
		TEST(copy_and_move_say_where),
		TEST(append_takes_several_or_none),
		TEST(rev2_answers_differ),
		TEST(bad_input_is_answered),
		TEST(a_pipeline_is_answered_in_order),
		TEST(large_letters_reach_slow_readers),
		TEST(mailbox_that_is_deleted_ends_its_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
