/* test_url.c - URLs that open letters (RFC 4467, RFC 5524), and letters made
 * of pieces (RFC 4469), as a client sees them. */
#include "base/test.h"
#include "ms/imap/house.h"
#include "ms/urlauth.h"

#define MINE "imap://Jones%40foo.com@localhost/INBOX/;UID=1"

static struct house house;
static struct client *c;
static char url[4096], line[9000];

static bool heard(const char *text)
{
	return c->heard.n && memmem(c->heard.p, c->heard.n, text, strlen(text));
}

/* Says it and waits for its tag. */
static void say(const char *command)
{
	char whole[9000];

	buf_clear(&c->heard);
	snprintf(whole, sizeof whole, "q %s\r\n", command);
	assert_int_equal(send(c->fd, whole, strlen(whole), MSG_NOSIGNAL), (ssize_t)strlen(whole));
	for (int i = 0; i < 3000; i++) {
		house_run(&house, 1);
		if ((c->heard.n > 2 && memcmp(c->heard.p, "q ", 2) == 0) || heard("\r\nq "))
			return;
	}
	fail_msg("no answer to %s: %.*s", command, VIEW_ARG(buf_view(&c->heard)));
}

static void says(const char *command, const char *want)
{
	say(command);
	if (!heard(want))
		fail_msg("to: %s\nwanted: %s\nheard: %.*s", command, want, VIEW_ARG(buf_view(&c->heard)));
}

static void append(const char *letter)
{
	snprintf(line, sizeof line, "APPEND INBOX {%zu+}\r\n%s", strlen(letter), letter);
	says(line, "APPENDUID");
}

