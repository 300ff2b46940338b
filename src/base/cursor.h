/* cursor.h - reads what buf.h's put_* wrote, and text besides.
 *
 * Errors are sticky: after the first take that does not fit, all later ones
 * return zero or an empty view, and the caller asks once with cursor_ok or
 * cursor_end.  Views point into the bytes that the cursor was made over.
 */
#ifndef WAXWING_BASE_CURSOR_H
#define WAXWING_BASE_CURSOR_H

#include "base/view.h"

struct cursor {
	const char *p, *end;
	bool failed;
};

static inline struct cursor cursor_over(struct view v)
{
	return (struct cursor){ v.p, v.p ? v.p + v.n : v.p, false };
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->failed ? 0 : (size_t)(c->end - c->p);
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

/* All read, and nothing failed. */
static inline bool cursor_end(const struct cursor *c)
{
	return !c->failed && c->p == c->end;
}

uint8_t take_u8(struct cursor *c);
uint16_t take_u16(struct cursor *c);
uint32_t take_u32(struct cursor *c);
uint64_t take_u64(struct cursor *c);
struct view take_view(struct cursor *c);
struct view take_bytes(struct cursor *c, size_t n);

/* Text: the next byte without taking it ('\0' at the end), and one taken if
 * it is the byte asked for. */
char peek_char(const struct cursor *c);
bool take_char(struct cursor *c, char want);
/* As many bytes as satisfy the test, possibly none. */
struct view take_while(struct cursor *c, bool (*is)(char));

#endif
