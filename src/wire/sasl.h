/* sasl.h - SASL server mechanisms (RFC 4422), the same for SMTP AUTH
 * (RFC 4954), IMAP AUTHENTICATE (RFC 9051 6.2.2) and POP3 AUTH (RFC 5034).
 *
 * Here are the one table of mechanisms, what is offered to whom, and the
 * framing: base64, initial responses, "*".  PLAIN and LOGIN are taken apart
 * here; the messages of all others are warden's to understand, since they need
 * what is stored of a secret (wire/prove.h carries them there).
 *
 *     r = sasl_begin(&s, mechanism, initial, &offer, out);
 *     while (r == SASL_MORE)
 *             send out (base64, no CRLF, perhaps empty) as a challenge,
 *             r = sasl_line(&s, the client's line, out);
 *     if (r == SASL_PROVE)
 *             ask warden about sasl_name, sasl_secret, sasl_authzid
 *     if (r == SASL_ASK)
 *             give sasl_message to warden; where it has a challenge,
 *             r = sasl_challenge(&s, challenge, out) and go on as above
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
	SASL_ASK,	/* warden has to see sasl_message */
	SASL_UNKNOWN,	/* no such mechanism, or not offered here */
	SASL_CANCELLED,	/* "*" (RFC 4422 3.5) */
	SASL_BAD,	/* no base64, or not the mechanism's grammar */
	SASL_TOO_LONG,	/* past a limit */
	SASL_FULL,	/* no memory */
};

/* What a mechanism needs or shows; the columns of the table. */
enum {
	SASL_SHOWS_SECRET = 1,	/* to whoever listens: only under TLS */
	SASL_NEEDS_PLAIN = 2,	/* needs the password itself in the directory */
	SASL_BINDS = 4,		/* to the TLS channel (RFC 5929, 9266) */
	SASL_NEEDS_CERTIFICATE = 8,	/* of the client */
	SASL_NEEDS_ISSUER = 16,	/* keys of an issuer of tokens */
	SASL_SERVER_FIRST = 32,	/* no initial response (RFC 4422 5) */
	SASL_UNLISTED = 64,	/* not of SASL: a command of its own (POP3 APOP) */
};

struct sasl_mechanism;

/* What this connection has, and what the operator wants. */
struct sasl_offer {
	bool tls;		/* what is said cannot be read on the way, or may be */
	bool in_clear;		/* what shows no secret may also be said in clear */
	bool bindable;
	bool certificate;
	bool issuer;
	const char *wanted;	/* names, with blanks between; a -PLUS goes with its base */
};

struct sasl {
	const struct sasl_mechanism *mechanism;
	unsigned step;			/* messages of the client so far */
	bool silent;			/* SASL_ASK without a message: the server begins */
	struct buf message;		/* the client's, decoded */
	struct buf name, secret, authzid;
};

/* initial: the initial response as the protocol gave it, base64 ("=" where it
 * is empty), or VIEW_NONE where there was none.  out is cleared and filled.
 * Whatever comes back, sasl_end must follow. */
enum sasl_result sasl_begin(struct sasl *s, struct view mechanism, struct view initial,
			    const struct sasl_offer *offer, struct buf *out);
enum sasl_result sasl_line(struct sasl *s, struct view line, struct buf *out);
enum sasl_result sasl_challenge(struct sasl *s, struct view challenge, struct buf *out);
void sasl_end(struct sasl *s);

const char *sasl_mechanism_name(const struct sasl *s);

/* After SASL_ASK; VIEW_NONE where the server has to begin. */
static inline struct view sasl_message(const struct sasl *s)
{
	return s->silent ? VIEW_NONE : view_make(s->message.p ? s->message.p : "", s->message.n);
}

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
 * IMAP, " " for SMTP and POP3.  The best come first.  Puts nothing where none
 * may be. */
void sasl_list(struct buf *out, const char *prefix, const struct sasl_offer *offer);
/* Is that one offered? */
bool sasl_offered(struct view mechanism, const struct sasl_offer *offer);
/* Its flags, 0 for none of ours. */
unsigned sasl_flags(struct view mechanism);

/* Strict base64 (RFC 4648 4).  ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status sasl_decode(struct view text, struct buf *out) MUST_USE;
void sasl_encode(struct view bytes, struct buf *out);

#endif
