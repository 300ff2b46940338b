#include "mua/sync/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what LIST says ---- */

struct listed {
	struct view server_name, name;
	enum copy_use use;
	bool no_select, seen;
	struct imap_status status;
};

struct listing {
	struct arena *arena;
	struct listed *all;
	size_t n, cap;
	char delimiter;
	enum status st;
};

static enum copy_use use_of(const struct answer *a)
{
	static const struct {
		unsigned bit;
		enum copy_use use;
	} uses[] = {
		{ LIST_SENT, COPY_USE_SENT }, { LIST_DRAFTS, COPY_USE_DRAFTS },	  { LIST_TRASH, COPY_USE_TRASH },
		{ LIST_JUNK, COPY_USE_JUNK }, { LIST_ARCHIVE, COPY_USE_ARCHIVE }, { LIST_ALL, COPY_USE_ALL },
		{ LIST_FLAGGED, COPY_USE_FLAGGED },
	};

	if (view_eq(a->mailbox, VIEW("INBOX")))
		return COPY_USE_INBOX;
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
		if (a->attributes & uses[i].bit)
			return uses[i].use;
	return COPY_USE_NONE;
}

/* The server's delimiter becomes "/"; a "/" that is none U+2215. */
static struct view local_name(struct arena *a, struct view name, char delimiter)
{
	struct buf out = BUF(4 * COPY_FOLDER_MAX);
	struct view ret;

	for (size_t i = 0; i < name.n; i++) {
		if (delimiter && name.p[i] == delimiter)
			buf_putc(&out, '/');
		else if (name.p[i] == '/')
			buf_puts(&out, "\xe2\x88\x95");
		else
			buf_putc(&out, name.p[i]);
	}
	ret = buf_status(&out) == ST_OK ? arena_copy(a, buf_view(&out)) : VIEW_NONE;
	buf_free(&out);
	return ret;
}

static void add_listed(struct listing *l, const struct answer *a)
{
	struct listed *one, *more;

	if (l->n == COPY_FOLDERS_MAX) {
		l->st = ST_LIMIT;
		return;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		more = arena_array(l->arena, l->cap, sizeof *more);
		if (more == NULL) {
			l->st = arena_status(l->arena);
			return;
		}
		if (l->n)
			memcpy(more, l->all, l->n * sizeof *more);
		l->all = more;
	}
	one = &l->all[l->n++];
	*one = (struct listed){ .server_name = arena_copy(l->arena, a->mailbox), .use = use_of(a),
				.no_select = a->attributes & LIST_NOSELECT };
	one->name = local_name(l->arena, one->server_name, a->delimiter);
	if (a->delimiter)
		l->delimiter = a->delimiter;
}

static void on_list(void *arg, const struct answer *a)
{
	struct listing *l = arg;

	if (l->st == ST_OK && a->kind == ANSWER_LIST && a->mailbox.n && a->mailbox.n <= COPY_FOLDER_MAX)
		add_listed(l, a);
	if (a->kind != ANSWER_STATUS)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (view_eq(l->all[i].server_name, a->mailbox))
			l->all[i].status = a->status;
}

static const char *status_items(const struct session *s)
{
	return imap_can(&s->imap, CAN_CONDSTORE) ? "MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ"
						 : "MESSAGES UIDNEXT UIDVALIDITY";
}

static enum status ask_status(struct session *s, struct listing *l)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < l->n && st == ST_OK; i++) {
		struct buf *out;

		if (l->all[i].no_select)
			continue;
		out = imap_begin(&s->imap);
		buf_puts(out, "STATUS ");
		imap_put_mailbox(out, l->all[i].server_name, s->imap.utf8);
		buf_putf(out, " (%s)", status_items(s));
		st = imap_run(&s->imap, on_list, l);
		/* A folder that is listed and cannot be looked into. */
		if (st == ST_DENIED) {
			l->all[i].no_select = true;
			st = ST_OK;
		}
	}
	return st;
}

static enum status ask_list(struct session *s, struct listing *l)
{
	struct imap *i = &s->imap;
	struct buf *out = imap_begin(i);
	bool with_status = imap_can(i, CAN_LIST_STATUS);
	enum status st;

	buf_puts(out, "LIST \"\" \"*\"");
	if (with_status)
		buf_putf(out, " RETURN (%sSTATUS (%s))", imap_can(i, CAN_SPECIAL_USE) ? "SPECIAL-USE " : "",
			 status_items(s));
	st = imap_run(i, on_list, l);
	if (st == ST_OK)
		st = l->st;
	return st == ST_OK && !with_status ? ask_status(s, l) : st;
}

/* ---- the copy's folders ---- */

static bool same_sync(const struct copy_sync *a, const struct copy_sync *b)
{
	return a->use == b->use && a->no_select == b->no_select && view_eq(a->server_name, b->server_name);
}

/* A folder of the server that the copy has not got, or not so. */
static enum status take_listed(struct session *s, const struct listed *l)
{
	struct copy_folder f;
	struct copy_sync want;
	enum status st;

