/* fuzz_smtp_values.c - the values of MAIL's parameters, and FUTURERELEASE and
 * DELIVERBY of what another host offers.  What is taken can be put and taken
 * again. */
#include "base/fuzz.h"

#include "wire/smtp_reply.h"
#include "wire/smtp_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	struct smtp_offer offer = { 0 };
	struct smtp_by by, again;
	struct buf b = BUF(64);
	uint32_t seconds;
	wall_ms at;
	int8_t priority;

	if (smtp_take_hold_for(in, &seconds) == ST_OK)
		FUZZ_CHECK(seconds > 0 && seconds <= SMTP_SECONDS_MAX);
	(void)!smtp_take_hold_until(in, &at);
	if (smtp_take_priority(in, &priority) == ST_OK)
		FUZZ_CHECK(priority >= SMTP_PRIORITY_LEAST && priority <= SMTP_PRIORITY_MOST);
	if (smtp_take_by(in, &by) == ST_OK) {
		FUZZ_CHECK(by.mode == 'N' || by.seconds > 0);
		smtp_put_by(&by, &b);
		if (buf_status(&b) == ST_OK)
			FUZZ_CHECK(smtp_take_by(buf_view(&b), &again) == ST_OK && again.seconds == by.seconds &&
				   again.mode == by.mode && again.trace == by.trace);
	}
	smtp_offer_line(&offer, in);
	buf_free(&b);
	return 0;
}
