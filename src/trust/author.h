/* author.h - whose letter is it: the author as the reader sees him and as the
 * checks judge him, by one function (RFC 5322 3.6.2, RFC 9989 5.3.1).
 *
 * Everything that shows or checks From: calls author_find, so that no letter
 * tells the two different stories.
 */
#ifndef WAXWING_TRUST_AUTHOR_H
#define WAXWING_TRUST_AUTHOR_H

#include "base/arena.h"

enum { AUTHORS_MOST = 64 };

enum author_kind {
	AUTHOR_ONE,		/* one address, one domain */
	AUTHOR_SEVERAL,		/* several addresses in one field (RFC 5322 3.6.2 allows it) */
	AUTHOR_NONE,		/* no From: */
	AUTHOR_EMPTY,		/* From: without an address, or with an empty group */
	AUTHOR_TWICE,		/* two From: fields: nobody knows which one counts */
	AUTHOR_BAD,		/* an address that is none, or whose domain DNS cannot hold */
	AUTHOR_TOO_MANY,	/* more than AUTHORS_MOST */
};

struct author_address {
	struct view name;	/* decoded display name, UTF-8 without control characters; may be empty */
	struct view address;	/* local@domain as written, UTF-8 without control characters */
	struct view domain;	/* in A-labels, lower case; empty where it is AUTHOR_BAD */
};

struct author {
	enum author_kind kind;
	struct author_address *all;
	size_t n;
	/* The display name itself holds an address of another domain:
	 * "ceo@foo.com" <eve@evil.example>. */
	bool name_lies;
};

/* The header section, or the whole letter.  In the arena; ST_NOMEM, ST_LIMIT. */
enum status author_find(struct view header, struct arena *a, struct author *ret) MUST_USE;

/* The same of one field's value: Resent-From:, Sender: (RFC 5322 3.6.6, 3.6.2).
 * Never AUTHOR_NONE or AUTHOR_TWICE. */
enum status author_read(struct view value, struct arena *a, struct author *ret) MUST_USE;

/* Why it is no one author, for people; NULL for AUTHOR_ONE.  Static. */
const char *author_problem(enum author_kind k);

#endif
