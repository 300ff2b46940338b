/* url.c - GENURLAUTH, RESETKEY, URLFETCH (RFC 4467 7, RFC 5524 3).  Only URLs
 * of this account: its room has no others' letters. */
#include "ms/imap/internal.h"
#include "ms/urlauth.h"
#include "msg/mime.h"

enum { PIECE_MAX = 256 * 1024 * 1024 };

static struct url_reader reader_of(const struct imap_session *s)
{
	return (struct url_reader){ .user = s->record.address };
}

static bool is_internal(struct imap_parse *p)
{
	return view_eq_i(imap_take_atom(p), VIEW("INTERNAL"));
}

/* ---- GENURLAUTH ---- */

/* All of section 7's checks: the URL names a letter in a mailbox of his own,
 * and who may use it, and has no token yet. */
static enum reply authorize(struct imap_session *s, struct view text, struct buf *out)
{
	struct imap_url u;
	struct mailbox *m;
	enum status st = imap_url_take(text, &s->work, &u);

	if (st != ST_OK || u.access == IMAP_URL_NO_ACCESS || u.mechanism.p ||
	    !url_is_own(s->host->conf, s->record.address, &u))
		return st == ST_NOMEM ? SAY_NO_MEMORY : SAY_BAD_URL;
	st = mailbox_open(s->host->store, u.mailbox, &m);
	if (st != ST_OK)
		return st == ST_MISSING || st == ST_SYNTAX ? SAY_BAD_URL : imap_reply_of(st);
	if (u.uidvalidity && u.uidvalidity != m->uidvalidity) {
		mailbox_release(m);
		return SAY_BAD_URL;
	}
	buf_put(out, text);
	buf_puts(out, ":internal:");
	st = urlauth_sign(m, u.rump, out);
	mailbox_release(m);
	return imap_reply_of(st);
}

enum reply imap_do_genurlauth(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct buf all = BUF(1024 * 1024), one = BUF(2 * IMAP_URL_MAX);
	enum reply say = SAY_OK;

	(void)uid;
	do {
		struct view text;

		imap_space(p);
		text = imap_take_astring(p);
		imap_space(p);
		if (!is_internal(p))
			say = SAY_NO_MECHANISM;
		if (!imap_ok(p))
			say = SAY_BAD_SYNTAX;
		buf_clear(&one);
		if (say == SAY_OK)
			say = authorize(s, text, &one);
		buf_putc(&all, ' ');
		imap_put_string(&all, buf_view(&one));
	} while (say == SAY_OK && peek_char(&p->c) == ' ');
	if (say == SAY_OK && !imap_end(p))
		say = SAY_BAD_SYNTAX;
	if (say == SAY_OK && buf_status(&all) != ST_OK)
		say = SAY_LIMIT;
	if (say == SAY_OK) {
		buf_puts(out_of(s), "* GENURLAUTH");
		buf_put(out_of(s), buf_view(&all));
		buf_puts(out_of(s), "\r\n");
	}
	buf_free(&all);
	buf_free(&one);
	return say;
}

/* ---- RESETKEY ---- */

enum reply imap_do_resetkey(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view name = VIEW_NONE;
	struct mailbox *m = NULL;
	bool known = true;
	enum status st = ST_OK;

	(void)uid;
	if (imap_try(p, ' ')) {
		name = imap_take_mailbox(p);
		while (imap_ok(p) && imap_try(p, ' '))
			known &= is_internal(p);
	}
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (!known)
		return SAY_NO_MECHANISM;
	if (name.p)
		st = mailbox_open(s->host->store, name, &m);
	if (st == ST_OK)
		st = urlauth_reset(s->host->store, m);
	if (m)
		mailbox_release(m);
	return st == ST_OK ? SAY_OK_URLMECH : imap_reply_of(st);
}

/* ---- URLFETCH ---- */

enum { WANTS_BODY = 1, WANTS_BINARY = 2, WANTS_STRUCTURE = 4 };

struct url_wish {
	struct view text;
	unsigned wants;		/* 0: the plain form */
};

/* (url BINARY BODYPARTSTRUCTURE) */
static void take_parameters(struct imap_parse *p, struct url_wish *w)
{
	while (imap_ok(p) && imap_try(p, ' ')) {
		unsigned what = imap_try_word(p, VIEW("BODYPARTSTRUCTURE")) ? WANTS_STRUCTURE :
				imap_try_word(p, VIEW("BODY"))		    ? WANTS_BODY :
				imap_try_word(p, VIEW("BINARY"))	    ? WANTS_BINARY :
									      0;
		if (what == 0 || (w->wants & what))
			imap_fail(p);
		w->wants |= what;
	}
	if ((w->wants & WANTS_BODY) && (w->wants & WANTS_BINARY))
		imap_fail(p);
	imap_want(p, ')');
}

