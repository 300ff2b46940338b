#include "role/walls.h"

#include "msg/charset.h"

#include <stdio.h>

/* Folders are below the instance's; a room's is that of its account in it. */
static const struct {
	unsigned calls;
	const char *writable[WALLS_FOLDERS];
	const char *const *readable;
} table[ROLE_COUNT] = {
	[ROLE_DOOR] = { .calls = SANDBOX_ACCEPT | SANDBOX_MEMFD },
	[ROLE_WARDEN] = { .calls = SANDBOX_FILES | SANDBOX_THREADS, .writable = { "directory", "keys" } },
	[ROLE_QUEUE] = { .calls = SANDBOX_FILES | SANDBOX_MEMFD, .writable = { "spool" } },
	[ROLE_NAMES] = { .calls = SANDBOX_CONNECT },
	[ROLE_RELAY] = { .calls = SANDBOX_CONNECT | SANDBOX_FILES | SANDBOX_MEMFD, .writable = { "relay" } },
	/* iconv's modules: letters in rarer charsets need them, and they are
	 * loaded when the first such letter comes. */
	[ROLE_ROOM] = { .calls = SANDBOX_FILES | SANDBOX_ACCEPT | SANDBOX_LIBRARIES,
			.writable = { "mail" }, .readable = CHARSET_FOLDERS },
};

unsigned walls_calls(enum role role)
{
	return table[role].calls;
}

void walls_of(enum role role, const char *dir, uint64_t account, struct walls *w)
{
	*w = (struct walls){ .sandbox.calls = table[role].calls };
	for (int i = 0; i < WALLS_FOLDERS && table[role].writable[i]; i++) {
		if (role == ROLE_ROOM)
			snprintf(w->paths[i], WALLS_PATH, "%s/%s/%llu", dir, table[role].writable[i],
				 (unsigned long long)account);
		else
			snprintf(w->paths[i], WALLS_PATH, "%s/%s", dir, table[role].writable[i]);
		w->sandbox.writable[i] = w->paths[i];
	}
	for (int i = 0; table[role].readable && table[role].readable[i] && i < SANDBOX_FOLDERS - 1; i++)
		w->sandbox.readable[i] = table[role].readable[i];
}
