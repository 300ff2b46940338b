/* search.c - a list narrowed by a query, and the words of letters.
 *
 * Words are taken from letters when nothing else is to do (copy_step), into
 * an FTS5 table that has no text of its own: it says in which letters all the
 * words of a text are.  Where the text is one word that is the answer (from
 * its beginning: "meet" finds "meeting"); else those letters are read.
 * A letter whose words are not taken yet is read too, and so are all where a
 * text is of a script without blanks, whose words FTS5 does not know.
 */
#include "mua/copy/internal.h"

#include "mua/copy/query.h"
#include "mua/copy/show.h"

#include <unictype.h>
#include <unistr.h>
#include <uniwidth.h>

/* What FTS5's unicode61 makes words of. */
enum { WORD = UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_Co };

enum { FEW = 20000, STEP_LETTERS = 20, WORDS_MOST = 1024 * 1024, FTS_MOST = 64 * 1024 };

/* ---- taking words ---- */

static enum status take_words(struct copy *c, int64_t id)
{
	struct buf text = BUF(WORDS_MOST);
	struct copy_letter l;
	enum status st = copy_read(c, id, &l);

	if (st == ST_OK) {
		st = show_body(l.bytes, 0, &text);
		copy_letter_close(&l);
		if (st == ST_LIMIT)	/* the first megabyte of it */
			st = ST_OK;
		sql_bind_int(c->q[S_WORDS_PUT], 1, id);
		sql_bind_text(c->q[S_WORDS_PUT], 2, buf_view(&text));
		if (st == ST_OK)
			st = sql_run(c->q[S_WORDS_PUT]);
	}
	/* One that cannot be read is not tried for ever. */
	if (st == ST_OK || st == ST_MISSING || st == ST_IO || st == ST_DENIED) {
		sql_bind_int(c->q[S_WORDS_DONE], 1, id);
		st = sql_run(c->q[S_WORDS_DONE]);
	}
	buf_free(&text);
	return st;
}

static enum status ids_of(struct sql_stmt *q, size_t most, struct buf *out)
{
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && out->n < most * sizeof(int64_t) && (st = sql_step(q, &row)) == ST_OK && row) {
		int64_t id = sql_col_int(q, 0);

		buf_put(out, view_make((const char *)&id, sizeof id));
		st = buf_status(out);
	}
	sql_reset(q);
	return st;
}

static int64_t id_at(const struct buf *ids, size_t i)
{
	int64_t id;

	memcpy(&id, ids->p + i * sizeof id, sizeof id);
	return id;
}

enum status copy_step(struct copy *c, bool *ret_more)
{
	struct buf ids = BUF(STEP_LETTERS * sizeof(int64_t));
	size_t n;
	enum status st;

	sql_bind_int(c->q[S_UNREAD_WORDS], 1, STEP_LETTERS);
	st = ids_of(c->q[S_UNREAD_WORDS], STEP_LETTERS, &ids);
	n = ids.n / sizeof(int64_t);
	if (st == ST_OK && n) {
		st = copy_enter_index(c);
		if (st == ST_OK) {
			for (size_t i = 0; i < n && st == ST_OK; i++)
				st = take_words(c, id_at(&ids, i));
			st = copy_leave(c, st);
		}
	}
	buf_free(&ids);
	if (st == ST_OK)
		*ret_more = n == STEP_LETTERS;
	return st;
}

/* ---- asking ---- */

/* Ids of letters, sorted. */
struct ids {
	const int64_t *all;
	size_t n;
};

