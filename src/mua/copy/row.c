/* row.c - one message of the index: read, changed in memory, stored. */
#include "mua/copy/internal.h"

#include <time.h>
#include <unistd.h>

void copy_row_read(struct sql_stmt *q, struct arena *a, struct copy_row_state *ret)
{
	*ret = (struct copy_row_state){
		.id = sql_col_int(q, 0),
		.folder = sql_col_int(q, 1),
		.server_folder = sql_col_int(q, 2),
		.uid = (uint32_t)sql_col_int(q, 3),
		.hidden = sql_col_int(q, 4) != 0,
		.copied = sql_col_int(q, 5) != 0,
		.flags = (uint32_t)sql_col_int(q, 6),
		.server_flags = (uint32_t)sql_col_int(q, 7),
		.keywords = arena_copy(a, sql_col_view(q, 8)),
		.server_keywords = arena_copy(a, sql_col_view(q, 9)),
		.modseq = (uint64_t)sql_col_int(q, 10),
		.size = (uint64_t)sql_col_int(q, 11),
		.date = sql_col_int(q, 12),
		.received = sql_col_int(q, 13),
		.file = arena_copy(a, sql_col_view(q, 14)),
		.name = (uint64_t)sql_col_int(q, 15),
		.packed = arena_copy(a, sql_col_view(q, 16)),
	};
}

static enum status read_one(struct sql_stmt *q, struct arena *a, struct copy_row_state *ret)
{
	struct copy_row_state r;
	bool row;
	enum status st = sql_step(q, &row);

	if (st == ST_OK && row)
		copy_row_read(q, a, &r);
	sql_reset(q);
	if (st == ST_OK)
		st = row ? arena_status(a) : ST_MISSING;
	if (st == ST_OK)
		*ret = r;
	return st;
}

enum status copy_row_get(struct copy *c, int64_t id, struct arena *a, struct copy_row_state *ret)
{
	sql_bind_int(c->q[S_ROW], 1, id);
	return read_one(c->q[S_ROW], a, ret);
}

enum status copy_row_by_uid(struct copy *c, int64_t folder, uint32_t uid, struct arena *a,
			    struct copy_row_state *ret)
{
	sql_bind_int(c->q[S_BY_UID], 1, folder);
	sql_bind_int(c->q[S_BY_UID], 2, uid);
	return read_one(c->q[S_BY_UID], a, ret);
}

enum status copy_folder_path(struct copy *c, int64_t folder, struct buf *out)
{
	struct sql_stmt *q = c->q[S_FOLDER_NAME];
	bool row;
	enum status st;

	sql_bind_int(q, 1, folder);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		copy_tree_path(sql_col_view(q, 0), out);
	sql_reset(q);
	if (st == ST_OK)
		st = row ? buf_status(out) : ST_MISSING;
	return st;
}

/* ---- names of files ---- */

void copy_file_of_uid(int64_t folder, uint32_t validity, uint32_t uid, struct buf *out)
{
	buf_putf(out, "%lld.%u_%u.waxmail,U=%u", (long long)folder, validity, uid, uid);
}

void copy_file_new(struct copy *c, struct buf *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	buf_putf(out, "%lld.%ld_%ld_%llu.waxmail", (long long)t.tv_sec, t.tv_nsec / 1000, (long)getpid(),
		 (unsigned long long)++c->count);
}

/* ---- storing ---- */

static bool differs(const struct copy_row_state *r)
{
	return r->hidden || r->copied || r->uid == 0 || r->folder != r->server_folder ||
	       (r->flags & COPY_FLAGS) != r->server_flags || !copy_words_same(r->keywords, r->server_keywords);
}

static enum status keep_wish(struct copy *c, const struct copy_row_state *r, bool wanted)
{
	if (wanted) {
		sql_bind_int(c->q[S_WISH_PUT], 1, r->id);
		return sql_run(c->q[S_WISH_PUT]);
	}
	sql_bind_text(c->q[S_WISH_DROP], 1, r->file);
	return sql_run(c->q[S_WISH_DROP]);
}

static void mark(struct copy_row_state *r)
{
	r->flags &= ~(uint32_t)COPY_PENDING;
	if (differs(r))
		r->flags |= COPY_PENDING;
}

