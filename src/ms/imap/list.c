/* list.c - LIST, LSUB, STATUS (RFC 9051 6.3.9, 6.3.11; RFC 5258, 5819, 6154). */
#include "ms/imap/internal.h"

enum { DELIMITER = '/' };

static const char *const use_names[] = {
	[USE_DRAFTS] = "\\Drafts", [USE_SENT] = "\\Sent", [USE_TRASH] = "\\Trash", [USE_JUNK] = "\\Junk",
	[USE_ARCHIVE] = "\\Archive", [USE_FLAGGED] = "\\Flagged", [USE_ALL] = "\\All",
};

/* What one LIST works on. */
struct listing {
	struct imap_session *s;
	const struct imap_list_command *l;
	struct mailbox_info *boxes;
	uint32_t n;
	struct view *subscribed;
	uint32_t n_subscribed;
	struct imap_list patterns;	/* reference and pattern in one */
};

static bool below(struct view child, struct view parent)
{
	return child.n > parent.n + 1 && child.p[parent.n] == DELIMITER && view_eq(view_head(child, parent.n), parent);
}

static bool has_children(const struct listing *g, struct view name)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (below(g->boxes[i].name, name))
			return true;
	return false;
}

static bool is_subscribed(const struct listing *g, struct view name)
{
	for (uint32_t i = 0; i < g->n_subscribed; i++)
		if (view_eq(g->subscribed[i], name))
			return true;
	return false;
}

static bool child_subscribed(const struct listing *g, struct view name)
{
	for (uint32_t i = 0; i < g->n_subscribed; i++)
		if (below(g->subscribed[i], name))
			return true;
	return false;
}

static bool matches(const struct listing *g, struct view name)
{
	for (uint32_t i = 0; i < g->patterns.n; i++)
		if (imap_match(g->patterns.v[i], name, DELIMITER))
			return true;
	return false;
}

/* ---- one line ---- */

static void put_attribute(struct buf *b, const char *name, bool *any)
{
	buf_puts(b, *any ? " " : "");
	buf_puts(b, name);
	*any = true;
}

static void put_attributes(const struct listing *g, struct view name, const struct mailbox_info *box)
{
	struct buf *b = out_of(g->s);
	bool any = false;

	buf_putc(b, '(');
	if (box == NULL)
		put_attribute(b, is_rev2(g->s) || g->l->extended ? "\\NonExistent" : "\\Noselect", &any);
	if (((g->l->select | g->l->answer) & IMAP_LIST_SUBSCRIBED) && is_subscribed(g, name))
		put_attribute(b, "\\Subscribed", &any);
	put_attribute(b, has_children(g, name) ? "\\HasChildren" : "\\HasNoChildren", &any);
	if (box && use_names[box->use])
		put_attribute(b, use_names[box->use], &any);
	buf_putc(b, ')');
}

