#include "ms/internal.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

/* ---- names ---- */

/* Length of the UTF-8 character at p, 0 where it is none (RFC 3629 4). */
static size_t utf8_char(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char least, most, first_least, first_most;
		size_t n;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (p[0] < forms[i].least || p[0] > forms[i].most)
			continue;
		if (n < forms[i].n || p[1] < forms[i].first_least || p[1] > forms[i].first_most)
			return 0;
		for (size_t k = 2; k < forms[i].n; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].n;
	}
	return 0;
}

/* No control character, no wildcard of LIST, no empty level. */
static bool name_valid(struct view name)
{
	const unsigned char *p = (const unsigned char *)name.p;

	if (name.n == 0 || name.n > MAILBOX_NAME_MAX || name.p[0] == '/' || name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 0; i < name.n;) {
		size_t k = utf8_char(p + i, name.n - i);

		if (k == 0 || p[i] < 0x20 || p[i] == 0x7f || p[i] == '*' || p[i] == '%')
			return false;
		if (k == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)
			return false;	/* C1 controls */
		if (p[i] == '/' && p[i + 1] == '/')
			return false;
		i += k;
	}
	return true;
}

/* Net-Unicode (RFC 9051 5.1, RFC 5198 3): composed, so that one name that two
 * systems write in two ways is one mailbox.  What is no text stays as it is. */
static struct view composed(struct view name, char out[MAILBOX_NAME_MAX])
{
	const uint8_t *p = (const uint8_t *)name.p;
	uint8_t *nfc;
	size_t n = MAILBOX_NAME_MAX, i = 0;

	while (i < name.n && p[i] < 0x80)
		i++;
	if (i == name.n || name.n > MAILBOX_NAME_MAX || u8_check(p, name.n) != NULL)
		return name;
	nfc = u8_normalize(UNINORM_NFC, p, name.n, (uint8_t *)out, &n);
	if (nfc == (uint8_t *)out)
		return view_make(out, n);
	free(nfc);	/* longer than a name may be */
	return name;
}

struct view mailbox_canonical(struct view name, char out[MAILBOX_NAME_MAX])
{
	const struct view inbox = VIEW("INBOX");

	name = composed(name, out);
	if (name.n > MAILBOX_NAME_MAX || !view_starts_i(name, inbox) ||
	    (name.n > inbox.n && name.p[inbox.n] != '/'))
		return name;
	memmove(out, name.p, name.n);
	memcpy(out, inbox.p, inbox.n);
	return view_make(out, name.n);
}

static bool has_children(const struct store *s, struct view name)
{
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct view other = s->boxes[i]->m.name;

		if (other.n > name.n && other.p[name.n] == '/' && view_eq(view_head(other, name.n), name))
			return true;
	}
	return false;
}

/* ---- listing ---- */

static enum status info_of(const struct box *b, struct arena *a, struct mailbox_info *ret)
{
	*ret = (struct mailbox_info){
		.id = b->m.id, .name = arena_copy(a, b->m.name), .use = b->m.use,
		.subscribed = b->m.subscribed, .uidvalidity = b->m.uidvalidity, .uidnext = b->m.uidnext,
		.modseq = b->m.modseq, .messages = b->count, .unseen = b->unseen, .deleted = b->deleted,
		.size = b->size, .deleted_size = b->deleted_size,
	};
	return arena_status(a);
}

enum status store_mailboxes(struct store *s, struct arena *a, struct mailbox_info **ret, uint32_t *ret_n)
{
	struct mailbox_info *all = arena_array(a, s->n_boxes ? s->n_boxes : 1, sizeof *all);
	enum status st = arena_status(a);

	for (uint32_t i = 0; i < s->n_boxes && st == ST_OK; i++)
		st = info_of(s->boxes[i], a, &all[i]);
	if (st != ST_OK)
		return st;
	*ret = all;
	*ret_n = s->n_boxes;
	return ST_OK;
}

enum status store_mailbox_info(struct store *s, struct view name, struct arena *a, struct mailbox_info *ret)
{
	char own[MAILBOX_NAME_MAX];
	struct box *b = box_by_name(s, mailbox_canonical(name, own));
	struct mailbox_info info;
	enum status st = b ? info_of(b, a, &info) : ST_MISSING;

	if (st == ST_OK)
		*ret = info;
	return st;
}

