/* buf.h - a growing run of bytes that always has a maximum.
 *
 * Ownership: a buf owns its bytes; buf_free gives them back and leaves it
 * empty and usable.  Errors are sticky: after the first put that fails
 * (maximum or memory) all later ones do nothing, and the caller asks once
 * with buf_status.  So writers read like the grammar they write.
 *
 * The put_* functions write the project's own binary form (little endian,
 * length before bytes); cursor.h reads it back.
 */
#ifndef WAXWING_BASE_BUF_H
#define WAXWING_BASE_BUF_H

#include "base/status.h"
#include "base/view.h"

struct buf {
	char *p;
	size_t n;	/* bytes held */
	size_t cap;	/* bytes allocated */
	size_t max;	/* bytes that may ever be held */
	enum status st;	/* ST_OK, ST_LIMIT or ST_NOMEM */
};

/* An empty buf; allocates nothing. */
#define BUF(maximum) ((struct buf){ .max = (maximum) })

void buf_free(struct buf *b);
/* The same for a secret, which is overwritten.  Bytes that it left behind when it grew are not. */
void buf_wipe(struct buf *b);

/* Forget the bytes and the error, keep the memory. */
void buf_clear(struct buf *b);

static inline enum status buf_status(const struct buf *b)
{
	return b->st;
}

static inline struct view buf_view(const struct buf *b)
{
	return view_make(b->p, b->n);
}

/* Room for n more bytes; ret_p points behind the bytes held.  The caller
 * writes there and then adds to b->n.  ST_LIMIT, ST_NOMEM. */
enum status buf_reserve(struct buf *b, size_t n, char **ret_p) MUST_USE;

void buf_put(struct buf *b, struct view v);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
/* Needs room for one byte more than it puts. */
void buf_putf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_putu(struct buf *b, uint64_t decimal);
/* Two lower-case digits for each octet. */
void buf_put_hex(struct buf *b, const void *octets, size_t n);

/* Drop the first n bytes (at most those held). */
void buf_drop(struct buf *b, size_t n);

void put_u8(struct buf *b, uint8_t x);
void put_u16(struct buf *b, uint16_t x);
void put_u32(struct buf *b, uint32_t x);
void put_u64(struct buf *b, uint64_t x);
void put_view(struct buf *b, struct view v);	/* u32 length, then the bytes */

#endif
