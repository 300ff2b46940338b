#include "warden/mac.h"

#include "base/disk.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum status mac_init(struct mac *m, const unsigned char key[MAC_KEY])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (ctx == NULL || EVP_MAC_init(ctx, key, MAC_KEY, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return ST_NOMEM;
	}
	m->ctx = ctx;
	return ST_OK;
}

void mac_free(struct mac *m)
{
	EVP_MAC_CTX_free(m->ctx);
	m->ctx = NULL;
}

static bool add(EVP_MAC_CTX *ctx, struct view part)
{
	uint64_t n = part.n;

	return EVP_MAC_update(ctx, (const unsigned char *)&n, sizeof n) == 1 &&
	       (part.n == 0 || EVP_MAC_update(ctx, (const unsigned char *)part.p, part.n) == 1);
}

enum status mac_of(const struct mac *m, const struct view *parts, size_t n, unsigned char out[MAC_SIZE])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(m->ctx);
	bool ok = ctx != NULL;
	size_t size = 0;

	for (size_t i = 0; i < n && ok; i++)
		ok = add(ctx, parts[i]);
	ok = ok && EVP_MAC_final(ctx, out, &size, MAC_SIZE) == 1 && size == MAC_SIZE;
	EVP_MAC_CTX_free(ctx);
	return ok ? ST_OK : ST_NOMEM;
}

bool mac_same(const unsigned char a[MAC_SIZE], const unsigned char b[MAC_SIZE])
{
	return CRYPTO_memcmp(a, b, MAC_SIZE) == 0;
}

/* ---- keys that are kept ---- */

static enum status read_key(int dir, const char *name, unsigned char key[MAC_KEY])
{
	int fd;
	enum status st = disk_open(dir, name, O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return st;
	st = disk_read_at(fd, key, MAC_KEY, 0);
	close(fd);
	return st;
}

/* Whole or not there: written beside, flushed, renamed. */
static enum status make_key(int dir, const char *name, unsigned char key[MAC_KEY])
{
	char beside[64];
	enum status st;

	snprintf(beside, sizeof beside, "%s.new", name);
	if (getrandom(key, MAC_KEY, 0) != MAC_KEY)
		return ST_IO;
	st = disk_write_file(dir, beside, O_TRUNC, view_make((const char *)key, MAC_KEY));
	if (st == ST_OK)
		st = disk_rename(dir, beside, name);
	return st == ST_OK ? disk_flush_all(dir) : st;
}

enum status mac_open(int dir, const char *name, struct mac *m)
{
	unsigned char key[MAC_KEY];
	enum status st = read_key(dir, name, key);

	if (st == ST_MISSING || st == ST_CORRUPT)
		st = make_key(dir, name, key);
	if (st == ST_OK)
		st = mac_init(m, key);
	explicit_bzero(key, sizeof key);
	return st;
}
