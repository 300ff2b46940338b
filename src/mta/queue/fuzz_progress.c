/* fuzz_progress.c - progress as it lies in the spool, of any bytes. */
#include "mta/queue/progress.h"

#include "base/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	struct arena a = ARENA(1024 * 1024);
	struct buf again = BUF(1024 * 1024);
	struct progress p, second;

	if (progress_take(in, &a, &p) == ST_OK) {
		for (uint32_t i = 0; i < p.n; i++)
			FUZZ_CHECK(p.of[i].state <= PROGRESS_DONE && p.of[i].reply <= p.n_replies);
		/* Written again it is the same, but for a "held" that was neither 0 nor 1. */
		progress_put(&again, &p);
		FUZZ_CHECK(again.n == n && progress_take(buf_view(&again), &a, &second) == ST_OK);
		FUZZ_CHECK(allocation_failed || (second.hold == p.hold && second.n == p.n && view_eq(second.route, p.route)));
	}
	buf_free(&again);
	arena_free(&a);
	return 0;
}
