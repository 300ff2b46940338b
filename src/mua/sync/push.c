/* push.c - telling the server what was done here. */
#include "mua/sync/internal.h"

#include "wire/smtp.h"

#include <stdio.h>

enum { OPS_AT_ONCE = 1000, ROUNDS_MAX = 100000 };

/* ---- words ---- */

static const struct {
	uint32_t flag;
	const char *word;
} flag_words[] = {
	{ COPY_SEEN, "\\Seen" },   { COPY_ANSWERED, "\\Answered" },  { COPY_FLAGGED, "\\Flagged" },
	{ COPY_DELETED, "\\Deleted" }, { COPY_DRAFT, "\\Draft" }, { COPY_FORWARDED, "$Forwarded" },
	{ COPY_MDN_SENT, "$MDNSent" },
};
enum { FLAG_WORDS = sizeof flag_words / sizeof *flag_words };

void put_flags(uint32_t flags, struct view keywords, struct buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < FLAG_WORDS; i++) {
		if (!(flags & flag_words[i].flag))
			continue;
		buf_putf(out, "%s%s", blank, flag_words[i].word);
		blank = " ";
	}
	if (keywords.n)
		buf_putf(out, "%s%.*s", blank, VIEW_ARG(keywords));
}

uint32_t flags_of(const struct answer *a, struct buf *keywords)
{
	/* \Seen, \Answered, \Flagged, \Deleted and \Draft have the same bits. */
	uint32_t flags = a->system & 0x1f;

	for (uint32_t i = 0; i < a->keywords.n; i++) {
		struct view word = a->keywords.v[i];

		if (view_eq_i(word, VIEW("$Forwarded")))
			flags |= COPY_FORWARDED;
		else if (view_eq_i(word, VIEW("$MDNSent")))
			flags |= COPY_MDN_SENT;
		else if (keywords->n + word.n < COPY_KEYWORDS_MAX)
			buf_putf(keywords, "%s%.*s", keywords->n ? " " : "", VIEW_ARG(word));
	}
	return flags;
}

_Static_assert(COPY_SEEN == 1 << (IMAP_FLAG_SEEN - 1) && COPY_DRAFT == 1 << (IMAP_FLAG_DRAFT - 1), "the same bits");

/* ---- runs: neighbours that one command serves ---- */

struct run {
	const struct copy_op *ops;
	size_t n;
};

static bool same_words(const struct copy_op *a, const struct copy_op *b)
{
	return a->kind == b->kind && a->from == b->from && a->to == b->to && a->add == b->add &&
	       a->remove == b->remove && view_eq(a->add_keywords, b->add_keywords) &&
	       view_eq(a->remove_keywords, b->remove_keywords);
}

/* Only uids that rise: so the order of COPYUID's sets is the order here. */
static struct run next_run(const struct copy_op *ops, size_t n)
{
	struct run r = { ops, 1 };

	if (ops->kind == COPY_OP_APPEND)
		return r;
	while (r.n < n && same_words(&ops[r.n], ops) && ops[r.n].uid > ops[r.n - 1].uid)
		r.n++;
	return r;
}

static void put_set(const struct run *r, struct buf *out)
{
	struct imap_set_writer w = { .out = out };

	for (size_t i = 0; i < r->n; i++)
		imap_set_put(&w, r->ops[i].uid);
	imap_set_finish(&w);
}

/* ---- where they went ---- */

/* COPYUID, which MOVE says untagged (RFC 6851 4.3) and COPY tagged. */
struct copied {
	struct arena *arena;
	bool told;
	struct imap_set from, to;
};

static void take_copied(struct copied *c, struct view code, struct view rest)
{
	struct view kept;
	uint32_t validity;

	if (!view_eq_i(code, VIEW("COPYUID")))
		return;
	kept = arena_copy(c->arena, rest);
	c->told = answer_uids(kept, c->arena, &validity, &c->from, &c->to);
}

static void on_copied(void *arg, const struct answer *a)
{
	if (a->kind == ANSWER_OK)
		take_copied(arg, a->code, a->code_rest);
}

/* The nth number of a set as it was written. */
static uint32_t set_at(const struct imap_set *set, uint64_t n)
{
	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t least = set->r[i].from < set->r[i].to ? set->r[i].from : set->r[i].to;
		uint64_t size = (set->r[i].from < set->r[i].to ? set->r[i].to : set->r[i].from) - (uint64_t)least + 1;

		if (n < size)
			return least + (uint32_t)n;
		n -= size;
	}
	return 0;
}