static int setup(void **state)
{
	(void)state;
	if (!house_open(&house, "/tmp"))
		return -1;
	c = house_login(&house, 0);
	append("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
	       "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAGEAYg==\r\n"
	       "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-other\r\n\r\nAGEAYg==\r\n--b--\r\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(&house);
	return 0;
}

/* The URL with its token, into url. */
static void authorize(const char *rump)
{
	const char *from;

	snprintf(line, sizeof line, "GENURLAUTH \"%s\" INTERNAL", rump);
	says(line, "* GENURLAUTH \"");
	from = strchr(c->heard.p, '"') + 1;
	snprintf(url, sizeof url, "%.*s", (int)strcspn(from, "\""), from);
}

static void fetches(const char *what, const char *want)
{
	snprintf(line, sizeof line, "URLFETCH %s", what);
	says(line, want);
	assert_true(heard("q OK"));
}

static void fetch_url(const char *want)
{
	char quoted[4200];

	snprintf(quoted, sizeof quoted, "\"%s\"", url);
	fetches(quoted, want);
}

static void refused(void)
{
	fetch_url("\" NIL\r\n");
}

static void a_token_opens_what_it_was_made_for(void **state)
{
	(void)state;
	authorize(MINE "/;SECTION=1;URLAUTH=user+Jones%40foo.com");
	fetch_url("\" {3}\r\none\r\n");
	authorize(MINE "/;SECTION=HEADER.FIELDS%20(Subject)/;PARTIAL=0.7;URLAUTH=authuser");
	fetch_url("\" {7}\r\nSubject\r\n");
	authorize(MINE ";URLAUTH=anonymous");
	fetch_url("\" {");
	assert_true(heard("Subject: x\r\n") && heard("--b--\r\n"));
	authorize("imap://jones%40FOO.com@LOCALHOST:143/inbox/;uid=1/;section=1;urlauth=anonymous");
	fetch_url("\" {3}\r\none\r\n");
}

static void what_does_not_exist_is_nil(void **state)
{
	(void)state;
	authorize("imap://Jones%40foo.com@localhost/INBOX/;UID=9;URLAUTH=authuser");
	refused();
	authorize(MINE "/;SECTION=7;URLAUTH=authuser");
	refused();
	authorize(MINE "/;SECTION=nonsense;URLAUTH=authuser");
	refused();
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	says("SELECT INBOX", "q OK");
	says("STORE 1 +FLAGS.SILENT (\\Deleted)", "q OK");
	says("EXPUNGE", "q OK");
	refused();
}

static void not_for_whom_it_was_not_made(void **state)
{
	(void)state;
	authorize(MINE ";URLAUTH=submit+Jones%40foo.com");
	refused();
	authorize(MINE ";URLAUTH=user+Smith%40bar.com");
	refused();
	authorize(MINE ";URLAUTH=submit+Smith%40bar.com");
	refused();
	fetches("\"" MINE "\"", " NIL\r\n");
	fetches("\"" MINE ";URLAUTH=authuser\"", " NIL\r\n");
	fetches("nonsense", " NIL\r\n");
	fetches("\"" MINE ";URLAUTH=authuser:other:00000000000000000000000000000000\"", " NIL\r\n");
}

/* Of a good URL nothing can be changed, be it one octet. */
static void no_octet_can_be_changed(void **state)
{
	char good[sizeof url];

	(void)state;
	authorize(MINE "/;SECTION=1;EXPIRE=2999-01-01T00:00:00Z;URLAUTH=user+Jones%40foo.com");
	memcpy(good, url, sizeof url);
	for (size_t i = 0; good[i]; i++) {
		bool token = i >= strlen(good) - 66, mechanism = !token && i >= strlen(good) - 76;

		/* The mechanism's name is no secret, and what is hexadecimal has no case. */
		memcpy(url, good, sizeof url);
		url[i] = token ? (good[i] == '0' ? '1' : '0') : mechanism ? 'x' : (char)(good[i] ^ 0x20);
		if (url[i] == '"' || url[i] == '\\' || (unsigned char)url[i] < ' ')
			url[i] = 'x';
		refused();
	}
	memcpy(url, good, sizeof url);
	fetch_url("\" {3}\r\none\r\n");
	url[strlen(url) - 2] = '\0';
	refused();
}

static void its_time_ends(void **state)
{
	(void)state;
	authorize(MINE ";EXPIRE=2001-01-01T00:00:00Z;URLAUTH=authuser");
	refused();
	authorize(MINE ";EXPIRE=2999-01-01T00:00:00Z;URLAUTH=authuser");
	fetch_url("\" {");
}

static void keys_are_reset(void **state)
{
	char first[sizeof url];

	(void)state;
	says("CREATE other", "q OK");
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	memcpy(first, url, sizeof url);
	says("RESETKEY other", "q OK [URLMECH INTERNAL]");
	fetch_url("\" {3}\r\n");
	says("RESETKEY INBOX INTERNAL", "q OK [URLMECH INTERNAL]");
	refused();
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	fetch_url("\" {3}\r\n");
	assert_string_not_equal(first, url);
	says("RESETKEY", "q OK [URLMECH INTERNAL]");
	refused();
	says("RESETKEY nowhere", "q NO [NONEXISTENT]");
	says("RESETKEY INBOX XSAMPLE", "q NO");
	says("RESETKEY INBOX  INTERNAL", "q BAD");
}

/* A mailbox of the same name is another one. */
static void deleted_mailboxes_take_their_urls_along(void **state)
{
	(void)state;
	says("CREATE box", "q OK");
	says("APPEND box {1+}\r\nx", "APPENDUID");
	authorize("imap://Jones%40foo.com@localhost/box/;UID=1;URLAUTH=authuser");
	fetch_url("\" {1}\r\nx");
	says("RENAME box elsewhere", "q OK");
	refused();
	says("CREATE box", "q OK");
	says("APPEND box {1+}\r\ny", "APPENDUID");
	refused();
	says("DELETE elsewhere", "q OK");
	refused();
}

static void only_urls_of_ones_own_are_authorized(void **state)
{
	static const char *const bad[] = {
		MINE, MINE ";URLAUTH=authuser:internal:00000000000000000000000000000000",
		"imap://Smith%40bar.com@localhost/INBOX/;UID=1;URLAUTH=authuser",
		"imap://localhost/INBOX/;UID=1;URLAUTH=authuser",
		"imap://;AUTH=*@localhost/INBOX/;UID=1;URLAUTH=authuser",
		"imap://Jones%40foo.com@bar.com/INBOX/;UID=1;URLAUTH=authuser",
		"imap://Jones%40foo.com@localhost:9/INBOX/;UID=1;URLAUTH=authuser",
		"imap://Jones%40foo.com@localhost/nowhere/;UID=1;URLAUTH=authuser",
		"imap://Jones%40foo.com@localhost/INBOX;UIDVALIDITY=1/;UID=1;URLAUTH=authuser",
		"/INBOX/;UID=1;URLAUTH=authuser", "imap://Jones%40foo.com@localhost/INBOX;URLAUTH=authuser",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(line, sizeof line, "GENURLAUTH \"%s\" INTERNAL", bad[i]);
		says(line, "q BAD");
		assert_false(heard("* GENURLAUTH"));
	}
	says("GENURLAUTH \"" MINE ";URLAUTH=authuser\" XSAMPLE", "q NO");
	says("GENURLAUTH \"" MINE ";URLAUTH=authuser\"", "q BAD");
	says("GENURLAUTH", "q BAD");
	/* One bad one spoils all. */
	says("GENURLAUTH \"" MINE ";URLAUTH=authuser\" INTERNAL \"x\" INTERNAL", "q BAD");
	assert_false(heard("* GENURLAUTH"));
	says("GENURLAUTH \"" MINE ";URLAUTH=authuser\" INTERNAL \"" MINE ";URLAUTH=anonymous\" internal", "q OK");
}

/* RFC 5524 4. */
static void without_its_encoding(void **state)
{
	char what[9000];

	(void)state;
	authorize(MINE "/;SECTION=2;URLAUTH=authuser");
	fetch_url("\" {8}\r\nAGEAYg==\r\n");
	snprintf(what, sizeof what, "(\"%s\" BINARY)", url);
	fetches(what, "\" (BINARY ~{4}\r\n");
	assert_non_null(memmem(c->heard.p, c->heard.n, "\0a\0b)\r\n", 7));
	snprintf(what, sizeof what, "(\"%s\" BODY)", url);
	fetches(what, "\" (BODY {8}\r\nAGEAYg==)\r\n");
	snprintf(what, sizeof what, "(\"%s\")", url);
	fetches(what, "\" {8}\r\nAGEAYg==\r\n");
	snprintf(what, sizeof what, "(\"%s\" BODYPARTSTRUCTURE)", url);
	fetches(what, "\" (BODYPARTSTRUCTURE (\"image\" \"png\" NIL NIL NIL \"base64\" 8))\r\n");
	snprintf(what, sizeof what, "(\"%s\" BINARY BODYPARTSTRUCTURE)", url);
	fetches(what, "(BODYPARTSTRUCTURE (\"image\" \"png\" NIL NIL NIL \"binary\" 4)) (BINARY ~{4}\r\n");
	authorize(MINE "/;SECTION=3;URLAUTH=authuser");
	snprintf(what, sizeof what, "(\"%s\" BODYPARTSTRUCTURE BINARY)", url);
	fetches(what, "NIL NIL NIL \"x-other\" 8)) (BINARY NIL)\r\n");
	snprintf(what, sizeof what, "(\"%sx\" BODYPARTSTRUCTURE BINARY) \"%s\"", url, url);
	fetches(what, "x\" NIL\r\n");
	assert_true(heard("\" {8}\r\nAGEAYg==\r\n"));
	snprintf(what, sizeof what, "URLFETCH (\"%s\" BODY BINARY)", url);
	says(what, "q BAD");
	snprintf(what, sizeof what, "URLFETCH (\"%s\" BODY BODY)", url);
	says(what, "q BAD");
}

static void keys_outlive_the_store(void **state)
{
	struct store_settings plain = { .segment_size = 1024 * 1024, .undelete_ms = 1000 };
	struct store_findings f;
	char path[128];
	FILE *file;

	(void)state;
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	house_hang_up(&house, c);
	store_unwatch(house.store, &house.watcher);
	store_close(house.store);
	assert_int_equal(store_open(house.folder, &plain, &house.store, &f), ST_OK);
	house.host.store = house.store;
	c = house_login(&house, 0);
	fetch_url("\" {3}\r\none\r\n");
	/* What is damaged opens nothing, and is made anew. */
	snprintf(path, sizeof path, "%s/urlauth.keys", house.folder);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 20, SEEK_SET), 0);
	fputc('x', file);
	fclose(file);
	refused();
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	fetch_url("\" {3}\r\none\r\n");
}

