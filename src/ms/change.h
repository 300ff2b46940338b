/* change.h - what the records of a journal say.
 *
 * The meta of each record is one of these, little endian, in the order of
 * the struct's fields (views are u32 length and bytes):
 *
 *     type        meta
 *     message     mailbox u64, uid u32, modseq u64, flags u64, date u64,
 *                 queue_id u64, recipient u32, floor u64; the letter is the body
 *     flags       mailbox u64, op u8, flags u64, ranges
 *     expunge     mailbox u64, time u64, ranges
 *     copy        from u64, to u64, first u32, move u8, time u64, items
 *     create      mailbox u64, uidvalidity u32, use u8, name
 *     rename      from name, to name
 *     delete      mailbox u64, time u64
 *     subscribe   on u8, name
 *     keyword     mailbox u64, bit u8, name
 *     state       mailbox u64, uidnext u32, modseq u64, floor u64
 *     purge       time u64
 *     undelete    to u64, first u32, returns
 *
 * ranges is a run of (first u32, last u32); items a run of (uid u32, flags
 * u64); returns a run of (mailbox u64, uid u32, flags u64).  A range may span
 * uids that are not there; an item that is not there uses up its uid all the
 * same (compaction may have left it out).  The mod-sequence of a change is its record's seq, but for a message whose record was written
 * again by compaction: it then bears the flags of that time and their modseq,
 * and flags records up to it change it no more.  state stands where
 * compaction left records out: the mailbox's uidnext and modseq, and the
 * floor of queue ids, are at least these.
 *
 * put never fails but through the buf; take is false where the bytes are no
 * such record.  Views point into the bytes taken from.
 */
#ifndef WAXWING_MS_CHANGE_H
#define WAXWING_MS_CHANGE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/cursor.h"

enum change_type {
	CHANGE_MESSAGE = 1,
	CHANGE_FLAGS,
	CHANGE_EXPUNGE,
	CHANGE_COPY,
	CHANGE_CREATE,
	CHANGE_RENAME,
	CHANGE_DELETE,
	CHANGE_SUBSCRIBE,
	CHANGE_KEYWORD,
	CHANGE_STATE,
	CHANGE_PURGE,
	CHANGE_UNDELETE,
	CHANGE_TYPES,
};

/* Longest meta: a copy of some five million messages. */
enum { CHANGE_MAX = 64 * 1024 * 1024 };

struct change_message {
	uint64_t mailbox, modseq, flags, queue_id, floor;
	uint32_t uid, recipient;
	wall_ms date;
};

struct change_flags {
	uint64_t mailbox, flags;
	uint8_t op;		/* enum flag_op */
	struct view ranges;
};

struct change_expunge {
	uint64_t mailbox;
	wall_ms time;
	struct view ranges;
};

struct change_copy {
	uint64_t from, to;
	uint32_t first;		/* uid of the first item; each has the next */
	uint8_t move;		/* they leave `from` in the same moment */
	wall_ms time;
	struct view items;
};

struct change_create {
	uint64_t mailbox;
	uint32_t uidvalidity;
	uint8_t use;		/* enum special_use */
	struct view name;
};

struct change_rename {
	struct view from, to;	/* names below go along */
};

struct change_delete {
	uint64_t mailbox;
	wall_ms time;
};

struct change_subscribe {
	uint8_t on;
	struct view name;
};

struct change_keyword {
	uint64_t mailbox;
	uint8_t bit;		/* counted from 0 */
	struct view name;
};

struct change_state {
	uint64_t mailbox, modseq, floor;
	uint32_t uidnext;
};

struct change_purge {
	wall_ms time;		/* what was removed up to then is gone for good */
};

struct change_undelete {
	uint64_t to;
	uint32_t first;		/* uid of the first; each has the next */
	struct view returns;
};

#define CHANGE(name)                                                            \
	void change_##name##_put(struct buf *b, const struct change_##name *c); \
	bool change_##name##_take(struct view meta, struct change_##name *ret);
CHANGE(message)
CHANGE(flags)
CHANGE(expunge)
CHANGE(copy)
CHANGE(create)
CHANGE(rename)
CHANGE(delete)
CHANGE(subscribe)
CHANGE(keyword)
CHANGE(state)
CHANGE(purge)
CHANGE(undelete)
#undef CHANGE

struct uid_range {
	uint32_t first, last;
};

/* One after another; false at the end. */
bool range_take(struct cursor *c, struct uid_range *ret);
void range_put(struct buf *b, uint32_t first, uint32_t last);

struct copy_item {
	uint32_t uid;
	uint64_t flags;
};
struct return_item {
	uint64_t mailbox, flags;
	uint32_t uid;
};
enum { COPY_ITEM_SIZE = 12, RANGE_SIZE = 8, RETURN_SIZE = 20 };
bool item_take(struct cursor *c, struct copy_item *ret);
void item_put(struct buf *b, uint32_t uid, uint64_t flags);
bool return_take(struct cursor *c, struct return_item *ret);
void return_put(struct buf *b, const struct return_item *r);

#endif
