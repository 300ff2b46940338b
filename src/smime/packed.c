/* CompressedData (RFC 3274): read only.  OpenSSL of Debian is built without
 * zlib, so zlib is asked here. */
#include "smime/internal.h"

#include <zlib.h>

enum { PIECE = 65536 };

struct packed {
	z_stream z;
	struct buf *out;
	bool ended;
};

static enum status unpack(void *arg, struct view piece)
{
	struct packed *p = arg;
	char *room;

	/* What zlib does not write to, though it wants it so. */
	p->z.next_in = (unsigned char *)(uintptr_t)piece.p;
	p->z.avail_in = (uInt)piece.n;
	while (!p->ended && (p->z.avail_in || p->z.avail_out == 0)) {
		size_t left = p->out->max - p->out->n;
		size_t n = left < PIECE ? left : PIECE;
		int r;

		if (n == 0)
			return ST_LIMIT;
		if (buf_reserve(p->out, n, &room) != ST_OK)
			return buf_status(p->out);
		p->z.next_out = (unsigned char *)room;
		p->z.avail_out = (uInt)n;
		r = inflate(&p->z, Z_NO_FLUSH);
		p->out->n += n - p->z.avail_out;
		if (r == Z_STREAM_END)
			p->ended = true;
		else if (r == Z_BUF_ERROR)
			break;
		else if (r != Z_OK)
			return r == Z_MEM_ERROR ? ST_NOMEM : ST_CORRUPT;
	}
	return ST_OK;
}

enum status packed_open(struct reading *r, struct smime_layer *layer, struct cms_part part, struct buf *ret_content)
{
	struct buf content = BUF(content_max(r));
	struct packed p = { .out = &content };
	struct cms_shape shape;
	struct octets in;
	enum status st;

	if (inflateInit(&p.z) != Z_OK)
		return ST_NOMEM;
	p.z.avail_out = 1;
	octets_begin(&in, part.encoding, part.body);
	st = cms_skim(&in, NULL, unpack, &p, &shape);
	octets_free(&in);
	inflateEnd(&p.z);
	layer->opened = st == ST_OK && p.ended;
	if (layer->opened) {
		*ret_content = content;
		return ST_OK;
	}
	layer->problems |= st == ST_LIMIT ? PROBLEM(BOMB) : PROBLEM(UNREADABLE);
	buf_free(&content);
	return is_theirs(st) ? ST_OK : st;
}
