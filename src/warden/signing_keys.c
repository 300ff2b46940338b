#include "warden/signing_keys.h"

#include "base/disk.h"
#include "warden/key_folder.h"
#include "warden/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NAMES_TRIED = 99, NAME_SIZE = 80, ALGORITHMS = SIGNING_ED25519 + 1 };

/* ---- a pair ---- */

static bool put_public(EVP_PKEY *pkey, enum signing_algorithm algorithm, struct buf *out)
{
	unsigned char raw[32], *der = NULL;
	size_t n = sizeof raw;
	int size;

	if (algorithm == SIGNING_ED25519) {
		if (EVP_PKEY_get_raw_public_key(pkey, raw, &n) != 1)
			return false;
		seal_encode(view_make((const char *)raw, n), out);
		return buf_status(out) == ST_OK;
	}
	/* SubjectPublicKeyInfo, which all use and the examples of RFC 6376 have. */
	size = i2d_PUBKEY(pkey, &der);
	if (size > 0)
		seal_encode(view_make((const char *)der, (size_t)size), out);
	OPENSSL_free(der);
	return size > 0 && buf_status(out) == ST_OK;
}

struct pair {
	struct buf public_key, pem;	/* what p= is to hold; the private one */
};

static void pair_free(struct pair *p)
{
	if (p->pem.p)
		OPENSSL_cleanse(p->pem.p, p->pem.cap);
	buf_free(&p->pem);
	buf_free(&p->public_key);
}

static enum status pair_make(enum signing_algorithm algorithm, struct rsa_maker *fresh, struct pair *p)
{
	EVP_PKEY *pkey = algorithm == SIGNING_RSA ? rsa_make(fresh, SIGNING_RSA_BITS) :
						    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	bool good;

	*p = (struct pair){ BUF(SIGNING_PUBLIC_MAX), BUF(KEY_FILE_MAX) };
	good = pkey && put_public(pkey, algorithm, &p->public_key) && key_put_pem(pkey, &p->pem) == ST_OK;
	EVP_PKEY_free(pkey);
	return good ? ST_OK : ST_NOMEM;
}

/* ---- files ---- */

/* Under a selector that this domain never had: the day, the algorithm, and
 * where that is taken a number. */
static enum status write_new(int keys, int folder, enum signing_algorithm algorithm, wall_ms now,
			     const struct buf *pem, char selector[static NAME_SIZE])
{
	time_t t = (time_t)(now / 1000);
	enum status st = ST_EXISTS;
	struct tm tm;

	gmtime_r(&t, &tm);
	for (int i = 1; i <= NAMES_TRIED && st == ST_EXISTS; i++) {
		char number[16] = "", file[NAME_SIZE + 8];

		if (i > 1)
			snprintf(number, sizeof number, "%d", i);
		snprintf(selector, NAME_SIZE, "%04d%02d%02d%c%s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			 signing_algorithm_word(algorithm)[0], number);
		snprintf(file, sizeof file, "%s.key", selector);
		st = key_file_write(keys, folder, file, pem);
	}
	return st;
}

static enum status keep(int keys, int folder, struct directory *d, struct signing_key k, const struct pair *p)
{
	char selector[NAME_SIZE];
	enum status st = write_new(keys, folder, k.algorithm, k.created, &p->pem, selector);

	if (st == ST_OK) {
		k.selector = view_cstr(selector);
		k.public_key = buf_view(&p->public_key);
		st = signing_add(d, &k);
	}
	return st;
}

struct looking {
	enum signing_state state;
	bool found;
};

static void look(void *arg, const struct signing_key *k)
{
	struct looking *l = arg;

	l->found |= k->state == l->state;
}

static enum status look_for(struct directory *d, struct view domain, enum signing_state state)
{
	struct looking l = { .state = state };
	enum status st = signing_each(d, domain, look, &l);

	return st == ST_OK && l.found ? ST_EXISTS : st;
}

/* Both or none: the rows in one transaction, within which nobody waits. */
static enum status keep_both(int keys, int folder, struct directory *d, struct signing_key k,
			     const struct pair pairs[ALGORITHMS])
{
	enum status st = directory_begin(d);

	if (st != ST_OK)
		return st;
	st = look_for(d, k.domain, k.state);
	for (int i = 0; i < ALGORITHMS && st == ST_OK; i++) {
		k.algorithm = (enum signing_algorithm)i;
		st = keep(keys, folder, d, k, &pairs[i]);
	}
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

enum status signing_keys_make(int keys, struct directory *d, struct view domain, enum signing_state state,
			      wall_ms now, struct rsa_maker *fresh)
{
	const struct signing_key k = { .domain = domain, .state = state, .created = now,
				       .activated = state == SIGNING_ACTIVE ? now : 0 };
	struct pair pairs[ALGORITHMS] = { { BUF(0), BUF(0) }, { BUF(0), BUF(0) } };
	int folder;
	enum status st = look_for(d, domain, state);

	for (int i = 0; i < ALGORITHMS && st == ST_OK; i++)
		st = pair_make((enum signing_algorithm)i, fresh, &pairs[i]);
	if (st == ST_OK)
		st = key_folder(keys, "dkim", domain, true, &folder);
	if (st == ST_OK) {
		st = keep_both(keys, folder, d, k, pairs);
		close(folder);
	}
	for (int i = 0; i < ALGORITHMS; i++)
		pair_free(&pairs[i]);
	return st;
}

enum status signing_keys_setup(const char *dir, struct directory *d, struct view domain, enum signing_state state,
			       wall_ms now)
{
	int keys;
	enum status st = key_folders_open(dir, &keys);

	if (st != ST_OK)
		return st;
	st = signing_keys_make(keys, d, domain, state, now, NULL);
	close(keys);
	return st;
}

/* ---- one that is there ---- */

static enum status file_of(struct view selector, char out[static NAME_SIZE])
{
	if (selector.n == 0 || selector.n > SIGNING_SELECTOR_MAX || selector.p[0] == '.' ||
	    view_find(selector, '/') < selector.n)
		return ST_SYNTAX;
	snprintf(out, NAME_SIZE, "%.*s.key", VIEW_ARG(selector));
	return ST_OK;
}

enum status signing_key_forget(const char *dir, struct view domain, struct view selector)
{
	char path[4096], file[NAME_SIZE];
	int keys, folder;
	enum status st = file_of(selector, file);

	snprintf(path, sizeof path, "%s/keys", dir);
	if (st == ST_OK)
		st = disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &keys);
	if (st != ST_OK)
		return st;
	st = key_folder(keys, "dkim", domain, false, &folder);
	close(keys);
	if (st != ST_OK)
		return st == ST_MISSING ? ST_OK : st;
	st = disk_unlink(folder, file);
	close(folder);
	return st == ST_MISSING ? ST_OK : st;
}

enum status signing_key_read(int keys, struct view domain, struct view selector, struct signer_with_key *ret)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	char file[NAME_SIZE];
	int folder, fd;
	enum status st = file_of(selector, file);

	if (st == ST_OK)
		st = key_folder(keys, "dkim", domain, false, &folder);
	if (st != ST_OK)
		return st;
	st = disk_open(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd);
	close(folder);
	if (st != ST_OK)
		return st;
	st = key_file_read(fd, &pem);
	close(fd);
	if (st == ST_OK)
		st = signer_from_pem(buf_view(&pem), domain, selector, ret);
	if (pem.p)
		OPENSSL_cleanse(pem.p, pem.cap);
	buf_free(&pem);
	return st;
}
