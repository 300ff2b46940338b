/* letter.h - a letter as programs write it, made fit to be sent (RFC 5322 3.6,
 * RFC 6409 8).
 *
 * What comes may have lines that end in LF, an mbox "From " line, no header at
 * all, addresses without a domain, recipients only in its header.  What goes
 * has From:, Date: and Message-ID:, whole addresses, and no Bcc:.  Everything
 * else stays as it is, byte for byte; line ends are mended when it is sent
 * (smtp_send_text).
 *
 * Pure: no clock, no files.  Linear.
 */
#ifndef WAXWING_SENDMAIL_LETTER_H
#define WAXWING_SENDMAIL_LETTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum { LETTER_RECIPIENTS_MAX = 10000 };

/* Recipients of a letter, whole addresses; in the arena that they were taken with. */
struct recipients {
	struct view *p;
	size_t n, cap;
};

/* Who writes, and what is put in where it is missing. */
struct author {
	struct view host;	/* the domain of addresses that have none */
	struct view address;	/* for From: */
	struct view user;	/* his name; what a bare "root" in From: becomes, as cron writes it for everybody */
	struct view full_name;	/* or empty */
	struct view id;		/* for Message-ID:, before "@"; nobody else's */
	wall_ms now;
	bool recipients;	/* take those of the header (sendmail -t) */
};

/* The addresses of a list, as To: or a command line has them.  The same address
 * twice is once.  ST_SYNTAX (*ret_bad is what is no address), ST_LIMIT,
 * ST_NOMEM. */
enum status recipients_take(struct recipients *r, struct view list, struct view host, struct arena *a,
			    struct view *ret_bad) MUST_USE;

/* Puts the mended letter into out.  Errors as above. */
enum status letter_mend(struct view raw, const struct author *who, struct arena *a, struct buf *out,
			struct recipients *ret, struct view *ret_bad) MUST_USE;

#endif