enum status store_subscriptions(struct store *s, struct arena *a, struct view **ret, uint32_t *ret_n)
{
	struct view *all = arena_array(a, s->n_subscribed ? s->n_subscribed : 1, sizeof *all);

	for (uint32_t i = 0; i < s->n_subscribed && all; i++)
		all[i] = arena_copy(a, s->subscribed[i]);
	if (arena_status(a) != ST_OK)
		return arena_status(a);
	*ret = all;
	*ret_n = s->n_subscribed;
	return ST_OK;
}

/* ---- opening ---- */

enum status mailbox_open(struct store *s, struct view name, struct mailbox **ret)
{
	char own[MAILBOX_NAME_MAX];
	struct box *b = box_by_name(s, mailbox_canonical(name, own));
	enum status st;

	if (b == NULL)
		return ST_MISSING;
	b->m.users++;	/* stays through a rebuild */
	st = box_load(s, b);
	if (st != ST_OK) {
		mailbox_release(&b->m);
		return st;
	}
	*ret = &b->m;
	return ST_OK;
}

void mailbox_release(struct mailbox *m)
{
	if (m == NULL)
		return;
	m->users--;
	if (m->deleted && m->users == 0)
		box_free(box_of(m));
}

/* ---- changing names ---- */

static enum status create_one(struct store *s, struct view name, enum special_use use)
{
	struct buf meta = BUF(2 * MAILBOX_NAME_MAX);
	uint32_t now = (uint32_t)(clock_wall() / 1000);
	struct change_create c = {
		/* INBOX has its own number, also when a power loss took its first
		 * record and left later ones. */
		.mailbox = use == USE_INBOX && box_by_id(s, INBOX_ID) == NULL ? INBOX_ID : s->last_mailbox + 1,
		.use = (uint8_t)use, .name = name,
		/* Greater than any before, also those of a store that stood here
		 * earlier, as long as the clock was right once. */
		.uidvalidity = s->last_uidvalidity >= now ? s->last_uidvalidity + 1 : now,
	};
	enum status st;

	if (s->n_boxes >= MAILBOXES_MAX || s->last_uidvalidity == UINT32_MAX)
		return ST_LIMIT;
	change_create_put(&meta, &c);
	st = change(s, CHANGE_CREATE, &meta, NULL, 0);
	buf_free(&meta);
	if (st == ST_OK) {
		struct box *b = box_by_name(s, name);

		for (uint32_t i = 0; i < s->n_subscribed; i++)
			if (view_eq(s->subscribed[i], name))
				b->m.subscribed = true;
	}
	return st;
}

/* The levels above, where they are missing. */
static enum status create_parents(struct store *s, struct view name)
{
	enum status st = ST_OK;

	for (size_t i = 1; i < name.n && st == ST_OK; i++)
		if (name.p[i] == '/' && box_by_name(s, view_head(name, i)) == NULL)
			st = create_one(s, view_head(name, i), USE_NONE);
	return st;
}

enum status store_create(struct store *s, struct view name, enum special_use use)
{
	char own[MAILBOX_NAME_MAX];
	enum status st;

	name = mailbox_canonical(name, own);
	if (!name_valid(name))
		return ST_SYNTAX;
	if (box_by_name(s, name))
		return ST_EXISTS;
	st = create_parents(s, name);
	return st == ST_OK ? create_one(s, name, use) : st;
}

/* RFC 9051 6.3.6: INBOX stays, what is in it goes. */
static enum status rename_inbox(struct store *s, struct view to)
{
	struct arena a = ARENA(256 * 1024 * 1024);
	struct mailbox *from = NULL, *fresh = NULL;
	uint32_t *uids, *made;
	enum status st = store_create(s, to, USE_NONE);

	if (st == ST_OK)
		st = mailbox_open(s, VIEW("INBOX"), &from);
	if (st == ST_OK)
		st = mailbox_open(s, to, &fresh);
	if (st == ST_OK) {
		uids = arena_array(&a, from->n ? from->n : 1, sizeof *uids);
		for (uint32_t i = 0; i < from->n && uids; i++)
			uids[i] = from->messages[i].uid;
		st = uids ? mailbox_move(from, uids, from->n, fresh, &a, &made) : ST_NOMEM;
	}
	mailbox_release(from);
	mailbox_release(fresh);
	arena_free(&a);
	return st;
}

