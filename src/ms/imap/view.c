/* view.c - the selected mailbox as the client knows it.
 *
 * Message numbers belong to a session: another may have removed a message
 * that this client still counts.  So each session keeps the uids it has told
 * its client of, and imap_sync brings both together where the RFC lets it. */
#include "ms/imap/internal.h"

#include <stdlib.h>

/* ---- flags ---- */

static const struct {
	uint64_t bit;
	const char *name;
} system_flags[] = {
	{ FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" }, { FLAG_DELETED, "\\Deleted" },
	{ FLAG_SEEN, "\\Seen" }, { FLAG_DRAFT, "\\Draft" },
};
enum { N_SYSTEM = sizeof system_flags / sizeof *system_flags };

static void put_flag_names(const struct mailbox *m, struct buf *b, uint64_t flags)
{
	const char *gap = "";

	for (int i = 0; i < N_SYSTEM; i++)
		if (flags & system_flags[i].bit) {
			buf_puts(b, gap);
			buf_puts(b, system_flags[i].name);
			gap = " ";
		}
	for (uint32_t k = 0; k < m->n_keywords; k++)
		if (flags >> (KEYWORD_BIT + k) & 1) {
			buf_puts(b, gap);
			buf_put(b, m->keywords[k]);
			gap = " ";
		}
}

void imap_put_flags(struct flags_writer *w, struct buf *b, uint64_t flags)
{
	size_t from = b->n;

	if (w->made && flags == w->flags) {
		buf_put(b, view_make(w->text, w->n));
		return;
	}
	put_flag_names(w->m, b, flags);
	w->n = b->n - from;
	w->made = buf_status(b) == ST_OK && w->n <= sizeof w->text;
	w->flags = flags;
	if (w->made && w->n)
		memcpy(w->text, b->p + from, w->n);
}

void imap_put_flags_fetch(struct imap_session *s, struct flags_writer *w, uint32_t number,
			  const struct message *msg, bool flags)
{
	struct buf *b = out_of(s);

	buf_put(b, VIEW("* "));
	buf_putu(b, number);
	buf_put(b, VIEW(" FETCH (UID "));
	buf_putu(b, msg->uid);
	if (flags) {
		buf_put(b, VIEW(" FLAGS ("));
		imap_put_flags(w, b, msg->flags);
		buf_putc(b, ')');
	}
	if (s->enabled & ENABLED_CONDSTORE) {
		buf_put(b, VIEW(" MODSEQ ("));
		buf_putu(b, msg->modseq);
		buf_putc(b, ')');
	}
	buf_put(b, VIEW(")\r\n"));
}

void imap_put_flag_lists(struct imap_session *s)
{
	const struct mailbox *m = s->sel.m;
	uint64_t all = FLAG_SYSTEM;
	struct buf *b = out_of(s);

	for (uint32_t k = 0; k < m->n_keywords; k++)
		all |= (uint64_t)1 << (KEYWORD_BIT + k);
	buf_puts(b, "* FLAGS (");
	put_flag_names(m, b, all);
	buf_puts(b, ")\r\n* OK [PERMANENTFLAGS (");
	if (!s->sel.read_only) {
		put_flag_names(m, b, all);
		buf_puts(b, m->n_keywords < KEYWORDS_MAX ? " \\*" : "");
	}
	buf_puts(b, ")] what can be kept\r\n");
	s->sel.n_keywords = m->n_keywords;
}

enum status imap_flag_bits(struct mailbox *m, const struct imap_flags *f, bool make, uint64_t *ret)
{
	static const uint64_t bits[] = { FLAG_SEEN, FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED, FLAG_DRAFT };
	uint64_t flags = 0;

	for (int i = 0; i < 5; i++)
		if (f->system >> i & 1)
			flags |= bits[i];
	for (uint32_t i = 0; i < f->keywords.n; i++) {
		uint64_t bit = 0;
		enum status st = mailbox_keyword(m, f->keywords.v[i], make, &bit);

		if (st == ST_MISSING && !make)
			continue;
		if (st != ST_OK)
			return st;
		flags |= bit;
	}
	*ret = flags;
	return ST_OK;
}

/* ---- the numbers ---- */

/* The number, from 0, of the first uid that is not below this one. */
static uint32_t lower(const struct selected *sel, uint32_t uid)
{
	uint32_t low = 0, high = sel->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (sel->uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t imap_number_of(const struct imap_session *s, uint32_t uid)
{
	const struct selected *sel = &s->sel;
	uint32_t at = lower(sel, uid);

	return at < sel->n && sel->uids[at] == uid ? at + 1 : 0;
}

static enum status add_uid(struct selected *sel, uint32_t uid)
{
	if (sel->n == sel->cap) {
		uint32_t cap = sel->cap ? 2 * sel->cap : 64;
		uint32_t *p = realloc(sel->uids, (size_t)cap * sizeof *p);

		if (p == NULL)
			return ST_NOMEM;
		sel->uids = p;
		sel->cap = cap;
	}
	sel->uids[sel->n++] = uid;
	return ST_OK;
}

static enum status add_new(struct selected *sel)
{
	const struct mailbox *m = sel->m;

	for (uint32_t i = mailbox_find(m, sel->uidnext, true); i < m->n; i++) {
		enum status st = add_uid(sel, m->messages[i].uid);

		if (st != ST_OK)
			return st;
		sel->uidnext = m->messages[i].uid + 1;
	}
	if (sel->uidnext < m->uidnext)
		sel->uidnext = m->uidnext;
	return ST_OK;
}

enum status imap_select(struct imap_session *s, struct mailbox *m, bool read_only)
{
	struct selected sel = { .m = m, .read_only = read_only, .uidnext = 1 };
	enum status st;

	if (m->n) {
		sel.uids = malloc((size_t)m->n * sizeof *sel.uids);
		if (sel.uids == NULL)
			return ST_NOMEM;
		sel.cap = m->n;
	}
	st = add_new(&sel);
	if (st != ST_OK) {
		free(sel.uids);
		return st;
	}
	sel.flags_modseq = sel.view_modseq = m->modseq;
	sel.expunges = m->expunges;
	s->sel = sel;
	return ST_OK;
}

void imap_deselect(struct imap_session *s)
{
	if (s->sel.m)
		mailbox_release(s->sel.m);
	free(s->sel.uids);
	s->sel = (struct selected){ 0 };
	free(s->saved);
	s->saved = NULL;
	s->n_saved = 0;
}

/* "$" holds no messages that are gone (RFC 9051 6.4.4.1). */
static void forget_saved(struct imap_session *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_saved; i++)
		if (imap_number_of(s, s->saved[i]))
			s->saved[n++] = s->saved[i];
	s->n_saved = n;
}

/* Takes those that are gone out of uids, and says so. */
static void tell_expunges(struct imap_session *s)
{
	struct selected *sel = &s->sel;
	const struct mailbox *m = sel->m;
	bool vanished = s->enabled & ENABLED_QRESYNC;
	struct buf *b = out_of(s);
	struct imap_set_writer w = { .out = b };
	uint32_t kept = 0, j = 0;

	uint64_t expunges = m->expunges;

	for (uint32_t i = 0; i < sel->n; i++) {
		uint32_t uid = sel->uids[i];

		if (imap_flowed(s))
			j = mailbox_find(m, uid, true);
		while (j < m->n && m->messages[j].uid < uid)
			j++;
		if (j < m->n && m->messages[j].uid == uid) {
			sel->uids[kept++] = uid;
			continue;
		}
		if (!vanished) {
			buf_puts(b, "* ");
			buf_putu(b, kept + 1);
			buf_puts(b, " EXPUNGE\r\n");
			continue;
		}
		if (!w.any && w.from == 0)
			buf_puts(b, "* VANISHED ");
		imap_set_put(&w, uid);
	}
	if (w.from || w.any) {
		imap_set_finish(&w);
		buf_puts(b, "\r\n");
	}
	sel->n = kept;
	sel->expunges = expunges;
	forget_saved(s);
}

static void tell_flags(struct imap_session *s)
{
	struct selected *sel = &s->sel;
	const struct mailbox *m = sel->m;
	struct flags_writer w = { .m = m };
	uint32_t i = 0;

	if (m->n_keywords != sel->n_keywords)
		imap_put_flag_lists(s);
	for (uint32_t j = 0; j < m->n && i < sel->n; j++) {
		const struct message *msg = &m->messages[j];
		uint32_t uid = msg->uid;

		if (imap_flowed(s)) {
			j = mailbox_find(m, uid, true);
			if (j == m->n)
				break;
			msg = &m->messages[j];
		}
		if (msg->modseq <= sel->flags_modseq)
			continue;
		while (i < sel->n && sel->uids[i] < msg->uid)
			i++;
		if (i < sel->n && sel->uids[i] == msg->uid)
			imap_put_flags_fetch(s, &w, i + 1, msg, true);
	}
}

static bool tell_new(struct imap_session *s)
{
	uint32_t had = s->sel.n;

	if (add_new(&s->sel) != ST_OK)
		return false;
	if (s->sel.n != had)
		buf_putf(out_of(s), "* %u EXISTS\r\n", s->sel.n);
	return true;
}

void imap_sync(struct imap_session *s, bool numbers)
{
	struct selected *sel = &s->sel;
	struct mailbox *m = sel->m;
	uint64_t upto;

	if (m == NULL)
		return;
	if (m->deleted) {
		s->bye = "the mailbox was deleted";
		return;
	}
	if (m->modseq == sel->flags_modseq && m->uidnext == sel->uidnext &&
	    (m->expunges == sel->expunges || !numbers))
		return;
	/* Nothing is shown that could still be lost. */
	if (imap_durable(s) != SAY_OK) {
		s->bye = "trouble with the disk";
		return;
	}
	/* Others may run while output is sent: what they change is told the
	 * next time. */
	upto = m->modseq;
	if (numbers && m->expunges != sel->expunges)
		tell_expunges(s);
	tell_flags(s);
	if (!tell_new(s)) {
		s->bye = "no memory left";
		return;
	}
	sel->flags_modseq = upto;
	if (sel->expunges == m->expunges)
		sel->view_modseq = upto;
}

void imap_sync_all(struct imap_session *s, bool numbers)
{
	do
		imap_sync(s, numbers);
	while (s->bye == NULL && !s->conn.broken && s->sel.m->modseq != s->sel.flags_modseq);
}

void imap_flags_told(struct imap_session *s)
{
	s->sel.flags_modseq = s->sel.m->modseq;
	if (s->sel.expunges == s->sel.m->expunges && s->sel.uidnext == s->sel.m->uidnext)
		s->sel.view_modseq = s->sel.m->modseq;
}

/* ---- which messages a set names ---- */

static enum reply pick_saved(struct imap_session *s, uint32_t **ret_uids, uint32_t *ret_n)
{
	uint32_t *uids = arena_array(&s->work, (size_t)s->n_saved + 1, sizeof *uids);

	if (uids == NULL)
		return SAY_NO_MEMORY;
	if (s->n_saved)
		memcpy(uids, s->saved, s->n_saved * sizeof *uids);
	*ret_uids = uids;
	*ret_n = s->n_saved;
	return SAY_OK;
}

/* First and one past the last index of a range. */
static void span(const struct selected *sel, struct imap_range r, bool uid, uint32_t *from, uint32_t *to)
{
	if (!uid) {
		*from = r.from - 1;
		*to = r.to;
		return;
	}
	*from = lower(sel, r.from);
	*to = r.to == UINT32_MAX ? sel->n : lower(sel, r.to + 1);
}

enum reply imap_pick(struct imap_session *s, struct imap_set *set, bool uid, uint32_t **ret_uids,
		     uint32_t *ret_n)
{
	const struct selected *sel = &s->sel;
	size_t n = 0;
	uint32_t *uids, from, to;

	if (set->saved)
		return pick_saved(s, ret_uids, ret_n);
	imap_set_settle(set, !uid ? sel->n : sel->n ? sel->uids[sel->n - 1] : 0);
	if (!uid && set->n && (set->r[set->n - 1].to > sel->n || set->r[0].from == 0))
		return SAY_BAD_NUMBER;
	for (uint32_t i = 0; i < set->n; i++) {
		span(sel, set->r[i], uid, &from, &to);
		n += to - from;
	}
	uids = arena_array(&s->work, n + 1, sizeof *uids);
	if (uids == NULL)
		return SAY_NO_MEMORY;
	n = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		span(sel, set->r[i], uid, &from, &to);
		if (to > from)
			memcpy(uids + n, sel->uids + from, (to - from) * sizeof *uids);
		n += to - from;
	}
	*ret_uids = uids;
	*ret_n = (uint32_t)n;
	return SAY_OK;
}
