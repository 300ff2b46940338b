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

#include "base/buf.h"
#include "base/status.h"

enum { DONE = 0, FAILED = 1, WRONG_USE = 2 };

/* ---- options ---- */

enum option_id {
#define O(id, word, value, help) OPTION_##id,
#include "admin/options.def"
#undef O
	OPTION_COUNT,
};

struct option_row {
	const char *word;	/* "--dir" */
	const char *value;	/* "DIR", or NULL for one without a value */
	const char *help;
};

extern const struct option_row option_rows[OPTION_COUNT];

/* A set of them. */
typedef uint64_t option_set;
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
	enum command_id id;
	/* Who carries it out: waxwing-PROGRAM, or, where an option of `without` is given,
	 * waxwing-admin, which is linked with all libraries. */
	const char *program;
	option_set without;
	const char *words;	/* "account add" */
	const char *arguments;	/* "ADDRESS", for the usage line */
	int least, most;	/* of them */
	option_set options;	/* besides OPTIONS_ALWAYS */
	const char *help;	/* one line */
	const char *more;	/* paragraphs, for the manual page; may be empty */
};

/* A group is one word and has one manual page, waxwing-WORD(8). */
struct command_group {
	const char *word;
	const char *help;	/* one line, without a stop: NAME in the manual */
	const char *more;	/* paragraphs: DESCRIPTION */
	const char *examples;	/* command lines, one a line */
};

/* All rows, in the order of commands.def; NULL past the end. */
const struct command *command_row(size_t i);
const struct command_group *group_row(size_t i);

/* Is the command one of the group? */
bool command_in_group(const struct command *c, const struct command_group *g);

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

/* ---- words about the table (table.c) ---- */

/* "account add ADDRESS [--quota SIZE] ..." */
void usage_line(const struct command *c, struct buf *out);
/* All commands, or those of one group, or one, as text for a terminal. */
void help_all(struct buf *out);
void help_group(const struct command_group *g, struct buf *out);
/* The script for bash. */
void completion(struct buf *out);

/* admin.c: from the command line to the row, and on to `run`.  The exit status. */
int command_line(int argc, char **argv, command_run *run);
/* hidden.c: what the build and the parent's children ask (--manual, --completion,
 * --records, --filter).  False: it is none of that. */
bool command_hidden(int argc, char **argv, int *ret_status);

/* The command that is nearest to the words, for "did you mean". */
const struct command *command_nearest(struct view words);

/* ---- the manual (manual.c) ---- */

/* The page in mdoc(7): "waxwing", "waxwing-WORD" or "waxwing.conf".
 * ST_MISSING: there is no such page. */
enum status manual_page(struct view name, struct buf *out) MUST_USE;
/* manual_sendmail.c: the page waxwing-sendmail(1). */
void manual_sendmail(struct buf *out);
/* What pages are made of: the head of one, and plain paragraphs, in which
 * `typed words` are bold. */
void manual_head(struct buf *out, const char *name, int section, const char *help);
void manual_text(struct buf *out, const char *text);
/* The names of all pages with their sections, a line each. */
void manual_names(struct buf *out);

#endif
