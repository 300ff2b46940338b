/* change.c - flags, moves and their undoing.
 *
 * A change is for the message at the cursor, or with ";" before it for all
 * that are tagged.  It is done in the copy and in the list that is shown; what
 * it was before goes on a stack.
 */
#include "mua/screen/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* The messages that are meant: indexes in list.all. */
struct meant {
	uint32_t *at;
	int64_t *ids;
	size_t n;
};

static bool find_meant(struct screen *s, struct meant *m)
{
	struct screen_list *l = &s->list;
	size_t most = s->all_tagged ? l->n_tagged : 1;

	*m = (struct meant){ .at = calloc(most + 1, sizeof *m->at), .ids = calloc(most + 1, sizeof *m->ids) };
	for (size_t i = 0; m->at && m->ids && s->all_tagged && i < l->list.n && m->n < most; i++)
		if (l->tagged[i])
			m->at[m->n++] = (uint32_t)i;
	if (m->at && m->ids && !s->all_tagged && l->at < l->n)
		m->at[m->n++] = l->lines[l->at].message;
	for (size_t i = 0; i < m->n; i++)
		m->ids[i] = l->list.all[m->at[i]].id;
	if (m->n == 0)
		screen_say(s, true, s->all_tagged ? "Nothing is tagged." : "There is no message.");
	return m->n > 0;
}

static void free_meant(struct meant *m)
{
	free(m->at);
	free(m->ids);
}

/* ---- the stack ---- */

/* What was changed. */
enum { OF_FLAGS = 1, OF_FOLDERS = 2, OF_REMOVAL = 4, OF_KEYWORDS = 8 };

static void free_undo(struct screen_undo *u)
{
	for (size_t i = 0; u->keywords && i < u->n; i++)
		free(u->keywords[i]);
	free(u->keywords);
	free(u->ids);
	free(u->flags);
	free(u->folders);
	*u = (struct screen_undo){ .n = 0 };
}

void screen_undo_free(struct screen *s)
{
	while (s->n_undo)
		free_undo(&s->undo[--s->n_undo]);
}

static bool keep_one(struct screen_undo *u, size_t i, const struct copy_message *m)
{
	u->ids[i] = m->id;
	if (u->flags)
		u->flags[i] = m->flags & COPY_FLAGS;
	if (u->folders)
		u->folders[i] = m->folder;
	if (u->keywords)
		u->keywords[i] = m->keywords.n ? strndup(m->keywords.p, m->keywords.n) : strdup("");
	return u->keywords == NULL || u->keywords[i];
}

/* Where there is no memory for it, it cannot be undone, and that is all. */
static void remember(struct screen *s, const struct meant *m, int of, const char *what)
{
	struct screen_undo u = { .n = m->n, .removed = (of & OF_REMOVAL) != 0 };
	bool good;

	if (s->n_undo == SCREEN_UNDO_MAX) {
		free_undo(&s->undo[0]);
		memmove(s->undo, s->undo + 1, --s->n_undo * sizeof *s->undo);
	}
	u.ids = calloc(m->n, sizeof *u.ids);
	u.flags = of & OF_FLAGS ? calloc(m->n, sizeof *u.flags) : NULL;
	u.folders = of & OF_FOLDERS ? calloc(m->n, sizeof *u.folders) : NULL;
	u.keywords = of & OF_KEYWORDS ? calloc(m->n, sizeof *u.keywords) : NULL;
	good = u.ids && !u.flags == !(of & OF_FLAGS) && !u.folders == !(of & OF_FOLDERS) &&
	       !u.keywords == !(of & OF_KEYWORDS);
	for (size_t i = 0; i < m->n && good; i++)
		good = keep_one(&u, i, &s->list.list.all[m->at[i]]);
	if (!good) {
		free_undo(&u);
		return;
	}
	snprintf(u.what, sizeof u.what, "%s", what);
	s->undo[s->n_undo++] = u;
}

static enum status undo(struct screen *s, const struct screen_undo *u)
{
	enum status st = copy_begin(s->copy);

	for (size_t i = 0; i < u->n && st == ST_OK; i++) {
		if (u->folders)
			st = copy_move(s->copy, &u->ids[i], 1, u->folders[i]);
		if (u->flags && st == ST_OK)
			st = copy_flags(s->copy, &u->ids[i], 1, u->flags[i], COPY_FLAGS & ~u->flags[i]);
		if (u->keywords && st == ST_OK)
			st = copy_keywords_are(s->copy, u->ids[i], view_cstr(u->keywords[i]));
		if (u->removed && st == ST_OK)
			st = copy_restore(s->copy, &u->ids[i], 1);
	}
	if (st == ST_OK)
		return copy_commit(s->copy);
	copy_roll_back(s->copy);
	return st;
}

