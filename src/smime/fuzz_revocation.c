/* URLs of certificates: what is taken has a host by its name, and nothing that a request
 * could be split by. */
#include "base/fuzz.h"

#include "smime/revocation.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct revocation_url u;
	struct in_addr in;

	if (revocation_url_parse(view_make((const char *)data, n), &u) != ST_OK)
		return 0;
	FUZZ_CHECK(u.port && u.host[0] && u.path[0] == '/');
	/* The C library reads the most notations of all. */
	FUZZ_CHECK(inet_aton(u.host, &in) == 0);
	for (const char *p = u.path; *p; p++)
		FUZZ_CHECK(*p > ' ' && *p < 0x7f);
	for (const char *p = u.host; *p; p++)
		FUZZ_CHECK(ascii_alpha(*p) || ascii_digit(*p) || *p == '-' || *p == '.');
	return 0;
}
