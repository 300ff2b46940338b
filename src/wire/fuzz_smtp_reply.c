/* fuzz_smtp_reply.c - what a hostile server says: replies, and the offer of
 * EHLO. */
#include "base/fuzz.h"

#include "wire/smtp_reply.h"

static void check(const struct smtp_reply *r)
{
	FUZZ_CHECK(r->code >= 200 && r->code < 600 && r->lines > 0 && r->lines <= REPLY_LINES);
	FUZZ_CHECK(r->text.n <= REPLY_TEXT && strlen(r->status) < REPLY_STATUS);
	FUZZ_CHECK(r->status[0] == '\0' || r->status[0] == '0' + r->code / 100);
	for (size_t i = 0; i < r->text.n; i++)
		FUZZ_CHECK((r->text.p[i] >= 32 && r->text.p[i] < 127) || r->text.p[i] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view all = view_make((const char *)data, n);
	struct smtp_reply r = { 0 };

	smtp_reply_begin(&r);
	while (all.n) {
		struct view line = view_head(all, view_find(all, '\n'));
		enum status st = smtp_reply_line(&r, line);

		if (st == ST_OK || st == ST_AGAIN)
			check(&r);
		if (st == ST_OK)
			(void)smtp_offer_of(buf_view(&r.text));
		if (st != ST_AGAIN)
			smtp_reply_begin(&r);
		all = view_skip(all, line.n + 1);
	}
	smtp_reply_free(&r);
	return 0;
}
