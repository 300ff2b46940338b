#include "base/test.h"
#include "mua/copy/html.h"
#include "mua/copy/show.h"
#include "mua/copy/text.h"

#include <stdlib.h>

static void shows_as(const struct show_options *o, const char *letter, const char *want)
{
	struct buf out = BUF(65536);

	assert_int_equal(show_letter(view_cstr(letter), true, o, &out), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static const struct show_options body_40 = { .width = 40, .no_headers = true };

static void headers(void **state)
{
	const struct show_options o = { .width = 60 };

	(void)state;
	shows_as(&o, "From: =?utf-8?q?M=C3=A4ry?= <m@example.net>\r\nTo: a@b, =?utf-8?q?=1B[31mJones?= <j@foo.com>\r\n"
		 "Subject: one\r\n two =?utf-8?b?4oCuYWJj?=\r\nX: y\r\n\r\nText\r\n",
		 "From:     M\xc3\xa4ry <m@example.net>\n"
		 "To:       a@b, \xef\xbf\xbd[31mJones <j@foo.com>\n"
		 "Subject:  one two abc\n\nText\n");
	shows_as(&o, "From: a@b\r\nFrom: c@d\r\n\r\n",
		 "From:     a@b\nNote:     two From: fields\n\n[There is no text.]\n");
	shows_as(&o, "From: \"ceo@foo.com\" <eve@evil.example>\r\n\r\nx",
		 "From:     ceo@foo.com <eve@evil.example>\n"
		 "Note:     the name shows an address that is not the author's\n\nx\n");
}

#define REPORT(type, part)                                                                                             \
	"From: postmaster@bar.com\r\nDate: Tue, 14 Nov 2023 22:13:00 +0000\r\nContent-Type: multipart/report; "      \
	"report-type=" type "; boundary=b\r\n\r\n--b\r\n\r\nFor people.\r\n--b\r\nContent-Type: message/" type  \
	"\r\n\r\n" part "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@x>\r\nSubject: Blah\r\n--b--\r\n"

static void reports_as(const char *letter, const char *want, const char *want_id)
{
	struct buf text = BUF(65536), id = BUF(1024);

	assert_int_equal(show_report(view_cstr(letter), &text, &id), ST_OK);
	assert_view(buf_view(&text), want);
	assert_view(buf_view(&id), want_id);
	buf_free(&text);
	buf_free(&id);
}

/* RFC 3464, RFC 8098: a sentence for each recipient, and which letter it was. */
static void reports(void **state)
{
	const struct show_options o = { .width = 78, .about = VIEW("letter 17 in Sent: Blah") };
	struct buf out = BUF(65536), id = BUF(1024);

	(void)state;
	setenv("TZ", "UTC", 1);
	reports_as(REPORT("delivery-status",
			  "Reporting-MTA: dns; mx.bar.com\r\n\r\nFinal-Recipient: rfc822; Green@bar.com\r\n"
			  "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user \x1b[31m\r\n\r\n"
			  "Original-Recipient: rfc822;a+2Bb@foo.com\r\nFinal-Recipient: rfc822; x@y\r\nAction: delayed (y)\r\n"
			  "Status: 4.4.1 (x)\r\nWill-Retry-Until: Wed, 15 Nov 2023 22:13:00 +0000\r\n\r\n"
			  "Final-Recipient: rfc822; Jones@foo.com\r\nAction: delivered\r\nStatus: 2.0.0\r\n"),
		   "Your letter could not be delivered to Green@bar.com: 550 5.1.1 no such user \xef\xbf\xbd[31m\n"
		   "Your letter could not be delivered yet to a+b@foo.com: That host does not answer."
		   " It is tried until Wed, 15 Nov 2023 22:13\n"
		   "Your letter was delivered to Jones@foo.com.", "1@x");
	reports_as(REPORT("disposition-notification",
			  "Final-Recipient: rfc822; Jones@foo.com\r\nOriginal-Message-ID: <2@x>\r\n"
			  "Disposition: automatic-action/MDN-sent-automatically; displayed/warning\r\n"),
		   "The mail program of Jones@foo.com says that your letter was displayed, on Tue, 14 Nov 2023 22:13, without anybody's doing.",
		   "2@x");
	assert_int_equal(show_report(VIEW("Subject: x\r\n\r\nAction: failed\r\nFinal-Recipient: rfc822; x@y\r\n"), &out, &id), ST_MISSING);
	assert_int_equal(show_letter(VIEW(REPORT("delivery-status", "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; Green@bar.com\r\n"
						 "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no\r\n")),
				     true, &o, &out), ST_OK);
	assert_true(view_starts_i(buf_view(&out), VIEW("Report:   Your letter could not be delivered to Green@bar.com: 550 no\n"
						       "About:    letter 17 in Sent: Blah\nFrom:     postmaster@bar.com\n")));
	buf_free(&out);
	buf_free(&id);
}

static void nothing_moves_the_cursor(void **state)
{
	(void)state;
	shows_as(&body_40, "\r\na\x1b]0;x\x07" "b\x9b" "c\x7f" "d\xe2\x80\xae" "e\xe2\x80\x8b" "f\xef\xbb\xbf" "g\re\tx\r\n",
		 "a\xef\xbf\xbd]0;x\xef\xbf\xbd" "b\xe2\x80\xba" "c\xef\xbf\xbd" "defge        x\n");
	shows_as(&body_40, "Content-Type: text/plain; charset=utf-8\r\n\r\nd\xe2\x80\xae" "e\xe2\x80\x8b" "f\xef\xbb\xbf"
		 "g\xc2\x9b" "h\xf3\xa0\x80\xa1i e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\r\n",
		 "defg\xef\xbf\xbdhi e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\n");
}

/* RFC 3676 4.1 to 4.5. */
static void flowed(void **state)
{
	(void)state;
	shows_as(&body_40, "Content-Type: text/plain; format=flowed\r\n\r\nThis \r\nflows. \r\n> So \r\n> does this.\r\n"
		 ">> And this \r\n> not.\r\n From stuffed\r\n-- \r\nsig \r\nnature\r\n",
		 "This flows.\n> So does this.\n>> And this\n> not.\nFrom stuffed\n-- \nsig nature\n");
	shows_as(&body_40, "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nab \r\ncd\r\n", "abcd\n");
	shows_as(&body_40, "Content-Type: text/plain; format=flowed\r\n\r\n> one two three four five six seven eight \r\n> nine\r\n",
		 "> one two three four five six seven\n> eight nine\n");
}

static void wrapping(void **state)
{
	(void)state;
	shows_as(&body_40, "\r\none two three four five six seven eight nine\r\n",
		 "one two three four five six seven eight\nnine\n");
	shows_as(&body_40, "\r\n> > one two three four five six seven eight\r\n",
		 ">> one two three four five six seven\n>> eight\n");
	shows_as(&body_40, "\r\nhttps://example.net/a/very/long/link/which/is/not/broken x\r\n",
		 "https://example.net/a/very/long/link/which/is/not/broken\nx\n");
	/* Wide characters have no blanks between them. */
	shows_as(&body_40, "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x9c\xac\r\n",
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
		 "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\n\xe6\x9c\xac\n");
}

static void parts(void **state)
{
	static const char letter[] =
		"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
		"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
		"--a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>page</p>\r\n--a--\r\n"
		"--m\r\nContent-Type: application/pdf; name=x\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment; filename*=utf-8''..%2F..%2F.b%C3%A4d.pdf\r\n\r\naGVsbG8=\r\n"
		"--m\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@side\r\n\r\ninner\r\n--m--\r\n";
	const struct show_options html = { .width = 40, .no_headers = true, .prefer_html = true, .no_attachments = true };
	struct arena a = ARENA((size_t)1 << 24);
	struct buf octets = BUF(64);
	struct show_part *all;
	size_t n;

	(void)state;
	shows_as(&body_40, letter,
		 "plain\n\n----- A letter inside -----\n\ninner\n\n----- End of the letter inside -----\n"
		 "\n[3] b\xc3\xa4" "d.pdf  application/pdf  5 B\n");
	shows_as(&html, letter,
		 "page\n\n----- A letter inside -----\n\ninner\n\n----- End of the letter inside -----\n");
	assert_int_equal(show_parts(view_cstr(letter), &a, &all, &n), ST_OK);
	assert_int_equal(n, 4);
	assert_true(all[2].attachment && !all[0].attachment);
	assert_view(all[2].name, "b\xc3\xa4" "d.pdf");
	assert_view(all[0].name, "part-1.txt");
	assert_int_equal(show_part_octets(view_cstr(letter), 3, &octets), ST_OK);
	assert_view(buf_view(&octets), "hello");
	assert_int_equal(show_part_octets(view_cstr(letter), 9, &octets), ST_MISSING);
	buf_free(&octets);
	arena_free(&a);
}

static void page(const char *html, const char *want)
{
	struct buf out = BUF(65536);

	assert_int_equal(html_text(view_cstr(html), 40, true, &out), ST_OK);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static void pages(void **state)
{
	(void)state;
	page("<p>One &amp; two<br>three</p><p>four", "One & two\nthree\n\nfour\n");
	page("<title>t</title><style>x</style><script>y</script>a<div style='color:red; DISPLAY : none'>no</div>"
	     "<span style=\"font-size:0px\">no</span><b hidden>no</b> b<span style='font-size:0.9em'> c</span>", "a\n\nb c\n");
	page("<ul><li>a<li>b<ol><li>c</ol></ul>x", "* a\n* b\n 1. c\n\nx\n");
	page("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>\n> > c\n\nd\n");
	page("<pre>a\n  b</pre>", "a\n  b\n");
	page("<img src='http://x/' alt='A cat'>.", "[A cat].\n");
	/* Links: by number; where text and place differ, it is said. */
	page("<a href='https://a.example/x'>here</a> <a href='https://b.example'>b.example</a>"
	     " <a href='https://evil.example/'>https://bank.example/login</a> <a href='javascript:x()'>no</a>"
	     " <a href='https://www.bank.example/'>bank.example</a>",
	     "here[1] b.example\nhttps://bank.example/login[2] no\nbank.example[3]\n\n[1] https://a.example/x\n"
	     "[2] https://evil.example/  -- NOT bank.example, which its text names\n[3] https://www.bank.example/\n");
	page("\x1b[31m&#27;[31m&#x202e;x&#x9b;y", "[31m[31mx\xef\xbf\xbdy\n");
}

static void deep_page(void **state)
{
	struct buf b = BUF((size_t)1 << 24), out = BUF((size_t)1 << 24);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "<div><b><table>");
	buf_puts(&b, "x");
	assert_int_equal(html_text(buf_view(&b), 40, true, &out), ST_OK);
	assert_non_null(memmem(out.p, out.n, "too deep", 8));
	buf_free(&b);
	buf_free(&out);
}

static void verdict_is(const char *letter, const char *want, enum show_style style)
{
	struct buf out = BUF(1024);
	enum show_style s = SHOW_TEXT;

	assert_int_equal(show_verdict(view_cstr(letter), VIEW("mx.foo.com"), &out, &s), ST_OK);
	assert_view(buf_view(&out), want);
	if (*want)
		assert_int_equal(s, style);
	buf_free(&out);
}

static void verdicts(void **state)
{
	(void)state;
	verdict_is("Authentication-Results: mx.foo.com; dmarc=pass header.from=a.example\r\nFrom: x@a.example\r\n\r\n",
		   "from a.example, proved (DMARC)", SHOW_GOOD);
	verdict_is("Authentication-Results: mx.foo.com; dmarc=fail header.from=a.example\r\nFrom: x@a.example\r\n\r\n",
		   "NOT proved to be from a.example (DMARC fail)", SHOW_BAD);
	/* Of another domain than the reader sees. */
	verdict_is("Authentication-Results: mx.foo.com; dmarc=pass header.from=b.example\r\nFrom: x@a.example\r\n\r\n",
		   "not proved (DMARC pass)", SHOW_UNSURE);
	/* Of somebody else, and one of ours that came with the letter, below ours. */
	verdict_is("Authentication-Results: evil; dmarc=pass header.from=a.example\r\nFrom: x@a.example\r\n\r\n", "",
		   SHOW_TEXT);
	verdict_is("Authentication-Results: mx.foo.com; dmarc=none header.from=a.example\r\n"
		   "Authentication-Results: mx.foo.com; dmarc=pass header.from=a.example\r\nFrom: x@a.example\r\n\r\n",
		   "not proved: a.example does not say who sends for it", SHOW_UNSURE);
	verdict_is("Authentication-Results: mx.foo.com; dmarc=pass header.from=a.example\r\n"
		   "From: x@a.example\r\nFrom: x@b.example\r\n\r\n",
		   "not proved: two From: fields", SHOW_BAD);
}

static void columns(void **state)
{
	struct buf b = BUF(64);
	size_t n;

	(void)state;
	assert_int_equal(show_columns(VIEW("a\xe6\x97\xa5" "e\xcc\x81")), 4);
	assert_int_equal(text_fit(VIEW("a\xe6\x97\xa5" "b"), 2, &n), 1);
	assert_int_equal(n, 1);
	show_line(VIEW("  a\r\n\t b\xe6\x97\xa5"), 4, &b);
	assert_view(buf_view(&b), "a b");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers), cmocka_unit_test(reports), cmocka_unit_test(nothing_moves_the_cursor), cmocka_unit_test(flowed),
		cmocka_unit_test(wrapping), cmocka_unit_test(parts), cmocka_unit_test(pages),
		cmocka_unit_test(deep_page), cmocka_unit_test(verdicts), cmocka_unit_test(columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
