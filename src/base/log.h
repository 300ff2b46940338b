/* log.h - one line per event.
 *
 *     2026-11-22T10:31:05.123Z door[412] rcpt sid=9f2c01 id=9f2c01.1 to=<Jones@foo.com> code=250
 *
 * The first word after the process is the event; the rest are key=value
 * pairs.  sid follows a session, id a letter from door to mailbox: `waxwing
 * trace ID` prints the lines that bear it.  Values are cleaned: anything
 * that is no printable ASCII becomes \xHH, a blank or a quote puts the value
 * in quotes, so that no stranger can forge a line.
 *
 * Lines are gathered and written by log_flush, which the event loop calls
 * once a turn.  Roles log; libraries do not.
 */
#ifndef WAXWING_BASE_LOG_H
#define WAXWING_BASE_LOG_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* Name of this process in the lines, and the descriptor that they go to.  NULL:
 * fd is a pipe whose reader knows who we are and names us (parent/logpipe.c).
 * Lines that it has no room for wait here, and past 64 KiB of them are counted
 * and left out: a log must not stop the mail. */
void log_start(const char *process, int fd, enum log_level least);

/* A line is begun, given its pairs and ended:
 *     log_begin(LOG_INFO_, "rcpt"); log_view("to", to); log_end(); */
void log_begin(enum log_level level, const char *event);
void log_str(const char *key, const char *value);
void log_view(const char *key, struct view value);
void log_u64(const char *key, uint64_t value);
void log_hex(const char *key, uint64_t value);
void log_end(void);

/* Short form for lines without a stranger's text. */
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

void log_flush(void);

/* Lines wait for room in the pipe, or were left out and nobody knows: then
 * log_catch_up a little later writes and tells what it can. */
bool log_waits(void);
void log_catch_up(void);

/* The same before a process ends: waits a second at most for a reader. */
void log_finish(void);

/* Whole lines of somebody else, behind ours; what cannot be written is counted
 * as ours are. */
void log_lines(struct view lines);

/* A value as it stands in a line: cleaned, at most 512 bytes of it. */
void log_put_value(struct buf *out, struct view value);

#endif
