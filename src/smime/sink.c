#include "smime/sink.h"

/* A type of our own: BIO_get_new_index has few, and never takes one back. */
enum { SINK_TYPE = BIO_TYPE_SOURCE_SINK | 0x7d, PIECE = 65536 };

static int sink_write(BIO *bio, const char *p, size_t n, size_t *ret_n)
{
	struct cms_sink *s = BIO_get_data(bio);

	if (s->st == ST_OK)
		s->st = s->take(s->arg, view_make(p, n));
	*ret_n = s->st == ST_OK ? n : 0;
	return s->st == ST_OK;
}

static long sink_ctrl(BIO *bio, int what, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return what == BIO_CTRL_FLUSH;
}

BIO *cms_sink_open(struct cms_sink *s, cms_content *take, void *arg)
{
	BIO *bio;

	*s = (struct cms_sink){ take, arg, ST_OK, BIO_meth_new(SINK_TYPE, "sink") };
	if (s->method == NULL || !BIO_meth_set_write_ex(s->method, sink_write) ||
	    !BIO_meth_set_ctrl(s->method, sink_ctrl) || (bio = BIO_new(s->method)) == NULL)
		return NULL;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	return bio;
}

void cms_sink_free(struct cms_sink *s)
{
	BIO_meth_free(s->method);
	s->method = NULL;
}

bool bio_put(BIO *bio, struct view v)
{
	for (; v.n; v = view_skip(v, PIECE)) {
		struct view piece = view_head(v, PIECE);

		if (BIO_write(bio, piece.p, (int)piece.n) != (int)piece.n)
			return false;
	}
	return true;
}

enum status cms_to_buf(void *buf, struct view piece)
{
	buf_put(buf, piece);
	return buf_status(buf);
}
