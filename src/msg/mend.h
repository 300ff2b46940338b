/* mend.h - the header of a letter as its author hands it in, made whole
 * (RFC 6409 8, RFC 5322 3.6).
 *
 * What is missing is added, what is nobody's business goes, and nothing else
 * is touched: fields that stay keep their bytes and their order, and the body
 * is not looked at, so that what is signed (RFC 1847, and a DKIM signature of
 * the author's own program over fields that stay) remains as it was.
 *
 * A header whose first line is no field is none: the letter begins with its
 * body, and an empty line is put before it.
 *
 * Pure.  Linear in the header; keeps nothing.
 */
#ifndef WAXWING_MSG_MEND_H
#define WAXWING_MSG_MEND_H

#include "base/buf.h"

/* What a header says of itself, for who decides how it is mended. */
struct mend_found {
	bool date, message_id, from, mime_version;
	bool content;		/* a Content- field: it means to be MIME */
	unsigned senders;	/* Sender: fields */
	struct view sender;	/* the first one's value */
	struct view resent_from, resent_sender;	/* the first ones: of who resends it now (RFC 5322 3.6.6) */
	struct view bcc;	/* the first one's value */
	struct view priority;	/* MT-Priority: (RFC 6758), the first one's value, trimmed */
	struct view sent;	/* Waxwing-Sent:, trimmed: is a copy to be kept? */
	struct view protect;	/* Waxwing-Protect:, trimmed: is it to be signed, encrypted? */
	bool bare;		/* its first line is no field */
	bool goes;		/* it has fields that nobody else is to see */
};

void mend_look(struct view header, struct mend_found *ret);

/* What is done about it.  Empty views: nothing. */
struct mending {
	struct view date, message_id, from;	/* values for the fields that are missing */
	struct view sender;	/* the value of Sender:, in the place of those there are */
	bool drop_sender;	/* those that there are go */
	bool drop_priority;	/* MT-Priority: goes: what it asked for is in the envelope */
};

/* The fields that are to go before the header, and (where something of it
 * goes) the header that is left; kept is untouched and *ret_same true where
 * it stays as it is.  Bcc:, Resent-Bcc:, Waxwing-Sent: and Waxwing-Protect: always go.
 * ST_LIMIT, ST_NOMEM: of the bufs. */
enum status mend_header(struct view header, const struct mend_found *found, const struct mending *m,
			struct buf *added, struct buf *kept, bool *ret_same) MUST_USE;

#endif
