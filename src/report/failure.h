/* failure.h - reports on single letters that failed (RFC 9991, 6591), in the
 * Abuse Reporting Format (RFC 5965), written and read.
 */
#ifndef WAXWING_REPORT_FAILURE_H
#define WAXWING_REPORT_FAILURE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum {
	FAILURE_FIELD_MAX = 2048,	/* bytes of a value */
	FAILURE_FIELDS_MAX = 64,	/* of a report that is read */
	FAILURE_HEADER_MAX = 64 * 1024,	/* of the letter that it is about */
};

/* What is told of a letter of ours to its author's domain. */
struct failure {
	struct view domain;		/* the author's */
	struct view source;		/* the host that brought it, as text */
	struct view mail_from;		/* reverse-path; empty: null */
	struct view results;		/* Authentication-Results, without its name */
	struct view dkim_domain, dkim_selector, dkim_identity;	/* of an aligned signature that failed, or empty */
	bool dkim, spf;			/* aligned and passed */
	bool refused;			/* else it was taken */
	wall_ms arrived;
	struct view header;		/* all of its header section */
};

/* The part message/feedback-report.  Values hold no control characters
 * afterwards.  Errors are the buf's. */
void failure_put(const struct failure *f, struct buf *out);

/* Fields of a header that name nobody at the receiver's side: without To:, Cc:,
 * Bcc:, Delivered-To:, Return-Path: and the like, and of Received: only that
 * there was one.  Lines end in CRLF. */
void failure_put_header(struct view header, struct buf *out);

struct failure_field {
	struct view name, value;
};

struct failure_report {
	struct failure_field *fields;	/* as they stand, unfolded */
	uint32_t n;
	struct view header;		/* of the letter that it is about, or empty */
};

/* The part message/feedback-report.  ST_SYNTAX (no Feedback-Type),
 * ST_LIMIT, ST_NOMEM. */
enum status failure_read(struct view part, struct arena *a, struct failure_report *ret) MUST_USE;

/* The first of that name; empty where there is none. */
struct view failure_value(const struct failure_report *r, struct view name);

#endif
