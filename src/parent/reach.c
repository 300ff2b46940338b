/* reach.c - can the processes' own user ids get to the folder? */
#include "parent/parent.h"

#include "role/role.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status check(const char *folder, struct buf *why)
{
	struct stat sb;

	/* Ours have no group and own none of these, so what others may counts. */
	if (stat(folder, &sb) != 0 || (sb.st_mode & S_IXOTH))
		return ST_OK;
	buf_putf(why, "%s is closed (mode %04o) to the user ids that the processes run under; "
		 "`chmod o+x %s` lets them pass, or choose another folder", folder, sb.st_mode & 07777u, folder);
	return ST_DENIED;
}

enum status parent_reachable(const struct conf *c, struct buf *why)
{
	char *real = role_uid(c, ROLE_WARDEN, 0) ? realpath(c->dir, NULL) : NULL;
	enum status st = real ? check("/", why) : ST_OK;

	for (char *end = real; end && st == ST_OK;) {
		end = strchr(end + 1, '/');
		if (end)
			*end = '\0';
		st = check(real, why);
		if (end)
			*end = '/';
	}
	free(real);
	return st;
}
