#include "mua/copy/query.h"

#include "mua/copy/internal.h"

#include <time.h>

enum { TEXT_MOST = NEEDLE_MAX };

static const struct {
	struct view name;
	enum query_kind kind;
} keys[] = {
	{ VIEW("from"), QUERY_FROM }, { VIEW("to"), QUERY_TO }, { VIEW("subject"), QUERY_SUBJECT },
	{ VIEW("body"), QUERY_BODY }, { VIEW("is"), QUERY_FLAG }, { VIEW("has"), QUERY_FLAG },
	{ VIEW("tag"), QUERY_TAG }, { VIEW("before"), QUERY_BEFORE }, { VIEW("after"), QUERY_AFTER },
	{ VIEW("on"), QUERY_ON }, { VIEW("larger"), QUERY_LARGER }, { VIEW("smaller"), QUERY_SMALLER },
	{ VIEW("id"), QUERY_ID },
};

static const struct {
	struct view name;
	uint32_t mask, want;
} states[] = {
	{ VIEW("unread"), COPY_SEEN, 0 }, { VIEW("read"), COPY_SEEN, COPY_SEEN },
	{ VIEW("new"), COPY_SEEN, 0 }, { VIEW("flagged"), COPY_FLAGGED, COPY_FLAGGED },
	{ VIEW("answered"), COPY_ANSWERED, COPY_ANSWERED }, { VIEW("deleted"), COPY_DELETED, COPY_DELETED },
	{ VIEW("draft"), COPY_DRAFT, COPY_DRAFT }, { VIEW("forwarded"), COPY_FORWARDED, COPY_FORWARDED },
	{ VIEW("pending"), COPY_PENDING, COPY_PENDING }, { VIEW("encrypted"), COPY_ENCRYPTED, COPY_ENCRYPTED },
	{ VIEW("signed"), COPY_SIGNED, COPY_SIGNED }, { VIEW("attachment"), COPY_ATTACHMENTS, COPY_ATTACHMENTS },
	{ VIEW("attachments"), COPY_ATTACHMENTS, COPY_ATTACHMENTS },
};

/* ---- dates, in local time ---- */

static wall_ms local(int year, int month, int day)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_isdst = -1 };

	return (wall_ms)mktime(&tm) * 1000;
}

static bool number_in(struct view v, uint64_t least, uint64_t most, int *ret)
{
	uint64_t x;

	if (!view_u64(v, &x) || x < least || x > most)
		return false;
	*ret = (int)x;
	return true;
}

/* 2026, 2026-11, 2026-11-25: from when until when. */
static bool calendar(struct view v, wall_ms *ret_from, wall_ms *ret_to)
{
	int year, month = 1, day = 1;
	size_t n = view_find(v, '-');
	struct view rest = view_skip(v, n + 1), days;

	if (!number_in(view_head(v, n), 1970, 9999, &year))
		return false;
	if (n == v.n) {
		*ret_from = local(year, 1, 1);
		*ret_to = local(year + 1, 1, 1);
		return true;
	}
	n = view_find(rest, '-');
	days = view_skip(rest, n + 1);
	if (!number_in(view_head(rest, n), 1, 12, &month))
		return false;
	if (n == rest.n) {
		*ret_from = local(year, month, 1);
		*ret_to = local(year, month + 1, 1);
		return true;
	}
	if (!number_in(days, 1, 31, &day))
		return false;
	*ret_from = local(year, month, day);
	*ret_to = local(year, month, day + 1);
	return true;
}

static bool days_ago(wall_ms now, int days, int months, wall_ms *ret_from, wall_ms *ret_to)
{
	time_t t = (time_t)(now / 1000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return false;
	*ret_from = local(tm.tm_year + 1900, tm.tm_mon + 1 - months, tm.tm_mday - days);
	*ret_to = local(tm.tm_year + 1900, tm.tm_mon + 1 - months, tm.tm_mday - days + 1);
	return true;
}

static bool period(struct view v, wall_ms now, wall_ms *ret_from, wall_ms *ret_to)
{
	int n;

	if (view_eq_i(v, VIEW("today")))
		return days_ago(now, 0, 0, ret_from, ret_to);
	if (view_eq_i(v, VIEW("yesterday")))
		return days_ago(now, 1, 0, ret_from, ret_to);
	if (v.n < 2 || !number_in(view_head(v, v.n - 1), 0, 9999, &n))
		return calendar(v, ret_from, ret_to);
	switch (ascii_lower(v.p[v.n - 1])) {
	case 'd':
		return days_ago(now, n, 0, ret_from, ret_to);
	case 'w':
		return days_ago(now, 7 * n, 0, ret_from, ret_to);
	case 'm':
		return days_ago(now, 0, n, ret_from, ret_to);
	case 'y':
		return days_ago(now, 0, 12 * n, ret_from, ret_to);
	default:
		return calendar(v, ret_from, ret_to);
	}
}

/* ---- terms ---- */

static bool size_of(struct view v, uint64_t *ret)
{
	uint64_t unit = 1;
	char last = v.n ? ascii_lower(v.p[v.n - 1]) : '\0';

	if (last == 'k' || last == 'm') {
		unit = last == 'k' ? 1024 : 1024 * 1024;
		v.n--;
	}
	if (!view_u64(v, ret) || *ret > (uint64_t)1 << 40)
		return false;
	*ret *= unit;
	return true;
}

static bool state_of(struct view v, struct query_term *t)
{
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (view_eq_i(v, states[i].name)) {
			t->mask = states[i].mask;
			t->want = states[i].want;
			return true;
		}
	return false;
}

/* What the kind makes of its text; false: it is none. */
static bool read_text(struct query_term *t, wall_ms now)
{
	if (t->text.n == 0)
		return false;
	switch (t->kind) {
	case QUERY_FLAG:
		return state_of(t->text, t);
	case QUERY_BEFORE:
	case QUERY_AFTER:
	case QUERY_ON:
		return period(t->text, now, &t->from, &t->to);
	case QUERY_LARGER:
	case QUERY_SMALLER:
		return size_of(t->text, &t->size);
	default:
		return true;
	}
}

/* A word, or what stands between quotation marks, into out. */
static struct view take_text(struct view v, struct buf *out)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < v.n && (quoted || v.p[i] != ' '); i++) {
		if (v.p[i] == '"') {
			quoted = !quoted;
		} else if (v.p[i] == '\\' && quoted && i + 1 < v.n) {
			buf_putc(out, v.p[++i]);
		} else {
			buf_putc(out, v.p[i]);
		}
	}
	return view_skip(v, i);
}

