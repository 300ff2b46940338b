/* list.c - messages as lists show them, and letters. */
#include "mua/copy/internal.h"

#include <stdlib.h>
#include <unistd.h>

/* Only what a list wants: the columns of strings that it does not show stay
 * where they are. */
enum status copy_message_read(struct sql_stmt *q, struct arena *a, struct copy_message *m)
{
	bool there = sql_col_int(q, 1) == sql_col_int(q, 2) && sql_col_int(q, 5) == 0;
	struct view packed = sql_col_view(q, 16), keywords = sql_col_view(q, 8);

	if (a) {
		packed = arena_copy(a, packed);
		keywords = keywords.n ? arena_copy(a, keywords) : VIEW_NONE;
	}

	*m = (struct copy_message){
		.id = sql_col_int(q, 0),
		.folder = sql_col_int(q, 1),
		.uid = there ? (uint32_t)sql_col_int(q, 3) : 0,
		.flags = (uint32_t)sql_col_int(q, 6),
		.modseq = (uint64_t)sql_col_int(q, 10),
		.size = (uint64_t)sql_col_int(q, 11),
		.date = sql_col_int(q, 12),
		.received = sql_col_int(q, 13),
		.keywords = keywords,
		.name = (uint64_t)sql_col_int(q, 15),
	};
	return a == NULL || arena_status(a) == ST_OK ? copy_unpack(packed, m) : arena_status(a);
}

static enum status total_of(struct copy *c, int64_t folder, size_t *ret)
{
	struct sql_stmt *q = c->q[S_TOTAL];
	bool row;
	enum status st;

	sql_bind_int(q, 1, folder);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		*ret = (size_t)sql_col_int(q, 0);
	sql_reset(q);
	return st;
}

/* Rows from a statement until it ends or there are `most`. */
static enum status take(struct sql_stmt *q, size_t most, struct arena *a, struct copy_list *l)
{
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && l->n < most && (st = sql_step(q, &row)) == ST_OK && row) {
		st = copy_message_read(q, a, &l->all[l->n]);
		l->n += st == ST_OK;
	}
	sql_reset(q);
	return st;
}

/* ---- orders ---- */