static struct url_wish take_wish(struct imap_parse *p)
{
	struct url_wish w = { .wants = 0 };

	imap_space(p);
	if (imap_try(p, '(')) {
		w.text = imap_take_astring(p);
		take_parameters(p, &w);
	} else {
		w.text = imap_take_astring(p);
	}
	return w;
}

/* What there is to answer. */
struct url_found {
	struct buf content, structure;
	bool decodable;
};

static enum status find_content(struct mailbox *m, const struct imap_url *u, bool binary, struct arena *a,
				struct url_found *f)
{
	struct buf own = BUF(PIECE_MAX);
	struct view piece;
	enum status st = url_piece(m, u, binary, a, &own, &piece);

	f->decodable = st == ST_OK;
	if (st == ST_OK) {
		buf_put(&f->content, piece);
		st = buf_status(&f->content);
	} else if (st == ST_SYNTAX && binary) {
		st = ST_OK;
	}
	buf_free(&own);
	return st;
}

static enum status look_up(struct imap_session *s, const struct url_wish *w, struct arena *a, struct url_found *f)
{
	struct url_reader who = reader_of(s);
	bool binary = w->wants & WANTS_BINARY;
	struct mailbox *m;
	struct imap_url u;
	enum status st = url_authorized(s->host->store, s->host->conf, &who, w->text, a, &u, &m);

	if (st != ST_OK)
		return st;
	if (w->wants & WANTS_STRUCTURE)
		st = url_structure(m, &u, binary, a, &f->structure);
	if (st == ST_OK && w->wants != WANTS_STRUCTURE)
		st = find_content(m, &u, binary, a, f);
	mailbox_release(m);
	return st;
}

/* It lies in memory of our own: others may run meanwhile. */
static void put_content(struct imap_session *s, struct view v, bool binary)
{
	struct buf *b = out_of(s);

	if (binary && view_find(v, '\0') < v.n)
		buf_putc(b, '~');
	buf_putc(b, '{');
	buf_putu(b, v.n);
	buf_put(b, VIEW("}\r\n"));
	while (v.n && imap_flow(s)) {
		struct view step = view_head(v, OUT_ENOUGH);

		buf_put(out_of(s), step);
		v = view_skip(v, step.n);
	}
}

static void put_found(struct imap_session *s, const struct url_wish *w, const struct url_found *f)
{
	struct buf *b = out_of(s);

	buf_putc(b, ' ');
	if (w->wants == 0) {
		put_content(s, buf_view(&f->content), false);
		return;
	}
	if (w->wants & WANTS_STRUCTURE) {
		buf_puts(b, "(BODYPARTSTRUCTURE ");
		buf_put(b, buf_view(&f->structure));
		buf_puts(b, w->wants == WANTS_STRUCTURE ? ")" : ") ");
	}
	if (w->wants == WANTS_STRUCTURE)
		return;
	buf_puts(b, w->wants & WANTS_BINARY ? "(BINARY " : "(BODY ");
	if (f->decodable)
		put_content(s, buf_view(&f->content), w->wants & WANTS_BINARY);
	else
		buf_puts(b, "NIL");
	buf_putc(b, ')');
}

/* NIL, and no word of why (RFC 4467 8). */
static void answer(struct imap_session *s, const struct url_wish *w)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct url_found f = { .content = BUF(PIECE_MAX), .structure = BUF(PIECE_MAX) };
	enum status st = look_up(s, w, &a, &f);

	buf_puts(out_of(s), "* URLFETCH ");
	imap_put_string(out_of(s), w->text);
	if (st == ST_OK)
		put_found(s, w, &f);
	else
		buf_puts(out_of(s), " NIL");
	buf_puts(out_of(s), "\r\n");
	buf_free(&f.content);
	buf_free(&f.structure);
	arena_free(&a);
}

enum reply imap_do_urlfetch(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct imap_parse ahead = *p;
	enum reply say;

	(void)uid;
	do
		(void)take_wish(&ahead);
	while (imap_ok(&ahead) && peek_char(&ahead.c) == ' ');
	if (!imap_end(&ahead))
		return SAY_BAD_SYNTAX;
	/* Nothing is shown that could still be lost. */
	say = imap_durable(s);
	if (say != SAY_OK)
		return say;
	do {
		struct url_wish w = take_wish(p);

		answer(s, &w);
	} while (peek_char(&p->c) == ' ' && imap_flow(s));
	return SAY_OK;
}