/* RFC 4315 3: the sets correspond, number by number. */
static uint32_t new_uid(const struct copied *c, uint32_t uid)
{
	uint64_t at = 0;

	for (uint32_t i = 0; c->told && i < c->from.n; i++) {
		uint32_t a = c->from.r[i].from, b = c->from.r[i].to;
		uint32_t least = a < b ? a : b, most = a < b ? b : a;

		if (uid >= least && uid <= most)
			return set_at(&c->to, at + uid - least);
		at += (uint64_t)most - least + 1;
	}
	return 0;
}

/* ---- commands ---- */

static enum status store(struct session *s, const struct run *r, char sign, uint32_t flags, struct view keywords)
{
	struct buf *out;

	if (flags == 0 && keywords.n == 0)
		return ST_OK;
	out = imap_begin(&s->imap);
	buf_puts(out, "UID STORE ");
	put_set(r, out);
	buf_putf(out, " %cFLAGS.SILENT (", sign);
	put_flags(flags, keywords, out);
	buf_putc(out, ')');
	return imap_run(&s->imap, NULL, NULL);
}

static enum status expunge(struct session *s, const struct run *r)
{
	struct buf *out = imap_begin(&s->imap);

	if (imap_can(&s->imap, CAN_UIDPLUS)) {
		buf_puts(out, "UID EXPUNGE ");
		put_set(r, out);
	} else {
		buf_puts(out, "EXPUNGE");
	}
	return imap_run(&s->imap, NULL, NULL);
}

static enum status copy_to(struct session *s, const struct run *r, const char *verb, struct copied *c)
{
	const struct copy_folder *to = session_folder(s, r->ops->to);
	struct buf *out;
	enum status st;

	if (to == NULL || to->sync.server_name.n == 0)
		return ST_DENIED;
	out = imap_begin(&s->imap);
	buf_putf(out, "UID %s ", verb);
	put_set(r, out);
	buf_putc(out, ' ');
	imap_put_mailbox(out, to->sync.server_name, s->imap.utf8);
	st = imap_run(&s->imap, on_copied, c);
	if (st == ST_OK)
		take_copied(c, buf_view(&s->imap.code), buf_view(&s->imap.code_rest));
	return st;
}

static enum status move(struct session *s, const struct run *r, struct copied *c)
{
	enum status st;

	if (imap_can(&s->imap, CAN_MOVE))
		return copy_to(s, r, "MOVE", c);
	st = copy_to(s, r, "COPY", c);
	if (st == ST_OK)
		st = store(s, r, '+', COPY_DELETED, VIEW_NONE);
	return st == ST_OK ? expunge(s, r) : st;
}

/* As it has to be on the way (RFC 9051 6.3.12). */
static void put_crlf(struct view v, struct buf *out)
{
	struct smtp_sender t = { .dots = false };

	smtp_send_text(&t, v, out);
	smtp_send_end(&t, out);
}

static enum status append(struct session *s, const struct copy_op *op, struct copied *c)
{
	const struct copy_folder *to = session_folder(s, op->to);
	struct copy_letter letter;
	struct buf *out, crlf = BUF(COPY_LETTER_MAX);
	uint32_t validity;
	enum status st = copy_read(s->copy, op->id, &letter);

	if (st != ST_OK)
		return st == ST_MISSING ? ST_DENIED : st;
	if (to == NULL || to->sync.server_name.n == 0 || !letter.whole) {
		copy_letter_close(&letter);
		return ST_DENIED;
	}
	put_crlf(letter.bytes, &crlf);
	copy_letter_close(&letter);
	out = imap_begin(&s->imap);
	buf_puts(out, "APPEND ");
	imap_put_mailbox(out, to->sync.server_name, s->imap.utf8);
	buf_puts(out, " (");
	put_flags(op->flags & COPY_FLAGS, op->keywords, out);
	buf_puts(out, ") ");
	st = buf_status(&crlf);
	if (st == ST_OK)
		st = imap_put_octets(&s->imap, buf_view(&crlf));
	if (st == ST_OK)
		st = imap_run(&s->imap, NULL, NULL);
	buf_free(&crlf);
	if (st == ST_OK && view_eq_i(buf_view(&s->imap.code), VIEW("APPENDUID")))
		c->told = answer_uids(arena_copy(c->arena, buf_view(&s->imap.code_rest)), c->arena, &validity,
				      &c->from, &c->to);
	return st;
}

/* With the server's delimiter between the levels. */
static struct view remote_name(struct session *s, struct view name)
{
	struct buf out = BUF(COPY_FOLDER_MAX);
	struct view ret;

