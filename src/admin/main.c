/* main.c - waxwing(8) as people call it: understands the command line, helps, and goes
 * on as the program that carries the command out (admin/command.h). */
#include "admin/command.h"
#include "admin/tell.h"
#include "base/beside.h"

#include <stdio.h>
#include <string.h>

static int carry_out(struct invocation *in)
{
	const struct command *c = in->command;
	char name[64];

	snprintf(name, sizeof name, "waxwing-%s", c->program);
	for (int o = 0; o < OPTION_COUNT; o++)
		if (in->given[o] && (c->without >> o & 1))
			snprintf(name, sizeof name, "waxwing-admin");
	beside_become(name, in->argv);
	tell("%s is not where it was installed", name);
	return FAILED;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("waxwing " WAXWING_VERSION) < 0 || fflush(stdout) != 0;
	/* Not for people: --manual, --role and the like. */
	if (argc > 1 && strncmp(argv[1], "--", 2) == 0)
		beside_become("waxwing-admin", argv);
	return command_line(argc, argv, carry_out);
}
