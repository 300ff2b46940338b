/* Whatever is typed is a query, and so is what is typed next. */
#include "base/fuzz.h"
#include "mua/copy/copy.h"
#include "mua/copy/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct copy_message m = { .from = VIEW("Mary Smith"), .address = VIEW("mary@example.net"),
					.to = VIEW("Jones"), .subject = VIEW("Gr\xc3\xbc\xc3\x9f" "e"),
					.keywords = VIEW("work $Junk"), .date = 1700000000000, .flags = COPY_SEEN };
	struct arena a = ARENA((size_t)1 << 26);
	struct query q;
	bool match;
	enum status st = query_parse(view_make((const char *)data, n), 1700000000000, &a, &q);

	FUZZ_CHECK(st == ST_OK || st == ST_LIMIT);
	if (st == ST_OK) {
		FUZZ_CHECK(q.n <= QUERY_TERMS_MAX);
		FUZZ_CHECK(query_match(&q, &m, &match) == ST_OK);
		FUZZ_CHECK(q.n || match);
	}
	arena_free(&a);
	return 0;
}
