#include "ms/internal.h"

#include <stdlib.h>

static void count(struct box *b, const struct message *m, bool in)
{
	uint32_t unseen = !(m->flags & FLAG_SEEN), deleted = (m->flags & FLAG_DELETED) != 0;

	b->count += in ? 1 : -1u;
	b->size += in ? m->size : -(uint64_t)m->size;
	b->unseen += in ? unseen : -unseen;
	b->deleted += in ? deleted : -deleted;
	if (deleted)
		b->deleted_size += in ? m->size : -(uint64_t)m->size;
}

static void put_message(struct box *b, const struct message *m)
{
	/* Reserved by the caller; a uid that is not above all others is one that
	 * a damaged journal brings twice. */
	if (b->m.n == 0 || m->uid > b->m.messages[b->m.n - 1].uid) {
		b->m.messages[b->m.n++] = *m;
		count(b, m, true);
		box_mark(b, m->uid);
	}
	if (m->uid >= b->m.uidnext)
		b->m.uidnext = m->uid + 1;
}

static void touch(struct box *b, uint64_t modseq)
{
	b->changed = b->row_dirty = true;
	if (modseq > b->m.modseq)
		b->m.modseq = modseq;
}

/* ---- names ---- */

static enum status apply_create(struct store *s, const struct journal_record *rec)
{
	struct change_create c;
	struct box *b;
	enum status st;

	if (!change_create_take(rec->meta, &c))
		return ST_CORRUPT;
	if (box_by_id(s, c.mailbox) || box_by_name(s, c.name))
		return ST_OK;
	st = box_new(s, c.mailbox, c.name, &b);
	if (st != ST_OK)
		return st;
	b->m.use = (enum special_use)c.use;
	b->m.uidvalidity = c.uidvalidity;
	b->m.uidnext = 1;
	b->loaded = true;
	touch(b, rec->seq);
	if (c.mailbox > s->last_mailbox)
		s->last_mailbox = c.mailbox;
	if (c.uidvalidity > s->last_uidvalidity)
		s->last_uidvalidity = c.uidvalidity;
	return ST_OK;
}

/* The mailbox of a record.  One whose create record was spoilt gets a name
 * under which its messages can be found again. */
static enum status want_box(struct store *s, uint64_t id, struct box **ret)
{
	struct box *b = box_by_id(s, id);
	char name[64];
	enum status st = ST_OK;

	if (b == NULL) {
		struct buf text = { .p = name, .cap = sizeof name, .max = sizeof name };

		buf_puts(&text, id == INBOX_ID ? "INBOX" : "Recovered-");
		if (id != INBOX_ID)
			buf_putu(&text, id);
		st = box_new(s, id, buf_view(&text), &b);
		if (st != ST_OK)
			return st;
		b->m.uidvalidity = ++s->last_uidvalidity;
		b->m.uidnext = 1;
		b->m.use = id == INBOX_ID ? USE_INBOX : USE_NONE;
		b->loaded = true;
		b->row_dirty = true;
		if (id > s->last_mailbox)
			s->last_mailbox = id;
	}
	if (!b->loaded)
		st = box_load(s, b);
	if (st == ST_OK)
		*ret = b;
	return st;
}

static bool below(struct view name, struct view top)
{
	return name.n > top.n && name.p[top.n] == '/' && view_eq(view_head(name, top.n), top);
}

static int by_name(const void *a, const void *b)
{
	return view_order((*(struct box *const *)a)->m.name, (*(struct box *const *)b)->m.name);
}

static enum status apply_rename(struct store *s, const struct journal_record *rec)
{
	struct change_rename c;

	if (!change_rename_take(rec->meta, &c))
		return ST_CORRUPT;
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct box *b = s->boxes[i];
		struct buf name = BUF(2 * MAILBOX_NAME_MAX);
		struct view old = b->m.name, fresh;
		enum status st;

		if (!view_eq(old, c.from) && !below(old, c.from))
			continue;
		buf_put(&name, c.to);
		buf_put(&name, view_skip(old, c.from.n));
		st = buf_status(&name) == ST_OK ? view_own(buf_view(&name), &fresh) : buf_status(&name);
		buf_free(&name);
		if (st != ST_OK)
			return st;
		free((void *)old.p);
		b->m.name = fresh;
		touch(b, b->m.modseq);
	}
	if (s->n_boxes)
		qsort(s->boxes, s->n_boxes, sizeof *s->boxes, by_name);
	return ST_OK;
}

static enum status apply_subscribe(struct store *s, const struct journal_record *rec)
{
	struct change_subscribe c;
	struct box *b;
	uint32_t i = 0;