void screen_undo_last(struct screen *s)
{
	struct screen_undo *u = s->n_undo ? &s->undo[s->n_undo - 1] : NULL;
	enum status st;

	if (u == NULL) {
		screen_say(s, true, "Nothing to undo.");
		return;
	}
	st = undo(s, u);
	if (st == ST_OK) {
		screen_say(s, false, "Undone: %s", u->what);
		free_undo(u);
		s->n_undo--;
		st = screen_reload(s);
	}
	if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
}

/* ---- flags ---- */

static void next_line(struct screen *s)
{
	if (!s->all_tagged && s->list.at + 1 < s->list.n)
		s->list.at++;
}

void screen_flag(struct screen *s, uint32_t add, uint32_t remove, const char *what, bool advance)
{
	struct meant m;
	enum status st = ST_OK;

	if (find_meant(s, &m)) {
		remember(s, &m, OF_FLAGS, what);
		st = copy_flags(s->copy, m.ids, m.n, add, remove);
		for (size_t i = 0; i < m.n && st == ST_OK; i++) {
			struct copy_message *msg = &s->list.list.all[m.at[i]];

			msg->flags = (msg->flags | add) & ~remove;
		}
		if (st != ST_OK)
			screen_say_status(s, st, VIEW_NONE, NULL);
		else if (m.n > 1)
			screen_say(s, false, "%zu: %s", m.n, what);
		if (st == ST_OK && advance)
			next_line(s);
		screen_count(s);
	}
	free_meant(&m);
}

void screen_toggle(struct screen *s, uint32_t flag, const char *on, const char *off)
{
	struct copy_message *m = screen_message(s);
	bool set = m && m->flags & flag;

	if (m)
		screen_flag(s, set ? 0 : flag, set ? flag : 0, set ? off : on, false);
}

/* ---- keywords ---- */

static bool has_word(struct view list, struct view word)
{
	struct view w;

	while ((w = view_take_word(&list)).n)
		if (view_eq_i(w, word))
			return true;
	return false;
}

/* The again-th of the folder's keywords that goes on as the last word does. */
static void complete_keyword(struct screen *s, struct view text, size_t again, struct buf *out)
{
	struct screen_list *l = &s->list;
	struct buf all = BUF(SCREEN_LINE_MAX);
	struct view begun, left, w;
	size_t from = text.n, n = 0;

	while (from && text.p[from - 1] != ' ' && text.p[from - 1] != '-')
		from--;
	begun = view_skip(text, from);
	for (size_t i = 0; i < l->list.n; i++)
		for (left = l->list.all[i].keywords; (w = view_take_word(&left)).n;)
			if (view_starts_i(w, begun) && !has_word(buf_view(&all), w) && buf_status(&all) == ST_OK)
				buf_putf(&all, "%s%.*s", all.n ? " " : "", VIEW_ARG(w));
	for (left = buf_view(&all); view_take_word(&left).n; n++)
		;
	left = buf_view(&all);
	for (size_t i = 0; n && i <= again % n; i++)
		w = view_take_word(&left);
	if (n) {
		buf_put(out, view_head(text, from));
		buf_put(out, w);
	}
	buf_free(&all);
}

static enum status change_words(struct screen *s, const struct meant *m, struct view text)
{
	enum status st = copy_begin(s->copy);
	struct view w;

	while (st == ST_OK && (w = view_take_word(&text)).n) {
		bool off = w.p[0] == '-';

		if (w.p[0] == '-' || w.p[0] == '+')
			w = view_skip(w, 1);
		st = copy_keyword(s->copy, m->ids, m->n, w, !off);
	}
	if (st == ST_OK)
		return copy_commit(s->copy);
	copy_roll_back(s->copy);
	return st;
}

/* As the copy has them now; and flags, which two of the words are. */
static void read_words(struct screen *s, const struct meant *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct copy_message *old = &s->list.list.all[m->at[i]], new;

		if (copy_message(s->copy, m->ids[i], &s->list.arena, &new) == ST_OK) {
			old->keywords = new.keywords;
			old->flags = new.flags;
		}
	}
}

void screen_keywords(struct screen *s)
{
	struct screen_prompt p = { .question = "Keywords (-word takes away): ", .complete = complete_keyword };
	struct buf text = BUF(4 * SCREEN_LINE_MAX);
	struct meant m;
	enum status st;

	if (find_meant(s, &m) && screen_ask(s, &p, &text) && view_trim(buf_view(&text)).n) {
		remember(s, &m, OF_KEYWORDS | OF_FLAGS, "keywords");
		st = change_words(s, &m, buf_view(&text));
		if (st == ST_SYNTAX || st == ST_LIMIT)
			screen_say(s, true, "That is no word for a keyword.");
		else if (st != ST_OK)
			screen_say_status(s, st, VIEW_NONE, NULL);
		read_words(s, &m);
		screen_count(s);
		screen_show_again(s);
	}
	free_meant(&m);
	buf_free(&text);
}

/* ---- to another folder ---- */

