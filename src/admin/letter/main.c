/* main.c - the program waxwing-letter: the commands that look at one letter, without
 * an instance and without DNS.  Each is over in a few milliseconds, of which loading
 * the libraries of all commands would be the most. */
#include "admin/command.h"
#include "admin/tell.h"

#define C(handler, ...)
#define P(program, without, handler, ...) P_##program(handler)
#define P_letter(handler) [COMMAND_##handler] = cmd_##handler,
#define G(word, help, more, examples)
static command_run *const handlers[COMMAND_COUNT] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

static int run(struct invocation *in)
{
	if (handlers[in->command->id])
		return handlers[in->command->id](in);
	tell("waxwing-letter does not carry out `%s`; waxwing does", in->command->row.words);
	return WRONG_USE;
}

int main(int argc, char **argv)
{
	return command_line(argc, argv, run);
}
