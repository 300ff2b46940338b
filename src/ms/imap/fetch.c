/* fetch.c - FETCH (RFC 9051 6.4.5, 7.5.2; RFC 3516; RFC 7162 3.1.4).
 *
 * ENVELOPE and BODYSTRUCTURE were rendered at delivery and are copied; large
 * pieces of letters go from the mapped segment to the socket. */
#include "ms/imap/internal.h"

#include "msg/charset.h"
#include "msg/section.h"
#include "msg/structure.h"
#include "msg/surrogate.h"

enum {
	RENDERED = 1 << IMAP_FETCH_ENVELOPE | 1 << IMAP_FETCH_BODY | 1 << IMAP_FETCH_BODYSTRUCTURE,
	OF_LETTER = 1 << IMAP_FETCH_RFC822 | 1 << IMAP_FETCH_RFC822_HEADER | 1 << IMAP_FETCH_RFC822_TEXT |
		    1 << IMAP_FETCH_SECTION | 1 << IMAP_FETCH_BINARY | 1 << IMAP_FETCH_BINARY_SIZE,
	COPY_MOST = 8 * 1024,		/* a longer piece is not copied into out */
	STEP = 64 * 1024,		/* copied when the socket is full, to wait for it */
	DECODED_MAX = 256 * 1024 * 1024,	/* BINARY of one part */
};

struct fetch {
	struct imap_session *s;
	struct imap_fetch f;
	struct flags_writer flags;
	uint32_t *uids, n, k;	/* those asked for, and where we are */
	uint32_t number;	/* message number of uids[k], or less */
	uint32_t at;		/* index in m->messages, or less */
	uint64_t changed_since;
	bool vanished, broken;
	bool gone, corrupt, unknown_cte;
};

static struct mailbox *box_of(const struct fetch *x)
{
	return x->s->sel.m;
}

/* ---- items that need no letter ---- */

static void put_plain(struct fetch *x, const struct imap_fetch_item *item, const struct message *msg)
{
	struct buf *b = out_of(x->s);

	switch (item->kind) {
	case IMAP_FETCH_UID:
		buf_put(b, VIEW("UID "));
		buf_putu(b, msg->uid);
		break;
	case IMAP_FETCH_FLAGS:
		buf_put(b, VIEW("FLAGS ("));
		imap_put_flags(&x->flags, b, msg->flags);
		buf_putc(b, ')');
		break;
	case IMAP_FETCH_INTERNALDATE:
		buf_put(b, VIEW("INTERNALDATE "));
		imap_put_date_time(b, msg->date);
		break;
	case IMAP_FETCH_SIZE:
		buf_put(b, VIEW("RFC822.SIZE "));
		buf_putu(b, msg->size);
		break;
	case IMAP_FETCH_MODSEQ:
		buf_put(b, VIEW("MODSEQ ("));
		buf_putu(b, msg->modseq);
		buf_putc(b, ')');
		break;
	default:
		break;
	}
}

struct rendered {
	struct view envelope, body, bodystructure;
};

/* ENVELOPE of the header in ASCII, for who knows no other (RFC 6855 7). */
static enum status put_ascii_envelope(struct fetch *x, const struct message *msg)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct view letter, header;
	struct buf own = BUF(DECODED_MAX);
	struct mime m = { 0 };
	enum status st = message_body(box_of(x), msg, &letter);

	if (st == ST_OK)
		st = surrogate_needs(letter, &header) ? surrogate_header(header, &a, &own) : ST_MISSING;
	if (st == ST_OK)
		st = mime_parse(buf_view(&own), &a, &m);
	if (st == ST_OK)
		put_envelope(&m, 0, out_of(x->s));
	arena_free(&a);
	buf_free(&own);
	return st;
}

static void put_rendered(struct fetch *x, const struct imap_fetch_item *item, const struct message *msg,
			 const struct rendered *r)
{
	struct buf *b = out_of(x->s);
	bool plain = wants_utf8(x->s) || ascii_run(r->envelope) == r->envelope.n;

	if (item->kind == IMAP_FETCH_ENVELOPE) {
		buf_put(b, VIEW("ENVELOPE "));
		if (plain || put_ascii_envelope(x, msg) != ST_OK)
			buf_put(b, r->envelope);
	} else if (item->kind == IMAP_FETCH_BODYSTRUCTURE) {
		buf_put(b, VIEW("BODYSTRUCTURE "));
		buf_put(b, r->bodystructure);
	} else {
		buf_put(b, VIEW("BODY "));
		buf_put(b, r->body);
	}
}