	if (!change_subscribe_take(rec->meta, &c))
		return ST_CORRUPT;
	while (i < s->n_subscribed && view_order(s->subscribed[i], c.name) < 0)
		i++;
	if (i < s->n_subscribed && view_eq(s->subscribed[i], c.name)) {
		if (!c.on) {
			free((void *)s->subscribed[i].p);
			s->n_subscribed--;
			memmove(s->subscribed + i, s->subscribed + i + 1,
				(s->n_subscribed - i) * sizeof *s->subscribed);
		}
	} else if (c.on) {
		struct view own;
		struct view *more = realloc(s->subscribed, (s->n_subscribed + 1) * sizeof *more);

		if (more == NULL)
			return ST_NOMEM;
		s->subscribed = more;
		if (view_own(c.name, &own) != ST_OK)
			return ST_NOMEM;
		memmove(more + i + 1, more + i, (s->n_subscribed - i) * sizeof *more);
		more[i] = own;
		s->n_subscribed++;
	}
	s->subscribed_dirty = true;
	b = box_by_name(s, c.name);
	if (b)
		b->m.subscribed = c.on;
	return ST_OK;
}

static enum status apply_keyword(struct store *s, const struct journal_record *rec)
{
	struct change_keyword c;
	struct box *b;
	struct view own;
	enum status st;

	if (!change_keyword_take(rec->meta, &c) || c.bit >= KEYWORDS_MAX)
		return ST_CORRUPT;
	st = want_box(s, c.mailbox, &b);
	if (st == ST_OK && c.bit < b->m.n_keywords)
		return ST_OK;
	/* Where a record between was spoilt, its bit keeps a name that says so. */
	while (st == ST_OK && b->m.n_keywords <= c.bit) {
		st = view_own(b->m.n_keywords == c.bit ? c.name : VIEW("$Lost"), &own);
		if (st == ST_OK)
			b->m.keywords[b->m.n_keywords++] = own;
	}
	if (st == ST_OK)
		touch(b, b->m.modseq);
	return st;
}

/* ---- messages in ---- */

static enum status reserve_delivered(struct store *s)
{
	uint32_t cap = s->cap_delivered ? s->cap_delivered * 2 : 64;
	struct delivered *more;

	if (s->n_delivered < s->cap_delivered)
		return ST_OK;
	more = realloc(s->delivered, cap * sizeof *more);
	if (more == NULL)
		return ST_NOMEM;
	s->delivered = more;
	s->cap_delivered = cap;
	return ST_OK;
}

static void raise_floor(struct store *s, uint64_t floor)
{
	uint32_t i;

	if (floor <= s->floor)
		return;
	s->delivered_dirty = true;
	s->floor = floor;
	if (s->n_delivered == 0)
		return;
	i = delivered_place(s, floor, 0);
	s->n_delivered -= i;
	memmove(s->delivered, s->delivered + i, s->n_delivered * sizeof *s->delivered);
}

/* Reserved by the caller. */
static void note_delivered(struct store *s, const struct change_message *c)
{
	uint32_t i;

	s->delivered_dirty = true;
	raise_floor(s, c->floor);
	if (c->queue_id < s->floor)
		return;
	i = delivered_place(s, c->queue_id, c->recipient);
	memmove(s->delivered + i + 1, s->delivered + i, (s->n_delivered - i) * sizeof *s->delivered);
	s->delivered[i] = (struct delivered){ c->queue_id, c->recipient, c->uid };
	s->n_delivered++;
}

static enum status apply_message(struct store *s, const struct journal_record *rec)
{
	struct change_message c;
	struct box *b;
	struct message m;
	enum status st;

	if (!change_message_take(rec->meta, &c))
		return ST_CORRUPT;
	st = want_box(s, c.mailbox, &b);
	if (st == ST_OK)
		st = box_reserve(b, 1);
	if (st == ST_OK)
		st = reserve_delivered(s);
	if (st != ST_OK)
		return st;
	m = (struct message){
		.uid = c.uid, .size = rec->at.body_n, .modseq = c.modseq ? c.modseq : rec->seq,
		.flags = c.flags, .date = c.date, .body = rec->seq, .at = rec->at,
	};
	put_message(b, &m);
	touch(b, m.modseq);
	if (c.queue_id)
		note_delivered(s, &c);
	return ST_OK;
}

/* ---- messages out ---- */

static enum status reserve_gone(struct box *b, size_t more)
{
	size_t want = b->n_gone + more;
	struct gone *grown;

