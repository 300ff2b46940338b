/* append.c - APPEND (RFC 9051 6.3.12), several at once (RFC 3502), limited
 * (RFC 7889), as UTF-8 (RFC 6855 4), and put together here (RFC 4469). */
#include "ms/imap/internal.h"

enum { MESSAGES_MAX = 1000 };

struct one {
	struct imap_flags flags;
	wall_ms date;
	struct view letter;
	struct cat_part *parts;	/* of which it is made; NULL: it came whole */
	struct buf made;
};

/* UTF8 (~{n} ...) */
static struct view take_utf8_literal(struct imap_parse *p)
{
	struct view v;

	imap_space(p);
	imap_want(p, '(');
	if (peek_char(&p->c) != '~')
		imap_fail(p);
	v = imap_take_literal(p);
	imap_want(p, ')');
	return v;
}

static struct one take_one(struct imap_parse *p)
{
	struct one o = { .date = clock_wall() };

	imap_space(p);
	if (peek_char(&p->c) == '(') {
		o.flags = imap_take_flags(p, false);
		imap_space(p);
	}
	if (peek_char(&p->c) == '"') {
		o.date = imap_take_date_time(p);
		imap_space(p);
	}
	if (imap_try_word(p, VIEW("CATENATE")))
		o.parts = imap_take_catenate(p);
	else
		o.letter = imap_try_word(p, VIEW("UTF8")) ? take_utf8_literal(p) : imap_take_literal(p);
	return o;
}

static enum reply parse(struct imap_session *s, struct imap_parse *p, struct one **ret, uint32_t *ret_n)
{
	struct one *all = NULL;
	uint32_t n = 0, cap = 0;

	do {
		struct one o = take_one(p);

		if (n == MESSAGES_MAX)
			return SAY_LIMIT;
		if (n == cap) {
			struct one *more = arena_array(&s->work, cap = cap ? 2 * cap : 4, sizeof *more);

			if (more == NULL)
				return SAY_NO_MEMORY;
			if (n)
				memcpy(more, all, n * sizeof *more);
			all = more;
		}
		all[n++] = o;
	} while (imap_ok(p) && peek_char(&p->c) == ' ');
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	*ret = all;
	*ret_n = n;
	return SAY_OK;
}

/* All or none (RFC 3502 3). */
static enum status append_all(struct imap_session *s, struct mailbox *m, const struct one *all, uint32_t n,
			      uint32_t *uids)
{
	enum status st = ST_OK;
	uint32_t done = 0;

	(void)s;
	while (done < n && st == ST_OK) {
		uint64_t flags = 0;

		st = imap_flag_bits(m, &all[done].flags, true, &flags);
		if (st == ST_OK)
			st = mailbox_append(m, flags, all[done].date, all[done].letter, &uids[done]);
		done += st == ST_OK;
	}
	if (st != ST_OK && done)
		(void)!mailbox_expunge(m, uids, done);
	return st;
}

/* Those that are made of parts; together as much as may come by literals. */
static enum reply make_letters(struct imap_session *s, struct one *all, uint32_t n)
{
	size_t most = (size_t)s->host->conf->imap_literal, left = 2 * most;
	enum reply say = SAY_OK;

	for (uint32_t i = 0; i < n && say == SAY_OK; i++) {
		if (all[i].parts == NULL)
			continue;
		all[i].made = BUF(most < left ? most : left);
		say = imap_catenate(s, all[i].parts, &all[i].made);
		all[i].letter = buf_view(&all[i].made);
		left -= all[i].made.n;
	}
	return say;
}

static void free_letters(struct one *all, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_free(&all[i].made);
}

static enum reply append(struct imap_session *s, struct mailbox *m, const struct one *all, uint32_t n)
{
	struct imap_set_writer w = { .out = &s->code };
	uint32_t *uids = arena_array(&s->work, n, sizeof *uids);
	enum status st = uids ? append_all(s, m, all, n, uids) : ST_NOMEM;

	if (st != ST_OK)
		return imap_reply_of(st);
	buf_putf(&s->code, "APPENDUID %u ", m->uidvalidity);
	for (uint32_t i = 0; i < n; i++)
		imap_set_put(&w, uids[i]);
	imap_set_finish(&w);
	return SAY_OK;
}

enum reply imap_do_append(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct mailbox *m;
	struct view name;
	struct one *all;
	uint32_t n;
	enum status st;
	enum reply say;

	(void)uid;
	imap_space(p);
	name = imap_take_mailbox(p);
	say = parse(s, p, &all, &n);
	if (say != SAY_OK)
		return say;
	st = mailbox_open(s->host->store, name, &m);
	if (st != ST_OK)
		return st == ST_MISSING ? SAY_TRY_CREATE : imap_reply_of(st);
	say = make_letters(s, all, n);
	if (say == SAY_OK)
		say = append(s, m, all, n);
	free_letters(all, n);
	mailbox_release(m);
	return say;
}
