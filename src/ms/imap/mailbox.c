/* mailbox.c - SELECT, EXAMINE, CLOSE, UNSELECT, CREATE, DELETE, RENAME, SUBSCRIBE. */
#include "ms/imap/internal.h"

/* ---- SELECT and its parameters (RFC 9051 6.3.2, RFC 7162 3.1.8, 3.2.5) ---- */

struct resync {
	bool wanted;
	uint32_t uidvalidity;
	uint64_t modseq;
	struct imap_set known;	/* n == 0: all */
};

/* (uidvalidity modseq [known-uids [(numbers uids)]]).  The last list only
 * saves a server without a record of what vanished; ours has one. */
static void take_resync(struct imap_parse *p, struct resync *r)
{
	r->wanted = true;
	imap_space(p);
	imap_want(p, '(');
	r->uidvalidity = imap_take_nz_number(p);
	imap_space(p);
	r->modseq = imap_take_number64(p);
	if (imap_try(p, ' ') && peek_char(&p->c) != '(') {
		r->known = imap_take_set(p);
		if (!imap_try(p, ' ')) {
			imap_want(p, ')');
			return;
		}
	}
	if (imap_try(p, '(')) {
		(void)imap_take_set(p);
		imap_space(p);
		(void)imap_take_set(p);
		imap_want(p, ')');
	}
	imap_want(p, ')');
}

static void take_parameters(struct imap_session *s, struct imap_parse *p, struct resync *r, bool *ret_condstore)
{
	(void)s;
	imap_want(p, '(');
	do {
		if (imap_try_word(p, VIEW("CONDSTORE")))
			*ret_condstore = true;
		else if (imap_try_word(p, VIEW("QRESYNC")))
			take_resync(p, r);
		else
			imap_fail(p);
	} while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
}

static void put_first_unseen(struct imap_session *s)
{
	const struct mailbox *m = s->sel.m;

	for (uint32_t i = 0; i < m->n; i++)
		if (!(m->messages[i].flags & FLAG_SEEN)) {
			buf_putf(out_of(s), "* OK [UNSEEN %u] the first not seen\r\n", i + 1);
			return;
		}
}

static void put_selected(struct imap_session *s)
{
	const struct mailbox *m = s->sel.m;
	struct buf *b = out_of(s);

	imap_put_flag_lists(s);
	buf_putf(b, "* %u EXISTS\r\n", s->sel.n);
	if (!is_rev2(s)) {
		buf_puts(b, "* 0 RECENT\r\n");
		put_first_unseen(s);
	}
	buf_putf(b, "* OK [UIDVALIDITY %u] uids are valid\r\n", m->uidvalidity);
	buf_putf(b, "* OK [UIDNEXT %u] the next uid\r\n", m->uidnext);
	buf_putf(b, "* OK [HIGHESTMODSEQ %llu] the last change\r\n", (unsigned long long)m->modseq);
	if (s->record.flags & (SESSION_TLS | SESSION_LOOPBACK))	/* RFC 4467 8 */
		buf_puts(b, "* OK [URLMECH INTERNAL] for GENURLAUTH\r\n");
	if (is_rev2(s)) {
		buf_puts(b, "* LIST () \"/\" ");
		imap_put_mailbox(b, m->name, true);
		buf_puts(b, "\r\n");
	}
}

static void put_earlier(struct imap_set_writer *w, uint32_t from, uint32_t to)
{
	if (w->from == 0 && !w->any)
		buf_puts(w->out, "* VANISHED (EARLIER) ");
	imap_set_put_run(w, from, to);
}

/* That far back is not known: every uid that is not there (RFC 7162 3.2.5.1). */
static void put_gaps(const struct mailbox *m, struct imap_set_writer *w)
{
	uint32_t uid = 1;

	for (uint32_t i = 0; i < m->n; i++) {
		if (m->messages[i].uid > uid)
			put_earlier(w, uid, m->messages[i].uid - 1);
		uid = m->messages[i].uid + 1;
	}
	if (uid < m->uidnext)
		put_earlier(w, uid, m->uidnext - 1);
}

void imap_put_vanished(struct imap_session *s, uint64_t since, const struct imap_set *known)
{
	struct imap_set_writer w = { .out = out_of(s) };
	uint32_t *gone = NULL, n = 0;

	if (mailbox_vanished(s->sel.m, since, &s->work, &gone, &n) != ST_OK)
		put_gaps(s->sel.m, &w);
	for (uint32_t i = 0; i < n; i++)
		if (known->n == 0 || imap_set_has(known, gone[i]))
			put_earlier(&w, gone[i], gone[i]);
	if (w.from || w.any) {
		imap_set_finish(&w);
		buf_puts(w.out, "\r\n");
	}
}

static void put_resync(struct imap_session *s, struct resync *r)
{
	const struct mailbox *m = s->sel.m;
	struct flags_writer w = { .m = m };
	uint32_t j = 0;

	if (r->uidvalidity != m->uidvalidity)
		return;
	imap_set_settle(&r->known, m->uidnext - 1);
	imap_put_vanished(s, r->modseq, &r->known);
	for (uint32_t i = 0; i < s->sel.n && !s->conn.broken; i++) {
		uint32_t uid = s->sel.uids[i];

		if (imap_flowed(s))
			j = mailbox_find(m, uid, true);
		while (j < m->n && m->messages[j].uid < uid)
			j++;
		if (j < m->n && m->messages[j].uid == uid && m->messages[j].modseq > r->modseq &&
		    (r->known.n == 0 || imap_set_has(&r->known, uid)))
			imap_put_flags_fetch(s, &w, i + 1, &m->messages[j], true);
	}
}

