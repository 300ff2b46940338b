#include "mua/sync/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MS = 25 * 60 * 1000, POLL_MS = 60 * 1000 };

bool sync_goes_on(struct sync *s, struct view what, uint64_t done, uint64_t all)
{
	return s->progress == NULL || s->progress(s->progress_arg, what, done, all);
}

/* ---- a session ---- */

static enum status session_open(struct session *s, struct sync *sync)
{
	struct place *p = sync->place;

	*s = (struct session){ .sync = sync, .copy = p->copy, .folders_arena = ARENA(SYNC_ARENA) };
	return imap_open(&s->imap, &p->net, &p->account->read, place_user(p), buf_view(&p->password),
			 (size_t)p->settings.letter_max);
}

static enum status session_close(struct session *s, enum status st)
{
	if (st != ST_OK && st != ST_AGAIN && s->imap.client.why[0])
		snprintf(s->sync->why, sizeof s->sync->why, "%s", s->imap.client.why);
	else if (st == ST_CORRUPT || st == ST_IO)
		snprintf(s->sync->why, sizeof s->sync->why, "the copy here: %.300s", copy_error(s->copy));
	imap_close(&s->imap);
	arena_free(&s->folders_arena);
	return st;
}

/* ---- all folders ---- */

static bool is_wanted(const struct session *s, const struct copy_folder *f)
{
	if (f->sync.server_name.n == 0 || f->sync.no_select)
		return false;
	/* "All mail" and "starred" hold letters that are elsewhere too (RFC 6154 2). */
	if (f->sync.use == COPY_USE_ALL || f->sync.use == COPY_USE_FLAGGED)
		return view_eq(f->name, s->sync->folder);
	return s->sync->folder.n == 0 || view_eq(f->name, s->sync->folder);
}

static enum status pull_all(struct session *s)
{
	enum status st = ST_OK;
	bool any = false;

	for (size_t i = 0; i < s->n_folders && st == ST_OK; i++) {
		if (!is_wanted(s, &s->folders[i]))
			continue;
		any = true;
		st = sync_pull(s, i);
		/* It was there a moment ago; the others are still. */
		if (st == ST_DENIED && s->sync->folder.n == 0)
			st = ST_OK;
	}
	if (st == ST_OK && !any && s->sync->folder.n) {
		snprintf(s->imap.client.why, WHY_MAX, "no folder %.*s on the server",
			 VIEW_ARG(view_head(s->sync->folder, 200)));
		return ST_MISSING;
	}
	return st;
}

/* One round; the first screen needs neither LIST nor what we have to tell. */
static enum status round_of(struct session *s)
{
	struct arena *a = &s->folders_arena;
	enum status st;

	arena_free(a);
	s->folders = NULL;
	s->n_folders = 0;
	/* Not the first screen: it has nothing to tell. */
	st = s->sync->headers_only ? ST_OK : copy_look(s->copy, NULL);
	if (st == ST_OK)
		st = sync_folders(s);
	if (st == ST_OK && !s->sync->headers_only)
		st = sync_push(s);
	return st == ST_OK ? pull_all(s) : st;
}

/* Of the other folders, too (RFC 5465); what happens in the one selected comes when it
 * is asked for, so that sequence numbers hold.  Who refuses is asked each minute. */
static enum status watch_all(struct session *s)
{
	enum status st = ST_OK;

	if (s->sync->folder.n == 0 && imap_can(&s->imap, CAN_NOTIFY | CAN_IDLE)) {
		buf_puts(imap_begin(&s->imap), "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))"
					       " (PERSONAL (MessageNew MessageExpunge))");
		st = imap_run(&s->imap, NULL, NULL);
	}
	return st == ST_DENIED ? ST_OK : st;
}

static enum status watch(struct session *s)
{
	struct copy_folder *inbox = NULL;
	enum status st = watch_all(s);

