/* folder.c - folders as the server knows them, and their Maildirs. */
#include "mua/copy/internal.h"

#include "base/disk.h"

#include <fcntl.h>
#include <unistd.h>

static void read_folder(struct sql_stmt *q, struct arena *a, struct copy_folder *f)
{
	*f = (struct copy_folder){
		.id = sql_col_int(q, 0),
		.name = arena_copy(a, sql_col_view(q, 1)),
		.sync = {
			.uidvalidity = (uint32_t)sql_col_int(q, 2),
			.uidnext = (uint32_t)sql_col_int(q, 3),
			.modseq = (uint64_t)sql_col_int(q, 4),
			.at = sql_col_int(q, 5),
			.server_name = arena_copy(a, sql_col_view(q, 6)),
			.use = (enum copy_use)sql_col_int(q, 7),
			.subscribed = sql_col_int(q, 8) != 0,
			.no_select = sql_col_int(q, 9) != 0,
		},
	};
}

static enum status count(struct copy *c, struct copy_folder *f)
{
	struct sql_stmt *q = c->q[S_COUNTS];
	bool row;
	enum status st;

	sql_bind_int(q, 1, f->id);
	st = sql_step(q, &row);
	if (st == ST_OK && row) {
		f->messages = (uint32_t)sql_col_int(q, 0);
		f->unseen = (uint32_t)sql_col_int(q, 1);
		f->flagged = (uint32_t)sql_col_int(q, 2);
		f->bodies = (uint32_t)sql_col_int(q, 3);
		f->pending = (uint32_t)sql_col_int(q, 4);
	}
	sql_reset(q);
	return st;
}

enum status copy_folders(struct copy *c, struct arena *a, struct copy_folder **ret, size_t *ret_n)
{
	struct sql_stmt *q = c->q[S_FOLDERS];
	struct buf all = BUF(COPY_FOLDERS_MAX * sizeof **ret);
	struct copy_folder *array;
	size_t n;
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		struct copy_folder f;

		read_folder(q, a, &f);
		buf_put(&all, view_make((const char *)&f, sizeof f));
		st = buf_status(&all);
	}
	sql_reset(q);
	array = copy_array(a, &all);
	if (st == ST_OK)
		st = arena_status(a);
	n = all.n / sizeof *array;
	buf_free(&all);
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = count(c, &array[i]);
	if (st == ST_OK) {
		*ret = array;
		*ret_n = n;
	}
	return copy_note(c, st);
}

static enum status read_one(struct copy *c, struct sql_stmt *q, struct arena *a, struct copy_folder *ret)
{
	struct copy_folder f;
	bool row;
	enum status st = sql_step(q, &row);

	if (st == ST_OK && row)
		read_folder(q, a, &f);
	sql_reset(q);
	if (st == ST_OK)
		st = row ? count(c, &f) : ST_MISSING;
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = f;
	return st;
}

/* Levels that are not empty, no NUL; INBOX in capitals, also as the first level
 * (RFC 9051 5.1). */
static enum status canonical(struct view name, struct buf *out)
{
	bool inbox = view_starts_i(name, VIEW("INBOX")) && (name.n == 5 || name.p[5] == '/');

	if (name.n == 0 || name.n > COPY_FOLDER_MAX)
		return ST_SYNTAX;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '\0' || (name.p[i] == '/' && (i == 0 || i + 1 == name.n || name.p[i - 1] == '/')))
			return ST_SYNTAX;
	buf_put(out, inbox ? VIEW("INBOX") : view_head(name, 5));
	buf_put(out, view_skip(name, 5));
	return buf_status(out);
}

static enum status add(struct copy *c, struct view name)
{
	struct sql_stmt *q = c->q[S_FOLDER_ADD];
	struct buf path = BUF(COPY_PATH_MAX);
	bool row;
	enum status st;

	copy_tree_path(name, &path);
	st = buf_status(&path);
	if (st == ST_OK)
		st = copy_tree_make(c, buf_view(&path));
	buf_free(&path);
	if (st != ST_OK)
		return st;
	sql_bind_text(q, 1, name);
	sql_bind_int(q, 2, view_eq(name, VIEW("INBOX")) ? COPY_USE_INBOX : COPY_USE_NONE);
	st = sql_step(q, &row);
	sql_reset(q);
	return st;
}

enum status copy_folder(struct copy *c, struct view name, bool make, struct arena *a, struct copy_folder *ret)
{
	struct buf b = BUF(COPY_FOLDER_MAX + 1);
	enum status st = canonical(name, &b);

