#include "sendmail/user.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PASSWD_SIZE = 4096, ABOUT_MAX = 1024 };

void user_of(uint32_t uid, struct user *ret)
{
	char bytes[PASSWD_SIZE];
	struct passwd pw, *found = NULL;

	*ret = (struct user){ "", "" };
	if (getpwuid_r(uid, &pw, bytes, sizeof bytes, &found) != 0)
		found = NULL;
	local_name(found ? pw.pw_name : NULL, uid, ret->name);
	/* Up to the first comma stands the name; other fields follow. */
	if (found && pw.pw_gecos)
		snprintf(ret->full_name, sizeof ret->full_name, "%.*s", (int)strcspn(pw.pw_gecos, ","), pw.pw_gecos);
}

static enum status take_line(struct view line, struct about *a)
{
	struct view what = view_head(line, view_find(line, ' ')), value = view_skip(line, what.n + 1);

	if (view_eq(what, VIEW("size")))
		return view_u64(value, &a->size) ? ST_OK : ST_SYNTAX;
	if (!view_eq(what, VIEW("host")))
		return ST_OK;
	if (value.n == 0 || value.n > ABOUT_HOST_MAX)
		return ST_SYNTAX;
	memcpy(a->host, value.p, value.n);
	a->host[value.n] = '\0';
	return ST_OK;
}

enum status about_read(const char *dir, struct about *ret)
{
	struct about a = { .host = "" };
	char path[4200], text[ABOUT_MAX];
	struct view left;
	enum status st = ST_OK;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/local/about", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? ST_DENIED : ST_MISSING;
	n = read(fd, text, sizeof text);
	close(fd);
	left = view_make(text, n > 0 ? (size_t)n : 0);
	while (st == ST_OK && left.n) {
		struct view line = view_head(left, view_find(left, '\n'));

		st = take_line(line, &a);
		left = view_skip(left, line.n + 1);
	}
	if (st != ST_OK || a.host[0] == '\0' || a.size == 0)
		return ST_SYNTAX;
	*ret = a;
	return ST_OK;
}
