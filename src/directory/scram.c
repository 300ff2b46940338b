#include "directory/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unictype.h>
#include <uninorm.h>
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

static void put_hex(struct buf *out, const unsigned char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		buf_putc(out, digits[p[i] >> 4]);
		buf_putc(out, digits[p[i] & 15]);
	}
}

void scram_put(const struct scram_keys *k, struct buf *out)
{
	buf_putu(out, k->iterations);
	buf_putc(out, ':');
	put_hex(out, k->salt, k->salt_n);
	buf_putc(out, ':');
	put_hex(out, k->stored, k->n);
	buf_putc(out, ':');
	put_hex(out, k->server, k->n);
}

static int hex_digit(char c)
{
	return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ":" and n octets; false where they are none. */
static bool take_hex(struct view *left, unsigned char *p, size_t n)
{
	if (left->n < 1 + 2 * n || left->p[0] != ':')
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(left->p[1 + 2 * i]), low = hex_digit(left->p[2 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		p[i] = (unsigned char)(high << 4 | low);
	}
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
	enum status st = password_prepare(password, &prepared);

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
	if (prepared.p)
		explicit_bzero(prepared.p, prepared.cap);
	buf_free(&prepared);
	return st;
}

void scram_texts_free(struct scram_texts *t)
{
	for (int h = 0; h < SCRAM_HASHES; h++)
		buf_free(&t->text[h]);
}

/* ---- SASLprep ---- */

/* RFC 3454 B.1: commonly mapped to nothing. */
static bool has_no_width(ucs4_t c)
{
	return c == 0x00ad || c == 0x034f || c == 0x1806 || (c >= 0x180b && c <= 0x180d) ||
	       (c >= 0x200b && c <= 0x200d) || c == 0x2060 || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff;
}

static enum status map_one(ucs4_t c, struct buf *out)
{
	uint8_t octets[6];
	int n;

	if (has_no_width(c))
		return ST_OK;
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs))	/* C.1.2 */
		c = ' ';
	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cs))
		return ST_SYNTAX;
	n = u8_uctomb(octets, c, sizeof octets);
	if (n <= 0)
		return ST_SYNTAX;
	buf_put(out, view_make((const char *)octets, (size_t)n));
	return buf_status(out);
}

static enum status normalize(const struct buf *mapped, struct buf *out)
{
	size_t n = 0;
	uint8_t *form = u8_normalize(UNINORM_NFKC, (const uint8_t *)mapped->p, mapped->n, NULL, &n);

	if (form == NULL)
		return ST_NOMEM;
	buf_put(out, view_make((const char *)form, n));
	explicit_bzero(form, n);
	free(form);
	return buf_status(out);
}

enum status password_prepare(struct view in, struct buf *out)
{
	struct buf mapped = BUF(PREPARED_MAX);
	const uint8_t *p = (const uint8_t *)in.p;
	enum status st = ST_OK;

	for (size_t i = 0; i < in.n && st == ST_OK;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, p + i, in.n - i);

		st = n > 0 ? map_one(c, &mapped) : ST_SYNTAX;
		i += n > 0 ? (size_t)n : 1;
	}
	if (st == ST_OK && mapped.n)
		st = normalize(&mapped, out);
	if (mapped.p)
		explicit_bzero(mapped.p, mapped.cap);
	buf_free(&mapped);
	return st;
}
