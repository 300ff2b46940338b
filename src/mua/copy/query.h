/* query.h - what people type to find letters.
 *
 *     query = term *(blanks term)        all of them
 *     term  = ["-" / "!"] (key ":" text / text)
 *     text  = word / DQUOTE *char DQUOTE     \" and \\ inside
 *
 *     from: to: subject: body:    the text stands there, any case (Unicode)
 *     any text alone              in from, to or subject
 *     is:unread read flagged answered deleted draft forwarded pending
 *        encrypted signed         the flag
 *     has:attachment
 *     tag:KEYWORD                 the keyword
 *     before: after: on:          2026, 2026-11, 2026-11-25, today, yesterday,
 *                                 3d, 2w, 6m, 1y (so long ago); local time
 *     larger: smaller:            octets, or with k or M
 *     id:                         the Message-ID
 *
 * A text of several words is sought as it is; body: looks at the words of the
 * text, then at the letter.  One date or number that cannot be read, or a key
 * that is none, makes the term a text, so that typing never fails.
 *
 * before: and after: count from when that day, month or year began.
 *
 * Limits: QUERY_TERMS_MAX terms (the rest is not there), NEEDLE_MAX octets.
 */
#ifndef WAXWING_MUA_COPY_QUERY_H
#define WAXWING_MUA_COPY_QUERY_H

#include "base/clock.h"
#include "msg/search.h"

struct copy_message;

enum { QUERY_TERMS_MAX = 32 };

enum query_kind {
	QUERY_ANY, QUERY_FROM, QUERY_TO, QUERY_SUBJECT, QUERY_BODY, QUERY_FLAG, QUERY_TAG,
	QUERY_BEFORE, QUERY_AFTER, QUERY_ON, QUERY_LARGER, QUERY_SMALLER, QUERY_ID,
};

struct query_term {
	enum query_kind kind;
	bool not;
	struct view text;
	struct needle needle;
	uint32_t mask, want;	/* of flags */
	uint64_t size;		/* octets */
	wall_ms from, to;	/* the day, month or year that is named, without its end */
};

struct query {
	struct query_term terms[QUERY_TERMS_MAX];
	size_t n;
	bool bodies;		/* some term asks for the text of letters */
};

/* now: for dates.  In the arena.  ST_NOMEM, ST_LIMIT (the arena). */
enum status query_parse(struct view text, wall_ms now, struct arena *a, struct query *ret) MUST_USE;

/* All terms but those of bodies.  ST_NOMEM. */
enum status query_match(const struct query *q, const struct copy_message *m, bool *ret_match) MUST_USE;

#endif
