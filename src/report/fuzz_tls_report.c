/* fuzz_tls_report.c - anybody's JSON. */
#include "base/fuzz.h"

#include "report/tls.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view bytes = view_make((const char *)data, n);
	struct arena a = ARENA(ARENA_MAX);
	struct tls_report r;
	struct tls_applied p;
	struct tls_row row;
	struct view rua;
	struct buf b = BUF(1 << 20);

	if (tls_json_read(bytes, &a, &r) == ST_OK) {
		FUZZ_CHECK(r.n > 0 && r.n <= TLS_POLICIES_MAX);
		for (uint32_t i = 0; i < r.n; i++)
			FUZZ_CHECK(r.policies[i].n <= TLS_DETAILS_MAX);
	}
	/* Our own bytes, as they may lie in a spoilt file. */
	if (tls_applied_take(bytes, &p)) {
		tls_applied_put(&b, &p);
		FUZZ_CHECK(buf_status(&b) != ST_OK || view_eq(buf_view(&b), bytes));
	}
	buf_clear(&b);
	if (tls_row_take(bytes, &row)) {
		tls_row_put(&b, &row);
		FUZZ_CHECK(buf_status(&b) != ST_OK || view_eq(buf_view(&b), bytes));
	}
	if (tlsrpt_record_parse(bytes, &rua) == ST_OK)
		FUZZ_CHECK(rua.n > 0);
	buf_free(&b);
	arena_free(&a);
	return 0;
}
