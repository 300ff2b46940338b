/* letter.h - reports as letters: made, and found in those of others. */
#ifndef WAXWING_REPORT_LETTER_H
#define WAXWING_REPORT_LETTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum report_kind { REPORT_NONE = 0, REPORT_DMARC, REPORT_TLS, REPORT_FAILURE };

enum { REPORT_LETTER_MAX = 48 * 1024 * 1024 };

struct report_letter {
	enum report_kind kind;
	struct view from, to;		/* addresses */
	struct view domain;		/* whom it is about */
	struct view submitter;		/* our host's name */
	struct view id;			/* of the report: letters and digits */
	wall_ms now;
	int64_t begin, end;		/* seconds, for the name of the file */
	struct view content;		/* DMARC, TLS: gzip; a failure: the feedback part */
	struct view header;		/* a failure: of the letter that it is about */
	struct view text;		/* and what stands below it, or empty */
};

/* All of it, 7 bit, lines in CRLF (RFC 9990 "Email", RFC 8460 5.3, RFC 5965 2).
 * Errors are the buf's. */
void report_letter_put(const struct report_letter *l, struct buf *out);

/* What a letter brings, or bytes that are such a report themselves. */
struct report_found {
	enum report_kind kind;
	struct view text;		/* XML, JSON or the feedback part, in `unpacked` or the bytes given */
	struct view header;		/* of the letter that a failure is about */
};

/* Looks through the parts of a letter for the first that is a report.
 * unpacked: its maximum is what may come of it.  ST_MISSING (no report in it),
 * ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status report_find(struct view letter, struct arena *a, struct buf *unpacked, struct report_found *ret) MUST_USE;
/* The same for either: bytes that begin like gzip, zip, XML or JSON are no
 * letter. */
enum status report_find_any(struct view bytes, struct arena *a, struct buf *unpacked, struct report_found *ret)
	MUST_USE;

#endif
