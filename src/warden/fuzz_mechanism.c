/* fuzz_mechanism.c - a client's side of every mechanism that warden runs:
 * messages of a stranger, a line each. */
#include "base/fuzz.h"
#include "warden/mechanism.h"
#include "warden/tokens.h"

static enum status find(struct exchange *x)
{
	FUZZ_CHECK(x->name.n && view_find(buf_view(&x->name), '\0') == x->name.n);
	x->who.known = view_eq(buf_view(&x->name), VIEW("user"));
	buf_clear(&x->who.plain);
	buf_puts(&x->who.plain, "pencil");
	if (exchange_hash(x) == SCRAM_HASHES)
		return ST_OK;
	x->who.scram = (struct scram_keys){ .iterations = 4096, .n = scram_size(exchange_hash(x)), .salt_n = 16 };
	return ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { "SCRAM-SHA-1",	   "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "CRAM-MD5",
					     "DIGEST-MD5",	   "APOP",		 "EXTERNAL",	  "OAUTHBEARER",
					     "XOAUTH2",		   "SCRAM-SHA-1-PLUS" };
	const struct token_issuer issuer = { .issuer = VIEW("joe"), .audience = VIEW("us"), .claim = "email" };
	const struct token_issuers tokens = { &issuer, 1, 60000 };
	struct exchange_host host = { .find = find, .host_name = "foo.com", .tokens = &tokens };
	struct view rest = view_make((const char *)data, n);
	struct buf out = BUF(EXCHANGE_CHALLENGE_MAX);
	enum mechanism_result r = MECHANISM_MORE;
	struct exchange x;

	if (n == 0 || exchange_begin(&x, view_cstr(names[data[0] % 10]), &host) != ST_OK)
		return 0;
	memcpy(x.nonce, "3rfcNHYJY1ZVvWVs7j123456", NONCE_SIZE);
	x.silent = exchange_needs_plain(&x) && data[0] % 10 != 5;
	buf_puts(&x.binding_name, "tls-exporter");
	buf_puts(&x.binding, "0123456789abcdef0123456789abcdef");
	rest = view_skip(rest, 1);
	for (int turns = 0; r == MECHANISM_MORE; turns++) {
		struct view line = view_head(rest, view_find(rest, '\n'));

		FUZZ_CHECK(turns <= 2);	/* no mechanism asks more often */
		r = exchange_step(&x, line, &out);
		FUZZ_CHECK(r != MECHANISM_MORE || buf_status(&out) == ST_OK);
		rest = view_skip(rest, line.n + 1);
	}
	/* SCRAM's keys here are of no password: nobody can prove it. */
	FUZZ_CHECK(r != MECHANISM_RIGHT || exchange_hash(&x) == SCRAM_HASHES);
	exchange_end(&x);
	buf_free(&out);
	return 0;
}
