/* list.c - the messages of a folder: read, narrowed, drawn. */
#include "mua/screen/internal.h"

#include "mua/copy/text.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILTER_ARENA = 256 * 1024 * 1024, DEPTH_SHOWN = 12, BARS = 64, FLAG_COLUMNS = 3, DATE_COLUMNS = 7, DATE_LEAST = 36, TAG_COLUMNS_LEAST = 12,
       FIRST_MESSAGES = 200 };

void screen_list_free(struct screen_list *l)
{
	arena_free(&l->arena);
	arena_free(&l->filter_arena);
	buf_free(&l->filter);
	*l = (struct screen_list){ .filter = BUF(4 * SCREEN_LINE_MAX) };
}

struct copy_message *screen_message(struct screen *s)
{
	struct screen_list *l = &s->list;

	return l->at < l->n ? &l->list.all[l->lines[l->at].message] : NULL;
}

void screen_move_to(struct screen *s, size_t line)
{
	struct screen_list *l = &s->list;

	l->at = l->n == 0 ? 0 : line < l->n ? line : l->n - 1;
}

/* ---- lines ---- */

static enum status lines_flat(struct screen_list *l)
{
	l->all = arena_array(&l->arena, l->list.n + 1, sizeof *l->all);
	if (l->all == NULL)
		return arena_status(&l->arena);
	for (size_t i = 0; i < l->list.n; i++)
		l->all[i] = (struct screen_line){ .message = (uint32_t)i, .last = true };
	l->n_all = l->list.n;
	return ST_OK;
}

/* At each depth: does a brother follow further down. */
static enum status lines_of_threads(struct screen_list *l)
{
	struct copy_row *rows;
	uint64_t bars = 0;
	enum status st = copy_threads(&l->list, true, &l->arena, &rows);

	if (st == ST_OK)
		st = lines_flat(l);
	for (size_t i = 0; i < l->list.n && st == ST_OK; i++) {
		const struct copy_row *r = &rows[i];
		uint64_t bit = r->depth < BARS ? (uint64_t)1 << r->depth : 0;
		const struct copy_message *m = &l->list.all[r->message];
		const struct copy_message *first = &l->list.all[rows[r->thread].message];

		bars = bit ? bars & (bit - 1) : bars;
		l->all[i] = (struct screen_line){ .message = r->message, .depth = (uint16_t)r->depth, .last = r->last,
						  .again = r->depth && m->base_subject == first->base_subject,
						  .bars = bars };
		if (!r->last)
			bars |= bit;
	}
	return st;
}

static enum copy_order order_of(enum screen_order o)
{
	static const enum copy_order orders[] = { COPY_BY_DATE, COPY_BY_DATE, COPY_BY_FROM, COPY_BY_SUBJECT,
						  COPY_BY_SIZE };

	return orders[o];
}

static enum status make_lines(struct screen *s, struct screen_list *l)
{
	enum status st = s->order == ORDER_THREADS ? lines_of_threads(l) : lines_flat(l);

	l->lines = l->all;
	l->n = l->n_all;
	l->tagged = arena_array(&l->arena, l->list.n + 1, 1);
	return st == ST_OK ? arena_status(&l->arena) : st;
}

static enum status read_list(struct screen *s, size_t most, struct screen_list *l)
{
	bool newest = s->order != ORDER_FROM && s->order != ORDER_SUBJECT;
	enum status st;

	l->arena = ARENA(COPY_LIST_ARENA(2000000));
	st = copy_list(s->copy, s->folder, order_of(s->order), newest, 0, most, &l->arena, &l->list);
	if (st == ST_OK)
		st = make_lines(s, l);
	l->part = st == ST_OK && l->list.n < l->list.total;
	return st;
}

/* ---- opening ---- */

void screen_count(struct screen *s)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f;

	if (copy_folder(s->copy, buf_view(&s->folder_name), false, &a, &f) == ST_OK) {
		s->unseen = f.unseen;
		s->pending = f.pending;
	}
	arena_free(&a);
}

static size_t line_of(const struct screen_list *l, int64_t id, size_t otherwise)
{
	for (size_t i = 0; id && i < l->n; i++)
		if (l->list.all[l->lines[i].message].id == id)
			return i;
	return otherwise;
}

/* The tags go over to the new list, by id: both are walked once through a
 * sorted copy of the few that are tagged. */
