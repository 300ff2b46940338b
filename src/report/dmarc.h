/* dmarc.h - DMARC aggregate reports (RFC 9990, and the form of RFC 7489
 * Appendix C): what a letter counts as, the XML made of many, and that of
 * others read.
 *
 * A row is what letters have in common that are counted together.  It travels
 * from door to relay and lies in reports.db in the form of dmarc_row_put, which
 * is the same bytes for the same row.
 */
#ifndef WAXWING_REPORT_DMARC_H
#define WAXWING_REPORT_DMARC_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	DMARC_ROW_MAX = 8 * 1024,	/* bytes of one */
	DMARC_ROW_DKIM = 10,		/* signatures of one that are told */
	DMARC_RECORDS_MAX = 20000,	/* of a report that is read */
	DMARC_TEXT_MAX = 1024,		/* of an element, in bytes; the rest is not there */
};

/* The policy under which letters were judged; names and words as they stand in
 * the report. */
struct dmarc_published {
	struct view domain;		/* where the record was found */
	struct view organization;
	struct view rua, fo;
	struct view p, sp, np;		/* "none" ...; np may be empty */
	bool strict_dkim, strict_spf, testing;
	uint8_t pct;
};

struct dmarc_dkim {
	struct view domain, selector, result;
};

struct dmarc_row {
	struct view source;		/* an address as text */
	struct view disposition;	/* "none", "pass", "quarantine", "reject" */
	bool dkim, spf;			/* aligned and passed */
	struct view reason, comment;	/* why it is not what the policy asks for; may be empty */
	struct view header_from, envelope_from, envelope_to;
	struct dmarc_dkim signatures[DMARC_ROW_DKIM];
	uint32_t n_signatures;
	struct view spf_domain, spf_result;	/* empty: SPF was not checked */
	uint64_t count;			/* not a part of its bytes */
};

void dmarc_published_put(struct buf *b, const struct dmarc_published *p);
void dmarc_row_put(struct buf *b, const struct dmarc_row *r);
/* Views point into the bytes.  False: they are not of this form. */
bool dmarc_published_take(struct view bytes, struct dmarc_published *ret);
bool dmarc_row_take(struct view bytes, struct dmarc_row *ret);

/* ---- a report ---- */

struct dmarc_report {
	struct view organization, email, contact, id;
	int64_t begin, end;		/* seconds since the epoch; end: the last one */
	struct view domain;		/* the rest of policy_published: */
	struct view p, sp, np, fo, adkim, aspf, testing, pct;
	struct dmarc_row *rows;
	uint32_t n_rows;
	struct view error;		/* the first one */
	bool old_form;			/* RFC 7489's: no namespace of RFC 9990 */
};

/* Who reports, and about when. */
struct dmarc_reporter {
	struct view organization, email, contact, id;
	int64_t begin, end;
	bool old_form;			/* RFC 7489's, which lacks np=, t= and words of the later one */
};

/* One after another: the head, each row, the end.  Errors are the buf's. */
void dmarc_xml_begin(const struct dmarc_reporter *r, const struct dmarc_published *p, struct buf *out);
void dmarc_xml_row(const struct dmarc_reporter *r, const struct dmarc_row *row, struct buf *out);
void dmarc_xml_end(struct buf *out);

/* Of anybody: both forms, elements in any order, unknown ones and namespaces
 * passed over; nothing outside is read, and a DOCTYPE ends it.  What does not
 * fit a field (a count that is no number) is as if it were missing.  In the
 * arena.  ST_SYNTAX (no XML, or no report: neither domain nor records),
 * ST_LIMIT (depth, records, the arena), ST_NOMEM. */
enum status dmarc_xml_read(struct view xml, struct arena *a, struct dmarc_report *ret) MUST_USE;

#endif
