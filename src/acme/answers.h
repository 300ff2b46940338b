/* answers.h - what an issuer of certificates answers (RFC 8555 7.1), as far as it is used.
 *
 * Views are borrowed from the JSON.  Every URL must be of the issuer's own origin, so that no
 * answer leads to another host or port.  Errors: ST_SYNTAX (something is missing or of
 * another type), ST_LIMIT (too long), ST_DENIED (a URL of another origin).
 */
#ifndef WAXWING_ACME_ANSWERS_H
#define WAXWING_ACME_ANSWERS_H

#include "base/buf.h"

#include <jansson.h>

enum { ACME_URL_MOST = 900, ACME_TEXT_MOST = 2000, ACME_PROBLEM_MAX = 1000 };

/* "https://HOST:PORT" of a URL, without what follows.  ST_SYNTAX: it is none, or not https. */
enum status acme_origin(struct view url, struct view *ret) MUST_USE;
/* Is it one of that origin, which can stand in JSON as it is? */
enum status acme_url_check(struct view url, struct view origin) MUST_USE;

/* 7.1.1 */
struct acme_directory {
	struct view new_nonce, new_account, new_order;
	struct view terms;	/* of service; or empty */
	bool bound;		/* an account elsewhere is needed (7.3.4) */
};
enum status acme_directory_take(const json_t *o, struct view origin, struct acme_directory *ret) MUST_USE;

/* 7.1.6; what has ended in any way is invalid. */
enum acme_state { ACME_PENDING, ACME_READY, ACME_PROCESSING, ACME_VALID, ACME_INVALID };

/* 7.1.3; of one identifier, so there is one authorization. */
struct acme_order {
	enum acme_state state;
	struct view authorization, finalize;
	struct view certificate;	/* where it is valid; else empty */
	const json_t *problem;		/* or NULL */
};
enum status acme_order_take(const json_t *o, struct view origin, struct acme_order *ret) MUST_USE;

/* 7.1.4, with its challenge of email-reply-00 (RFC 8823 3, 3). */
struct acme_authorization {
	enum acme_state state;
	struct view address;		/* the identifier */
	bool offered;			/* that challenge is there; else the rest is empty */
	enum acme_state challenge;
	struct view url, token, from;
	const json_t *problem;		/* of the challenge, or NULL */
};
enum status acme_authorization_take(const json_t *o, struct view origin, struct acme_authorization *ret) MUST_USE;

/* A problem (RFC 7807, RFC 8555 6.7): its kind, such as "badNonce", or empty; and a sentence
 * for people, of printable ASCII, at most ACME_PROBLEM_MAX. */
struct view acme_problem_kind(const json_t *o);
void acme_problem_put(const json_t *o, struct buf *out);

#endif
