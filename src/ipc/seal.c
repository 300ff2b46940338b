#include "ipc/seal.h"

void seal_grant_put(struct buf *b, const struct seal_grant *g)
{
	put_u64(b, (uint64_t)g->until);
	put_view(b, g->author);
	put_u32(b, g->n_vias);
	for (uint32_t i = 0; i < g->n_vias; i++)
		put_view(b, g->vias[i]);
}

enum status seal_grant_take(struct view bytes, struct seal_grant *ret)
{
	struct seal_grant g = { 0 };
	struct cursor c;

	if (bytes.n < SEAL_MAC || bytes.n > SEAL_GRANT_MAX)
		return ST_SYNTAX;
	g.said = view_head(bytes, bytes.n - SEAL_MAC);
	g.mac = view_skip(bytes, bytes.n - SEAL_MAC);
	c = cursor_over(g.said);
	g.until = (wall_ms)take_u64(&c);
	g.author = take_view(&c);
	g.n_vias = take_u32(&c);
	if (g.n_vias > SEAL_VIAS_MOST)
		return ST_SYNTAX;
	for (uint32_t i = 0; i < g.n_vias; i++)
		g.vias[i] = take_view(&c);
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = g;
	return ST_OK;
}

bool seal_grant_has(const struct seal_grant *g, struct view domain)
{
	if (domain.n == 0)
		return false;
	for (uint32_t i = 0; i < g->n_vias; i++)
		if (view_eq_i(g->vias[i], domain))
			return true;
	return view_eq_i(g->author, domain);
}

void seal_key_name_put(struct buf *b, const struct seal_key_name *k)
{
	put_u8(b, k->algorithm);
	put_view(b, k->selector);
}

bool seal_key_name_take(struct cursor *c, struct seal_key_name *ret)
{
	struct seal_key_name k = { 0 };

	if (cursor_left(c) == 0)
		return false;
	k.algorithm = take_u8(c);
	k.selector = take_view(c);
	if (!cursor_ok(c))
		return false;
	*ret = k;
	return true;
}
