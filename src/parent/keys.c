/* keys.c - the files of certificates and keys, opened for warden, which can
 * open nothing and may not be who owns them. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As set, relative to the directory, or what `setup` made. */
static int open_file(const struct conf *c, const char *set, const char *made)
{
	char path[4096];
	int fd;

	if (set[0] == '/')
		snprintf(path, sizeof path, "%s", set);
	else
		snprintf(path, sizeof path, "%s/%s", c->dir, set[0] ? set : made);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		log_begin(LOG_WARN_, "no-tls");
		log_str("file", path);
		log_str("why", strerror(errno));
		log_end();
	}
	return fd;
}

static void give(struct parent *p, uint8_t what, uint8_t more, int fd)
{
	struct buf b = BUF(64);

	rec_put_key_file(&b, 0, 0, &(struct rec_key_file){ 0, what, more });
	(void)!role_send(&p->warden.ch, &b, fd);
	buf_free(&b);
}

void parent_give_keys(struct parent *p)
{
	int chain = open_file(&p->conf, p->conf.tls_certificate, "keys/tls.pem");
	int key = chain < 0 ? -1 : open_file(&p->conf, p->conf.tls_key, "keys/tls.key");

	if (key >= 0) {
		give(p, KEY_FILE_CHAIN, 1, chain);
		give(p, KEY_FILE_KEY, 0, key);
		close(key);
	}
	if (chain >= 0)
		close(chain);
}
