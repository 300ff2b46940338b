/* attempt.h - what the queue asks of relay, and what became of it.
 *
 * An attempt is one letter, some of its recipients, and one site: the domain
 * of the recipients in lower-case ASCII (A-labels, RFC 5890), or the text of
 * a route.  Its recipients are their places in the envelope, a u32 each; a
 * result names each by that place.  One that no result names was not tried.
 *
 * Views are borrowed from the bytes that were decoded.
 */
#ifndef WAXWING_IPC_ATTEMPT_H
#define WAXWING_IPC_ATTEMPT_H

#include "base/buf.h"
#include "base/cursor.h"

/* Of one remote reply or of our own words for why not; more is cut off. */
enum { ATTEMPT_TEXT_MAX = 512 };

struct attempt_result {
	uint32_t recipient;	/* place in the envelope */
	uint8_t verdict;	/* VERDICT_OK, VERDICT_NO (for good), VERDICT_LATER */
	uint8_t dsn;		/* ok: the next host offers DSN and has taken over what was asked for */
	uint8_t by;		/* ok: the next host offers DELIVERBY and knows by when (RFC 2852) */
	uint8_t site;		/* later: the site is to blame and would say so of any letter: no
				 * answer from DNS, no connection, no TLS, 421, greeting refused */
	uint16_t code;		/* of the remote's reply; 0: there was none */
	struct view status;	/* enhanced code, "5.1.1" (RFC 3463) */
	struct view text;	/* the reply as it came, or why none was got; printable, lines joined by "\n" */
	struct view host;	/* the remote host that said so, or empty */
};

void attempt_result_put(struct buf *b, const struct attempt_result *r);
/* One after another; false at the end or at broken bytes. */
bool attempt_result_take(struct cursor *c, struct attempt_result *ret);

#endif
