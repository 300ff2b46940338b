/* main.c - the program waxwing-admin: every command of waxwing(8), and (behind
 * --role) the processes that the parent starts. */
#include "admin/command.h"
#include "admin/inspect.h"

#include "door/door.h"
#include "mta/queue/queue.h"
#include "mta/relay/relay.h"
#include "names/names.h"
#include "parent/parent.h"
#include "role/role.h"
#include "room/room.h"
#include "warden/warden.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*main)(void);
} roles[] = {
	{ "door", door_main },
	{ "warden", warden_main },
	{ "queue", queue_main },
	{ "names", names_main },
	{ "relay", relay_main },
};

static int role(char **argv)
{
	const char *name = argv[2];

	if (strcmp(name, "room") == 0 || strcmp(name, SPARE_ROOM) == 0)
		return room_main(argv, encrypt_letter);
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].main();
	fprintf(stderr, "waxwing: no role %s\n", name);
	return 2;
}

#define C(handler, ...) [COMMAND_##handler] = cmd_##handler,
#define P(program, without, handler, ...) [COMMAND_##handler] = cmd_##handler,
#define G(word, help, more, examples)
static command_run *const handlers[COMMAND_COUNT] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

static int run(struct invocation *in)
{
	in->asking = &asking;
	return handlers[in->command->id](in);
}

int main(int argc, char **argv)
{
	int status;

	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return role(argv);
	return command_hidden(argc, argv, &status) ? status : command_line(argc, argv, run);
}
