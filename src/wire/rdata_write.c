#include "wire/rdata_write.h"

enum { STRING_MAX = 255 };

/* Numbers in DNS are big endian (RFC 1035 2.3.2). */
static void put_be16(uint16_t x, struct buf *out)
{
	put_u8(out, (uint8_t)(x >> 8));
	put_u8(out, (uint8_t)(x & 0xff));
}

void dns_put_name(struct view name, struct buf *out)
{
	enum status st = dns_name_wire(name, out);

	if (st != ST_OK && out->st == ST_OK)
		out->st = st;
}

void dns_put_mx(uint16_t preference, struct view host, struct buf *out)
{
	put_be16(preference, out);
	dns_put_name(host, out);
}

void dns_put_txt(struct view text, struct buf *out)
{
	do {
		struct view one = view_head(text, STRING_MAX);

		put_u8(out, (uint8_t)one.n);
		buf_put(out, one);
		text = view_skip(text, one.n);
	} while (text.n);
}

void dns_put_srv(const struct dns_srv *s, struct buf *out)
{
	put_be16(s->priority, out);
	put_be16(s->weight, out);
	put_be16(s->port, out);
	dns_put_name(s->target, out);
}

void dns_put_tlsa(const struct dns_tlsa *t, struct buf *out)
{
	put_u8(out, t->usage);
	put_u8(out, t->selector);
	put_u8(out, t->matching);
	buf_put(out, t->data);
}

void dns_put_caa(const struct dns_caa *c, struct buf *out)
{
	if (c->tag.n > STRING_MAX && out->st == ST_OK)
		out->st = ST_SYNTAX;
	put_u8(out, c->flags);
	put_u8(out, (uint8_t)c->tag.n);
	buf_put(out, c->tag);
	buf_put(out, c->value);
}