static enum status move_meant(struct screen *s, const struct meant *m, struct view name, bool keep)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f;
	char what[64];
	enum status st = copy_folder(s->copy, name, false, &a, &f);

	if (st == ST_MISSING && screen_ask_key(s, "There is no such folder. Make it? (y/n) ", "yn") == 'y')
		st = copy_folder(s->copy, name, true, &a, &f);
	if (st == ST_OK && keep) {
		st = copy_copy(s->copy, m->ids, m->n, f.id);
	} else if (st == ST_OK && f.id != s->folder) {
		snprintf(what, sizeof what, "move of %zu message%s", m->n, m->n == 1 ? "" : "s");
		remember(s, m, OF_FOLDERS, what);
		st = copy_move(s->copy, m->ids, m->n, f.id);
		if (st == ST_OK)
			screen_forget(s, m->ids, m->n);
	}
	if (st == ST_OK)
		screen_say(s, false, "%zu %s to %.*s", m->n, keep ? "copied" : "moved", VIEW_ARG(name));
	arena_free(&a);
	return st;
}

/* After a letter that is open has gone, the one that takes its place. */
static void follow(struct screen *s)
{
	if (s->where != IN_LETTER)
		return;
	s->where = IN_LIST;
	if (screen_message(s))
		screen_open_letter(s);
}

void screen_move_messages(struct screen *s, bool keep)
{
	struct buf name = BUF(4 * SCREEN_LINE_MAX);
	struct meant m;
	enum status st = ST_OK;

	if (find_meant(s, &m) && screen_ask_folder(s, keep ? "Copy to folder: " : "Move to folder: ",
						   buf_view(&s->last_folder), &name)) {
		st = move_meant(s, &m, buf_view(&name), keep);
		buf_clear(&s->last_folder);
		buf_put(&s->last_folder, buf_view(&name));
		if (st == ST_OK && !keep)
			follow(s);
	}
	if (st != ST_OK)
		screen_say_status(s, st, VIEW_NONE, NULL);
	free_meant(&m);
	buf_free(&name);
}

void screen_archive(struct screen *s)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f;
	struct meant m;
	enum status st = copy_folder_with(s->copy, COPY_USE_ARCHIVE, &a, &f);

	if (st == ST_MISSING)
		screen_say(s, true, "This account has no archive.");
	else if (st == ST_OK && find_meant(s, &m)) {
		st = move_meant(s, &m, f.name, false);
		if (st == ST_OK)
			follow(s);
		free_meant(&m);
	}
	if (st != ST_OK && st != ST_MISSING)
		screen_say_status(s, st, VIEW_NONE, NULL);
	arena_free(&a);
}

/* ---- what is marked as deleted ---- */

size_t screen_deleted(const struct screen *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->list.n_all; i++)
		n += (s->list.list.all[s->list.all[i].message].flags & COPY_DELETED) != 0;
	return n;
}

static struct meant find_deleted(struct screen *s, size_t n)
{
	struct screen_list *l = &s->list;
	struct meant m = { .at = calloc(n + 1, sizeof *m.at), .ids = calloc(n + 1, sizeof *m.ids) };

	for (size_t i = 0; m.at && m.ids && i < l->n_all && m.n < n; i++)
		if (l->list.all[l->all[i].message].flags & COPY_DELETED) {
			m.at[m.n] = l->all[i].message;
			m.ids[m.n++] = l->list.all[l->all[i].message].id;
		}
	return m;
}

/* Into Trash without the flag, or out of it. */
static enum status purge(struct screen *s, const struct meant *m, int64_t trash)
{
	enum status st = copy_begin(s->copy);

	if (st == ST_OK && trash) {
		st = copy_flags(s->copy, m->ids, m->n, 0, COPY_DELETED);
		if (st == ST_OK)
			st = copy_move(s->copy, m->ids, m->n, trash);
	} else if (st == ST_OK) {
		st = copy_remove(s->copy, m->ids, m->n);
	}
	if (st == ST_OK)
		return copy_commit(s->copy);
	copy_roll_back(s->copy);
	return st;
}

void screen_purge(struct screen *s)
{
	struct arena a = ARENA((size_t)1 << 20);
	size_t n = screen_deleted(s);
	struct copy_folder f;
	struct meant m;
	int64_t trash = 0;
	char what[64];
	enum status st;

	if (n == 0)
		return;
	m = find_deleted(s, n);
	if (copy_folder_with(s->copy, COPY_USE_TRASH, &a, &f) == ST_OK && f.id != s->folder)
		trash = f.id;
	snprintf(what, sizeof what, "deletion of %zu message%s", m.n, m.n == 1 ? "" : "s");
	remember(s, &m, trash ? OF_FLAGS | OF_FOLDERS : OF_REMOVAL, what);
	st = purge(s, &m, trash);
	if (st == ST_OK) {
		screen_forget(s, m.ids, m.n);
		if (trash)
			screen_say(s, false, "%zu moved to %.*s", m.n, VIEW_ARG(f.name));
		else
			screen_say(s, false, "%zu deleted", m.n);
	} else {
		screen_say_status(s, st, VIEW_NONE, NULL);
	}
	free_meant(&m);
	arena_free(&a);
}
