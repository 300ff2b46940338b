/* server.c - what the server says of messages that are here. */
#include "mua/copy/internal.h"

enum { ROW_ARENA = 1024 * 1024 };

enum status copy_server_all(struct copy *c, int64_t folder, struct arena *a, struct copy_server **ret,
			    size_t *ret_n)
{
	struct sql_stmt *q = c->q[S_SERVER_ALL];
	struct buf all = BUF((size_t)1 << 30);
	struct copy_server *array;
	bool row = true;
	enum status st = ST_OK;

	sql_bind_int(q, 1, folder);
	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		struct copy_server s = { (uint32_t)sql_col_int(q, 0), (uint32_t)sql_col_int(q, 1),
					 (uint64_t)sql_col_int(q, 2), sql_col_int(q, 3), sql_col_int(q, 4) != 0 };

		buf_put(&all, view_make((const char *)&s, sizeof s));
		st = buf_status(&all);
	}
	sql_reset(q);
	array = copy_array(a, &all);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		*ret = array;
		*ret_n = all.n / sizeof *array;
	}
	buf_free(&all);
	return copy_note(c, st);
}

static enum status set_flags(struct copy *c, int64_t folder, uint32_t uid, uint32_t flags,
			     struct view keywords, uint64_t modseq)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r, before;
	enum status st = copy_row_by_uid(c, folder, uid, &a, &r);

	if (st == ST_OK) {
		before = r;
		st = copy_merge(&r, flags, keywords, modseq, &a);
		if (st == ST_OK)
			st = copy_row_store(c, &before, &r);
	}
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

enum status copy_server_flags(struct copy *c, int64_t folder, uint32_t uid, uint32_t flags,
			      struct view keywords, uint64_t modseq)
{
	enum status st = copy_enter(c);

	return st == ST_OK ? copy_leave(c, set_flags(c, folder, uid, flags, keywords, modseq)) : st;
}

static enum status gone(struct copy *c, int64_t folder, const uint32_t *uids, size_t n)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		struct arena a = ARENA(ROW_ARENA);
		struct copy_row_state r;

		st = copy_row_by_uid(c, folder, uids[i], &a, &r);
		if (st == ST_OK)
			st = copy_row_remove(c, &r);
		if (st == ST_MISSING)
			st = ST_OK;
		arena_free(&a);
	}
	return st;
}

enum status copy_server_gone(struct copy *c, int64_t folder, const uint32_t *uids, size_t n)
{
	enum status st = copy_enter(c);

	return st == ST_OK ? copy_leave(c, gone(c, folder, uids, n)) : st;
}

enum status copy_server_uidls(struct copy *c, int64_t folder, struct arena *a, struct view **ret, size_t *ret_n)
{
	struct sql_stmt *q = c->q[S_UIDL];
	struct buf all = BUF((size_t)1 << 30);
	struct view *array;
	bool row = true;
	enum status st = ST_OK;

	sql_bind_int(q, 1, folder);
	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		struct view v = arena_copy(a, sql_col_view(q, 0));

		buf_put(&all, view_make((const char *)&v, sizeof v));
		st = buf_status(&all);
	}
	sql_reset(q);
	array = copy_array(a, &all);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		*ret = array;
		*ret_n = all.n / sizeof *array;
	}
	buf_free(&all);
	return copy_note(c, st);
}
