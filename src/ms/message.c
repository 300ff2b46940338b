#include "ms/internal.h"

#include <stdlib.h>

/* ---- messages in ---- */

static bool fits_quota(const struct store *s, uint64_t more)
{
	return s->set.quota <= 0 || store_bytes(s) + more <= (uint64_t)s->set.quota;
}

static enum status add(struct store *s, const struct change_message *c, const struct view *body, size_t n)
{
	struct buf meta = BUF(256);
	enum status st;

	change_message_put(&meta, c);
	st = change(s, CHANGE_MESSAGE, &meta, body, n);
	buf_free(&meta);
	return st;
}

enum status store_deliver(struct store *s, const struct delivery *d, uint32_t *ret_uid)
{
	const struct view body[2] = { d->head, d->letter };
	struct delivered *before = d->queue_id ? delivered_find(s, d->queue_id, d->recipient) : NULL;
	struct mailbox *m;
	struct change_message c;
	enum status st;

	if (before) {
		*ret_uid = before->uid;
		return ST_OK;
	}
	if (!fits_quota(s, d->head.n + d->letter.n))
		return ST_NOSPACE;
	st = d->mailbox.n ? mailbox_open(s, d->mailbox, &m) : ST_MISSING;
	if (st == ST_MISSING)
		st = mailbox_open(s, VIEW("INBOX"), &m);
	if (st != ST_OK)
		return st;
	c = (struct change_message){
		.mailbox = m->id, .uid = m->uidnext, .flags = d->flags & FLAG_SYSTEM, .queue_id = d->queue_id,
		.recipient = d->recipient, .floor = d->floor, .date = d->date,
	};
	st = c.uid == UINT32_MAX ? ST_LIMIT : add(s, &c, body, 2);
	mailbox_release(m);
	if (st == ST_OK)
		*ret_uid = c.uid;
	return st;
}

enum status mailbox_append(struct mailbox *m, uint64_t flags, wall_ms date, struct view letter,
			   uint32_t *ret_uid)
{
	struct change_message c = { .mailbox = m->id, .uid = m->uidnext, .flags = flags, .date = date };
	enum status st;

	if (m->deleted)
		return ST_MISSING;
	if (c.uid == UINT32_MAX)
		return ST_LIMIT;
	if (!fits_quota(m->store, letter.n))
		return ST_NOSPACE;
	st = add(m->store, &c, &letter, 1);
	if (st == ST_OK)
		*ret_uid = c.uid;
	return st;
}

/* ---- choosing messages ---- */

