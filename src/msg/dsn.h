/* dsn.h - a delivery status notification as a letter (RFC 3461 6, 3464, 6522,
 * 6533, 3834).
 *
 *     multipart/report
 *       text/plain                        for people
 *       message/delivery-status           for programs; message/global-delivery-status
 *                                         where the letter was internationalised
 *       message/rfc822, text/rfc822-headers (or message/global, message/global-headers)
 *                                         what came, or its header
 *
 * Pure: the caller knows the time, gives an id that nobody can guess, and
 * sends the result from the null reverse-path.  Whatever a remote host, a
 * sender or the letter said can end neither a line nor a part: it is put on
 * lines of its own, without controls, and bytes that are no UTF-8 become "?".
 *
 * Process: the queue.  Nothing is kept.
 */
#ifndef WAXWING_MSG_DSN_H
#define WAXWING_MSG_DSN_H

#include "base/buf.h"
#include "base/clock.h"

/* RFC 3464 2.3.3, the worst last. */
enum dsn_action { DSN_EXPANDED, DSN_RELAYED, DSN_DELIVERED, DSN_DELAYED, DSN_FAILED };

struct dsn_recipient {
	enum dsn_action action;
	struct view orcpt;	/* ORCPT as it came: type;xtext (RFC 3461 4.2); or empty */
	struct view original;	/* as the sender wrote it; empty: the same as address */
	struct view address;	/* where it went, or should have gone */
	struct view status;	/* "5.1.1"; what is no such code counts as x.0.0 of the action */
	struct view host;	/* the remote host that answered, or empty */
	struct view reply;	/* its reply, lines joined by "\n", or our own words; or empty */
	bool replied;		/* reply is the host's SMTP reply, not our own words */
	wall_ms last_attempt;	/* 0: none */
	wall_ms retry_until;	/* DSN_DELAYED; 0: not known */
};

struct dsn {
	struct view reporting_mta;	/* this host */
	struct view from;		/* the address that the report is from */
	struct view postmaster;		/* who helps; or empty */
	struct view sender;		/* of the letter: who gets the report */
	struct view id;			/* letters, digits, "." and "-": unique, not to be guessed */
	struct view envid;		/* xtext (RFC 3461 4.4), or empty */
	wall_ms arrived, now;
	wall_ms deliver_by;		/* RFC 2852; 0: it had no such time */
	bool smtputf8;			/* the letter came with SMTPUTF8 */
	bool whole;			/* RET=FULL: the letter is returned, if it may be (dsn_build) */
	size_t letter_max;		/* larger ones: the header only */
	const struct dsn_recipient *recipients;
	size_t n;
};

/* How it must be sent. */
struct dsn_form {
	bool eightbit;		/* BODY=8BITMIME */
	bool smtputf8;
};

/* The report upon a letter, of which all bytes are given.  Only the header is
 * returned where the letter is larger than letter_max, or has NULs, CR or LF
 * that stand alone, or lines of more than 998 octets.
 *
 * ST_DENIED: the sender is the null reverse-path; nobody is told (RFC 3461 6.1).
 * ST_SYNTAX: the sender, id or from would break the header, or no recipient.
 * ST_LIMIT, ST_NOMEM: of the buf. */
enum status dsn_build(const struct dsn *d, struct view letter, struct buf *out,
		      struct dsn_form *ret) MUST_USE;

/* What a status code says in plain words, and what can be done; never empty
 * but for the advice.  Static storage. */
struct dsn_words {
	const char *what, *advice;
};
struct dsn_words dsn_explain(struct view status);

/* xtext (RFC 3461 4) undone, and utf-8-addr-xtext (RFC 6533 3) where the type
 * is utf-8.  What is no escape stays as it is. */
void dsn_xtext(struct view xtext, struct buf *out);
void dsn_utf8_xtext(struct view xtext, struct buf *out);

#endif
