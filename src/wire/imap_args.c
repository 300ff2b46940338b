/* imap_args.c - sets, flags, dates, STATUS and LIST. */
#include "wire/imap_args.h"

#include <stdio.h>
#include <stdlib.h>

enum { SET_MAX = 65536 };

/* ---- sets ---- */

static uint32_t take_star(struct imap_parse *p)
{
	return imap_try(p, '*') ? IMAP_STAR : imap_take_nz_number(p);
}

/* One more than cap: the array doubles. */
static void *grow(struct imap_parse *p, void *old, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t bigger = *cap ? 2 * *cap : 4;
	void *grown;

	if (n < *cap)
		return old;
	grown = arena_array(p->arena, bigger, size);
	if (grown == NULL) {
		imap_fail(p);
		return NULL;
	}
	if (n)
		memcpy(grown, old, n * size);
	*cap = bigger;
	return grown;
}

struct imap_set imap_take_set(struct imap_parse *p)
{
	struct imap_set set = { 0 };
	uint32_t cap = 0;

	if (imap_try(p, '$')) {
		set.saved = true;
		return set;
	}
	do {
		struct imap_range r;

		r.from = r.to = take_star(p);
		if (imap_try(p, ':'))
			r.to = take_star(p);
		if (set.n == SET_MAX)
			imap_fail(p);
		set.r = grow(p, set.r, set.n, &cap, sizeof *set.r);
		if (!imap_ok(p))
			return (struct imap_set){ 0 };
		set.r[set.n++] = r;
	} while (imap_try(p, ','));
	return set;
}

static int range_order(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

void imap_set_settle(struct imap_set *set, uint32_t largest)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		struct imap_range r = set->r[i];

		if (r.from == IMAP_STAR)
			r.from = largest;
		if (r.to == IMAP_STAR)
			r.to = largest;
		set->r[i] = r.from <= r.to ? r : (struct imap_range){ r.to, r.from };
	}
	if (set->n > 1)
		qsort(set->r, set->n, sizeof *set->r, range_order);
	for (uint32_t i = 0; i < set->n; i++) {
		if (n && set->r[i].from <= set->r[n - 1].to + (uint64_t)1) {
			if (set->r[i].to > set->r[n - 1].to)
				set->r[n - 1].to = set->r[i].to;
		} else {
			set->r[n++] = set->r[i];
		}
	}
	set->n = n;
}

bool imap_set_has(const struct imap_set *set, uint32_t x)
{
	uint32_t low = 0, high = set->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (set->r[mid].to < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->n && set->r[low].from <= x;
}

void imap_set_finish(struct imap_set_writer *w)
{
	if (w->from == 0)
		return;
	if (w->any)
		buf_putc(w->out, ',');
	w->any = true;
	buf_putu(w->out, w->from);
	if (w->to != w->from) {
		buf_putc(w->out, ':');
		buf_putu(w->out, w->to);
	}
	w->from = 0;
}

void imap_set_put_run(struct imap_set_writer *w, uint32_t from, uint32_t to)
{
	if (w->from && from == w->to + 1) {
		w->to = to;
		return;
	}
	imap_set_finish(w);
	w->from = from;
	w->to = to;
}

void imap_set_put(struct imap_set_writer *w, uint32_t x)
{
	imap_set_put_run(w, x, x);
}

/* ---- flags ---- */

static const struct {
	const char *name;
	enum imap_flag_word word;
} system_flags[] = {
	{ "Seen", IMAP_FLAG_SEEN }, { "Answered", IMAP_FLAG_ANSWERED }, { "Flagged", IMAP_FLAG_FLAGGED },
	{ "Deleted", IMAP_FLAG_DELETED }, { "Draft", IMAP_FLAG_DRAFT },
};

static void take_flag(struct imap_parse *p, struct imap_flags *f, uint32_t *cap)
{
	bool system = imap_try(p, '\\');
	struct view v = imap_take_atom(p);

	if (!imap_ok(p))
		return;
	if (!system) {
		for (uint32_t i = 0; i < f->keywords.n; i++)
			if (view_eq_i(f->keywords.v[i], v))
				return;
		if (f->keywords.n == IMAP_LIST_MAX)
			imap_fail(p);
		f->keywords.v = grow(p, f->keywords.v, f->keywords.n, cap, sizeof v);
		if (imap_ok(p))
			f->keywords.v[f->keywords.n++] = v;
		return;
	}
	for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++)
		if (view_eq_i(v, view_cstr(system_flags[i].name))) {
			f->system |= 1u << (system_flags[i].word - 1);
			return;
		}
	/* Clients copy \Recent from what an old server said; it cannot be set. */
	if (!view_eq_i(v, VIEW("Recent")))
		imap_fail(p);
}

