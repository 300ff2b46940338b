/* keys.c - what each key does, where: the one list of them, also the help. */
#include "mua/screen/internal.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>

enum { CTRL_B = 2, CTRL_C = 3, CTRL_F = 6, CTRL_L = 12, CTRL_Z = 26, ESC = 27, TAB = 9, ENTER = 13 };

/* ---- moving ---- */

static size_t page(const struct screen *s)
{
	size_t rows = s->where == IN_LETTER ? screen_letter_rows() - (screen_strip_rows() > 0) : screen_rows() - 3;

	return rows > 2 ? rows - 1 : 1;
}

static void by(struct screen *s, size_t *at, size_t n, long step)
{
	long to = (long)*at + step;

	(void)s;
	*at = n == 0 || to < 0 ? 0 : (size_t)to < n ? (size_t)to : n - 1;
}

static void step(struct screen *s, long n)
{
	if (s->where == IN_FOLDERS)
		by(s, &s->folder_at, s->n_folders, n);
	else if (s->where == IN_PARTS)
		by(s, &s->part_at, s->n_parts, n);
	else
		by(s, &s->list.at, s->list.n, n);
}

/* In a letter j and k go to the next one, as mutt's do. */
static void next(struct screen *s)
{
	size_t at = s->list.at;

	step(s, 1);
	if (s->where == IN_LETTER && s->list.at != at)
		screen_open_letter(s);
	else if (s->where == IN_LETTER)
		screen_say(s, false, "This is the last one.");
}

static void previous(struct screen *s)
{
	size_t at = s->list.at;

	step(s, -1);
	if (s->where == IN_LETTER && s->list.at != at)
		screen_open_letter(s);
	else if (s->where == IN_LETTER)
		screen_say(s, false, "This is the first one.");
}

static void line_down(struct screen *s)
{
	if (s->where == IN_LETTER)
		s->letter.top++;
	else
		step(s, 1);
}

static void line_up(struct screen *s)
{
	if (s->where == IN_LETTER)
		s->letter.top -= s->letter.top > 0;
	else
		step(s, -1);
}

static void page_down(struct screen *s)
{
	if (s->where == IN_LETTER)
		s->letter.top += page(s);
	else
		step(s, (long)page(s));
}

static void page_up(struct screen *s)
{
	size_t n = page(s);

	if (s->where == IN_LETTER)
		s->letter.top -= n < s->letter.top ? n : s->letter.top;
	else
		step(s, -(long)n);
}

static void first(struct screen *s)
{
	if (s->where == IN_LETTER)
		s->letter.top = 0;
	else
		step(s, -1000000000);
}

static void last(struct screen *s)
{
	if (s->where == IN_LETTER)
		s->letter.top = s->letter.lines.n;	/* drawing knows the end */
	else
		step(s, 1000000000);
}

static void next_unread(struct screen *s)
{
	struct screen_list *l = &s->list;

	for (size_t i = 1; i <= l->n; i++) {
		size_t at = (l->at + i) % l->n;

		if (l->list.all[l->lines[at].message].flags & COPY_SEEN)
			continue;
		l->at = at;
		if (s->where == IN_LETTER)
			screen_open_letter(s);
		return;
	}
	screen_say(s, false, "Nothing is unread.");
}

/* ---- folders ---- */

static void go_to(struct screen *s, size_t account, struct view name)
{
	struct buf b = BUF(COPY_FOLDER_MAX);
	enum status st;

	buf_put(&b, name);
	st = screen_open_folder(s, account, buf_view(&b));
	if (st == ST_MISSING)
		screen_say(s, true, "There is no such folder.");
	else if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
	buf_free(&b);
}

static void purge_or_keep(struct screen *s)
{
	char question[64];
	size_t n = screen_deleted(s);

	snprintf(question, sizeof question, "Purge %zu deleted message%s? (y/n) ", n, n == 1 ? "" : "s");
	if (n && screen_ask_key(s, question, "yn") == 'y')
		screen_purge(s);
}

static void change_folder(struct screen *s)
{
	struct buf name = BUF(4 * SCREEN_LINE_MAX);

	if (screen_ask_folder(s, "Go to folder (Tab completes): ", VIEW_NONE, &name)) {
		purge_or_keep(s);
		go_to(s, s->account, buf_view(&name));
	}
	buf_free(&name);
}

static void show_folders(struct screen *s)
{
	enum status st = screen_load_folders(s);

	if (st == ST_OK)
		s->where = IN_FOLDERS;
	else
		screen_say_status(s, st, VIEW_NONE, NULL);
}

