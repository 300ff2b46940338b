/* pack.h - what reports travel in: gzip (RFC 1952), zip, or nothing.
 *
 * Reading takes what a stranger sent.  What comes out is at most as long as
 * the buf allows, and at most PACK_RATIO times what went in, so that a bomb
 * ends early; of a zip exactly one file is taken, and nothing is encrypted.
 */
#ifndef WAXWING_REPORT_PACK_H
#define WAXWING_REPORT_PACK_H

#include "base/buf.h"

enum {
	REPORT_PACKED_MAX = 16 * 1024 * 1024,
	REPORT_TEXT_MAX = 64 * 1024 * 1024,
	/* deflate makes 1032 times less of blanks; XML and JSON of reports shrink
	 * by 10 to 60. */
	PACK_RATIO = 400,
	PACK_ALWAYS = 1024 * 1024,	/* so much may come of the smallest */
};

/* By the first bytes, whatever a name or type says.  ST_SYNTAX (torn, or a
 * form that is not known), ST_LIMIT, ST_NOMEM. */
enum status unpack(struct view bytes, struct buf *out) MUST_USE;

/* As gzip, without name and time, so that the same text gives the same bytes.
 * ST_NOMEM; ST_LIMIT. */
enum status pack_gzip(struct view text, struct buf *out) MUST_USE;

#endif
