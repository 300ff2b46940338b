/* submitted.h - how much each account has handed in, and to whom it has ever
 * written (submission.*).
 *
 * Letters, recipients and first-time recipients are counted in an hour or a
 * day that slides: the count of the window before weighs as much as of it
 * still lies within the last hour or day.  Of recipients is kept 64 bits of
 * HMAC-SHA256 under a key of this instance over account and address (without
 * regard to ASCII case), so that nobody reads from the file to whom people
 * write.  An account that exceeds its first-time recipients is held until
 * submitted_release; whom it writes to meanwhile is known only from then on,
 * and forgotten where its letters are dropped.
 *
 * In memory what changed since the last submitted_flush, and the counts of
 * the accounts that were asked about; on disk directory/submitted.db, which a
 * crash of the machine may leave some seconds behind, and this process's not
 * at all but for what was not flushed.  What is lost makes limits wider by so
 * much, never narrower.
 *
 * Process: warden.
 */
#ifndef WAXWING_WARDEN_SUBMITTED_H
#define WAXWING_WARDEN_SUBMITTED_H

#include "base/clock.h"
#include "warden/mac.h"

struct submitted;

/* 0: no limit. */
struct submit_limits {
	int64_t letters_hour, letters_day, recipients_hour, recipients_day, new_recipients;
	int64_t known;		/* recipients that are remembered */
};

struct submit_state {
	bool slow;		/* not now: */
	uint32_t wait;		/* seconds until it may be again, about */
	uint32_t left;		/* recipients that it may still have; UINT32_MAX: any number */
	bool held;
	bool tell;		/* its owner has not been told */
};

struct submit_counts {
	uint64_t letters_hour, letters_day, recipients_hour, recipients_day, new_day;
	bool held;
};

/* Takes the key over.  A database that is damaged is made anew: *ret_lost.
 * The errors of sql.h. */
enum status submitted_open(const char *path, struct mac key, struct submitted **ret, bool *ret_lost) MUST_USE;
void submitted_close(struct submitted *s);

/* May it begin a letter?  ST_NOMEM; where the database cannot be read nothing
 * is known of the account. */
enum status submitted_look(struct submitted *s, uint64_t account, const struct submit_limits *l, wall_ms now,
			   struct submit_state *ret) MUST_USE;
/* It hands one in to n recipients, who are at these addresses (put_view, one
 * after another): counted unless it is slow. */
enum status submitted_charge(struct submitted *s, uint64_t account, const struct submit_limits *l, struct view addresses,
			     uint32_t n, wall_ms now, struct submit_state *ret) MUST_USE;

/* The owner has been told that it is held.  Until then one letter in
 * TELL_AGAIN_MS says that he is to be. */
enum { TELL_AGAIN_MS = 120000 };
void submitted_told(struct submitted *s, uint64_t account);

/* It is held no longer, and its first-time recipients count from zero.  drop:
 * whom it wrote to while held stays unknown.  *ret_held: it was.  Flushes. */
enum status submitted_release(struct submitted *s, uint64_t account, bool drop, bool *ret_held) MUST_USE;

enum status submitted_counts(struct submitted *s, uint64_t account, wall_ms now, struct submit_counts *ret) MUST_USE;

/* Looks at the next n accounts, round and round, and forgets all of those that
 * are no more. */
enum status submitted_prune(struct submitted *s, unsigned n, bool (*is_there)(void *arg, uint64_t account),
			    void *arg) MUST_USE;

/* Something to flush? */
bool submitted_dirty(const struct submitted *s);
enum status submitted_flush(struct submitted *s) MUST_USE;

#endif
