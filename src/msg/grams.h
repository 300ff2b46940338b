/* grams.h - a filter of the runs of three bytes in a text: says of most
 * letters that a text is not in them, without reading them (RFC 9051 6.4.4).
 *
 * A letter's runs, case folded as search.h folds them, are hashed to 18 bits.
 * The filter has GRAM_BITS bits for each run that is there, and each run sets
 * two: where its hash, scaled down to the filter's length, points to, and
 * where another mixture of it does.  One run in twenty that is not there seems
 * to be (one bit of four for each would be one in five, at half the size: too
 * many where a needle differs from all text by one run only).
 * A filter that lacks one run of a needle proves that the needle is not in the
 * text; one that has them all proves nothing, and the letter is searched.
 *
 *     +-------- ... --------+--------+
 *     | bits, 8 to the byte | xxh3   |    a filter whose sum is wrong proves nothing
 *     +-------- ... --------+--------+
 */
#ifndef WAXWING_MSG_GRAMS_H
#define WAXWING_MSG_GRAMS_H

#include "base/buf.h"

enum { GRAM_HASH = 1 << 18, GRAM_BITS = 8, GRAM_KEYS = 64, GRAM_LEAST = 3 };

/* The runs of one letter.  32 KiB: not for the stack of a coroutine. */
struct grams {
	uint64_t seen[GRAM_HASH / 64];
	uint32_t last;		/* the bytes before */
	uint32_t run;		/* how many, up to 2 */
};

void grams_clear(struct grams *g);
/* More of a text that goes on: ASCII letters may be of either case. */
void grams_put(struct grams *g, struct view text);
/* The text has ended; no run goes over into the next. */
void grams_break(struct grams *g);
/* The filter, appended.  Sticky, as all writers. */
void grams_filter(const struct grams *g, struct buf *out);

/* The runs of a folded needle, the first GRAM_KEYS of them; their number is 0
 * for one that is too short. */
struct gram_keys {
	uint32_t keys[GRAM_KEYS];
	uint32_t n;
};
void gram_keys_of(struct view folded, struct gram_keys *ret);
/* False: a text with these runs is not in the filter's text. */
bool grams_may_hold(struct view filter, const struct gram_keys *k);

#endif
