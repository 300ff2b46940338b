/* search.c - SEARCH (RFC 9051 6.4.4; RFC 4731, 5032, 5182, 7162 3.1.5). */
#include "ms/imap/internal.h"

#include "msg/date.h"
#include "msg/header.h"
#include "msg/search.h"

#include <stdlib.h>

enum { DAY = 86400000, LETTERS_A_TURN = 256 };

/* What a text key needs, made once a command. */
struct text_key {
	struct needle needle;
	uint32_t *candidates, n;	/* from the full-text index; sorted */
	bool indexed;
};

struct evaluation {
	struct imap_session *s;
	struct mailbox *m;
	wall_ms now;
	/* ---- the message in hand ---- */
	const struct message *msg;
	uint32_t number;
	struct view letter;
	bool has_letter;
	enum status st;
	unsigned letters;	/* read since others ran */
};

/* ---- before the first message ---- */

static enum status prepare_text(struct evaluation *e, struct imap_search_key *k)
{
	struct text_key *t = ARENA_NEW(&e->s->work, struct text_key);
	enum status st;

	if (t == NULL)
		return ST_NOMEM;
	k->cooked = t;
	st = needle_make(k->text, &e->s->work, &t->needle);
	if (st != ST_OK || k->text.n == 0)
		return st;
	st = mailbox_candidates(e->m, t->needle.scan.needle, &e->s->work, &t->candidates, &t->n);
	t->indexed = st == ST_OK;
	return st == ST_MISSING ? ST_OK : st;
}

static enum status prepare(struct evaluation *e, struct imap_search_key *k)
{
	const struct selected *sel = &e->s->sel;
	struct imap_flags keyword = { .keywords = { &k->text, 1 } };
	enum status st = ST_OK;

	switch (k->key) {
	case IMAP_KEY_HEADER:
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		st = prepare_text(e, k);
		break;
	case IMAP_KEY_KEYWORD:
	case IMAP_KEY_NO_KEYWORD:
		st = imap_flag_bits(e->m, &keyword, false, &k->number);
		break;
	case IMAP_KEY_SEQUENCE:
		imap_set_settle(&k->set, sel->n);
		if (k->set.n && k->set.r[k->set.n - 1].to > sel->n)
			st = ST_SYNTAX;
		break;
	case IMAP_KEY_UID:
		imap_set_settle(&k->set, sel->n ? sel->uids[sel->n - 1] : 0);
		break;
	case IMAP_KEY_MODSEQ:
		e->s->enabled |= ENABLED_CONDSTORE;
		break;
	default:
		break;
	}
	for (k = k->kids; k && st == ST_OK; k = k->next)
		st = prepare(e, k);
	return st;
}

/* ---- one message ---- */

static bool load(struct evaluation *e)
{
	if (!e->has_letter && e->st == ST_OK) {
		e->st = message_body(e->m, e->msg, &e->letter);
		e->has_letter = e->st == ST_OK;
		e->letters++;
		/* A damaged message is found by no text, and stops no search. */
		if (e->st == ST_CORRUPT) {
			e->st = ST_OK;
			e->letter = VIEW_NONE;
			e->has_letter = true;
		}
	}
	return e->has_letter;
}

static int order_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool among(const uint32_t *uids, uint32_t n, uint32_t uid)
{
	return n && bsearch(&uid, uids, n, sizeof uid, order_uid);
}

static bool has_text(struct evaluation *e, const struct imap_search_key *k)
{
	const struct text_key *t = k->cooked;
	bool found = false;

	if (t->indexed && !among(t->candidates, t->n, e->msg->uid))
		return false;
	if (!load(e))
		return false;
	if (k->key == IMAP_KEY_HEADER)
		e->st = search_field(e->letter, k->field, &t->needle, &found);
	else if (k->key == IMAP_KEY_BODY)
		e->st = search_body(e->letter, &t->needle, &found);
	else
		e->st = search_text(e->letter, &t->needle, &found);
	return found;
}

/* The day of the Date field, its zone disregarded (RFC 9051 6.4.4). */
static bool sent_day(struct evaluation *e, int64_t *ret)
{
	struct field f;
	struct date d;

	if (!load(e) || !field_find(e->letter, VIEW("Date"), &f) || date_parse(f.value, &d) != ST_OK)
		return false;
	d.zone = 0;
	d.hour = d.minute = d.second = 0;
	*ret = date_wall(&d) / DAY - (date_wall(&d) % DAY < 0);
	return true;
}

static bool compare_day(enum imap_key key, int64_t day, int64_t with)
{
	switch (key) {
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_SENT_BEFORE:
		return day < with;
	case IMAP_KEY_ON:
	case IMAP_KEY_SENT_ON:
		return day == with;
	default:
		return day >= with;
	}
}

