/* smtp_reply.h - the replies of an SMTP server (RFC 5321 4.2, 3463), and what
 * it says to EHLO.
 *
 * Strict, since a reply that is read wrong is a letter lost: three digits, a
 * hyphen or a blank, the same code in every line.  What is kept of the text
 * is printable ASCII, so that nothing in it can do harm in a log, a report or
 * a terminal; everything else becomes "?".
 *
 * Limits: REPLY_LINE octets a line, REPLY_LINES lines; of the text REPLY_TEXT
 * octets are kept.
 */
#ifndef WAXWING_WIRE_SMTP_REPLY_H
#define WAXWING_WIRE_SMTP_REPLY_H

#include "base/buf.h"

enum { REPLY_LINE = 2048, REPLY_LINES = 128, REPLY_TEXT = 4096, REPLY_STATUS = 12 };

struct smtp_reply {
	uint16_t code;			/* 200 ... 599 */
	uint16_t lines;
	char status[REPLY_STATUS];	/* enhanced code of the first line, "5.1.1", or "" */
	struct buf text;		/* behind the codes, lines joined by "\n" */
};

void smtp_reply_begin(struct smtp_reply *r);
void smtp_reply_free(struct smtp_reply *r);

/* The next line, without its CRLF.  ST_OK (the reply is whole), ST_AGAIN,
 * ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status smtp_reply_line(struct smtp_reply *r, struct view line) MUST_USE;

/* What a server offers (RFC 5321 4.1.1.1), as a set. */
enum smtp_extension {
	EXT_PIPELINING = 1,	/* RFC 2920 */
	EXT_8BITMIME = 2,	/* RFC 6152 */
	EXT_CHUNKING = 4,	/* RFC 3030 */
	EXT_BINARYMIME = 8,	/* RFC 3030 3 */
	EXT_SIZE = 16,		/* RFC 1870 */
	EXT_STARTTLS = 32,	/* RFC 3207 */
	EXT_SMTPUTF8 = 64,	/* RFC 6531 */
	EXT_DSN = 128,		/* RFC 3461 */
	EXT_REQUIRETLS = 256,	/* RFC 8689 */
	EXT_PLAIN = 512,	/* AUTH (RFC 4954) with PLAIN (RFC 4616), */
	EXT_LOGIN = 1024,
	EXT_CRAM_MD5 = 2048,	/* RFC 2195 */
	EXT_DELIVERBY = 4096,	/* RFC 2852 */
	EXT_MT_PRIORITY = 8192,	/* RFC 6710 */
};

struct smtp_offer {
	unsigned set;		/* of enum smtp_extension */
	uint64_t size;		/* largest letter; 0: not said */
	uint32_t least_by;	/* DELIVERBY's shortest time, in seconds; 0: not said */
};

/* One line of the reply to EHLO, the first one left out. */
void smtp_offer_line(struct smtp_offer *o, struct view line);

/* All lines of the text of a reply to EHLO. */
struct smtp_offer smtp_offer_of(struct view text);

#endif