	if (l->name.n == 0)
		return ST_OK;
	st = copy_folder(s->copy, l->name, true, &s->folders_arena, &f);
	/* A name that no folder here can have: the others are still good. */
	if (st == ST_SYNTAX || st == ST_LIMIT)
		return ST_OK;
	if (st != ST_OK)
		return st;
	want = f.sync;
	want.server_name = l->server_name;
	want.use = l->use;
	want.no_select = l->no_select;
	return same_sync(&want, &f.sync) ? ST_OK : copy_folder_sync(s->copy, f.id, &want);
}

static const struct listed *find_listed(const struct listing *l, struct view server_name)
{
	for (size_t i = 0; i < l->n; i++)
		if (view_eq(l->all[i].server_name, server_name))
			return &l->all[i];
	return NULL;
}

/* Folders that the server had and has no more, unless something of ours still
 * waits in them. */
static enum status drop_vanished(struct session *s, const struct listing *l)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < s->n_folders && st == ST_OK; i++) {
		struct copy_folder *f = &s->folders[i];

		if (f->sync.server_name.n && f->pending == 0 && find_listed(l, f->sync.server_name) == NULL)
			st = copy_folder_remove(s->copy, f->id);
	}
	return st;
}

static enum status read_folders(struct session *s, const struct listing *l)
{
	enum status st = copy_folders(s->copy, &s->folders_arena, &s->folders, &s->n_folders);

	if (st != ST_OK)
		return st;
	s->status = arena_array(&s->folders_arena, s->n_folders + 1, sizeof *s->status);
	if (s->status == NULL)
		return arena_status(&s->folders_arena);
	for (size_t i = 0; i < s->n_folders; i++) {
		const struct listed *one = find_listed(l, s->folders[i].sync.server_name);

		if (one)
			s->status[i] = one->status;
	}
	return ST_OK;
}

/* A folder for sent letters, drafts and so on that was made here before the
 * server's own was known: what is in it goes there. */
static enum status join(struct session *s, const struct copy_folder *guess, const struct copy_folder *real)
{
	struct arena a = ARENA(SYNC_ARENA);
	struct copy_list l;
	int64_t *ids = NULL;
	enum status st = copy_list(s->copy, guess->id, COPY_BY_ARRIVAL, false, 0, guess->messages, &a, &l);

	if (st == ST_OK)
		ids = arena_array(&a, l.n + 1, sizeof *ids);
	for (size_t i = 0; ids && i < l.n; i++)
		ids[i] = l.all[i].id;
	if (st == ST_OK)
		st = ids ? copy_move(s->copy, ids, l.n, real->id) : arena_status(&a);
	if (st == ST_OK)
		st = copy_folder_remove(s->copy, guess->id);
	arena_free(&a);
	return st;
}

static enum status join_guesses(struct session *s)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < s->n_folders; i++) {
		const struct copy_folder *guess = &s->folders[i];

		if (guess->sync.server_name.n || guess->sync.use == COPY_USE_NONE)
			continue;
		for (size_t k = 0; st == ST_OK && k < s->n_folders; k++)
			if (s->folders[k].sync.server_name.n && s->folders[k].sync.use == guess->sync.use) {
				st = join(s, guess, &s->folders[k]);
				break;
			}
	}
	return st;
}

enum status sync_folders(struct session *s)
{
	struct listing l = { .arena = &s->folders_arena };
	enum status st = ask_list(s, &l);

	s->delimiter = l.delimiter;
	if (st == ST_OK)
		st = copy_begin(s->copy);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < l.n && st == ST_OK; i++)
		st = take_listed(s, &l.all[i]);
	if (st == ST_OK)
		st = read_folders(s, &l);
	if (st == ST_OK && l.n)
		st = drop_vanished(s, &l);
	if (st == ST_OK)
		st = join_guesses(s);
	if (st == ST_OK)
		st = copy_commit(s->copy);
	else
		copy_roll_back(s->copy);
	return st == ST_OK ? read_folders(s, &l) : st;
}

struct copy_folder *session_folder(struct session *s, int64_t id)
{
	for (size_t i = 0; i < s->n_folders; i++)
		if (s->folders[i].id == id)
			return &s->folders[i];
	return NULL;
}

enum status session_enter(struct session *s, struct copy_folder *f, const char *how, imap_untagged *untagged,
			  void *arg)
{
	enum status st;

	if (s->selected == f->id && how[0] == '\0')
		return ST_OK;
	s->selected = 0;
	st = imap_enter(&s->imap, f->sync.server_name, how, untagged, arg);
	if (st != ST_OK)
		return st;
	s->selected = f->id;
	if (f->sync.uidvalidity == 0 || f->sync.uidvalidity == s->imap.uidvalidity)
		return ST_OK;
	/* RFC 9051 2.3.1.1: nothing that we know of it holds any more. */
	st = copy_folder_reset(s->copy, f->id);
	f->sync.uidvalidity = f->sync.uidnext = 0;
	f->sync.modseq = 0;
	return st == ST_OK ? ST_CORRUPT : st;
}
