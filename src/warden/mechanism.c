/* mechanism.c - the table of mechanisms, and what they share. */
#include "warden/mechanism.h"


#include <openssl/crypto.h>
#include <sys/random.h>

static const struct mechanism {
	const char *name;
	enum mechanism_result (*step)(struct exchange *x, struct view in, struct buf *out);
	enum scram_hash hash;	/* SCRAM_HASHES: none */
	bool binds, plain;
} mechanisms[] = {
	{ "SCRAM-SHA-1", scram_step, SCRAM_SHA_1, false, false },
	{ "SCRAM-SHA-1-PLUS", scram_step, SCRAM_SHA_1, true, false },
	{ "SCRAM-SHA-256", scram_step, SCRAM_SHA_256, false, false },
	{ "SCRAM-SHA-256-PLUS", scram_step, SCRAM_SHA_256, true, false },
	{ "SCRAM-SHA-512", scram_step, SCRAM_SHA_512, false, false },
	{ "SCRAM-SHA-512-PLUS", scram_step, SCRAM_SHA_512, true, false },
	{ "CRAM-MD5", cram_step, SCRAM_HASHES, false, true },
	{ "DIGEST-MD5", digest_step, SCRAM_HASHES, false, true },
	{ "APOP", apop_step, SCRAM_HASHES, false, true },
	{ "EXTERNAL", external_step, SCRAM_HASHES, false, false },
	{ "OAUTHBEARER", oauthbearer_step, SCRAM_HASHES, false, false },
	{ "XOAUTH2", xoauth2_step, SCRAM_HASHES, false, false },
};
enum { MECHANISMS_N = sizeof mechanisms / sizeof *mechanisms };

static enum status make_nonce(char out[NONCE_MAX + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char random[NONCE_SIZE];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return ST_IO;
	for (size_t i = 0; i < NONCE_SIZE; i++)
		out[i] = digits[random[i] & 63];
	out[NONCE_SIZE] = '\0';
	return ST_OK;
}

enum status exchange_begin(struct exchange *x, struct view mechanism, const struct exchange_host *host)
{
	*x = (struct exchange){
		.host = host, .now = clock_wall(), .binding_name = BUF(32), .binding = BUF(256),
		.certificate = BUF(32 * 1024), .name = BUF(EXCHANGE_NAME_MAX), .authzid = BUF(EXCHANGE_NAME_MAX),
		.text = BUF(EXCHANGE_TEXT_MAX), .who = { .plain = BUF(EXCHANGE_TEXT_MAX) },
	};
	for (size_t i = 0; i < MECHANISMS_N; i++)
		if (view_eq_i(mechanism, view_cstr(mechanisms[i].name)))
			x->mechanism = &mechanisms[i];
	return x->mechanism ? make_nonce(x->nonce) : ST_MISSING;
}

enum mechanism_result exchange_step(struct exchange *x, struct view message, struct buf *out)
{
	buf_clear(out);
	x->step++;
	return x->mechanism->step(x, message, out);
}

void exchange_end(struct exchange *x)
{
	buf_free(&x->binding_name);
	buf_wipe(&x->binding);
	buf_free(&x->certificate);
	buf_free(&x->name);
	buf_free(&x->authzid);
	buf_wipe(&x->text);
	buf_wipe(&x->who.plain);
	explicit_bzero(&x->who.scram, sizeof x->who.scram);
}

const char *exchange_name(const struct exchange *x)
{
	return x->mechanism->name;
}

enum scram_hash exchange_hash(const struct exchange *x)
{
	return x->mechanism->hash;
}

bool exchange_binds(const struct exchange *x)
{
	return x->mechanism->binds;
}

bool exchange_needs_plain(const struct exchange *x)
{
	return x->mechanism->plain;
}

bool exchange_keep(struct buf *b, struct view v)
{
	buf_clear(b);
	if (v.n == 0 || view_find(v, '\0') < v.n)
		return false;
	buf_put(b, v);
	return buf_status(b) == ST_OK;
}

bool same_octets(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
