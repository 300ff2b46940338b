/* walls.h - what each role may still do: the one table, which the roles use
 * when they lock themselves in, and tests/walls.c to try them from inside. */
#ifndef WAXWING_ROLE_WALLS_H
#define WAXWING_ROLE_WALLS_H

#include "base/sandbox.h"
#include "conf/conf.h"
#include "ipc/records.h"

enum { WALLS_PATH = 4096, WALLS_FOLDERS = 2 };

/* The walls of a process; holds the paths that sandbox points to. */
struct walls {
	struct sandbox sandbox;
	char paths[WALLS_FOLDERS][WALLS_PATH];
};

/* Its system calls alone (SANDBOX_*), for a filter made ahead. */
unsigned walls_calls(enum role role);

/* Those of a role below the instance's folder; account is a room's.  *w must
 * not be moved afterwards. */
void walls_of(enum role role, const char *dir, uint64_t account, struct walls *w);

#endif