static bool take_key(struct view *v, enum query_kind *ret)
{
	size_t n = view_find(*v, ':');

	for (size_t i = 0; n < v->n && i < sizeof keys / sizeof *keys; i++)
		if (view_eq_i(view_head(*v, n), keys[i].name)) {
			*v = view_skip(*v, n + 1);
			*ret = keys[i].kind;
			return true;
		}
	return false;
}

static bool wants_needle(enum query_kind k)
{
	return k == QUERY_ANY || k == QUERY_FROM || k == QUERY_TO || k == QUERY_SUBJECT || k == QUERY_BODY;
}

/* One term from the front of v; *ret_any: there was some. */
static enum status take_term(struct view *v, wall_ms now, struct arena *a, struct query_term *t, bool *ret_any)
{
	struct buf text = BUF(TEXT_MOST);
	struct view whole, rest;
	enum status st = ST_OK;

	*t = (struct query_term){ .kind = QUERY_ANY };
	if (v->n > 1 && (v->p[0] == '-' || v->p[0] == '!') && v->p[1] != ' ') {
		t->not = true;
		*v = view_skip(*v, 1);
	}
	whole = *v;
	take_key(v, &t->kind);
	rest = take_text(*v, &text);
	t->text = arena_copy(a, buf_view(&text));
	if (t->kind != QUERY_ANY && arena_status(a) == ST_OK && !read_text(t, now)) {
		/* As it stands, then. */
		t->kind = QUERY_ANY;
		buf_clear(&text);
		rest = take_text(whole, &text);
		t->text = arena_copy(a, buf_view(&text));
	}
	*v = rest;
	*ret_any = t->text.n > 0;
	buf_free(&text);
	st = arena_status(a);
	if (st == ST_OK && wants_needle(t->kind))
		st = needle_make(t->text, a, &t->needle);
	return st;
}

enum status query_parse(struct view text, wall_ms now, struct arena *a, struct query *ret)
{
	struct query q = { .n = 0 };
	enum status st = ST_OK;

	while (st == ST_OK && q.n < QUERY_TERMS_MAX) {
		bool any = false;

		text = view_trim(text);
		if (text.n == 0)
			break;
		st = take_term(&text, now, a, &q.terms[q.n], &any);
		if (st == ST_OK && any)
			q.bodies |= q.terms[q.n++].kind == QUERY_BODY;
	}
	if (st == ST_OK)
		*ret = q;
	return st;
}

/* ---- matching ---- */

static enum status any_of(const struct needle *n, const struct view *texts, size_t count, bool *ret)
{
	enum status st = ST_OK;

	*ret = false;
	for (size_t i = 0; i < count && !*ret && st == ST_OK; i++)
		st = search_plain(texts[i], n, ret);
	return st;
}

static enum status match_term(const struct query_term *t, const struct copy_message *m, bool *ret)
{
	const struct view texts[] = { m->from, m->address, m->to, m->subject };

	switch (t->kind) {
	case QUERY_ANY:
		return any_of(&t->needle, texts, 4, ret);
	case QUERY_FROM:
		return any_of(&t->needle, texts, 2, ret);
	case QUERY_TO:
		return any_of(&t->needle, texts + 2, 1, ret);
	case QUERY_SUBJECT:
		return any_of(&t->needle, texts + 3, 1, ret);
	case QUERY_FLAG:
		*ret = (m->flags & t->mask) == t->want;
		break;
	case QUERY_TAG:
		*ret = copy_word_in(m->keywords, t->text) || (m->flags & copy_keyword_flag(t->text)) != 0;
		break;
	case QUERY_BEFORE:
		*ret = m->date < t->from;
		break;
	case QUERY_AFTER:
		*ret = m->date >= t->from;
		break;
	case QUERY_ON:
		*ret = m->date >= t->from && m->date < t->to;
		break;
	case QUERY_LARGER:
		*ret = m->size > t->size;
		break;
	case QUERY_SMALLER:
		*ret = m->size < t->size;
		break;
	case QUERY_ID:
		*ret = view_eq(m->message_id, t->text);
		break;
	case QUERY_BODY:
		*ret = !t->not;
		break;
	}
	return ST_OK;
}

enum status query_match(const struct query *q, const struct copy_message *m, bool *ret_match)
{
	bool all = true;
	enum status st = ST_OK;

	for (size_t i = 0; i < q->n && all && st == ST_OK; i++) {
		bool there = false;

		st = match_term(&q->terms[i], m, &there);
		all = there != q->terms[i].not;
	}
	if (st == ST_OK)
		*ret_match = all;
	return st;
}
