#include "ms/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- memory ---- */

static void forget_lists(struct store *s)
{
	struct batch *k;

	for (uint32_t i = 0; i < s->n_subscribed; i++)
		free((void *)s->subscribed[i].p);
	free(s->subscribed);
	s->subscribed = NULL;
	s->n_subscribed = 0;
	free(s->delivered);
	s->delivered = NULL;
	s->n_delivered = s->cap_delivered = 0;
	s->floor = 0;
	while ((k = s->removed) != NULL) {
		s->removed = k->next;
		free(k->messages);
		free(k);
	}
	s->removed_end = &s->removed;
	s->removed_loaded = false;
	s->fulltext = s->fulltext_committed = s->fulltext_retry = 0;
	s->fulltext_at = (struct journal_at){ 0 };
	s->purged = 0;
	free(s->deleted_boxes);
	s->deleted_boxes = NULL;
	s->n_deleted_boxes = 0;
}

enum status box_load(struct store *s, struct box *b)
{
	enum status st = b->loaded ? ST_OK : index_load_box(s, b);

	/* While the journal is replayed the caller begins anew. */
	if (st == ST_CORRUPT && !s->replaying) {
		st = rebuild(s);
		if (st == ST_OK && b->m.deleted)
			st = ST_MISSING;
	}
	return st;
}

enum status store_load_all(struct store *s)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < s->n_boxes && st == ST_OK; i++)
		st = box_load(s, s->boxes[i]);
	return st;
}

/* ---- replaying ---- */

static enum status replay_one(void *arg, const struct journal_record *rec)
{
	struct store *s = arg;
	enum status st = apply(s, rec);

	/* A record that says nothing costs what it would have said. */
	if (st == ST_CORRUPT && (rec->type >= CHANGE_TYPES || s->committed == 0)) {
		s->findings.damaged++;
		s->applied = rec->seq;
		st = ST_OK;
	}
	s->findings.replayed += st == ST_OK;
	return st;
}

static enum status replay(struct store *s)
{
	enum status st;

	s->replaying = true;
	st = journal_scan(s->journal, s->applied + 1, replay_one, s);
	s->replaying = false;
	return st;
}

/* What must not go back although the records that said it are lost. */
struct reached {
	uint64_t mailbox, modseq;
	uint32_t uidnext;
};

static enum status raise_one(struct store *s, const struct reached *r)
{
	struct box *b = box_by_id(s, r->mailbox);
	struct buf meta = BUF(64);
	enum status st;

	if (b == NULL || (b->m.uidnext >= r->uidnext && b->m.modseq >= r->modseq))
		return ST_OK;
	change_state_put(&meta, &(struct change_state){ .mailbox = r->mailbox, .modseq = r->modseq,
						      .uidnext = r->uidnext });
	st = change(s, CHANGE_STATE, &meta, NULL, 0);
	buf_free(&meta);
	return st;
}

static void drop_old(struct store *s)
{
	for (uint32_t i = 0; i < s->n_old; i++) {
		struct box *b = s->old[i];

		if (b == NULL)
			continue;
		b->m.deleted = true;
		if (b->m.users == 0)
			box_free(b);
	}
	free(s->old);
	s->old = NULL;
	s->n_old = 0;
}

static enum status remember(struct store *s, struct reached **ret)
{
	struct reached *all = calloc(s->n_boxes ? s->n_boxes : 1, sizeof *all);

	if (all == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < s->n_boxes; i++)
		all[i] = (struct reached){ s->boxes[i]->m.id, s->boxes[i]->m.modseq, s->boxes[i]->m.uidnext };
	*ret = all;
	return ST_OK;
}

/* Empties memory, but keeps the boxes that sessions hold for their return. */
static void set_aside(struct store *s)
{
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct view name = s->boxes[i]->m.name;

		box_forget(s->boxes[i]);
		free((void *)name.p);
		s->boxes[i]->m.name = VIEW_NONE;
	}
	s->old = s->boxes;
	s->n_old = s->n_boxes;
	s->boxes = NULL;
	s->n_boxes = s->cap_boxes = 0;
	forget_lists(s);
	s->removed_loaded = true;	/* all of it comes from the journal */
}

enum status rebuild(struct store *s)
{
	struct reached *had;
	uint32_t n = s->n_boxes;
	uint64_t applied = s->applied;
	enum status st = remember(s, &had);

