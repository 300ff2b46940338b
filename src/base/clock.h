/* clock.h - the time, which a test may override.
 *
 * Wall time is for headers, logs and stored dates; it may jump.  Steady time
 * is for time-outs and schedules; it never goes back.  clock_override moves
 * wall time only (the setting testing.time, `waxwing inspect --time`).
 */
#ifndef WAXWING_BASE_CLOCK_H
#define WAXWING_BASE_CLOCK_H

#include "base/status.h"
#include "base/view.h"

typedef int64_t wall_ms;	/* milliseconds since 1970-01-01T00:00:00Z */
typedef uint64_t steady_ms;	/* milliseconds since some start */

wall_ms clock_wall(void);
steady_ms clock_steady(void);
/* The same, some milliseconds behind, for less: as of the kernel's last tick. */
steady_ms clock_tick(void);

/* From now on wall time goes on from `at`. */
void clock_override(wall_ms at);

/* RFC 3339 with a zone, to milliseconds.  ST_SYNTAX. */
enum status clock_parse_rfc3339(struct view text, wall_ms *ret_at) MUST_USE;

enum { RFC3339_SIZE = 32, RFC5322_DATE_SIZE = 48 };

/* "2026-11-22T10:31:05.123Z" into out[RFC3339_SIZE]; returns out. */
char *clock_rfc3339(wall_ms at, char *out);

/* RFC 5322 3.3, in UTC: "Sun, 22 Nov 2026 10:31:05 +0000". */
char *clock_rfc5322(wall_ms at, char *out);
/* In the zone of the process (TZ): "Sun, 22 Nov 2026 11:31:05 +0100". */
char *clock_rfc5322_local(wall_ms at, char *out);

#endif
