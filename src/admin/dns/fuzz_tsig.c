/* fuzz_tsig.c - files with a key of TSIG. */
#include "admin/dns/tsig.h"

#include "base/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tsig_key k;

	if (tsig_key_parse(view_make((const char *)data, n), &k) != ST_OK)
		return 0;
	FUZZ_CHECK(k.name[0] && strlen(k.name) <= TSIG_NAME_MAX);
	FUZZ_CHECK(k.secret[0] && strlen(k.secret) <= TSIG_SECRET_MAX);
	FUZZ_CHECK(strlen(k.name) + strlen(k.secret) <= n);
	return 0;
}
