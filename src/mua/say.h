/* say.h - talking with the person: complaints, tables, JSON, progress.
 *
 * What strangers wrote reaches a terminal only through show_line (show.h) or
 * put_harmless (net/client.h).
 */
#ifndef WAXWING_MUA_SAY_H
#define WAXWING_MUA_SAY_H

#include "base/buf.h"
#include "base/clock.h"

#include <jansson.h>

/* One line to standard error, with "waxmail: " before it. */
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* From now on say() adds to that, without the name and the line end: for the
 * reader, whose screen standard error would spoil.  NULL: as before. */
void say_into(struct buf *to);
/* The same, and on standard error as well: the terminal is free. */
void say_into_too(struct buf *to);

/* Says "WHAT: why"; FAILED. */
int say_failed(const char *what, enum status st);

/* Is standard output a terminal that wants colours (no-color.org)? */
bool say_colours(void);

/* JSON: text of any bytes, a time as RFC 3339 (null for 0); the object, a
 * line, DONE or FAILED.  print_array: one of its elements a line. */
json_t *say_text(struct view v);
json_t *say_time(wall_ms at);
int print_object(json_t *o);
int print_array(json_t *rows);

/* Standard output is whole: DONE. */
int printed(void);

/* "4.0k" and the like. */
void say_size(uint64_t bytes, struct buf *out);

/* A bar on standard error, where that is a terminal and the work is long. */
struct progress {
	bool off;
	steady_ms begun, drawn;
	bool shown;
};
void progress_begin(struct progress *p, bool off);
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t all);
void progress_end(struct progress *p);

#endif
