/* put.c - letters and headers that come from the server, or are made here. */
#include "mua/copy/internal.h"

enum { ROW_ARENA = 1024 * 1024, HEADER_MOST = 8 * 1024 * 1024 };

/* What is being put. */
struct putting {
	struct copy *c;
	const struct copy_arrival *w;
	struct view text;	/* the letter, or its header section */
	bool whole;
	bool local;		/* made here: the server gets it later */
	uint64_t size;
	uint32_t attachments;
	struct arena arena;
	struct buf path, file;
	struct copy_summary sum;
	uint32_t uid;
};

/* The flags that have a bit of their own are keywords on the wire. */
static enum status normalise(struct view keywords, struct arena *a, uint32_t *flags, struct view *ret)
{
	*flags &= COPY_FLAGS;
	return copy_words_flags(keywords, a, flags, ret);
}

/* Three states: what the server had, what it has now, what is wanted here.
 * Bits that the person changed stay as he wants them. */
static void merge_flags(struct copy_row_state *r, uint32_t server)
{
	uint32_t mine = (r->flags & COPY_FLAGS) ^ r->server_flags;

	r->flags = (r->flags & ~(uint32_t)COPY_FLAGS) | ((server & ~mine) | (r->flags & COPY_FLAGS & mine));
	r->server_flags = server;
}

/* The same with words: those that the person has added or taken away stay so.  Where all
 * together are too many, the server's count. */
static enum status merge_words(struct copy_row_state *r, struct view server, struct arena *a)
{
	struct view added, removed;
	enum status st = copy_words_change(r->keywords, VIEW_NONE, r->server_keywords, a, &added);

	if (st == ST_OK)
		st = copy_words_change(r->server_keywords, VIEW_NONE, r->keywords, a, &removed);
	if (st == ST_OK)
		st = copy_words_change(server, added, removed, a, &r->keywords);
	if (st == ST_LIMIT) {
		r->keywords = server;
		st = ST_OK;
	}
	if (st == ST_OK)
		r->server_keywords = server;
	return st;
}

enum status copy_merge(struct copy_row_state *r, uint32_t flags, struct view keywords, uint64_t modseq,
		       struct arena *a)
{
	struct view words;
	enum status st = normalise(keywords, a, &flags, &words);

	if (st != ST_OK)
		return st;
	merge_flags(r, flags);
	if (modseq > r->modseq)
		r->modseq = modseq;
	return merge_words(r, words, a);
}

/* ---- one that is not there yet ---- */

static enum status folder_of(struct putting *p, uint32_t *ret_validity, uint32_t *ret_next)
{
	struct sql_stmt *q = p->c->q[S_FOLDER_NAME];
	bool row;
	enum status st;

	sql_bind_int(q, 1, p->w->folder);
	st = sql_step(q, &row);
	if (st == ST_OK && row) {
		copy_tree_path(sql_col_view(q, 0), &p->path);
		*ret_validity = (uint32_t)sql_col_int(q, 1);
		*ret_next = (uint32_t)sql_col_int(q, 2);
	}
	sql_reset(q);
	if (st == ST_OK)
		st = row ? buf_status(&p->path) : ST_MISSING;
	return st;
}

/* POP3 has no uids: the next one of the folder. */
static enum status uid_of_uidl(struct putting *p, uint32_t next)
{
	struct sql_stmt *q = p->c->q[S_UID_TOP];
	bool row;
	enum status st;

	sql_bind_int(q, 1, p->w->folder);
	st = sql_step(q, &row);
	if (st == ST_OK)
		p->uid = (uint32_t)sql_col_int(q, 0) + 1;
	sql_reset(q);
	if (p->uid < next)
		p->uid = next;
	q = p->c->q[S_UIDL_PUT];
	sql_bind_int(q, 1, p->w->folder);
	sql_bind_blob(q, 2, p->w->uidl);
	return st == ST_OK ? sql_run(q) : st;
}

static enum status name_file(struct putting *p)
{
	uint32_t validity = 0, next = 0;
	enum status st = folder_of(p, &validity, &next);

	if (st == ST_OK && !p->local && p->uid == 0)
		st = uid_of_uidl(p, next);
	if (st != ST_OK)
		return st;
	if (p->local)
		copy_file_new(p->c, &p->file);
	else
		copy_file_of_uid(p->w->folder, validity, p->uid, &p->file);
	return buf_status(&p->file);
}

static enum status keep_text(struct putting *p, const struct copy_row_state *r)
{
	struct sql_stmt *q = p->c->q[S_HEADER_PUT];
	enum status st;

	if (!p->whole) {
		sql_bind_int(q, 1, r->id);
		sql_bind_blob(q, 2, p->text);
		return sql_run(q);
	}
	st = copy_tree_write(p->c, buf_view(&p->path), r->file, p->text);
	return st == ST_OK ? copy_plan_show(p->c, buf_view(&p->path), r) : st;
}

static enum status add(struct putting *p, int64_t *ret_id)
{
	struct copy_row_state r = {
		.folder = p->w->folder, .server_folder = p->w->folder, .modseq = p->w->modseq, .size = p->size,
		.received = p->w->received, .file = buf_view(&p->file), .date = p->sum.date, .name = p->sum.name,
		.packed = buf_view(&p->sum.packed), .uid = p->local ? 0 : p->uid,
	};
	uint32_t flags = p->w->flags;
	enum status st = normalise(p->w->keywords, &p->arena, &flags, &r.keywords);

