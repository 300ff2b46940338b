/* date.h - dates in letters (RFC 5322 3.3, and the obsolete forms of 4.3).
 *
 * Comments and the name of the day are passed over; the month may be a number,
 * the year have two or three digits, seconds and zone be missing.  A zone that
 * is not known counts as +0000 (RFC 5322 4.3).
 */
#ifndef WAXWING_MSG_DATE_H
#define WAXWING_MSG_DATE_H

#include "base/clock.h"

struct date {
	int year, month, day;	/* 1-12, 1-31 */
	int hour, minute, second;
	int zone;		/* minutes east of UTC */
};

/* ST_SYNTAX: that is no date. */
enum status date_parse(struct view field, struct date *ret) MUST_USE;

wall_ms date_wall(const struct date *d);

#endif
