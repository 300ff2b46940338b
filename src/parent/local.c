/* local.c - users of this machine: the socket local/submit.
 *
 * Any of them may connect.  Who it is says the kernel (SO_PEERCRED), and what
 * he is called the system's list of users, which the other processes cannot
 * read; so the connection is accepted here and handed on to a door together
 * with both.  Not a byte of it is read here.
 *
 * run/ is the owner's alone; so there is a folder beside it:
 *
 *     local/          0755
 *     local/about     0644  host.name, and the size of the largest letter
 *     local/submit    0666  the socket
 *     local/drop/     1733  drop.c
 */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, PASSWD_SIZE = 4096 };

static void user_name(uint32_t uid, char ret[LOCAL_NAME_MAX + 1])
{
	char bytes[PASSWD_SIZE];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, bytes, sizeof bytes, &found) != 0)
		found = NULL;
	local_name(found ? pw.pw_name : NULL, uid, ret);
}

/* A door that runs, by turns; NULL: none. */
static struct child *some_door(struct parent *p)
{
	for (uint32_t i = 0; i < p->n_doors; i++) {
		struct child *c = &p->doors[p->local.next_door++ % p->n_doors];

		if (c->ready && channel_is_open(&c->ch))
			return c;
	}
	return NULL;
}

/* Only now can warden know that it is so, and not just that a door says so. */
static void tell_warden(struct parent *p, uint32_t door, const char *name)
{
	struct buf b = BUF(256);

	rec_put_local_user(&b, 0, 0, &(struct rec_local_user){ door, view_cstr(name) });
	(void)!role_send(&p->warden.ch, &b, -1);
	buf_free(&b);
}

static void hand_on(struct parent *p, int fd)
{
	struct child *door = some_door(p);
	struct buf b = BUF(256);
	struct ucred who;
	socklen_t n = sizeof who;
	char name[LOCAL_NAME_MAX + 1];

	/* Where there is none, his program finds the connection closed and keeps
	 * the letter in the drop folder. */
	if (door && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0) {
		user_name(who.uid, name);
		tell_warden(p, door->index, name);
		rec_put_local_client(&b, 0, 0, &(struct rec_local_client){ who.uid, view_cstr(name) });
		(void)!role_send(&door->ch, &b, fd);
	}
	buf_free(&b);
	close(fd);
}

static void submit_ready(struct watch *w, uint32_t events)
{
	struct parent *p = (struct parent *)((char *)w - offsetof(struct parent, local.submit));
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		hand_on(p, fd);
}

/* By way of the folder, so that a long path does not matter. */
static int bind_in(int folder, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s", folder, name);
	if (unlinkat(folder, name, 0) != 0 && errno != ENOENT && fd >= 0) {
		close(fd);
		return -1;
	}
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, BACKLOG) == 0 &&
	    fchmodat(folder, name, 0666, 0) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int open_folder(const struct parent *p)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof path, "%s/local", p->conf.dir);
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Whatever umask is. */
	if (fd >= 0 && fchmod(fd, 0755) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void parent_local_about(struct parent *p)
{
	struct buf b = BUF(1024);
	int folder = open_folder(p);
	int fd = folder < 0 ? -1 : openat(folder, "about.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	buf_putf(&b, "host %s\nsize %lld\n", p->conf.host_name, (long long)p->conf.message_size);
	if (fd < 0 || write(fd, b.p, b.n) != (ssize_t)b.n || fchmod(fd, 0644) != 0 || fsync(fd) != 0 ||
	    renameat(folder, "about.new", folder, "about") != 0)
		log_event(LOG_WARN_, "local-about", "why=\"%s\"", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	buf_free(&b);
}

enum status parent_local_open(struct parent *p)
{
	int folder, fd = -1;
	enum status st;

	if (!p->conf.local_submit)
		return ST_OK;
	folder = open_folder(p);
	if (folder >= 0)
		fd = bind_in(folder, "submit");
	st = fd < 0 ? status_of_errno(errno) : ST_OK;
	if (folder >= 0)
		close(folder);
	if (st != ST_OK)
		return st;
	parent_local_about(p);
	p->local.submit = (struct watch){ .fd = fd, .ready = submit_ready };
	st = loop_watch(p->loop, &p->local.submit, EPOLLIN);
	return st == ST_OK ? parent_drop_open(p) : st;
}

void parent_local_close(struct parent *p)
{
	char path[4200];

	if (p->local.submit.fd < 0)
		return;
	close(p->local.submit.fd);
	snprintf(path, sizeof path, "%s/local/submit", p->conf.dir);
	unlink(path);
}