	while (st == ST_OK) {
		for (size_t i = 0; i < s->n_folders; i++)
			if (s->folders[i].sync.use == COPY_USE_INBOX || is_wanted(s, &s->folders[i])) {
				inbox = &s->folders[i];
				break;
			}
		if (inbox)
			st = session_enter(s, inbox, "", NULL, NULL);
		if (st == ST_OK && imap_can(&s->imap, CAN_IDLE))
			st = imap_idle(&s->imap, POLL_MS < IDLE_MS ? POLL_MS : IDLE_MS);
		else if (st == ST_OK)
			loop_sleep(s->sync->place->net.loop, POLL_MS);
		if (st == ST_TIMEOUT)
			st = ST_OK;
		if (st == ST_OK)
			st = round_of(s);
	}
	return st;
}

static enum status imap_job(struct net *n, void *arg)
{
	struct sync *sync = arg;
	struct session s;
	enum status st;

	(void)n;
	if (sync->place->account->read.protocol == PROTOCOL_POP3)
		return sync_pop(sync);
	st = session_open(&s, sync);
	if (st == ST_OK)
		st = round_of(&s);
	if (st == ST_OK && sync->watch)
		st = watch(&s);
	return session_close(&s, st);
}

enum status sync_run(struct sync *s)
{
	struct place *p = s->place;
	enum status st;

	if (p->account->read.port == 0) {
		snprintf(s->why, sizeof s->why, "the account has no server to read from");
		return ST_MISSING;
	}
	st = place_net(p);
	if (st == ST_OK)
		st = place_password(p);
	return st == ST_OK ? net_run(&p->net, imap_job, s) : st;
}

/* ---- one body ---- */

struct fetching {
	struct sync *sync;
	struct copy_message message;
	struct copy_folder folder;
	struct arena arena;
	enum status st;
	bool got;
};

static void on_body(void *arg, const struct answer *a)
{
	struct fetching *f = arg;
	struct buf keywords = BUF(COPY_KEYWORDS_MAX);
	struct copy_arrival w = {
		.folder = f->folder.id, .uid = a->uid, .modseq = a->modseq, .received = f->message.received
	};
	int64_t id;

	if (a->kind != ANSWER_FETCH || a->uid != f->message.uid || !(a->gave & GAVE_BODY) || !(a->gave & GAVE_FLAGS))
		return;
	w.flags = flags_of(a, &keywords);
	w.keywords = buf_view(&keywords);
	f->st = copy_put(f->sync->place->copy, &w, a->body, &id);
	f->got = true;
	buf_free(&keywords);
}

static enum status fetch_job(struct net *n, void *arg)
{
	struct fetching *f = arg;
	struct session s;
	enum status st = session_open(&s, f->sync);

	(void)n;
	if (st == ST_OK)
		st = session_enter(&s, &f->folder, "", NULL, NULL);
	if (st == ST_OK) {
		buf_putf(imap_begin(&s.imap), "UID FETCH %u (UID FLAGS BODY.PEEK[])", f->message.uid);
		st = imap_run(&s.imap, on_body, f);
	}
	if (st == ST_OK)
		st = f->got ? f->st : ST_MISSING;
	return session_close(&s, st == ST_CORRUPT ? ST_MISSING : st);
}

static enum status find_folder(struct copy *c, int64_t id, struct arena *a, struct copy_folder *ret)
{
	struct copy_folder *all;
	size_t n;
	enum status st = copy_folders(c, a, &all, &n);

	for (size_t i = 0; st == ST_OK && i < n; i++)
		if (all[i].id == id) {
			*ret = all[i];
			return ST_OK;
		}
	return st == ST_OK ? ST_MISSING : st;
}

enum status sync_fetch(struct sync *s, int64_t id)
{
	struct fetching f = { .sync = s, .arena = ARENA(SYNC_ARENA) };
	struct place *p = s->place;
	enum status st = copy_message(p->copy, id, &f.arena, &f.message);

	if (st == ST_OK && !(f.message.flags & COPY_BODY)) {
		st = f.message.uid ? find_folder(p->copy, f.message.folder, &f.arena, &f.folder) : ST_MISSING;
		if (st == ST_OK)
			st = place_net(p);
		if (st == ST_OK)
			st = place_password(p);
		if (st == ST_OK)
			st = net_run(&p->net, fetch_job, &f);
	}
	arena_free(&f.arena);
	return st;
}