	if (want > GONE_MAX + more)
		want = GONE_MAX + more;
	if (want <= b->cap_gone)
		return ST_OK;
	grown = realloc(b->gone, 2 * want * sizeof *grown);
	if (grown == NULL)
		return ST_NOMEM;
	b->gone = grown;
	b->cap_gone = (uint32_t)(2 * want);
	return ST_OK;
}

static void note_gone(struct box *b, uint32_t first, uint32_t last, uint64_t modseq)
{
	struct gone *end = b->n_gone ? &b->gone[b->n_gone - 1] : NULL;

	b->gone_dirty = true;
	if (end && end->modseq == modseq && first <= end->last + 1 && first >= end->first) {
		end->last = last > end->last ? last : end->last;
		return;
	}
	b->gone[b->n_gone++] = (struct gone){ first, last, modseq };
	if (b->n_gone > GONE_MAX) {
		uint32_t drop = GONE_MAX / 4;

		b->gone_floor = b->gone[drop - 1].modseq;
		b->n_gone -= drop;
		memmove(b->gone, b->gone + drop, b->n_gone * sizeof *b->gone);
	}
}

/* Takes out messages [i, k); keep gets them where it is given. */
static void cut(struct box *b, uint32_t i, uint32_t k, struct batch *keep)
{
	for (uint32_t x = i; x < k; x++) {
		count(b, &b->m.messages[x], false);
		box_mark(b, b->m.messages[x].uid);
		if (keep)
			keep->messages[keep->n++] = b->m.messages[x];
	}
}

static struct batch *new_batch(uint64_t seq, uint64_t mailbox, wall_ms time, uint32_t n)
{
	struct batch *k = calloc(1, sizeof *k);

	if (k == NULL)
		return NULL;
	*k = (struct batch){ .seq = seq, .mailbox = mailbox, .time = time, .dirty = true };
	k->messages = calloc(n ? n : 1, sizeof *k->messages);
	if (k->messages == NULL) {
		free(k);
		return NULL;
	}
	return k;
}

static void add_batch(struct store *s, struct batch *k)
{
	struct message *fit = realloc(k->messages, (k->n ? k->n : 1) * sizeof *fit);

	if (fit)
		k->messages = fit;
	*s->removed_end = k;
	s->removed_end = &k->next;
}

/* Removes all that the ranges name, in one pass over the messages. */
static void cut_ranges(struct box *b, struct view ranges, uint64_t modseq, struct batch *keep)
{
	struct cursor c = cursor_over(ranges);
	struct uid_range r;
	uint32_t to = UINT32_MAX, from = 0;

	while (range_take(&c, &r)) {
		uint32_t i = mailbox_find(&b->m, r.first, true), k = i;

		if (i < from)
			continue;	/* not in order: a damaged record */
		while (k < b->m.n && b->m.messages[k].uid <= r.last)
			k++;
		note_gone(b, r.first, r.last, modseq);
		cut(b, i, k, keep);
		if (to == UINT32_MAX)
			to = i;
		else if (i > from) {
			memmove(b->m.messages + to, b->m.messages + from, (i - from) * sizeof *b->m.messages);
			to += i - from;
		}
		from = k;
		/* What lies between stays where it is until the next range or the
		 * end, so that uids can still be found. */
	}
	if (to == UINT32_MAX || b->m.n == 0)
		return;
	memmove(b->m.messages + to, b->m.messages + from, (b->m.n - from) * sizeof *b->m.messages);
	b->m.n = to + b->m.n - from;
	b->m.expunges++;
}

static enum status apply_expunge(struct store *s, const struct journal_record *rec)
{
	struct change_expunge c;
	struct batch *keep;
	struct box *b;
	enum status st;

	if (!change_expunge_take(rec->meta, &c))
		return ST_CORRUPT;
	st = want_box(s, c.mailbox, &b);
	if (st == ST_OK)
		st = reserve_gone(b, c.ranges.n / RANGE_SIZE);
	if (st != ST_OK)
		return st;
	keep = new_batch(rec->seq, c.mailbox, c.time, b->m.n);
	if (keep == NULL)
		return ST_NOMEM;
	cut_ranges(b, c.ranges, rec->seq, keep);
	add_batch(s, keep);
	touch(b, rec->seq);
	return ST_OK;
}

static enum status apply_delete(struct store *s, const struct journal_record *rec)
{
	struct change_delete c;
	struct batch *keep;
	struct box *b;
	uint64_t *more;
	enum status st;

