/* fuzz_srs.c - an address of a stranger: as a sender, and as one of ours. */
#include "base/fuzz.h"
#include "warden/srs.h"

#include "directory/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const unsigned char key[MAC_KEY] = { 1 };
	const wall_ms now = 1795343465000, life = 21 * 86400000LL;
	struct view in = view_make((const char *)data, n);
	struct buf b = BUF(ADDRESS_MAX), back = BUF(ADDRESS_MAX);
	struct mac m;

	if (n > ADDRESS_MAX || mac_init(&m, key) != ST_OK)
		return 0;
	/* Nobody guesses the key. */
	FUZZ_CHECK(srs_take(&m, in, now, life, &back) != ST_OK);
	buf_clear(&back);
	if (srs_put(&m, in, VIEW("foo.com"), now, &b) == ST_OK) {
		FUZZ_CHECK(srs_is(buf_view(&b)) && b.n <= ADDRESS_MAX);
		(void)!srs_take(&m, buf_view(&b), now, life, &back);
	}
	mac_free(&m);
	buf_free(&b);
	buf_free(&back);
	return 0;
}
