/* admin.c - from the command line to the row of the table. */
#include "admin/command.h"
#include "admin/tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024, WORDS = 3 };

#define DEFAULT_DIR "/var/lib/waxwing"

static int print(struct buf *text)
{
	bool good = buf_status(text) == ST_OK && fwrite(text->p, 1, text->n, stdout) == text->n;

	buf_free(text);
	return fflush(stdout) == 0 && good ? DONE : FAILED;
}

/* The table's words are the first of the arguments; ret_n: how many. */
static bool words_match(const struct command *c, char **args, int n, int *ret_n)
{
	struct view left = view_cstr(c->words);
	int at = 0;

	while (left.n) {
		struct view word = view_head(left, view_find(left, ' '));

		if (at == n || !view_eq(word, view_cstr(args[at])))
			return false;
		left = view_skip(left, word.n + 1);
		at++;
	}
	*ret_n = at;
	return true;
}

static const struct command *find_command(char **args, int n, int *ret_words)
{
	const struct command *c;

	for (size_t i = 0; (c = command_row(i)) != NULL; i++)
		if (words_match(c, args, n, ret_words))
			return c;
	return NULL;
}

static const struct command_group *find_group(const char *word)
{
	const struct command_group *g;

	for (size_t i = 0; (g = group_row(i)) != NULL; i++)
		if (strcmp(g->word, word) == 0)
			return g;
	return NULL;
}

static int unknown_command(char **args, int n)
{
	const struct command_group *g = find_group(args[0]);
	struct buf words = BUF(256);

	if (g && n == 1) {
		tell("%s what?  `waxwing help %s` lists it", g->word, g->word);
		return WRONG_USE;
	}
	for (int i = 0; i < n && i < 2; i++)
		buf_putf(&words, "%s%.80s", i ? " " : "", args[i]);
	tell("no command `%.*s`; did you mean `%s`?  `waxwing help` lists all", VIEW_ARG(buf_view(&words)),
	     command_nearest(buf_view(&words))->words);
	buf_free(&words);
	return WRONG_USE;
}

/* ---- options ---- */

/* "--word" or "--word=VALUE"; ret_value: the latter's. */
static int option_of(const char *arg, const char **ret_value)
{
	size_t n = strcspn(arg, "=");

	for (int o = 0; o < OPTION_COUNT; o++) {
		if (strlen(option_rows[o].word) != n || strncmp(option_rows[o].word, arg, n) != 0)
			continue;
		*ret_value = arg[n] ? arg + n + 1 : NULL;
		return o;
	}
	return -1;
}

static const char *nearest_option(const char *arg)
{
	size_t least = SIZE_MAX, best = 0;

	for (size_t o = 0; o < OPTION_COUNT; o++) {
		size_t d = view_distance(view_head(view_cstr(arg), 40), view_cstr(option_rows[o].word));

		if (d < least) {
			least = d;
			best = o;
		}
	}
	return option_rows[best].word;
}

/* Takes argv[*at]; its value may be the next one. */
static int take_option(struct invocation *in, int argc, char **argv, int *at)
{
	const char *value = NULL;
	int o = option_of(argv[*at], &value);

	if (o < 0) {
		tell("unknown option %.40s; did you mean %s?", argv[*at], nearest_option(argv[*at]));
		return WRONG_USE;
	}
	if (option_rows[o].value == NULL && value) {
		tell("%s takes no value", option_rows[o].word);
		return WRONG_USE;
	}
	if (option_rows[o].value && value == NULL) {
		if (*at + 1 == argc) {
			tell("%s wants a value: %s %s", option_rows[o].word, option_rows[o].word,
			     option_rows[o].value);
			return WRONG_USE;
		}
		value = argv[++*at];
	}
	in->given[o] = value ? value : "";
	return DONE;
}

static int take_command_line(struct invocation *in, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
			in->args[in->n++] = argv[i];
		else if (take_option(in, argc, argv, &i) != DONE)
			return WRONG_USE;
	}
	return DONE;
}

static int check_options(const struct invocation *in)
{
	for (int o = 0; o < OPTION_COUNT; o++) {
		if (in->given[o] && !((in->command->options | OPTIONS_ALWAYS) & (UINT64_C(1) << o))) {
			tell("`waxwing %s` has no option %s", in->command->words, option_rows[o].word);
			return WRONG_USE;
		}
	}
	return DONE;
}

static int wrong_count(const struct invocation *in)
{
	struct buf line = BUF(1024);

	usage_line(in->command, &line);
	tell("%s; usage: %.*s", in->n < in->command->least ? "something is missing" : "too many arguments",
	     VIEW_ARG(buf_view(&line)));
	buf_free(&line);
	return WRONG_USE;
}

/* ---- help ---- */

static int help(char **args, int n)
{
	struct buf out = BUF(TEXT_MAX);
	const struct command_group *g = n ? find_group(args[0]) : NULL;

	if (n && g == NULL)
		return unknown_command(args, n);
	if (g)
		help_group(g, &out);
	else
		help_all(&out);
	return print(&out);
}

/* The row, and what is left of the arguments. */
static int choose(struct invocation *in)
{
	int words = 0;

	if (in->n && strcmp(in->args[0], "help") == 0)
		return help(in->args + 1, in->n - 1);
	if (in->given[OPTION_help])
		return help(in->args, in->n);
	if (in->n == 0) {
		help(in->args, 0);
		return WRONG_USE;
	}
	in->command = find_command(in->args, in->n, &words);
	if (in->command == NULL)
		return unknown_command(in->args, in->n);
	in->args += words;
	in->n -= words;
	if (check_options(in) != DONE)
		return WRONG_USE;
	return in->n < in->command->least || in->n > in->command->most ? wrong_count(in) : DONE;
}

int command_line(int argc, char **argv, command_run *run)
{
	char **args = calloc((size_t)argc + 1, sizeof *args);
	struct invocation in = { .argv = argv, .dir = getenv("WAXWING_DIR"), .args = args };
	int status;

	if (args == NULL) {
		tell("%s", status_name(ST_NOMEM));
		return FAILED;
	}
	status = take_command_line(&in, argc, argv) == DONE ? choose(&in) : WRONG_USE;
	if (in.given[OPTION_dir])
		in.dir = in.given[OPTION_dir];
	if (in.dir == NULL || in.dir[0] == '\0')
		in.dir = DEFAULT_DIR;
	/* Where it was help, or wrong, all is said. */
	if (status == DONE && in.command)
		status = run(&in);
	free(args);
	return status;
}