	if (!change_delete_take(rec->meta, &c))
		return ST_CORRUPT;
	b = box_by_id(s, c.mailbox);
	st = b && !b->loaded ? box_load(s, b) : ST_OK;
	if (b == NULL || st != ST_OK)
		return st;
	more = realloc(s->deleted_boxes, (s->n_deleted_boxes + 1) * sizeof *more);
	if (more)
		s->deleted_boxes = more;
	keep = more ? new_batch(rec->seq, c.mailbox, c.time, b->m.n) : NULL;
	if (keep == NULL)
		return ST_NOMEM;
	more[s->n_deleted_boxes++] = c.mailbox;
	cut(b, 0, b->m.n, keep);
	add_batch(s, keep);
	box_take_out(s, b);
	b->m.n = 0;
	b->m.deleted = true;
	b->m.expunges++;
	touch(b, rec->seq);
	if (b->m.users == 0)
		box_free(b);
	return ST_OK;
}

/* ---- flags ---- */

static uint64_t flags_after(uint64_t was, uint8_t op, uint64_t flags)
{
	return op == FLAGS_ADD ? was | flags : op == FLAGS_REMOVE ? was & ~flags : flags;
}

static enum status apply_flags(struct store *s, const struct journal_record *rec)
{
	struct change_flags c;
	struct cursor at;
	struct uid_range r;
	struct box *b;
	enum status st;

	if (!change_flags_take(rec->meta, &c))
		return ST_CORRUPT;
	st = want_box(s, c.mailbox, &b);
	if (st == ST_OK)
		st = box_reserve(b, 0);
	if (st != ST_OK)
		return st;
	at = cursor_over(c.ranges);
	while (range_take(&at, &r))
		for (uint32_t i = mailbox_find(&b->m, r.first, true);
		     i < b->m.n && b->m.messages[i].uid <= r.last; i++) {
			struct message *m = &b->m.messages[i];

			if (m->modseq >= rec->seq)
				continue;	/* written again later, with this change in it */
			count(b, m, false);
			m->flags = flags_after(m->flags, c.op, c.flags);
			m->modseq = rec->seq;
			count(b, m, true);
			box_mark(b, m->uid);
		}
	touch(b, rec->seq);
	return ST_OK;
}

/* ---- copies ---- */

static void copy_items(struct box *from, struct box *to, const struct change_copy *c, uint64_t seq)
{
	struct cursor at = cursor_over(c->items);
	struct copy_item item;
	uint32_t uid = c->first;

	for (; item_take(&at, &item); uid++) {
		uint32_t i = mailbox_find(&from->m, item.uid, false);
		struct message m;

		if (i == from->m.n)
			continue;
		m = from->m.messages[i];
		m.uid = uid;
		m.flags = item.flags;
		m.modseq = seq;
		put_message(to, &m);
	}
	if (uid > to->m.uidnext)
		to->m.uidnext = uid;
}

static void leave_items(struct view items, struct buf *ranges)
{
	struct cursor at = cursor_over(items);
	struct copy_item item;

	while (item_take(&at, &item))
		range_put(ranges, item.uid, item.uid);
}

static enum status apply_copy(struct store *s, const struct journal_record *rec)
{
	struct buf ranges = BUF(CHANGE_MAX);
	struct change_copy c;
	struct box *from, *to;
	uint32_t n;
	enum status st;

	if (!change_copy_take(rec->meta, &c))
		return ST_CORRUPT;
	n = (uint32_t)(c.items.n / COPY_ITEM_SIZE);
	st = want_box(s, c.from, &from);
	if (st == ST_OK)
		st = want_box(s, c.to, &to);
	if (st == ST_OK)
		st = box_reserve(to, n);
	if (st == ST_OK && c.move) {
		leave_items(c.items, &ranges);
		st = buf_status(&ranges);
		if (st == ST_OK)
			st = reserve_gone(from, n);
	}
	if (st == ST_OK) {
		copy_items(from, to, &c, rec->seq);
		touch(to, rec->seq);
		if (c.move) {
			cut_ranges(from, buf_view(&ranges), rec->seq, NULL);
			touch(from, rec->seq);
		}
	}
	buf_free(&ranges);
	return st;
}

/* ---- removed for a while, brought back, gone for good ---- */