/* "* 1 FETCH (" and all items that need no letter. */
static void put_begin(struct fetch *x, const struct message *msg, const struct rendered *r)
{
	struct buf *b = out_of(x->s);
	bool any = false;

	buf_put(b, VIEW("* "));
	buf_putu(b, x->number);
	buf_put(b, VIEW(" FETCH ("));
	for (uint32_t i = 0; i < x->f.n; i++) {
		const struct imap_fetch_item *item = &x->f.items[i];

		if (1u << item->kind & OF_LETTER)
			continue;
		if (any)
			buf_putc(b, ' ');
		any = true;
		if (1u << item->kind & RENDERED)
			put_rendered(x, item, msg, r);
		else
			put_plain(x, item, msg);
	}
	if (any && (x->f.kinds & OF_LETTER))
		buf_putc(b, ' ');
}

/* ---- pieces of letters ---- */

/* Sends bytes of the letter that begin at `from`.  While the socket is full
 * others run and the letter may move: then it is asked for again. */
static void send_range(struct fetch *x, const struct message *msg, size_t from, size_t n)
{
	struct conn *c = &x->s->conn;
	struct view letter;

	while (n && !x->broken) {
		struct view piece;
		size_t sent = 0;
		enum status st = message_body(box_of(x), msg, &letter);

		if (st != ST_OK || from + n > letter.n) {
			x->broken = true;
			return;
		}
		piece = view_make(letter.p + from, n);
		st = conn_send(c, piece, &sent);
		from += sent;
		n -= sent;
		if (st == ST_AGAIN && n) {
			piece = view_head(view_skip(piece, sent), STEP);
			buf_put(&c->out, piece);
			from += piece.n;
			n -= piece.n;
			st = conn_flush(c);
		}
		if (st != ST_OK && st != ST_AGAIN)
			x->broken = true;
	}
}

/* Bytes of our own, of any length. */
static void send_own(struct fetch *x, struct view v)
{
	while (v.n && !x->broken) {
		struct view step = view_head(v, OUT_ENOUGH);

		buf_put(out_of(x->s), step);
		v = view_skip(v, step.n);
		if (!imap_flow(x->s))
			x->broken = true;
	}
}

/* nstring of a piece, which lies within the letter or in our own memory. */
static void put_piece(struct fetch *x, const struct message *msg, struct view letter, struct view piece, bool binary)
{
	struct buf *b = out_of(x->s);

	if (piece.n == 0) {
		buf_put(b, VIEW("\"\""));
		return;
	}
	if (binary && view_find(piece, '\0') < piece.n)
		buf_putc(b, '~');
	buf_putc(b, '{');
	buf_putu(b, piece.n);
	buf_put(b, VIEW("}\r\n"));
	if (piece.n <= COPY_MOST)
		buf_put(b, piece);
	else if (piece.p >= letter.p && piece.p + piece.n <= letter.p + letter.n)
		send_range(x, msg, (size_t)(piece.p - letter.p), piece.n);
	else
		send_own(x, piece);
}

/* <from.length> of RFC 9051 6.4.5, with the answer's <from>. */
static struct view cut(struct fetch *x, const struct imap_fetch_item *item, struct view piece)
{
	if (!item->partial)
		return piece;
	buf_putf(out_of(x->s), "<%llu>", (unsigned long long)item->from);
	piece = view_skip(piece, item->from > piece.n ? piece.n : (size_t)item->from);
	return view_head(piece, item->length > piece.n ? piece.n : (size_t)item->length);
}

static enum section_what what_of(const struct imap_fetch_item *item)
{
	static const enum section_what whats[] = {
		[IMAP_SECTION_ALL] = SECTION_ALL, [IMAP_SECTION_HEADER] = SECTION_HEADER,
		[IMAP_SECTION_FIELDS] = SECTION_FIELDS, [IMAP_SECTION_FIELDS_NOT] = SECTION_FIELDS_NOT,
		[IMAP_SECTION_TEXT] = SECTION_TEXT, [IMAP_SECTION_MIME] = SECTION_MIME,
	};

	if (item->kind == IMAP_FETCH_RFC822_HEADER)
		return SECTION_HEADER;
	return item->kind == IMAP_FETCH_RFC822_TEXT ? SECTION_TEXT : whats[item->section.text];
}