/* ---- open and leave ---- */

static void open_it(struct screen *s)
{
	if (s->where == IN_FOLDERS && s->folder_at < s->n_folders) {
		purge_or_keep(s);
		go_to(s, s->folders[s->folder_at].account, s->folders[s->folder_at].folder.name);
	} else if (s->where == IN_PARTS) {
		screen_view_part(s);
	} else if (s->where == IN_LIST) {
		screen_open_letter(s);
	}
}

static void leave(struct screen *s)
{
	switch (s->where) {
	case IN_PARTS:
		s->where = IN_LETTER;
		break;
	case IN_LETTER:
		screen_close_letter(s);
		s->where = IN_LIST;
		break;
	case IN_FOLDERS:
		s->where = IN_LIST;
		break;
	default:
		purge_or_keep(s);
		s->quit = true;
	}
}

static void leave_at_once(struct screen *s)
{
	s->quit = true;
}

/* ---- flags ---- */

static void delete_it(struct screen *s)
{
	size_t at = s->list.at;

	screen_flag(s, COPY_DELETED, 0, "deleted", true);
	if (s->where == IN_LETTER && s->list.at != at)
		screen_open_letter(s);
}

static void undelete(struct screen *s)
{
	screen_flag(s, 0, COPY_DELETED, "undeleted", true);
}

static void flag(struct screen *s)
{
	screen_toggle(s, COPY_FLAGGED, "flagged", "not flagged");
}

static void toggle_new(struct screen *s)
{
	screen_toggle(s, COPY_SEEN, "read", "unread");
}

static void tag(struct screen *s)
{
	struct screen_list *l = &s->list;

	if (l->at >= l->n)
		return;
	l->tagged[l->lines[l->at].message] ^= 1;
	if (l->tagged[l->lines[l->at].message])
		l->n_tagged++;
	else
		l->n_tagged--;
	step(s, 1);
}

static void tag_all(struct screen *s)
{
	struct screen_list *l = &s->list;
	bool on = l->n_tagged == 0;

	for (size_t i = 0; i < l->n; i++)
		l->tagged[l->lines[i].message] = on;
	l->n_tagged = 0;
	for (size_t i = 0; i < l->list.n; i++)
		l->n_tagged += l->tagged[i];
}

static void for_tagged(struct screen *s)
{
	s->all_tagged = true;
	screen_say(s, false, "%zu tagged: which command?", s->list.n_tagged);
}

static void move_it(struct screen *s)
{
	if (s->where == IN_PARTS)
		screen_save_part(s);
	else
		screen_move_messages(s, false);
}

static void copy_it(struct screen *s)
{
	screen_move_messages(s, true);
}

/* ---- searching ---- */

static void typed(struct screen *s, struct view text, bool pause)
{
	struct buf kept = BUF(4 * SCREEN_LINE_MAX);
	enum status st;

	/* What reads letters waits until nothing is typed for a moment. */
	if (!pause && view_find(text, ':') < text.n)
		return;
	buf_put(&kept, text);
	st = screen_filter(s, buf_view(&kept));
	buf_free(&kept);
	if (st == ST_OK)
		screen_draw(s);
}

static void limit(struct screen *s, bool anew)
{
	struct screen_prompt p = { .question = "Search: ", .changed = typed };
	struct buf text = BUF(4 * SCREEN_LINE_MAX), before = BUF(4 * SCREEN_LINE_MAX);
	bool taken;
	enum status st;

	buf_put(&before, buf_view(&s->list.filter));
	if (!anew)
		buf_put(&text, buf_view(&s->list.filter));
	buf_clear(&s->said);
	taken = screen_ask(s, &p, &text);
	st = screen_filter(s, buf_view(taken ? &text : &before));
	if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
	buf_free(&text);
	buf_free(&before);
}

static void seek(struct screen *s, size_t from)
{
	struct screen_letter *l = &s->letter;
	struct arena a = ARENA((size_t)1 << 20);
	struct needle n;
	bool found = false;

	if (l->sought.n == 0 || needle_make(buf_view(&l->sought), &a, &n) != ST_OK) {
		arena_free(&a);
		return;
	}
	for (size_t i = from; i < l->lines.n / sizeof(struct screen_text_line) && !found; i++) {
		struct screen_text_line line;

		memcpy(&line, l->lines.p + i * sizeof line, sizeof line);
		if (search_plain(view_make(l->text.p + line.at, line.n), &n, &found) == ST_OK && found)
			l->top = i;
	}
	if (!found)
		screen_say(s, true, "It does not stand further down.");
	arena_free(&a);
}