struct imap_flags imap_take_flags(struct imap_parse *p, bool bare)
{
	struct imap_flags f = { 0 };
	uint32_t cap = 0;

	if (!imap_try(p, '(')) {
		if (!bare)
			imap_fail(p);
		do
			take_flag(p, &f, &cap);
		while (imap_ok(p) && imap_try(p, ' '));
		return f;
	}
	if (imap_try(p, ')'))
		return f;
	do
		take_flag(p, &f, &cap);
	while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
	return f;
}

/* ---- dates ---- */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m > 2 ? (int64_t)m - 3 : (int64_t)m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static unsigned days_in(int64_t y, unsigned m)
{
	static const unsigned char n[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return n[m - 1] + (m == 2 && leap ? 1u : 0u);
}

/* Exactly n digits, or for n of 0 one or two. */
static unsigned take_digits(struct imap_parse *p, int n)
{
	unsigned x = 0;
	int i = 0;

	while (i < (n ? n : 2) && ascii_digit(peek_char(&p->c))) {
		x = 10 * x + (unsigned)(*p->c.p++ - '0');
		i++;
	}
	if (n ? i != n : i == 0)
		imap_fail(p);
	return x;
}

static unsigned take_month(struct imap_parse *p)
{
	struct view v = take_bytes(&p->c, 3);

	for (unsigned m = 0; v.n && m < 12; m++)
		if (view_eq_i(v, view_make(months + 3 * m, 3)))
			return m + 1;
	imap_fail(p);
	return 1;
}

/* day "-" month "-" year */
static int64_t take_day(struct imap_parse *p, bool fixed)
{
	unsigned d, m, y;

	if (fixed && imap_try(p, ' '))
		d = take_digits(p, 1);
	else
		d = take_digits(p, fixed ? 2 : 0);
	imap_want(p, '-');
	m = take_month(p);
	imap_want(p, '-');
	y = take_digits(p, 4);
	if (imap_ok(p) && (d == 0 || d > days_in(y, m)))
		imap_fail(p);
	return imap_ok(p) ? days_of(y, m, d) : 0;
}

int64_t imap_take_date(struct imap_parse *p)
{
	bool quoted = imap_try(p, '"');
	int64_t day = take_day(p, false);

	if (quoted)
		imap_want(p, '"');
	return day;
}

wall_ms imap_take_date_time(struct imap_parse *p)
{
	int64_t day, seconds;
	unsigned h, m, s, zone;
	bool west;

	imap_want(p, '"');
	day = take_day(p, true);
	imap_space(p);
	h = take_digits(p, 2);
	imap_want(p, ':');
	m = take_digits(p, 2);
	imap_want(p, ':');
	s = take_digits(p, 2);
	imap_space(p);
	west = imap_try(p, '-');
	if (!west)
		imap_want(p, '+');
	zone = take_digits(p, 4);
	imap_want(p, '"');
	if (h > 23 || m > 59 || s > 60 || zone % 100 > 59)
		imap_fail(p);
	seconds = day * 86400 + h * 3600 + m * 60 + s;
	seconds -= (west ? -1 : 1) * (int64_t)(zone / 100 * 3600 + zone % 100 * 60);
	return imap_ok(p) ? seconds * 1000 : 0;
}

void imap_put_date_time(struct buf *b, wall_ms at)
{
	int64_t s = at / 1000 - (at % 1000 < 0), day = s / 86400 - (s % 86400 < 0), in = s - day * 86400;
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
	int64_t y = yoe + era * 400 + (m <= 2);

	if (y < 0 || y > 9999)
		y = 0;
	buf_putf(b, "\"%2d-%.3s-%04d %02d:%02d:%02d +0000\"", (int)d, months + 3 * (m - 1), (int)y,
		 (int)(in / 3600), (int)(in / 60 % 60), (int)(in % 60));
}

/* ---- STATUS ---- */

const char *const imap_status_names[IMAP_STATUS_COUNT] = {
	"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "HIGHESTMODSEQ",
	"APPENDLIMIT", "DELETED-STORAGE",
};

unsigned imap_take_status(struct imap_parse *p)
{
	unsigned items = 0;

	imap_want(p, '(');
	do {
		struct view v = imap_take_atom(p);
		unsigned i = 0;

		while (i < IMAP_STATUS_COUNT && !view_eq_i(v, view_cstr(imap_status_names[i])))
			i++;
		if (i == IMAP_STATUS_COUNT) {
			imap_fail(p);
			return 0;
		}
		items |= 1u << i;
	} while (imap_try(p, ' '));
	imap_want(p, ')');
	return items;
}

/* ---- LIST (RFC 9051 6.3.9, RFC 5258, 5819, 6154) ---- */

static const struct {
	const char *name;
	unsigned bit;
	bool select, answer;
} list_options[] = {
	{ "SUBSCRIBED", IMAP_LIST_SUBSCRIBED, true, true },
	{ "REMOTE", IMAP_LIST_REMOTE, true, false },
	{ "RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH, true, false },
	{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE, true, true },
	{ "CHILDREN", IMAP_LIST_CHILDREN, false, true },
	{ "STATUS", IMAP_LIST_STATUS, false, true },
};

static unsigned take_list_option(struct imap_parse *p, bool select)
{
	struct view v = imap_take_atom(p);

	for (size_t i = 0; i < sizeof list_options / sizeof *list_options; i++)
		if (view_eq_i(v, view_cstr(list_options[i].name)) &&
		    (select ? list_options[i].select : list_options[i].answer))
			return list_options[i].bit;
	imap_fail(p);
	return 0;
}

static unsigned take_list_options(struct imap_parse *p, bool select, unsigned *status)
{
	unsigned bits = 0;

	imap_want(p, '(');
	if (imap_try(p, ')'))
		return 0;
	do {
		unsigned bit = take_list_option(p, select);

		if (bit == IMAP_LIST_STATUS) {
			imap_space(p);
			*status = imap_take_status(p);
		}
		bits |= bit;
	} while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
	return bits;
}

static void take_patterns(struct imap_parse *p, struct imap_list_command *l)
{
	uint32_t cap = 0;
	bool many = imap_try(p, '(');

	l->extended |= many;
	do {
		struct view v = imap_take_pattern(p);

		if (l->patterns.n == 64)
			imap_fail(p);
		l->patterns.v = grow(p, l->patterns.v, l->patterns.n, &cap, sizeof v);
		if (!imap_ok(p))
			return;
		l->patterns.v[l->patterns.n++] = v;
	} while (many && imap_try(p, ' '));
	if (many)
		imap_want(p, ')');
}

struct imap_list_command imap_take_list(struct imap_parse *p)
{
	struct imap_list_command l = { 0 };

	if (peek_char(&p->c) == '(') {
		l.extended = true;
		l.select = take_list_options(p, true, &l.status);
		imap_space(p);
	}
	l.reference = imap_take_mailbox(p);
	imap_space(p);
	take_patterns(p, &l);
	if (imap_try(p, ' ')) {
		l.extended = true;
		if (!imap_try_word(p, VIEW("RETURN")))
			imap_fail(p);
		imap_space(p);
		l.answer = take_list_options(p, false, &l.status);
	}
	if (!imap_end(p))
		imap_fail(p);
	/* RECURSIVEMATCH only modifies another (RFC 5258 3.1). */
	if ((l.select & IMAP_LIST_RECURSIVEMATCH) && !(l.select & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE)))
		imap_fail(p);
	return l;
}

/* Linear in both: only the last "*" and the last "%" are gone back to. */
bool imap_match(struct view pattern, struct view name, char delimiter)
{
	size_t p = 0, n = 0;
	size_t star = SIZE_MAX, star_n = 0, part = SIZE_MAX, part_n = 0;

	for (;;) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = ++p;
			star_n = n;
			part = SIZE_MAX;
		} else if (p < pattern.n && pattern.p[p] == '%') {
			part = ++p;
			part_n = n;
		} else if (p < pattern.n && n < name.n && pattern.p[p] == name.p[n]) {
			p++, n++;
		} else if (p == pattern.n && n == name.n) {
			return true;
		} else if (part != SIZE_MAX && part_n < name.n && name.p[part_n] != delimiter) {
			n = ++part_n;
			p = part;
		} else if (star != SIZE_MAX && star_n < name.n) {
			n = ++star_n;
			p = star;
			part = SIZE_MAX;
		} else {
			return false;
		}
	}
}
