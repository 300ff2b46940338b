/* Delivery status notifications (dsn.h).  Without arguments: the tests.  With
 * the name of a case: its report to standard output, for another parser. */
#include "base/test.h"

#include "msg/convert.h"
#include "msg/dsn.h"
#include "msg/mime.h"

#include <stdio.h>
#include <stdlib.h>

#define LETTER "Subject: Lunch\r\nMessage-ID: <1@bar.com>\r\nFrom: Smith@bar.com\r\n\r\nAt noon?\r\n"

/* RFC 3464 9.1: a simple one. */
static struct dsn_recipient failed = {
	.action = DSN_FAILED, .orcpt = { "rfc822;louisl@larry.slip.umd.edu", 32 },
	.address = { "louisl@larry.slip.umd.edu", 25 }, .status = { "4.0.0", 5 },
	.host = { "larry.slip.umd.edu", 18 }, .reply = { "426 connection timed out", 24 }, .replied = true,
	.last_attempt = 773416032000,
};

static struct dsn report(const struct dsn_recipient *r, size_t n)
{
	return (struct dsn){
		.reporting_mta = VIEW("cs.utk.edu"), .from = VIEW("MAILER-DAEMON@cs.utk.edu"),
		.postmaster = VIEW("postmaster@utk.edu"), .sender = VIEW("owner-info-mime@cs.utk.edu"),
		.id = VIEW("1f.aa-2"), .arrived = 773400000000, .now = 773416033000,
		.whole = true, .letter_max = 1 << 20, .recipients = r, .n = n,
	};
}

static struct view built(const struct dsn *d, struct view letter, struct buf *out, struct dsn_form *form)
{
	assert_int_equal(dsn_build(d, letter, out, form), ST_OK);
	return buf_view(out);
}

static bool has(struct view v, const char *text)
{
	return v.n && memmem(v.p, v.n, text, strlen(text)) != NULL;
}

