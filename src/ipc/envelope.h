/* envelope.h - the envelope of a letter (RFC 5321 2.3.1), as it travels
 * between processes and lies in the spool.
 *
 * Views are borrowed from the bytes that were decoded.  The list is in the
 * arena given.  Addresses are as the sender wrote them, without <>, checked
 * by the door; an empty sender is the null reverse-path.
 */
#ifndef WAXWING_IPC_ENVELOPE_H
#define WAXWING_IPC_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cursor.h"

enum { RECIPIENTS_MAX = 10000, ENVELOPE_MAX = 40 * 1024 };

enum body_type { BODY_7BIT = 0, BODY_8BIT, BODY_BINARY };

enum { QUARANTINE_MAX = 300 };	/* printable ASCII */

/* NOTIFY of RFC 3461 4.1, as a set; 0: not given. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

/* How a letter came to a recipient who was not named himself. */
enum via_kind {
	VIA_NOTHING,	/* he was, or by an alias */
	VIA_FORWARD,	/* he is where an account sends its letters on to */
	VIA_GROUP,	/* he is a member */
	VIA_SENT,	/* he is the author: the copy for his Sent mailbox; via is
			 * the value of Bcc:, which nobody else sees */
};

/* Why a letter does not leave the queue before the operator says so. */
enum hold {
	HOLD_NOT,
	HOLD_RECIPIENTS,	/* its account suddenly writes to many for the first time */
	HOLD_TELL = 0x80,	/* of submit_answer: its owner has not been told yet */
};

/* "Protect this letter": what is done for one that somebody who has logged in
 * hands in, from nothing to the most. */
enum protect {
	PROTECT_OFF,
	PROTECT_SIGN,		/* sign */
	PROTECT_BEST,		/* sign, and encrypt where everybody's certificate is known, else REQUIRETLS, else hold */
	PROTECT_ENCRYPT,	/* sign and encrypt, or refuse */
};
/* "protect"; as people and the field Waxwing-Protect: write it.  Static. */
const char *protect_word(enum protect p);
/* ASCII case does not matter.  ST_SYNTAX */
enum status protect_take(struct view word, enum protect *ret) MUST_USE;

/* What submit_ask is about. */
enum submit { SUBMIT_BEGIN, SUBMIT_LETTER, SUBMIT_TOLD };

struct recipient {
	struct view address;	/* where it goes, after aliases */
	struct view original;	/* as given in RCPT TO; empty: the same */
	struct view orcpt;	/* RFC 3461 ORCPT, or empty */
	uint64_t account;	/* 0: not local */
	uint8_t notify;
	uint8_t via_kind;	/* enum via_kind */
	struct view via;	/* the account or group that it came by, else empty */
	struct view sender;	/* the reverse-path for him alone; empty: the envelope's */
	struct view detail;	/* of user+detail@domain, else empty */
};

struct envelope {
	struct view id;		/* names the letter in every log line */
	uint64_t sid;		/* the session that brought it */
	wall_ms received;
	struct view sender;
	struct view envid;	/* RFC 3461 ENVID */
	uint8_t body;		/* enum body_type */
	uint8_t smtputf8;
	uint8_t requiretls;	/* RFC 8689 */
	uint8_t held_back;	/* where a host cannot do that it is held, and does not come back */
	uint8_t ret;		/* RFC 3461 RET: 0, 'F' or 'H' */
	uint64_t authenticated;	/* account that submitted it, 0: a stranger */
	int8_t priority;	/* -9 to 9 (RFC 6710 4), 0: none was given */
	struct view seal;	/* what it may be signed for (seal.h), or empty */
	uint8_t hold;		/* enum hold */
	wall_ms release;	/* it does not leave before (RFC 4865); 0: at once */
	wall_ms deliver_by;	/* when it is too late (RFC 2852); 0: never */
	uint8_t by_mode;	/* then: 'R' or 'N'; 0 without deliver_by */
	uint8_t by_trace;	/* tell of each handing on */
	struct view quarantine;	/* why accounts get it in Junk; empty: they do not */
	struct recipient *recipients;
	uint32_t n_recipients;
};

void envelope_put(struct buf *b, const struct envelope *e);

/* Bytes that envelope_put makes of it: of all but the recipients, and of one. */
size_t envelope_size(const struct envelope *e);
size_t recipient_size(const struct recipient *r);

/* The reverse-path under which the letter goes to this recipient. */
static inline struct view recipient_sender(const struct envelope *e, const struct recipient *r)
{
	return r->sender.n ? r->sender : e->sender;
}

/* The fields that go before the letter for this recipient alone, by whom he
 * is reached: Delivered-To, and those of a list (RFC 2919, 2369).  Nothing
 * for one who was named himself.  Two recipients of one via and sender may
 * share a transaction. */
void recipient_head(const struct recipient *r, struct buf *out);

/* Also of the forms before: what they lack is empty.  ST_SYNTAX, ST_LIMIT, ST_NOMEM */
enum status envelope_take(struct view bytes, struct arena *a, struct envelope *ret) MUST_USE;

/* Where one recipient's letters go: warden's answer to rcpt_ask. */
struct target {
	uint64_t account;
	struct view address;
	uint8_t via_kind;	/* as in struct recipient */
	struct view via, sender, detail;
};
void target_put(struct buf *b, const struct target *t);
/* One after another; false at the end or at broken bytes. */
bool target_take(struct cursor *c, struct target *ret);

#endif
