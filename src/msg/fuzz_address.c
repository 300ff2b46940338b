/* Any address list: groups open and close, and an address that is written out
 * and read again is the same one. */
#include "base/fuzz.h"
#include "msg/address.h"

#define MUST FUZZ_CHECK

static void check_again(struct view spec)
{
	struct address_reader r = address_reader(spec);
	struct buf again = BUF(spec.n * 2 + 64);
	struct address a;

	if (!address_next(&r, &a) || a.kind != ADDRESS_MAILBOX) {
		buf_free(&again);
		return;
	}
	address_put(&a, &again);
	MUST(buf_status(&again) == ST_OK);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address_reader r = address_reader(view_make((const char *)data, size));
	struct address a;
	bool open = false;

	while (address_next(&r, &a)) {
		struct buf text = BUF(size * 3 + 64);

		MUST(a.kind != ADDRESS_GROUP_END || open);
		MUST(a.kind != ADDRESS_GROUP || !open);
		open = a.kind == ADDRESS_GROUP || (open && a.kind == ADDRESS_MAILBOX);
		address_put_name(&a, &text);
		MUST(buf_status(&text) == ST_OK);
		buf_clear(&text);
		address_put(&a, &text);
		MUST(buf_status(&text) == ST_OK);
		check_again(buf_view(&text));
		buf_free(&text);
	}
	MUST(!open);
	return 0;
}
