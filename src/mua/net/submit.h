/* submit.h - handing a letter to the account's submission server (RFC 6409,
 * 5321), as a mail program does: over verified TLS and after a login.
 *
 * A letter goes to all of its recipients or to none: where one is refused, the
 * person is told which, and nothing is sent.
 */
#ifndef WAXWING_MUA_NET_SUBMIT_H
#define WAXWING_MUA_NET_SUBMIT_H

#include "mua/net/client.h"
#include "wire/smtp_reply.h"

enum { MECHANISMS_MAX = 1024 };

struct submitter {
	struct client client;		/* client.why: the server's words, too */
	struct smtp_reply reply;
	struct smtp_offer offer;
	struct buf mechanisms;
	bool permanent;			/* ST_DENIED is for good (5xx) */
	bool dirty;			/* RSET comes before the next letter */
	bool unprotected;		/* ST_DENIED, since REQUIRETLS is not offered */
};

struct submission {
	struct view from;		/* reverse-path; may be empty */
	const struct view *to;
	size_t n_to;
	struct view letter;		/* LF or CRLF */
	struct view notify;		/* DSN (RFC 3461 4.1): "success,failure"; empty: the server's own way */
	bool headers_only;		/* RET=HDRS */
	bool require_tls;		/* REQUIRETLS (RFC 8689), or not at all */
};

/* Connects and logs in.  submit_close in any case.  Errors as client_open;
 * ST_DENIED: the login. */
enum status submit_open(struct submitter *s, struct net *n, const struct server *to, struct view user,
			struct view password) MUST_USE;
/* The same up to EHLO, to see whether a submission server is there. */
enum status submit_greet(struct submitter *s, struct net *n, const struct server *to) MUST_USE;

/* ST_OK: the server has it.  ST_DENIED: it does not take it (s->permanent),
 * and the session goes on.  Else the session is over, and whether the server
 * has the letter is not known where it happened behind the last octet. */
enum status submit_letter(struct submitter *s, const struct submission *l) MUST_USE;
void submit_close(struct submitter *s);

#endif
