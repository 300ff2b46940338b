/* ticket.h - what a door shows to have a room opened, or letters signed and
 * pieces of them fetched.
 *
 *     0      1         9     17     21        29      61
 *     +------+---------+-----+------+---------+-------+
 *     | form | account | app | door | expires | mac   |
 *     +------+---------+-----+------+---------+-------+
 *
 * form says what it is good for (enum ticket_use).
 * app is the app password that was used, 0: the account's own.
 * mac is HMAC-SHA256 over what stands before it and over that password's
 * verifier, under the key in keys/ticket.key: so a ticket is good for one
 * account and one door, ends with its time, with the password that it was
 * given for and with the account, and is still good when warden was started
 * again.  Expiry is wall time.
 */
#ifndef WAXWING_WARDEN_TICKET_H
#define WAXWING_WARDEN_TICKET_H

#include "base/buf.h"
#include "base/clock.h"
#include "warden/mac.h"

/* Longer than the longest imap.timeout: a parked session wakes within that,
 * and is given a fresh one. */
enum { TICKET_LIFE_MS = 25 * 3600 * 1000, TICKET_SIZE = 61 };

/* The key of that folder (an open descriptor), made at the first start.  The
 * errors of disk.h. */

/* The form, too. */
enum ticket_use {
	TICKET_ROOM = 2,	/* of IMAP and POP3: opens the account's room */
	TICKET_LETTERS = 3,	/* of submission, and opens no room: has letters signed by the account's keys, and
				 * brings what URLs of its own letters name (RFC 4468) */
	TICKET_LOCAL = 4,	/* of a user of this machine: has letters signed by the account's keys */
};

enum status ticket_make(const struct mac *m, enum ticket_use use, uint64_t account, uint64_t app,
			uint32_t door, struct view verifier, wall_ms now, struct buf *out) MUST_USE;

/* Whose it claims to be; to be believed only after ticket_check.  ST_SYNTAX, also
 * where it is for another use. */
enum status ticket_account(enum ticket_use use, struct view ticket, uint64_t *ret_account,
			   uint64_t *ret_app) MUST_USE;

/* ST_DENIED: another door's, not ours, or the password has changed;
 * ST_TIMEOUT: expired; ST_SYNTAX, ST_NOMEM. */
enum status ticket_check(const struct mac *m, enum ticket_use use, struct view ticket, uint32_t door,
			 struct view verifier, wall_ms now) MUST_USE;

#endif
