/* verifier.c - passwords at rest: argon2id (RFC 9106). */
#include "directory/directory.h"

#include <argon2.h>
#include <string.h>
#include <sys/random.h>

enum { SALT = 16, HASH = 32, PASSWORD_MAX = 1024, ENCODED_MAX = 256 };

static const struct view plain = { "{PLAIN}", 7 };

enum status verifier_make(struct view password, int64_t memory_bytes, int64_t passes, struct buf *out)
{
	unsigned char salt[SALT];
	char encoded[ENCODED_MAX];
	int rc;

	if (password.n > PASSWORD_MAX)
		return ST_LIMIT;
	if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
		return ST_IO;
	rc = argon2id_hash_encoded((uint32_t)passes, (uint32_t)(memory_bytes / 1024), 1, password.p,
				   password.n, salt, sizeof salt, HASH, encoded, sizeof encoded);
	if (rc != ARGON2_OK)
		return rc == ARGON2_MEMORY_ALLOCATION_ERROR ? ST_NOMEM : ST_LIMIT;
	buf_puts(out, encoded);
	return buf_status(out);
}

static bool same(struct view a, struct view b)
{
	unsigned char diff = a.n != b.n;

	for (size_t i = 0; i < b.n; i++)
		diff |= (unsigned char)((i < a.n ? a.p[i] : 0) ^ b.p[i]);
	return diff == 0;
}

bool verifier_check(struct view verifier, struct view password)
{
	char encoded[ENCODED_MAX];

	if (password.n > PASSWORD_MAX)
		return false;
	if (view_starts_i(verifier, plain))
		return same(view_skip(verifier, plain.n), password);
	if (verifier.n >= sizeof encoded)
		return false;
	memcpy(encoded, verifier.p, verifier.n);
	encoded[verifier.n] = '\0';
	return argon2id_verify(encoded, password.p, password.n) == ARGON2_OK;
}
