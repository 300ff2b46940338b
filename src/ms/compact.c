/* compact.c - what may wait: the index, letters that are gone for good, and
 * segments of which most is dead. */
#include "ms/internal.h"

#include "base/map.h"
#include "ms/segment.h"

#include <stdlib.h>

enum { LOOK_EVERY = 60 * 1000 };

/* ---- which bodies are needed ---- */

struct live {
	uint64_t body;
	uint32_t segment;
	uint64_t offset, span;
};

static int by_body(const void *a, const void *b)
{
	const struct live *x = a, *y = b;

	return x->body < y->body ? -1 : x->body > y->body;
}

static struct live live_of(const struct message *m)
{
	return (struct live){ m->body, m->at.segment, m->at.offset, record_span(m->at.meta_n, m->at.body_n) };
}

/* Every body that a mailbox or the removed messages need, once, sorted. */
static enum status list_live(struct store *s, struct live **ret, size_t *ret_n)
{
	enum status st = store_load_all(s);
	size_t n = 0, kept = 0;
	struct live *all;

	if (st == ST_OK)
		st = index_load_removed(s);
	if (st != ST_OK)
		return st;
	for (uint32_t i = 0; i < s->n_boxes; i++)
		n += s->boxes[i]->m.n;
	for (struct batch *k = s->removed; k; k = k->next)
		n += k->n;
	all = calloc(n ? n : 1, sizeof *all);
	if (all == NULL)
		return ST_NOMEM;
	n = 0;
	for (uint32_t i = 0; i < s->n_boxes; i++)
		for (uint32_t k = 0; k < s->boxes[i]->m.n; k++)
			all[n++] = live_of(&s->boxes[i]->m.messages[k]);
	for (struct batch *k = s->removed; k; k = k->next)
		for (uint32_t i = 0; i < k->n; i++)
			all[n++] = live_of(&k->messages[i]);
	qsort(all, n, sizeof *all, by_body);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || all[kept - 1].body != all[i].body)
			all[kept++] = all[i];
	*ret = all;
	*ret_n = kept;
	return ST_OK;
}

static enum status keep_letters(struct store *s, const struct live *live, size_t n)
{
	uint64_t *bodies = calloc(n ? n : 1, sizeof *bodies);
	enum status st;

	if (bodies == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < n; i++)
		bodies[i] = live[i].body;
	st = index_keep_letters(s, bodies, n);
	free(bodies);
	return st;
}

enum status store_sweep(struct store *s)
{
	struct live *live;
	size_t n;
	enum status st = list_live(s, &live, &n);

	if (st != ST_OK)
		return st;
	st = keep_letters(s, live, n);
	free(live);
	if (st == ST_OK)
		s->sweep_due = false;
	return st;
}

/* ---- purging ---- */

/* Messages whose time to be brought back is over.  ret: something was. */
static enum status purge(struct store *s, bool *ret)
{
	wall_ms due = clock_wall() - (wall_ms)s->set.undelete_ms;
	struct buf meta = BUF(64);
	bool any = false;
	enum status st = index_load_removed(s);

	for (struct batch *k = s->removed; k && st == ST_OK; k = k->next)
		any |= k->time <= due;
	*ret = any;
	if (st != ST_OK || !any)
		return st;
	change_purge_put(&meta, &(struct change_purge){ due });
	st = change(s, CHANGE_PURGE, &meta, NULL, 0);
	buf_free(&meta);
	return st;
}

/* ---- compaction ---- */

struct compacting {
	struct store *s;
	struct compaction *c;
	uint32_t number;
	uint64_t last_seq;	/* of the segment: that record always stays */
	uint64_t live_bytes;
	struct map live;	/* offset of a record that is needed -> itself */
	struct map carried;	/* mailbox and uid whose record bears its flags of now */
	struct map stated;	/* mailbox for which a state record stands */
	struct buf scratch;
	enum status st;
};

static uint64_t key_of(uint64_t mailbox, uint32_t uid)
{
	return mailbox << 32 | uid;
}

static void remember(struct compacting *w, struct map *m, uint64_t key)
{
	if (w->st == ST_OK)
		w->st = map_set(m, key, w);
}