static int compare_ids(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

static void keep_tags(const struct screen_list *old, struct screen_list *new)
{
	int64_t *ids = old->n_tagged ? malloc(old->n_tagged * sizeof *ids) : NULL;
	size_t n = 0;

	for (size_t i = 0; ids && i < old->list.n; i++)
		if (old->tagged[i] && n < old->n_tagged)
			ids[n++] = old->list.all[i].id;
	if (n)
		qsort(ids, n, sizeof *ids, compare_ids);
	for (size_t i = 0; n && i < new->list.n; i++)
		if (bsearch(&new->list.all[i].id, ids, n, sizeof *ids, compare_ids)) {
			new->tagged[i] = 1;
			new->n_tagged++;
		}
	free(ids);
}

static enum status replace(struct screen *s, size_t most)
{
	struct screen_list new = { .filter = BUF(4 * SCREEN_LINE_MAX) }, *l = &s->list;
	struct buf filter = BUF(4 * SCREEN_LINE_MAX);
	struct copy_message *m = screen_message(s);
	int64_t id = m ? m->id : 0;
	size_t at = l->at, top = l->top;
	enum status st = read_list(s, most, &new);

	if (st != ST_OK) {
		screen_list_free(&new);
		return st;
	}
	buf_put(&filter, buf_view(&l->filter));
	keep_tags(l, &new);
	screen_list_free(l);
	*l = new;
	if (filter.n)
		st = screen_filter(s, buf_view(&filter));
	buf_free(&filter);
	l->at = l->top = 0;
	screen_move_to(s, line_of(l, id, at));
	/* The cursor stays where it is on the screen. */
	l->top = l->at >= at ? top + (l->at - at) : top > at - l->at ? top - (at - l->at) : 0;
	screen_count(s);
	return st;
}

/* A sync may have found that the folder is gone from the server. */
static bool folder_is_gone(struct screen *s)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f;
	bool gone = copy_folder(s->copy, buf_view(&s->folder_name), false, &a, &f) == ST_MISSING;

	arena_free(&a);
	return gone;
}

enum status screen_reload(struct screen *s)
{
	struct buf name = BUF(COPY_FOLDER_MAX);
	enum status st;

	s->version = copy_version(s->copy);
	if (!folder_is_gone(s))
		return replace(s, SIZE_MAX);
	buf_put(&name, buf_view(&s->folder_name));
	st = screen_open_folder(s, s->account, VIEW("INBOX"));
	if (st == ST_OK)
		screen_say(s, true, "The folder %.*s is gone from the server.", VIEW_ARG(buf_view(&name)));
	buf_free(&name);
	return st;
}

enum status screen_open_folder(struct screen *s, size_t account, struct view name)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy *copy = s->o->accounts[account].copy;
	struct copy_folder f;
	enum status st = copy_folder(copy, name, false, &a, &f);

	if (st == ST_OK) {
		screen_close_letter(s);
		screen_list_free(&s->list);
		if (s->copy != copy)	/* ids are of one copy */
			screen_undo_free(s);
		s->account = account;
		s->copy = copy;
		s->folder = f.id;
		s->outgoing = f.sync.use == COPY_USE_SENT || f.sync.use == COPY_USE_DRAFTS;
		s->where = IN_LIST;
		s->words_left = true;
		buf_clear(&s->folder_name);
		buf_put(&s->folder_name, f.name);
		st = replace(s, FIRST_MESSAGES);
	}
	if (st == ST_OK && s->list.part) {
		screen_draw(s);
		st = screen_reload(s);
	}
	s->version = copy_version(copy);
	s->list.at = s->list.top = 0;
	arena_free(&a);
	return st;
}

/* ---- narrowing ---- */

static enum status show_hits(struct screen_list *l)
{
	uint8_t *is_hit = arena_alloc(&l->filter_arena, l->list.n + 1);
	struct screen_line *lines = arena_array(&l->filter_arena, l->n_hits + 1, sizeof *lines);
	size_t n = 0;

	if (arena_status(&l->filter_arena) != ST_OK)
		return arena_status(&l->filter_arena);
	for (size_t i = 0; i < l->n_hits; i++)
		is_hit[l->hits[i]] = 1;
	for (size_t i = 0; i < l->n_all; i++)
		if (is_hit[l->all[i].message])
			lines[n++] = (struct screen_line){ .message = l->all[i].message, .last = true };
	l->lines = lines;
	l->n = n;
	return ST_OK;
}

/* What was found for a text holds all that is found for a longer one, unless
 * something in it turns the meaning. */
static bool goes_on(const struct screen_list *l, struct view text)
{
	return l->filter.n && l->hits && text.n > l->filter.n &&
	       view_eq(view_head(text, l->filter.n), buf_view(&l->filter)) &&
	       view_find(text, ':') == text.n && view_find(text, '"') == text.n &&
	       view_find(text, '-') == text.n && view_find(text, '!') == text.n;
}

enum status screen_filter(struct screen *s, struct view text)
{
	struct screen_list *l = &s->list;
	struct copy_message *m = screen_message(s);
	int64_t id = m ? m->id : 0;
	bool more = goes_on(l, text);
	struct arena a = ARENA(FILTER_ARENA), old = l->filter_arena;
	struct query q;
	uint32_t *hits = NULL;
	size_t n = 0;
	enum status st = query_parse(text, clock_wall(), &a, &q);

