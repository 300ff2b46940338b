#include "ipc/attempt.h"

void attempt_result_put(struct buf *b, const struct attempt_result *r)
{
	put_u32(b, r->recipient);
	put_u8(b, r->verdict);
	put_u8(b, r->dsn);
	put_u8(b, r->by);
	put_u8(b, r->site);
	put_u16(b, r->code);
	put_view(b, r->status);
	put_view(b, view_head(r->text, ATTEMPT_TEXT_MAX));
	put_view(b, r->host);
}

bool attempt_result_take(struct cursor *c, struct attempt_result *ret)
{
	struct attempt_result r = { 0 };

	if (cursor_left(c) == 0)
		return false;
	r.recipient = take_u32(c);
	r.verdict = take_u8(c);
	r.dsn = take_u8(c);
	r.by = take_u8(c);
	r.site = take_u8(c);
	r.code = take_u16(c);
	r.status = take_view(c);
	r.text = take_view(c);
	r.host = take_view(c);
	if (!cursor_ok(c))
		return false;
	*ret = r;
	return true;
}