/* In place of the first record that is left out of each mailbox: its state of
 * now, which is at least what any record said. */
static bool state_instead(struct compacting *w, uint64_t mailbox, struct sifted *how)
{
	struct box *b = box_by_id(w->s, mailbox);

	if (b == NULL || map_get(&w->stated, mailbox))
		return false;
	remember(w, &w->stated, mailbox);
	how->type = CHANGE_STATE;
	how->drop_body = true;
	change_state_put(how->meta, &(struct change_state){ .mailbox = mailbox, .modseq = b->m.modseq,
							    .uidnext = b->m.uidnext, .floor = w->s->floor });
	return true;
}

static bool sift_message(struct compacting *w, const struct journal_record *rec, struct sifted *how)
{
	struct change_message c;
	struct box *b;
	uint32_t i;

	if (!change_message_take(rec->meta, &c))
		return false;
	if (!map_get(&w->live, rec->at.offset)) {
		if (c.queue_id && c.queue_id >= w->s->floor)
			return true;	/* it may be handed over again */
		return state_instead(w, c.mailbox, how);
	}
	b = box_by_id(w->s, c.mailbox);
	i = b ? mailbox_find(&b->m, c.uid, false) : 0;
	if (b == NULL || i == b->m.n || b->m.messages[i].body != rec->seq)
		return true;	/* only a copy, or a removed one, needs it */
	c.flags = b->m.messages[i].flags;
	c.modseq = b->m.messages[i].modseq;
	change_message_put(how->meta, &c);
	remember(w, &w->carried, key_of(c.mailbox, c.uid));
	return true;
}

static bool removed_in(const struct store *s, uint64_t mailbox, const struct uid_range *r)
{
	for (const struct batch *k = s->removed; k; k = k->next)
		for (uint32_t i = 0; i < k->n && k->mailbox == mailbox; i++)
			if (k->messages[i].uid >= r->first && k->messages[i].uid <= r->last)
				return true;
	return false;
}

/* Needed as long as it speaks of a message whose own record does not bear
 * these flags yet. */
static bool sift_flags(struct compacting *w, const struct journal_record *rec, struct sifted *how)
{
	struct change_flags c;
	struct cursor at;
	struct uid_range r;
	struct box *b;

	if (!change_flags_take(rec->meta, &c))
		return false;
	b = box_by_id(w->s, c.mailbox);
	at = cursor_over(c.ranges);
	while (range_take(&at, &r)) {
		if (removed_in(w->s, c.mailbox, &r))
			return true;
		for (uint32_t i = b ? mailbox_find(&b->m, r.first, true) : 0;
		     b && i < b->m.n && b->m.messages[i].uid <= r.last; i++)
			if (!map_get(&w->carried, key_of(c.mailbox, b->m.messages[i].uid)))
				return true;
	}
	return state_instead(w, c.mailbox, how);
}

static bool sift(void *arg, const struct journal_record *rec, struct sifted *how)
{
	struct compacting *w = arg;

	if (rec->seq == w->last_seq)
		return true;
	if (rec->type == CHANGE_MESSAGE)
		return sift_message(w, rec, how);
	if (rec->type == CHANGE_FLAGS)
		return sift_flags(w, rec, how);
	return true;
}

void housekeeping_end(struct store *s)
{
	struct compacting *w = s->compacting;

	if (w == NULL)
		return;
	s->compacting = NULL;
	compaction_free(w->c);
	map_free(&w->live);
	map_free(&w->carried);
	map_free(&w->stated);
	free(w);
}

static enum status start(struct store *s, const struct segment_facts *f, const struct live *live, size_t n)
{
	struct compacting *w = calloc(1, sizeof *w);

	if (w == NULL)
		return ST_NOMEM;
	*w = (struct compacting){ .s = s, .number = f->number, .last_seq = f->last_seq };
	s->compacting = w;
	for (size_t i = 0; i < n; i++)
		if (live[i].segment == f->number) {
			remember(w, &w->live, live[i].offset);
			w->live_bytes += live[i].span;
		}
	if (w->st == ST_OK)
		w->st = compaction_begin(s->journal, f->number, sift, w, &w->c);
	if (w->st != ST_OK) {
		enum status st = w->st;

		housekeeping_end(s);
		return st;
	}
	return ST_OK;
}