/* Takes one message out of what was removed; *hint is where the last was. */
static bool unremove(struct store *s, const struct return_item *r, struct batch **hint, struct message *ret)
{
	struct batch *k = *hint ? *hint : s->removed;

	for (int round = 0; round < 2; round++, k = s->removed)
		for (; k; k = k->next) {
			if (k->mailbox != r->mailbox)
				continue;
			for (uint32_t i = 0; i < k->n; i++) {
				if (k->messages[i].uid != r->uid)
					continue;
				*ret = k->messages[i];
				k->n--;
				memmove(k->messages + i, k->messages + i + 1,
					(k->n - i) * sizeof *k->messages);
				k->dirty = true;
				*hint = k;
				return true;
			}
		}
	return false;
}

static enum status apply_undelete(struct store *s, const struct journal_record *rec)
{
	struct change_undelete c;
	struct return_item r;
	struct cursor at;
	struct batch *hint = NULL;
	struct box *to;
	uint32_t uid;
	enum status st;

	if (!change_undelete_take(rec->meta, &c))
		return ST_CORRUPT;
	st = want_box(s, c.to, &to);
	if (st == ST_OK)
		st = box_reserve(to, (uint32_t)(c.returns.n / RETURN_SIZE));
	if (st == ST_OK)
		st = index_load_removed(s);
	if (st != ST_OK)
		return st;
	at = cursor_over(c.returns);
	for (uid = c.first; return_take(&at, &r); uid++) {
		struct message m;

		if (!unremove(s, &r, &hint, &m))
			continue;
		m.uid = uid;
		m.flags = r.flags;
		m.modseq = rec->seq;
		put_message(to, &m);
	}
	if (uid > to->m.uidnext)
		to->m.uidnext = uid;
	touch(to, rec->seq);
	return ST_OK;
}

static enum status apply_purge(struct store *s, const struct journal_record *rec)
{
	struct change_purge c;
	struct batch **at = &s->removed;
	enum status st;

	if (!change_purge_take(rec->meta, &c))
		return ST_CORRUPT;
	st = index_load_removed(s);
	if (st != ST_OK)
		return st;
	while (*at) {
		struct batch *k = *at;

		if (k->time > c.time) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		free(k->messages);
		free(k);
	}
	s->removed_end = at;
	if (c.time > s->purged)
		s->purged = c.time;
	s->purged_dirty = s->sweep_due = true;
	return ST_OK;
}

static enum status apply_state(struct store *s, const struct journal_record *rec)
{
	struct change_state c;
	struct box *b;

	if (!change_state_take(rec->meta, &c))
		return ST_CORRUPT;
	if (c.modseq < SEQ_MAX)
		journal_raise_seq(s->journal, c.modseq + 1);
	raise_floor(s, c.floor);
	b = box_by_id(s, c.mailbox);
	if (b == NULL)
		return ST_OK;
	if (c.uidnext > b->m.uidnext)
		b->m.uidnext = c.uidnext;
	touch(b, c.modseq);
	return ST_OK;
}

/* ---- all ---- */

static enum status (*const appliers[CHANGE_TYPES])(struct store *s, const struct journal_record *rec) = {
	[CHANGE_MESSAGE] = apply_message,
	[CHANGE_FLAGS] = apply_flags,
	[CHANGE_EXPUNGE] = apply_expunge,
	[CHANGE_COPY] = apply_copy,
	[CHANGE_CREATE] = apply_create,
	[CHANGE_RENAME] = apply_rename,
	[CHANGE_DELETE] = apply_delete,
	[CHANGE_SUBSCRIBE] = apply_subscribe,
	[CHANGE_KEYWORD] = apply_keyword,
	[CHANGE_STATE] = apply_state,
	[CHANGE_PURGE] = apply_purge,
	[CHANGE_UNDELETE] = apply_undelete,
};

enum status apply(struct store *s, const struct journal_record *rec)
{
	enum status st = ST_CORRUPT;

	if (rec->type < CHANGE_TYPES && appliers[rec->type])
		st = appliers[rec->type](s, rec);
	if (st == ST_OK)
		s->applied = rec->seq;
	return st;
}

enum status change(struct store *s, enum change_type type, struct buf *meta, const struct view *body,
		   size_t n_parts)
{
	struct journal_record rec = { .type = (uint8_t)type };
	enum status st = buf_status(meta);

	if (st != ST_OK)
		return st;
	rec.meta = buf_view(meta);
	st = journal_append(s->journal, rec.type, rec.meta, body, n_parts, &rec.at);
	if (st != ST_OK)
		return st;
	rec.seq = journal_next_seq(s->journal) - 1;
	st = apply(s, &rec);
	if (st != ST_OK)
		journal_undo(s->journal, &rec.at);
	return st;
}

uint64_t store_bytes(const struct store *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n_boxes; i++)
		n += s->boxes[i]->size;
	return n;
}
