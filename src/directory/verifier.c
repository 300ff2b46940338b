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

/* n octets of random base64 without padding, whose last digit has no bits
 * that the octets do not fill: all of `ends` are such. */
static void put_random(struct buf *out, const unsigned char *random, size_t n, const char *ends)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t last = (n * 8 + 5) / 6 - 1;

	for (size_t i = 0; i < last; i++)
		buf_putc(out, digits[random[i] & 63]);
	buf_putc(out, ends[random[last] & 3]);
}

enum status verifier_dummy(int64_t memory_bytes, int64_t passes, struct buf *out)
{
	unsigned char random[2 * HASH];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return ST_IO;
	buf_putf(out, "$argon2id$v=%d$m=%u,t=%u,p=1$", ARGON2_VERSION_NUMBER,
		 (unsigned)(memory_bytes / 1024), (unsigned)passes);
	put_random(out, random, SALT, "AQgw");
	buf_putc(out, '$');
	put_random(out, random + SALT, HASH, "AEIM");
	return buf_status(out);
}

bool verifier_is_quick(struct view verifier)
{
	return view_starts_i(verifier, plain);
}

struct view verifier_plain(struct view verifier)
{
	return view_skip(verifier, plain.n);
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
