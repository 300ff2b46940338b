#include "directory/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/random.h>

static uint32_t power_of_ten(unsigned digits)
{
	uint32_t n = 1;

	while (digits--)
		n *= 10;
	return n;
}

enum status totp_code(struct view secret, uint64_t step, unsigned digits, uint32_t *ret)
{
	unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0, at;
	uint32_t number;

	for (int i = 0; i < 8; i++)
		counter[i] = (unsigned char)(step >> (56 - 8 * i));
	if (HMAC(EVP_sha1(), secret.p, (int)secret.n, counter, sizeof counter, mac, &n) == NULL || n != 20)
		return ST_NOMEM;
	at = mac[19] & 15u;
	number = (uint32_t)(mac[at] & 0x7fu) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	*ret = number % power_of_ten(digits);
	OPENSSL_cleanse(mac, sizeof mac);
	return ST_OK;
}

static enum status take_secret(struct view stored, unsigned char out[TOTP_SECRET_SIZE])
{
	return stored.n == 2 * TOTP_SECRET_SIZE && view_unhex(stored, out) ? ST_OK : ST_SYNTAX;
}

enum status totp_check(struct view stored, struct view code, wall_ms now, uint64_t used, uint64_t *ret_step)
{
	unsigned char secret[TOTP_SECRET_SIZE];
	uint64_t here = (uint64_t)now / TOTP_STEP_MS, found = 0;
	enum status st = take_secret(stored, secret);

	for (uint64_t step = here - TOTP_DRIFT; st == ST_OK && step <= here + TOTP_DRIFT; step++) {
		char text[TOTP_DIGITS + 8];
		uint32_t number = 0;

		st = totp_code(view_make((const char *)secret, sizeof secret), step, TOTP_DIGITS, &number);
		snprintf(text, sizeof text, "%0*u", TOTP_DIGITS, number);
		if (code.n == TOTP_DIGITS && CRYPTO_memcmp(text, code.p, TOTP_DIGITS) == 0 && step > used)
			found = step;
		OPENSSL_cleanse(text, sizeof text);
	}
	OPENSSL_cleanse(secret, sizeof secret);
	if (st != ST_OK)
		return st;
	if (found == 0)
		return ST_DENIED;
	*ret_step = found;
	return ST_OK;
}

enum status totp_make(struct buf *ret)
{
	unsigned char secret[TOTP_SECRET_SIZE];

	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return ST_IO;
	buf_put_hex(ret, secret, sizeof secret);
	OPENSSL_cleanse(secret, sizeof secret);
	return buf_status(ret);
}

/* ---- for people ---- */

/* RFC 4648 6, without padding: 20 octets fill it. */
static void put_base32(const unsigned char *p, size_t n, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint64_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 5; have -= 5)
			buf_putc(out, digits[bits >> (have - 5) & 31]);
	}
}

/* Percent-encoded (RFC 3986 2.1), but for what an address mostly has. */
static void put_encoded(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '_' || c == '@')
			buf_putc(out, c);
		else
			buf_putf(out, "%%%02X", (unsigned char)c);
	}
}

enum status totp_address(struct view stored, struct view account, struct view issuer, struct buf *out)
{
	unsigned char secret[TOTP_SECRET_SIZE];
	enum status st = take_secret(stored, secret);

	if (st != ST_OK)
		return st;
	buf_puts(out, "otpauth://totp/");
	put_encoded(issuer, out);
	buf_putc(out, ':');
	put_encoded(account, out);
	buf_puts(out, "?secret=");
	put_base32(secret, sizeof secret, out);
	buf_puts(out, "&issuer=");
	put_encoded(issuer, out);
	OPENSSL_cleanse(secret, sizeof secret);
	return buf_status(out);
}
