#include "warden/key_folder.h"

#include "base/disk.h"
#include "warden/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOMAIN_SIZE = 255, PATH_SIZE = 4096 };

/* Below the folder of keys, also where root has it made for warden. */
static enum status give_away(int keys, int fd)
{
	struct stat sb;

	if (geteuid() != 0)
		return ST_OK;
	return fstat(keys, &sb) == 0 && fchown(fd, sb.st_uid, sb.st_gid) == 0 ? ST_OK : ST_DENIED;
}

static enum status open_folder(int dir, const char *name, int *ret_fd)
{
	return disk_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_fd);
}

static enum status make_folder(int keys, int dir, const char *name, int *ret_fd)
{
	enum status st = disk_mkdir(dir, name, 0700);
	int fd;

	if (st != ST_OK && st != ST_EXISTS)
		return st;
	st = open_folder(dir, name, &fd);
	if (st != ST_OK)
		return st;
	st = give_away(keys, fd);
	if (st == ST_OK)
		st = disk_flush_all(dir);
	if (st == ST_OK)
		*ret_fd = fd;
	else
		close(fd);
	return st;
}

static const char *folder_name(struct view domain, char out[DOMAIN_SIZE])
{
	size_t n = domain.n < DOMAIN_SIZE ? domain.n : 0;

	for (size_t i = 0; i < n; i++)
		out[i] = ascii_lower(domain.p[i]);
	out[n] = '\0';
	/* A row that somebody else wrote must not lead out of the folder. */
	return n && out[0] != '.' && memchr(out, '/', n) == NULL && memchr(out, '\0', n) == NULL ? out : NULL;
}

enum status key_folders_open(const char *dir, int *ret_keys)
{
	char path[PATH_SIZE];
	enum status st;

	snprintf(path, sizeof path, "%s/keys", dir);
	st = disk_mkdir(AT_FDCWD, path, 0700);
	return st == ST_OK || st == ST_EXISTS ? disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, ret_keys) : st;
}

enum status key_folder(int keys, const char *kind, struct view domain, bool make, int *ret_fd)
{
	char name[DOMAIN_SIZE];
	int above;
	enum status st;

	if (folder_name(domain, name) == NULL)
		return ST_SYNTAX;
	st = make ? make_folder(keys, keys, kind, &above) : open_folder(keys, kind, &above);
	if (st != ST_OK)
		return st;
	st = make ? make_folder(keys, above, name, ret_fd) : open_folder(above, name, ret_fd);
	close(above);
	return st;
}

enum status key_file_write(int keys, int folder, const char *file, const struct buf *pem)
{
	struct iovec iov = { pem->p, pem->n };
	int fd;
	enum status st = disk_open(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);

	if (st != ST_OK)
		return st;
	st = give_away(keys, fd);
	if (st == ST_OK)
		st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush(fd);
	close(fd);
	return st == ST_OK ? disk_flush_all(folder) : st;
}

enum status key_put_pem(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool good = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	char *p;

	if (good) {
		long n = BIO_get_mem_data(bio, &p);

		buf_put(out, view_make(p, (size_t)n));
	}
	BIO_free(bio);
	return good ? buf_status(out) : ST_NOMEM;
}

static void forget(struct buf *pem)
{
	if (pem->p)
		OPENSSL_cleanse(pem->p, pem->cap);
	buf_free(pem);
}

enum status key_save(int keys, int folder, const char *file, EVP_PKEY *key)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	enum status st = key_put_pem(key, &pem);

	if (st == ST_OK)
		st = key_file_write(keys, folder, file, &pem);
	forget(&pem);
	return st;
}

static EVP_PKEY *parse_key(struct view pem)
{
	char none[] = "";	/* so that nobody is asked for a passphrase */
	BIO *bio = pem.n ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

enum status key_load(int folder, const char *file, EVP_PKEY **ret)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	EVP_PKEY *key = NULL;
	int fd;
	enum status st = disk_open(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd);

	if (st != ST_OK)
		return st;
	st = key_file_read(fd, &pem);
	close(fd);
	if (st == ST_OK)
		key = parse_key(buf_view(&pem));
	forget(&pem);
	if (key)
		*ret = key;
	return key ? ST_OK : st == ST_OK ? ST_SYNTAX : st;
}
