/* fuzz_mend.c - the header of a letter that somebody hands in.  Once it is
 * mended nothing more is to be mended, what nobody else is to see is gone,
 * and all other fields are there, byte for byte. */
#include "base/fuzz.h"

#include "msg/header.h"
#include "msg/mend.h"

static size_t fields_of(struct view header)
{
	struct field f;
	size_t at = 0, n = 0;

	while (field_next(header, &at, &f))
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_head(view_make((const char *)data, n), header_size(view_make((const char *)data, n)));
	struct mending m = {
		.date = VIEW("Sun, 22 Nov 2026 10:31:05 +0000"), .message_id = VIEW("<x.1@foo.com>"),
		.from = VIEW("Jones@foo.com"), .drop_priority = n & 1, .drop_sender = n & 2,
	};
	struct buf whole = BUF(2 * n + 4096), kept = BUF(2 * n + 4096), more = BUF(4096), again = BUF(2 * n + 4096);
	struct mend_found found;
	bool same = true;

	if (n & 4)
		m.sender = VIEW("Jones@foo.com");
	mend_look(in, &found);
	if (mend_header(in, &found, &m, &whole, &kept, &same) == ST_OK) {
		FUZZ_CHECK(!same || kept.n == 0);
		FUZZ_CHECK(same || kept.n < in.n);
		FUZZ_CHECK(same || fields_of(buf_view(&kept)) < fields_of(in));
		buf_put(&whole, same ? in : buf_view(&kept));
		m.sender = VIEW_NONE;
		m.drop_sender = false;
		mend_look(buf_view(&whole), &found);
		if (buf_status(&whole) == ST_OK && !found.bare &&
		    mend_header(buf_view(&whole), &found, &m, &more, &again, &same) == ST_OK) {
			FUZZ_CHECK(same && more.n == 0);
			FUZZ_CHECK(found.date && found.message_id && found.from && found.bcc.p == NULL && found.sent.p == NULL &&
				   found.protect.p == NULL);
		}
	}
	buf_free(&whole);
	buf_free(&kept);
	buf_free(&more);
	buf_free(&again);
	return 0;
}
