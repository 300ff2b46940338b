/* draw.c - the terminal: looks, bars, what is said. */
#include "mua/screen/internal.h"

#include "mua/copy/text.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ESCAPE_MS = 25, BAR_LEAST = 10, BAR_MOST = 30, PAIRS = 6 };

static const short pair_colours[PAIRS] = { COLOR_CYAN, COLOR_GREEN, COLOR_RED, COLOR_YELLOW, COLOR_BLUE,
					   COLOR_MAGENTA };

/* What each look is with colours, and without. */
static const struct {
	short pair;		/* 0: the terminal's own */
	attr_t attributes, alone;
} looks[] = {
	[LOOK_TEXT] = { 0, A_NORMAL, A_NORMAL },
	[LOOK_BAR] = { 0, A_REVERSE, A_REVERSE },
	[LOOK_CURSOR] = { 0, A_REVERSE, A_REVERSE },
	[LOOK_STRONG] = { 0, A_BOLD, A_BOLD },
	[LOOK_FAINT] = { 0, A_DIM, A_DIM },
	[LOOK_GOOD] = { 2, A_NORMAL, A_NORMAL },
	[LOOK_BAD] = { 3, A_BOLD, A_BOLD | A_UNDERLINE },
	[LOOK_UNSURE] = { 4, A_NORMAL, A_NORMAL },
	[LOOK_NAME] = { 1, A_NORMAL, A_DIM },
	[LOOK_QUOTE] = { 2, A_DIM, A_DIM },
	[LOOK_LINK] = { 5, A_NORMAL, A_UNDERLINE },
};

/* ---- beginning and end ---- */

/* Texts are UTF-8; a locale that says otherwise has not been set up. */
static void set_locale(void)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR");

	return (no == NULL || *no == '\0') && has_colors();
}

static void set_modes(void)
{
	raw();			/* Ctrl-C is a key */
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(ESCAPE_MS);
}

/* A terminal that was resized twice before we looked has the size that curses knows, and
 * holds other text: curses says nothing then, so we hear of it beside it. */
static volatile sig_atomic_t resized;
static struct sigaction of_curses;

static void on_resize(int number)
{
	resized = 1;
	if (of_curses.sa_handler != SIG_DFL && of_curses.sa_handler != SIG_IGN)
		of_curses.sa_handler(number);
}

static void hear_resize(void)
{
	struct sigaction ours = { .sa_handler = on_resize };

	sigaction(SIGWINCH, &ours, &of_curses);
}

enum status screen_begin(struct screen *s)
{
	set_locale();
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || newterm(NULL, stdout, stdin) == NULL)
		return ST_DENIED;
	hear_resize();
	set_modes();
	s->colours = wants_colours();
	if (s->colours) {
		start_color();
		use_default_colors();
		for (short i = 0; i < PAIRS; i++)
			init_pair((short)(i + 1), pair_colours[i], -1);
	}
	return ST_OK;
}

void screen_end(void)
{
	endwin();
}

void screen_leave(void)
{
	def_prog_mode();
	endwin();
}

void screen_return(void)
{
	reset_prog_mode();
	clearok(stdscr, TRUE);
	refresh();
}

/* ---- text ---- */

size_t screen_rows(void)
{
	return LINES > 0 ? (size_t)LINES : 1;
}

size_t screen_columns(void)
{
	return COLS > 0 ? (size_t)COLS : 1;
}

static attr_t attributes(const struct screen *s, enum screen_look look)
{
	return s->colours ? looks[look].attributes : looks[look].alone;
}

static short pair_of(const struct screen *s, enum screen_look look)
{
	return s->colours ? looks[look].pair : 0;
}

size_t screen_put(const struct screen *s, size_t y, size_t x, size_t columns, struct view text, enum screen_look look,
		  bool pad)
{
	size_t used = 0, n;

	if (y >= screen_rows() || x >= screen_columns())
		return 0;
	if (columns > screen_columns() - x)
		columns = screen_columns() - x;
	n = text.n ? text_fit(text, columns, &used) : 0;
	attr_set(attributes(s, look), pair_of(s, look), NULL);
	mvaddnstr((int)y, (int)x, text.n ? text.p : "", (int)n);
	if (pad && used < columns)
		mvprintw((int)y, (int)(x + used), "%*s", (int)(columns - used), "");
	attr_set(A_NORMAL, 0, NULL);
	return pad ? columns : used;
}

/* ---- what is said ---- */

