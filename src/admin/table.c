/* table.c - the commands. */
#include "admin/command.h"

#define O(id, word, value, help) { word, value, help },
static const struct option_row options[OPTION_COUNT] = {
#include "admin/options.def"
};
#undef O

#define C(handler, ...) P(admin, 0, handler, __VA_ARGS__)
#define P(program, without, handler, words, arguments, least, most, options, help, more) \
	{ { words, arguments, least, most, options, help, more }, COMMAND_##handler, #program, without },
#define G(word, help, more, examples)
static const struct command commands[] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

#define C(handler, ...)
#define P(program, without, handler, ...)
#define G(word, help, more, examples) { word, help, more, examples },
static const struct command_group groups[] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

enum { COMMANDS = sizeof commands / sizeof *commands, GROUPS = sizeof groups / sizeof *groups };

static const struct cli_row *row(size_t i)
{
	return i < COMMANDS ? &commands[i].row : NULL;
}

const struct cli admin_cli = { .program = "waxwing", .kind = "command", .options = options, .n_options = OPTION_COUNT,
			       .always = OPTIONS_ALWAYS, .shown = OPT(dir), .dash = true, .row = row,
			       .date = "November 22, 2026" };

const struct command_group *group_row(size_t i)
{
	return i < GROUPS ? &groups[i] : NULL;
}

bool command_in_group(const struct cli_row *c, const struct command_group *g)
{
	return view_eq(cli_first_word(c), view_cstr(g->word));
}
