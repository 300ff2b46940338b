/* imap_url.h - IMAP URLs (RFC 5092 11) and what URLAUTH puts behind them
 * (RFC 4467 9).
 *
 *     imap://Jones%40foo.com@mx.foo.com/INBOX;UIDVALIDITY=7/;UID=20/;SECTION=1.2
 *            \__ user _____/ \_ host _/ \mailbox/               \_____ part ___/
 *         ;EXPIRE=2026-12-01T00:00:00Z;URLAUTH=submit+Jones%40foo.com:INTERNAL:01ab...
 *                                              \____ access ________/ \ mechanism, token
 *
 * The grammar, and no more: percent-encoding is taken off, everything that a
 * program compares is in the struct, and what the token covers is `rump`, the
 * octets as they came.  Whose it is, and whether it is good, is for whoever
 * asks.  Relative URLs begin with "/" or, of the mailbox that is selected,
 * with ";" (RFC 4469); then user and host are empty.  Not taken: passwords
 * (the RFC has none), and the list of mailboxes of a server below a path.
 */
#ifndef WAXWING_WIRE_IMAP_URL_H
#define WAXWING_WIRE_IMAP_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

enum { IMAP_URL_MAX = 4096, IMAP_URL_TOKEN_LEAST = 32, IMAP_URL_TOKEN_MOST = 256 };

enum imap_url_access {
	IMAP_URL_NO_ACCESS,	/* nothing of URLAUTH in it */
	IMAP_URL_SUBMIT,	/* submit+access_user: for a submission server of his */
	IMAP_URL_USER,		/* user+access_user */
	IMAP_URL_AUTHUSER,	/* whoever has logged in */
	IMAP_URL_ANONYMOUS,	/* whoever speaks IMAP here */
};

struct imap_url {
	bool absolute;		/* with a server, be it ours or not */
	struct view user, auth;	/* user is decoded; auth: behind ";AUTH=" */
	struct view host;	/* as it came; "[...]" of an address */
	uint16_t port;		/* 0: none named */
	struct view mailbox;	/* decoded, UTF-8; empty: of the whole server, or the selected one */
	uint32_t uidvalidity;	/* 0: none named */
	uint32_t uid;		/* 0: it names no letter */
	bool search;		/* behind "?" */
	struct view section;	/* decoded, "1.2.HEADER" (section_parse); p is NULL: all of it */
	bool partial;
	uint64_t from, length;	/* of partial; length 0: to the end */
	wall_ms expire;		/* 0: never */
	enum imap_url_access access;
	struct view access_user;	/* decoded */
	struct view rump;	/* up to the access, as it came */
	struct view mechanism;	/* p is NULL: the rump alone */
	struct view token;	/* hexadecimal digits */
};

/* Views lie in text or in the arena.  ST_SYNTAX, ST_LIMIT (longer than
 * IMAP_URL_MAX), ST_NOMEM. */
enum status imap_url_take(struct view text, struct arena *a, struct imap_url *ret) MUST_USE;

/* What a user or a mailbox looks like in a URL: all but letters, digits,
 * "-", "." and "_" percent-encoded, and "/" of a mailbox as it is. */
void imap_url_put(struct buf *b, struct view v, bool mailbox);

#endif
