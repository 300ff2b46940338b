#include "smime/octets.h"

/* Of encoded text at once. */
enum { PIECE = 32768 };

void octets_begin(struct octets *o, enum mime_encoding encoding, struct view text)
{
	*o = (struct octets){ .text = text, .window = BUF(OCTETS_WINDOW + decode_most(PIECE)) };
	decoder_begin(&o->d, encoding);
}

void octets_free(struct octets *o)
{
	buf_free(&o->window);
}

static void fill(struct octets *o, size_t n)
{
	while (o->window.n - o->at < n && !o->ended && o->st == ST_OK) {
		buf_drop(&o->window, o->at);
		o->at = 0;
		decoder_put(&o->d, view_head(o->text, PIECE), &o->window);
		o->text = view_skip(o->text, PIECE);
		if (o->text.n == 0) {
			decoder_end(&o->d, &o->window);
			o->ended = true;
		}
		o->st = buf_status(&o->window);
	}
}

struct view octets_peek(struct octets *o, size_t n)
{
	if (encoding_is_identity(o->d.encoding))
		return view_head(o->text, n);
	fill(o, n);
	return o->st == ST_OK ? view_head(view_skip(buf_view(&o->window), o->at), n) : VIEW_NONE;
}

void octets_skip(struct octets *o, size_t n)
{
	o->passed += n;
	if (encoding_is_identity(o->d.encoding))
		o->text = view_skip(o->text, n);
	else
		o->at += n;
}

struct view octets_some(struct octets *o, uint64_t most)
{
	size_t n = most < OCTETS_WINDOW ? (size_t)most : OCTETS_WINDOW;
	struct view v = octets_peek(o, n ? 1 : 0);

	/* All that lies decoded, without moving it. */
	if (v.n && !encoding_is_identity(o->d.encoding))
		v = view_head(view_skip(buf_view(&o->window), o->at), n);
	else
		v = octets_peek(o, n);
	octets_skip(o, v.n);
	return v;
}

enum status ber_peek(struct octets *o, struct ber *ret)
{
	struct view v = octets_peek(o, 6);
	const uint8_t *p = (const uint8_t *)v.p;
	struct ber b = { .size = 2 };
	size_t more;

	if (o->st != ST_OK)
		return o->st;
	if (v.n < 2 || (p[0] & 0x1f) == 0x1f)
		return ST_SYNTAX;
	b.tag = p[0];
	b.constructed = p[0] & 0x20;
	b.indefinite = p[1] == 0x80;
	more = p[1] & 0x80 ? p[1] & 0x7f : 0;
	if (more > 4 || v.n < 2 + more || (b.indefinite && !b.constructed))
		return ST_SYNTAX;
	b.length = more || b.indefinite ? 0 : p[1];
	for (size_t i = 0; i < more; i++)
		b.length = b.length << 8 | p[2 + i];
	b.size = (uint8_t)(2 + more);
	*ret = b;
	return ST_OK;
}
