#include "mta/queue/progress.h"

#include "base/cursor.h"

enum { FORM = 1, VIEW_LEAST = 4, RECIPIENT_SIZE = 20 };

void progress_put(struct buf *b, const struct progress *p)
{
	put_u8(b, FORM);
	put_u8(b, p->hold);
	put_view(b, p->route);
	put_u32(b, p->n_replies);
	for (uint32_t i = 0; i < p->n_replies; i++)
		put_view(b, p->replies[i]);
	put_u32(b, p->n);
	for (uint32_t i = 0; i < p->n; i++) {
		const struct progress_recipient *r = &p->of[i];

		put_u32(b, r->recipient);
		put_u8(b, r->state);
		put_u8(b, r->tries);
		put_u8(b, r->told);
		put_u8(b, r->down);
		put_u64(b, (uint64_t)r->next_at);
		put_u32(b, r->reply);
	}
}

static enum status take_replies(struct cursor *c, struct arena *a, struct progress *p)
{
	p->n_replies = take_u32(c);
	if (p->n_replies > cursor_left(c) / VIEW_LEAST)
		return ST_SYNTAX;
	p->replies = arena_array(a, p->n_replies, sizeof *p->replies);
	if (p->replies == NULL && p->n_replies)
		return arena_status(a);
	for (uint32_t i = 0; i < p->n_replies; i++)
		p->replies[i] = take_view(c);
	return ST_OK;
}

enum status progress_take(struct view bytes, struct arena *a, struct progress *ret)
{
	struct cursor c = cursor_over(bytes);
	struct progress p = { 0 };
	enum status st;

	if (take_u8(&c) != FORM)
		return ST_SYNTAX;
	p.hold = take_u8(&c);
	if (p.hold > PROGRESS_UNPROTECTED)
		return ST_SYNTAX;
	p.route = take_view(&c);
	st = take_replies(&c, a, &p);
	if (st != ST_OK)
		return st;
	p.n = take_u32(&c);
	if (p.n > cursor_left(&c) / RECIPIENT_SIZE)
		return ST_SYNTAX;
	p.of = arena_array(a, p.n, sizeof *p.of);
	if (p.of == NULL && p.n)
		return arena_status(a);
	for (uint32_t i = 0; i < p.n; i++) {
		struct progress_recipient *r = &p.of[i];

		r->recipient = take_u32(&c);
		r->state = take_u8(&c);
		r->tries = take_u8(&c);
		r->told = take_u8(&c);
		r->down = take_u8(&c);
		r->next_at = (wall_ms)take_u64(&c);
		r->reply = take_u32(&c);
		if (r->state > PROGRESS_DONE || r->reply > p.n_replies)
			return ST_SYNTAX;
	}
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = p;
	return ST_OK;
}
