/* search.h - does a letter contain a text (RFC 9051 6.4.4: HEADER, BODY, TEXT).
 *
 * Case is folded as Unicode says (full case folding, canonical decomposition);
 * a needle that is ASCII alone matches ASCII letters of either case.  Encoded
 * words, transfer encodings and charsets are undone; text is streamed, never
 * held whole.  What needs no decoding is searched where it lies.
 *
 * Searched as body: the content of every text part, header and text of every
 * letter inside, and the headers of parts (names of attachments).  Not
 * searched: the content of other parts, such as images.
 *
 * An empty needle is in every text.  Lines are not joined in bodies.
 *
 * Errors: ST_NOMEM, ST_LIMIT (needle longer than NEEDLE_MAX).
 */
#ifndef WAXWING_MSG_SEARCH_H
#define WAXWING_MSG_SEARCH_H

#include "base/arena.h"
#include "msg/grams.h"
#include "msg/scan.h"

enum { NEEDLE_MAX = 4096 };

struct needle {
	struct scan scan;	/* over the folded text */
	bool ascii;
	bool blank;		/* has a blank: may lie across a header's fold */
};

/* From UTF-8; the folded text lies in the arena. */
enum status needle_make(struct view utf8, struct arena *a, struct needle *ret) MUST_USE;

/* In any field of that name.  An empty needle: is there such a field. */
enum status search_field(struct view letter, struct view name, const struct needle *n, bool *ret_found) MUST_USE;
enum status search_body(struct view letter, const struct needle *n, bool *ret_found) MUST_USE;
/* Header or body. */
enum status search_text(struct view letter, const struct needle *n, bool *ret_found) MUST_USE;

/* All that the three above can find a text in, for the filter of a full-text
 * index: a letter that holds a needle holds its runs (msg/grams.h), in
 * whatever way its needle lets it be searched.  Added to g.  ST_NOMEM;
 * ST_MISSING: some charset cannot be read now, and may be later. */
enum status search_grams(struct view letter, struct grams *g) MUST_USE;

/* In a text that is UTF-8 already. */
enum status search_plain(struct view utf8, const struct needle *n, bool *ret_found) MUST_USE;

#endif
