/* letter.c - the letter that is open. */
#include "mua/screen/internal.h"

#include "msg/header.h"
#include "msg/msgid.h"
#include "mua/copy/text.h"

#include <stdlib.h>

enum { STRIP_LEAST = 20, WIDTH_MOST = 100 };

static const enum screen_look looks[] = {
	[SHOW_TEXT] = LOOK_TEXT, [SHOW_HEADER_NAME] = LOOK_NAME, [SHOW_HEADER] = LOOK_TEXT,
	[SHOW_GOOD] = LOOK_GOOD, [SHOW_BAD] = LOOK_BAD, [SHOW_UNSURE] = LOOK_UNSURE, [SHOW_QUOTE] = LOOK_QUOTE,
	[SHOW_SIGNATURE] = LOOK_FAINT, [SHOW_LINK] = LOOK_LINK, [SHOW_ATTACHMENT] = LOOK_NAME,
	[SHOW_NOTE] = LOOK_FAINT,
};

size_t screen_strip_rows(void)
{
	size_t rows = screen_rows();

	return rows >= STRIP_LEAST ? rows / 4 : 0;
}

size_t screen_letter_rows(void)
{
	return screen_rows() - 3 - screen_strip_rows();
}

/* ---- laying out ---- */

static void note_style(void *arg, size_t at, enum show_style style)
{
	struct screen_letter *l = arg;
	struct screen_style_at x = { at, style };

	buf_put(&l->styles, view_make((const char *)&x, sizeof x));
}

static void add_line(struct screen_letter *l, size_t at, size_t n)
{
	struct screen_text_line x = { at, n };

	buf_put(&l->lines, view_make((const char *)&x, sizeof x));
}

/* What is longer than the screen goes on in the next line: links, mostly. */
static void part_lines(struct screen_letter *l, size_t columns)
{
	size_t at = 0, used;

	while (at < l->text.n) {
		struct view v = view_make(l->text.p + at, l->text.n - at);
		size_t n = view_find(v, '\n');

		do {
			size_t fit = text_fit(view_head(v, n), columns, &used);

			if (fit == 0)
				fit = n;
			add_line(l, at, fit);
			at += fit;
			n -= fit;
			v = view_skip(v, fit);
		} while (n);
		at++;
	}
}

/* The letter that a report is about, else the one that this one answers; false: it is not here. */
static bool find_earlier(struct screen *s, struct arena *a, struct copy_message *ret, bool *ret_report)
{
	struct screen_letter *l = &s->letter;
	struct buf text = BUF(SHOW_TEXT_MAX), id = BUF(SHOW_TEXT_MAX);
	struct msgid_reader ids;
	struct view one, last = VIEW_NONE;
	struct field f;
	bool found;

	*ret_report = l->letter.whole && show_report(l->bytes, &text, &id) == ST_OK;
	if (!*ret_report && (field_find(l->bytes, VIEW("In-Reply-To"), &f) || field_find(l->bytes, VIEW("References"), &f)))
		for (ids = msgid_reader(f.value); msgid_next(&ids, &one);)
			last = one;
	found = copy_by_message_id(s->copy, *ret_report ? buf_view(&id) : last, a, ret) == ST_OK;
	buf_free(&text);
	buf_free(&id);
	return found;
}

static void put_about(struct screen *s, struct buf *out)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_message m;
	bool report;

	if (find_earlier(s, &a, &m, &report) && report)
		buf_putf(out, "%.*s  (P opens it)", VIEW_ARG(m.subject.n ? m.subject : VIEW("(no subject)")));
	arena_free(&a);
}

static enum status lay_out(struct screen *s)
{
	struct screen_letter *l = &s->letter;
	size_t columns = screen_columns();
	struct copy_message *m = screen_message(s);
	struct show_options o = {
		.keywords = m && m->id == l->id ? m->keywords : VIEW_NONE, .width = columns < WIDTH_MOST ? columns : WIDTH_MOST, .all_headers = l->all_headers,
		.prefer_html = l->html, .authserv_id = s->o->accounts[s->account].authserv_id,
		.seal = buf_view(&l->seal), .seal_style = l->seal_style, .style = note_style, .style_arg = l,
	};
	struct buf about = BUF(8192);
	enum status st;

	put_about(s, &about);
	o.about = buf_view(&about);
	buf_clear(&l->text);
	buf_clear(&l->styles);
	buf_clear(&l->lines);
	st = show_letter(l->bytes, l->letter.whole, &o, &l->text);
	if (st == ST_LIMIT)
		st = ST_OK;
	buf_free(&about);
	part_lines(l, columns);
	l->width = columns;
	return st;
}

void screen_show_again(struct screen *s)
{
	enum status st = s->letter.id ? lay_out(s) : ST_OK;

	if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
}

/* ---- opening ---- */

void screen_close_letter(struct screen *s)
{
	struct screen_letter *l = &s->letter;
	bool all_headers = l->all_headers, html = l->html;
	struct buf sought = l->sought;

	copy_letter_close(&l->letter);
	buf_free(&l->inner);
	buf_free(&l->seal);
	buf_free(&l->text);
	buf_free(&l->styles);
	buf_free(&l->lines);
	*l = (struct screen_letter){
		.inner = BUF(COPY_LETTER_MAX), .seal = BUF(SCREEN_SAID_MAX), .text = BUF(SHOW_TEXT_MAX),
		.styles = BUF((size_t)1 << 28), .lines = BUF((size_t)1 << 30), .all_headers = all_headers,
		.html = html, .sought = sought,
	};
}