static void search(struct screen *s)
{
	struct screen_prompt p = { .question = "Search in the letter: " };

	if (s->where != IN_LETTER) {
		limit(s, true);
		return;
	}
	if (screen_ask(s, &p, &s->letter.sought))
		seek(s, s->letter.top);
}

static void search_next(struct screen *s)
{
	seek(s, s->letter.top + 1);
}

static void narrow(struct screen *s)
{
	limit(s, false);
}

static void show_all(struct screen *s)
{
	if (s->where == IN_LIST && s->list.filter.n)
		(void)!screen_filter(s, VIEW_NONE);
	else if (s->where != IN_LIST)
		leave(s);
}

/* ---- letters ---- */

static void compose(struct screen *s, enum screen_compose how)
{
	const struct screen_program *p = s->o->program;
	struct copy_message *m = how == SCREEN_NEW ? NULL : screen_message(s);
	struct buf said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (p->compose == NULL) {
		screen_say(s, true, "Letters cannot be written here.");
		return;
	}
	if (how != SCREEN_NEW && m == NULL)
		return;
	screen_leave();
	st = p->compose(p->arg, s->account, how, m ? m->id : 0, &said);
	screen_return();
	screen_say_status(s, st, buf_view(&said), NULL);
	buf_free(&said);
	st = screen_reload(s);
	if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
}

static void write_new(struct screen *s)
{
	compose(s, SCREEN_NEW);
}

static void reply(struct screen *s)
{
	compose(s, SCREEN_REPLY);
}

static void reply_all(struct screen *s)
{
	compose(s, SCREEN_REPLY_ALL);
}

static void reply_list(struct screen *s)
{
	compose(s, SCREEN_REPLY_LIST);
}

static void forward(struct screen *s)
{
	compose(s, SCREEN_FORWARD);
}

static void bounce(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct screen_prompt ask = { .question = "Send it on as it is to: " };
	struct copy_message *m = screen_message(s);
	struct buf to = BUF(4 * SCREEN_LINE_MAX), said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (p->resend == NULL)
		screen_say(s, true, "Letters cannot be sent on from here.");
	else if (m && screen_ask(s, &ask, &to) && to.n) {
		screen_leave();
		st = p->resend(p->arg, s->account, m->id, buf_view(&to), &said);
		screen_return();
		screen_say_status(s, st, buf_view(&said), "It is sent.");
	}
	buf_free(&to);
	buf_free(&said);
}

static void resume(struct screen *s)
{
	compose(s, SCREEN_RESUME);
}

static void redraw(struct screen *s)
{
	(void)s;
	clearok(stdscr, TRUE);
}

static void sync_now(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct buf said = BUF(SCREEN_SAID_MAX);
	enum status st = ST_OK;

	screen_purge(s);
	if (p->sync && !screen_unlock(s))
		return;
	if (p->sync) {
		st = p->sync(p->arg, s->account, 0, false, screen_show_progress, s, &said);
		screen_say_status(s, st, buf_view(&said), "In step with the server.");
		st = screen_reload(s);
		if (st != ST_OK)
			screen_say_status(s, st, VIEW_NONE, NULL);
	} else if (s->said.n == 0) {
		screen_say(s, true, "There is no server to ask here.");
	}
	buf_free(&said);
}

static void flush_outbox(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct buf said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (p->flush_outbox == NULL) {
		screen_say(s, true, "Nothing can be sent from here.");
	} else if (screen_unlock(s)) {
		st = p->flush_outbox(p->arg, s->account, screen_show_progress, s, &said);
		screen_say_status(s, st, buf_view(&said), "Sent.");
	}
	buf_free(&said);
}

static void all_headers(struct screen *s)
{
	s->letter.all_headers = !s->letter.all_headers;
	screen_show_again(s);
}

static void other_form(struct screen *s)
{
	s->letter.html = !s->letter.html;
	screen_show_again(s);
	screen_say(s, false, s->letter.html ? "HTML first." : "Plain text first.");
}

/* ---- the rest ---- */

static void next_order(struct screen *s)
{
	static const char *const names[] = { "by threads", "by date", "by sender", "by subject", "by size" };
	enum status st;

	s->order = (enum screen_order)((s->order + 1) % ORDER_COUNT);
	st = screen_reload(s);
	if (st == ST_OK)
		screen_say(s, false, "Sorted %s.", names[s->order]);
	else
		screen_say_status(s, st, VIEW_NONE, NULL);
}

static void suspend(struct screen *s)
{
	(void)s;
	screen_leave();
	raise(SIGTSTP);
	screen_return();
}