/* The longest name below, when renamed, must be a name still. */
static bool children_fit(const struct store *s, struct view from, struct view to)
{
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct view name = s->boxes[i]->m.name;

		if (name.n > from.n && name.p[from.n] == '/' && view_eq(view_head(name, from.n), from) &&
		    name.n - from.n + to.n > MAILBOX_NAME_MAX)
			return false;
	}
	return true;
}

enum status store_rename(struct store *s, struct view from, struct view to)
{
	char own_from[MAILBOX_NAME_MAX], own_to[MAILBOX_NAME_MAX];
	struct buf meta = BUF(4 * MAILBOX_NAME_MAX);
	struct box *b;
	enum status st;

	from = mailbox_canonical(from, own_from);
	to = mailbox_canonical(to, own_to);
	b = box_by_name(s, from);
	if (b == NULL)
		return ST_MISSING;
	if (!name_valid(to) || !children_fit(s, from, to))
		return ST_SYNTAX;
	if (box_by_name(s, to))
		return ST_EXISTS;
	if (b->m.id == INBOX_ID)
		return rename_inbox(s, to);
	/* Not below itself. */
	if (to.n > from.n && to.p[from.n] == '/' && view_eq(view_head(to, from.n), from))
		return ST_SYNTAX;
	st = create_parents(s, to);
	if (st != ST_OK)
		return st;
	change_rename_put(&meta, &(struct change_rename){ from, to });
	st = change(s, CHANGE_RENAME, &meta, NULL, 0);
	buf_free(&meta);
	return st;
}

enum status store_delete(struct store *s, struct view name)
{
	char own[MAILBOX_NAME_MAX];
	struct box *b;
	struct buf meta = BUF(64);
	enum status st;

	name = mailbox_canonical(name, own);
	b = box_by_name(s, name);
	if (b == NULL)
		return ST_MISSING;
	if (b->m.id == INBOX_ID || has_children(s, name))
		return ST_DENIED;
	st = box_load(s, b);
	if (st != ST_OK)
		return st;
	change_delete_put(&meta, &(struct change_delete){ b->m.id, clock_wall() });
	st = change(s, CHANGE_DELETE, &meta, NULL, 0);
	buf_free(&meta);
	return st;
}

enum status store_subscribe(struct store *s, struct view name, bool on)
{
	char own[MAILBOX_NAME_MAX];
	struct buf meta = BUF(2 * MAILBOX_NAME_MAX);
	enum status st;

	name = mailbox_canonical(name, own);
	if (!name_valid(name))
		return ST_SYNTAX;
	if (on && s->n_subscribed >= MAILBOXES_MAX)
		return ST_LIMIT;
	for (uint32_t i = 0; i < s->n_subscribed; i++)
		if (view_eq(s->subscribed[i], name)) {
			if (on)
				return ST_OK;
			break;
		} else if (i + 1 == s->n_subscribed && !on)
			return ST_OK;
	change_subscribe_put(&meta, &(struct change_subscribe){ on, name });
	st = change(s, CHANGE_SUBSCRIBE, &meta, NULL, 0);
	buf_free(&meta);
	return st;
}

/* ---- keywords ---- */

/* An atom of IMAP that is no system flag (RFC 9051 9, flag-keyword). */
static bool keyword_valid(struct view name)
{
	if (name.n == 0 || name.n > 255)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || strchr("(){%*\"\\]", name.p[i]))
			return false;
	return true;
}

enum status mailbox_keyword(struct mailbox *m, struct view name, bool make, uint64_t *ret_flag)
{
	struct buf meta = BUF(1024);
	enum status st;

	for (uint32_t k = 0; k < m->n_keywords; k++)
		if (view_eq_i(m->keywords[k], name)) {
			*ret_flag = (uint64_t)1 << (KEYWORD_BIT + k);
			return ST_OK;
		}
	if (!make)
		return ST_MISSING;
	if (m->deleted)
		return ST_MISSING;
	if (!keyword_valid(name))
		return ST_SYNTAX;
	if (m->n_keywords == KEYWORDS_MAX)
		return ST_LIMIT;
	change_keyword_put(&meta, &(struct change_keyword){ m->id, (uint8_t)m->n_keywords, name });
	st = change(m->store, CHANGE_KEYWORD, &meta, NULL, 0);
	buf_free(&meta);
	if (st == ST_OK)
		*ret_flag = (uint64_t)1 << (KEYWORD_BIT + m->n_keywords - 1);
	return st;
}
