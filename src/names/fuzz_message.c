/* fuzz_message.c - a message of DNS, asked for the name x. and the type that
 * the first byte says. */
#include "names/message.h"

#include "base/fuzz.h"
#include "wire/rdata.h"

static const enum dns_type types[] = { DNS_A, DNS_MX, DNS_CNAME, DNS_SOA, DNS_SRV, DNS_TXT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view message = view_make((const char *)data + 1, n ? n - 1 : 0);
	enum dns_type type = n ? types[data[0] % (sizeof types / sizeof *types)] : DNS_A;
	struct message_answer a;
	struct cursor c;
	size_t records = 0;

	if (message_read(message, VIEW("\1x\0"), type, &a) == ST_OK) {
		FUZZ_CHECK(a.name.n <= DNS_TEXT_NAME_MAX && a.rdata.n <= DNS_ANSWER_MAX);
		c = cursor_over(buf_view(&a.rdata));
		while (cursor_left(&c)) {
			take_view(&c);
			records++;
		}
		FUZZ_CHECK(cursor_ok(&c) && records == a.n);
	}
	message_answer_free(&a);
	return 0;
}
