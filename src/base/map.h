/* map.h - a table from a 64-bit number to a pointer.
 *
 * Owns its slots, not what they point to.  Key 0 may be used; a NULL value
 * means "not there".  Grows by doubling; open addressing.
 */
#ifndef WAXWING_BASE_MAP_H
#define WAXWING_BASE_MAP_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t cap, used;
};

void *map_get(const struct map *m, uint64_t key);
/* Adds or replaces.  ST_NOMEM. */
enum status map_set(struct map *m, uint64_t key, void *value) MUST_USE;
/* After ST_OK the next n entries added cannot fail.  ST_NOMEM. */
enum status map_reserve(struct map *m, size_t n) MUST_USE;
/* Returns what was there, or NULL. */
void *map_remove(struct map *m, uint64_t key);
/* One entry after another: start with *at = 0; NULL at the end.  The map
 * must not change meanwhile. */
void *map_next(const struct map *m, size_t *at);
void map_free(struct map *m);

#endif
