/* urlauth.h - the access keys of mailboxes (RFC 4467 2.2), and what an IMAP
 * URL names in this account.  Runs in room, which alone has the keys.
 *
 * The keys lie in urlauth.keys in the account's folder:
 *
 *     0        4                            n
 *     +--------+-------------------- ... ---+---------+
 *     | "WAXU" | (id of mailbox, key) ...   | xxh64   |
 *     +--------+-------------------- ... ---+---------+
 *
 * 8 and 32 octets each.  It is written whole, beside and renamed, and is on
 * disk before a token of a new key is shown or RESETKEY is answered.  Lost or
 * damaged it costs the URLs that were made, and nothing else: the mailboxes
 * get other keys.
 *
 * A token is the octet 1 (how it is made) and HMAC-SHA256 under the mailbox's
 * key over id and UIDVALIDITY of the mailbox and the URL's rump as it came:
 * so no octet of the URL can be changed, and one of a mailbox that was
 * deleted is not good for the next one of its name.
 */
#ifndef WAXWING_MS_URLAUTH_H
#define WAXWING_MS_URLAUTH_H

#include "conf/conf.h"
#include "ms/store.h"
#include "wire/imap_url.h"

enum { URLAUTH_TOKEN = 33 };

/* The token for a rump, in hexadecimal, at the end of out; a mailbox without
 * key gets one.  Errors of disk.h, ST_NOMEM. */
enum status urlauth_sign(struct mailbox *m, struct view rump, struct buf *out) MUST_USE;

/* Is the URL's token (INTERNAL) good, and its time not over?  ST_DENIED,
 * ST_TIMEOUT; errors of disk.h. */
enum status urlauth_check(struct mailbox *m, const struct imap_url *u, wall_ms now) MUST_USE;

/* RESETKEY: the keys of that mailbox, or of all (NULL), are no more. */
enum status urlauth_reset(struct store *s, const struct mailbox *m) MUST_USE;

/* Who reads by a URL. */
struct url_reader {
	struct view user;	/* the account's address */
	bool submission;	/* our submission server, for him; else his IMAP session */
};

/* Is it a URL of that account, on this host (its name, and where a port is
 * named one of those of IMAP)? */
bool url_is_own(const struct conf *c, struct view user, const struct imap_url *u);
/* May he use it, were the token good? */
bool url_access_allows(const struct imap_url *u, const struct url_reader *who);

/* The mailbox of the letter that a URL names; the caller releases it.
 * `selected` (or NULL) is for URLs that name none.  ST_MISSING. */
enum status url_open(struct store *s, const struct mailbox *selected, const struct imap_url *u,
		     struct mailbox **ret) MUST_USE;

/* The piece of it: `binary` without its transfer encoding (RFC 5524).  own
 * holds what does not lie in the letter; valid until the store changes.
 * ST_MISSING, ST_SYNTAX (the section; an encoding that is not known),
 * ST_CORRUPT, ST_NOMEM, ST_LIMIT. */
enum status url_piece(struct mailbox *m, const struct imap_url *u, bool binary, struct arena *a,
		      struct buf *own, struct view *ret) MUST_USE;

/* BODYPARTSTRUCTURE of it, or with `binary` of what that gives (RFC 5524 3.2).
 * As url_piece. */
enum status url_structure(struct mailbox *m, const struct imap_url *u, bool binary, struct arena *a,
			  struct buf *out) MUST_USE;

/* All that speaks for or against a URL with a token: his own, for him, and good.
 * Whether there is such a letter is not looked at, so that nobody without a
 * token can tell.  The caller releases *ret_m.  ST_SYNTAX, ST_LIMIT (no URL),
 * ST_DENIED, ST_TIMEOUT; errors of the store. */
enum status url_authorized(struct store *s, const struct conf *c, const struct url_reader *who, struct view text,
			   struct arena *a, struct imap_url *ret_url, struct mailbox **ret_m) MUST_USE;

/* The bytes that such a URL names, at the end of out.  As url_authorized and
 * url_piece. */
enum status url_fetch(struct store *s, const struct conf *c, const struct url_reader *who, struct view text,
		      struct buf *out) MUST_USE;

#endif