static void judge_seal(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct screen_letter *l = &s->letter;
	enum status st = ST_MISSING;

	if (p->seal && l->letter.whole)
		st = p->seal(p->arg, s->account, l->letter.bytes, &l->seal, &l->seal_style, &l->inner);
	if (st == ST_OK && l->inner.n)
		l->bytes = buf_view(&l->inner);
}

/* The body, where only the header is here. */
static void fetch(struct screen *s, int64_t id)
{
	const struct screen_program *p = s->o->program;
	struct buf said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (p->fetch == NULL || !screen_unlock(s))
		return;
	st = p->fetch(p->arg, s->account, id, screen_show_progress, s, &said);
	screen_say_status(s, st, buf_view(&said), NULL);
	buf_free(&said);
}

void screen_open_letter(struct screen *s)
{
	struct copy_message *m = screen_message(s);
	struct screen_letter *l = &s->letter;
	enum status st;

	if (m == NULL)
		return;
	if (!(m->flags & COPY_BODY))
		fetch(s, m->id);
	screen_close_letter(s);
	st = copy_read(s->copy, m->id, &l->letter);
	if (st == ST_OK) {
		l->id = m->id;
		l->bytes = l->letter.bytes;
		if (l->letter.whole)
			m->flags |= COPY_BODY;
		judge_seal(s);
		st = lay_out(s);
	}
	if (st != ST_OK) {
		screen_say_status(s, st, st == ST_MISSING ? VIEW("The letter is gone.") : VIEW_NONE, NULL);
		return;
	}
	s->where = IN_LETTER;
	if (!(m->flags & COPY_SEEN) && copy_flags(s->copy, &m->id, 1, COPY_SEEN, 0) == ST_OK) {
		m->flags |= COPY_SEEN;
		screen_count(s);
	}
}

void screen_open_earlier(struct screen *s)
{
	struct arena a = ARENA((size_t)16 << 20);
	struct copy_message m;
	struct copy_folder *all;
	size_t n = 0;
	bool report;
	enum status st = ST_OK;

	if (!find_earlier(s, &a, &m, &report)) {
		screen_say(s, true, report ? "The letter that it reports on is not here."
					   : "It answers no letter that is here.");
	} else {
		if (m.folder != s->folder) {
			st = copy_folders(s->copy, &a, &all, &n);
			for (size_t i = 0; st == ST_OK && i < n; i++)
				if (all[i].id == m.folder)
					st = screen_open_folder(s, s->account, all[i].name);
		}
		if (st == ST_OK && screen_go_to(s, m.id))
			screen_open_letter(s);
		else
			screen_say(s, true, "The letter is gone.");
	}
	arena_free(&a);
}

/* ---- drawing ---- */

static size_t lines_of(const struct screen_letter *l)
{
	return l->lines.n / sizeof(struct screen_text_line);
}

void screen_put_extent(const struct screen *s, struct buf *out)
{
	size_t n = lines_of(&s->letter), rows = screen_letter_rows() - (screen_strip_rows() > 0), top = s->letter.top;

	/* Before it is drawn the end is not known (screen_draw_letter). */
	if (top + rows > n)
		top = n > rows ? n - rows : 0;
	if (n <= rows)
		buf_puts(out, "all  ");
	else if (top == 0)
		buf_puts(out, "top  ");
	else if (top + rows >= n)
		buf_puts(out, "end  ");
	else
		buf_putf(out, "%zu%%  ", (top + rows) * 100 / n);
}

static struct screen_text_line line_at(const struct screen_letter *l, size_t i)
{
	struct screen_text_line x;

	memcpy(&x, l->lines.p + i * sizeof x, sizeof x);
	return x;
}

static struct screen_style_at style_at(const struct screen_letter *l, size_t i)
{
	struct screen_style_at x;

	memcpy(&x, l->styles.p + i * sizeof x, sizeof x);
	return x;
}

/* The last style that begins at or before a place; n: none does. */
static size_t style_before(const struct screen_letter *l, size_t at)
{
	size_t n = l->styles.n / sizeof(struct screen_style_at), lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (style_at(l, mid).at <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : n;
}

static void draw_text(struct screen *s, size_t y, struct screen_text_line line)
{
	struct screen_letter *l = &s->letter;
	size_t n = l->styles.n / sizeof(struct screen_style_at), at = line.at, end = line.at + line.n, x = 0;
	size_t k = style_before(l, at);
	enum show_style style = k < n ? style_at(l, k).style : SHOW_TEXT;

	k = k < n ? k + 1 : 0;
	while (at < end) {
		size_t to = k < n && style_at(l, k).at < end ? style_at(l, k).at : end;

		x += screen_put(s, y, x, screen_columns(), view_make(l->text.p + at, to - at), looks[style], false);
		at = to;
		if (k < n && at < end)
			style = style_at(l, k).style;
		k++;
	}
}

void screen_draw_letter(struct screen *s, size_t y, size_t rows)
{
	struct screen_letter *l = &s->letter;
	size_t n;

	if (l->width != screen_columns())
		screen_show_again(s);
	n = lines_of(l);
	if (screen_strip_rows()) {	/* a line between the list and the letter */
		struct copy_message *m = screen_message(s);

		screen_put(s, y, 0, screen_columns(), VIEW_NONE, LOOK_BAR, true);
		screen_put(s, y, 1, screen_columns() - 1, m ? m->subject : VIEW_NONE, LOOK_BAR, false);
		y++;
		rows--;
	}
	if (l->top + rows > n)
		l->top = n > rows ? n - rows : 0;
	for (size_t i = 0; i < rows && l->top + i < n; i++)
		draw_text(s, y + i, line_at(l, l->top + i));
}