static void put_section_name(struct buf *b, const struct imap_fetch_item *item)
{
	switch (item->kind) {
	case IMAP_FETCH_RFC822:
		buf_put(b, VIEW("RFC822"));
		break;
	case IMAP_FETCH_RFC822_HEADER:
		buf_put(b, VIEW("RFC822.HEADER"));
		break;
	case IMAP_FETCH_RFC822_TEXT:
		buf_put(b, VIEW("RFC822.TEXT"));
		break;
	default:
		buf_put(b, VIEW("BODY"));
		imap_put_section(b, &item->section);
		break;
	}
}

static enum status find_piece(const struct imap_fetch_item *item, struct view letter, struct arena *a,
			      struct buf *own, struct view *ret)
{
	struct section section = {
		.path = item->section.part, .depth = item->section.n_part, .what = what_of(item),
		.names = item->section.fields.v, .n_names = item->section.fields.n,
	};

	if (section.depth == 0 && section.what == SECTION_ALL) {
		*ret = letter;
		return ST_OK;
	}
	return section_of(letter, &section, a, own, ret);
}

/* The letter as this client can read it: below a header in ASCII, in `other`, where
 * it has not said that it knows UTF-8. */
static enum status readable(struct fetch *x, struct view letter, struct arena *a, struct buf *other, struct view *ret)
{
	struct view header;
	enum status st;

	*ret = letter;
	if (wants_utf8(x->s) || !surrogate_needs(letter, &header))
		return ST_OK;
	*other = BUF(letter.n + DECODED_MAX);
	st = surrogate_header(header, a, other);
	buf_put(other, view_skip(letter, header.n));
	*ret = buf_view(other);
	return st == ST_OK ? buf_status(other) : st;
}

static void put_section(struct fetch *x, const struct imap_fetch_item *item, const struct message *msg,
			struct view letter)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf own = BUF(DECODED_MAX), other = BUF(0), *b = out_of(x->s);
	struct view shown, piece;
	enum status st = readable(x, letter, &a, &other, &shown);

	if (st == ST_OK)
		st = find_piece(item, shown, &a, &own, &piece);
	put_section_name(b, item);
	if (st == ST_OK)
		piece = cut(x, item, piece);
	buf_putc(b, ' ');
	if (st == ST_OK)
		put_piece(x, msg, letter, piece, false);
	else
		buf_put(b, VIEW("NIL"));
	arena_free(&a);
	buf_free(&own);
	buf_free(&other);
}

static void put_binary(struct fetch *x, const struct imap_fetch_item *item, const struct message *msg,
		       struct view letter)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf own = BUF(DECODED_MAX), *b = out_of(x->s);
	struct view piece = VIEW_NONE;
	enum status st = section_binary(letter, item->section.part, item->section.n_part, &a, &own);

	buf_put(b, VIEW("BINARY"));
	imap_put_section(b, &item->section);
	if (st == ST_OK)
		piece = cut(x, item, buf_view(&own));
	buf_putc(b, ' ');
	if (st == ST_OK)
		put_piece(x, msg, letter, piece, true);
	else
		buf_put(b, VIEW("NIL"));
	x->unknown_cte |= st == ST_SYNTAX;
	arena_free(&a);
	buf_free(&own);
}

static void put_binary_size(struct fetch *x, const struct imap_fetch_item *item, struct view letter)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	uint64_t size = 0;
	enum status st = section_binary_size(letter, item->section.part, item->section.n_part, &a, &size);

	buf_put(out_of(x->s), VIEW("BINARY.SIZE"));
	imap_put_section(out_of(x->s), &item->section);
	buf_putc(out_of(x->s), ' ');
	buf_putu(out_of(x->s), size);
	x->unknown_cte |= st == ST_SYNTAX;
	arena_free(&a);
}

/* All items of the letter.  Each asks for it again: between two of them
 * others may have run. */
static void put_letter_items(struct fetch *x, const struct message *msg)
{
	bool first = true;

	for (uint32_t i = 0; i < x->f.n && !x->broken; i++) {
		const struct imap_fetch_item *item = &x->f.items[i];
		struct view letter;

		if (!(1u << item->kind & OF_LETTER))
			continue;
		if (!first)
			buf_putc(out_of(x->s), ' ');
		first = false;
		if (message_body(box_of(x), msg, &letter) != ST_OK) {
			x->broken = true;
			return;
		}
		if (item->kind == IMAP_FETCH_BINARY)
			put_binary(x, item, msg, letter);
		else if (item->kind == IMAP_FETCH_BINARY_SIZE)
			put_binary_size(x, item, letter);
		else
			put_section(x, item, msg, letter);
	}
}

