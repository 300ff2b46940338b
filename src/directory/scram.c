#include "directory/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>
#include <sys/random.h>
#include <unistr.h>

enum { PREPARED_MAX = 4096 };

static const struct {
	const char *name, *digest;
	size_t size;
} hashes[SCRAM_HASHES] = {
	[SCRAM_SHA_1] = { "SCRAM-SHA-1", "SHA1", 20 },
	[SCRAM_SHA_256] = { "SCRAM-SHA-256", "SHA256", 32 },
	[SCRAM_SHA_512] = { "SCRAM-SHA-512", "SHA512", 64 },
};

const char *scram_name(enum scram_hash h)
{
	return hashes[h].name;
}

const char *scram_digest(enum scram_hash h)
{
	return hashes[h].digest;
}

size_t scram_size(enum scram_hash h)
{
	return hashes[h].size;
}

/* ---- the keys ---- */

static bool keyed(const EVP_MD *md, const unsigned char *key, size_t n, const char *text, unsigned char *out)
{
	return HMAC(md, key, (int)n, (const unsigned char *)text, strlen(text), out, NULL) != NULL;
}

enum status scram_derive(enum scram_hash h, struct view password, uint32_t iterations, struct scram_keys *k)
{
	const EVP_MD *md = EVP_get_digestbyname(hashes[h].digest);
	unsigned char salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
	size_t n = hashes[h].size;
	bool good = md && PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, k->salt, (int)k->salt_n,
					    (int)iterations, md, (int)n, salted) == 1 &&
		    keyed(md, salted, n, "Client Key", client) &&
		    EVP_Digest(client, n, k->stored, NULL, md, NULL) == 1 &&
		    keyed(md, salted, n, "Server Key", k->server);

	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client, sizeof client);
	if (!good)
		return ST_NOMEM;
	k->iterations = iterations;
	k->n = n;
	return ST_OK;
}

void scram_put(const struct scram_keys *k, struct buf *out)
{
	buf_putu(out, k->iterations);
	buf_putc(out, ':');
	buf_put_hex(out, k->salt, k->salt_n);
	buf_putc(out, ':');
	buf_put_hex(out, k->stored, k->n);
	buf_putc(out, ':');
	buf_put_hex(out, k->server, k->n);
}

/* ":" and n octets; false where they are none. */
static bool take_hex(struct view *left, unsigned char *p, size_t n)
{
	if (left->n < 1 + 2 * n || left->p[0] != ':' || !view_unhex(view_head(view_skip(*left, 1), 2 * n), p))
		return false;
	*left = view_skip(*left, 1 + 2 * n);
	return true;
}

enum status scram_take(enum scram_hash h, struct view text, struct scram_keys *ret)
{
	struct view number = view_head(text, view_find(text, ':')), left = view_skip(text, number.n);
	struct scram_keys k = { .n = hashes[h].size };
	size_t salt = view_find(view_skip(left, 1), ':') / 2;
	uint64_t iterations;

	if (!view_u64(number, &iterations) || iterations < 1 || iterations > SCRAM_ITERATIONS_MOST ||
	    salt > SCRAM_SALT_MAX || !take_hex(&left, k.salt, salt) || !take_hex(&left, k.stored, k.n) ||
	    !take_hex(&left, k.server, k.n) || left.n)
		return ST_SYNTAX;
	k.iterations = (uint32_t)iterations;
	k.salt_n = salt;
	*ret = k;
	return ST_OK;
}

enum status scram_texts_make(struct view password, uint32_t iterations, struct scram_texts *ret)
{
	struct buf prepared = BUF(PREPARED_MAX);
	enum status st = password_prepare(password, PREPARE_STORED, &prepared);

	for (int h = 0; h < SCRAM_HASHES; h++) {
		struct scram_keys k = { .salt_n = SCRAM_SALT };

		ret->text[h] = BUF(SCRAM_TEXT_MAX);
		if (st == ST_OK && getrandom(k.salt, SCRAM_SALT, 0) != SCRAM_SALT)
			st = ST_IO;
		if (st == ST_OK)
			st = scram_derive((enum scram_hash)h, buf_view(&prepared), iterations, &k);
		if (st != ST_OK)
			continue;
		scram_put(&k, &ret->text[h]);
		st = buf_status(&ret->text[h]);
		explicit_bzero(&k, sizeof k);
	}
	buf_wipe(&prepared);
	return st;
}

void scram_texts_free(struct scram_texts *t)
{
	for (int h = 0; h < SCRAM_HASHES; h++)
		buf_free(&t->text[h]);
}

/* ---- SASLprep ---- */

/* libidn wants its text with a NUL behind it, and works in place. */
static enum status prepare_text(char *text, size_t room, enum prepare what)
{
	Stringprep_profile_flags flags = what == PREPARE_STORED ? STRINGPREP_NO_UNASSIGNED : 0;

	switch (stringprep(text, room, flags, stringprep_saslprep)) {
	case STRINGPREP_OK:
		return ST_OK;
	case STRINGPREP_TOO_SMALL_BUFFER:
		return ST_LIMIT;
	case STRINGPREP_MALLOC_ERROR:
		return ST_NOMEM;
	default:
		return ST_SYNTAX;
	}
}

enum status password_prepare(struct view in, enum prepare what, struct buf *out)
{
	char text[PREPARED_MAX + 1];
	enum status st;

	if (in.n > PREPARED_MAX)
		return ST_LIMIT;
	if (view_find(in, '\0') < in.n || (in.n && u8_check((const uint8_t *)in.p, in.n)))
		return ST_SYNTAX;
	if (in.n)
		memcpy(text, in.p, in.n);
	text[in.n] = '\0';
	st = prepare_text(text, sizeof text, what);
	if (st == ST_OK)
		buf_put(out, view_cstr(text));
	explicit_bzero(text, sizeof text);
	return st == ST_OK ? buf_status(out) : st;
}
