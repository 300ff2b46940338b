#include "ms/change.h"

/* Ranges and items fill the rest of the meta, in whole pieces. */
static struct view take_rest(struct cursor *c, size_t piece)
{
	size_t n = cursor_left(c);

	if (n % piece)
		c->failed = true;
	return take_bytes(c, n - n % piece);
}

void change_message_put(struct buf *b, const struct change_message *c)
{
	put_u64(b, c->mailbox);
	put_u32(b, c->uid);
	put_u64(b, c->modseq);
	put_u64(b, c->flags);
	put_u64(b, (uint64_t)c->date);
	put_u64(b, c->queue_id);
	put_u32(b, c->recipient);
	put_u64(b, c->floor);
}

bool change_message_take(struct view meta, struct change_message *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->uid = take_u32(&c);
	ret->modseq = take_u64(&c);
	ret->flags = take_u64(&c);
	ret->date = (wall_ms)take_u64(&c);
	ret->queue_id = take_u64(&c);
	ret->recipient = take_u32(&c);
	ret->floor = take_u64(&c);
	return cursor_end(&c) && ret->uid != 0 && ret->uid != UINT32_MAX;
}

void change_flags_put(struct buf *b, const struct change_flags *c)
{
	put_u64(b, c->mailbox);
	put_u8(b, c->op);
	put_u64(b, c->flags);
	buf_put(b, c->ranges);
}

bool change_flags_take(struct view meta, struct change_flags *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->op = take_u8(&c);
	ret->flags = take_u64(&c);
	ret->ranges = take_rest(&c, RANGE_SIZE);
	return cursor_end(&c) && ret->op <= 2;
}

void change_expunge_put(struct buf *b, const struct change_expunge *c)
{
	put_u64(b, c->mailbox);
	put_u64(b, (uint64_t)c->time);
	buf_put(b, c->ranges);
}

bool change_expunge_take(struct view meta, struct change_expunge *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->time = (wall_ms)take_u64(&c);
	ret->ranges = take_rest(&c, RANGE_SIZE);
	return cursor_end(&c);
}

void change_copy_put(struct buf *b, const struct change_copy *c)
{
	put_u64(b, c->from);
	put_u64(b, c->to);
	put_u32(b, c->first);
	put_u8(b, c->move);
	put_u64(b, (uint64_t)c->time);
	buf_put(b, c->items);
}

bool change_copy_take(struct view meta, struct change_copy *ret)
{
	struct cursor c = cursor_over(meta);

	ret->from = take_u64(&c);
	ret->to = take_u64(&c);
	ret->first = take_u32(&c);
	ret->move = take_u8(&c);
	ret->time = (wall_ms)take_u64(&c);
	ret->items = take_rest(&c, COPY_ITEM_SIZE);
	return cursor_end(&c) && ret->first != 0 && ret->move <= 1 &&
	       ret->items.n / COPY_ITEM_SIZE <= UINT32_MAX - ret->first;
}

void change_create_put(struct buf *b, const struct change_create *c)
{
	put_u64(b, c->mailbox);
	put_u32(b, c->uidvalidity);
	put_u8(b, c->use);
	put_view(b, c->name);
}

bool change_create_take(struct view meta, struct change_create *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->uidvalidity = take_u32(&c);
	ret->use = take_u8(&c);
	ret->name = take_view(&c);
	return cursor_end(&c) && ret->name.n && ret->mailbox;
}

void change_rename_put(struct buf *b, const struct change_rename *c)
{
	put_view(b, c->from);
	put_view(b, c->to);
}

bool change_rename_take(struct view meta, struct change_rename *ret)
{
	struct cursor c = cursor_over(meta);

	ret->from = take_view(&c);
	ret->to = take_view(&c);
	return cursor_end(&c) && ret->from.n && ret->to.n;
}

void change_delete_put(struct buf *b, const struct change_delete *c)
{
	put_u64(b, c->mailbox);
	put_u64(b, (uint64_t)c->time);
}

bool change_delete_take(struct view meta, struct change_delete *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->time = (wall_ms)take_u64(&c);
	return cursor_end(&c);
}

void change_subscribe_put(struct buf *b, const struct change_subscribe *c)
{
	put_u8(b, c->on);
	put_view(b, c->name);
}

bool change_subscribe_take(struct view meta, struct change_subscribe *ret)
{
	struct cursor c = cursor_over(meta);

	ret->on = take_u8(&c);
	ret->name = take_view(&c);
	return cursor_end(&c) && ret->name.n;
}

void change_keyword_put(struct buf *b, const struct change_keyword *c)
{
	put_u64(b, c->mailbox);
	put_u8(b, c->bit);
	put_view(b, c->name);
}

bool change_keyword_take(struct view meta, struct change_keyword *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->bit = take_u8(&c);
	ret->name = take_view(&c);
	return cursor_end(&c) && ret->name.n;
}

void change_state_put(struct buf *b, const struct change_state *c)
{
	put_u64(b, c->mailbox);
	put_u32(b, c->uidnext);
	put_u64(b, c->modseq);
	put_u64(b, c->floor);
}

bool change_state_take(struct view meta, struct change_state *ret)
{
	struct cursor c = cursor_over(meta);

	ret->mailbox = take_u64(&c);
	ret->uidnext = take_u32(&c);
	ret->modseq = take_u64(&c);
	ret->floor = take_u64(&c);
	return cursor_end(&c);
}

void change_purge_put(struct buf *b, const struct change_purge *c)
{
	put_u64(b, (uint64_t)c->time);
}

bool change_purge_take(struct view meta, struct change_purge *ret)
{
	struct cursor c = cursor_over(meta);

	ret->time = (wall_ms)take_u64(&c);
	return cursor_end(&c);
}

void change_undelete_put(struct buf *b, const struct change_undelete *c)
{
	put_u64(b, c->to);
	put_u32(b, c->first);
	buf_put(b, c->returns);
}

bool change_undelete_take(struct view meta, struct change_undelete *ret)
{
	struct cursor c = cursor_over(meta);

	ret->to = take_u64(&c);
	ret->first = take_u32(&c);
	ret->returns = take_rest(&c, RETURN_SIZE);
	return cursor_end(&c) && ret->first != 0 &&
	       ret->returns.n / RETURN_SIZE <= UINT32_MAX - ret->first;
}

/* ---- runs ---- */

bool range_take(struct cursor *c, struct uid_range *ret)
{
	if (cursor_left(c) < RANGE_SIZE)
		return false;
	ret->first = take_u32(c);
	ret->last = take_u32(c);
	return cursor_ok(c);
}

void range_put(struct buf *b, uint32_t first, uint32_t last)
{
	put_u32(b, first);
	put_u32(b, last);
}

bool item_take(struct cursor *c, struct copy_item *ret)
{
	if (cursor_left(c) < COPY_ITEM_SIZE)
		return false;
	ret->uid = take_u32(c);
	ret->flags = take_u64(c);
	return cursor_ok(c);
}

void item_put(struct buf *b, uint32_t uid, uint64_t flags)
{
	put_u32(b, uid);
	put_u64(b, flags);
}

bool return_take(struct cursor *c, struct return_item *ret)
{
	if (cursor_left(c) < RETURN_SIZE)
		return false;
	ret->mailbox = take_u64(c);
	ret->uid = take_u32(c);
	ret->flags = take_u64(c);
	return cursor_ok(c);
}

void return_put(struct buf *b, const struct return_item *r)
{
	put_u64(b, r->mailbox);
	put_u32(b, r->uid);
	put_u64(b, r->flags);
}
