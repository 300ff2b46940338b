/* test_letter.c - letters as programs write them, and as they leave. */
#include "base/test.h"
#include "sendmail/drop.h"

enum { MOST = 65536 };

struct mended {
	struct arena a;
	struct buf out;
	struct recipients to;
	struct view bad;
	enum status st;
};

static void mend(struct mended *m, const char *raw, bool recipients)
{
	struct author who = {
		.host = VIEW("foo.com"), .address = VIEW("root@foo.com"), .full_name = VIEW("Charlie &c"),
		.id = VIEW("1.2"), .now = 1795343465000, .recipients = recipients,
	};

	*m = (struct mended){ .a = ARENA(MOST), .out = BUF(MOST) };
	m->st = letter_mend(view_cstr(raw), &who, &m->a, &m->out, &m->to, &m->bad);
}

static void done(struct mended *m)
{
	arena_free(&m->a);
	buf_free(&m->out);
}

#define ADDED "From: \"Charlie &c\" <root@foo.com>\r\n"
#define DATED "Date: Sun, 22 Nov 2026 10:31:05 +0000\r\nMessage-ID: <1.2@foo.com>\r\n"

static void shapes(void **state)
{
	static const struct {
		const char *raw, *mended;
	} rows[] = {
		{ "", ADDED DATED "\r\n" },
		{ "Subject: s\n\nb\n", "Subject: s\n" ADDED DATED "\nb\n" },
		{ "Subject: s", "Subject: s\r\n" ADDED DATED "\r\n" },
		{ "no header\n", ADDED DATED "\r\nno header\n" },
		{ "From x Mon\nTo: a@b\n\nb", "To: a@b\n" ADDED DATED "\nb" },
		{ ">From x\r\nTo: a@b\r\n\r\nb", "To: a@b\r\n" ADDED DATED "\r\nb" },
		{ "Bcc: x\n folded\nReturn-Path: <y>\nX: 1\n\n", "X: 1\n" ADDED DATED "\n" },
		{ "From: root (Cron)\nTo: root, \"A B\" <c>, d@e\n\n",
		  "From: root@foo.com (Cron)\r\nTo: root@foo.com,\r\n \"A B\" <c@foo.com>,\r\n d@e\r\n" DATED "\n" },
		{ "From: a@b\nDate: d\nMessage-ID: <m>\n\nb", "From: a@b\nDate: d\nMessage-ID: <m>\n\nb" },
		{ "From: a@b\nTo: g: x, y@z; , w\n\n",
		  "From: a@b\nTo: g: x@foo.com,\r\n y@z;,\r\n w@foo.com\r\n" DATED "\n" },
	};
	struct mended m;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		mend(&m, rows[i].raw, false);
		assert_int_equal(m.st, ST_OK);
		assert_view(buf_view(&m.out), rows[i].mended);
		assert_int_equal(m.to.n, 0);
		done(&m);
	}
}

/* Debian's cron says root for everybody, and runs sendmail as the user. */
static void root_of_cron_is_who_calls(void **state)
{
	struct author who = { .host = VIEW("foo.com"), .address = VIEW("jo@foo.com"), .user = VIEW("jo"), .id = VIEW("1"),
			      .now = 1795343465000 };
	struct mended m = { .a = ARENA(MOST), .out = BUF(MOST) };

	(void)state;
	assert_int_equal(letter_mend(VIEW("From: root (Cron Daemon)\nTo: root\nDate: d\nMessage-ID: <m>\n\n"), &who, &m.a,
				     &m.out, &m.to, &m.bad), ST_OK);
	assert_view(buf_view(&m.out), "From: jo@foo.com (Cron Daemon)\r\nTo: root@foo.com\r\nDate: d\nMessage-ID: <m>\n\n");
	buf_clear(&m.out);
	assert_int_equal(letter_mend(VIEW("From: root@foo.com, x\nDate: d\nMessage-ID: <m>\n\n"), &who, &m.a, &m.out, &m.to,
				     &m.bad), ST_OK);
	assert_view(buf_view(&m.out), "From: root@foo.com,\r\n x@foo.com\r\nDate: d\nMessage-ID: <m>\n\n");
	done(&m);
}

static void recipients_of_the_header(void **state)
{
	struct mended m;

	(void)state;
	mend(&m, "To: a, B@foo.com\nCc: g: A@foo.com, c@d;\nBcc: e@f\n\n", true);
	assert_int_equal(m.st, ST_OK);
	assert_int_equal(m.to.n, 4);
	assert_view(m.to.p[0], "a@foo.com");
	assert_view(m.to.p[1], "B@foo.com");
	assert_view(m.to.p[2], "c@d");
	assert_view(m.to.p[3], "e@f");
	done(&m);
	mend(&m, "To: a\nResent-Cc: b\nResent-Bcc: c\n\n", true);
	assert_int_equal(m.to.n, 2);
	assert_view(m.to.p[0], "b@foo.com");
	done(&m);
	mend(&m, "To: a@b..c\n\n", true);
	assert_int_equal(m.st, ST_SYNTAX);
	done(&m);
}

static void files_of_the_drop_folder(void **state)
{
	static const struct {
		const char *text;
		enum status st;
	} rows[] = {
		{ "waxwing-drop 1\nsender \nrecipient a@b\n\nletter", ST_OK },
		{ "waxwing-drop 1\nsender a@b\nrecipient a@b\nrecipient A@b\nnotify never\nret hdrs\nenvid x+2B\n\n", ST_OK },
		{ "", ST_SYNTAX },
		{ "waxwing-drop 2\nrecipient a@b\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nsender a@b\n\nletter", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b, c@d\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b\r\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b> BODY=7BIT\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b\nenvid x y\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b\nret x\n\n", ST_SYNTAX },
		{ "waxwing-drop 1\nrecipient a@b\nuid 0\n\n", ST_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = ARENA(MOST);
		struct outgoing o;
		enum status st = drop_take(view_cstr(rows[i].text), &a, &o);

		assert_int_equal(st, rows[i].st);
		assert_true(st != ST_OK || o.to.n == 1);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes), cmocka_unit_test(root_of_cron_is_who_calls),
		cmocka_unit_test(recipients_of_the_header),
		cmocka_unit_test(files_of_the_drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
