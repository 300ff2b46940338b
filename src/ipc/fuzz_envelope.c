/* fuzz_envelope.c - an envelope, or what a letter may be signed for, from a door that was taken over, or from a
 * spool that was damaged.  What is taken, put again, is the same bytes, where
 * they are of today's form; of an older one it can be taken again. */
#include "base/fuzz.h"

#include "ipc/envelope.h"
#include "ipc/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	struct arena a = ARENA(4 * 1024 * 1024);
	struct buf b = BUF(n * 2 + 64);
	struct envelope e;
	struct cursor c = cursor_over(in);
	struct seal_grant g;
	struct target t;

	if (envelope_take(in, &a, &e) == ST_OK) {
		size_t size = envelope_size(&e);

		for (uint32_t i = 0; i < e.n_recipients; i++)
			size += recipient_size(&e.recipients[i]);
		envelope_put(&b, &e);
		FUZZ_CHECK(buf_status(&b) == ST_OK && size == b.n);
		if (buf_status(&b) == ST_OK && data[0] == (uint8_t)b.p[0])
			FUZZ_CHECK(view_eq(buf_view(&b), in));
		else if (buf_status(&b) == ST_OK)
			FUZZ_CHECK(envelope_take(buf_view(&b), &a, &e) == ST_OK);
	}
	while (target_take(&c, &t))
		FUZZ_CHECK(t.address.n <= n);
	if (seal_grant_take(in, &g) == ST_OK) {
		buf_clear(&b);
		seal_grant_put(&b, &g);
		FUZZ_CHECK(view_eq(buf_view(&b), g.said) && g.mac.n == SEAL_MAC);
		FUZZ_CHECK(!g.author.n || seal_grant_has(&g, g.author));
	}
	arena_free(&a);
	buf_free(&b);
	return 0;
}