/* ---- the list ---- */

struct command {
	wint_t key, other;		/* 0: none; KEY_... where it is above 255 */
	int where;
	void (*run)(struct screen *s);
	const char *keys, *text;	/* for the help; NULL: not in it */
	const char *hint;		/* for the top line; NULL: not there */
};

static const struct command commands[] = {
	{ 'q', 0, ANYWHERE, leave, "q", "quit, or back to the list", "q:Quit" },
	{ '?', 0, ANYWHERE, screen_help, "?", "this page", "?:Help" },
	{ ENTER, KEY_ENTER, IN_LIST | IN_FOLDERS | IN_PARTS, open_it, "Enter", "open", NULL },
	{ 'j', 0, ANYWHERE, next, "j", "next", NULL },
	{ 'k', 0, ANYWHERE, previous, "k", "previous", NULL },
	{ KEY_DOWN, ENTER, ANYWHERE, line_down, "Down", "a line down", NULL },
	{ KEY_UP, KEY_BACKSPACE, ANYWHERE, line_up, "Up", "a line up", NULL },
	{ ' ', KEY_NPAGE, ANYWHERE, page_down, "Space", "a page down", NULL },
	{ '-', KEY_PPAGE, ANYWHERE, page_up, "-", "a page up", NULL },
	{ CTRL_F, 'z', ANYWHERE, page_down, NULL, NULL, NULL },
	{ CTRL_B, 'Z', ANYWHERE, page_up, NULL, NULL, NULL },
	{ '=', KEY_HOME, ANYWHERE, first, "=", "the first", NULL },
	{ '*', KEY_END, ANYWHERE, last, "*", "the last", NULL },
	{ TAB, 0, IN_LIST | IN_LETTER, next_unread, "Tab", "next unread", NULL },
	{ 'i', 0, IN_LETTER | IN_FOLDERS | IN_PARTS, leave, NULL, NULL, "i:List" },
	{ 'm', 0, IN_LIST | IN_LETTER, write_new, "m", "write a letter", "m:Mail" },
	{ 'r', 0, IN_LIST | IN_LETTER, reply, "r", "reply to the author", "r:Reply" },
	{ 'g', 0, IN_LIST | IN_LETTER, reply_all, "g", "reply to all", NULL },
	{ 'L', 0, IN_LIST | IN_LETTER, reply_list, "L", "reply to the list", NULL },
	{ 'f', 0, IN_LIST | IN_LETTER, forward, "f", "forward", "f:Forward" },
	{ 'b', 0, IN_LIST | IN_LETTER, bounce, "b", "send on as it is", NULL },
	{ 'R', 'e', IN_LIST | IN_LETTER, resume, "R", "go on with a draft", NULL },
	{ 'd', 0, IN_LIST | IN_LETTER, delete_it, "d", "delete", "d:Del" },
	{ 'u', 0, IN_LIST | IN_LETTER, undelete, "u", "undelete", "u:Undel" },
	{ 'U', 0, IN_LIST | IN_LETTER, screen_undo_last, "U", "undo the last change", NULL },
	{ 'F', '!', IN_LIST | IN_LETTER, flag, "F", "flag, or not", NULL },
	{ 'N', 0, IN_LIST | IN_LETTER, toggle_new, "N", "unread, or read", NULL },
	{ 'Y', 0, IN_LIST | IN_LETTER, screen_keywords, "Y", "keywords: word adds one, -word takes it away", NULL },
	{ 's', 0, IN_LIST | IN_LETTER | IN_PARTS, move_it, "s", "save: to another folder, or a part to a file", "s:Save" },
	{ 'C', 0, IN_LIST | IN_LETTER, copy_it, "C", "copy to another folder", NULL },
	{ 'a', 0, IN_LIST | IN_LETTER, screen_archive, "a", "to the archive", NULL },
	{ 't', 0, IN_LIST, tag, "t", "tag", NULL },
	{ 'T', 0, IN_LIST, tag_all, "T", "tag all, or none", NULL },
	{ ';', 0, IN_LIST, for_tagged, ";", "the next command is for all tagged", NULL },
	{ '/', 0, IN_LIST | IN_LETTER, search, "/", "search as you type; in a letter: its text", "/:Search" },
	{ 'n', 0, IN_LETTER, search_next, "n", "search further in the letter", NULL },
	{ 'l', 0, IN_LIST, narrow, "l", "change the search; empty shows all", NULL },
	{ ESC, 0, ANYWHERE, show_all, "Esc", "show all again, or back", NULL },
	{ 'c', 0, IN_LIST | IN_LETTER, change_folder, "c", "go to a folder by its name", "c:Folder" },
	{ 'y', 0, IN_LIST | IN_LETTER, show_folders, "y", "list of folders", NULL },
	{ 'v', 0, IN_LIST | IN_LETTER, screen_open_parts, "v", "attachments: Enter opens, s saves", "v:Parts" },
	{ 'P', 0, IN_LETTER, screen_open_earlier, "P", "the letter that it answers, or reports on", NULL },
	{ '|', 0, IN_LIST | IN_LETTER | IN_PARTS, screen_pipe, "|", "give the letter, or a part, to a command", NULL },
	{ 'h', 0, IN_LETTER, all_headers, "h", "all header fields, or few", NULL },
	{ 'H', 0, IN_LETTER, other_form, "H", "HTML, or plain text", NULL },
	{ 'o', 0, IN_LIST, next_order, "o", "another order", NULL },
	{ '$', 0, ANYWHERE, sync_now, "$", "purge what is deleted, and sync", "$:Sync" },
	{ 'O', 0, IN_LIST | IN_LETTER, flush_outbox, "O", "send what waits in the outbox", NULL },
	{ 'x', 0, IN_LIST, leave_at_once, "x", "quit without purging", NULL },
	{ CTRL_L, 0, ANYWHERE, redraw, "^L", "draw anew", NULL },
	{ CTRL_Z, 0, ANYWHERE, suspend, "^Z", "suspend", NULL },
	{ CTRL_C, 0, ANYWHERE, leave, NULL, NULL, NULL },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(wint_t key, bool special, int where)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		bool same = special ? key > 255 && (c->key == key || c->other == key)
				    : key < KEY_MIN && (c->key == key || c->other == key);

		if (same && c->where & where)
			return c;
	}
	return NULL;
}

