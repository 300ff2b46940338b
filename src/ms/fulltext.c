/* fulltext.c - what a search need not read: a filter for each letter
 * (msg/grams.h), behind everything else.
 *
 * Filters are made from the journal, in its order, when the room has nothing
 * else to do, or in small steps when many are missing; never before somebody
 * is answered.  They are rows of the index like others: committed with it, made
 * anew with it.  A letter without one is searched; so one that is missing,
 * late or damaged costs time and no hit.  Like what is rendered they belong to
 * a body, which never changes, so copies share them.
 */
#include "ms/internal.h"

#include "msg/search.h"

#include <stdlib.h>

/* Of the journal in one step; a letter that is longer has no filter. */
enum { STEP_BYTES = 512 * 1024, LETTER_MOST = 8 * 1024 * 1024 };

struct making {
	struct store *s;
	struct grams grams;
	struct buf filter;
};

static enum status make_filter(void *arg, const struct journal_record *rec)
{
	struct making *m = arg;
	enum status st = ST_LIMIT;

	if (rec->type == CHANGE_MESSAGE && rec->body.n <= LETTER_MOST) {
		grams_clear(&m->grams);
		st = search_grams(rec->body, &m->grams);
	}
	if (st == ST_NOMEM)
		return st;
	/* Where not all of its text was seen none is better than a false one. */
	if (st == ST_OK) {
		buf_clear(&m->filter);
		grams_filter(&m->grams, &m->filter);
		st = buf_status(&m->filter);
		if (st == ST_OK)
			st = index_put_filter(m->s, rec->seq, buf_view(&m->filter));
		if (st != ST_OK)
			return st;
	}
	m->s->fulltext = rec->seq;
	return ST_OK;
}

enum status fulltext_step(struct store *s, bool *ret_more)
{
	struct making *m;
	bool end = true;
	enum status st;

	*ret_more = false;
	if (s->fulltext >= s->applied)
		return ST_OK;
	m = malloc(sizeof *m);
	if (m == NULL)
		return ST_NOMEM;
	m->s = s;
	m->filter = BUF(GRAM_HASH / 8 + 64);
	st = index_begin(s);
	if (st == ST_OK)
		st = journal_step(s->journal, &s->fulltext_at, s->fulltext + 1, STEP_BYTES, make_filter, m, &end);
	/* Records without letters at the end, and places that are spoilt. */
	if (st == ST_OK && end)
		s->fulltext = s->applied;
	buf_free(&m->filter);
	free(m);
	if (st != ST_OK)
		index_roll_back(s);
	*ret_more = st == ST_OK && !end;
	return st;
}

/* ---- searching ---- */

struct sifting {
	const struct message *messages;
	uint64_t upto;
	const struct gram_keys *keys;
	bool *out;
};

static void sift(void *arg, uint32_t i, struct view filter)
{
	struct sifting *f = arg;

	f->out[i] = f->messages[i].body <= f->upto && !grams_may_hold(filter, f->keys);
}

enum status mailbox_candidates(struct mailbox *m, struct view folded, struct arena *a, uint32_t **ret_uids,
			       uint32_t *ret_n)
{
	struct store *s = m->store;
	struct gram_keys keys;
	struct sifting f = { m->messages, s->fulltext, &keys, NULL };
	uint32_t *uids, n = 0;
	enum status st;

	gram_keys_of(folded, &keys);
	if (keys.n == 0 || s->fulltext == 0)
		return ST_MISSING;
	f.out = arena_array(a, (size_t)m->n + 1, sizeof *f.out);
	uids = arena_array(a, (size_t)m->n + 1, sizeof *uids);
	if (f.out == NULL || uids == NULL)
		return ST_NOMEM;
	memset(f.out, 0, ((size_t)m->n + 1) * sizeof *f.out);
	st = index_filters(s, m->messages, m->n, sift, &f);
	if (st != ST_OK)
		return st == ST_NOMEM ? st : ST_MISSING;
	for (uint32_t i = 0; i < m->n; i++)
		if (!f.out[i])
			uids[n++] = m->messages[i].uid;
	*ret_uids = uids;
	*ret_n = n;
	return ST_OK;
}
