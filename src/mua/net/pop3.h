/* pop3.h - fetching letters by POP3 (RFC 1939), for accounts that have no
 * IMAP: CAPA (RFC 2449), AUTH (RFC 5034) or USER and PASS, UIDL, RETR, DELE.
 */
#ifndef WAXWING_MUA_NET_POP3_H
#define WAXWING_MUA_NET_POP3_H

#include "base/arena.h"
#include "mua/net/client.h"

enum { POP3_LINE = 512, POP3_LETTERS_MAX = 1000000, UIDL_MAX = 70 };

struct pop3 {
	struct client client;
	struct buf mechanisms;
	bool stls, user, uidl;		/* what CAPA says */
};

struct pop3_letter {
	uint32_t number;
	struct view uidl;		/* RFC 1939 7: 1 to 70 characters */
};

/* Connects and logs in.  pop3_close in any case. */
enum status pop3_open(struct pop3 *p, struct net *n, const struct server *s, struct view user,
		      struct view password) MUST_USE;
/* All letters, in the arena.  ST_DENIED: it has no UIDL. */
enum status pop3_list(struct pop3 *p, struct arena *a, struct pop3_letter **ret, size_t *ret_n) MUST_USE;
/* Added to out, with CRLF; out's maximum is the limit. */
enum status pop3_fetch(struct pop3 *p, uint32_t number, struct buf *out) MUST_USE;
enum status pop3_delete(struct pop3 *p, uint32_t number) MUST_USE;
/* QUIT, without which nothing is deleted, and its answer. */
enum status pop3_quit(struct pop3 *p) MUST_USE;
void pop3_close(struct pop3 *p);

#endif