bool screen_do(struct screen *s, wint_t key, bool special)
{
	const struct command *c = find(key == '\n' || key == 127 ? (key == 127 ? (wint_t)KEY_BACKSPACE : ENTER) : key,
				       special || key == 127, (int)s->where);
	bool tagged = s->all_tagged;

	buf_clear(&s->said);
	s->said_bad = false;
	if (c == NULL) {
		s->all_tagged = false;
		screen_say(s, true, "This key does nothing here; ? shows what does.");
		return false;
	}
	c->run(s);
	if (tagged)
		s->all_tagged = false;
	return true;
}

void screen_hints(const struct screen *s, struct buf *out)
{
	size_t columns = screen_columns();

	for (size_t i = 0; i < N_COMMANDS; i++) {
		const char *hint = commands[i].hint;

		if (hint == NULL || !(commands[i].where & (int)s->where))
			continue;
		if (out->n + strlen(hint) + 3 > columns)	/* hints are ASCII */
			return;
		buf_puts(out, out->n ? "  " : " ");
		buf_puts(out, hint);
	}
}

/* ---- the help ---- */

static void draw_help(const struct screen *s, size_t top, size_t *ret_n)
{
	size_t y = 1, rows = screen_rows(), line = 0;

	erase();
	screen_put(s, 0, 0, screen_columns(), VIEW(" Keys of waxmail.  Space: further   q: back"), LOOK_BAR, true);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (commands[i].text == NULL || line++ < top || y >= rows)
			continue;
		screen_put(s, y, 2, 7, view_cstr(commands[i].keys), LOOK_NAME, true);
		screen_put(s, y++, 10, screen_columns() - 10, view_cstr(commands[i].text), LOOK_TEXT, false);
	}
	*ret_n = line;
	refresh();
}

void screen_help(struct screen *s)
{
	size_t top = 0, n, rows;
	wint_t key;
	bool special;

	for (;;) {
		draw_help(s, top, &n);
		if (!screen_key(-1, &key, &special))
			return;
		rows = screen_rows() > 2 ? screen_rows() - 1 : 1;
		if (special && (key == KEY_DOWN || key == KEY_NPAGE))
			top += key == KEY_DOWN ? 1 : rows;
		else if (special && (key == KEY_UP || key == KEY_PPAGE))
			top -= top < (key == KEY_UP ? 1 : rows) ? top : (key == KEY_UP ? 1 : rows);
		else if (!special && (key == ' ' || key == 'j') && top + rows < n)
			top += key == 'j' ? 1 : rows;
		else if (!special && (key == '-' || key == 'k'))
			top -= top < (key == 'k' ? 1 : rows) ? top : (key == 'k' ? 1 : rows);
		else if (!special)
			return;
		if (top + rows > n)
			top = n > rows ? n - rows : 0;
	}
}