static enum reply select_mailbox(struct imap_session *s, struct view name, bool read_only)
{
	struct mailbox *m;
	enum status st = mailbox_open(s->host->store, name, &m);

	if (st != ST_OK)
		return imap_reply_of(st);
	st = imap_select(s, m, read_only);
	if (st != ST_OK) {
		mailbox_release(m);
		return imap_reply_of(st);
	}
	/* Nothing is shown that could still be lost. */
	return imap_durable(s);
}

static enum reply do_select(struct imap_session *s, struct imap_parse *p, bool read_only)
{
	struct resync r = { 0 };
	bool condstore = false, had = s->sel.m != NULL;
	struct view name;
	enum reply say;

	imap_space(p);
	name = imap_take_mailbox(p);
	if (imap_try(p, ' '))
		take_parameters(s, p, &r, &condstore);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (r.wanted && !(s->enabled & ENABLED_QRESYNC))
		return SAY_BAD_NOT_ENABLED;
	imap_deselect(s);
	if (had)
		buf_puts(out_of(s), "* OK [CLOSED] the one before\r\n");
	if (condstore)
		s->enabled |= ENABLED_CONDSTORE;
	say = select_mailbox(s, name, read_only);
	if (say != SAY_OK) {
		imap_deselect(s);
		return say;
	}
	put_selected(s);
	if (r.wanted)
		put_resync(s, &r);
	return read_only ? SAY_OK_READ_ONLY : SAY_OK_READ_WRITE;
}

enum reply imap_do_select(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	return do_select(s, p, false);
}

enum reply imap_do_examine(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	return do_select(s, p, true);
}

enum reply imap_do_unselect(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	imap_deselect(s);
	return SAY_OK;
}

/* Removes what is \Deleted, and says nothing of it (RFC 9051 6.4.1). */
enum reply imap_do_close(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct mailbox *m = s->sel.m;
	uint32_t *uids, n = 0;
	enum status st = ST_OK;

	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	uids = arena_array(&s->work, (size_t)s->sel.n + 1, sizeof *uids);
	if (uids == NULL)
		return SAY_NO_MEMORY;
	for (uint32_t i = 0; i < m->n && n < s->sel.n; i++)
		if ((m->messages[i].flags & FLAG_DELETED) && m->messages[i].uid < s->sel.uidnext)
			uids[n++] = m->messages[i].uid;
	if (n && !s->sel.read_only && !m->deleted)
		st = mailbox_expunge(m, uids, n);
	if (st != ST_OK)
		return imap_reply_of(st);
	imap_deselect(s);
	return SAY_OK;
}

/* ---- making and unmaking ---- */

static struct view take_one_name(struct imap_parse *p)
{
	imap_space(p);
	return imap_take_mailbox(p);
}

static const struct {
	const char *name;
	enum special_use use;
} uses[] = {
	{ "Drafts", USE_DRAFTS }, { "Sent", USE_SENT }, { "Trash", USE_TRASH }, { "Junk", USE_JUNK },
	{ "Archive", USE_ARCHIVE }, { "Flagged", USE_FLAGGED }, { "All", USE_ALL },
};

/* (USE (\Sent)), RFC 6154 3.  Others than ours: USE_INBOX, which nobody can have. */
static enum special_use take_use(struct imap_parse *p)
{
	enum special_use use = USE_NONE;

	imap_want(p, '(');
	if (!imap_try_word(p, VIEW("USE")))
		imap_fail(p);
	imap_space(p);
	imap_want(p, '(');
	do {
		struct view v;
		enum special_use one = USE_INBOX;

		imap_want(p, '\\');
		v = imap_take_atom(p);
		for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
			if (view_eq_i(v, view_cstr(uses[i].name)))
				one = uses[i].use;
		use = use == USE_NONE ? one : USE_INBOX;
	} while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
	imap_want(p, ')');
	return use;
}

enum reply imap_do_create(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view name = take_one_name(p);
	enum special_use use = imap_try(p, ' ') ? take_use(p) : USE_NONE;

	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	/* Flagged and All would be views of other mailboxes. */
	if (use == USE_INBOX || use == USE_FLAGGED || use == USE_ALL)
		return SAY_NO_SPECIAL_USE;
	/* "name/" says that children will follow (RFC 9051 6.3.4). */
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	return imap_reply_of(store_create(s->host->store, name, use));
}

enum reply imap_do_delete(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view name = take_one_name(p);
	enum status st;

	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	st = store_delete(s->host->store, name);
	return st == ST_DENIED && !view_eq(name, VIEW("INBOX")) ? SAY_HAS_CHILDREN : imap_reply_of(st);
}

enum reply imap_do_rename(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view from = take_one_name(p), to = take_one_name(p);

	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	return imap_reply_of(store_rename(s->host->store, from, to));
}

enum reply imap_do_subscribe(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view name = take_one_name(p);

	(void)uid;
	return imap_end(p) ? imap_reply_of(store_subscribe(s->host->store, name, true)) : SAY_BAD_SYNTAX;
}

enum reply imap_do_unsubscribe(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view name = take_one_name(p);

	(void)uid;
	return imap_end(p) ? imap_reply_of(store_subscribe(s->host->store, name, false)) : SAY_BAD_SYNTAX;
}