static void our_submission_server_reads_by_its_own_access(void **state)
{
	struct url_reader him = { VIEW("jones@FOO.com"), true }, other = { VIEW("Smith@bar.com"), true };
	struct url_reader session = { VIEW("Jones@foo.com"), false };
	struct buf out = BUF(1000), small = BUF(2);

	(void)state;
	authorize(MINE "/;SECTION=1;URLAUTH=submit+Jones%40foo.com");
	assert_int_equal(url_fetch(house.store, &house.conf, &him, view_cstr(url), &out), ST_OK);
	assert_view(buf_view(&out), "one");
	assert_int_equal(url_fetch(house.store, &house.conf, &other, view_cstr(url), &out), ST_DENIED);
	assert_int_equal(url_fetch(house.store, &house.conf, &session, view_cstr(url), &out), ST_DENIED);
	assert_int_equal(url_fetch(house.store, &house.conf, &him, view_cstr(url), &small), ST_LIMIT);
	url[strlen(url) - 1] ^= 1;
	assert_int_not_equal(url_fetch(house.store, &house.conf, &him, view_cstr(url), &out), ST_OK);
	authorize(MINE ";URLAUTH=anonymous");
	assert_int_equal(url_fetch(house.store, &house.conf, &him, view_cstr(url), &out), ST_DENIED);
	authorize(MINE ";URLAUTH=submit+Smith%40bar.com");
	assert_int_equal(url_fetch(house.store, &house.conf, &him, view_cstr(url), &out), ST_DENIED);
	assert_int_equal(url_fetch(house.store, &house.conf, &other, view_cstr(url), &out), ST_DENIED);
	assert_view(buf_view(&out), "one");
	buf_free(&out);
	buf_free(&small);
}