	if (st != ST_OK)
		return st;
	s->findings.rebuilt = true;
	housekeeping_end(s);	/* its places are about to be read anew */
	set_aside(s);
	if (s->index_fresh && !s->in_txn)
		s->applied = s->staged = s->committed = 0;
	else
		st = index_renew(s);
	if (st == ST_OK)
		st = replay(s);
	drop_old(s);
	journal_raise_seq(s->journal, applied + 1);
	for (uint32_t i = 0; i < n && st == ST_OK; i++)
		st = raise_one(s, &had[i]);
	free(had);
	if (st == ST_OK)
		st = store_flush(s);
	if (st == ST_OK && s->sweep_due)
		st = store_sweep(s);
	return st == ST_OK ? index_commit(s) : st;
}

/* ---- opening ---- */

static const struct {
	struct view name;
	enum special_use use;
} first_boxes[] = {
	{ { "INBOX", 5 }, USE_INBOX }, { { "Drafts", 6 }, USE_DRAFTS }, { { "Sent", 4 }, USE_SENT },
	{ { "Trash", 5 }, USE_TRASH }, { { "Junk", 4 }, USE_JUNK }, { { "Archive", 7 }, USE_ARCHIVE },
};

static enum status make_first_boxes(struct store *s)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < sizeof first_boxes / sizeof *first_boxes && st == ST_OK; i++) {
		st = store_create(s, first_boxes[i].name, first_boxes[i].use);
		if (st == ST_EXISTS)
			st = ST_OK;
		else if (st == ST_OK)
			st = store_subscribe(s, first_boxes[i].name, true);
	}
	/* No letter must outlive the mailbox that it is in. */
	return st == ST_OK ? store_flush(s) : st;
}

/* A segment that compaction wrote again after the index was committed. */
static bool strange_segments(const struct store *s, const struct segment_facts *known, size_t n)
{
	struct segment_facts f;

	for (size_t i = 0; journal_facts(s->journal, i, &f); i++)
		for (size_t k = 0; k < n; k++)
			if (known[k].number == f.number && known[k].generation != f.generation)
				return true;
	return false;
}

static enum status open_parts(struct store *s)
{
	struct segment_facts *facts = NULL;
	size_t n = 0;
	bool anew = false;
	enum status st = index_open(s);

	if (st == ST_OK)
		st = index_facts(s, &facts, &n);
	/* Of another's, spoilt, or not to be read at all. */
	if (st == ST_CORRUPT || st == ST_EXISTS || st == ST_IO || st == ST_DENIED) {
		anew = true;
		st = index_renew(s);
	}
	if (st == ST_OK)
		st = journal_open(s->dir, s->set.segment_size, facts, n, &s->journal, &s->findings.damaged);
	if (st == ST_OK)
		st = index_load(s);
	if (st == ST_CORRUPT && s->journal) {
		anew = true;
		st = ST_OK;
	}
	if (st == ST_OK && !anew)
		anew = strange_segments(s, facts, n) || s->applied >= journal_next_seq(s->journal) ||
		       (s->applied == 0 && journal_next_seq(s->journal) > 1);
	free(facts);
	if (st == ST_OK && !anew) {
		st = replay(s);
		anew = st == ST_CORRUPT;
	}
	if (anew && s->journal && (st == ST_OK || st == ST_CORRUPT))
		st = rebuild(s);
	return st;
}

enum status store_open(const char *folder, const struct store_settings *settings, struct store **ret,
		       struct store_findings *ret_findings)
{
	struct store *s = calloc(1, sizeof *s);
	enum status st;

	if (s == NULL)
		return ST_NOMEM;
	s->removed_end = &s->removed;
	s->set = *settings;
	s->folder = strdup(folder);
	s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st = s->dir < 0 ? status_of_errno(errno) : s->folder ? ST_OK : ST_NOMEM;
	if (st == ST_OK && flock(s->dir, LOCK_EX | LOCK_NB) != 0)
		st = ST_EXISTS;
	if (st == ST_OK)
		st = open_parts(s);
	if (st == ST_OK && box_by_id(s, INBOX_ID) == NULL)
		st = make_first_boxes(s);
	if (st != ST_OK) {
		store_close(s);
		return st;
	}
	*ret = s;
	*ret_findings = s->findings;
	return ST_OK;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	/* What is not in the index is replayed at the next opening. */
	if (s->journal && (s->db || s->index_absent) && !journal_dirty(s->journal) &&
	    (s->committed != s->applied || s->fulltext_committed != s->fulltext))
		(void)!index_commit(s);
	housekeeping_end(s);
	index_close(s);
	journal_close(s->journal);
	forget_lists(s);
	for (uint32_t i = 0; i < s->n_boxes; i++)
		box_free(s->boxes[i]);
	free(s->boxes);
	free(s->folder);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}