	if (st == ST_OK) {
		sql_bind_text(c->q[S_FOLDER], 1, buf_view(&b));
		st = read_one(c, c->q[S_FOLDER], a, ret);
	}
	if (st == ST_MISSING && make) {
		st = copy_enter(c);
		if (st == ST_OK)
			st = copy_leave(c, add(c, buf_view(&b)));
		if (st == ST_OK || st == ST_EXISTS) {
			sql_bind_text(c->q[S_FOLDER], 1, buf_view(&b));
			st = read_one(c, c->q[S_FOLDER], a, ret);
		}
	}
	buf_free(&b);
	return copy_note(c, st);
}

enum status copy_folder_with(struct copy *c, enum copy_use use, struct arena *a, struct copy_folder *ret)
{
	sql_bind_int(c->q[S_FOLDER_USE], 1, use);
	return copy_note(c, read_one(c, c->q[S_FOLDER_USE], a, ret));
}

enum status copy_folder_sync(struct copy *c, int64_t folder, const struct copy_sync *s)
{
	struct sql_stmt *q = c->q[S_FOLDER_SYNC];
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	sql_bind_int(q, 1, folder);
	sql_bind_int(q, 2, s->uidvalidity);
	sql_bind_int(q, 3, s->uidnext);
	sql_bind_int(q, 4, (int64_t)s->modseq);
	sql_bind_int(q, 5, s->at);
	sql_bind_blob(q, 6, view_head(s->server_name, COPY_FOLDER_MAX));
	sql_bind_int(q, 7, s->use);
	sql_bind_int(q, 8, s->subscribed);
	sql_bind_int(q, 9, s->no_select);
	return copy_leave(c, sql_run(q));
}

/* ---- taken away, renamed, forgotten ---- */

/* Ids of all that is shown there or that the server has there. */
static enum status ids_of(struct copy *c, int64_t folder, struct buf *out)
{
	struct sql_stmt *q = c->q[S_FOLDER_IDS];
	bool row = true;
	enum status st = ST_OK;

	sql_bind_int(q, 1, folder);
	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		int64_t id = sql_col_int(q, 0);

		buf_put(out, view_make((const char *)&id, sizeof id));
		st = buf_status(out);
	}
	sql_reset(q);
	return st;
}

/* The server has nothing there any more.  keep: what was made here, or was
 * moved to another folder, waits to be uploaded anew. */
static enum status forget(struct copy *c, int64_t folder, int64_t id, bool keep)
{
	struct arena a = ARENA(1024 * 1024);
	struct buf file = BUF(256);
	struct copy_row_state r, before;
	enum status st = copy_row_get(c, id, &a, &r);

	if (st == ST_OK && r.folder == folder && (!keep || (r.uid && r.server_folder == folder && !r.copied))) {
		st = copy_row_remove(c, &r);
	} else if (st == ST_OK && r.server_folder == folder && r.uid) {
		before = r;
		copy_file_new(c, &file);
		r.file = buf_view(&file);
		r.server_folder = r.folder;
		r.uid = 0;
		r.copied = false;
		st = (r.flags & COPY_BODY) && !r.hidden ? copy_row_store(c, &before, &r) : copy_row_remove(c, &before);
	}
	buf_free(&file);
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

static enum status forget_all(struct copy *c, int64_t folder, bool keep)
{
	struct buf ids = BUF((size_t)1 << 30);
	enum status st = ids_of(c, folder, &ids);

	for (size_t i = 0; i + sizeof(int64_t) <= ids.n && st == ST_OK; i += sizeof(int64_t)) {
		int64_t id;

		memcpy(&id, ids.p + i, sizeof id);
		st = forget(c, folder, id, keep);
	}
	buf_free(&ids);
	return st;
}

static enum status reset(struct copy *c, int64_t folder)
{
	enum status st = forget_all(c, folder, true);

	sql_bind_int(c->q[S_UIDL_DROP_ALL], 1, folder);
	return st == ST_OK ? sql_run(c->q[S_UIDL_DROP_ALL]) : st;
}

enum status copy_folder_reset(struct copy *c, int64_t folder)
{
	enum status st = copy_enter(c);

	return st == ST_OK ? copy_leave(c, reset(c, folder)) : st;
}

static const char *const inner[] = { "cur", "new", "tmp" };

/* The rows go with the commit; the empty folders before it: put makes them
 * again where they are missing. */
static enum status take_away(struct copy *c, int64_t folder)
{
	enum status st = forget_all(c, folder, false);

