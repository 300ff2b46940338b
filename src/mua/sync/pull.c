/* pull.c - hearing from the server what happened in a folder. */
#include "mua/sync/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { GONE_MAX = 1000000, HEADERS_PAGE = 500, BODIES_PAGE = 100, ITEMS_MAX = 1000 };
/* What an answer has besides the letter. */
enum { ANSWER_ROOM = 16 * 1024, MESSAGE_ARENA = 1024 * 1024 };

/* ---- gathering what comes ---- */

enum what { WHAT_FLAGS, WHAT_HEADER, WHAT_BODY };

struct item {
	struct copy_arrival arrival;
	uint64_t size;
	struct view octets;
};

/* What one command brings, put into the copy GATHER_MAX octets at a time. */
struct gather {
	struct session *s;
	struct copy_folder *folder;
	enum what what;
	struct arena arena;
	struct item items[ITEMS_MAX];
	size_t n;
	struct imap_range *gone;	/* heap: VANISHED, as the server said it */
	uint32_t n_gone, cap_gone;
	uint32_t *uids;			/* heap: all that were told of */
	size_t n_uids, cap_uids;
	uint64_t done, all;		/* for the progress */
	enum status st;
};

static bool grow(uint32_t **list, size_t *n, size_t *cap, uint32_t value)
{
	uint32_t *more;

	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 1024;
		more = realloc(*list, *cap * sizeof *more);
		if (more == NULL)
			return false;
		*list = more;
	}
	(*list)[(*n)++] = value;
	return true;
}

static enum status put_item(struct gather *g, const struct item *i)
{
	struct copy *c = g->s->copy;
	int64_t id;

	switch (g->what) {
	case WHAT_FLAGS:
		g->s->sync->flags++;
		return copy_server_flags(c, g->folder->id, i->arrival.uid, i->arrival.flags, i->arrival.keywords,
					 i->arrival.modseq);
	case WHAT_HEADER:
		g->s->sync->headers++;
		return copy_put_header(c, &i->arrival, i->octets, i->size, 0, &id);
	default:
		g->s->sync->bodies++;
		return copy_put(c, &i->arrival, i->octets, &id);
	}
}

/* Everything gathered into the copy. */
static enum status gather_flush(struct gather *g)
{
	enum status st = g->st;

	if (st == ST_OK && g->n) {
		st = copy_begin(g->s->copy);
		for (size_t i = 0; st == ST_OK && i < g->n; i++)
			st = put_item(g, &g->items[i]);
		if (st == ST_OK)
			st = copy_commit(g->s->copy);
		else
			copy_roll_back(g->s->copy);
	}
	g->done += g->n;
	g->n = 0;
	arena_free(&g->arena);
	if (st == ST_OK && !sync_goes_on(g->s->sync, g->folder->name, g->done, g->all))
		st = ST_AGAIN;
	return g->st = st;
}

static void gather_free(struct gather *g)
{
	arena_free(&g->arena);
	free(g->gone);
	free(g->uids);
	free(g);
}

static struct gather *gather_new(struct session *s, struct copy_folder *f, enum what what)
{
	struct gather *g = calloc(1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->s = s;
	g->folder = f;
	g->what = what;
	g->arena = ARENA(2 * GATHER_MAX + (size_t)s->sync->place->settings.letter_max + 65536);
	return g;
}

static void take_fetch(struct gather *g, const struct answer *a)
{
	struct buf keywords = BUF(COPY_KEYWORDS_MAX);
	unsigned needs = GAVE_UID | GAVE_FLAGS | (g->what == WHAT_FLAGS ? 0 : GAVE_BODY);
	struct item *i = &g->items[g->n];

	/* The server may tell of other messages besides. */
	if ((a->gave & needs) != needs)
		return;
	*i = (struct item){
		.arrival = { .folder = g->folder->id, .uid = a->uid, .modseq = a->modseq,
			     .flags = flags_of(a, &keywords), .received = a->date },
		.size = a->size,
	};
	if (i->arrival.received == 0)
		i->arrival.received = clock_wall();
	i->arrival.keywords = arena_copy(&g->arena, buf_view(&keywords));
	i->octets = arena_copy(&g->arena, a->body);
	buf_free(&keywords);
	if (!grow(&g->uids, &g->n_uids, &g->cap_uids, a->uid))
		g->st = ST_NOMEM;
	else if (arena_status(&g->arena) != ST_OK)
		g->st = arena_status(&g->arena);
	else if (++g->n == ITEMS_MAX || g->arena.used > GATHER_MAX)
		(void)!gather_flush(g);
}

/* Ranges, since a set may name any number of uids that never were. */
static void take_vanished(struct gather *g, const struct imap_set *set)
{
	uint32_t n = g->n_gone + set->n;
	struct imap_range *more;

	if (n > GONE_MAX) {
		g->st = ST_LIMIT;
		return;
	}
	if (n > g->cap_gone) {
		more = realloc(g->gone, 2 * (size_t)n * sizeof *more);
		if (more == NULL) {
			g->st = ST_NOMEM;
			return;
		}
		g->gone = more;
		g->cap_gone = 2 * n;
	}
	memcpy(g->gone + g->n_gone, set->r, set->n * sizeof *set->r);
	g->n_gone = n;
}

static void on_answer(void *arg, const struct answer *a)
{
	struct gather *g = arg;

	if (g->st != ST_OK)
		return;
	if (a->kind == ANSWER_FETCH)
		take_fetch(g, a);
	else if (a->kind == ANSWER_VANISHED)
		take_vanished(g, &a->set);
	else if (a->kind == ANSWER_SEARCH)
		for (uint32_t i = 0; i < a->n_numbers; i++)
			if (!grow(&g->uids, &g->n_uids, &g->cap_uids, a->numbers[i]))
				g->st = ST_NOMEM;
}

/* The command that was begun. */
static enum status gather_run(struct gather *g)
{
	enum status st = imap_run(&g->s->imap, on_answer, g);

