/* spf_record.h - the grammar of SPF records and of the macros in them
 * (RFC 7208 4.6.1, 5, 6, 7.1, 12).  Allocates in the arena, asks nobody. */
#ifndef WAXWING_TRUST_SPF_RECORD_H
#define WAXWING_TRUST_SPF_RECORD_H

#include "base/arena.h"

enum { SPF_TERMS_MOST = 1024 };

enum spf_kind { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_term {
	enum spf_kind kind;
	char qualifier;		/* '+', '-', '~', '?' */
	struct view text;	/* the whole term */
	struct view spec;	/* its domain-spec, or empty */
	uint8_t cidr4, cidr6;
	uint8_t ip[16];		/* of ip4 and ip6 */
};

struct spf_record {
	struct spf_term *terms;
	size_t n;
	struct view redirect, exp;	/* their domain-specs; p is NULL where there is none */
	bool all;		/* there is an `all`: redirect means nothing (6.1) */
};

/* Is it one at all (4.5)? */
bool spf_record_is(struct view text);

/* All of it is read before any of it counts (4.6).  ST_SYNTAX, ST_NOMEM, ST_LIMIT. */
enum status spf_record_parse(struct view text, struct arena *a, struct spf_record *ret) MUST_USE;

/* ---- macros (7.1) ---- */

struct spf_piece {
	struct view literal;	/* text as it is, where letter is '\0' */
	char letter;		/* as written: a capital wants URL escapes */
	unsigned keep;		/* how many right-hand parts; 0: all */
	bool reverse;
	struct view delimiters;	/* empty: "." */
};

/* The next piece of a macro-string; false at its end.  *ret_st: ST_SYNTAX. */
bool spf_piece_next(struct view *text, bool explanation, struct spf_piece *ret, enum status *ret_st);

#endif