/* ---- turns ---- */

static void tell(struct store *s, struct box *b)
{
	b->changed = false;
	for (struct store_watcher *w = s->watchers, *next; w; w = next) {
		next = w->next;
		w->changed(w, b->m.id, b->m.modseq);
	}
}

enum status store_commit(struct store *s)
{
	enum status st = index_commit(s);

	return st == ST_CORRUPT ? rebuild(s) : st;
}

/* Many filters are missing, and nobody has been idle: some of them. */
static enum status turn_fulltext(struct store *s)
{
	bool more;
	enum status st;

	if (s->applied - s->fulltext < FULLTEXT_BEHIND || s->applied < s->fulltext_retry ||
	    journal_dirty(s->journal))
		return ST_OK;
	st = fulltext_step(s, &more);
	if (st == ST_OK)
		return ST_OK;
	s->fulltext_retry = s->applied + COMMIT_RECORDS;
	return st == ST_CORRUPT ? rebuild(s) : st;
}

enum status store_turn(struct store *s)
{
	uint64_t behind = s->applied - s->committed;
	enum status st;

	for (uint32_t i = 0; i < s->n_boxes; i++)
		if (s->boxes[i]->changed)
			tell(s, s->boxes[i]);
	st = turn_fulltext(s);
	if (st != ST_OK || s->applied < s->retry)
		return st;
	if (behind >= BEHIND_MAX && journal_dirty(s->journal)) {
		st = store_flush(s);
		if (st != ST_OK)
			return st;
	}
	if (behind < COMMIT_RECORDS || journal_dirty(s->journal))
		return ST_OK;
	/* A full disk is not asked again at each turn. */
	s->retry = s->applied + COMMIT_RECORDS;
	return store_commit(s);
}


static bool follow(void *arg, struct place *at)
{
	const struct journal_moved *m = arg;

	if (at->segment != m->from || at->offset < m->offset)
		return false;
	at->segment = m->to;
	at->offset = at->offset - m->offset + SEGMENT_HEAD;
	return true;
}

void relocate(struct store *s, bool (*where)(void *arg, struct place *at), void *arg)
{
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct box *b = s->boxes[i];

		for (uint32_t k = 0; k < b->m.n; k++)
			if (where(arg, &b->m.messages[k].at))
				box_mark(b, b->m.messages[k].uid);
	}
	for (struct batch *b = s->removed; b; b = b->next)
		for (uint32_t k = 0; k < b->n; k++)
			if (where(arg, &b->messages[k].at))
				b->dirty = true;
}

enum status store_flush(struct store *s)
{
	struct journal_moved moved;
	enum status st = journal_flush(s->journal);

	/* Only messages that came since the last flush have moved: they are in
	 * memory. */
	if (journal_moved(s->journal, &moved)) {
		relocate(s, follow, &moved);
		s->fulltext_at = (struct journal_at){ 0 };
	}
	return st;
}

void store_watch(struct store *s, struct store_watcher *w)
{
	w->next = s->watchers;
	s->watchers = w;
}

void store_unwatch(struct store *s, struct store_watcher *w)
{
	for (struct store_watcher **at = &s->watchers; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			return;
		}
}

/* ---- the account ---- */

enum status store_usage(struct store *s, struct store_usage *ret)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n_boxes; i++)
		n += s->boxes[i]->count;
	*ret = (struct store_usage){ .bytes = store_bytes(s), .messages = n, .quota = s->set.quota };
	return ST_OK;
}

/* Every record is read and checked, also those that the index vouches for. */
static enum status read_journal_anew(struct store *s)
{
	struct journal *anew;
	uint64_t next = journal_next_seq(s->journal), damaged;
	enum status st = journal_open(s->dir, s->set.segment_size, NULL, 0, &anew, &damaged);

	if (st != ST_OK)
		return st;
	journal_close(s->journal);
	s->journal = anew;
	s->findings.damaged = damaged;
	journal_raise_seq(anew, next);
	return ST_OK;
}

enum status store_rebuild(struct store *s, struct store_findings *ret_findings)
{
	bool more = true;
	enum status st = store_flush(s);

	housekeeping_end(s);
	if (st == ST_OK)
		st = read_journal_anew(s);
	if (st == ST_OK)
		st = rebuild(s);
	while (st == ST_OK && more)
		st = fulltext_step(s, &more);
	if (st == ST_OK)
		st = index_commit(s);
	if (st == ST_OK && ret_findings)
		*ret_findings = s->findings;
	return st;
}