/* ---- one message after another ---- */

static void put_end(struct fetch *x)
{
	buf_put(out_of(x->s), VIEW(")\r\n"));
}

/* Finds uids[k] in the mailbox and among the client's numbers; all three are
 * sorted, so that each is walked once. */
static const struct message *locate(struct fetch *x)
{
	const struct selected *sel = &x->s->sel;
	const struct mailbox *m = sel->m;
	uint32_t uid = x->uids[x->k];

	while (x->number < sel->n && (x->number == 0 || sel->uids[x->number - 1] < uid))
		x->number++;
	if (x->at >= m->n || m->messages[x->at].uid > uid || m->messages[x->at].uid + 64 < uid)
		x->at = mailbox_find(m, uid, true);
	while (x->at < m->n && m->messages[x->at].uid < uid)
		x->at++;
	return x->at < m->n && m->messages[x->at].uid == uid ? &m->messages[x->at] : NULL;
}

static enum status visit(void *arg, uint32_t uid, struct view envelope, struct view body, struct view bodystructure)
{
	struct fetch *x = arg;
	struct rendered r = { envelope, body, bodystructure };
	const struct message *msg;

	while (x->k < x->n && x->uids[x->k] < uid) {
		x->corrupt = true;	/* what was rendered for it is not there */
		x->k++;
	}
	if (x->k == x->n || x->uids[x->k] != uid)
		return ST_OK;
	msg = locate(x);
	if (msg) {
		put_begin(x, msg, &r);
		if (!(x->f.kinds & OF_LETTER)) {
			put_end(x);
			x->k++;
		}
	}
	return out_of(x->s)->n >= OUT_ENOUGH ? ST_AGAIN : ST_OK;
}

/* Messages that stand side by side in the mailbox, rendered, in one go.
 * Nobody else runs while the store visits, so it stops when there is enough
 * to send. */
static void fetch_rendered_run(struct fetch *x)
{
	const struct mailbox *m = box_of(x);
	uint32_t first = x->k, last = x->k;
	enum status st;

	while (last + 1 < x->n && x->at + (last + 1 - first) < m->n) {
		const struct message *next = &m->messages[x->at + (last + 1 - first)];

		if (next->uid != x->uids[last + 1] || (x->changed_since && next->modseq <= x->changed_since))
			break;
		last++;
	}
	st = mailbox_rendered(box_of(x), x->uids[first], x->uids[last], visit, x);
	if (st != ST_OK && st != ST_AGAIN)
		x->corrupt = true;
	if (st != ST_AGAIN && x->k <= last) {
		x->corrupt = true;
		x->k = last + 1;
	}
}

/* One message of whose letter something is wanted. */
static void fetch_letter(struct fetch *x, const struct message *found)
{
	struct message msg = *found;	/* others may change the mailbox meanwhile */
	struct view letter;
	size_t before = out_of(x->s)->n;

	if (message_body(box_of(x), &msg, &letter) != ST_OK) {
		x->corrupt = true;
		return;
	}
	if (!(x->f.kinds & RENDERED))
		put_begin(x, &msg, NULL);
	else if (mailbox_rendered(box_of(x), msg.uid, msg.uid, visit, x) != ST_OK && out_of(x->s)->n == before)
		x->corrupt = true;
	if (out_of(x->s)->n == before)
		return;
	put_letter_items(x, &msg);
	put_end(x);
}

static void fetch_all(struct fetch *x)
{
	bool run = (x->f.kinds & RENDERED) && !(x->f.kinds & OF_LETTER);

	while (x->k < x->n && !x->broken) {
		const struct message *msg = locate(x);

		if (msg == NULL) {
			x->gone = true;
			x->k++;
		} else if (msg->modseq <= x->changed_since && x->changed_since) {
			x->k++;
		} else if (run) {
			fetch_rendered_run(x);
		} else {
			if (x->f.kinds & OF_LETTER) {
				fetch_letter(x, msg);
			} else {
				put_begin(x, msg, NULL);
				put_end(x);
			}
			x->k++;
		}
		if (!imap_flow(x->s))
			x->broken = true;
	}
}

/* ---- the command ---- */