static void put_line(const struct listing *g, const char *word, struct view name, const struct mailbox_info *box,
		     bool child_info)
{
	struct buf *b = out_of(g->s);

	buf_puts(b, "* ");
	buf_puts(b, word);
	buf_putc(b, ' ');
	put_attributes(g, name, box);
	buf_puts(b, " \"/\" ");
	imap_put_mailbox(b, name, wants_utf8(g->s));
	if (child_info)
		buf_puts(b, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_puts(b, "\r\n");
}

static void put_status(struct imap_session *s, const struct mailbox_info *box, unsigned items)
{
	const uint64_t values[IMAP_STATUS_COUNT] = {
		box->messages, 0, box->uidnext, box->uidvalidity, box->unseen, box->deleted, box->size,
		box->modseq, (uint64_t)s->host->conf->imap_literal, box->deleted_size,
	};
	struct buf *b = out_of(s);
	const char *gap = "";

	buf_puts(b, "* STATUS ");
	imap_put_mailbox(b, box->name, wants_utf8(s));
	buf_puts(b, " (");
	for (unsigned i = 0; i < IMAP_STATUS_COUNT; i++)
		if (items >> i & 1) {
			buf_putf(b, "%s%s ", gap, imap_status_names[i]);
			buf_putu(b, values[i]);
			gap = " ";
		}
	buf_puts(b, ")\r\n");
	if (items & IMAP_STATUS_HIGHESTMODSEQ)
		s->enabled |= ENABLED_CONDSTORE;
}

/* ---- LIST ---- */

/* One name, there or only subscribed: does it belong into the answer? */
static void consider(const struct listing *g, struct view name, const struct mailbox_info *box)
{
	unsigned select = g->l->select;
	bool child_info = false;

	if (!matches(g, name))
		return;
	if ((select & IMAP_LIST_SPECIAL_USE) && (box == NULL || use_names[box->use] == NULL))
		return;
	if (select & IMAP_LIST_SUBSCRIBED) {
		child_info = (select & IMAP_LIST_RECURSIVEMATCH) && child_subscribed(g, name);
		if (!is_subscribed(g, name) && !child_info)
			return;
	} else if (box == NULL) {
		return;
	}
	put_line(g, "LIST", name, box, child_info);
	if (box && ((g->l->select | g->l->answer) & IMAP_LIST_STATUS))
		put_status(g->s, box, g->l->status);
}

/* Both lists are sorted: they are walked as one. */
static void walk(const struct listing *g, void (*visit)(const struct listing *g, struct view name,
							const struct mailbox_info *box))
{
	uint32_t i = 0, j = 0;

	while (i < g->n || j < g->n_subscribed) {
		int d = i == g->n ? 1 : j == g->n_subscribed ? -1 : view_order(g->boxes[i].name, g->subscribed[j]);

		visit(g, d <= 0 ? g->boxes[i].name : g->subscribed[j], d <= 0 ? &g->boxes[i] : NULL);
		i += d <= 0;
		j += d >= 0;
		if (!imap_flow(g->s))
			return;
	}
}

static enum status gather(struct listing *g)
{
	struct arena *a = &g->s->work;
	enum status st = store_mailboxes(g->s->host->store, a, &g->boxes, &g->n);

	if (st == ST_OK)
		st = store_subscriptions(g->s->host->store, a, &g->subscribed, &g->n_subscribed);
	if (st != ST_OK)
		return st;
	g->patterns.v = arena_array(a, (size_t)g->l->patterns.n + 1, sizeof *g->patterns.v);
	for (uint32_t i = 0; g->patterns.v && i < g->l->patterns.n; i++) {
		struct view r = g->l->reference, p = g->l->patterns.v[i];
		char *both = arena_alloc(a, r.n + p.n + 1), own[MAILBOX_NAME_MAX];

		if (both == NULL)
			break;
		if (r.n)
			memcpy(both, r.p, r.n);
		if (p.n)
			memcpy(both + r.n, p.p, p.n);
		g->patterns.v[g->patterns.n++] =
			arena_copy(a, mailbox_canonical(view_make(both, r.n + p.n), own));
	}
	return arena_status(a);
}

enum reply imap_do_list(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct imap_list_command l;
	struct listing g = { .s = s, .l = &l };
	enum status st;

	(void)uid;
	imap_space(p);
	l = imap_take_list(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	/* An empty name asks for the delimiter (RFC 9051 6.3.9). */
	if (!l.extended && l.patterns.n == 1 && l.patterns.v[0].n == 0) {
		buf_puts(out_of(s), "* LIST (\\Noselect) \"/\" \"\"\r\n");
		return SAY_OK;
	}
	/* Nothing is shown that could still be lost: mod-sequences go back with it. */
	if (((l.select | l.answer) & IMAP_LIST_STATUS) && imap_durable(s) != SAY_OK)
		return SAY_NOT_DURABLE;
	st = gather(&g);
	if (st != ST_OK)
		return imap_reply_of(st);
	walk(&g, consider);
	return SAY_OK;
}

/* ---- LSUB (RFC 3501 6.3.9) ---- */

/* "%" shows a parent of a subscribed one, itself not subscribed, as \Noselect. */
static bool wants_parents(const struct imap_list_command *l)
{
	return l->patterns.v[0].n && l->patterns.v[0].p[l->patterns.v[0].n - 1] == '%';
}

static void consider_lsub(const struct listing *g, struct view name, const struct mailbox_info *box)
{
	bool own = is_subscribed(g, name);

	if (!matches(g, name) || (!own && !(wants_parents(g->l) && child_subscribed(g, name))))
		return;
	if (own) {
		put_line(g, "LSUB", name, box, false);
		return;
	}
	buf_puts(out_of(g->s), "* LSUB (\\Noselect) \"/\" ");
	imap_put_mailbox(out_of(g->s), name, wants_utf8(g->s));
	buf_puts(out_of(g->s), "\r\n");
}

enum reply imap_do_lsub(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct imap_list_command l = { 0 };
	struct listing g = { .s = s, .l = &l };
	struct view pattern;
	enum status st;

	(void)uid;
	imap_space(p);
	l.reference = imap_take_mailbox(p);
	imap_space(p);
	pattern = imap_take_pattern(p);
	l.patterns = (struct imap_list){ &pattern, 1 };
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	st = gather(&g);
	if (st != ST_OK)
		return imap_reply_of(st);
	walk(&g, consider_lsub);
	return SAY_OK;
}

/* ---- STATUS ---- */

enum reply imap_do_status(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct mailbox_info box;
	struct view name;
	unsigned items;
	enum status st;

	(void)uid;
	imap_space(p);
	name = imap_take_mailbox(p);
	imap_space(p);
	items = imap_take_status(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	st = store_mailbox_info(s->host->store, name, &s->work, &box);
	if (st != ST_OK)
		return imap_reply_of(st);
	if (imap_durable(s) != SAY_OK)
		return SAY_NOT_DURABLE;
	put_status(s, &box, items);
	return SAY_OK;
}
