/* store.c - STORE, EXPUNGE, COPY, MOVE (RFC 9051 6.4.3, 6.4.6-6.4.8; RFC 7162 3.1.3). */
#include "ms/imap/internal.h"

/* ---- STORE ---- */

struct store_arguments {
	struct imap_set set;
	uint64_t unchanged_since;
	enum flag_op op;
	bool silent;
	struct imap_flags flags;
};

static const struct {
	const char *word;
	enum flag_op op;
	bool silent;
} operations[] = {
	{ "FLAGS.SILENT", FLAGS_REPLACE, true }, { "FLAGS", FLAGS_REPLACE, false },
	{ "+FLAGS.SILENT", FLAGS_ADD, true }, { "+FLAGS", FLAGS_ADD, false },
	{ "-FLAGS.SILENT", FLAGS_REMOVE, true }, { "-FLAGS", FLAGS_REMOVE, false },
};

static void take_operation(struct imap_parse *p, struct store_arguments *a)
{
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
		if (imap_try_word(p, view_cstr(operations[i].word))) {
			a->op = operations[i].op;
			a->silent = operations[i].silent;
			return;
		}
	imap_fail(p);
}

static struct store_arguments take_arguments(struct imap_session *s, struct imap_parse *p)
{
	struct store_arguments a = { .unchanged_since = UINT64_MAX };

	imap_space(p);
	a.set = imap_take_set(p);
	imap_space(p);
	if (imap_try(p, '(')) {
		if (!imap_try_word(p, VIEW("UNCHANGEDSINCE")))
			imap_fail(p);
		imap_space(p);
		a.unchanged_since = imap_take_number64(p);
		imap_want(p, ')');
		imap_space(p);
		if (imap_ok(p))
			s->enabled |= ENABLED_CONDSTORE;
	}
	take_operation(p, &a);
	imap_space(p);
	a.flags = imap_take_flags(p, true);
	return a;
}

/* The replies of the command itself, for those of uids that are still there.
 * They bear the new mod-sequence also when silent (RFC 7162 3.1.3). */
static void tell_stored(struct imap_session *s, const uint32_t *uids, uint32_t n, bool silent)
{
	struct flags_writer w = { .m = s->sel.m };
	const struct mailbox *m = s->sel.m;
	uint32_t i = 0, j = n ? mailbox_find(m, uids[0], true) : 0;

	if (silent && !(s->enabled & ENABLED_CONDSTORE))
		return;
	for (uint32_t k = 0; k < n && !s->conn.broken; k++) {
		if (imap_flowed(s))
			j = mailbox_find(m, uids[k], true);
		while (j < m->n && m->messages[j].uid < uids[k])
			j++;
		while (i < s->sel.n && s->sel.uids[i] < uids[k])
			i++;
		if (j == m->n || i == s->sel.n)
			return;
		if (m->messages[j].uid == uids[k] && s->sel.uids[i] == uids[k])
			imap_put_flags_fetch(s, &w, i + 1, &m->messages[j], !silent);
	}
}

/* Of uids those that are not in failed, which both are sorted. */
static uint32_t without(uint32_t *uids, uint32_t n, const uint32_t *failed, uint32_t n_failed)
{
	uint32_t kept = 0, f = 0;

	for (uint32_t k = 0; k < n; k++) {
		while (f < n_failed && failed[f] < uids[k])
			f++;
		if (f == n_failed || failed[f] != uids[k])
			uids[kept++] = uids[k];
	}
	return kept;
}

static void put_modified(struct imap_session *s, const uint32_t *failed, uint32_t n, bool uid)
{
	struct imap_set_writer w = { .out = &s->code };

	buf_puts(&s->code, "MODIFIED ");
	for (uint32_t i = 0; i < n; i++)
		imap_set_put(&w, uid ? failed[i] : imap_number_of(s, failed[i]));
	imap_set_finish(&w);
}

/* Message numbers may name messages that another session has removed. */
static bool some_gone(const struct imap_session *s, const uint32_t *uids, uint32_t n)
{
	const struct mailbox *m = s->sel.m;

	if (m->expunges == s->sel.expunges)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (mailbox_find(m, uids[i], false) == m->n)
			return true;
	return false;
}

enum reply imap_do_store(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct store_arguments a = take_arguments(s, p);
	uint32_t *uids, n, *failed = NULL, n_failed = 0;
	struct mailbox *m = s->sel.m;
	uint64_t flags;
	enum reply say;
	enum status st;
	bool gone;

	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (s->sel.read_only)
		return SAY_READ_ONLY;
	/* What others did is told first; from here to imap_flags_told nobody
	 * else runs. */
	imap_sync_all(s, uid);
	say = imap_pick(s, &a.set, uid, &uids, &n);
	if (say != SAY_OK || n == 0 || s->bye)
		return say;
	gone = !uid && some_gone(s, uids, n);
	st = imap_flag_bits(m, &a.flags, a.op != FLAGS_REMOVE, &flags);
	if (st == ST_OK)
		st = mailbox_flags(m, uids, n, a.op, flags, a.unchanged_since, &s->work, &failed, &n_failed);
	if (st != ST_OK)
		return imap_reply_of(st);
	say = imap_durable(s);
	if (say != SAY_OK)
		return say;
	if (m->n_keywords != s->sel.n_keywords)
		imap_put_flag_lists(s);
	if (n_failed)
		n = without(uids, n, failed, n_failed);
	imap_flags_told(s);
	tell_stored(s, uids, n, a.silent);
	if (n_failed) {
		put_modified(s, failed, n_failed, uid);
		return SAY_OK_MODIFIED;
	}
	return gone ? SAY_GONE : SAY_OK;
}

