/* folders.c - the folders of all accounts, and asking for one. */
#include "mua/screen/internal.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOLDERS_MOST = 20000 };

static enum status load_account(struct screen *s, size_t account)
{
	struct copy_folder *all;
	size_t n = 0;
	enum status st = copy_folders(s->o->accounts[account].copy, &s->folders_arena, &all, &n);

	for (size_t i = 0; i < n && st == ST_OK && s->n_folders < FOLDERS_MOST; i++)
		if (!all[i].sync.no_select)
			s->folders[s->n_folders++] = (struct screen_folder){ account, all[i] };
	return st;
}

enum status screen_load_folders(struct screen *s)
{
	enum status st;

	arena_free(&s->folders_arena);
	s->folders_arena = ARENA((size_t)256 * 1024 * 1024);
	s->n_folders = 0;
	s->folders = arena_array(&s->folders_arena, FOLDERS_MOST, sizeof *s->folders);
	st = arena_status(&s->folders_arena);
	for (size_t i = 0; i < s->o->n_accounts && st == ST_OK; i++)
		st = load_account(s, i);
	for (size_t i = 0; i < s->n_folders; i++)
		if (s->folders[i].account == s->account && s->folders[i].folder.id == s->folder)
			s->folder_at = i;
	if (s->folder_at >= s->n_folders)
		s->folder_at = 0;
	return st;
}

static void put_counts(const struct copy_folder *f, struct buf *out)
{
	buf_putf(out, "%6u", f->messages);
	if (f->unseen)
		buf_putf(out, "  %5u new", f->unseen);
}

static void draw_folder(struct screen *s, size_t y, size_t i)
{
	const struct screen_folder *f = &s->folders[i];
	enum screen_look look = i == s->folder_at ? LOOK_CURSOR : f->folder.unseen ? LOOK_STRONG : LOOK_TEXT;
	size_t columns = screen_columns(), width = columns > 24 ? columns - 20 : columns / 2, level = 0, from = 0;
	struct view name = f->folder.name;
	struct buf line = BUF(2048), counts = BUF(128);

	for (size_t k = 0; k < name.n; k++)
		if (name.p[k] == '/') {
			level++;
			from = k + 1;
		}
	buf_putf(&line, "  %*s", (int)(2 * (level < 10 ? level : 10)), "");
	show_line(view_skip(name, from), 0, &line);
	put_counts(&f->folder, &counts);
	screen_put(s, y, 0, width, buf_view(&line), look, true);
	screen_put(s, y, width, columns - width, buf_view(&counts), look, i == s->folder_at);
	buf_free(&line);
	buf_free(&counts);
}

/* Accounts have a line of their own above their folders, where there are
 * several. */
void screen_draw_folders(struct screen *s, size_t y, size_t rows)
{
	bool titles = s->o->n_accounts > 1;
	size_t used = 0, lines = rows;

	if (s->folder_at < s->folder_top)
		s->folder_top = s->folder_at;
	if (titles)
		lines = rows > 2 * s->o->n_accounts ? rows - s->o->n_accounts : rows / 2;
	if (s->folder_at >= s->folder_top + lines)
		s->folder_top = s->folder_at - lines + 1;
	for (size_t i = s->folder_top; i < s->n_folders && used < rows; i++) {
		if (titles && (i == s->folder_top || s->folders[i].account != s->folders[i - 1].account)) {
			screen_put(s, y + used, 0, screen_columns(), s->o->accounts[s->folders[i].account].name, LOOK_NAME,
				   false);
			used++;
		}
		if (used < rows)
			draw_folder(s, y + used++, i);
	}
	if (s->n_folders == 0)
		screen_put(s, y, 2, screen_columns() - 2, VIEW("No folders yet: $ fetches them."), LOOK_FAINT, false);
}

/* ---- asking ---- */

static bool holds(struct view name, struct view text)
{
	for (size_t i = 0; i + text.n <= name.n; i++)
		if (view_eq_i(view_make(name.p + i, text.n), text))
			return true;
	return false;
}

/* The again-th folder whose name begins with the text, then those that hold
 * it. */
static void complete(struct screen *s, struct view text, size_t again, struct buf *out)
{
	size_t n = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n_folders; i++) {
			struct view name = s->folders[i].folder.name;
			bool begins = view_starts_i(name, text);

			if (s->folders[i].account != s->account || (pass == 0 ? !begins : begins || !holds(name, text)))
				continue;
			if (n++ == again) {
				buf_put(out, name);
				return;
			}
		}
	if (n)
		complete(s, text, again % n, out);
}

bool screen_ask_folder(struct screen *s, const char *question, struct view proposal, struct buf *out)
{
	struct screen_prompt p = { .question = question, .complete = complete };

	if (screen_load_folders(s) != ST_OK)
		return false;
	buf_put(out, proposal);
	return screen_ask(s, &p, out) && out->n;
}