void screen_say(struct screen *s, bool bad, const char *fmt, ...)
{
	char text[SCREEN_SAID_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_clear(&s->said);
	show_line(view_cstr(text), 0, &s->said);
	s->said_bad = bad;
}

void screen_say_status(struct screen *s, enum status st, struct view said, const char *done)
{
	if (said.n)
		screen_say(s, st != ST_OK, "%.*s", VIEW_ARG(said));
	else if (st != ST_OK)
		screen_say(s, true, "%s", status_name(st));
	else if (done)
		screen_say(s, false, "%s", done);
}

bool screen_unlock(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct buf said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (p->locked == NULL || p->unlock == NULL || !p->locked(p->arg, s->account))
		return true;
	screen_leave();
	st = p->unlock(p->arg, s->account, &said);
	screen_return();
	if (st != ST_OK)
		screen_say(s, true, "%.*s", VIEW_ARG(said.n ? buf_view(&said) : VIEW("Without a password nothing is fetched or sent.")));
	buf_free(&said);
	return st == ST_OK;
}

static void put_bar(struct screen *s, struct view what, uint64_t done, uint64_t all)
{
	struct buf b = BUF(SCREEN_SAID_MAX);
	size_t columns = screen_columns(), width = columns / 3;

	width = width < BAR_LEAST ? BAR_LEAST : width > BAR_MOST ? BAR_MOST : width;
	if (all) {
		size_t full = (size_t)((done < all ? done : all) * width / all);

		buf_putc(&b, '[');
		for (size_t i = 0; i < width; i++)
			buf_putc(&b, i < full ? '#' : '.');
		buf_putf(&b, "] %3u%%  ", (unsigned)((done < all ? done : all) * 100 / all));
	} else {
		buf_puts(&b, "...  ");
	}
	show_line(what, columns, &b);
	screen_put(s, screen_rows() - 1, 0, columns, buf_view(&b), LOOK_TEXT, true);
	buf_free(&b);
}

bool screen_show_progress(void *arg, struct view what, uint64_t done, uint64_t all)
{
	struct screen *s = arg;
	wint_t key;
	bool special;

	put_bar(s, what, done, all);
	refresh();
	if (!screen_key(0, &key, &special))
		return true;
	if (special && key == KEY_RESIZE)
		screen_draw(s);
	return special || (key != 3 && key != 'q');
}

bool screen_key(int ms, wint_t *ret_key, bool *ret_special)
{
	int rc;

	timeout(ms);
	rc = get_wch(ret_key);
	if (resized) {
		resized = 0;
		clearok(curscr, TRUE);
		if (rc == ERR) {
			*ret_key = KEY_RESIZE;
			rc = KEY_CODE_YES;
		}
	}
	*ret_special = rc == KEY_CODE_YES;
	return rc != ERR;
}

/* ---- the whole ---- */

static void draw_top(struct screen *s)
{
	struct buf hints = BUF(1024);

	screen_hints(s, &hints);
	screen_put(s, 0, 0, screen_columns(), buf_view(&hints), LOOK_BAR, true);
	buf_free(&hints);
}

static void put_place(const struct screen *s, struct buf *left, struct buf *right)
{
	static const char *const orders[] = { "threads", "date", "from", "subject", "size" };
	const struct screen_list *l = &s->list;

	buf_putf(left, "%.*s: ", VIEW_ARG(buf_view(&s->folder_name)));
	if (l->filter.n)
		buf_putf(left, "%zu of %zu: %.*s", l->n, l->list.total, VIEW_ARG(buf_view(&l->filter)));
	else
		buf_putf(left, "%zu message%s", l->list.total, l->list.total == 1 ? "" : "s");
	if (s->unseen && !l->filter.n)
		buf_putf(left, ", %u unread", s->unseen);
	if (s->pending)
		buf_putf(left, ", %u to sync", s->pending);
	if (l->n_tagged)
		buf_putf(left, ", %zu tagged", l->n_tagged);
	if (l->part)
		buf_puts(left, ", reading ...");
	if (s->where == IN_LETTER)
		screen_put_extent(s, right);
	if (s->o->n_accounts > 1)
		buf_putf(right, "%.*s  ", VIEW_ARG(s->o->accounts[s->account].name));
	buf_putf(right, "%s  %zu/%zu ", orders[s->order], l->n ? l->at + 1 : 0, l->n);
}

static void draw_status(struct screen *s, size_t y)
{
	struct buf left = BUF(2048), right = BUF(512), clean = BUF(8192);
	size_t columns = screen_columns(), n;

	put_place(s, &left, &right);
	show_line(buf_view(&left), 0, &clean);
	n = show_columns(buf_view(&right));
	screen_put(s, y, 0, columns, VIEW_NONE, LOOK_BAR, true);
	screen_put(s, y, 1, columns - 1, buf_view(&clean), LOOK_BAR, false);
	if (n + show_columns(buf_view(&clean)) + 2 < columns)
		screen_put(s, y, columns - n, n, buf_view(&right), LOOK_BAR, false);
	buf_free(&left);
	buf_free(&right);
	buf_free(&clean);
}

void screen_draw(struct screen *s)
{
	size_t rows = screen_rows(), strip;

	erase();
	if (rows < SCREEN_ROWS_LEAST || screen_columns() < SCREEN_COLUMNS_LEAST) {
		screen_put(s, 0, 0, screen_columns(), VIEW("too small"), LOOK_TEXT, false);
		refresh();
		return;
	}
	draw_top(s);
	draw_status(s, rows - 2);
	switch (s->where) {
	case IN_LETTER:
		strip = screen_strip_rows();
		if (strip)
			screen_draw_list(s, 1, strip);
		screen_draw_letter(s, 1 + strip, screen_letter_rows());
		break;
	case IN_FOLDERS:
		screen_draw_folders(s, 1, rows - 3);
		break;
	case IN_PARTS:
		screen_draw_parts(s, 1, rows - 3);
		break;
	default:
		screen_draw_list(s, 1, rows - 3);
	}
	screen_put(s, rows - 1, 0, screen_columns(), buf_view(&s->said), s->said_bad ? LOOK_BAD : LOOK_TEXT, false);
	refresh();
}
