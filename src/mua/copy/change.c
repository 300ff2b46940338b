/* change.c - what the person does to messages: at once here, and to be told to
 * the server. */
#include "mua/copy/internal.h"

enum { ROW_ARENA = 1024 * 1024, KEYWORD_MAX = 128 };

/* What is done to each of many. */
struct change {
	enum status (*one)(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a);
	uint32_t add, remove;
	struct view keyword;
	bool on;
	int64_t folder;
};

static enum status change_one(struct copy *c, int64_t id, const struct change *ch)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r, before;
	enum status st = copy_row_get(c, id, &a, &r);

	if (st == ST_OK) {
		before = r;
		st = ch->one(c, &r, ch, &a);
		if (st == ST_OK)
			st = copy_row_store(c, &before, &r);
	}
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

static enum status change(struct copy *c, const int64_t *ids, size_t n, const struct change *ch)
{
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = change_one(c, ids[i], ch);
	return copy_leave(c, st);
}

static enum status change_flags(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a)
{
	(void)c;
	(void)a;
	r->flags = (r->flags | ch->add) & ~ch->remove;
	return ST_OK;
}

enum status copy_flags(struct copy *c, const int64_t *ids, size_t n, uint32_t add, uint32_t remove)
{
	struct change ch = { .one = change_flags, .add = add & COPY_FLAGS, .remove = remove & COPY_FLAGS };

	return change(c, ids, n, &ch);
}

/* Of these only one can be (the registrations of RFC 5788 for them). */
static struct view opposite(struct view keyword)
{
	if (view_eq_i(keyword, VIEW("$Junk")))
		return VIEW("$NotJunk");
	return view_eq_i(keyword, VIEW("$NotJunk")) ? VIEW("$Junk") : VIEW_NONE;
}

static enum status change_keyword(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a)
{
	(void)c;
	return copy_words_change(r->keywords, ch->on ? ch->keyword : VIEW_NONE, ch->on ? opposite(ch->keyword) : ch->keyword,
				 a, &r->keywords);
}

/* An atom (RFC 9051 9), and no comma, which parts words here. */
static bool is_keyword(struct view v)
{
	if (v.n == 0 || v.n > KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || (uint8_t)v.p[i] >= 0x7f || strchr("(){%*\"\\],", v.p[i]))
			return false;
	return true;
}

enum status copy_keyword(struct copy *c, const int64_t *ids, size_t n, struct view keyword, bool on)
{
	struct change ch = { .one = change_keyword, .keyword = keyword, .on = on };
	uint32_t flag = copy_keyword_flag(keyword);

	if (flag)
		return copy_flags(c, ids, n, on ? flag : 0, on ? 0 : flag);
	return is_keyword(keyword) ? change(c, ids, n, &ch) : ST_SYNTAX;
}

static enum status set_keywords(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a)
{
	(void)c;
	return copy_words_change(VIEW_NONE, ch->keyword, VIEW_NONE, a, &r->keywords);
}

enum status copy_keywords_are(struct copy *c, int64_t id, struct view keywords)
{
	struct change ch = { .one = set_keywords, .keyword = keywords };

	return change(c, &id, 1, &ch);
}

/* What the server does not have anywhere goes to where it is to be uploaded. */
static enum status change_folder(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a)
{
	(void)c;
	(void)a;
	r->folder = ch->folder;
	if (r->uid == 0)
		r->server_folder = ch->folder;
	return ST_OK;
}

static enum status is_folder(struct copy *c, int64_t folder)
{
	struct buf path = BUF(COPY_PATH_MAX);
	enum status st = copy_folder_path(c, folder, &path);

	if (st == ST_OK)
		st = copy_tree_make(c, buf_view(&path));
	buf_free(&path);
	return st;
}

enum status copy_move(struct copy *c, const int64_t *ids, size_t n, int64_t folder)
{
	struct change ch = { .one = change_folder, .folder = folder };
	enum status st = is_folder(c, folder);

	return st == ST_OK ? change(c, ids, n, &ch) : st;
}

static enum status hide(struct copy *c, struct copy_row_state *r, const struct change *ch, struct arena *a)
{
	(void)c;
	(void)a;
	r->hidden = ch->on;
	return ST_OK;
}

enum status copy_remove(struct copy *c, const int64_t *ids, size_t n)
{
	struct change ch = { .one = hide, .on = true };

	return change(c, ids, n, &ch);
}

enum status copy_restore(struct copy *c, const int64_t *ids, size_t n)
{
	struct change ch = { .one = hide, .on = false };

	return change(c, ids, n, &ch);
}

/* ---- copies ---- */

static enum status copy_text(struct copy *c, const struct copy_row_state *from, const struct copy_row_state *r)
{
	struct copy_letter l;
	struct buf path = BUF(COPY_PATH_MAX);
	enum status st = copy_read(c, from->id, &l);

	if (st != ST_OK)
		return st;
	if (l.whole) {
		st = copy_folder_path(c, r->folder, &path);
		if (st == ST_OK)
			st = copy_tree_write(c, buf_view(&path), r->file, l.bytes);
		if (st == ST_OK)
			st = copy_plan_show(c, buf_view(&path), r);
	} else {
		sql_bind_int(c->q[S_HEADER_PUT], 1, r->id);
		sql_bind_blob(c->q[S_HEADER_PUT], 2, l.bytes);
		st = sql_run(c->q[S_HEADER_PUT]);
	}
	copy_letter_close(&l);
	buf_free(&path);
	return st;
}

/* The server can copy what it has itself; what it does not have is uploaded
 * twice. */
static enum status copy_one(struct copy *c, int64_t id, int64_t folder)
{
	struct arena a = ARENA(ROW_ARENA);
	struct buf file = BUF(256);
	struct copy_row_state from, r;
	enum status st = copy_row_get(c, id, &a, &from);

	if (st == ST_OK && !from.hidden) {
		r = from;
		copy_file_new(c, &file);
		r.file = buf_view(&file);
		r.folder = folder;
		r.copied = from.uid != 0;
		if (!r.copied)
			r.server_folder = folder;
		r.server_flags = 0;
		r.server_keywords = VIEW_NONE;
		r.modseq = 0;
		st = copy_row_add(c, &r);
		if (st == ST_OK)
			st = copy_text(c, &from, &r);
	}
	buf_free(&file);
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

enum status copy_copy(struct copy *c, const int64_t *ids, size_t n, int64_t folder)
{
	enum status st = is_folder(c, folder);

	if (st == ST_OK)
		st = copy_enter(c);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = copy_one(c, ids[i], folder);
	return copy_leave(c, st);
}
