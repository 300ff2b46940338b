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

static void free_undo(struct screen_undo *u)
{
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

/* Where there is no memory for it, it cannot be undone, and that is all. */
static void remember(struct screen *s, const struct meant *m, bool flags, bool folders, bool removed, const char *what)
{
	struct screen_undo u = { .n = m->n, .removed = removed };

	if (s->n_undo == SCREEN_UNDO_MAX) {
		free_undo(&s->undo[0]);
		memmove(s->undo, s->undo + 1, --s->n_undo * sizeof *s->undo);
	}
	u.ids = calloc(m->n, sizeof *u.ids);
	u.flags = flags ? calloc(m->n, sizeof *u.flags) : NULL;
	u.folders = folders ? calloc(m->n, sizeof *u.folders) : NULL;
	if (u.ids == NULL || (flags && u.flags == NULL) || (folders && u.folders == NULL)) {
		free_undo(&u);
		return;
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct copy_message *msg = &s->list.list.all[m->at[i]];

		u.ids[i] = m->ids[i];
		if (flags)
			u.flags[i] = msg->flags & COPY_FLAGS;
		if (folders)
			u.folders[i] = msg->folder;
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
		remember(s, &m, true, false, false, what);
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
		remember(s, m, false, true, false, what);
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
	remember(s, &m, trash != 0, trash != 0, trash == 0, what);
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