/* (CHANGEDSINCE n [VANISHED]) */
static void take_modifiers(struct fetch *x, struct imap_parse *p)
{
	imap_want(p, '(');
	do {
		if (imap_try_word(p, VIEW("CHANGEDSINCE"))) {
			imap_space(p);
			x->changed_since = imap_take_number64(p);
			x->f.kinds |= 1u << IMAP_FETCH_MODSEQ;
		} else if (imap_try_word(p, VIEW("VANISHED"))) {
			x->vanished = true;
		} else {
			imap_fail(p);
		}
	} while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
}

/* UID and MODSEQ where they are implied. */
static enum reply add_implied(struct fetch *x, bool uid)
{
	struct imap_fetch_item *items = arena_array(&x->s->work, (size_t)x->f.n + 2, sizeof *items);
	bool has_uid = false, has_modseq = false;
	uint32_t n = 0;

	if (items == NULL)
		return SAY_NO_MEMORY;
	for (uint32_t i = 0; i < x->f.n; i++) {
		has_uid |= x->f.items[i].kind == IMAP_FETCH_UID;
		has_modseq |= x->f.items[i].kind == IMAP_FETCH_MODSEQ;
	}
	if (uid && !has_uid)
		items[n++].kind = IMAP_FETCH_UID;
	memcpy(items + n, x->f.items, x->f.n * sizeof *items);
	n += x->f.n;
	if ((x->f.kinds & 1u << IMAP_FETCH_MODSEQ) && !has_modseq)
		items[n++].kind = IMAP_FETCH_MODSEQ;
	if (x->f.kinds & 1u << IMAP_FETCH_MODSEQ)
		x->s->enabled |= ENABLED_CONDSTORE;
	x->f.items = items;
	x->f.n = n;
	return SAY_OK;
}

static bool sets_seen(const struct imap_fetch *f)
{
	const unsigned ever = 1u << IMAP_FETCH_SECTION | 1u << IMAP_FETCH_BINARY | 1u << IMAP_FETCH_RFC822 |
			      1u << IMAP_FETCH_RFC822_TEXT;

	for (uint32_t i = 0; i < f->n; i++)
		if ((1u << f->items[i].kind & ever) && !f->items[i].peek)
			return true;
	return false;
}

/* The change is told with the news at the command's end. */
static enum reply set_seen(struct fetch *x)
{
	struct mailbox *m = box_of(x);
	uint32_t *unseen = arena_array(&x->s->work, (size_t)x->n + 1, sizeof *unseen), n = 0, j;
	uint32_t *failed, n_failed;
	enum status st;

	if (unseen == NULL)
		return SAY_NO_MEMORY;
	for (uint32_t i = 0; i < x->n; i++) {
		j = mailbox_find(m, x->uids[i], false);
		if (j < m->n && !(m->messages[j].flags & FLAG_SEEN))
			unseen[n++] = x->uids[i];
	}
	if (n == 0)
		return SAY_OK;
	st = mailbox_flags(m, unseen, n, FLAGS_ADD, FLAG_SEEN, UINT64_MAX, &x->s->work, &failed, &n_failed);
	return st == ST_OK ? imap_durable(x->s) : imap_reply_of(st);
}

enum reply imap_do_fetch(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct fetch x = { .s = s, .flags = { .m = s->sel.m } };
	struct imap_set set;
	enum reply say;

	imap_space(p);
	set = imap_take_set(p);
	imap_space(p);
	x.f = imap_take_fetch(p);
	if (imap_try(p, ' '))
		take_modifiers(&x, p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (x.vanished && (!uid || !x.changed_since))
		return SAY_BAD_SYNTAX;
	if (x.vanished && !(s->enabled & ENABLED_QRESYNC))
		return SAY_BAD_NOT_ENABLED;
	say = imap_pick(s, &set, uid, &x.uids, &x.n);
	if (say == SAY_OK)
		say = add_implied(&x, uid);
	if (say == SAY_OK && !s->sel.read_only && sets_seen(&x.f))
		say = set_seen(&x);
	if (say != SAY_OK)
		return say;
	if (x.vanished)
		imap_put_vanished(s, x.changed_since, &set);
	fetch_all(&x);
	if (x.broken)
		conn_close(&s->conn);
	return x.broken ? SAY_NOTHING : x.unknown_cte ? SAY_UNKNOWN_CTE : x.corrupt ? SAY_CORRUPT :
	       x.gone && !uid ? SAY_GONE : SAY_OK;
}
