/* cli.h - programs whose commands and options are tables: waxwing(8), waxmail(1).
 *
 * A program's tables are its only lists.  From them come the parsing of the command
 * line (line.c), the help (help.c), the completion (completion.c) and what the manual
 * pages are made of (mdoc.c).  A row of a program may have more than cli_row; it begins
 * with that.
 *
 * What is wrong with a command line is said on standard error, with the program's name
 * before it.
 */
#ifndef WAXWING_CLI_CLI_H
#define WAXWING_CLI_CLI_H

#include "base/buf.h"
#include "base/status.h"

/* The exit status. */
enum { DONE = 0, FAILED = 1, WRONG_USE = 2 };

struct option_row {
	const char *word;	/* "--dir" */
	const char *value;	/* "DIR", or NULL for one without; FILE and DIR are completed by bash */
	const char *help;
};

/* A bit for each option, in the order of the table; at most 64. */
typedef uint64_t option_set;

struct cli_row {
	const char *words;	/* "account add" */
	const char *arguments;	/* "ADDRESS", for the usage line */
	int least, most;	/* of them */
	option_set options;	/* besides those of every row */
	const char *help;	/* one line */
	const char *more;	/* paragraphs, for the manual page; may be empty */
};

struct cli {
	const char *program;	/* "waxwing" */
	const char *kind;	/* what it calls a row: "command" */
	const struct option_row *options;
	size_t n_options;
	option_set always;	/* every row has them */
	option_set shown;	/* those of them that a usage line shows */
	bool dash;		/* what begins with one hyphen is an option, too, and unknown */
	const struct cli_row *(*row)(size_t i);	/* NULL past the end */
	const char *date;	/* of its manual pages: "November 22, 2026" */
};

/* ---- the command line (line.c) ---- */

struct cli_given {
	size_t option;
	const char *value;	/* "" for one without */
};

struct cli_line {
	char **args;		/* what is no option; n of them */
	int n;
	struct cli_given *given;	/* in their order */
	size_t n_given;
};

/* Divides a command line; "--" ends the options.  The caller frees ret in any case. */
int cli_take(const struct cli *c, int argc, char **argv, struct cli_line *ret) MUST_USE;
void cli_free(struct cli_line *l);

/* The row whose words are the first arguments; ret_words: how many they are.  NULL: none. */
const struct cli_row *cli_find(const struct cli *c, char **args, int n, int *ret_words);
/* Has the row these options, and takes it n arguments? */
int cli_check(const struct cli *c, const struct cli_row *r, const struct cli_line *l, int n) MUST_USE;
/* Says that there is no such row, and which is the nearest; WRONG_USE. */
int cli_unknown(const struct cli *c, char **args, int n);
/* Writes it to standard output, and frees it: DONE or FAILED. */
int cli_print(struct buf *text);

/* ---- help (help.c) ---- */

struct view cli_first_word(const struct cli_row *r);
/* "waxwing account add ADDRESS [--quota SIZE] ...", without an end of line. */
void cli_usage(const struct cli *c, const struct cli_row *r, struct buf *out);
/* "words arguments" and the one line, in two columns. */
void cli_list_row(const struct cli_row *r, struct buf *out);
/* The usage and the one line of each row with that first word, and their options;
 * false: there is none. */
bool cli_help(const struct cli *c, struct view word, struct buf *out);
/* The usage of one row, all that the manual says of it, and its options. */
void cli_help_row(const struct cli *c, const struct cli_row *r, struct buf *out);
/* All options of the rows with that first word. */
option_set cli_options(const struct cli *c, struct view word);

/* ---- completion (completion.c) ---- */

/* The script for bash. */
void cli_completion(const struct cli *c, struct buf *out);

/* ---- manual pages in mdoc(7) (mdoc.c) ---- */

/* The begin of a page; help is its one line. */
void mdoc_head(const struct cli *c, struct buf *out, const char *name, int section, const char *help);
/* Plain paragraphs with an empty line between: each sentence begins a line, no line is
 * long, and `typed words` are bold. */
void mdoc_text(struct buf *out, const char *text);
/* " Ar ADDRESS Oo Ar ID Oc", behind a macro. */
void mdoc_arguments(struct buf *out, const char *arguments);
/* ".Op Fl -quota Ar SIZE", a line for each option of the set. */
void mdoc_usage(const struct cli *c, option_set set, struct buf *out);
/* The options with their help, as a list. */
void mdoc_options(const struct cli *c, option_set set, struct buf *out);
/* Command lines as they are typed. */
void mdoc_literal(struct buf *out, const char *text);
void mdoc_exit_status(struct buf *out);

#endif
