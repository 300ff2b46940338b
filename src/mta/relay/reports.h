/* reports.h - what is counted for reports to other domains, and what is due.
 *
 * relay/reports.db, shared by all relay processes.  A *batch* is what one
 * report will tell: a kind, the domain that it is about, a day (UTC), and for
 * DMARC the policy under which it was counted.  Lines of a batch are bytes of
 * report/dmarc.h or report/tls.h with a number.
 *
 * Counts come together in memory and are written each REPORTS_WRITE_MS, so a
 * process that dies loses that much, and delays nobody.  What is more than
 * reports.rows, or more than reports.domain_rows for one batch, is only counted
 * in the log: a stranger who invents names fills no disk.
 */
#ifndef WAXWING_MTA_RELAY_REPORTS_H
#define WAXWING_MTA_RELAY_REPORTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "report/letter.h"

enum { REPORTS_WRITE_MS = 5000, DAY_S = 86400 };

struct reports;

/* The errors of sql.h. */
enum status reports_open(const char *folder, struct loop *l, const struct conf *c, struct reports **ret) MUST_USE;
/* Writes what is in memory. */
void reports_close(struct reports *r);
void reports_write(struct reports *r);

/* One more of this.  TLS: the policy is a part of the line, so that a domain has
 * one report a day.  r may be NULL. */
void reports_count(struct reports *r, enum report_kind kind, struct view domain, struct view policy, struct view line);

/* Has this domain had fewer than `most` failure reports today?  If so it has
 * one more.  False also where that cannot be written down. */
bool reports_may_tell(struct reports *r, struct view domain, int64_t most);

struct batch {
	int64_t id;
	enum report_kind kind;
	struct view domain, policy;
	int64_t begin, end;	/* seconds; the end is the last one that counts */
	int64_t tries;
};

struct batch_line {
	struct view line;
	uint64_t count;
};

/* Batches of days that are over get their end and a time within the hour that
 * follows, by a hash of the domain; with all, those of today are over now too,
 * and all that waits is due. */
enum status reports_end_day(struct reports *r, bool all) MUST_USE;

/* The next that is due, with its lines, the greatest counts first; in the
 * arena.  ST_MISSING: none is. */
enum status reports_due(struct reports *r, struct arena *a, struct batch *ret, struct batch_line **ret_lines, uint32_t *ret_n)
	MUST_USE;

/* It is told, or never will be; or again after that time. */
enum status reports_done(struct reports *r, int64_t batch) MUST_USE;
enum status reports_later(struct reports *r, int64_t batch, int64_t ms) MUST_USE;

/* Has it gone to this address?  So that one that cannot be reached does not
 * make the others get it again and again. */
bool reports_was_sent(struct reports *r, int64_t batch, struct view address);
void reports_note_sent(struct reports *r, int64_t batch, struct view address);

/* Each batch that is there, for the operator. */
typedef void batch_visit(void *arg, const struct batch *b, int64_t due, uint64_t lines, uint64_t count);
enum status reports_each(struct reports *r, batch_visit *visit, void *arg) MUST_USE;

#endif