static int compare_int(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_text(struct view a, struct view b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		uint8_t x = (uint8_t)ascii_lower(a.p[i]), y = (uint8_t)ascii_lower(b.p[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return compare_int((int64_t)a.n, (int64_t)b.n);
}

/* Without what answers put in front; the hash of the base subject is no order. */
static struct view sort_subject(const struct copy_message *m)
{
	struct view s = m->subject;

	while (view_starts_i(s, VIEW("re:")) || view_starts_i(s, VIEW("fw:")) || view_starts_i(s, VIEW("fwd:")))
		s = view_trim(view_skip(s, view_find(s, ':') + 1));
	return s;
}

struct ordering {
	enum copy_order order;
	bool newest_first;
};

static int compare(const void *x, const void *y, void *arg)
{
	const struct copy_message *a = x, *b = y;
	const struct ordering *o = arg;
	int r = 0;

	if (o->order == COPY_BY_DATE)
		r = compare_int(a->date, b->date);
	else if (o->order == COPY_BY_ARRIVAL)
		r = compare_int(a->received, b->received);
	else if (o->order == COPY_BY_FROM)
		r = compare_text(a->from, b->from);
	else if (o->order == COPY_BY_SUBJECT)
		r = compare_text(sort_subject(a), sort_subject(b));
	else
		r = compare_int((int64_t)a->size, (int64_t)b->size);
	if (r == 0)
		r = compare_int(a->date, b->date);
	if (r == 0)
		r = compare_int(a->id, b->id);
	return o->newest_first ? -r : r;
}

/* In the order of the table where that is most of it, else by the index. */
enum status copy_all_rows(struct copy *c, int64_t folder, struct sql_stmt **ret)
{
	size_t here = 0, table = 0;
	enum status st = folder ? total_of(c, 0, &table) : ST_OK;

	if (st == ST_OK && folder)
		st = total_of(c, folder, &here);
	*ret = c->q[folder && here < table / 3 ? S_LIST_DATE : S_LIST_ALL];
	sql_bind_int(*ret, 1, folder);
	if (*ret == c->q[S_LIST_DATE]) {
		sql_bind_int(*ret, 2, -1);
		sql_bind_int(*ret, 3, 0);
	}
	return st;
}

void copy_sort_by_date(struct copy_message *all, size_t n, bool newest_first)
{
	struct ordering o = { COPY_BY_DATE, newest_first };

	qsort_r(all, n, sizeof *all, compare, &o);
}

/* All of them, sorted here. */
static enum status list_all(struct copy *c, int64_t folder, struct ordering o, size_t first, size_t n,
			    struct arena *a, struct copy_list *l)
{
	struct sql_stmt *q;
	enum status st;

	l->all = arena_array(a, l->total + 1, sizeof *l->all);
	if (l->all == NULL)
		return arena_status(a);
	st = copy_all_rows(c, folder, &q);
	if (st == ST_OK)
		st = take(q, l->total, a, l);
	if (st != ST_OK)
		return st;
	qsort_r(l->all, l->n, sizeof *l->all, compare, &o);
	first = first < l->n ? first : l->n;
	l->all += first;
	l->n = n < l->n - first ? n : l->n - first;
	return ST_OK;
}

static enum status list_part(struct sql_stmt *q, int64_t folder, size_t first, size_t n,
			     struct arena *a, struct copy_list *l)
{
	l->all = arena_array(a, n + 1, sizeof *l->all);
	if (l->all == NULL)
		return arena_status(a);
	sql_bind_int(q, 1, folder);
	sql_bind_int(q, 2, (int64_t)n);
	sql_bind_int(q, 3, (int64_t)first);
	return take(q, n, a, l);
}

enum status copy_list(struct copy *c, int64_t folder, enum copy_order order, bool newest_first, size_t first,
		      size_t n, struct arena *a, struct copy_list *ret)
{
	struct copy_list l = { .n = 0 };
	enum status st = total_of(c, folder, &l.total);
	bool part;

	if (st != ST_OK)
		return copy_note(c, st);
	n = n < l.total ? n : l.total;
	part = folder && n < l.total / 4 && order <= COPY_BY_ARRIVAL;
	if (part && order == COPY_BY_DATE)
		st = list_part(c->q[newest_first ? S_LIST_DATE : S_LIST_DATE_UP], folder, first, n, a, &l);
	else if (part)
		st = list_part(c->q[newest_first ? S_LIST_ARRIVAL : S_LIST_ARRIVAL_UP], folder, first, n, a, &l);
	else
		st = list_all(c, folder, (struct ordering){ order, newest_first }, first, n, a, &l);
	if (st == ST_OK)
		*ret = l;
	return copy_note(c, st);
}

/* ---- one ---- */

enum status copy_message(struct copy *c, int64_t id, struct arena *a, struct copy_message *ret)
{
	struct sql_stmt *q = c->q[S_ROW];
	struct copy_message m;
	bool row;
	enum status st;

	sql_bind_int(q, 1, id);
	st = sql_step(q, &row);
	if (st == ST_OK)
		st = row ? copy_message_read(q, a, &m) : ST_MISSING;
	sql_reset(q);
	if (st == ST_OK)
		*ret = m;
	return copy_note(c, st);
}

enum status copy_by_message_id(struct copy *c, struct view message_id, struct arena *a, struct copy_message *ret)
{
	struct sql_stmt *q = c->q[S_BY_NAME];
	struct copy_message m;
	bool row = true, found = false;
	enum status st = ST_OK;

	sql_bind_int(q, 1, (int64_t)copy_hash(message_id));
	while (st == ST_OK && !found && (st = sql_step(q, &row)) == ST_OK && row) {
		st = copy_message_read(q, a, &m);
		found = st == ST_OK && view_eq(m.message_id, message_id);
	}
	sql_reset(q);
	if (st == ST_OK)
		st = found ? ST_OK : ST_MISSING;
	if (st == ST_OK)
		*ret = m;
	return copy_note(c, st);
}

/* ---- letters ---- */

static enum status read_header(struct copy *c, int64_t id, struct copy_letter *ret)
{
	struct sql_stmt *q = c->q[S_HEADER];
	struct view text;
	char *p = NULL;
	bool row;
	enum status st;

	sql_bind_int(q, 1, id);
	st = sql_step(q, &row);
	if (st == ST_OK && row) {
		text = sql_col_view(q, 0);
		p = malloc(text.n + 1);
		if (p && text.n)
			memcpy(p, text.p, text.n);
		if (p)
			*ret = (struct copy_letter){ view_make(p, text.n), false, p, text.n };
	}
	sql_reset(q);
	if (st == ST_OK)
		st = !row ? ST_MISSING : p ? ST_OK : ST_NOMEM;
	return st;
}

static enum status path_of(struct copy *c, int64_t id, struct arena *a, struct buf *path,
			   struct copy_row_state *ret)
{
	enum status st = copy_row_get(c, id, a, ret);

	if (st == ST_OK && (ret->flags & COPY_BODY))
		st = copy_folder_path(c, ret->folder, path);
	return st;
}

enum status copy_read(struct copy *c, int64_t id, struct copy_letter *ret)
{
	struct arena a = ARENA(1024 * 1024);
	struct buf path = BUF(COPY_PATH_MAX);
	struct copy_row_state r;
	int fd = -1;
	enum status st = path_of(c, id, &a, &path, &r);

	if (st == ST_OK && (r.flags & COPY_BODY)) {
		st = copy_tree_open(c, buf_view(&path), &r, &fd);
		if (st == ST_OK) {
			st = copy_map(fd, ret);
			close(fd);
		}
	} else if (st == ST_OK) {
		st = read_header(c, id, ret);
	}
	buf_free(&path);
	arena_free(&a);
	return copy_note(c, st);
}

enum status copy_path(struct copy *c, int64_t id, struct buf *out)
{
	struct arena a = ARENA(1024 * 1024);
	struct buf path = BUF(COPY_PATH_MAX);
	struct copy_row_state r;
	enum status st = path_of(c, id, &a, &path, &r);

	if (st == ST_OK && !(r.flags & COPY_BODY))
		st = ST_MISSING;
	if (st == ST_OK) {
		st = copy_tree_shown(c, buf_view(&path), &r, false, out);
		if (st == ST_OK)
			out->n--;
	}
	buf_free(&path);
	arena_free(&a);
	return copy_note(c, st);
}