static bool set_has(const struct evaluation *e, const struct imap_set *set, uint32_t x)
{
	return set->saved ? among(e->s->saved, e->s->n_saved, e->msg->uid) : imap_set_has(set, x);
}

static bool is_dear(const struct imap_search_key *k)
{
	if (k->key >= IMAP_KEY_HEADER || (k->key >= IMAP_KEY_SENT_BEFORE && k->key <= IMAP_KEY_SENT_SINCE))
		return true;
	for (k = k->kids; k; k = k->next)
		if (is_dear(k))
			return true;
	return false;
}

static bool matches(struct evaluation *e, const struct imap_search_key *k);

/* What needs no letter first. */
static bool matches_all(struct evaluation *e, const struct imap_search_key *first)
{
	for (int dear = 0; dear < 2; dear++)
		for (const struct imap_search_key *k = first; k; k = k->next)
			if (is_dear(k) == dear && !matches(e, k))
				return false;
	return true;
}

static bool matches(struct evaluation *e, const struct imap_search_key *k)
{
	const struct message *m = e->msg;
	int64_t day;

	switch (k->key) {
	case IMAP_KEY_ALL:
		return true;
	case IMAP_KEY_AND:
		return matches_all(e, k->kids);
	case IMAP_KEY_OR:
		return matches(e, k->kids) || matches(e, k->kids->next);
	case IMAP_KEY_NOT:
		return !matches(e, k->kids);
	case IMAP_KEY_FLAG:
		return m->flags & k->number;
	case IMAP_KEY_NO_FLAG:
		return !(m->flags & k->number);
	case IMAP_KEY_KEYWORD:
		return k->number && (m->flags & k->number);
	case IMAP_KEY_NO_KEYWORD:
		return !(m->flags & k->number);
	case IMAP_KEY_RECENT:
		return false;	/* nothing is \Recent here */
	case IMAP_KEY_SEQUENCE:
		return set_has(e, &k->set, e->number);
	case IMAP_KEY_UID:
		return set_has(e, &k->set, m->uid);
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_ON:
	case IMAP_KEY_SINCE:
		return compare_day(k->key, m->date / DAY - (m->date % DAY < 0), k->day);
	case IMAP_KEY_SENT_BEFORE:
	case IMAP_KEY_SENT_ON:
	case IMAP_KEY_SENT_SINCE:
		return sent_day(e, &day) && compare_day(k->key, day, k->day);
	case IMAP_KEY_LARGER:
		return m->size > k->number;
	case IMAP_KEY_SMALLER:
		return m->size < k->number;
	case IMAP_KEY_OLDER:
		return (e->now - m->date) / 1000 >= (int64_t)k->number;
	case IMAP_KEY_YOUNGER:
		return (e->now - m->date) / 1000 <= (int64_t)k->number;
	case IMAP_KEY_MODSEQ:
		return m->modseq >= k->number;
	case IMAP_KEY_HEADER:
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		return has_text(e, k);
	}
	return false;
}

/* ---- all messages ---- */

struct found {
	uint32_t *uids, *numbers, n;
	uint64_t modseq, first_modseq, last_modseq;	/* the largest; of the first; of the last */
};

static void add(struct found *f, const struct evaluation *e)
{
	if (f->n == 0)
		f->first_modseq = e->msg->modseq;
	f->last_modseq = e->msg->modseq;
	if (e->msg->modseq > f->modseq)
		f->modseq = e->msg->modseq;
	f->uids[f->n] = e->msg->uid;
	f->numbers[f->n++] = e->number;
}

/* Reading many letters takes long: the others of this person run in between. */
static void breathe(struct evaluation *e)
{
	if (e->letters < LETTERS_A_TURN)
		return;
	e->letters = 0;
	loop_sleep(e->s->host->loop, 0);
}

static enum status search_all(struct evaluation *e, const struct imap_search_key *key, struct found *ret)
{
	const struct selected *sel = &e->s->sel;
	struct found f = { 0 };
	uint32_t j = 0;

	f.uids = arena_array(&e->s->work, (size_t)sel->n + 1, sizeof *f.uids);
	f.numbers = arena_array(&e->s->work, (size_t)sel->n + 1, sizeof *f.numbers);
	if (f.uids == NULL || f.numbers == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < sel->n && e->st == ST_OK; i++) {
		uint32_t uid = sel->uids[i];

		if (j >= e->m->n || e->m->messages[j].uid > uid)
			j = mailbox_find(e->m, uid, true);
		while (j < e->m->n && e->m->messages[j].uid < uid)
			j++;
		if (j == e->m->n)
			break;
		if (e->m->messages[j].uid != uid)
			continue;
		e->msg = &e->m->messages[j];
		e->number = i + 1;
		e->has_letter = false;
		if (matches(e, key))
			add(&f, e);
		breathe(e);
	}
	if (e->st == ST_OK)
		*ret = f;
	return e->st;
}

