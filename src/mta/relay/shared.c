#include "mta/relay/shared.h"

#include "base/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum status shared_open(const char *folder, const char *name, const char *schema, struct sql **ret)
{
	char path[4096];
	struct sql *db = NULL;
	int dir;
	enum status st = disk_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &dir);

	if (st != ST_OK)
		return st;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	st = flock(dir, LOCK_EX) == 0 ? sql_open(&sql_sqlite, path, SQL_DURABLE, &db) : ST_IO;
	if (st == ST_OK)
		st = sql_exec(db, schema);
	close(dir);
	if (st != ST_OK) {
		sql_close(db);
		return st;
	}
	*ret = db;
	return ST_OK;
}
