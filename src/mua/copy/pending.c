/* pending.c - what a sync has to tell the server: where a message is not as
 * the server has it. */
#include "mua/copy/internal.h"

#include <stdlib.h>

enum { ROW_ARENA = 1024 * 1024 };

static enum status word_changes(const struct copy_row_state *r, struct arena *a, struct copy_op *op)
{
	enum status st = copy_words_change(r->keywords, VIEW_NONE, r->server_keywords, a, &op->add_keywords);

	if (st == ST_OK)
		st = copy_words_change(r->server_keywords, VIEW_NONE, r->keywords, a, &op->remove_keywords);
	return st;
}

/* The first thing to tell of a row: removal, else flags, else its folder. */
static enum status op_of(const struct copy_row_state *r, struct arena *a, struct copy_op *op)
{
	uint32_t flags = r->flags & COPY_FLAGS;

	*op = (struct copy_op){ .id = r->id, .from = r->server_folder, .uid = r->uid, .flags = flags,
				.keywords = r->keywords };
	if (r->uid == 0) {
		op->kind = COPY_OP_APPEND;
		op->from = 0;
		op->to = r->folder;
		return ST_OK;
	}
	if (r->copied) {
		op->kind = COPY_OP_COPY;
		op->to = r->folder;
		return ST_OK;
	}
	if (r->hidden) {
		op->kind = COPY_OP_REMOVE;
		return ST_OK;
	}
	if (flags != r->server_flags || !copy_words_same(r->keywords, r->server_keywords)) {
		op->kind = COPY_OP_FLAGS;
		op->add = flags & ~r->server_flags;
		op->remove = r->server_flags & ~flags;
		return word_changes(r, a, op);
	}
	op->kind = COPY_OP_MOVE;
	op->to = r->folder;
	return ST_OK;
}

static int in_order(const void *x, const void *y)
{
	const struct copy_op *a = x, *b = y;
	/* Copies before what takes their original away. */
	static const int rank[] = { [COPY_OP_FLAGS] = 0, [COPY_OP_COPY] = 1, [COPY_OP_APPEND] = 2,
				    [COPY_OP_MOVE] = 3, [COPY_OP_REMOVE] = 4 };

	if (rank[a->kind] != rank[b->kind])
		return rank[a->kind] < rank[b->kind] ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* What was made here and removed before the server heard of it. */
static bool is_nothing(const struct copy_row_state *r)
{
	return r->hidden && (r->uid == 0 || r->copied);
}

static enum status sweep(struct copy *c, const struct copy_row_state *rows, size_t n)
{
	enum status st = n ? copy_enter(c) : ST_OK;

	if (n == 0 || st != ST_OK)
		return st;
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = copy_row_remove(c, &rows[i]);
	return copy_leave(c, st);
}

enum status copy_pending(struct copy *c, size_t most, struct arena *a, struct copy_op **ret, size_t *ret_n)
{
	struct sql_stmt *q = c->q[S_PENDING];
	struct copy_op *ops = arena_array(a, most + 1, sizeof *ops);
	struct copy_row_state r, *nothing = arena_array(a, most + 1, sizeof *nothing);
	size_t n = 0, n_nothing = 0;
	bool row = true;
	enum status st = arena_status(a);

	while (st == ST_OK && n + n_nothing < most && (st = sql_step(q, &row)) == ST_OK && row) {
		copy_row_read(q, a, &r);
		st = arena_status(a);
		if (st == ST_OK && is_nothing(&r))
			nothing[n_nothing++] = r;
		else if (st == ST_OK)
			st = op_of(&r, a, &ops[n++]);
	}
	sql_reset(q);
	if (st == ST_OK)
		st = sweep(c, nothing, n_nothing);
	if (st != ST_OK)
		return copy_note(c, st);
	qsort(ops, n, sizeof *ops, in_order);
	*ret = ops;
	*ret_n = n;
	return ST_OK;
}

/* ---- the answer ---- */

static enum status validity_of(struct copy *c, int64_t folder, uint32_t *ret)
{
	struct sql_stmt *q = c->q[S_FOLDER_NAME];
	bool row;
	enum status st;

	sql_bind_int(q, 1, folder);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		*ret = (uint32_t)sql_col_int(q, 1);
	sql_reset(q);
	return st == ST_OK && !row ? ST_MISSING : st;
}

/* It is in another place on the server now, under a uid of its own. */
static enum status settle(struct copy *c, const struct copy_op *op, struct copy_row_state *r, uint32_t uid)
{
	struct copy_row_state before = *r;
	struct buf file = BUF(256);
	uint32_t validity = 0;
	enum status st = validity_of(c, op->to, &validity);

	if (st == ST_OK) {
		copy_file_of_uid(op->to, validity, uid, &file);
		r->file = buf_view(&file);
		r->server_folder = op->to;
		r->uid = uid;
		r->copied = false;
		r->modseq = 0;
		/* Copied and uploaded with the flags of that moment. */
		if (op->kind != COPY_OP_MOVE) {
			r->server_flags = op->flags;
			r->server_keywords = op->keywords;
		}
		st = copy_row_store(c, &before, r);
	}
	buf_free(&file);
	return st;
}

/* Where the new uid is not known, or is here already (a sync was faster), this
 * row goes. */
static enum status settle_or_go(struct copy *c, const struct copy_op *op, struct copy_row_state *r, uint32_t uid)
{
	struct copy_row_state other;
	struct arena a = ARENA(ROW_ARENA);
	enum status st = uid ? copy_row_by_uid(c, op->to, uid, &a, &other) : ST_OK;

	arena_free(&a);
	if (st == ST_MISSING)
		return settle(c, op, r, uid);
	return st == ST_OK ? copy_row_remove(c, r) : st;
}

static enum status flags_told(struct copy *c, const struct copy_op *op, struct copy_row_state *r)
{
	struct copy_row_state before = *r;

	r->server_flags = op->flags;
	r->server_keywords = op->keywords;
	return copy_row_store(c, &before, r);
}

static enum status done(struct copy *c, const struct copy_op *op, uint32_t uid)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r;
	enum status st = copy_row_get(c, op->id, &a, &r);

	if (st == ST_OK && op->kind == COPY_OP_FLAGS)
		st = flags_told(c, op, &r);
	else if (st == ST_OK && op->kind == COPY_OP_REMOVE)
		st = copy_row_remove(c, &r);
	else if (st == ST_OK)
		st = settle_or_go(c, op, &r, uid);
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

enum status copy_done(struct copy *c, const struct copy_op *op, uint32_t uid)
{
	enum status st = copy_enter(c);

	return st == ST_OK ? copy_leave(c, done(c, op, uid)) : st;
}

static enum status refused(struct copy *c, const struct copy_op *op)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r, before;
	enum status st = copy_row_get(c, op->id, &a, &r);

	before = r;
	if (st == ST_OK && (op->kind == COPY_OP_APPEND || op->kind == COPY_OP_COPY)) {
		st = copy_row_remove(c, &r);
	} else if (st == ST_OK) {
		r.flags = (r.flags & ~(uint32_t)COPY_FLAGS) | r.server_flags;
		r.keywords = r.server_keywords;
		if (op->kind != COPY_OP_FLAGS) {
			r.folder = r.server_folder;
			r.hidden = false;
		}
		st = copy_row_store(c, &before, &r);
	}
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

enum status copy_refused(struct copy *c, const struct copy_op *op)
{
	enum status st = copy_enter(c);

	return st == ST_OK ? copy_leave(c, refused(c, op)) : st;
}