	if (st == ST_OK && q.n)
		st = copy_search(s->copy, &l->list, &q, more ? l->hits : NULL, more ? l->n_hits : 0, &a, &hits, &n);
	if (st != ST_OK) {
		arena_free(&a);
		return st;
	}
	l->filter_arena = a;
	l->hits = hits;
	l->n_hits = n;
	buf_clear(&l->filter);
	l->lines = l->all;
	l->n = l->n_all;
	if (q.n) {
		buf_put(&l->filter, text);
		st = show_hits(l);
	}
	arena_free(&old);
	l->at = l->top = 0;
	screen_move_to(s, line_of(l, id, 0));
	return st;
}

bool screen_go_to(struct screen *s, int64_t id)
{
	struct screen_list *l = &s->list;
	size_t at = line_of(l, id, l->n);

	if (at == l->n && l->filter.n && screen_filter(s, VIEW_NONE) == ST_OK)
		at = line_of(l, id, l->n);
	if (at < l->n)
		screen_move_to(s, at);
	return at < l->n;
}

/* ---- what goes ---- */

static size_t drop_lines(struct screen_list *l, struct screen_line *lines, size_t n, const int64_t *ids, size_t n_ids)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t id = l->list.all[lines[i].message].id;

		if (!bsearch(&id, ids, n_ids, sizeof *ids, compare_ids))
			lines[kept++] = lines[i];
	}
	return kept;
}

void screen_forget(struct screen *s, const int64_t *ids, size_t n)
{
	struct screen_list *l = &s->list;
	int64_t *sorted = malloc(n * sizeof *sorted + 1);
	size_t before = l->n_all, at = l->at;
	bool same = l->lines == l->all;

	if (sorted == NULL)
		return;
	memcpy(sorted, ids, n * sizeof *ids);
	qsort(sorted, n, sizeof *sorted, compare_ids);
	/* The cursor's own place counts from what stays above it. */
	for (size_t i = 0; i < at && i < l->n; i++)
		if (bsearch(&l->list.all[l->lines[i].message].id, sorted, n, sizeof *sorted, compare_ids))
			l->at--;
	if (!same)
		l->n = drop_lines(l, l->lines, l->n, sorted, n);
	l->n_all = drop_lines(l, l->all, l->n_all, sorted, n);
	if (same)
		l->n = l->n_all;
	for (size_t i = 0; i < l->list.n; i++)
		if (l->tagged[i] && bsearch(&l->list.all[i].id, sorted, n, sizeof *sorted, compare_ids)) {
			l->tagged[i] = 0;
			l->n_tagged--;
		}
	l->list.total -= before - l->n_all < l->list.total ? before - l->n_all : l->list.total;
	screen_move_to(s, l->at);
	screen_count(s);
	free(sorted);
}

/* ---- drawing ---- */

static void put_date(wall_ms at, char out[16])
{
	time_t t = (time_t)(at / 1000), now = (time_t)(clock_wall() / 1000);
	struct tm tm, today;

	out[0] = '\0';
	if (localtime_r(&t, &tm) == NULL || localtime_r(&now, &today) == NULL)
		return;
	if (tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday)
		strftime(out, 16, "%H:%M", &tm);
	else if (tm.tm_year == today.tm_year || (now > t && now - t < 300 * 86400))
		strftime(out, 16, "%e %b", &tm);
	else
		strftime(out, 16, "%Y-%m", &tm);
}

/* "N", "r", "D" ..., "!" or "+" or a seal, "*". */
static void put_flags(const struct copy_message *m, bool tagged, struct buf *out)
{
	char a = ' ', b = ' ';

	if (m->flags & COPY_DELETED)
		a = 'D';
	else if (!(m->flags & COPY_SEEN))
		a = 'N';
	else if (m->flags & COPY_ANSWERED)
		a = 'r';
	else if (m->flags & COPY_FORWARDED)
		a = 'f';
	if (m->flags & COPY_FLAGGED)
		b = '!';
	else if (m->flags & COPY_ENCRYPTED)
		b = 'e';
	else if (m->flags & COPY_ATTACHMENTS)
		b = '@';
	buf_putc(out, tagged ? '*' : ' ');
	buf_putc(out, a);
	buf_putc(out, b);
}

