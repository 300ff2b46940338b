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

#include "base/buf.h"
#include "base/status.h"

enum { DONE = 0, FAILED = 1, WRONG_USE = 2 };

enum option_id {
#define O(id, word, value, help) OPTION_##id,
#include "mua/options.def"
#undef O
	OPTION_COUNT,
};

struct option_row {
	const char *word;	/* "--to" */
	const char *value;	/* "ADDRESS", or NULL for one without a value */
	const char *help;
};
extern const struct option_row verb_options[OPTION_COUNT];

typedef uint64_t option_set;
#define OPT(id) (UINT64_C(1) << OPTION_##id)
#define OPTIONS_ALWAYS (OPT(account) | OPT(help))
_Static_assert(OPTION_COUNT <= 64, "an option_set has a bit for each");

struct invocation;

struct verb {
	const char *words;	/* "account add" */
	const char *arguments;	/* "ADDRESS", for the usage line */
	int least, most;	/* of them */
	option_set options;	/* besides OPTIONS_ALWAYS */
	int (*run)(struct invocation *in);
	const char *help;	/* one line */
	const char *more;	/* paragraphs, for the manual page; may be empty */
	const char *examples;	/* command lines, one a line */
};

/* In the order of verbs.def; NULL past the end. */
const struct verb *verb_row(size_t i);

struct given {
	enum option_id id;
	const char *value;	/* "" for one without */
};

/* One invocation: what the command line said. */
struct invocation {
	const struct verb *verb;
	char **args;		/* without words and options; n of them */
	int n;
	struct given *given;	/* in their order */
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

/* ---- words about the table (table.c, manual.c) ---- */

void verb_usage(const struct verb *v, struct buf *out);
void verb_help_all(struct buf *out);
/* Those verbs whose first word it is; false: there are none. */
bool verb_help(struct view word, struct buf *out);
void verb_completion(struct buf *out);
const struct verb *verb_nearest(struct view words);
/* waxmail(1) in mdoc(7). */
void verb_manual(struct buf *out);

#endif