static void letters_are_put_together(void **state)
{
	(void)state;
	says("APPEND Drafts (\\Seen) CATENATE (TEXT {14+}\r\nSubject: y\r\n\r\n URL \"/INBOX/;UID=1/;SECTION=1\" TEXT {2+}\r\n!! "
	     "URL \"" MINE "/;SECTION=2\")", "q OK [APPENDUID");
	says("SELECT Drafts", "* 1 EXISTS");
	says("FETCH 1 (FLAGS BODY[])", "{27}\r\nSubject: y\r\n\r\none!!AGEAYg==)\r\n");
	assert_true(heard("FLAGS (\\Seen)"));
	/* Of the mailbox that is selected. */
	says("APPEND Drafts CATENATE (URL \";UID=1/;SECTION=TEXT\" URL \";UID=1/;SECTION=TEXT\")", "q OK");
	says("FETCH 2 BODY[]", "{26}\r\none!!AGEAYg==one!!AGEAYg==)\r\n");
	authorize(MINE "/;SECTION=1;URLAUTH=authuser");
	snprintf(line, sizeof line, "APPEND Drafts CATENATE (URL \"%s\")", url);
	says(line, "q OK [APPENDUID");
	snprintf(line, sizeof line, "APPEND Drafts CATENATE (URL \"%.*s0\")", (int)strlen(url) - 1, url);
	if (url[strlen(url) - 1] != '0')
		says(line, "q NO [BADURL imap://");
}

static void parts_that_are_not_there(void **state)
{
	char big[8200];

	(void)state;
	says("APPEND Drafts CATENATE (TEXT {1+}\r\nx URL \"/INBOX/;UID=9\")", "q NO [BADURL /INBOX/;UID=9]");
	says("APPEND Drafts CATENATE (URL \"imap://Smith%40bar.com@localhost/INBOX/;UID=1\")", "q NO [BADURL ");
	says("APPEND Drafts CATENATE (URL \"imap://Jones%40foo.com@elsewhere/INBOX/;UID=1\")", "q NO [BADURL ");
	says("APPEND Drafts CATENATE (URL \"" MINE ";URLAUTH=submit+Jones%40foo.com\")", "q NO [BADURL ");
	says("APPEND Drafts CATENATE (URL \";UID=1\")", "q NO [BADURL ;UID=1]");
	says("APPEND Drafts CATENATE (URL \"/INBOX\")", "q NO [BADURL /INBOX]");
	says("APPEND Drafts CATENATE (URL \"a]b\")", "q NO [BADURL a?b]");
	says("APPEND Drafts CATENATE ()", "q BAD");
	says("APPEND Drafts CATENATE (TEXT x)", "q BAD");
	says("APPEND nowhere CATENATE (URL \"/INBOX/;UID=1\")", "q NO [TRYCREATE]");
	says("STATUS Drafts (MESSAGES)", "MESSAGES 0");
	/* Larger than a literal may be (64 KiB here). */
	memset(big, 'x', sizeof big);
	memcpy(big, "APPEND INBOX {7980+}\r\n", 22);
	big[22 + 7980] = '\0';
	says(big, "APPENDUID");
	strcpy(line, "APPEND Drafts CATENATE (URL \"/INBOX/;UID=2\"");
	for (int i = 0; i < 8; i++)
		strcat(line, " URL \"/INBOX/;UID=2\"");
	strcat(line, ")");
	says(line, "q NO [TOOBIG]");
	says("STATUS Drafts (MESSAGES)", "MESSAGES 0");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_token_opens_what_it_was_made_for),
		TEST(what_does_not_exist_is_nil),
		TEST(not_for_whom_it_was_not_made),
		TEST(no_octet_can_be_changed),
		TEST(its_time_ends),
		TEST(keys_are_reset),
		TEST(deleted_mailboxes_take_their_urls_along),
		TEST(only_urls_of_ones_own_are_authorized),
		TEST(without_its_encoding),
		TEST(keys_outlive_the_store),
		TEST(our_submission_server_reads_by_its_own_access),
		TEST(letters_are_put_together),
		TEST(parts_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