static void bind_state(struct sql_stmt *q, int i, const struct copy_row_state *r)
{
	sql_bind_int(q, i++, r->folder);
	sql_bind_int(q, i++, r->server_folder);
	sql_bind_int(q, i++, r->uid);
	sql_bind_int(q, i++, r->hidden);
	sql_bind_int(q, i++, r->copied);
	sql_bind_int(q, i++, r->flags);
	sql_bind_int(q, i++, r->server_flags);
	sql_bind_text(q, i++, r->keywords);
	sql_bind_text(q, i++, r->server_keywords);
	sql_bind_int(q, i, (int64_t)r->modseq);
}

enum status copy_row_add(struct copy *c, struct copy_row_state *r)
{
	struct sql_stmt *q = c->q[S_ADD];
	bool row;
	enum status st;

	mark(r);
	bind_state(q, 1, r);
	sql_bind_int(q, 11, (int64_t)r->size);
	sql_bind_int(q, 12, r->date);
	sql_bind_int(q, 13, r->received);
	sql_bind_text(q, 14, r->file);
	sql_bind_int(q, 15, (int64_t)r->name);
	sql_bind_blob(q, 16, r->packed);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		r->id = sql_col_int(q, 0);
	sql_reset(q);
	if (st == ST_OK && (r->flags & COPY_PENDING))
		st = keep_wish(c, r, true);
	return st;
}

/* The file follows: its folder, its name, its flags. */
static enum status follow(struct copy *c, const struct copy_row_state *b, const struct copy_row_state *r)
{
	struct buf from = BUF(COPY_PATH_MAX), to = BUF(COPY_PATH_MAX);
	enum status st = ST_OK;

	if (!(b->flags & COPY_BODY) || !(r->flags & COPY_BODY))
		return ST_OK;
	if (b->folder == r->folder && view_eq(b->file, r->file) &&
	    ((b->flags ^ r->flags) & COPY_FLAGS) == 0 && copy_words_same(b->keywords, r->keywords))
		return ST_OK;
	st = copy_folder_path(c, b->folder, &from);
	if (st == ST_OK)
		st = copy_folder_path(c, r->folder, &to);
	if (st == ST_OK)
		st = copy_plan_move(c, buf_view(&from), b, buf_view(&to), r);
	buf_free(&from);
	buf_free(&to);
	return st;
}

enum status copy_row_store(struct copy *c, const struct copy_row_state *before, struct copy_row_state *r)
{
	struct sql_stmt *q = c->q[S_UPDATE];
	enum status st;

	mark(r);
	sql_bind_int(q, 1, r->id);
	bind_state(q, 2, r);
	sql_bind_text(q, 12, r->file);
	st = sql_run(q);
	if (st == ST_OK && (before->flags & COPY_PENDING) && !view_eq(before->file, r->file))
		st = keep_wish(c, before, false);
	if (st == ST_OK && ((before->flags | r->flags) & COPY_PENDING))
		st = keep_wish(c, r, (r->flags & COPY_PENDING) != 0);
	return st == ST_OK ? follow(c, before, r) : st;
}

enum status copy_row_remove(struct copy *c, const struct copy_row_state *r)
{
	struct buf path = BUF(COPY_PATH_MAX);
	enum status st = ST_OK;

	if (r->flags & COPY_BODY) {
		st = copy_folder_path(c, r->folder, &path);
		if (st == ST_OK)
			st = copy_plan_remove(c, buf_view(&path), r);
	} else {
		sql_bind_int(c->q[S_HEADER_DROP], 1, r->id);
		st = sql_run(c->q[S_HEADER_DROP]);
	}
	sql_bind_int(c->q[S_DELETE], 1, r->id);
	if (st == ST_OK)
		st = sql_run(c->q[S_DELETE]);
	if (st == ST_OK)
		st = keep_wish(c, r, false);
	buf_free(&path);
	return st;
}

void *copy_array(struct arena *a, const struct buf *all)
{
	void *p = arena_alloc(a, all->n + 1);

	if (p && all->n)
		memcpy(p, all->p, all->n);
	return p;
}
