/* Any text as the record of a key: what is remembered of it is what it says, and nobody has
 * signed with it. */
#include "base/fuzz.h"

#include "trust/key.h"

static void check_one(struct view record, enum seal_algorithm algorithm, struct key_cache *cache)
{
	const char *problem = NULL, *cached_problem = NULL;
	struct seal_key k = { 0 }, cached = { 0 };
	enum seal_result r = key_parse(record, algorithm, NULL, &k, &problem);
	uint8_t digest[32] = { 1 };

	FUZZ_CHECK((r == SEAL_PASS) == (problem == NULL));
	for (int i = 0; i < 2; i++)
		FUZZ_CHECK(key_parse(record, algorithm, cache, &cached, &cached_problem) == r && cached_problem == problem);
	if (r == SEAL_PASS) {
		FUZZ_CHECK(k.bits == cached.bits && k.testing == cached.testing && k.strict == cached.strict);
		FUZZ_CHECK(!key_verify(&k, algorithm, digest, record) && !key_verify(&cached, algorithm, digest, record));
		FUZZ_CHECK(algorithm != SEAL_RSA_SHA256 || (k.bits >= RSA_BITS_LEAST && k.bits <= RSA_BITS_MOST));
	}
	key_free(&k);
	key_free(&cached);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct key_cache *cache = key_cache_new();

	for (int i = 0; cache && i < SEAL_ALGORITHMS; i++)
		check_one(view_make((const char *)data, n), (enum seal_algorithm)i, cache);
	key_cache_free(cache);
	return 0;
}
