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
	FAILURE_TEXT_MAX = 8 * 1024,	/* of its text, where that is told */
	FAILURE_REDACTED = 16,		/* octets of what stands for a local part */
};

/* What is told of a letter of ours to its author's domain. */
struct failure {
	struct view domain;		/* the author's */
	struct view source;		/* the host that brought it, as text */
	struct view mail_from;		/* reverse-path; empty: null */
	struct view results;		/* Authentication-Results, without its name */
	struct view dkim_domain, dkim_selector, dkim_identity;	/* of an aligned signature that failed, or empty */
	struct view spf_domain, spf_record;	/* of which SPF came to something else than pass, or empty */
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

/* A text with line ends in CRLF, and '?' for what is no printable ASCII. */
void failure_put_text(struct view text, struct buf *out);

/* The text, where the local part of each of these addresses is an HMAC of the address under that key: the same at each
 * place, and nobody else can tell whose it is (RFC 6590 2). */
void failure_redact(struct view text, const struct view *addresses, size_t n, struct view key, struct buf *out);

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
