#include "ipc/envelope.h"

enum { FORM = 2, LEAST = 45, RECIPIENT_LEAST = 21 };	/* bytes, where all views are empty */

void envelope_put(struct buf *b, const struct envelope *e)
{
	put_u8(b, FORM);
	put_view(b, e->id);
	put_u64(b, e->sid);
	put_u64(b, (uint64_t)e->received);
	put_view(b, e->sender);
	put_view(b, e->envid);
	put_u8(b, e->body);
	put_u8(b, e->smtputf8);
	put_u8(b, e->ret);
	put_u64(b, e->authenticated);
	put_u8(b, (uint8_t)e->priority);
	put_u32(b, e->n_recipients);
	for (uint32_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];

		put_view(b, r->address);
		put_view(b, r->original);
		put_view(b, r->orcpt);
		put_u64(b, r->account);
		put_u8(b, r->notify);
	}
}

size_t envelope_size(const struct envelope *e)
{
	return LEAST + e->id.n + e->sender.n + e->envid.n;
}

size_t recipient_size(const struct recipient *r)
{
	return RECIPIENT_LEAST + r->address.n + r->original.n + r->orcpt.n;
}

enum status envelope_take(struct view bytes, struct arena *a, struct envelope *ret)
{
	struct cursor c = cursor_over(bytes);
	struct envelope e = { 0 };

	if (take_u8(&c) != FORM)
		return ST_SYNTAX;
	e.id = take_view(&c);
	e.sid = take_u64(&c);
	e.received = (wall_ms)take_u64(&c);
	e.sender = take_view(&c);
	e.envid = take_view(&c);
	e.body = take_u8(&c);
	e.smtputf8 = take_u8(&c);
	e.ret = take_u8(&c);
	e.authenticated = take_u64(&c);
	e.priority = (int8_t)take_u8(&c);
	e.n_recipients = take_u32(&c);
	if (!cursor_ok(&c) || e.n_recipients > RECIPIENTS_MAX ||
	    e.n_recipients > cursor_left(&c) / RECIPIENT_LEAST)
		return ST_SYNTAX;
	e.recipients = arena_array(a, e.n_recipients, sizeof *e.recipients);
	if (e.recipients == NULL)
		return arena_status(a);
	for (uint32_t i = 0; i < e.n_recipients; i++) {
		struct recipient *r = &e.recipients[i];

		r->address = take_view(&c);
		r->original = take_view(&c);
		r->orcpt = take_view(&c);
		r->account = take_u64(&c);
		r->notify = take_u8(&c);
	}
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = e;
	return ST_OK;
}

void target_put(struct buf *b, const struct target *t)
{
	put_u64(b, t->account);
	put_view(b, t->address);
}

bool target_take(struct cursor *c, struct target *ret)
{
	struct target t = { 0 };

	if (cursor_left(c) == 0)
		return false;
	t.account = take_u64(c);
	t.address = take_view(c);
	if (!cursor_ok(c))
		return false;
	*ret = t;
	return true;
}
