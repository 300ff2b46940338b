/* keys.c - the files of certificates and keys, opened for warden, which can
 * open nothing and may not be who owns them. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAIRS_MAX = 250, NAME_SIZE = 256 };

/* Complains where it is not there. */
static int open_file(const struct conf *c, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : c->dir, name[0] == '/' ? "" : "/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		log_begin(LOG_WARN_, "no-tls");
		log_str("file", path);
		log_str("why", strerror(errno));
		log_end();
	}
	return fd;
}

static void give(struct parent *p, uint32_t index, uint8_t what, uint8_t more, int fd)
{
	struct buf b = BUF(64);

	rec_put_key_file(&b, 0, 0, &(struct rec_key_file){ index, what, more });
	(void)!role_send(&p->warden.ch, &b, fd);
	buf_free(&b);
}

static void give_one(struct parent *p, uint32_t index, const char *name, uint8_t what)
{
	int fd = name[0] ? open_file(&p->conf, name) : -1;

	if (fd >= 0) {
		give(p, index, what, 1, fd);
		close(fd);
	}
}

/* Those of the index-th issuer of tokens, where they are a file. */
static void give_issuers(struct parent *p)
{
	struct conf_issuer one;
	char name[4096];

	for (uint32_t i = 0; conf_issuer(&p->conf, i, &one); i++) {
		if (conf_issuer_is_far(&one))
			continue;
		snprintf(name, sizeof name, "%.*s", VIEW_ARG(one.keys));
		give_one(p, i, name, KEY_FILE_TOKENS);
	}
}

static bool give_pair(struct parent *p, uint32_t index, const char *chain_name, const char *key_name, bool more)
{
	int chain = open_file(&p->conf, chain_name);
	int key = chain < 0 ? -1 : open_file(&p->conf, key_name);

	if (key >= 0) {
		give(p, index, KEY_FILE_CHAIN, 1, chain);
		give(p, index, KEY_FILE_KEY, more, key);
		close(key);
	}
	if (chain >= 0)
		close(chain);
	return key >= 0;
}

/* ---- keys/tls/NAME.pem and NAME.key ---- */

static int is_pem(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && n < NAME_SIZE - 1 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".pem") == 0;
}

/* Those that have a key beside them, in the order of their names, moved to
 * the front; how many. */
static int find_pairs(const char *folder, struct dirent ***ret)
{
	struct dirent **all = NULL;
	int n = scandir(folder, &all, is_pem, alphasort), found = 0;

	for (int i = 0; i < n; i++) {
		char key[4600];

		snprintf(key, sizeof key, "%s/%.*s.key", folder, (int)strlen(all[i]->d_name) - 4, all[i]->d_name);
		if (found < PAIRS_MAX && access(key, R_OK) == 0) {
			struct dirent *one = all[i];

			all[i] = all[found];
			all[found++] = one;
			continue;
		}
		log_begin(LOG_WARN_, "no-tls");
		log_str("file", key);
		log_str("why", found < PAIRS_MAX ? strerror(errno) : "too many certificates");
		log_end();
	}
	for (int i = found; i < n; i++)
		free(all[i]);
	*ret = all;
	return found;
}

static void give_folder(struct parent *p, struct dirent **pairs, int n)
{
	uint32_t index = 1;

	for (int i = 0; i < n; i++) {
		char chain[NAME_SIZE + 16], key[NAME_SIZE + 16];

		snprintf(chain, sizeof chain, "keys/tls/%s", pairs[i]->d_name);
		snprintf(key, sizeof key, "keys/tls/%.*s.key", (int)strlen(pairs[i]->d_name) - 4, pairs[i]->d_name);
		/* One that went just now ends the list before it is whole: the one
		 * that is shown stays. */
		if (!give_pair(p, index, chain, key, i + 1 < n))
			return;
		index++;
	}
}

void parent_give_keys(struct parent *p)
{
	const struct conf *c = &p->conf;
	char folder[4200];
	struct dirent **pairs;
	int n;

	give_one(p, 0, c->tls_client_authorities, KEY_FILE_AUTHORITIES);
	give_issuers(p);
	snprintf(folder, sizeof folder, "%s/keys/tls", c->dir);
	n = find_pairs(folder, &pairs);
	if (give_pair(p, 0, c->tls_certificate[0] ? c->tls_certificate : "keys/tls.pem",
		      c->tls_key[0] ? c->tls_key : "keys/tls.key", n > 0))
		give_folder(p, pairs, n);
	for (int i = 0; i < n; i++)
		free(pairs[i]);
	free(pairs);
}

/* ---- keys/dkim/DOMAIN/SELECTOR.key and keys/smime/DOMAIN/SERIAL.key, which
 * warden reads itself ---- */

static int open_below(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* What root has made, in folders that are warden's: no link is followed, and
 * a file with a second name could be anybody's.  Takes dir. */
static void own_all(int dir, uint32_t uid, unsigned depth)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;

	if (d == NULL) {
		close(dir);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		int fd = e->d_name[0] == '.' ? -1 : open_below(dirfd(d), e->d_name);
		struct stat sb = { 0 };

		if (fd < 0)
			continue;
		if (fstat(fd, &sb) == 0 && sb.st_uid == 0 && (S_ISDIR(sb.st_mode) || (S_ISREG(sb.st_mode) && sb.st_nlink == 1)) &&
		    fchown(fd, uid, uid) != 0)
			log_event(LOG_WARN_, "chown", "file=%s", e->d_name);
		if (S_ISDIR(sb.st_mode) && depth)
			own_all(fd, uid, depth - 1);
		else
			close(fd);
	}
	closedir(d);
}

static void own_folder(int keys, const char *name, uint32_t uid)
{
	int fd = open_below(keys, name);

	if (fd >= 0 && fchown(fd, uid, uid) != 0)
		log_event(LOG_WARN_, "chown", "file=keys/%s", name);
	if (fd >= 0)
		own_all(fd, uid, 1);
}

void parent_own_key_folders(const struct conf *c, uint32_t uid)
{
	char path[4200];
	int keys;

	snprintf(path, sizeof path, "%s/keys", c->dir);
	keys = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keys >= 0) {
		own_folder(keys, "dkim", uid);
		own_folder(keys, "smime", uid);
		own_folder(keys, "acme", uid);
	}
	if (keys >= 0)
		close(keys);
}
