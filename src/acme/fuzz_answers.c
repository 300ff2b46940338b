/* JSON of an issuer: nothing that is taken from it leads to another host, or breaks what we say. */
#include "base/fuzz.h"

#include "acme/answers.h"
#include "acme/jws.h"
#include "acme/letter.h"

static const struct view origin = { "https://a.example", 17 };

static bool is_ours(struct view url)
{
	return view_starts_i(url, origin) && url.n > origin.n && url.p[origin.n] == '/' && acme_is_plain(url);
}

static void take_all(const json_t *o)
{
	struct acme_directory d;
	struct acme_order order;
	struct acme_authorization a;

	if (acme_directory_take(o, origin, &d) == ST_OK)
		FUZZ_CHECK(is_ours(d.new_nonce) && is_ours(d.new_account) && is_ours(d.new_order));
	if (acme_order_take(o, origin, &order) == ST_OK)
		FUZZ_CHECK(is_ours(order.authorization) && is_ours(order.finalize) &&
			   (order.state == ACME_VALID) == (order.certificate.n > 0));
	if (acme_authorization_take(o, origin, &a) == ST_OK && a.offered)
		FUZZ_CHECK(is_ours(a.url) && acme_is_token(a.token) && a.from.n > 0 && a.from.n <= ACME_ADDRESS_MOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *o = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
	struct buf problem = BUF(ACME_PROBLEM_MAX);
	struct view whose;

	take_all(o);
	acme_problem_put(o, &problem);
	FUZZ_CHECK(buf_status(&problem) == ST_OK && problem.n > 0);
	for (size_t i = 0; i < problem.n; i++)
		FUZZ_CHECK(problem.p[i] >= ' ' && problem.p[i] <= '~');
	if (acme_origin(view_make((const char *)data, n), &whose) == ST_OK)
		FUZZ_CHECK(whose.n <= n && acme_is_plain(whose));
	buf_free(&problem);
	json_decref(o);
	return 0;
}
