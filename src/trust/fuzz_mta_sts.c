/* fuzz_mta_sts.c - a policy, or a record, of anybody. */
#include "base/fuzz.h"

#include "trust/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n), id;
	struct arena a = ARENA(64 * 1024);
	struct sts_policy p;

	if (sts_policy_parse(in, &a, &p) == ST_OK) {
		FUZZ_CHECK(p.max_age <= STS_AGE_MOST && p.n_mx <= STS_MX_MAX);
		FUZZ_CHECK(p.mode == STS_NONE || p.n_mx > 0);
		for (size_t i = 0; i < p.n_mx; i++)
			FUZZ_CHECK(p.mx[i].n > 0 && sts_matches(&p, p.mx[i]) == (p.mx[i].p[0] != '*' || sts_matches(&p, p.mx[i])));
		FUZZ_CHECK(!sts_matches(&p, VIEW_NONE));
	}
	if (sts_record_parse(in, &id) == ST_OK)
		FUZZ_CHECK(id.n > 0 && id.n <= STS_ID_MAX);
	arena_free(&a);
	return 0;
}
