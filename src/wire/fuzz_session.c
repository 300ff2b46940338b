/* fuzz_session.c - the record of a session, from a door that was taken over:
 * what is taken can be given back, and is the same. */
#include "base/fuzz.h"
#include "wire/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct session_state s, again;
	struct buf b = BUF(SESSION_MAX), c = BUF(SESSION_MAX);

	if (session_take(view_make((const char *)data, n), &s) == ST_OK) {
		session_put(&b, &s);
		FUZZ_CHECK(buf_status(&b) == ST_OK);
		if (buf_status(&b) == ST_OK && session_take(buf_view(&b), &again) == ST_OK) {
			session_put(&c, &again);
			FUZZ_CHECK(view_eq(buf_view(&b), buf_view(&c)));
		} else {
			FUZZ_CHECK(false);
		}
	}
	buf_free(&b);
	buf_free(&c);
	return 0;
}