uint32_t mailbox_find(const struct mailbox *m, uint32_t uid, bool next)
{
	uint32_t lo = 0, hi = m->n;

	/* Where nothing was ever removed uid 1 is at 0. */
	if (uid && uid <= m->n && m->messages[uid - 1].uid == uid)
		return uid - 1;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->messages[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && (next || m->messages[lo].uid == uid) ? lo : m->n;
}

/* Writes ranges; messages that follow each other are one, and with `exact` only
 * where their uids do so too. */
struct ranges {
	const struct mailbox *m;
	struct buf out;
	uint32_t first, last;	/* indices + 1; 0: none is open */
	bool exact;
};

static void ranges_end(struct ranges *r)
{
	if (r->last)
		range_put(&r->out, r->m->messages[r->first - 1].uid, r->m->messages[r->last - 1].uid);
	r->first = r->last = 0;
}

static void ranges_add(struct ranges *r, uint32_t index)
{
	const struct message *all = r->m->messages;

	if (r->last != index || r->last == 0 || (r->exact && all[index].uid != all[index - 1].uid + 1)) {
		ranges_end(r);
		r->first = index + 1;
	}
	r->last = index + 1;
}

/* The next of the uids that is there, its index; m->n at the end. */
static uint32_t next_of(const struct mailbox *m, const uint32_t *uids, uint32_t n, uint32_t *at, uint32_t hint)
{
	while (*at < n) {
		uint32_t uid = uids[(*at)++];
		uint32_t i = hint < m->n && m->messages[hint].uid == uid ? hint : mailbox_find(m, uid, false);

		if (i < m->n)
			return i;
	}
	return m->n;
}

/* ---- flags ---- */

static bool flags_change(uint64_t was, enum flag_op op, uint64_t flags)
{
	return op == FLAGS_ADD ? (flags & ~was) != 0 : op == FLAGS_REMOVE ? (flags & was) != 0 : flags != was;
}

enum status mailbox_flags(struct mailbox *m, const uint32_t *uids, uint32_t n, enum flag_op op, uint64_t flags,
			  uint64_t unchanged_since, struct arena *a, uint32_t **ret_failed,
			  uint32_t *ret_n_failed)
{
	struct ranges r = { .m = m, .out = BUF(CHANGE_MAX) };
	struct buf meta = BUF(CHANGE_MAX);
	uint32_t *failed = NULL, n_failed = 0, at = 0;
	enum status st = m->deleted ? ST_MISSING : ST_OK;

	if (st == ST_OK && unchanged_since != UINT64_MAX) {
		failed = arena_array(a, n ? n : 1, sizeof *failed);
		st = arena_status(a);
	}
	for (uint32_t i = 0; st == ST_OK && (i = next_of(m, uids, n, &at, i)) < m->n; i++) {
		if (failed && m->messages[i].modseq > unchanged_since)
			failed[n_failed++] = m->messages[i].uid;
		else if (flags_change(m->messages[i].flags, op, flags))
			ranges_add(&r, i);
	}
	ranges_end(&r);
	if (st == ST_OK)
		st = buf_status(&r.out);
	if (st == ST_OK && r.out.n) {
		change_flags_put(&meta, &(struct change_flags){ m->id, flags, (uint8_t)op, buf_view(&r.out) });
		st = change(m->store, CHANGE_FLAGS, &meta, NULL, 0);
	}
	buf_free(&r.out);
	buf_free(&meta);
	if (st != ST_OK)
		return st;
	if (ret_failed)
		*ret_failed = failed;
	if (ret_n_failed)
		*ret_n_failed = n_failed;
	return ST_OK;
}

/* ---- removing ---- */

static void ranges_of(struct ranges *r, const uint32_t *uids, uint32_t n, bool exact)
{
	uint32_t at = 0;

	buf_clear(&r->out);
	r->exact = exact;
	for (uint32_t i = 0; (i = next_of(r->m, uids, n, &at, i)) < r->m->n; i++)
		ranges_add(r, i);
	ranges_end(r);
}

enum status mailbox_expunge(struct mailbox *m, const uint32_t *uids, uint32_t n)
{
	struct ranges r = { .m = m, .out = BUF(CHANGE_MAX) };
	struct buf meta = BUF(CHANGE_MAX);
	enum status st;

	if (m->deleted)
		return ST_MISSING;
	/* A uid that had left before must not leave again: a parked session would
	 * count it.  Very many ranges would push others out of `gone`. */
	ranges_of(&r, uids, n, true);
	if (r.out.n / RANGE_SIZE > GONE_MAX / 8)
		ranges_of(&r, uids, n, false);
	st = buf_status(&r.out);
	if (st == ST_OK && r.out.n) {
		change_expunge_put(&meta, &(struct change_expunge){ m->id, clock_wall(), buf_view(&r.out) });
		st = change(m->store, CHANGE_EXPUNGE, &meta, NULL, 0);
	}
	buf_free(&r.out);
	buf_free(&meta);
	return st;
}

/* ---- copying ---- */

/* The bit in `to` of each keyword that is in `wanted` of `from`; one for
 * which there is no room is left behind. */
static enum status map_keywords(struct mailbox *from, uint64_t wanted, struct mailbox *to,
				uint64_t map[KEYWORDS_MAX])
{
	for (uint32_t k = 0; k < from->n_keywords; k++) {
		enum status st;

		map[k] = 0;
		if (!(wanted >> (KEYWORD_BIT + k) & 1))
			continue;
		st = mailbox_keyword(to, from->keywords[k], true, &map[k]);
		if (st != ST_OK && st != ST_LIMIT && st != ST_SYNTAX)
			return st;
	}
	return ST_OK;
}

static uint64_t mapped(uint64_t flags, const uint64_t map[KEYWORDS_MAX], uint32_t n)
{
	uint64_t out = flags & FLAG_SYSTEM;

	for (uint32_t k = 0; k < n && flags >> KEYWORD_BIT; k++)
		if (flags >> (KEYWORD_BIT + k) & 1)
			out |= map[k];
	return out;
}

static enum status transfer(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to,
			    bool move, struct arena *a, uint32_t **ret_uids)
{
	struct buf items = BUF(CHANGE_MAX), meta = BUF(CHANGE_MAX);
	uint64_t map[KEYWORDS_MAX], wanted = 0, bytes = 0;
	uint32_t *fresh = arena_array(a, n ? n : 1, sizeof *fresh), next = to->uidnext;
	enum status st = arena_status(a);

	if (st == ST_OK && (from->deleted || to->deleted))
		st = ST_MISSING;
	for (uint32_t k = 0, i; k < n && st == ST_OK; k++)
		if ((i = mailbox_find(from, uids[k], false)) < from->n) {
			wanted |= from->messages[i].flags;
			bytes += from->messages[i].size;
		}
	if (st == ST_OK && !move && !fits_quota(from->store, bytes))
		st = ST_NOSPACE;
	if (st == ST_OK && (uint64_t)next + n >= UINT32_MAX)
		st = ST_LIMIT;
	if (st == ST_OK)
		st = map_keywords(from, wanted, to, map);
	for (uint32_t k = 0, i; k < n && st == ST_OK; k++)
		if ((i = mailbox_find(from, uids[k], false)) < from->n) {
			fresh[k] = next++;
			item_put(&items, uids[k], mapped(from->messages[i].flags, map, from->n_keywords));
		}
	if (st == ST_OK)
		st = buf_status(&items);
	if (st == ST_OK && items.n) {
		change_copy_put(&meta, &(struct change_copy){ from->id, to->id, to->uidnext, move,
							      clock_wall(), buf_view(&items) });
		st = change(from->store, CHANGE_COPY, &meta, NULL, 0);
	}
	buf_free(&items);
	buf_free(&meta);
	if (st == ST_OK)
		*ret_uids = fresh;
	return st;
}

enum status mailbox_copy(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to,
			 struct arena *a, uint32_t **ret_uids)
{
	return transfer(from, uids, n, to, false, a, ret_uids);
}

enum status mailbox_move(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to,
			 struct arena *a, uint32_t **ret_uids)
{
	return transfer(from, uids, n, to, true, a, ret_uids);
}

/* ---- messages out ---- */

enum status message_body(struct mailbox *m, const struct message *msg, struct view *ret_body)
{
	return journal_body(m->store->journal, &msg->at, ret_body);
}

enum status mailbox_rendered(struct mailbox *m, uint32_t from, uint32_t to, rendered_visit *visit, void *arg)
{
	uint32_t i = mailbox_find(m, from, true), k = i;

	if (i < m->n)
		k = to == UINT32_MAX ? m->n : mailbox_find(m, to + 1, true);
	return k > i ? index_rendered(m->store, m->messages + i, k - i, visit, arg) : ST_OK;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

enum status mailbox_vanished(struct mailbox *m, uint64_t since, struct arena *a, uint32_t **ret_uids,
			     uint32_t *ret_n)
{
	struct box *b = box_of(m);
	uint32_t *uids, n = 0, kept = 0;
	size_t total = 0;

	if (since < b->gone_floor)
		return ST_MISSING;
	for (uint32_t i = 0; i < b->n_gone; i++)
		if (b->gone[i].modseq > since)
			total += (size_t)(b->gone[i].last - b->gone[i].first) + 1;
	uids = arena_array(a, total ? total : 1, sizeof *uids);
	if (uids == NULL)
		return arena_status(a);
	for (uint32_t i = 0; i < b->n_gone; i++)
		for (uint64_t u = b->gone[i].first; u <= b->gone[i].last && b->gone[i].modseq > since; u++)
			uids[n++] = (uint32_t)u;
	qsort(uids, n, sizeof *uids, by_uid);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || uids[kept - 1] != uids[i])
			uids[kept++] = uids[i];
	*ret_uids = uids;
	*ret_n = kept;
	return ST_OK;
}

/* ---- brought back ---- */

static enum status list_returns(struct store *s, wall_ms since, struct buf *out, uint32_t *ret_n)
{
	uint32_t n = 0;
	enum status st = index_load_removed(s);

	for (struct batch *k = s->removed; k && st == ST_OK; k = k->next)
		for (uint32_t i = 0; i < k->n && k->time >= since; i++, n++)
			return_put(out, &(struct return_item){ k->mailbox,
							       k->messages[i].flags & FLAG_SYSTEM &
								       ~(uint64_t)FLAG_DELETED,
							       k->messages[i].uid });
	*ret_n = n;
	return st == ST_OK ? buf_status(out) : st;
}

enum status store_undelete(struct store *s, wall_ms since, struct view mailbox, uint32_t *ret_n)
{
	struct buf returns = BUF(CHANGE_MAX), meta = BUF(CHANGE_MAX);
	struct mailbox *to;
	uint32_t n = 0;
	enum status st = mailbox_open(s, mailbox, &to);

	if (st != ST_OK)
		return st;
	st = list_returns(s, since, &returns, &n);
	if (st == ST_OK && (uint64_t)to->uidnext + n >= UINT32_MAX)
		st = ST_LIMIT;
	if (st == ST_OK && n) {
		change_undelete_put(&meta, &(struct change_undelete){ to->id, to->uidnext, buf_view(&returns) });
		st = change(s, CHANGE_UNDELETE, &meta, NULL, 0);
	}
	mailbox_release(to);
	buf_free(&returns);
	buf_free(&meta);
	if (st == ST_OK)
		*ret_n = n;
	return st;
}