	for (size_t i = 0; i < name.n; i++)
		buf_putc(&out, name.p[i] == '/' && s->delimiter ? s->delimiter : name.p[i]);
	ret = arena_copy(&s->folders_arena, buf_view(&out));
	buf_free(&out);
	return ret;
}

/* A folder that was made here: the server has to make it too. */
static enum status create(struct session *s, struct copy_folder *f)
{
	struct copy_sync sync = f->sync;
	struct view name = remote_name(s, f->name);
	struct buf *out = imap_begin(&s->imap);
	enum status st;

	buf_puts(out, "CREATE ");
	imap_put_mailbox(out, name, s->imap.utf8);
	st = imap_run(&s->imap, NULL, NULL);
	if (st == ST_DENIED && !view_eq_i(buf_view(&s->imap.code), VIEW("ALREADYEXISTS")))
		return ST_DENIED;
	if (st != ST_OK && st != ST_DENIED)
		return st;
	sync.server_name = f->sync.server_name = name;
	st = copy_folder_sync(s->copy, f->id, &sync);
	return st;
}

/* ---- carrying out ---- */

static enum status tell(struct session *s, const struct run *r, struct copied *c)
{
	enum status st;

	switch (r->ops->kind) {
	case COPY_OP_APPEND:
		return append(s, r->ops, c);
	case COPY_OP_FLAGS:
		st = store(s, r, '+', r->ops->add, r->ops->add_keywords);
		return st == ST_OK ? store(s, r, '-', r->ops->remove, r->ops->remove_keywords) : st;
	case COPY_OP_MOVE:
		return move(s, r, c);
	case COPY_OP_COPY:
		return copy_to(s, r, "COPY", c);
	case COPY_OP_REMOVE:
		st = store(s, r, '+', COPY_DELETED, VIEW_NONE);
		return st == ST_OK ? expunge(s, r) : st;
	}
	return ST_DENIED;
}

/* Into both folders that it needs.  ST_CORRUPT: what we knew of one is void. */
static enum status prepare(struct session *s, const struct copy_op *op)
{
	struct copy_folder *from = op->from ? session_folder(s, op->from) : NULL;
	struct copy_folder *to = op->to ? session_folder(s, op->to) : NULL;
	enum status st = ST_OK;

	if (to && to->sync.server_name.n == 0)
		st = create(s, to);
	if (st == ST_OK && op->from && (from == NULL || from->sync.server_name.n == 0))
		st = ST_DENIED;
	return st == ST_OK && from ? session_enter(s, from, "", NULL, NULL) : st;
}

static enum status settle(struct session *s, const struct run *r, const struct copied *c, enum status told)
{
	enum status st = copy_begin(s->copy);

	for (size_t i = 0; i < r->n && st == ST_OK; i++) {
		const struct copy_op *op = &r->ops[i];
		uint32_t uid = op->kind == COPY_OP_APPEND ? set_at(&c->to, 0) : new_uid(c, op->uid);

		st = told == ST_OK ? copy_done(s->copy, op, uid) : copy_refused(s->copy, op);
	}
	if (st == ST_OK)
		st = copy_commit(s->copy);
	else
		copy_roll_back(s->copy);
	*(told == ST_OK ? &s->sync->told : &s->sync->refused) += st == ST_OK ? r->n : 0;
	return st;
}

static enum status carry_out(struct session *s, const struct run *r, struct arena *a)
{
	struct copied c = { .arena = a };
	enum status st = prepare(s, r->ops);

	if (st == ST_OK)
		st = tell(s, r, &c);
	return st == ST_OK || st == ST_DENIED ? settle(s, r, &c, st) : st;
}

enum status sync_push(struct session *s)
{
	struct copy_op *ops;
	size_t n = 1;
	enum status st = ST_OK;

	for (int round = 0; st == ST_OK && n && round < ROUNDS_MAX; round++) {
		struct arena a = ARENA(SYNC_ARENA);

		st = copy_pending(s->copy, OPS_AT_ONCE, &a, &ops, &n);
		for (size_t at = 0; st == ST_OK && at < n;) {
			struct run r = next_run(ops + at, n - at);

			st = sync_goes_on(s->sync, VIEW("telling the server"), at, n) ? carry_out(s, &r, &a)
										      : ST_AGAIN;
			at += r.n;
		}
		/* A folder is not what it was: ask again what there is to tell. */
		if (st == ST_CORRUPT)
			st = ST_OK;
		arena_free(&a);
	}
	return st;
}
