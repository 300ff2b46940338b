/* imap_args.h - the arguments of IMAP's commands (RFC 9051 9 and extensions).
 *
 * On top of imap.h and in its manner: take_* that fail once, results in the
 * parser's arena.
 */
#ifndef WAXWING_WIRE_IMAP_ARGS_H
#define WAXWING_WIRE_IMAP_ARGS_H

#include "base/clock.h"
#include "wire/imap.h"

/* ---- sequence-set and uid-set ---- */

#define IMAP_STAR UINT32_MAX	/* "*": the largest in use */

struct imap_range {
	uint32_t from, to;
};

struct imap_set {
	struct imap_range *r;
	uint32_t n;
	bool saved;	/* "$", the last search's result (RFC 9051 6.4.4.1) */
};

struct imap_set imap_take_set(struct imap_parse *p);
/* Puts a number for "*", sorts, and joins what touches. */
void imap_set_settle(struct imap_set *set, uint32_t largest);
/* For a settled set. */
bool imap_set_has(const struct imap_set *set, uint32_t x);

/* Writes numbers that come in rising order as 1:3,7. */
struct imap_set_writer {
	struct buf *out;
	uint32_t from, to;	/* the run in hand; 0: none */
	bool any;
};
void imap_set_put(struct imap_set_writer *w, uint32_t x);
void imap_set_put_run(struct imap_set_writer *w, uint32_t from, uint32_t to);
void imap_set_finish(struct imap_set_writer *w);

/* ---- flags ---- */

enum imap_flag_word { IMAP_FLAG_NONE, IMAP_FLAG_SEEN, IMAP_FLAG_ANSWERED, IMAP_FLAG_FLAGGED,
		      IMAP_FLAG_DELETED, IMAP_FLAG_DRAFT };

/* \Seen and the like, or a keyword.  Others with a backslash fail. */
struct imap_flags {
	uint32_t system;	/* bits 1 << (enum imap_flag_word - 1) */
	struct imap_list keywords;
};
/* In parentheses; for STORE also without, when `bare`. */
struct imap_flags imap_take_flags(struct imap_parse *p, bool bare);

/* ---- dates ---- */

/* Days since 1970-01-01. */
int64_t imap_take_date(struct imap_parse *p);
wall_ms imap_take_date_time(struct imap_parse *p);
/* "17-Jul-1996 02:44:25 +0000" in quotes. */
void imap_put_date_time(struct buf *b, wall_ms at);

/* ---- FETCH ---- */

enum imap_fetch_kind {
	IMAP_FETCH_UID, IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE, IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY, IMAP_FETCH_BODYSTRUCTURE, IMAP_FETCH_MODSEQ,
	IMAP_FETCH_RFC822, IMAP_FETCH_RFC822_HEADER, IMAP_FETCH_RFC822_TEXT,
	IMAP_FETCH_SECTION, IMAP_FETCH_BINARY, IMAP_FETCH_BINARY_SIZE,
};

enum imap_section_text { IMAP_SECTION_ALL, IMAP_SECTION_HEADER, IMAP_SECTION_FIELDS,
			 IMAP_SECTION_FIELDS_NOT, IMAP_SECTION_TEXT, IMAP_SECTION_MIME };

struct imap_section {
	uint32_t *part, n_part;
	enum imap_section_text text;
	struct imap_list fields;
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	bool peek, partial;
	uint64_t from, length;	/* of partial */
	struct imap_section section;
};

enum { IMAP_FETCH_MAX = 256, IMAP_PARTS_MAX = 64 };

struct imap_fetch {
	struct imap_fetch_item *items;
	uint32_t n;
	unsigned kinds;		/* bits 1 << kind of all items */
};
/* A macro (ALL, FAST, FULL), one item, or a list. */
struct imap_fetch imap_take_fetch(struct imap_parse *p);
/* "[1.2.HEADER.FIELDS (DATE FROM)]" as the answer shows it. */
void imap_put_section(struct buf *b, const struct imap_section *s);

