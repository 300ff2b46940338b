/* test_imap_url.c - IMAP URLs: what is one, and what it says. */
#include "base/test.h"
#include "wire/imap_url.h"

static struct arena arena = ARENA(1 << 20);

static struct imap_url take(const char *text)
{
	struct imap_url u = { 0 };

	if (imap_url_take(view_cstr(text), &arena, &u) != ST_OK)
		fail_msg("%s", text);
	return u;
}

static void the_parts_of_a_url(void **state)
{
	struct imap_url u = take("imap://Jones%40foo.com;AUTH=*@mx.foo.com:993/Gr%C3%BC%C3%9Fe/x;UIDVALIDITY=7/;UID=20/"
				 ";SECTION=1.2.HEADER.FIELDS%20(To)/;PARTIAL=5.10;EXPIRE=2026-12-01T00:00:00Z"
				 ";URLAUTH=submit+Jones%40foo.com:internal:0123456789abcdef0123456789ABCDEF");

	(void)state;
	assert_true(u.absolute);
	assert_view(u.user, "Jones@foo.com");
	assert_view(u.auth, "*");
	assert_view(u.host, "mx.foo.com");
	assert_int_equal(u.port, 993);
	assert_view(u.mailbox, "Gr\xc3\xbc\xc3\x9f" "e/x");
	assert_int_equal(u.uidvalidity, 7);
	assert_int_equal(u.uid, 20);
	assert_view(u.section, "1.2.HEADER.FIELDS (To)");
	assert_true(u.partial && u.from == 5 && u.length == 10);
	assert_int_equal(u.expire, 1796083200000);
	assert_int_equal(u.access, IMAP_URL_SUBMIT);
	assert_view(u.access_user, "Jones@foo.com");
	assert_view(u.mechanism, "internal");
	assert_int_equal(u.token.n, 32);
	assert_int_equal(u.rump.p[u.rump.n - 1], 'm');
	assert_int_equal(u.rump.p[u.rump.n], ':');
}

/* RFC 4467 3 and 7, RFC 4469 5, RFC 5092 6 and 10. */
static void those_of_the_rfcs(void **state)
{
	struct imap_url u = take("imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:"
				 "91354a473744909de610943775f92038");

	(void)state;
	assert_view(u.mailbox, "INBOX");
	assert_view(u.section, "1.2");
	assert_view(u.access_user, "fred");
	u = take("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER");
	assert_true(!u.absolute && u.uid == 20 && u.uidvalidity == 385759045);
	assert_view(u.mailbox, "Drafts");
	u = take(";UID=20/;SECTION=1.2/;PARTIAL=0.1024");
	assert_true(u.mailbox.n == 0 && u.uid == 20 && u.partial && u.length == 1024);
	assert_view(u.section, "1.2");
	u = take("imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024");
	assert_true(u.section.p == NULL && u.partial);
	u = take("imap://michael@example.org/INBOX?SUBJECT%20shadows");
	assert_true(u.search && u.uid == 0);
	u = take("imap://;AUTH=GSSAPI@minbari.example.org/gray%20council/;uid=20/;section=1.2");
	assert_view(u.mailbox, "gray council");
	assert_view(u.auth, "GSSAPI");
	u = take("imap://psicorp.example.org");
	assert_true(u.mailbox.n == 0 && u.uid == 0);
	u = take("imap://joe@[::1]:143/INBOX/;uid=1;urlauth=anonymous");
	assert_int_equal(u.access, IMAP_URL_ANONYMOUS);
	assert_true(u.mechanism.p == NULL);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {
		"", "x", "http://a/b", "imap:", "imap:///INBOX", "imap://a:0/x", "imap://a:65536/x", "imap://a:b/x",
		"imap://u:password@a/x", "imap://@a/x", "imap://a/x/;UID=0", "imap://a/x/;UID=4294967296", "imap://a/x/;UID=-1",
		"imap://a/x;UID=1", "imap://a//;UID=1/", "imap://a/x/;UID=1/;SECTION=", "imap://a/x/;UID=1/;PARTIAL=1.0",
		"imap://a/x/;UID=1/;PARTIAL=1./;SECTION=1", "imap://a/%00/;UID=1", "imap://a/%0d%0a/;UID=1", "imap://a/%ff/;UID=1",
		"imap://a/%c3/;UID=1", "imap://a/%4/;UID=1", "imap://a/%zz/;UID=1", "imap://a/x y/;UID=1", "imap://a/x\r\n/;UID=1",
		"imap://a/x;URLAUTH=anonymous", "imap://a/;URLAUTH=anonymous", "imap://a/x?y;URLAUTH=anonymous",
		"imap://a/x/;UID=1;URLAUTH=", "imap://a/x/;UID=1;URLAUTH=submit+", "imap://a/x/;UID=1;URLAUTH=submit",
		"imap://a/x/;UID=1;URLAUTH=other+me", "imap://a/x/;UID=1;URLAUTH=anonymous:", "imap://a/x/;UID=1;URLAUTH=anonymous:INTERNAL",
		"imap://a/x/;UID=1;URLAUTH=anonymous:INTERNAL:", "imap://a/x/;UID=1;URLAUTH=anonymous:INTERNAL:0123456789abcdef0123456789abcde",
		"imap://a/x/;UID=1;URLAUTH=anonymous:INTERNAL:0123456789abcdef0123456789abcdefg",
		"imap://a/x/;UID=1;URLAUTH=anonymous:INTERNAL:0123456789abcdef0123456789abcdef;URLAUTH=anonymous",
		"imap://a/x/;UID=1;EXPIRE=2026-12-01T00:00:00Z", "imap://a/x/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous",
		"imap://a/x/;UID=1;URLAUTH=anonymous;EXPIRE=2026-12-01T00:00:00Z", "imap://a/x/;UID=1;URLAUTH=submit+a@b",
		"/x/;UID=1;URLAUTH=submit+a/b", "//a/x/;UID=1", "x/;UID=1", "/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct imap_url u;

		if (imap_url_take(view_cstr(bad[i]), &arena, &u) == ST_OK && (u.mailbox.n || u.absolute || u.uid))
			fail_msg("%s", bad[i]);
	}
}

static void no_longer_than_the_limit(void **state)
{
	char text[IMAP_URL_MAX + 2];
	struct imap_url u;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "imap://a/", 9);
	assert_int_equal(imap_url_take(view_make(text, IMAP_URL_MAX), &arena, &u), ST_OK);
	assert_int_equal(imap_url_take(view_make(text, IMAP_URL_MAX + 1), &arena, &u), ST_LIMIT);
}

static void names_are_encoded(void **state)
{
	struct buf b = BUF(200);

	(void)state;
	imap_url_put(&b, VIEW("a@b;c/d"), false);
	assert_view(buf_view(&b), "a%40b%3Bc%2Fd");
	buf_clear(&b);
	imap_url_put(&b, VIEW("\xc3\xbc/x y"), true);
	assert_view(buf_view(&b), "%C3%BC/x%20y");
	buf_free(&b);
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
		cmocka_unit_test(the_parts_of_a_url), cmocka_unit_test(those_of_the_rfcs),
		cmocka_unit_test(what_is_none),	      cmocka_unit_test(no_longer_than_the_limit),
		cmocka_unit_test(names_are_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, give_back);
}