	if (st == ST_OK || g->st != ST_OK)
		st = g->st;
	if (st == ST_OK)
		st = gather_flush(g);
	return st;
}

/* ---- what is here already ---- */

struct have {
	struct arena arena;
	struct copy_server *all;	/* by uid */
	size_t n;
};

static enum status have_read(struct session *s, const struct copy_folder *f, struct have *h)
{
	*h = (struct have){ .arena = ARENA(SYNC_ARENA) };
	return copy_server_all(s->copy, f->id, &h->arena, &h->all, &h->n);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool has_number(const uint32_t *sorted, size_t n, uint32_t x)
{
	return n && bsearch(&x, sorted, n, sizeof x, by_number) != NULL;
}

static bool have_uid(const struct have *h, uint32_t uid)
{
	size_t low = 0, high = h->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->all[mid].uid == uid)
			return true;
		if (h->all[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* ---- flags and removals ---- */

/* The uids below our UIDNEXT that the server has no more, told by what it has. */
static enum status drop_missing(struct session *s, struct copy_folder *f, struct gather *told, const struct have *h)
{
	uint32_t *gone = calloc(h->n + 1, sizeof *gone);
	size_t n = 0;
	enum status st = gone ? ST_OK : ST_NOMEM;

	if (told->n_uids)
		qsort(told->uids, told->n_uids, sizeof *told->uids, by_number);
	for (size_t i = 0; gone && i < h->n; i++)
		if (!has_number(told->uids, told->n_uids, h->all[i].uid))
			gone[n++] = h->all[i].uid;
	if (st == ST_OK && n)
		st = copy_server_gone(s->copy, f->id, gone, n);
	s->sync->gone += n;
	free(gone);
	return st;
}

/* Without CONDSTORE every flag is asked for; with it only what changed, and
 * who is there is asked where the numbers do not add up (RFC 4549 4.3.1). */
static enum status pull_flags(struct session *s, struct copy_folder *f, const struct have *h, uint32_t most)
{
	bool since = imap_can(&s->imap, CAN_CONDSTORE) && f->sync.modseq && s->imap.modseq;
	struct gather *g = gather_new(s, f, WHAT_FLAGS);
	enum status st = g ? ST_OK : ST_NOMEM;
	struct buf *out;

	if (st == ST_OK && (!since || s->imap.modseq != f->sync.modseq)) {
		out = imap_begin(&s->imap);
		buf_putf(out, "UID FETCH 1:%u (FLAGS)", most);
		if (since)
			buf_putf(out, " (CHANGEDSINCE %llu)", (unsigned long long)f->sync.modseq);
		st = gather_run(g);
	}
	if (st == ST_OK && since) {
		g->n_uids = 0;
		buf_putf(imap_begin(&s->imap), "UID SEARCH UID 1:%u", most);
		st = gather_run(g);
	}
	if (st == ST_OK)
		st = drop_missing(s, f, g, h);
	if (g)
		gather_free(g);
	return st;
}

/* ---- new letters ---- */

#define HEADER_ITEMS "(UID FLAGS INTERNALDATE RFC822.SIZE%s BODY.PEEK[HEADER])"
#define BODY_ITEMS "(UID FLAGS INTERNALDATE%s BODY.PEEK[])"

static const char *modseq_item(const struct session *s)
{
	return imap_can(&s->imap, CAN_CONDSTORE) ? " MODSEQ" : "";
}

/* The newest ones by their places, so that nothing has to be asked before. */
static enum status pull_first_page(struct session *s, struct copy_folder *f)
{
	uint32_t exists = s->imap.exists, from = exists > FIRST_PAGE ? exists - FIRST_PAGE + 1 : 1;
	struct gather *g = gather_new(s, f, WHAT_HEADER);
	enum status st = g ? ST_OK : ST_NOMEM;

	if (st == ST_OK && exists) {
		g->all = exists;
		buf_putf(imap_begin(&s->imap), "FETCH %u:%u " HEADER_ITEMS, from, exists, modseq_item(s));
		st = gather_run(g);
	}
	if (g)
		gather_free(g);
	return st;
}

/* Pages from the end of a rising list: the newest first. */
static enum status pull_pages(struct session *s, struct copy_folder *f, enum what what, const uint32_t *uids,
			      size_t n)
{
	size_t page = what == WHAT_BODY ? BODIES_PAGE : HEADERS_PAGE;
	struct gather *g = gather_new(s, f, what);
	enum status st = g ? ST_OK : ST_NOMEM;

	if (g)
		g->all = n;
	while (st == ST_OK && n) {
		size_t from = n > page ? n - page : 0;
		struct buf *out = imap_begin(&s->imap);
		struct imap_set_writer w = { .out = out };

		buf_puts(out, "UID FETCH ");
		for (size_t i = from; i < n; i++)
			imap_set_put(&w, uids[i]);
		imap_set_finish(&w);
		buf_putf(out, what == WHAT_BODY ? " " BODY_ITEMS : " " HEADER_ITEMS, modseq_item(s));
		st = gather_run(g);
		n = from;
	}
	if (g)
		gather_free(g);
	return st;
}

/* All headers that are not here, of the uids from `least` on. */
static enum status pull_headers(struct session *s, struct copy_folder *f, uint32_t least)
{
	struct gather *g = gather_new(s, f, WHAT_FLAGS);
	struct have h = { 0 };
	size_t n = 0;
	enum status st = g ? have_read(s, f, &h) : ST_NOMEM;

	if (st == ST_OK) {
		buf_putf(imap_begin(&s->imap), "UID SEARCH UID %u:*", least);
		st = gather_run(g);
	}
	if (st == ST_OK && g->n_uids)
		qsort(g->uids, g->n_uids, sizeof *g->uids, by_number);
	for (size_t i = 0; st == ST_OK && i < g->n_uids; i++)
		/* "n:*" has the last one also where it is below n. */
		if (g->uids[i] >= least && !have_uid(&h, g->uids[i]))
			g->uids[n++] = g->uids[i];
	if (st == ST_OK)
		st = pull_pages(s, f, WHAT_HEADER, g->uids, n);
	if (g)
		gather_free(g);
	arena_free(&h.arena);
	return st;
}

/* A letter that is larger than is taken would end the session each time. */
static bool is_small_enough(struct session *s, int64_t id)
{
	struct arena a = ARENA(MESSAGE_ARENA);
	struct copy_message m;
	bool small = copy_message(s->copy, id, &a, &m) != ST_OK ||
		     m.size + ANSWER_ROOM < (uint64_t)s->sync->place->settings.letter_max;

	arena_free(&a);
	return small;
}

static enum status pull_bodies(struct session *s, struct copy_folder *f)
{
	struct have h;
	enum status st = have_read(s, f, &h);
	uint32_t *uids = st == ST_OK ? calloc(h.n + 1, sizeof *uids) : NULL;
	size_t n = 0;

	if (st == ST_OK && uids == NULL)
		st = ST_NOMEM;
	for (size_t i = 0; st == ST_OK && i < h.n; i++)
		if (!h.all[i].body && is_small_enough(s, h.all[i].id))
			uids[n++] = h.all[i].uid;
	if (st == ST_OK && n)
		st = session_enter(s, f, "", NULL, NULL);
	if (st == ST_OK && n)
		st = pull_pages(s, f, WHAT_BODY, uids, n);
	free(uids);
	arena_free(&h.arena);
	return st;
}

/* ---- a folder ---- */

static bool nothing_new(const struct session *s, const struct copy_folder *f, const struct imap_status *now)
{
	return f->sync.uidnext && now->uidvalidity == f->sync.uidvalidity && now->uidnext == f->sync.uidnext &&
	       imap_can(&s->imap, CAN_QRESYNC) && now->highestmodseq && now->highestmodseq == f->sync.modseq;
}

/* Of those that are here the ones that the server said have gone. */
static enum status drop_vanished(struct session *s, struct copy_folder *f, const struct gather *g)
{
	struct imap_set set = { .r = g->gone, .n = g->n_gone };
	struct have h;
	enum status st = have_read(s, f, &h);
	uint32_t *gone = st == ST_OK ? calloc(h.n + 1, sizeof *gone) : NULL;
	size_t n = 0;

	if (st == ST_OK && gone == NULL)
		st = ST_NOMEM;
	imap_set_settle(&set, UINT32_MAX);
	for (size_t i = 0; st == ST_OK && i < h.n; i++)
		if (imap_set_has(&set, h.all[i].uid))
			gone[n++] = h.all[i].uid;
	if (st == ST_OK && n)
		st = copy_server_gone(s->copy, f->id, gone, n);
	s->sync->gone += n;
	free(gone);
	arena_free(&h.arena);
	return st;
}

/* SELECT, and what comes with it where the server resynchronises. */
static enum status enter(struct session *s, struct copy_folder *f, bool *ret_resynced)
{
	bool resync = s->imap.qresync && f->sync.uidnext && f->sync.modseq;
	struct gather *g = gather_new(s, f, WHAT_FLAGS);
	char how[80] = "";
	enum status st;

	if (g == NULL)
		return ST_NOMEM;
	if (resync)
		snprintf(how, sizeof how, " (QRESYNC (%u %llu))", f->sync.uidvalidity,
			 (unsigned long long)f->sync.modseq);
	else if (imap_can(&s->imap, CAN_CONDSTORE))
		snprintf(how, sizeof how, " (CONDSTORE)");
	s->selected = 0;
	st = session_enter(s, f, how, on_answer, g);
	if (st == ST_OK)
		st = gather_flush(g);
	if (st == ST_OK && g->n_gone)
		st = drop_vanished(s, f, g);
	*ret_resynced = resync && st == ST_OK;
	gather_free(g);
	/* Another UIDVALIDITY: the copy of it is empty, and we are in. */
	return st == ST_CORRUPT ? ST_OK : st;
}

/* What the next sync needs to know, once everything up to here is in. */
static enum status remember(struct session *s, struct copy_folder *f, uint32_t uidnext, uint64_t modseq)
{
	f->sync.uidvalidity = s->imap.uidvalidity;
	f->sync.uidnext = uidnext;
	f->sync.modseq = modseq;
	f->sync.at = clock_wall();
	return copy_folder_sync(s->copy, f->id, &f->sync);
}

static enum status pull_changes(struct session *s, struct copy_folder *f, bool resynced, uint32_t uidnext)
{
	struct have h;
	enum status st = ST_OK;

	if (!resynced && f->sync.uidnext > 1) {
		st = have_read(s, f, &h);
		if (st == ST_OK && h.n)
			st = pull_flags(s, f, &h, f->sync.uidnext - 1);
		arena_free(&h.arena);
	}
	if (st == ST_OK && (uidnext == 0 || uidnext > f->sync.uidnext))
		st = pull_headers(s, f, f->sync.uidnext ? f->sync.uidnext : 1);
	return st;
}

enum status sync_pull(struct session *s, size_t at)
{
	struct copy_folder *f = &s->folders[at];
	uint32_t uidnext;
	uint64_t modseq;
	bool resynced, fresh;
	enum status st;

	if (nothing_new(s, f, &s->status[at]) && !s->sync->headers_only)
		return s->sync->no_bodies ? ST_OK : pull_bodies(s, f);
	st = enter(s, f, &resynced);
	/* Told at SELECT, so what comes later is seen the next time. */
	uidnext = s->imap.uidnext;
	modseq = s->imap.modseq;
	fresh = f->sync.uidnext == 0;
	if (st == ST_OK && fresh)
		st = remember(s, f, 0, 0);
	if (st == ST_OK && ((fresh && f->messages == 0) || s->sync->headers_only))
		st = pull_first_page(s, f);
	if (st != ST_OK || s->sync->headers_only)
		return st;
	st = pull_changes(s, f, resynced, uidnext);
	if (st == ST_OK)
		st = remember(s, f, uidnext, modseq);
	return st == ST_OK && !s->sync->no_bodies ? pull_bodies(s, f) : st;
}

