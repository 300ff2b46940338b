/* imap_answer.h - what an IMAP server says (RFC 9051 7, RFC 3501 7), as a
 * client reads it.
 *
 * Two layers, as in wire/imap.h.  imap_hear gathers one answer, its lines and
 * its literals as they came; answer_take reads it over wire/imap.h's cursor.
 * No input or output, no policy.  The server is a stranger: everything has a
 * limit, what does not follow the grammar is ANSWER_BROKEN, and what is only
 * not known is ANSWER_OTHER.
 *
 * Limits: an answer of the reader's max octets, ANSWER_DEPTH parentheses in
 * what is passed over, IMAP_LIST_MAX entries of a list.
 */
#ifndef WAXWING_MUA_NET_IMAP_ANSWER_H
#define WAXWING_MUA_NET_IMAP_ANSWER_H

#include "wire/imap_args.h"

enum { ANSWER_DEPTH = 64, ANSWER_LINE_MAX = 1024 * 1024 };

/* ---- an answer as it comes ---- */

struct imap_hearer {
	struct buf text;	/* a whole answer, without the CRLF at its end */
	/* ---- the hearer's own ---- */
	size_t line_at;
	uint64_t wanted;	/* octets of a literal still to come */
	bool done;
};

enum imap_heard {
	HEARD_MORE,		/* all bytes were used and more must come */
	HEARD_ANSWER,		/* hearer.text is a whole answer */
	HEARD_TOO_LONG, HEARD_BAD_BYTES, HEARD_NO_MEMORY,	/* close it */
};

/* Allocates nothing yet.  max: octets of an answer, its literals included. */
void imap_hearer_begin(struct imap_hearer *h, size_t max);
void imap_hearer_free(struct imap_hearer *h);
enum imap_heard imap_hear(struct imap_hearer *h, struct view bytes, size_t *ret_used);

/* ---- reading it ---- */

enum answer_kind {
	ANSWER_BROKEN, ANSWER_OTHER,
	ANSWER_CONTINUE,	/* "+": text */
	ANSWER_OK, ANSWER_NO, ANSWER_BAD, ANSWER_BYE, ANSWER_PREAUTH,	/* tag, code, text */
	ANSWER_CAPABILITY, ANSWER_ENABLED,	/* text: the words */
	ANSWER_LIST, ANSWER_STATUS, ANSWER_SEARCH,
	ANSWER_EXISTS, ANSWER_EXPUNGE, ANSWER_VANISHED, ANSWER_FETCH,
};

/* What a FETCH gave, as bits. */
enum { GAVE_UID = 1, GAVE_FLAGS = 2, GAVE_SIZE = 4, GAVE_DATE = 8, GAVE_MODSEQ = 16, GAVE_BODY = 32 };

/* The names of a LIST's attributes that count here, as bits. */
enum { LIST_NOSELECT = 1, LIST_SENT = 2, LIST_DRAFTS = 4, LIST_TRASH = 8, LIST_JUNK = 16, LIST_ARCHIVE = 32,
       LIST_ALL = 64, LIST_FLAGGED = 128 };

struct answer {
	enum answer_kind kind;
	struct view tag;		/* empty: untagged */
	struct view code, code_rest;	/* "UIDVALIDITY", "3857529045" */
	struct view text;
	uint32_t number;		/* EXISTS, EXPUNGE, FETCH: sequence number */
	unsigned gave;
	uint32_t uid;
	uint32_t system;		/* flags, as struct imap_flags has them */
	struct imap_list keywords;
	uint64_t size, modseq;
	wall_ms date;
	struct view body;		/* of BODY[...], whichever was asked for */
	unsigned attributes;		/* LIST_* */
	char delimiter;			/* '\0': none */
	struct view mailbox;		/* LIST, STATUS; as UTF-8 */
	struct imap_status {
		uint32_t messages, uidnext, uidvalidity, unseen;
		uint64_t highestmodseq;
	} status;
	struct imap_set set;		/* VANISHED */
	bool earlier;
	uint32_t *numbers;		/* SEARCH */
	uint32_t n_numbers;
};

/* Views point into text or the arena.  utf8: mailbox names are UTF-8. */
void answer_take(struct view text, struct arena *a, bool utf8, struct answer *ret);

/* "COPYUID 38505 304,319:320 3956:3958" or APPENDUID's rest, behind the code
 * (RFC 4315 3): the last set, and the UIDVALIDITY.  False: it is none. */
bool answer_uids(struct view code_rest, struct arena *a, uint32_t *ret_validity, struct imap_set *ret_from,
		 struct imap_set *ret_to);

#endif
