/* smtp_values.h - the values of MAIL's parameters that say when and in which
 * order a letter is to go, for both ends: HOLDFOR and HOLDUNTIL (RFC 4865),
 * BY (RFC 2852), MT-PRIORITY (RFC 6710).
 *
 * No policy: what a host allows is looked at elsewhere.  Each is ST_SYNTAX
 * where the text is not such a value.
 */
#ifndef WAXWING_WIRE_SMTP_VALUES_H
#define WAXWING_WIRE_SMTP_VALUES_H

#include "base/buf.h"
#include "base/clock.h"

/* Nine digits at most (RFC 4865, RFC 2852). */
enum { SMTP_SECONDS_MAX = 999999999 };

/* HOLDFOR: seconds, at least 1. */
enum status smtp_take_hold_for(struct view text, uint32_t *ret_seconds) MUST_USE;
/* HOLDUNTIL: a time of RFC 3339. */
enum status smtp_take_hold_until(struct view text, wall_ms *ret_at) MUST_USE;

/* BY=120;RT: in 120 seconds, or else (R) it comes back, or (N) the sender is
 * told; with T every host on the way tells him of handing it on. */
struct smtp_by {
	int32_t seconds;	/* 0 and less: it is late already, which only N can be */
	char mode;		/* 'R' or 'N' */
	bool trace;
};
enum status smtp_take_by(struct view text, struct smtp_by *ret) MUST_USE;
void smtp_put_by(const struct smtp_by *by, struct buf *out);

/* MT-PRIORITY: -9 to 9. */
enum { SMTP_PRIORITY_LEAST = -9, SMTP_PRIORITY_MOST = 9 };
enum status smtp_take_priority(struct view text, int8_t *ret) MUST_USE;

#endif
