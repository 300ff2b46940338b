/* sasl.h - SASL server mechanisms (RFC 4422), the same for SMTP AUTH
 * (RFC 4954), IMAP AUTHENTICATE (RFC 9051 6.2.2) and POP3 AUTH (RFC 5034).
 *
 * Pure: bytes of the client in, a challenge or a name and a secret out.  Who
 * that is, and whether the secret is right, is warden's to say.
 *
 *     r = sasl_begin(&s, mechanism, initial, out);
 *     while (r == SASL_MORE)
 *             send out (base64, no CRLF, perhaps empty) as a challenge,
 *             r = sasl_line(&s, the client's line, out);
 *     if (r == SASL_PROVE)
 *             ask warden about sasl_name, sasl_secret, sasl_authzid
 *     sasl_end(&s);
 *
 * Base64 is strict (RFC 4648 3): no blanks, full padding, no stray bits.
 *
 * Limits: a line of SASL_LINE_MAX octets (the callers' line limit must be
 * that large; RFC 4954 4 asks for 12288), names of SASL_NAME_MAX, secrets of
 * SASL_SECRET_MAX.  Owner: the caller; sasl_end wipes and gives back.
 */
#ifndef WAXWING_WIRE_SASL_H
#define WAXWING_WIRE_SASL_H

#include "base/buf.h"

enum { SASL_LINE_MAX = 12288, SASL_NAME_MAX = 255, SASL_SECRET_MAX = 1024 };

enum sasl_result {
	SASL_MORE,	/* a challenge is in out; the client's next line goes to sasl_line */
	SASL_PROVE,	/* the client has said all: ask warden */
	SASL_UNKNOWN,	/* no such mechanism */
	SASL_CANCELLED,	/* "*" (RFC 4422 3.5) */
	SASL_BAD,	/* no base64, or not the mechanism's grammar */
	SASL_TOO_LONG,	/* past a limit */
	SASL_FULL,	/* no memory */
};

struct sasl_mechanism;

struct sasl {
	const struct sasl_mechanism *mechanism;
	unsigned step;			/* messages of the client so far */
	struct buf message;		/* the client's, decoded */
	struct buf name, secret, authzid;
};

/* initial: the initial response as the protocol gave it, base64 ("=" where it
 * is empty), or VIEW_NONE where there was none.  out is cleared and filled.
 * Whatever comes back, sasl_end must follow. */
enum sasl_result sasl_begin(struct sasl *s, struct view mechanism, struct view initial, struct buf *out);
enum sasl_result sasl_line(struct sasl *s, struct view line, struct buf *out);
void sasl_end(struct sasl *s);

/* After SASL_PROVE.  An empty authzid means: the same as the name. */
static inline struct view sasl_name(const struct sasl *s)
{
	return buf_view(&s->name);
}

static inline struct view sasl_secret(const struct sasl *s)
{
	return buf_view(&s->secret);
}

static inline struct view sasl_authzid(const struct sasl *s)
{
	return buf_view(&s->authzid);
}

/* The mechanisms that may be offered now, each behind prefix: " AUTH=" for
 * IMAP, " " for SMTP and POP3.  safe: under TLS (or where the operator allows
 * clear text); all of today's need that.  Puts nothing where none may be. */
void sasl_list(struct buf *out, const char *prefix, bool safe);

/* Strict base64 (RFC 4648 4).  ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status sasl_decode(struct view text, struct buf *out) MUST_USE;
void sasl_encode(struct view bytes, struct buf *out);

#endif
