/* fuzz_sasl.c - a client's side of a SASL exchange: lines of a stranger. */
#include "base/fuzz.h"
#include "wire/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct view mechanisms[] = { { "PLAIN", 5 }, { "LOGIN", 5 }, { "SCRAM-SHA-1", 11 },
						  { "CRAM-MD5", 8 } };
	static const struct sasl_offer offer = { .tls = true, .wanted = "PLAIN LOGIN SCRAM-SHA-1 CRAM-MD5" };
	struct view rest = view_make((const char *)data, n);
	struct buf out = BUF(64 * 1024);
	struct sasl s;
	enum sasl_result r;

	if (n == 0)
		return 0;
	r = sasl_begin(&s, mechanisms[(data[0] & 1) | (data[0] >> 1 & 2)], data[0] & 2 ? VIEW("=") : VIEW_NONE, &offer,
		       &out);
	rest = view_skip(rest, 1);
	for (int turns = 0; r == SASL_MORE || (r == SASL_ASK && rest.n); turns++) {
		size_t lf = view_find(rest, '\n');

		/* No mechanism of ours asks more often; warden's may. */
		FUZZ_CHECK(turns <= 3 || (data[0] & 4));
		if (r == SASL_ASK && sasl_challenge(&s, sasl_message(&s), &out) != SASL_MORE)
			break;
		r = sasl_line(&s, view_head(rest, lf), &out);
		rest = view_skip(rest, lf + 1);
	}
	FUZZ_CHECK(r != SASL_PROVE || (sasl_name(&s).n && sasl_secret(&s).n &&
				       view_find(sasl_name(&s), '\0') == sasl_name(&s).n));
	sasl_end(&s);
	buf_free(&out);
	return 0;
}
