/* pop3.h - the grammar of POP3 as a server reads it (RFC 1939 3, RFC 2449 4),
 * and what both of its halves say alike.
 *
 * No policy and no state.  Views point into the line.
 */
#ifndef WAXWING_WIRE_POP3_H
#define WAXWING_WIRE_POP3_H

#include "base/buf.h"
#include "base/status.h"

/* RFC 2449 4: 255 octets with CRLF; we take more, since names and passwords
 * are longer than they were. */
enum { POP3_LINE_MAX = 1400 };

struct pop3_command {
	struct view verb;	/* without regard to case */
	struct view rest;	/* behind one blank; PASS takes all of it, blanks too */
	bool has_rest;		/* there was a blank */
};
struct pop3_command pop3_split(struct view line);

/* The next argument as a message number, from *rest on, which moves behind it
 * and one blank.  ST_SYNTAX (no number), ST_LIMIT (not one of 1..most). */
enum status pop3_take_number(struct view *rest, uint32_t most, uint32_t *ret_number) MUST_USE;
/* The same for a count, 0 allowed (TOP). */
enum status pop3_take_count(struct view *rest, uint32_t *ret_count) MUST_USE;

/* "." in front of lines that begin with one (RFC 1939 3), CRLF at the end
 * where none is; without the final ".".  Also behind a LF that stands alone,
 * which no letter of ours has: some clients take it for a line end.
 * *at_line: does text begin a line?  Afterwards: does what follows? */
void pop3_put_text(struct buf *out, struct view text, bool *at_line);

/* The answer to LANG (RFC 6856 3), which is said before and after the login; there
 * is English, which is also what "i-default" and "*" get.  False: it is an error. */
bool pop3_put_language(struct buf *out, struct view wanted);

/* The capabilities that hold before and after the login (RFC 2449 6), a line
 * each. */
void pop3_put_capabilities(struct buf *out);

#endif
