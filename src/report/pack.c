#include "report/pack.h"

#include <limits.h>
#include <zip.h>
#include <zlib.h>

enum { PIECE = 65536, GZIP_WINDOW = 15 + 16 };

static size_t most_of(struct view bytes)
{
	size_t by_ratio = bytes.n > REPORT_TEXT_MAX / PACK_RATIO ? REPORT_TEXT_MAX : bytes.n * PACK_RATIO;

	return by_ratio < PACK_ALWAYS ? PACK_ALWAYS : by_ratio;
}

/* ---- gzip ---- */

static enum status gunzip_piece(z_stream *z, size_t most, struct buf *out, bool *ret_end)
{
	char *room;
	enum status st = buf_reserve(out, PIECE, &room);
	int rc;

	if (st != ST_OK)
		return st;
	z->next_out = (Bytef *)room;
	z->avail_out = PIECE;
	rc = inflate(z, Z_NO_FLUSH);
	out->n += PIECE - z->avail_out;
	if (rc == Z_MEM_ERROR)
		return ST_NOMEM;
	/* Z_BUF_ERROR: more input is wanted and there is none. */
	if (rc != Z_OK && rc != Z_STREAM_END)
		return ST_SYNTAX;
	*ret_end = rc == Z_STREAM_END;
	return out->n > most ? ST_LIMIT : ST_OK;
}

/* One member: what stands behind it is not looked at. */
static enum status gunzip(struct view bytes, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes.p, .avail_in = (uInt)bytes.n };
	size_t most = most_of(bytes);
	enum status st = ST_OK;
	bool end = false;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return ST_NOMEM;
	while (st == ST_OK && !end)
		st = gunzip_piece(&z, most, out, &end);
	inflateEnd(&z);
	return st;
}

enum status pack_gzip(struct view text, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)text.p, .avail_in = (uInt)text.n };
	uLong bound;
	char *room;
	enum status st;

	if (text.n > INT_MAX)
		return ST_LIMIT;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ST_NOMEM;
	bound = deflateBound(&z, (uLong)text.n);
	st = buf_reserve(out, bound, &room);
	if (st == ST_OK) {
		z.next_out = (Bytef *)room;
		z.avail_out = (uInt)bound;
		st = deflate(&z, Z_FINISH) == Z_STREAM_END ? ST_OK : ST_NOMEM;
		out->n += bound - z.avail_out;
	}
	deflateEnd(&z);
	return st;
}

/* ---- zip ---- */

static enum status read_file(zip_file_t *f, size_t most, struct buf *out)
{
	zip_int64_t got = 1;
	enum status st = ST_OK;
	char *room;

	while (st == ST_OK && got > 0) {
		st = buf_reserve(out, PIECE, &room);
		if (st != ST_OK)
			break;
		got = zip_fread(f, room, PIECE);
		/* A wrong sum or a torn stream. */
		if (got < 0)
			st = ST_SYNTAX;
		else
			out->n += (size_t)got;
		if (out->n > most)
			st = ST_LIMIT;
	}
	return st;
}

static enum status read_archive(zip_t *z, size_t most, struct buf *out)
{
	zip_stat_t about;
	zip_file_t *f;
	enum status st;

	if (zip_get_num_entries(z, 0) != 1 || zip_stat_index(z, 0, 0, &about) != 0)
		return ST_SYNTAX;
	if ((about.valid & ZIP_STAT_SIZE) && about.size > most)
		return ST_LIMIT;
	f = zip_fopen_index(z, 0, 0);
	if (f == NULL)
		return ST_SYNTAX;
	st = read_file(f, most, out);
	zip_fclose(f);
	return st;
}

static enum status unzip(struct view bytes, struct buf *out)
{
	zip_error_t e;
	zip_source_t *from;
	zip_t *z;
	enum status st;

	zip_error_init(&e);
	from = zip_source_buffer_create(bytes.p, bytes.n, 0, &e);
	z = from ? zip_open_from_source(from, ZIP_RDONLY, &e) : NULL;
	if (z == NULL) {
		st = from == NULL || zip_error_code_zip(&e) == ZIP_ER_MEMORY ? ST_NOMEM : ST_SYNTAX;
		zip_source_free(from);
	} else {
		st = read_archive(z, most_of(bytes), out);
		zip_discard(z);
	}
	zip_error_fini(&e);
	return st;
}

/* ---- either ---- */

enum status unpack(struct view bytes, struct buf *out)
{
	if (bytes.n > REPORT_PACKED_MAX)
		return ST_LIMIT;
	if (view_starts_i(bytes, VIEW("\x1f\x8b")))
		return gunzip(bytes, out);
	if (view_starts_i(bytes, VIEW("PK\x03\x04")))
		return unzip(bytes, out);
	buf_put(out, bytes);
	return buf_status(out);
}
