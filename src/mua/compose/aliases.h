/* aliases.h - the address book: nicknames and what they stand for.
 *
 *     # a comment
 *     jo     Jo Jones <Jones@foo.com>
 *     crew   jo, Brown@foo.com
 *
 * A nickname within a nickname stands for what it names, ALIAS_DEPTH deep.
 */
#ifndef WAXWING_MUA_COMPOSE_ALIASES_H
#define WAXWING_MUA_COMPOSE_ALIASES_H

#include "base/arena.h"
#include "base/buf.h"

enum { ALIAS_DEPTH = 8, ALIASES_MAX = 1024 * 1024, ALIASES_EXPANDED_MAX = 1024 * 1024 };

struct alias {
	struct view name, addresses;
};

/* The file beside the configuration; none is as good as an empty one. */
enum status aliases_read(struct buf *ret) MUST_USE;
enum status aliases_write(struct view text) MUST_USE;
/* One after another: start with *at = 0. */
bool alias_next(struct view text, size_t *at, struct alias *ret);

/* A list of addresses with nicknames in it, without them.  Added to out. */
enum status aliases_expand(struct view aliases, struct view list, struct buf *out) MUST_USE;

#endif
