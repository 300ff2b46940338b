/* fuzz_pack.c - gzip and zip of anybody: what comes out keeps to its limits. */
#include "base/fuzz.h"

#include "report/pack.h"

enum { OUT_MAX = 4 * 1024 * 1024, PIECE = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view bytes = view_make((const char *)data, n);
	struct buf out = BUF(OUT_MAX), gz = BUF(OUT_MAX), same = BUF(OUT_MAX);

	if (unpack(bytes, &out) == ST_OK)
		FUZZ_CHECK(out.n <= PACK_ALWAYS || out.n <= n * PACK_RATIO + PIECE);
	if (pack_gzip(bytes, &gz) == ST_OK && unpack(buf_view(&gz), &same) == ST_OK)
		FUZZ_CHECK(view_eq(buf_view(&same), bytes));
	buf_free(&out);
	buf_free(&gz);
	buf_free(&same);
	return 0;
}
