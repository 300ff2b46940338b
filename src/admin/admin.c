/* admin.c - from the command line to the row of the table. */
#include "admin/admin.h"

#include "admin/command.h"
#include "admin/tell.h"
#include "ipc/records.h"
#include "role/walls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- what is no row of the table: help, and what the build asks ---- */

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

static int manual(const char *name)
{
	struct buf out = BUF(TEXT_MAX);

	if (strcmp(name, "list") == 0) {
		manual_names(&out);
	} else if (manual_page(view_cstr(name), &out) != ST_OK) {
		tell("no manual page %.80s", name);
		return WRONG_USE;
	}
	return print(&out);
}

static void roles_of(unsigned set, struct buf *out)
{
	const char *comma = "";

	if (set == (1u << ROLE_ADMIN) - 1) {
		buf_puts(out, "everybody");
		return;
	}
	for (int r = 0; r < ROLE_COUNT; r++) {
		if (!(set & (1u << r)))
			continue;
		buf_putf(out, "%s%s", comma, r == ROLE_ADMIN ? "waxwing(8)" : role_name((enum role)r));
		comma = ", ";
	}
}

/* The table of records as INTERNALS.md has it. */
static void records(struct buf *out)
{
	static const char *const descriptors[] = { "", "one", "maybe" };
	struct record_row row;

	buf_puts(out, "| record | from | to | descriptor | fields | what it says |\n"
		      "| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned type = 1; record_row(type, &row); type++) {
		buf_putf(out, "| %s | ", row.name);
		roles_of(row.from, out);
		buf_puts(out, " | ");
		roles_of(row.to, out);
		buf_putf(out, " | %s | %s | %s |\n", descriptors[row.descriptor], row.fields, row.doc);
	}
}

/* The system calls that a role may make, as the kernel's program. */
static int filter(const char *name)
{
	char bytes[4096];
	ssize_t n;
	int fd, role = 0;

	while (role < ROLE_COUNT && strcmp(role_name((enum role)role), name) != 0)
		role++;
	if (role == ROLE_COUNT || sandbox_filter_make(walls_calls((enum role)role), &fd) != ST_OK) {
		tell("no filter for %.80s", name);
		return WRONG_USE;
	}
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		fwrite(bytes, 1, (size_t)n, stdout);
	close(fd);
	return fflush(stdout) == 0 ? DONE : FAILED;
}

static bool hidden(int argc, char **argv, int *ret_status)
{
	struct buf out = BUF(TEXT_MAX);

	if (argc == 3 && strcmp(argv[1], "--manual") == 0) {
		*ret_status = manual(argv[2]);
		return true;
	}
	if (argc == 3 && strcmp(argv[1], "--filter") == 0) {
		*ret_status = filter(argv[2]);
		return true;
	}
	if (argc == 2 && strcmp(argv[1], "--completion") == 0)
		completion(&out);
	else if (argc == 2 && strcmp(argv[1], "--records") == 0)
		records(&out);
	else if (argc == 2 && strcmp(argv[1], "--version") == 0)
		buf_puts(&out, "waxwing " WAXWING_VERSION "\n");
	else
		return false;
	*ret_status = print(&out);
	return true;
}

int admin_command(int argc, char **argv)
{
	struct invocation in = { .dir = getenv("WAXWING_DIR"), .args = argv + 1 };
	int words = 0, status;

	if (hidden(argc, argv, &status))
		return status;
	if (take_command_line(&in, argc, argv) != DONE)
		return WRONG_USE;
	if (in.n && strcmp(in.args[0], "help") == 0)
		return help(in.args + 1, in.n - 1);
	if (in.given[OPTION_help])
		return help(in.args, in.n);
	if (in.n == 0) {
		help(in.args, 0);
		return WRONG_USE;
	}
	in.command = find_command(in.args, in.n, &words);
	if (in.command == NULL)
		return unknown_command(in.args, in.n);
	in.args += words;
	in.n -= words;
	if (check_options(&in) != DONE)
		return WRONG_USE;
	if (in.n < in.command->least || in.n > in.command->most)
		return wrong_count(&in);
	if (in.given[OPTION_dir])
		in.dir = in.given[OPTION_dir];
	if (in.dir == NULL || in.dir[0] == '\0')
		in.dir = DEFAULT_DIR;
	return in.command->run(&in);
}
