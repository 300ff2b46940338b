/* address.h - address lists (RFC 5322 3.4, the obsolete forms of 4.4, RFC 6532).
 *
 * address_next gives one after another; the views are raw text of the field
 * (with quotes, comments, folds), and address_put_* write what they mean.
 * Never fails: what is no address comes as one without domain.  Linear.
 *
 *   Mary Smith <@node.test:mary@example.net>   phrase, route, local, domain
 *   pete@silly.test (Pete)                     comment, local, domain
 *   A Group: a@b.test;                         GROUP, MAILBOX, GROUP_END
 */
#ifndef WAXWING_MSG_ADDRESS_H
#define WAXWING_MSG_ADDRESS_H

#include "base/buf.h"
#include "base/cursor.h"

enum address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP, ADDRESS_GROUP_END };

struct address {
	enum address_kind kind;
	struct view phrase;	/* display name, or the group's; may be empty */
	struct view comment;	/* the inside of the last comment beside the address */
	struct view route;	/* "@a,@b" of an obsolete route (RFC 5322 4.4) */
	struct view local, domain;	/* domain may be empty */
	bool angle;		/* it stood in <> */
};

struct address_reader {
	struct cursor c;
	bool in_group;
	bool no_quotes;	/* no closing quotation mark is left */
};

static inline struct address_reader address_reader(struct view field)
{
	return (struct address_reader){ .c = cursor_over(field) };
}

/* False at the end.  A group that is never closed ends there too. */
bool address_next(struct address_reader *r, struct address *ret);

/* A phrase as text: quoted strings without quotes, comments dropped, one blank
 * for each run of them.  Encoded words stay encoded. */
void address_put_phrase(struct view phrase, struct buf *out);
/* The name that people see: the phrase or, where there is none, the comment. */
void address_put_name(const struct address *a, struct buf *out);
/* Local part (quoting removed) or domain, without comments and blanks. */
void address_put_spec(struct view part, struct buf *out);
/* local@domain, the local part quoted again where it must be. */
void address_put(const struct address *a, struct buf *out);

/* What stands behind the last "@" of an envelope's address; empty where there is none. */
static inline struct view address_domain(struct view address)
{
	size_t at = view_behind_last(address, '@');

	return at ? view_skip(address, at) : VIEW_NONE;
}

#endif
