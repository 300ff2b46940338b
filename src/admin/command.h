/* command.h - what a command of waxwing(8) is made of.
 *
 * commands.def and options.def are the only lists.  From them come the
 * parsing of the command line, `waxwing help`, the manual pages, the shell
 * completion and the prototypes of the handlers.  To add a command: a row in
 * commands.def, and cmd_NAME in a file of this folder.
 *
 * waxwing itself (main.c) knows the table and is linked with nothing but libc.  What
 * carries a command out is another program, which gets the same command line:
 * waxwing-admin (whole/main.c) all of them, waxwing-letter (letter/main.c) those of
 * its rows P(letter, ...), which need few libraries and so start in a third of the time.
 *
 * A handler returns the exit status: DONE, FAILED (refused or failed, said on
 * standard error) or WRONG_USE.  Results go to standard output and nothing
 * else does.
 */
#ifndef WAXWING_ADMIN_COMMAND_H
#define WAXWING_ADMIN_COMMAND_H

#include "cli/cli.h"

/* ---- options ---- */

enum option_id {
#define O(id, word, value, help) OPTION_##id,
#include "admin/options.def"
#undef O
	OPTION_COUNT,
};

#define OPT(id) (UINT64_C(1) << OPTION_##id)
_Static_assert(OPTION_COUNT <= 64, "an option_set has a bit for each");

/* Options that every command has. */
#define OPTIONS_ALWAYS (OPT(dir) | OPT(help))

/* ---- commands ---- */

struct invocation;

enum command_id {
#define C(handler, ...) COMMAND_##handler,
#define P(program, without, handler, ...) COMMAND_##handler,
#define G(word, help, more, examples)
#include "admin/commands.def"
#undef C
#undef P
#undef G
	COMMAND_COUNT,
};

struct command {
	struct cli_row row;
	enum command_id id;
	/* Who carries it out: waxwing-PROGRAM, or, where an option of `without` is given,
	 * waxwing-admin, which is linked with all libraries. */
	const char *program;
	option_set without;
};

/* A group is one word and has one manual page, waxwing-WORD(8). */
struct command_group {
	const char *word;
	const char *help;	/* one line, without a stop: NAME in the manual */
	const char *more;	/* paragraphs: DESCRIPTION */
	const char *examples;	/* command lines, one a line */
};

/* The tables, in the order of commands.def (table.c). */
extern const struct cli admin_cli;
/* NULL past the end. */
const struct command_group *group_row(size_t i);
/* Is the command one of the group? */
bool command_in_group(const struct cli_row *c, const struct command_group *g);

/* One invocation: what the command line said. */
struct invocation {
	const struct command *command;
	char **argv;		/* the command line as it came */
	const char *dir;
	char **args;		/* without words and options; n of them */
	int n;
	const char *given[OPTION_COUNT];	/* the value, "" for one without, NULL: absent */
	const struct asking *asking;	/* how this program asks DNS (admin/inspect.h); NULL: it cannot */
};

typedef int command_run(struct invocation *in);

#define C(handler, ...) int cmd_##handler(struct invocation *in);
#define P(program, without, handler, ...) int cmd_##handler(struct invocation *in);
#define G(word, help, more, examples)
#include "admin/commands.def"
#undef C
#undef P
#undef G

/* ---- the command line ---- */

/* admin.c: from the command line to the row, and on to `run`.  The exit status. */
int command_line(int argc, char **argv, command_run *run);
/* hidden.c: what the build and the parent's children ask (--manual, --completion,
 * --records, --filter).  False: it is none of that. */
bool command_hidden(int argc, char **argv, int *ret_status);

/* ---- the manual (manual.c) ---- */

/* The page in mdoc(7): "waxwing", "waxwing-WORD" or "waxwing.conf".
 * ST_MISSING: there is no such page. */
enum status manual_page(struct view name, struct buf *out) MUST_USE;
/* manual_sendmail.c: the page waxwing-sendmail(1). */
void manual_sendmail(struct buf *out);
/* The names of all pages with their sections, a line each. */
void manual_names(struct buf *out);

#endif
