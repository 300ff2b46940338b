/* fuzz_token.c - a token of a stranger, and the keys of an issuer. */
#include "base/fuzz.h"
#include "warden/tokens.h"

static const char keys[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

/* Input that begins with "{" is taken for keys, other for a token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct token_rules rules = { "joe", "us", "", "email" };
	struct view in = view_make((const char *)data, n);
	bool is_keys = n && data[0] == '{';
	struct buf who = BUF(255);
	struct tokens *t;

	if (tokens_new(is_keys ? in : view_cstr(keys), &rules, &t) != ST_OK)
		return 0;
	/* None that the issuer signed names us. */
	FUZZ_CHECK(token_check(t, in, 1300819000000, &who) != ST_OK);
	tokens_free(t);
	buf_free(&who);
	return 0;
}