/* ---- EXPUNGE ---- */

/* Those of uids (all that the client knows where NULL) that are \Deleted. */
static uint32_t pick_deleted(const struct imap_session *s, const uint32_t *uids, uint32_t n, uint32_t *out)
{
	const struct mailbox *m = s->sel.m;
	uint32_t k = 0, kept = 0;

	for (uint32_t j = 0; j < m->n && k < n; j++) {
		while (k < n && uids[k] < m->messages[j].uid)
			k++;
		if (k < n && uids[k] == m->messages[j].uid && (m->messages[j].flags & FLAG_DELETED))
			out[kept++] = uids[k];
	}
	return kept;
}

enum reply imap_do_expunge(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct imap_set set = { 0 };
	uint32_t *uids = s->sel.uids, n = s->sel.n, *out;
	enum reply say;
	enum status st;

	if (uid) {
		imap_space(p);
		set = imap_take_set(p);
	}
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (s->sel.read_only)
		return SAY_READ_ONLY;
	if (uid) {
		say = imap_pick(s, &set, true, &uids, &n);
		if (say != SAY_OK)
			return say;
	}
	out = arena_array(&s->work, (size_t)n + 1, sizeof *out);
	if (out == NULL)
		return SAY_NO_MEMORY;
	n = pick_deleted(s, uids, n, out);
	st = n ? mailbox_expunge(s->sel.m, out, n) : ST_OK;
	if (st == ST_OK && n && (s->enabled & ENABLED_CONDSTORE))
		buf_putf(&s->code, "HIGHESTMODSEQ %llu", (unsigned long long)s->sel.m->modseq);
	return imap_reply_of(st);
}

/* ---- COPY and MOVE ---- */

/* Both lists without those that were not there any more. */
static void put_copyuid(struct imap_session *s, struct buf *b, uint32_t uidvalidity, const uint32_t *from,
			const uint32_t *to, uint32_t n)
{
	struct imap_set_writer w = { .out = b };

	(void)s;
	buf_putf(b, "COPYUID %u ", uidvalidity);
	for (uint32_t i = 0; i < n; i++)
		if (to[i])
			imap_set_put(&w, from[i]);
	imap_set_finish(&w);
	buf_putc(b, ' ');
	w = (struct imap_set_writer){ .out = b };
	for (uint32_t i = 0; i < n; i++)
		if (to[i])
			imap_set_put(&w, to[i]);
	imap_set_finish(&w);
}

static bool any_new(const uint32_t *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (to[i])
			return true;
	return false;
}

static enum reply copy_or_move(struct imap_session *s, struct mailbox *to, const uint32_t *uids, uint32_t n,
			       bool move)
{
	uint32_t *new_uids = NULL;
	enum status st;
	enum reply say;

	st = (move ? mailbox_move : mailbox_copy)(s->sel.m, uids, n, to, &s->work, &new_uids);
	if (st != ST_OK)
		return imap_reply_of(st);
	say = imap_durable(s);
	if (say != SAY_OK || !any_new(new_uids, n))
		return say;
	if (!move) {
		put_copyuid(s, &s->code, to->uidvalidity, uids, new_uids, n);
		return SAY_OK;
	}
	/* Before the EXPUNGEs, which imap_sync tells (RFC 6851 4.3). */
	buf_puts(out_of(s), "* OK [");
	put_copyuid(s, out_of(s), to->uidvalidity, uids, new_uids, n);
	buf_puts(out_of(s), "] moved\r\n");
	if (s->enabled & ENABLED_CONDSTORE)
		buf_putf(&s->code, "HIGHESTMODSEQ %llu", (unsigned long long)s->sel.m->modseq);
	return SAY_OK;
}

static enum reply transfer(struct imap_session *s, struct imap_parse *p, bool uid, bool move)
{
	struct imap_set set;
	struct mailbox *to;
	uint32_t *uids, n;
	struct view name;
	enum reply say;
	enum status st;

	imap_space(p);
	set = imap_take_set(p);
	imap_space(p);
	name = imap_take_mailbox(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (move && s->sel.read_only)
		return SAY_READ_ONLY;
	say = imap_pick(s, &set, uid, &uids, &n);
	if (say != SAY_OK || n == 0)
		return say;
	if (!uid && some_gone(s, uids, n))
		return SAY_GONE;
	st = mailbox_open(s->host->store, name, &to);
	if (st != ST_OK)
		return st == ST_MISSING ? SAY_TRY_CREATE : imap_reply_of(st);
	say = copy_or_move(s, to, uids, n, move);
	mailbox_release(to);
	return say;
}

enum reply imap_do_copy(struct imap_session *s, struct imap_parse *p, bool uid)
{
	return transfer(s, p, uid, false);
}

enum reply imap_do_move(struct imap_session *s, struct imap_parse *p, bool uid)
{
	return transfer(s, p, uid, true);
}
