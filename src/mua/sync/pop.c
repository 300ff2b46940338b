/* pop.c - letters by POP3: one folder, and what a letter is called is its UIDL. */
#include "mua/sync/internal.h"

#include "mua/net/pop3.h"

#include <stdio.h>
#include <stdlib.h>

enum { OPS_AT_ONCE = 1000 };

/* The server keeps no folders and no flags: what was done here is done. */
static enum status settle_pending(struct sync *s)
{
	struct copy *c = s->place->copy;
	struct copy_op *ops;
	size_t n = 1;
	enum status st = ST_OK;

	while (st == ST_OK && n) {
		struct arena a = ARENA(SYNC_ARENA);

		st = copy_pending(c, OPS_AT_ONCE, &a, &ops, &n);
		for (size_t i = 0; st == ST_OK && i < n; i++) {
			struct copy_folder *all = NULL;
			size_t folders = 0, at = 0;
			uint32_t uid = 0;

			if (ops[i].to) {
				st = copy_folders(c, &a, &all, &folders);
				while (at < folders && all[at].id != ops[i].to)
					at++;
				if (st == ST_OK && at < folders) {
					uid = all[at].sync.uidnext ? all[at].sync.uidnext : 1;
					all[at].sync.uidnext = uid + 1;
					all[at].sync.uidvalidity = 1;
					st = copy_folder_sync(c, all[at].id, &all[at].sync);
				}
			}
			if (st == ST_OK)
				st = copy_done(c, &ops[i], uid);
		}
		arena_free(&a);
	}
	return st;
}

static int by_bytes(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int order = n ? memcmp(x->p, y->p, n) : 0;

	return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

static bool is_known(const struct view *known, size_t n, struct view uidl)
{
	return n && bsearch(&uidl, known, n, sizeof uidl, by_bytes) != NULL;
}

static enum status fetch_one(struct sync *s, struct pop3 *p, int64_t folder, const struct pop3_letter *l)
{
	struct buf letter = BUF((size_t)s->place->settings.letter_max);
	struct copy_arrival w = { .folder = folder, .received = clock_wall(), .uidl = l->uidl };
	int64_t id;
	enum status st = pop3_fetch(p, l->number, &letter);

	if (st == ST_OK)
		st = copy_put(s->place->copy, &w, buf_view(&letter), &id);
	s->bodies += st == ST_OK;
	buf_free(&letter);
	return st;
}

static enum status fetch_new(struct sync *s, struct pop3 *p, int64_t folder, struct arena *a)
{
	struct pop3_letter *all;
	struct view *known;
	size_t n, n_known;
	enum status st = pop3_list(p, a, &all, &n);

	if (st == ST_OK)
		st = copy_server_uidls(s->place->copy, folder, a, &known, &n_known);
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		if (!sync_goes_on(s, VIEW("INBOX"), i, n))
			return ST_AGAIN;
		if (!is_known(known, n_known, all[i].uidl))
			st = fetch_one(s, p, folder, &all[i]);
		/* Only now that it is on disk here. */
		if (st == ST_OK && !s->place->account->leave)
			st = pop3_delete(p, all[i].number);
	}
	return st;
}

enum status sync_pop(struct sync *s)
{
	struct place *place = s->place;
	struct arena a = ARENA(SYNC_ARENA);
	struct copy_folder inbox;
	struct pop3 p;
	enum status st = pop3_open(&p, &place->net, &place->account->read, place_user(place),
				   buf_view(&place->password));

	if (st == ST_OK)
		st = copy_folder(place->copy, VIEW("INBOX"), true, &a, &inbox);
	if (st == ST_OK && inbox.sync.use != COPY_USE_INBOX) {
		inbox.sync.use = COPY_USE_INBOX;
		st = copy_folder_sync(place->copy, inbox.id, &inbox.sync);
	}
	if (st == ST_OK)
		st = copy_look(place->copy, NULL);
	if (st == ST_OK)
		st = settle_pending(s);
	if (st == ST_OK)
		st = fetch_new(s, &p, inbox.id, &a);
	if (st == ST_OK)
		st = pop3_quit(&p);
	if (st != ST_OK)
		snprintf(s->why, sizeof s->why, "%s", p.client.why);
	pop3_close(&p);
	arena_free(&a);
	return st;
}
