/* catenate.c - a letter put together by the server (RFC 4469): texts, and
 * pieces of letters that lie here. */
#include "ms/imap/internal.h"
#include "ms/urlauth.h"
#include "msg/mime.h"

enum { PARTS_MAX = 1000, SHOWN_MAX = 1000 };

struct cat_part {
	bool url;
	struct view v;		/* the URL, or the text itself */
	struct cat_part *next;
};

/* (URL "..." TEXT {5} ...), behind the word. */
struct cat_part *imap_take_catenate(struct imap_parse *p)
{
	struct cat_part *first = NULL, **end = &first;
	uint32_t n = 0;

	imap_space(p);
	imap_want(p, '(');
	do {
		struct cat_part *part = ARENA_NEW(p->arena, struct cat_part);

		if (part == NULL || n++ == PARTS_MAX) {
			imap_fail(p);
			return NULL;
		}
		*part = (struct cat_part){ .url = imap_try_word(p, VIEW("URL")) };
		if (!part->url && !imap_try_word(p, VIEW("TEXT")))
			imap_fail(p);
		imap_space(p);
		part->v = part->url ? imap_take_astring(p) : imap_take_literal(p);
		*end = part;
		end = &part->next;
	} while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
	return imap_ok(p) ? first : NULL;
}

/* May he read by it: his own letters without more, or with the token it bears. */
static bool may_use(struct imap_session *s, const struct imap_url *u)
{
	struct url_reader who = { .user = s->record.address };

	if (u->absolute && !url_is_own(s->host->conf, who.user, u))
		return false;
	return u->access == IMAP_URL_NO_ACCESS || (u->mechanism.p && url_access_allows(u, &who));
}

static enum status add_url(struct imap_session *s, struct view text, struct buf *out)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf own = BUF(out->max);
	struct mailbox *m = NULL;
	struct imap_url u;
	struct view piece;
	enum status st = imap_url_take(text, &a, &u);

	if (st == ST_OK && !may_use(s, &u))
		st = ST_DENIED;
	if (st == ST_OK)
		st = url_open(s->host->store, s->sel.m, &u, &m);
	if (st == ST_OK && u.access)
		st = urlauth_check(m, &u, clock_wall());
	if (st == ST_OK)
		st = url_piece(m, &u, false, &a, &own, &piece);
	if (st == ST_OK)
		buf_put(out, piece);
	if (m)
		mailbox_release(m);
	buf_free(&own);
	arena_free(&a);
	return st == ST_OK ? buf_status(out) : st;
}

/* "BADURL /Drafts/;UID=9", as far as a response code can show it. */
static void name_it(struct imap_session *s, struct view url)
{
	buf_clear(&s->code);
	buf_puts(&s->code, "BADURL ");
	url = view_head(url, SHOWN_MAX);
	for (size_t i = 0; i < url.n; i++)
		buf_putc(&s->code, url.p[i] > ' ' && url.p[i] < 0x7f && url.p[i] != ']' ? url.p[i] : '?');
}

enum reply imap_catenate(struct imap_session *s, const struct cat_part *parts, struct buf *out)
{
	for (const struct cat_part *p = parts; p; p = p->next) {
		enum status st = ST_OK;

		if (p->url)
			st = add_url(s, p->v, out);
		else
			buf_put(out, p->v);
		if (st == ST_LIMIT || buf_status(out) == ST_LIMIT)
			return SAY_TOO_BIG;
		if (st == ST_NOMEM || buf_status(out) != ST_OK)
			return SAY_NO_MEMORY;
		if (st == ST_IO || st == ST_CORRUPT)
			return imap_reply_of(st);
		if (st != ST_OK) {
			name_it(s, p->v);
			return SAY_NO_URL;
		}
	}
	return SAY_OK;
}
