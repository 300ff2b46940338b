/* fuzz_token.c - a token of a stranger, and the keys of an issuer. */
#include "base/fuzz.h"
#include "warden/tokens.h"

static const char keys[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

/* Input that begins with "{" is taken for keys, other for a token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct token_issuer issuer = { .issuer = VIEW("joe"), .audience = VIEW("us"), .claim = "email" };
	struct token_issuers all = { &issuer, 1, 60000 };
	struct view in = view_make((const char *)data, n);
	bool is_keys = n && data[0] == '{';
	struct buf who = BUF(255);
	const struct token_issuer *by;
	struct jwks *set;

	if (jwks_new(is_keys ? in : view_cstr(keys), VIEW("RS256 ES256 EdDSA"), &set) != ST_OK)
		return 0;
	issuer.keys = set;
	/* None that the issuer signed names us. */
	FUZZ_CHECK(token_check(&all, in, 1300819000000, &who, &by) != ST_OK);
	jwks_free(set);
	buf_free(&who);
	return 0;
}
