#include "wire/session.h"

enum { FORM = 1 };

void session_put(struct buf *b, const struct session_state *s)
{
	put_u8(b, FORM);
	put_u8(b, s->service);
	put_u64(b, s->sid);
	put_u64(b, s->account);
	put_view(b, s->address);
	put_view(b, s->peer);
	put_u32(b, s->flags);
	put_view(b, s->tag);
	put_u32(b, s->enabled);
	put_u64(b, s->mailbox);
	put_view(b, s->mailbox_name);
	put_u32(b, s->uidvalidity);
	put_u32(b, s->uidnext);
	put_u32(b, s->exists);
	put_u64(b, s->modseq);
	put_view(b, s->extra);
}

enum status session_take(struct view bytes, struct session_state *ret)
{
	struct cursor c = cursor_over(bytes);
	struct session_state s = { 0 };

	if (take_u8(&c) != FORM)
		return ST_SYNTAX;
	s.service = take_u8(&c);
	s.sid = take_u64(&c);
	s.account = take_u64(&c);
	s.address = take_view(&c);
	s.peer = take_view(&c);
	s.flags = take_u32(&c);
	s.tag = take_view(&c);
	s.enabled = take_u32(&c);
	s.mailbox = take_u64(&c);
	s.mailbox_name = take_view(&c);
	s.uidvalidity = take_u32(&c);
	s.uidnext = take_u32(&c);
	s.exists = take_u32(&c);
	s.modseq = take_u64(&c);
	s.extra = take_view(&c);
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = s;
	return ST_OK;
}
