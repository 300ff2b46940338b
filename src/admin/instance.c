#include "admin/instance.h"

#include "admin/tell.h"

#include <stdio.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

enum status instance_conf(const struct invocation *in, struct conf *ret)
{
	struct buf why = BUF(PATH_SIZE);
	enum status st = conf_load(in->dir, ret, &why);

	if (st != ST_OK)
		tell("%.*s", VIEW_ARG(buf_view(&why)));
	buf_free(&why);
	return st;
}

static const struct reason no_directory[] = {
	{ ST_MISSING, "no instance here; `waxwing setup DOMAIN --dir DIR` makes one" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_CORRUPT, "this file is damaged" },
	{ ST_OK, NULL },
};

enum status instance_directory(const struct invocation *in, struct directory **ret)
{
	char path[PATH_SIZE];
	enum status st;

	snprintf(path, sizeof path, "%s/directory/directory.db", in->dir);
	st = access(path, F_OK) == 0 ? directory_open(path, ret) : ST_MISSING;
	if (st != ST_OK)
		complain(st == ST_MISSING ? in->dir : path, st, no_directory);
	return st;
}
