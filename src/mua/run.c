/* run.c - from the command line to the row of the table. */
#include "mua/verb.h"

#include <locale.h>
#include <signal.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

const char *option(const struct invocation *in, enum option_id id)
{
	const char *value = NULL;

	for (size_t i = 0; i < in->n_given; i++)
		if (in->given[i].option == id)
			value = in->given[i].value;
	return value;
}

const char *option_next(const struct invocation *in, enum option_id id, size_t *at)
{
	while (*at < in->n_given) {
		const struct cli_given *g = &in->given[(*at)++];

		if (g->option == id)
			return g->value;
	}
	return NULL;
}

static void help_all(struct buf *out)
{
	const struct cli_row *v;

	buf_puts(out, "waxmail - read and write mail in the terminal\n\nusage: waxmail\n"
		      "       waxmail VERB [ARGUMENT ...] [OPTION ...]\n\nWithout a verb it is a full-screen reader.\n\n");
	for (size_t i = 0; (v = verb_cli.row(i)) != NULL; i++)
		cli_list_row(v, out);
	buf_puts(out, "\nWhere letters are named by [ID ...] and none is, they are read from standard input:\n"
		      "what list and search print, also with --json.  `waxmail help VERB` says more, and so\n"
		      "does man waxmail.\n");
}

/* Of everything, of the one verb that is named, or of all that begin with that word. */
static int help(char **args, int n)
{
	int words;
	const struct cli_row *v = cli_find(&verb_cli, args, n, &words);
	struct buf out = BUF(TEXT_MAX);

	if (n == 0)
		help_all(&out);
	else if (v)
		cli_help_row(&verb_cli, v, &out);
	else if (!cli_help(&verb_cli, view_cstr(args[0]), &out))
		return cli_unknown(&verb_cli, args, n);
	return cli_print(&out);
}

static bool hidden(int argc, char **argv, int *ret_status)
{
	struct buf out = BUF(TEXT_MAX);

	if (argc != 2)
		return false;
	if (strcmp(argv[1], "--manual") == 0)
		verb_manual(&out);
	else if (strcmp(argv[1], "--completion") == 0)
		cli_completion(&verb_cli, &out);
	else if (strcmp(argv[1], "--version") == 0)
		buf_puts(&out, "waxmail " WAXWING_VERSION "\n");
	else
		return false;
	*ret_status = cli_print(&out);
	return true;
}

static int run(const struct cli_line *line)
{
	struct invocation in = { .args = line->args, .n = line->n, .given = line->given, .n_given = line->n_given };
	const struct cli_row *row;
	int words = 0;

	if (in.n && strcmp(in.args[0], "help") == 0)
		return help(in.args + 1, in.n - 1);
	if (GIVEN(&in, help))
		return help(in.args, in.n);
	if (in.n == 0)
		return verb_screen(&in);
	row = cli_find(&verb_cli, in.args, in.n, &words);
	if (row == NULL)
		return cli_unknown(&verb_cli, in.args, in.n);
	in.verb = (const struct verb *)row;	/* begins with it */
	in.args += words;
	in.n -= words;
	return cli_check(&verb_cli, row, line, in.n) == DONE ? in.verb->run(&in) : WRONG_USE;
}

int verb_run(int argc, char **argv)
{
	struct cli_line line;
	int status;

	/* A reader that ends early (head) is an error of writing, not a death. */
	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "");
	if (hidden(argc, argv, &status))
		return status;
	status = cli_take(&verb_cli, argc, argv, &line);
	if (status == DONE)
		status = run(&line);
	cli_free(&line);
	return status;
}