	sql_bind_int(c->q[S_UIDL_DROP_ALL], 1, folder);
	if (st == ST_OK)
		st = sql_run(c->q[S_UIDL_DROP_ALL]);
	sql_bind_int(c->q[S_FOLDER_REMOVE], 1, folder);
	return st == ST_OK ? sql_run(c->q[S_FOLDER_REMOVE]) : st;
}

/* As far as they are empty: other programs' files stay.  What letters mean goes with the last. */
static void drop_folders(struct copy *c, struct view path)
{
	struct buf b = BUF(COPY_PATH_MAX);
	bool empty = true;

	for (size_t i = 0; i < 3; i++) {
		buf_clear(&b);
		buf_putf(&b, "%.*s/%s", VIEW_ARG(path), inner[i]);
		if (buf_status(&b) == ST_OK && unlinkat(c->root, b.p, AT_REMOVEDIR) != 0)
			empty = false;
	}
	buf_clear(&b);
	buf_putf(&b, "%.*s/" COPY_LETTERS_FILE, VIEW_ARG(path));
	if (empty && buf_status(&b) == ST_OK)
		(void)!disk_unlink(c->root, b.p);
	buf_clear(&b);
	buf_putf(&b, "%.*s", VIEW_ARG(path));
	if (buf_status(&b) == ST_OK)
		(void)!unlinkat(c->root, b.p, AT_REMOVEDIR);
	buf_free(&b);
}

enum status copy_folder_remove(struct copy *c, int64_t folder)
{
	struct buf path = BUF(COPY_PATH_MAX);
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	st = copy_folder_path(c, folder, &path);
	if (st == ST_OK)
		st = take_away(c, folder);
	st = copy_leave(c, st);
	if (st == ST_OK && !c->batch)
		drop_folders(c, buf_view(&path));
	buf_free(&path);
	return st;
}

/* Before the names that use it. */
static enum status move_letters(struct copy *c, struct view from, struct view to)
{
	struct buf a = BUF(COPY_PATH_MAX), b = BUF(COPY_PATH_MAX);
	enum status st;

	buf_putf(&a, "%.*s/" COPY_LETTERS_FILE, VIEW_ARG(from));
	buf_putf(&b, "%.*s/" COPY_LETTERS_FILE, VIEW_ARG(to));
	st = buf_status(&a) == ST_OK ? buf_status(&b) : buf_status(&a);
	if (st == ST_OK)
		st = disk_rename(c->root, a.p, b.p);
	buf_free(&a);
	buf_free(&b);
	return st == ST_MISSING ? ST_OK : st;
}

/* cur, new and tmp go over; levels below are folders of their own. */
static enum status move_folders(struct copy *c, struct view from, struct view to)
{
	struct buf a = BUF(COPY_PATH_MAX), b = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_make(c, to);

	if (st == ST_OK)
		st = move_letters(c, from, to);
	for (size_t i = 0; i < 3 && st == ST_OK; i++) {
		buf_clear(&a);
		buf_clear(&b);
		buf_putf(&a, "%.*s/%s", VIEW_ARG(from), inner[i]);
		buf_putf(&b, "%.*s/%s", VIEW_ARG(to), inner[i]);
		st = buf_status(&a) == ST_OK ? buf_status(&b) : buf_status(&a);
		if (st == ST_OK)	/* over an empty one */
			st = disk_rename(c->root, a.p, b.p);
	}
	buf_free(&a);
	buf_free(&b);
	drop_folders(c, from);
	return st;
}

/* The tree follows behind the commit; a crash between leaves files in the old
 * folder, which copy_mend finds by their names. */
enum status copy_folder_rename(struct copy *c, int64_t folder, struct view name)
{
	struct buf from = BUF(COPY_PATH_MAX), to = BUF(COPY_PATH_MAX), new = BUF(COPY_FOLDER_MAX + 1);
	enum status st = c->batch ? ST_DENIED : canonical(name, &new);

	if (st == ST_OK)
		st = copy_enter(c);
	if (st == ST_OK) {
		st = copy_folder_path(c, folder, &from);
		sql_bind_int(c->q[S_FOLDER_RENAME], 1, folder);
		sql_bind_text(c->q[S_FOLDER_RENAME], 2, buf_view(&new));
		if (st == ST_OK)
			st = sql_run(c->q[S_FOLDER_RENAME]);
		st = copy_leave(c, st);
		copy_tree_path(buf_view(&new), &to);
		if (st == ST_OK)
			st = move_folders(c, buf_view(&from), buf_view(&to));
	}
	buf_free(&from);
	buf_free(&to);
	buf_free(&new);
	return st;
}
