#include "base/beside.h"

#include <stdio.h>
#include <unistd.h>

static const char *const places[BESIDE_PLACES] = { "", "../libexec/waxwing/", "../../bin/" };

void beside_path(size_t place, const char *name, char path[static BESIDE_PATH])
{
	char folder[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);

	while (n > 0 && folder[n - 1] != '/')
		n--;
	path[0] = '\0';
	if (n > 0 && place < BESIDE_PLACES)
		snprintf(path, BESIDE_PATH, "%.*s%s%s", (int)n, folder, places[place], name);
}

void beside_become(const char *name, char **argv)
{
	char path[BESIDE_PATH];

	for (size_t i = 0; beside_path(i, name, path), path[0]; i++)
		execv(path, argv);
}
