/* prompt.c - a line typed at the bottom. */
#include "mua/screen/internal.h"

#include "mua/copy/text.h"

#include <curses.h>
#include <limits.h>
#include <stdlib.h>
#include <wctype.h>

enum { PAUSE_MS = 250, CTRL_A = 1, CTRL_C = 3, CTRL_E = 5, CTRL_G = 7, CTRL_U = 21, CTRL_W = 23, ESC = 27, DEL = 127 };

struct typing {
	wchar_t text[SCREEN_LINE_MAX];
	size_t n, at;
	size_t tabs;		/* pressed one after the other */
	struct buf before_tab;
};

static void put_utf8(wchar_t c, struct buf *out)
{
	char bytes[MB_LEN_MAX];
	mbstate_t st = { 0 };
	size_t n = wcrtomb(bytes, c, &st);

	if (n != (size_t)-1)
		buf_put(out, view_make(bytes, n));
}

static void put_range(const struct typing *t, size_t from, size_t to, struct buf *out)
{
	for (size_t i = from; i < to; i++)
		put_utf8(t->text[i], out);
}

static void take_utf8(struct typing *t, struct view v)
{
	mbstate_t st = { 0 };

	t->n = 0;
	while (v.n && t->n < SCREEN_LINE_MAX) {
		size_t n = mbrtowc(&t->text[t->n], v.p, v.n, &st);

		if (n == 0 || n > v.n)
			break;
		t->n++;
		v = view_skip(v, n);
	}
	t->at = t->n;
}

/* The end of a text that is too long for the line is what one wants to see. */
static void draw(struct screen *s, const char *question, const struct typing *t)
{
	struct buf before = BUF(4 * SCREEN_LINE_MAX + 512), all = BUF(4 * SCREEN_LINE_MAX + 512);
	size_t columns = screen_columns(), y = screen_rows() - 1, used, from = 0;

	buf_puts(&before, question);
	put_range(t, 0, t->at, &before);
	used = show_columns(buf_view(&before));
	if (used + 1 > columns)
		(void)(from = text_fit(buf_view(&before), used + 1 - columns, &used));
	buf_put(&all, buf_view(&before));
	put_range(t, t->at, t->n, &all);
	screen_put(s, y, 0, columns, view_skip(buf_view(&all), from), LOOK_TEXT, true);
	curs_set(1);
	move((int)y, (int)show_columns(view_skip(buf_view(&before), from)));
	refresh();
	buf_free(&before);
	buf_free(&all);
}

static void insert(struct typing *t, wchar_t c)
{
	if (t->n == SCREEN_LINE_MAX || !iswprint((wint_t)c))
		return;
	wmemmove(t->text + t->at + 1, t->text + t->at, t->n - t->at);
	t->text[t->at++] = c;
	t->n++;
}

static void erase_range(struct typing *t, size_t from, size_t to)
{
	wmemmove(t->text + from, t->text + to, t->n - to);
	t->n -= to - from;
	t->at = from;
}

static size_t word_before(const struct typing *t)
{
	size_t i = t->at;

	while (i && t->text[i - 1] == L' ')
		i--;
	while (i && t->text[i - 1] != L' ' && t->text[i - 1] != L'/')
		i--;
	return i;
}

static void complete(struct screen *s, const struct screen_prompt *p, struct typing *t)
{
	struct buf out = BUF(4 * SCREEN_LINE_MAX);

	if (p->complete == NULL)
		return;
	if (t->tabs == 0) {
		buf_clear(&t->before_tab);
		put_range(t, 0, t->n, &t->before_tab);
	}
	p->complete(s, buf_view(&t->before_tab), t->tabs++, &out);
	if (out.n)
		take_utf8(t, buf_view(&out));
	buf_free(&out);
}

static void edit_special(struct typing *t, wint_t key)
{
	if (key == KEY_BACKSPACE && t->at)
		erase_range(t, t->at - 1, t->at);
	else if (key == KEY_DC && t->at < t->n)
		erase_range(t, t->at, t->at + 1);
	else if (key == KEY_LEFT && t->at)
		t->at--;
	else if (key == KEY_RIGHT && t->at < t->n)
		t->at++;
	else if (key == KEY_HOME)
		t->at = 0;
	else if (key == KEY_END)
		t->at = t->n;
}

static void edit(struct typing *t, wint_t key)
{
	if ((key == DEL || key == '\b') && t->at)
		erase_range(t, t->at - 1, t->at);
	else if (key == CTRL_U)
		erase_range(t, 0, t->at);
	else if (key == CTRL_W)
		erase_range(t, word_before(t), t->at);
	else if (key == CTRL_A)
		t->at = 0;
	else if (key == CTRL_E)
		t->at = t->n;
	else
		insert(t, (wchar_t)key);
}

/* One key; *ret_over: the line is ended, by Enter when *ret_taken. */
static void one_key(struct screen *s, const struct screen_prompt *p, struct typing *t, wint_t key, bool special,
		    bool *ret_over, bool *ret_taken)
{
	if (special && key == KEY_RESIZE) {
		screen_draw(s);
	} else if (special && key != KEY_ENTER) {
		edit_special(t, key);
	} else if (key == '\r' || key == '\n' || special) {
		*ret_over = *ret_taken = true;
	} else if (key == ESC || key == CTRL_C || key == CTRL_G) {
		*ret_over = true;
	} else if (key == '\t') {
		complete(s, p, t);
		return;
	} else {
		edit(t, key);
	}
	t->tabs = 0;
}

bool screen_ask(struct screen *s, const struct screen_prompt *p, struct buf *text)
{
	struct typing *t = calloc(1, sizeof *t);
	struct buf now = BUF(4 * SCREEN_LINE_MAX);
	bool over = false, taken = false, paused = true;

	if (t == NULL)
		return false;
	t->before_tab = BUF(4 * SCREEN_LINE_MAX);
	take_utf8(t, buf_view(text));
	while (!over) {
		wint_t key = 0;
		bool special = false;

		draw(s, p->question, t);
		if (screen_key(paused ? -1 : PAUSE_MS, &key, &special))
			one_key(s, p, t, key, special, &over, &taken);
		else if (paused)
			break;		/* the terminal is gone */
		else
			paused = true;
		buf_clear(&now);
		put_range(t, 0, t->n, &now);
		if (key && p->changed && !over) {
			p->changed(s, buf_view(&now), false);
			paused = false;
		} else if (!key && p->changed) {
			p->changed(s, buf_view(&now), true);
		}
	}
	curs_set(0);
	if (taken) {
		buf_clear(text);
		buf_put(text, buf_view(&now));
	}
	buf_free(&now);
	buf_free(&t->before_tab);
	free(t);
	return taken;
}

char screen_ask_key(struct screen *s, const char *question, const char *answers)
{
	size_t n = strlen(answers);
	wint_t key;
	bool special;

	for (;;) {
		screen_put(s, screen_rows() - 1, 0, screen_columns(), view_cstr(question), LOOK_STRONG, true);
		refresh();
		if (!screen_key(-1, &key, &special))
			return answers[n - 1];
		if (special && key == KEY_RESIZE)
			screen_draw(s);
		if (special)
			continue;
		if (key == '\r')
			return answers[0];
		if (key == ESC || key == CTRL_C || key == CTRL_G)
			return answers[n - 1];
		for (size_t i = 0; i < n; i++)
			if (key < 128 && ascii_lower((char)key) == answers[i])
				return answers[i];
	}
}
