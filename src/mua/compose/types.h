/* types.h - what kind of file it is, by its name (shared-mime-info's globs
 * where they are installed, else a short table), and by its octets whether it
 * is text. */
#ifndef WAXWING_MUA_COMPOSE_TYPES_H
#define WAXWING_MUA_COMPOSE_TYPES_H

#include "base/arena.h"

/* "application/octet-stream" where nothing is known; text that is no UTF-8 is
 * that too.  In the arena or static. */
struct view type_of_file(struct view name, struct view octets, struct arena *a);

#endif