/* ---- the answer ---- */

static void put_old(struct imap_session *s, const struct found *f, bool uid, bool modseq)
{
	struct buf *b = out_of(s);

	buf_puts(b, "* SEARCH");
	for (uint32_t i = 0; i < f->n && imap_flow(s); i++) {
		buf_putc(b, ' ');
		buf_putu(b, uid ? f->uids[i] : f->numbers[i]);
	}
	if (modseq && f->n)
		buf_putf(b, " (MODSEQ %llu)", (unsigned long long)f->modseq);
	buf_puts(b, "\r\n");
}

/* The largest mod-sequence of those that the answer names (RFC 7162 3.1.10). */
static uint64_t modseq_named(const struct found *f, unsigned results)
{
	if (results & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT))
		return f->modseq;
	if ((results & IMAP_RETURN_MIN) && (results & IMAP_RETURN_MAX))
		return f->first_modseq > f->last_modseq ? f->first_modseq : f->last_modseq;
	return results & IMAP_RETURN_MIN ? f->first_modseq : f->last_modseq;
}

static void put_extended(struct imap_session *s, const struct found *f, const struct imap_search *q, bool uid)
{
	const uint32_t *x = uid ? f->uids : f->numbers;
	struct imap_set_writer w = { .out = out_of(s) };
	struct buf *b = out_of(s);

	buf_puts(b, "* ESEARCH (TAG ");
	imap_put_string(b, imap_tag_of(buf_view(&s->reader.text)));
	buf_puts(b, uid ? ") UID" : ")");
	if ((q->results & IMAP_RETURN_MIN) && f->n)
		buf_putf(b, " MIN %u", x[0]);
	if ((q->results & IMAP_RETURN_MAX) && f->n)
		buf_putf(b, " MAX %u", x[f->n - 1]);
	if (q->results & IMAP_RETURN_COUNT)
		buf_putf(b, " COUNT %u", f->n);
	if ((q->results & IMAP_RETURN_ALL) && f->n) {
		buf_puts(b, " ALL ");
		for (uint32_t i = 0; i < f->n; i++)
			imap_set_put(&w, x[i]);
		imap_set_finish(&w);
	}
	if (q->modseq && f->n)
		buf_putf(b, " MODSEQ %llu", (unsigned long long)modseq_named(f, q->results));
	buf_puts(b, "\r\n");
}

/* "$": with MIN or MAX alone only these (RFC 5182 2.4). */
static enum reply save(struct imap_session *s, const struct found *f, unsigned results)
{
	bool all = !(results & (IMAP_RETURN_MIN | IMAP_RETURN_MAX)) ||
		   (results & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT));
	uint32_t *saved = malloc(((size_t)f->n + 2) * sizeof *saved), n = 0;

	if (saved == NULL)
		return SAY_NO_MEMORY;
	if (all && f->n)
		memcpy(saved, f->uids, (n = f->n) * sizeof *saved);
	if (!all && f->n && (results & IMAP_RETURN_MIN))
		saved[n++] = f->uids[0];
	if (!all && f->n && (results & IMAP_RETURN_MAX) && (n == 0 || f->n > 1))
		saved[n++] = f->uids[f->n - 1];
	free(s->saved);
	s->saved = saved;
	s->n_saved = n;
	return SAY_OK;
}

static bool known_charset(struct view name)
{
	return name.n == 0 || view_eq_i(name, VIEW("UTF-8")) || view_eq_i(name, VIEW("US-ASCII"));
}

enum reply imap_do_search(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct evaluation e = { .s = s, .m = s->sel.m, .now = clock_wall() };
	struct imap_search q;
	struct found f = { 0 };
	enum reply say = SAY_OK;

	imap_space(p);
	q = imap_take_search(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	if (!known_charset(q.charset))
		return SAY_BAD_CHARSET;
	e.st = prepare(&e, q.key);
	if (e.st == ST_SYNTAX)
		return SAY_BAD_NUMBER;
	if (e.st == ST_OK)
		e.st = search_all(&e, q.key, &f);
	if (e.st != ST_OK) {
		s->n_saved = q.results & IMAP_RETURN_SAVE ? 0 : s->n_saved;
		return imap_reply_of(e.st);
	}
	if (q.results & IMAP_RETURN_SAVE)
		say = save(s, &f, q.results);
	/* SAVE alone answers nothing (RFC 5182 2.1). */
	if (q.results == IMAP_RETURN_SAVE)
		return say;
	if (q.extended || is_rev2(s))
		put_extended(s, &f, &q, uid);
	else
		put_old(s, &f, uid, q.modseq);
	return say;
}
