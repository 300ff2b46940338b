/* fuzz_tlsa.c - what `waxwing inspect tlsa` is given: lines of records, and a chain. */
#include "admin/tlsa_lines.h"

#include "base/fuzz.h"
#include "wire/tls_client.h"

static void verify(const struct tlsa_lines *t)
{
	static struct tls_client *client;
	struct view name = VIEW("mail.foo.com");
	struct tls_trust trust = {
		.how = TLS_VERIFY_DANE, .names = &name, .n_names = 1, .records = t->records, .n_records = t->n,
	};
	long error = 0;
	int depth = -1;

	if (client == NULL && tls_client_new("", &client) != ST_OK)
		return;
	for (size_t i = 0; i < t->n; i++)
		(void)tlsa_is_usable(client, &t->records[i]);
	if (tls_verify_chain(client, &trust, t->chain, &error, &depth) == ST_OK && error == 0)
		FUZZ_CHECK(t->n > 0 && depth >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(256 * 1024);
	struct view in = view_make((const char *)data, n);
	struct tlsa_lines t;

	if (tlsa_lines_take(in, &a, &t) == ST_OK) {
		FUZZ_CHECK(t.n <= TLSA_LINES_MAX && t.chain.n <= n);
		for (size_t i = 0; i < t.n; i++)
			FUZZ_CHECK(t.records[i].data.n > 0 && 2 * t.records[i].data.n <= n);
		verify(&t);
	}
	arena_free(&a);
	return 0;
}
