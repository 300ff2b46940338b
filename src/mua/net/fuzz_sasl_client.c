/* What a server says in SCRAM, a message each line: without the password it proves nothing. */
#include "base/fuzz.h"

#include "mua/net/sasl_client.h"

/* Is more counted than what a run has time for? */
static bool takes_long(struct view v)
{
	for (size_t i = 0, digits = 0; i < v.n; i++) {
		digits = ascii_digit(v.p[i]) ? digits + 1 : 0;
		if (digits > 4)
			return true;
	}
	return false;
}

static void talk(struct sasl_client *l, struct view said)
{
	struct buf out = BUF(LOGIN_TEXT_MAX);
	enum status st = sasl_client_step(l, VIEW_NONE, &out);

	/* As it would be with this nonce. */
	buf_clear(&l->nonce);
	buf_clear(&l->text);
	buf_puts(&l->nonce, "ours");
	buf_puts(&l->text, "n=user,r=ours");
	for (int turns = 0; st == ST_OK && said.n; turns++) {
		struct view line = view_head(said, view_find(said, '\n'));

		FUZZ_CHECK(turns <= 2);
		st = sasl_client_step(l, line, &out);
		said = view_skip(said, line.n + 1);
	}
	FUZZ_CHECK(!sasl_client_proved(l));
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const offers[] = { "PLAIN SCRAM-SHA-256 LOGIN", "SCRAM-SHA-512 SCRAM-SHA-256-PLUS" };
	struct view said = view_make((const char *)data, n);
	struct sasl_client l;
	struct conn c = { 0 };

	if (n == 0 || takes_long(view_skip(said, 1)))
		return 0;
	if (sasl_client_begin(&l, view_cstr(offers[data[0] % 2]), &c, VIEW("user"), VIEW("pencil")) == ST_OK)
		talk(&l, view_skip(said, 1));
	sasl_client_end(&l);
	return 0;
}
