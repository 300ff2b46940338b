/* What is added to the header of a letter that is handed in, what goes, and
 * what stays as it was. */
#include "base/test.h"

#include "msg/mend.h"

static const struct mending usual = {
	.date = { "now", 3 }, .message_id = { "<1@x>", 5 }, .from = { "j@x", 3 },
};

/* The whole header afterwards. */
static void mended(const char *header, const struct mending *m, struct buf *out)
{
	struct view in = view_cstr(header);
	struct buf kept = BUF(4096);
	struct mend_found found;
	bool same = false;

	buf_clear(out);
	mend_look(in, &found);
	assert_int_equal(mend_header(in, &found, m, out, &kept, &same), ST_OK);
	assert_true(same == (kept.n == 0));
	buf_put(out, same ? in : buf_view(&kept));
	buf_free(&kept);
}

static void test_missing(void **state)
{
	struct buf b = BUF(4096);

	(void)state;
	mended("Subject: a\r\n\r\n", &usual, &b);
	assert_view(buf_view(&b), "Date: now\r\nMessage-ID: <1@x>\r\nFrom: j@x\r\nSubject: a\r\n\r\n");
	mended("\r\n", &usual, &b);
	assert_view(buf_view(&b), "Date: now\r\nMessage-ID: <1@x>\r\nFrom: j@x\r\n\r\n");
	mended("FROM: a@b\r\nDATE: x\r\nmessage-id: y\r\ncontent-type: text/plain\r\n\r\n", &usual, &b);
	assert_view(buf_view(&b),
		    "MIME-Version: 1.0\r\nFROM: a@b\r\nDATE: x\r\nmessage-id: y\r\ncontent-type: text/plain\r\n\r\n");
	/* A body without a header. */
	mended("Hello\r\nBcc: a@b\r\n\r\n", &usual, &b);
	assert_view(buf_view(&b), "Date: now\r\nMessage-ID: <1@x>\r\nFrom: j@x\r\n\r\nHello\r\nBcc: a@b\r\n\r\n");
	buf_free(&b);
}

static void test_what_goes(void **state)
{
	struct mending m = usual;
	struct buf b = BUF(4096);
	static const char all[] = "From: a@b\r\nBcc: c@d,\r\n e@f\r\nDate: x\r\nresent-bcc: g@h\r\nMessage-ID: y\r\n"
				  "Waxwing-Sent: yes\r\nwaxwing-protect: sign\r\nSender: s@t\r\nMT-Priority: 3\r\nTo: z@z\r\n\r\n";

	(void)state;
	mended(all, &m, &b);
	assert_view(buf_view(&b), "From: a@b\r\nDate: x\r\nMessage-ID: y\r\nSender: s@t\r\nMT-Priority: 3\r\nTo: z@z\r\n\r\n");
	m.sender = VIEW("j@x");
	m.drop_priority = true;
	mended(all, &m, &b);
	assert_view(buf_view(&b), "Sender: j@x\r\nFrom: a@b\r\nDate: x\r\nMessage-ID: y\r\nTo: z@z\r\n\r\n");
	m.sender = VIEW_NONE;
	m.drop_sender = true;
	mended("From: a\r\nDate: x\r\nMessage-ID: y\r\nSender: s@t\r\nSender: u@v\r\n\r\n", &m, &b);
	assert_view(buf_view(&b), "From: a\r\nDate: x\r\nMessage-ID: y\r\n\r\n");
	buf_free(&b);
}

static void test_what_is_found(void **state)
{
	struct mend_found f;

	(void)state;
	mend_look(VIEW("Resent-From: first@a\r\nResent-From: older@b\r\nBcc: a@b,\r\n c@d\r\nMT-Priority:  -3 \r\n"
		       "Sender: x\r\nSender: y\r\nWaxwing-Protect:  sign \r\n\r\n"), &f);
	assert_view(view_trim(f.resent_from), "first@a");
	assert_view(view_trim(f.bcc), "a@b,\r\n c@d");
	assert_view(f.priority, "-3");
	assert_view(f.protect, "sign");
	assert_int_equal(f.senders, 2);
	assert_true(f.goes && !f.from && !f.date && !f.bare && f.sent.p == NULL);
	mend_look(VIEW("Bcc:\r\n\r\n"), &f);
	assert_true(f.goes && f.bcc.p != NULL && f.bcc.n == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_what_goes),
		cmocka_unit_test(test_what_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
