/* direct.h - a resolver without the process `names`, for commands of
 * waxwing(8): asks DNS itself, and validates as names does.
 */
#ifndef WAXWING_NAMES_DIRECT_H
#define WAXWING_NAMES_DIRECT_H

#include "names/lookups.h"

struct direct;

/* ST_SYNTAX, ST_MISSING, ST_NOMEM, ST_IO; why says what. */
enum status direct_open(const struct lookup_settings *s, struct buf *why, struct direct **ret) MUST_USE;
void direct_free(struct direct *d);

/* The same on somebody's loop, which he runs: it is asked by coroutines only. */
enum status direct_open_on(const struct lookup_settings *s, struct loop *l, struct buf *why,
			   struct direct **ret) MUST_USE;

/* On somebody's loop it waits as coroutines do; else it blocks, in a loop of its
 * own, until the answer is there.  Valid as long as the direct. */
struct resolver *direct_resolver(struct direct *d);

#endif
