/* admin.c - from the command line to the row of the table. */
#include "admin/command.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

#define DEFAULT_DIR "/var/lib/waxwing"

/* ---- help ---- */

static void help_groups(struct buf *out)
{
	const struct command_group *g;

	buf_puts(out, "waxwing - a complete mail system\n\nusage: waxwing COMMAND [ARGUMENT ...] [OPTION ...]\n\n");
	for (size_t i = 0; (g = group_row(i)) != NULL; i++)
		cli_list_row(&(struct cli_row){ .words = g->word, .arguments = "", .help = g->help }, out);
	buf_puts(out, "\n`waxwing help COMMAND` lists what it can do, `waxwing help all` what all can.\n"
		      "man waxwing-COMMAND says more, man waxwing.conf what can be set.\n");
}

static void help_all(struct buf *out)
{
	const struct command_group *g;
	const struct cli_row *c;

	for (size_t i = 0; (g = group_row(i)) != NULL; i++) {
		buf_putf(out, "%s%s - %s\n", i ? "\n" : "", g->word, g->help);
		for (size_t k = 0; (c = admin_cli.row(k)) != NULL; k++)
			if (command_in_group(c, g))
				cli_list_row(c, out);
	}
}

static const struct command_group *find_group(const char *word)
{
	const struct command_group *g;

	for (size_t i = 0; (g = group_row(i)) != NULL; i++)
		if (strcmp(g->word, word) == 0)
			return g;
	return NULL;
}

static void help_group(const struct command_group *g, struct buf *out)
{
	buf_putf(out, "waxwing %s - %s\n\n", g->word, g->help);
	cli_help(&admin_cli, view_cstr(g->word), out);
	buf_putf(out, "\nman waxwing-%s says more.\n", g->word);
}

/* Of everything, of a group by its word alone, or of the one command that is named. */
static int help(char **args, int n)
{
	const struct command_group *g = n ? find_group(args[0]) : NULL;
	const struct cli_row *row = NULL;
	struct buf out = BUF(TEXT_MAX);
	int words;

	if (n > 1)
		row = cli_find(&admin_cli, args, n, &words);
	if (n == 0)
		help_groups(&out);
	else if (row)
		cli_help_row(&admin_cli, row, &out);
	else if (g)
		help_group(g, &out);
	else if (strcmp(args[0], "all") == 0)
		help_all(&out);
	else
		return cli_unknown(&admin_cli, args, n);
	return cli_print(&out);
}

/* ---- the command ---- */

/* The row, and what is left of the arguments. */
static int choose(struct invocation *in, const struct cli_line *line)
{
	const struct cli_row *row;
	int words = 0;

	in->args = line->args;
	in->n = line->n;
	for (size_t i = 0; i < line->n_given; i++)
		in->given[line->given[i].option] = line->given[i].value;
	if (in->n && strcmp(in->args[0], "help") == 0)
		return help(in->args + 1, in->n - 1);
	if (in->given[OPTION_help])
		return help(in->args, in->n);
	if (in->n == 0) {
		help(in->args, 0);
		return WRONG_USE;
	}
	row = cli_find(&admin_cli, in->args, in->n, &words);
	if (row == NULL)
		return cli_unknown(&admin_cli, in->args, in->n);
	in->command = (const struct command *)row;	/* begins with it */
	in->args += words;
	in->n -= words;
	return cli_check(&admin_cli, row, line, in->n);
}

int command_line(int argc, char **argv, command_run *run)
{
	struct invocation in = { .argv = argv, .dir = getenv("WAXWING_DIR") };
	struct cli_line line;
	int status = cli_take(&admin_cli, argc, argv, &line);

	if (status == DONE)
		status = choose(&in, &line);
	if (in.given[OPTION_dir])
		in.dir = in.given[OPTION_dir];
	if (in.dir == NULL || in.dir[0] == '\0')
		in.dir = DEFAULT_DIR;
	/* Where it was help, or wrong, all is said. */
	if (status == DONE && in.command)
		status = run(&in);
	cli_free(&line);
	return status;
}
