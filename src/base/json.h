/* json.h - JSON (RFC 8259) of strangers, read by jansson with limits of our own.
 *
 * jansson goes as deep as a text does, 2048 levels, which is more than the stack
 * of a coroutine holds: what is nested deeper than JSON_DEPTH_MAX is refused
 * before it is read.
 */
#ifndef WAXWING_BASE_JSON_H
#define WAXWING_BASE_JSON_H

#include "base/view.h"

#include <jansson.h>

enum { JSON_DEPTH_MAX = 32 };

/* The object that the text is, or NULL: it is none, names a member twice, is too
 * deep, or there is no memory.  The caller's, for json_decref. */
json_t *json_object_of(struct view text);

/* A member that is a text, or VIEW_NONE; as long as the object. */
struct view json_member(const json_t *object, const char *name);

#endif