static bool worth_it(const struct store *s, const struct segment_facts *f, uint64_t live)
{
	uint64_t size = journal_size(s->journal, f->number);
	uint64_t least = s->set.segment_size / 4 < COMPACT_LEAST ? s->set.segment_size / 4 : COMPACT_LEAST;

	return size >= least && live < size / 2 && live < f->live;
}

/* Looks for a segment of which most is dead; ret: one is begun. */
static enum status choose(struct store *s, bool *ret)
{
	struct segment_facts f;
	struct live *live = NULL;
	size_t n = 0;
	enum status st = list_live(s, &live, &n);

	for (size_t i = 0; st == ST_OK && !*ret && journal_facts(s->journal, i, &f); i++) {
		uint64_t bytes = 0;

		for (size_t k = 0; k < n; k++)
			bytes += live[k].segment == f.number ? live[k].span : 0;
		if (!worth_it(s, &f, bytes))
			continue;
		if (f.number == journal_current(s->journal))
			st = journal_roll(s->journal);
		if (st == ST_OK && journal_facts(s->journal, i, &f))
			st = start(s, &f, live, n);
		*ret = st == ST_OK;
	}
	if (st != ST_NOMEM && st != ST_OK && !*ret)
		st = ST_OK;	/* not now */
	free(live);
	return st;
}

static bool follow(void *arg, struct place *at)
{
	return compaction_place(arg, at);
}

static enum status finish(struct store *s)
{
	struct compacting *w = s->compacting;
	enum status st = store_flush(s);

	if (st == ST_OK)
		st = compaction_finish(w->c);
	if (st == ST_OK) {
		journal_set_live(s->journal, w->number, w->live_bytes);
		relocate(s, follow, w->c);
		s->fulltext_at = (struct journal_at){ 0 };
	}
	housekeeping_end(s);
	/* An index that is not written now names the old generation, and is made
	 * anew at the next opening. */
	return st == ST_OK ? store_commit(s) : st;
}

static enum status step(struct store *s)
{
	struct compacting *w = s->compacting;
	bool done = false;
	enum status st = compaction_step(w->c, COMPACT_STEP, &done);

	if (st == ST_OK)
		st = w->st;
	if (st == ST_OK)
		return done ? finish(s) : ST_OK;
	s->choose_due = false;	/* not the same at once again */
	housekeeping_end(s);
	return st;
}

/* ---- one step of what may wait ---- */

static enum status look(struct store *s, bool *ret_more)
{
	bool purged = false, begun = false;
	enum status st = purge(s, &purged);

	if (st == ST_OK && s->sweep_due) {
		st = store_flush(s);
		if (st == ST_OK)
			st = store_sweep(s);
		if (st == ST_OK)
			st = store_commit(s);
		s->choose_due = st == ST_OK;
	}
	if (st == ST_OK && s->choose_due) {
		st = choose(s, &begun);
		s->choose_due = begun;
	}
	*ret_more = begun;
	return st;
}

/* What the index lacks: filters some at a time, then all else. */
static void catch_up(struct store *s)
{
	bool more = false;
	enum status st = fulltext_step(s, &more);

	if (st == ST_OK && more)
		return;
	s->retry = s->applied + COMMIT_RECORDS;
	if (store_commit(s) == ST_OK && st == ST_OK)
		s->retry = 0;
}

bool store_housekeeping(struct store *s)
{
	bool more = false;

	if (s->compacting)
		return step(s) == ST_OK;
	if (!journal_dirty(s->journal) && s->applied >= s->retry &&
	    (s->committed != s->applied || s->fulltext != s->applied)) {
		catch_up(s);
		return true;
	}
	if (clock_steady() < s->next_look)
		return false;
	s->next_look = clock_steady() + LOOK_EVERY;
	if (look(s, &more) == ST_OK && more)
		s->next_look = 0;	/* when that is done, look for another */
	return more;
}
