/* letter.h - a letter made from what a person gave (RFC 5322, 2045 to 2047,
 * 2231, 3676, 8098).
 *
 * 7-bit throughout, but for addresses that are UTF-8 themselves (RFC 6532) and
 * letters inside, which stay as they are.  Lines end with CRLF and are at most
 * 78 characters where the text lets them.  Text is us-ascii where it can be,
 * else utf-8; format=flowed where wanted and the text has no line that would
 * suffer.  A line end in any field that a person can fill in ends nothing: it
 * is a blank.
 */
#ifndef WAXWING_MUA_COMPOSE_LETTER_H
#define WAXWING_MUA_COMPOSE_LETTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum { FIELD_TEXT_MAX = 1024 * 1024, REFERENCES_MAX = 20, LETTER_PARTS_MAX = 200 };
#define BUILT_MAX ((size_t)512 * 1024 * 1024)

struct enclosure {
	struct view name;	/* of the file, UTF-8; empty for a letter */
	struct view type;	/* "application/pdf", or "message/rfc822" */
	struct view octets;
};

struct draft {
	/* Address lists as people write them: Jo <jo@foo.com>, "x y" <z@foo.com>. */
	struct view from, reply_to, to, cc;
	struct view subject, text;		/* UTF-8; text with LF or CRLF */
	struct view in_reply_to, references;	/* ids with <>, blanks between */
	const struct enclosure *enclosures;
	size_t n_enclosures;
	struct view extra;			/* whole fields, CRLF behind each */
	struct view body;			/* instead of text and enclosures: from Content-Type: on */
	bool flowed, user_agent;
	bool local_time;			/* Date: in the zone of this machine, else UTC */
	wall_ms at;				/* Date: */
};

/* ret_id: the Message-ID, without <>; may be NULL.  ST_SYNTAX: an address that
 * is none (ret_bad names it; may be NULL), or text that is no UTF-8.  ST_LIMIT,
 * ST_NOMEM, ST_IO (no randomness). */
enum status letter_build(const struct draft *d, struct buf *out, struct buf *ret_id, struct buf *ret_bad) MUST_USE;

/* The addresses of a list, as SMTP wants them; groups are their members.  In
 * the arena.  ST_SYNTAX: one that is none, put into ret_bad. */
enum status letter_recipients(struct view list, struct arena *a, struct view **ret, size_t *ret_n,
			      struct buf *ret_bad) MUST_USE;

/* A field with such a list, folded; nothing where it is empty.  As letter_build. */
enum status letter_put_addresses(const char *field, struct view list, struct buf *out, struct buf *ret_bad) MUST_USE;
/* A new Message-ID of an author's domain, without <>. */
enum status letter_put_id(struct view from, struct buf *id) MUST_USE;

/* Text as format=flowed (RFC 3676 4), LF between lines. */
void flow_text(struct view text, struct buf *out);

/* A parameter of Content-Type or Content-Disposition with what goes before it
 * (";\r\n\t"), encoded and in pieces where it must be (RFC 2231 3, 4). */
void put_parameter(const char *name, struct view value, struct buf *out);

#endif