static void put_tree(const struct screen_line *line, struct buf *out)
{
	size_t depth = line->depth, from = 1;

	if (depth == 0)
		return;
	if (depth > DEPTH_SHOWN) {
		from = depth - DEPTH_SHOWN + 1;
		buf_puts(out, "\xe2\x80\xa6 ");		/* … */
	}
	for (size_t d = from; d < depth; d++)
		buf_puts(out, d < BARS && line->bars & (uint64_t)1 << d ? "\xe2\x94\x82 " : "  ");	/* │ */
	buf_puts(out, line->last ? "\xe2\x94\x94\xe2\x94\x80" : "\xe2\x94\x9c\xe2\x94\x80");	/* └─ ├─ */
	buf_puts(out, line->again ? "\xe2\x96\xb8" : "\xe2\x96\xb8 ");			/* ▸ */
}

static enum screen_look look_of(const struct copy_message *m, bool cursor)
{
	if (cursor)
		return LOOK_CURSOR;
	if (m->flags & COPY_DELETED)
		return LOOK_FAINT;
	if (!(m->flags & COPY_SEEN))
		return LOOK_STRONG;
	return LOOK_TEXT;
}

/* Of what one has written oneself, to whom. */
static size_t put_person(const struct screen *s, size_t y, size_t x, size_t columns, const struct copy_message *m,
			 enum screen_look look)
{
	size_t used = s->outgoing ? screen_put(s, y, x, 3, VIEW("to "), look, true) : 0;
	struct view who = s->outgoing ? m->to : m->from;

	return used + screen_put(s, y, x + used, columns - used, who.n ? who : VIEW("(nobody)"), look, true);
}

/* "[work, junk] ", at most half of what is left. */
static size_t put_keywords(const struct screen *s, size_t y, size_t x, size_t columns, const struct copy_message *m,
			   enum screen_look look)
{
	struct buf words = BUF(8192), shown = BUF(8192);
	size_t used = 0;

	show_keywords(m->keywords, &words);
	if (words.n && columns > TAG_COLUMNS_LEAST) {
		buf_putc(&shown, '[');
		show_line(buf_view(&words), columns / 2, &shown);
		buf_puts(&shown, show_columns(buf_view(&words)) > columns / 2 ? "\xe2\x80\xa6] " : "] ");	/* … */
		used = screen_put(s, y, x, columns, buf_view(&shown), look, false);
	}
	buf_free(&words);
	buf_free(&shown);
	return used;
}

static void draw_line(struct screen *s, size_t y, size_t i)
{
	struct screen_list *l = &s->list;
	const struct screen_line *line = &l->lines[i];
	const struct copy_message *m = &l->list.all[line->message];
	bool cursor = i == l->at;
	enum screen_look look = look_of(m, cursor), faint = cursor ? LOOK_CURSOR : LOOK_FAINT;
	size_t columns = screen_columns(), from = columns / 4, x = 0;
	struct buf flags = BUF(16), tree = BUF(256);
	char date[16];

	from = from > 24 ? 24 : from < 10 && columns >= DATE_LEAST ? 10 : from;
	put_flags(m, l->tagged[line->message], &flags);
	put_tree(line, &tree);
	put_date(m->date, date);
	x += screen_put(s, y, x, FLAG_COLUMNS, buf_view(&flags),
			!cursor && m->flags & COPY_FLAGGED ? LOOK_UNSURE : look, true);
	x += screen_put(s, y, x, 1, VIEW_NONE, look, true);
	if (columns >= DATE_LEAST) {
		x += screen_put(s, y, x, DATE_COLUMNS, view_cstr(date), cursor ? look : LOOK_FAINT, true);
		x += screen_put(s, y, x, 2, VIEW_NONE, look, true);
	}
	x += put_person(s, y, x, from, m, look);
	x += screen_put(s, y, x, 2, VIEW_NONE, look, true);
	x += screen_put(s, y, x, columns - x, buf_view(&tree), faint, false);
	x += put_keywords(s, y, x, columns - x, m, cursor ? look : LOOK_NAME);
	if (!line->again)
		x += screen_put(s, y, x, columns - x, m->subject.n ? m->subject : VIEW("(no subject)"), look, false);
	if (cursor && x < columns)
		screen_put(s, y, x, columns - x, VIEW_NONE, look, true);
	buf_free(&flags);
	buf_free(&tree);
}

void screen_draw_list(struct screen *s, size_t y, size_t rows)
{
	struct screen_list *l = &s->list;

	if (l->at < l->top)
		l->top = l->at;
	if (l->at >= l->top + rows)
		l->top = l->at - rows + 1;
	if (l->top + rows > l->n)
		l->top = l->n > rows ? l->n - rows : 0;
	if (l->n == 0)
		screen_put(s, y + rows / 3, 2, screen_columns() - 2,
			   l->filter.n ? VIEW("Nothing is found.  Esc or l shows all.") : VIEW("No messages here.  $ asks the server."), LOOK_FAINT,
			   false);
	for (size_t i = 0; i < rows && l->top + i < l->n; i++)
		draw_line(s, y + i, l->top + i);
}