static void test_simple(void **state)
{
	struct dsn d = report(&failed, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;

	(void)state;
	assert_view(built(&d, VIEW(LETTER), &out, &form),
		"Date: Tue, 5 Jul 1994 13:47:13 +0000\r\n"
		"From: Mail system <MAILER-DAEMON@cs.utk.edu>\r\n"
		"To: <owner-info-mime@cs.utk.edu>\r\n"
		"Subject: Your letter to louisl@larry.slip.umd.edu was not delivered\r\n"
		"Message-ID: <1f.aa-2@cs.utk.edu>\r\n"
		"References: <1@bar.com>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		"\tboundary=\"=_1f.aa-2/0\"\r\n"
		"\r\n"
		"--=_1f.aa-2/0\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"\r\n"
		"Your letter \"Lunch\" of Tue, 5 Jul 1994 09:20:00 +0000 could not be delivered\r\n"
		"to:\r\n"
		"\r\n"
		"  louisl@larry.slip.umd.edu\r\n"
		"      The mail system gave no reason that it has a name for.\r\n"
		"      What it said below may tell more; your mail administrator can help.\r\n"
		"      The host larry.slip.umd.edu said: 426 connection timed out\r\n"
		"\r\n"
		"This was written by the mail system of cs.utk.edu; a person who can help is\r\n"
		"postmaster@utk.edu.\r\n"
		"\r\n"
		"--=_1f.aa-2/0\r\n"
		"Content-Type: message/delivery-status\r\n"
		"\r\n"
		"Reporting-MTA: dns; cs.utk.edu\r\n"
		"Arrival-Date: Tue, 5 Jul 1994 09:20:00 +0000\r\n"
		"\r\n"
		"Original-Recipient: rfc822; louisl@larry.slip.umd.edu\r\n"
		"Final-Recipient: rfc822; louisl@larry.slip.umd.edu\r\n"
		"Action: failed\r\n"
		"Status: 4.0.0\r\n"
		"Remote-MTA: dns; larry.slip.umd.edu\r\n"
		"Diagnostic-Code: smtp; 426 connection timed out\r\n"
		"Last-Attempt-Date: Tue, 5 Jul 1994 13:47:12 +0000\r\n"
		"\r\n"
		"--=_1f.aa-2/0\r\n"
		"Content-Type: message/rfc822\r\n"
		"\r\n"
		LETTER
		"\r\n"
		"--=_1f.aa-2/0--\r\n");
	assert_false(form.eightbit || form.smtputf8);
	buf_free(&out);
}

static void test_never_twice(void **state)
{
	struct dsn d = report(&failed, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;

	(void)state;
	d.sender = VIEW_NONE;
	assert_int_equal(dsn_build(&d, VIEW(LETTER), &out, &form), ST_DENIED);
	d.sender = VIEW("a@b\r\nBcc: x@y");
	assert_int_equal(dsn_build(&d, VIEW(LETTER), &out, &form), ST_SYNTAX);
	d = report(&failed, 0);
	assert_int_equal(dsn_build(&d, VIEW(LETTER), &out, &form), ST_SYNTAX);
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

static void test_injection(void **state)
{
	struct dsn_recipient r = failed;
	struct dsn d = report(&r, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;
	struct view v;

	(void)state;
	r.reply = VIEW("550 no\r\nX-Evil: 1\r\n\r\n--=_1f.aa-2/0\r\n\r\nhello\n\0\x1b[31m\xff\xc2\x9b");
	r.host = VIEW("evil\r\nX-Evil: 2");
	r.original = VIEW("a@b\r\n\r\nX-Evil: 3");
	r.orcpt = VIEW("rfc822;a+0D+0AX-Evil:+204");
	r.status = VIEW("5.1.1\r\nX-Evil: 5");
	d.envid = VIEW("x+0D+0AX-Evil:+206");
	v = built(&d, VIEW("Subject: =?utf-8?q?a=0D=0AX-Evil:_7?=\r\nMessage-ID: <a b>\r\n\r\n--=_1f.aa-2/0\r\n"), &out, &form);
	assert_false(has(v, "\nX-Evil"));
	assert_false(has(v, "\x1b"));
	assert_true(has(v, "Status: 5.0.0\r\n"));
	assert_true(has(v, "boundary=\"=_1f.aa-2/1\""));
	assert_false(has(v, "References"));
	buf_free(&out);
}

static void test_header_only(void **state)
{
	struct dsn d = report(&failed, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;
	struct view v;

	(void)state;
	d.whole = false;
	v = built(&d, VIEW(LETTER), &out, &form);
	assert_true(has(v, "text/rfc822-headers\r\n\r\nSubject: Lunch\r\n"));
	assert_false(has(v, "At noon?"));
	buf_clear(&out);
	d.whole = true;
	d.letter_max = 40;
	v = built(&d, VIEW(LETTER), &out, &form);
	assert_true(has(v, "text/rfc822-headers\r\n\r\nSubject: Lunch\r\n"));
	assert_false(has(v, "From: Smith@bar.com"));
	buf_clear(&out);
	d.letter_max = 4000;
	v = built(&d, VIEW("A: 1\r\nB\n: 2\r\nC: x\ny\r\nD: 4\r\n\r\nbare\rhere\r\n"), &out, &form);
	assert_true(has(v, "text/rfc822-headers\r\n\r\nA: 1\r\nD: 4\r\n\r\n--"));
	buf_free(&out);
}

static void test_international(void **state)
{
	struct dsn_recipient r = {
		.action = DSN_FAILED, .address = VIEW("j\xc3\xb6rg@foo.com"), .status = VIEW("5.6.7"),
		.orcpt = VIEW("utf-8;j\\x{F6}rg@foo.com"),
	};
	struct dsn d = report(&r, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;
	struct view v = built(&d, VIEW(LETTER), &out, &form);

	(void)state;
	/* To somebody who may not be able to read it: all ASCII (RFC 6533 3). */
	assert_true(has(v, "message/delivery-status"));
	assert_true(has(v, "Original-Recipient: utf-8; j\\x{F6}rg@foo.com\r\n"));
	assert_true(has(v, "Final-Recipient: utf-8; j\\x{F6}rg@foo.com\r\n"));
	assert_false(form.eightbit || form.smtputf8);
	buf_clear(&out);
	d.smtputf8 = true;
	v = built(&d, VIEW(LETTER), &out, &form);
	assert_true(has(v, "message/global-delivery-status"));
	assert_true(has(v, "Original-Recipient: utf-8; j\xc3\xb6rg@foo.com\r\n"));
	assert_true(has(v, "message/global\r\n"));
	assert_true(form.eightbit && !form.smtputf8);
	buf_clear(&out);
	d.sender = VIEW("\xc3\xa4@bar.com");
	(void)built(&d, VIEW(LETTER), &out, &form);
	assert_true(form.eightbit && form.smtputf8);
	buf_free(&out);
}

static void test_actions(void **state)
{
	struct dsn_recipient r[] = {
		{ .action = DSN_DELAYED, .address = VIEW("a@foo.com"), .status = VIEW("4.4.1"), .retry_until = 773500000000 },
		{ .action = DSN_DELIVERED, .address = VIEW("b@foo.com"), .status = VIEW("2.0.0") },
		{ .action = DSN_RELAYED, .address = VIEW("c@foo.com"), .status = VIEW("5.1.1") },
		{ .action = DSN_EXPANDED, .address = VIEW("d@foo.com") },
	};
	struct dsn d = report(r, 4);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;
	struct view v = built(&d, VIEW("Subject: x\r\n\r\ncaf\xe9\r\n"), &out, &form);

	(void)state;
	assert_true(has(v, "Subject: Your letter to 4 people is delayed\r\n"));
	assert_true(has(v, "Action: delayed\r\nStatus: 4.4.1\r\nWill-Retry-Until: Wed, 6 Jul 1994 13:06:40 +0000\r\n"));
	assert_true(has(v, "We go on trying until "));
	assert_true(has(v, "Action: delivered\r\nStatus: 2.0.0\r\n"));
	assert_true(has(v, "Action: relayed\r\nStatus: 2.0.0\r\n"));
	assert_true(has(v, "Action: expanded\r\nStatus: 2.0.0\r\n"));
	assert_true(form.eightbit);
	assert_true(has(v, "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n"));
	buf_free(&out);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(dsn_explain(VIEW("5.1.1")).what, "There is no such address at that host.");
	assert_string_equal(dsn_explain(VIEW("4.1.1")).what, "There is no such address at that host.");
	assert_string_equal(dsn_explain(VIEW("5.1.10")).what, "That domain says that it takes no mail.");
	assert_string_equal(dsn_explain(VIEW("5.1.99")).what, "Something is wrong with the address.");
	assert_string_equal(dsn_explain(VIEW("5.7.999")).what, "That host refused your letter.");
	assert_string_equal(dsn_explain(VIEW("9.1.1")).what, dsn_explain(VIEW("")).what);
	assert_string_equal(dsn_explain(VIEW("5.1111.1")).what, dsn_explain(VIEW("5..1")).what);
}

/* For tests/test_dsn.py. */
static int print_case(const char *name)
{
	struct dsn_recipient r = failed;
	struct dsn d = report(&r, 1);
	struct buf out = BUF(1 << 16);
	struct dsn_form form;
	struct view letter = VIEW(LETTER);

	if (strcmp(name, "international") == 0) {
		d.smtputf8 = true;
		r.address = VIEW("j\xc3\xb6rg@foo.com");
		r.reply = VIEW("550 5.1.1 Kein Empf\xc3\xa4nger\n550 hier");
		letter = VIEW("Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n");
	} else if (strcmp(name, "eightbit") == 0) {
		letter = VIEW("Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\nGr\xfc\xdf" "e\r\n");
	} else if (strcmp(name, "header") == 0) {
		d.whole = false;
	} else if (strcmp(name, "simple") != 0) {
		return 1;
	}
	if (dsn_build(&d, letter, &out, &form) != ST_OK)
		return 1;
	fwrite(out.p, 1, out.n, stdout);
	buf_free(&out);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_never_twice),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_header_only),
		cmocka_unit_test(test_international),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_words),
	};

	if (argc > 1)
		return print_case(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
