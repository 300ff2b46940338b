/* tags.h - tag=value lists (RFC 6376 3.2), as DKIM, ARC and DMARC use them.
 *
 * Views point into the text.  The text may be the raw value of a header
 * field, with its folds.
 */
#ifndef WAXWING_TRUST_TAGS_H
#define WAXWING_TRUST_TAGS_H

#include "base/view.h"
#include "base/status.h"

enum { TAGS_MOST = 48 };

struct tag {
	struct view name, value;	/* without blanks and folds at their ends */
	struct view raw;		/* all between '=' and ';' */
};

struct tags {
	struct tag t[TAGS_MOST];
	size_t n;
};

/* ST_SYNTAX: the grammar, a tag twice; ST_LIMIT: more than TAGS_MOST. */
enum status tags_parse(struct view text, struct tags *ret) MUST_USE;

/* Names are case-sensitive.  NULL where it is not there. */
static inline const struct tag *tags_find(const struct tags *t, const char *name)
{
	struct view v = view_cstr(name);

	for (size_t i = 0; i < t->n; i++)
		if (view_eq(t->t[i].name, v))
			return &t->t[i];
	return NULL;
}

/* The value, or an empty view. */
static inline struct view tags_value(const struct tags *t, const char *name)
{
	const struct tag *tag = tags_find(t, name);

	return tag ? tag->value : VIEW_NONE;
}

/* The next of a list such as h=, without blanks around it; false at its end. */
bool tags_list_next(struct view *list, char separator, struct view *ret);

/* Is a word in a list, ASCII letters folded? */
bool tags_list_has(struct view list, char separator, struct view word);

#endif
