/* verb.h - what a verb of waxmail(1) is made of.
 *
 * verbs.def and options.def are the only lists.  From them come the parsing
 * of the command line, `waxmail help`, the manual page, the shell completion
 * and the prototypes of the handlers.  To add a verb: a row in verbs.def, and
 * verb_NAME in a file of verbs/.
 *
 * A handler returns the exit status.  Results go to standard output and
 * nothing else does.
 */
#ifndef WAXWING_MUA_VERB_H
#define WAXWING_MUA_VERB_H

#include "cli/cli.h"

enum option_id {
#define O(id, word, value, help) OPTION_##id,
#include "mua/options.def"
#undef O
	OPTION_COUNT,
};

#define OPT(id) (UINT64_C(1) << OPTION_##id)
#define OPTIONS_ALWAYS (OPT(account) | OPT(help))
_Static_assert(OPTION_COUNT <= 64, "an option_set has a bit for each");

struct invocation;

struct verb {
	struct cli_row row;
	int (*run)(struct invocation *in);
	const char *examples;	/* command lines, one a line */
};

/* The tables, in the order of verbs.def (table.c).  A row is the begin of a struct verb. */
extern const struct cli verb_cli;

/* One invocation: what the command line said. */
struct invocation {
	const struct verb *verb;
	char **args;		/* without words and options; n of them */
	int n;
	struct cli_given *given;	/* in their order */
	size_t n_given;
};

/* The last value of an option, "" for one without, NULL: absent. */
const char *option(const struct invocation *in, enum option_id id);
/* One after another: start with *at = 0; NULL at the end. */
const char *option_next(const struct invocation *in, enum option_id id, size_t *at);
#define GIVEN(in, id) (option((in), OPTION_##id) != NULL)
#define VALUE(in, id) option((in), OPTION_##id)

#define V(handler, words, arguments, least, most, options, help, more, examples) int verb_##handler(struct invocation *in);
#include "mua/verbs.def"
#undef V

/* From the command line to the handler; the exit status. */
int verb_run(int argc, char **argv);
/* Without a verb: the full-screen reader. */
int verb_screen(struct invocation *in);

/* waxmail(1) in mdoc(7). */
void verb_manual(struct buf *out);

#endif