/* ---- SEARCH ---- */

enum imap_key {
	IMAP_KEY_ALL, IMAP_KEY_AND, IMAP_KEY_OR, IMAP_KEY_NOT,
	IMAP_KEY_FLAG, IMAP_KEY_NO_FLAG, IMAP_KEY_KEYWORD, IMAP_KEY_NO_KEYWORD,
	IMAP_KEY_RECENT, IMAP_KEY_SEQUENCE, IMAP_KEY_UID,
	IMAP_KEY_BEFORE, IMAP_KEY_ON, IMAP_KEY_SINCE,
	IMAP_KEY_SENT_BEFORE, IMAP_KEY_SENT_ON, IMAP_KEY_SENT_SINCE,
	IMAP_KEY_LARGER, IMAP_KEY_SMALLER, IMAP_KEY_OLDER, IMAP_KEY_YOUNGER, IMAP_KEY_MODSEQ,
	IMAP_KEY_HEADER, IMAP_KEY_BODY, IMAP_KEY_TEXT,
};

struct imap_search_key {
	enum imap_key key;
	struct view field, text;	/* HEADER: field; all texts, and keywords */
	uint64_t number;		/* flag bit, size, seconds, mod-sequence */
	int64_t day;
	struct imap_set set;
	void *cooked;			/* of whoever evaluates it */
	struct imap_search_key *kids;	/* first of AND, OR, NOT */
	struct imap_search_key *next;	/* of the same parent */
};

enum { IMAP_RETURN_MIN = 1, IMAP_RETURN_MAX = 2, IMAP_RETURN_ALL = 4, IMAP_RETURN_COUNT = 8,
       IMAP_RETURN_SAVE = 16 };

struct imap_search {
	bool extended;			/* RETURN (...) was said: answer ESEARCH */
	unsigned results;		/* IMAP_RETURN_* */
	struct view charset;		/* empty: none said */
	bool modseq;			/* a MODSEQ key: answer with mod-sequences */
	struct imap_search_key *key;	/* an AND of all */
};
/* All that follows SEARCH and its blank. */
struct imap_search imap_take_search(struct imap_parse *p);

/* ---- STATUS, LIST ---- */

enum { IMAP_STATUS_MESSAGES = 1, IMAP_STATUS_RECENT = 2, IMAP_STATUS_UIDNEXT = 4,
       IMAP_STATUS_UIDVALIDITY = 8, IMAP_STATUS_UNSEEN = 16, IMAP_STATUS_DELETED = 32,
       IMAP_STATUS_SIZE = 64, IMAP_STATUS_HIGHESTMODSEQ = 128, IMAP_STATUS_APPENDLIMIT = 256,
       IMAP_STATUS_DELETED_STORAGE = 512 };
/* The bits in the order of their names, for the answer. */
extern const char *const imap_status_names[];
enum { IMAP_STATUS_COUNT = 10 };
unsigned imap_take_status(struct imap_parse *p);

enum { IMAP_LIST_SUBSCRIBED = 1, IMAP_LIST_REMOTE = 2, IMAP_LIST_RECURSIVEMATCH = 4,
       IMAP_LIST_SPECIAL_USE = 8,
       IMAP_LIST_CHILDREN = 16, IMAP_LIST_STATUS = 32,
       IMAP_LIST_EXTENDED = 64 };

struct imap_list_command {
	unsigned select, answer;	/* IMAP_LIST_*: selection and return options */
	unsigned status;		/* IMAP_STATUS_* of RETURN (STATUS ...) */
	bool extended;			/* any of the extended syntax was used */
	struct view reference;
	struct imap_list patterns;
};
struct imap_list_command imap_take_list(struct imap_parse *p);

/* Does a name match reference + pattern ("*" any, "%" not the delimiter)? */
bool imap_match(struct view pattern, struct view name, char delimiter);

#endif
