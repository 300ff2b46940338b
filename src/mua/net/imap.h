/* imap.h - a session with an IMAP server, the client's side (RFC 9051, and
 * RFC 3501 where the server knows no more).
 *
 * A command is begun, written and run:
 *
 *     buf_puts(imap_begin(i), "UID FETCH 1:* (FLAGS)");
 *     st = imap_run(i, on_answer, arg);
 *
 * imap_run waits until the server has said OK (ST_OK), or NO or BAD
 * (ST_DENIED; client.why has its words).  Everything else is the end of the
 * session: ST_CLOSED, ST_TIMEOUT, ST_SYNTAX (no IMAP), ST_LIMIT, ST_NOMEM.
 * Untagged answers go to on_answer, whose views last until it returns.
 */
#ifndef WAXWING_MUA_NET_IMAP_H
#define WAXWING_MUA_NET_IMAP_H

#include "mua/net/client.h"
#include "mua/net/imap_answer.h"

/* What the server can, as a set. */
enum imap_can {
	CAN_IDLE = 1,		/* RFC 2177 */
	CAN_UIDPLUS = 2,	/* RFC 4315 */
	CAN_MOVE = 4,		/* RFC 6851 */
	CAN_CONDSTORE = 8, CAN_QRESYNC = 16,	/* RFC 7162 */
	CAN_LITERAL_PLUS = 32, CAN_LITERAL_MINUS = 64,	/* RFC 7888 */
	CAN_LIST_STATUS = 128,	/* RFC 5819 */
	CAN_SPECIAL_USE = 256,	/* RFC 6154 */
	CAN_ENABLE = 512,	/* RFC 5161 */
	CAN_UTF8 = 1024,	/* RFC 6855 */
	CAN_SASL_IR = 2048,	/* RFC 4959 */
	CAN_NOT_LOGIN = 4096,	/* LOGINDISABLED */
	CAN_REV2 = 8192,
	CAN_LIST_EXTENDED = 16384,	/* RFC 5258 */
	CAN_STARTTLS = 32768,
	CAN_NOTIFY = 65536,	/* RFC 5465 */
};

typedef void imap_untagged(void *arg, const struct answer *a);

struct imap {
	struct client client;
	struct imap_hearer hearer;
	struct arena arena;		/* of the answer in hand */
	struct buf mechanisms;
	unsigned can;
	uint32_t tag;
	bool utf8;
	bool told;			/* what the server can was said */
	bool qresync;			/* enabled */
	bool login;			/* this side has logged in */
	/* The folder that is selected. */
	uint32_t exists, uidvalidity, uidnext;
	uint64_t modseq;
	bool selected, read_only;
	/* Of the last command: its code, as "APPENDUID" and the rest. */
	struct buf code, code_rest;
	imap_untagged *untagged;
	void *arg;
};

/* Connects and logs in.  answer_max: octets of one answer, so of a letter.
 * imap_close in any case.  ST_DENIED: TLS, or the login (why says). */
enum status imap_open(struct imap *i, struct net *n, const struct server *s, struct view user,
		      struct view password, size_t answer_max) MUST_USE;
/* The same up to the login, to see whether an IMAP server is there. */
enum status imap_greet(struct imap *i, struct net *n, const struct server *s, size_t answer_max) MUST_USE;
void imap_close(struct imap *i);

static inline bool imap_can(const struct imap *i, unsigned what)
{
	return (i->can & what) == what;
}

struct buf *imap_begin(struct imap *i);
/* Within a command: as a literal; waits for the server's "+" where it must. */
enum status imap_put_octets(struct imap *i, struct view v) MUST_USE;
enum status imap_run(struct imap *i, imap_untagged *untagged, void *arg) MUST_USE;

/* SELECT; known: QRESYNC's arguments " (QRESYNC (...))", " (CONDSTORE)" or "". */
enum status imap_enter(struct imap *i, struct view mailbox, const char *how, imap_untagged *untagged,
			void *arg) MUST_USE;

/* Waits until something happens in the folder selected, or in others that NOTIFY
 * tells of, at most ms (RFC 2177).  ST_OK: something did; ST_TIMEOUT. */
enum status imap_idle(struct imap *i, uint64_t ms) MUST_USE;

#endif