static bool has(struct ids s, int64_t id)
{
	size_t lo = 0, hi = s.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s.all[mid] == id)
			return true;
		if (s.all[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static enum status copy_ids(struct sql_stmt *q, struct arena *a, struct ids *ret)
{
	struct buf b = BUF((size_t)1 << 30);
	enum status st = ids_of(q, (size_t)1 << 26, &b);
	const int64_t *p = copy_array(a, &b);

	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = (struct ids){ p, b.n / sizeof(int64_t) };
	buf_free(&b);
	return st;
}

/* The words of a text as FTS5 wants them: each a string, the last one from its
 * beginning.  ret_exact: what it finds needs no second look; ret_wide: it
 * cannot be asked. */
static void put_match(struct view text, struct buf *out, bool *ret_exact, bool *ret_wide)
{
	const uint8_t *p = (const uint8_t *)(text.n ? text.p : ""), *end = p + text.n;
	size_t words = 0;
	bool in_word = false, other = false;

	*ret_wide = false;
	while (p < end) {
		ucs4_t u;
		int n = u8_mbtouc(&u, p, (size_t)(end - p));
		bool word = uc_is_general_category_withtable(u, WORD);

		*ret_wide |= uc_width(u, "UTF-8") == 2;
		other |= !word;
		if (word && !in_word) {
			buf_puts(out, words++ ? " \"" : "\"");
		} else if (!word && in_word) {
			buf_putc(out, '"');
		}
		if (word)
			buf_put(out, view_make((const char *)p, (size_t)n));
		in_word = word;
		p += n;
	}
	if (in_word)
		buf_puts(out, "\"*");
	*ret_exact = words == 1 && !other;
	*ret_wide |= words == 0;
}

/* A query's term over bodies, with what the index says of it. */
struct asked {
	const struct query_term *term;
	struct ids found, left;
	bool exact, wide;
};

static enum status ask(struct copy *c, const struct query_term *term, struct arena *a, struct asked *k)
{
	struct buf match = BUF(FTS_MOST);
	enum status st = ST_OK;

	*k = (struct asked){ .term = term };
	put_match(term->text, &match, &k->exact, &k->wide);
	if (!k->wide) {
		st = buf_status(&match);
		sql_bind_text(c->q[S_WORDS], 1, buf_view(&match));
		if (st == ST_OK)
			st = copy_ids(c->q[S_WORDS], a, &k->found);
		if (st == ST_OK)
			st = copy_ids(c->q[S_WORDS_LEFT], a, &k->left);
		if (st == ST_SYNTAX) {	/* FTS5 parts words otherwise than we do */
			k->wide = true;
			st = ST_OK;
		}
	}
	buf_free(&match);
	return st;
}

static enum status look_into(struct copy *c, const struct copy_message *m, const struct query_term *t, bool *ret)
{
	struct copy_letter l;
	enum status st;

	*ret = false;
	if (!(m->flags & COPY_BODY))
		return ST_OK;
	st = copy_read(c, m->id, &l);
	if (st == ST_OK) {
		st = search_body(l.bytes, &t->needle, ret);
		copy_letter_close(&l);
	}
	return st == ST_MISSING ? ST_OK : st;
}

static enum status holds(struct copy *c, const struct copy_message *m, const struct asked *k, bool *ret)
{
	if (!k->wide && !has(k->left, m->id)) {
		*ret = has(k->found, m->id);
		if (k->exact || !*ret)
			return ST_OK;
	}
	return look_into(c, m, k->term, ret);
}

static enum status match(struct copy *c, const struct query *q, const struct asked *asked, size_t n_asked,
			 const struct copy_message *m, bool *ret)
{
	enum status st = query_match(q, m, ret);

	for (size_t i = 0; i < n_asked && *ret && st == ST_OK; i++) {
		bool there = false;

		st = holds(c, m, &asked[i], &there);
		*ret = there != asked[i].term->not;
	}
	return st;
}

static enum status ask_all(struct copy *c, const struct query *q, struct arena *a, struct asked *asked, size_t *ret_n)
{
	enum status st = ST_OK;

	*ret_n = 0;
	for (size_t i = 0; i < q->n && st == ST_OK; i++)
		if (q->terms[i].kind == QUERY_BODY)
			st = ask(c, &q->terms[i], a, &asked[(*ret_n)++]);
	return st;
}

enum status copy_search(struct copy *c, const struct copy_list *l, const struct query *q, const uint32_t *hits,
			size_t n_hits, struct arena *a, uint32_t **ret, size_t *ret_n)
{
	size_t n = hits ? n_hits : l->n, n_asked = 0, found = 0;
	uint32_t *out = arena_array(a, n + 1, sizeof *out);
	struct asked asked[QUERY_TERMS_MAX];
	enum status st = arena_status(a);

	if (st == ST_OK)
		st = ask_all(c, q, a, asked, &n_asked);
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		uint32_t at = hits ? hits[i] : (uint32_t)i;
		bool there = false;

		st = match(c, q, asked, n_asked, &l->all[at], &there);
		if (there && st == ST_OK)
			out[found++] = at;
	}
	if (st == ST_OK) {
		*ret = out;
		*ret_n = found;
	}
	return copy_note(c, st);
}

/* ---- without a list ---- */

struct finding {
	struct copy *c;
	const struct query *q;
	int64_t folder;
	struct asked asked[QUERY_TERMS_MAX];
	size_t n_asked;
	struct arena *a;
	struct buf hits;	/* struct copy_message each */
};

/* Only what is found is kept. */
static enum status take_if(struct finding *f, struct sql_stmt *q)
{
	struct copy_message m;
	bool there = false;
	enum status st = copy_message_read(q, NULL, &m);

	if (st == ST_OK && (f->folder == 0 || m.folder == f->folder))
		st = match(f->c, f->q, f->asked, f->n_asked, &m, &there);
	if (st != ST_OK || !there)
		return st;
	st = copy_message_read(q, f->a, &m);
	buf_put(&f->hits, view_make((const char *)&m, sizeof m));
	return st == ST_OK ? buf_status(&f->hits) : st;
}

static enum status take_rows(struct finding *f, struct sql_stmt *q)
{
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row)
		st = take_if(f, q);
	sql_reset(q);
	return st;
}

