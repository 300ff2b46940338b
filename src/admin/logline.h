/* logline.h - reads the lines of the log (base/log.h) again.
 *
 * The log is our own, but what stands in it came from strangers: lines are
 * split, never interpreted.  All views are borrowed from the line.
 */
#ifndef WAXWING_ADMIN_LOGLINE_H
#define WAXWING_ADMIN_LOGLINE_H

#include "base/buf.h"

struct log_line {
	struct view at, process, event;	/* "warning rcpt" where it was one */
	struct view rest;		/* the pairs */
};

/* Without its line end.  False for what is no line of the log. */
bool log_line_split(struct view text, struct log_line *ret);

/* The value of the pair `key=` as it stands there: in quotes where it is not
 * plain; empty where there is none.  Quoted ones never match an id. */
struct view log_line_pair(struct view rest, const char *key);

/* The same with quotes and escapes undone. */
void log_line_value(struct view rest, const char *key, struct buf *out);

#endif