	if (st != ST_OK)
		return st;
	r.flags = flags | p->sum.flags | p->attachments | (p->whole ? (uint32_t)COPY_BODY : 0);
	if (!p->local) {
		r.server_flags = flags;
		r.server_keywords = r.keywords;
	}
	st = copy_row_add(p->c, &r);
	if (st == ST_OK)
		st = keep_text(p, &r);
	if (st == ST_OK)
		*ret_id = r.id;
	return st;
}

/* ---- one that is there, perhaps by its header alone ---- */

static enum status fill(struct putting *p, const struct copy_row_state *r)
{
	struct sql_stmt *q = p->c->q[S_FILL];
	enum status st;

	sql_bind_int(q, 1, r->id);
	sql_bind_int(q, 2, (int64_t)p->size);
	sql_bind_int(q, 3, p->sum.date);
	sql_bind_int(q, 4, (int64_t)p->sum.name);
	sql_bind_blob(q, 5, buf_view(&p->sum.packed));
	st = sql_run(q);
	sql_bind_int(p->c->q[S_HEADER_DROP], 1, r->id);
	return st == ST_OK ? sql_run(p->c->q[S_HEADER_DROP]) : st;
}

/* It may have been moved here meanwhile: the body goes where the row is. */
static enum status again(struct putting *p, struct copy_row_state *r, int64_t *ret_id)
{
	struct copy_row_state before = *r;
	bool body = p->whole && !(r->flags & COPY_BODY);
	enum status st = copy_merge(r, p->w->flags, p->w->keywords, p->w->modseq, &p->arena);

	buf_clear(&p->path);
	if (st == ST_OK)
		st = copy_folder_path(p->c, r->folder, &p->path);
	if (st == ST_OK && body) {
		r->flags = (r->flags & ~(uint32_t)COPY_ATTACHMENTS) | p->sum.flags | COPY_BODY;
		st = fill(p, r);
	}
	if (st == ST_OK)
		st = copy_row_store(p->c, &before, r);
	if (st == ST_OK && body)
		st = keep_text(p, r);
	if (st == ST_OK)
		*ret_id = r->id;
	return st;
}

/* ---- all ---- */

static enum status put(struct putting *p, int64_t *ret_id)
{
	struct copy_row_state r;
	enum status st;

	p->uid = p->w->uid;
	st = p->uid && !p->local ? copy_row_by_uid(p->c, p->w->folder, p->uid, &p->arena, &r) : ST_MISSING;
	if (st == ST_OK)
		return again(p, &r, ret_id);
	if (st == ST_MISSING)
		st = name_file(p);
	return st == ST_OK ? add(p, ret_id) : st;
}

static enum status put_all(struct putting *p, int64_t *ret_id)
{
	/* The name of a letter without Message-ID. */
	uint64_t own[] = { (uint64_t)p->w->folder, p->w->uid, p->w->uid ? 0 : clock_steady(), p->c->count };
	uint64_t salt = copy_hash(view_make((const char *)own, sizeof own));
	enum status st;

	if (p->text.n > COPY_LETTER_MAX)
		return ST_LIMIT;
	st = copy_summarise(p->text, p->whole, p->w->received, salt, &p->sum);
	if (st != ST_OK)
		return st;
	st = copy_enter(p->c);
	if (st == ST_OK) {
		p->arena = ARENA(ROW_ARENA);
		p->path = BUF(COPY_PATH_MAX);
		p->file = BUF(256);
		st = copy_leave(p->c, put(p, ret_id));
		arena_free(&p->arena);
		buf_free(&p->path);
		buf_free(&p->file);
	}
	buf_free(&p->sum.packed);
	return st;
}

enum status copy_put(struct copy *c, const struct copy_arrival *w, struct view letter, int64_t *ret_id)
{
	struct putting p = { .c = c, .w = w, .text = letter, .whole = true, .size = letter.n };

	return put_all(&p, ret_id);
}

enum status copy_put_fd(struct copy *c, const struct copy_arrival *w, int fd, int64_t *ret_id)
{
	struct copy_letter l;
	enum status st = copy_map(fd, &l);

	if (st == ST_OK) {
		st = copy_put(c, w, l.bytes, ret_id);
		copy_letter_close(&l);
	}
	return st;
}

enum status copy_put_header(struct copy *c, const struct copy_arrival *w, struct view header, uint64_t size,
			    uint32_t attachments, int64_t *ret_id)
{
	struct putting p = { .c = c, .w = w, .text = view_head(header, HEADER_MOST), .size = size,
			     .attachments = attachments & COPY_ATTACHMENTS };

	return put_all(&p, ret_id);
}

enum status copy_add(struct copy *c, int64_t folder, uint32_t flags, struct view letter, int64_t *ret_id)
{
	struct copy_arrival w = { .folder = folder, .flags = flags, .received = clock_wall() };
	struct putting p = { .c = c, .w = &w, .text = letter, .whole = true, .local = true, .size = letter.n };

	return put_all(&p, ret_id);
}