static enum status take_ids(struct finding *f, struct ids ids)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < ids.n && st == ST_OK; i++) {
		sql_bind_int(f->c->q[S_FIND_ROW], 1, ids.all[i]);
		st = take_rows(f, f->c->q[S_FIND_ROW]);
	}
	return st;
}

/* The term of bodies with the fewest letters that can have it; NULL: none says. */
static const struct asked *fewest(const struct finding *f)
{
	const struct asked *best = NULL;

	for (size_t i = 0; i < f->n_asked; i++) {
		const struct asked *k = &f->asked[i];

		if (!k->wide && !k->term->not && (!best || k->found.n + k->left.n < best->found.n + best->left.n))
			best = k;
	}
	return best;
}

static enum status find(struct finding *f)
{
	const struct asked *k = fewest(f);
	struct sql_stmt *q;
	enum status st;

	if (k && k->found.n + k->left.n < FEW) {
		st = take_ids(f, k->found);
		return st == ST_OK ? take_ids(f, k->left) : st;
	}
	for (size_t i = 0; i < f->q->n; i++)
		if (f->q->terms[i].kind == QUERY_ID && !f->q->terms[i].not) {
			sql_bind_int(f->c->q[S_BY_NAME], 1, (int64_t)copy_hash(f->q->terms[i].text));
			return take_rows(f, f->c->q[S_BY_NAME]);
		}
	st = copy_all_rows(f->c, f->folder, &q);
	return st == ST_OK ? take_rows(f, q) : st;
}

enum status copy_find(struct copy *c, int64_t folder, const struct query *q, bool newest_first, struct arena *a,
		      struct copy_list *ret)
{
	struct finding f = { .c = c, .q = q, .folder = folder, .a = a, .hits = BUF((size_t)4 << 30) };
	enum status st = ask_all(c, q, a, f.asked, &f.n_asked);
	struct copy_list l;

	if (st == ST_OK)
		st = find(&f);
	l = (struct copy_list){ copy_array(a, &f.hits), f.hits.n / sizeof(struct copy_message), 0 };
	l.total = l.n;
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		copy_sort_by_date(l.all, l.n, newest_first);
		*ret = l;
	}
	buf_free(&f.hits);
	return copy_note(c, st);
}
