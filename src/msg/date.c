#include "msg/date.h"

#include "msg/lex.h"

enum { NUMBER_DIGITS = 9, ZONE_MAX = 24 * 60 };

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

/* RFC 5322 4.3; hours east. */
static const struct {
	struct view name;
	int hours;
} zones[] = {
	{ { "est", 3 }, -5 }, { { "edt", 3 }, -4 }, { { "cst", 3 }, -6 }, { { "cdt", 3 }, -5 },
	{ { "mst", 3 }, -7 }, { { "mdt", 3 }, -6 }, { { "pst", 3 }, -8 }, { { "pdt", 3 }, -7 },
};

static bool is_letter(char c)
{
	return ascii_alpha(c);
}

/* A number and how many digits it has; -1 where there is none or too many. */
static int take_number(struct cursor *c, size_t *ret_digits)
{
	struct view digits;
	int x = 0;

	lex_cfws(c);
	digits = take_while(c, ascii_digit);
	if (digits.n == 0 || digits.n > NUMBER_DIGITS)
		return -1;
	for (size_t i = 0; i < digits.n; i++)
		x = x * 10 + (digits.p[i] - '0');
	*ret_digits = digits.n;
	return x;
}

static int take_month(struct cursor *c)
{
	struct view word;
	size_t digits;

	lex_cfws(c);
	while (take_char(c, '-') || take_char(c, '.'))
		lex_cfws(c);
	if (ascii_digit(peek_char(c)))
		return take_number(c, &digits);
	word = take_while(c, is_letter);
	if (word.n < 3)
		return -1;
	for (int m = 0; m < 12; m++)
		if (view_eq_i(view_head(word, 3), view_make(months + 3 * m, 3)))
			return m + 1;
	return -1;
}

static int take_year(struct cursor *c)
{
	size_t digits;
	int year;

	lex_cfws(c);
	while (take_char(c, '-') || take_char(c, ','))
		lex_cfws(c);
	year = take_number(c, &digits);
	if (year < 0 || digits > 4)
		return -1;
	/* RFC 5322 4.3. */
	if (digits == 2)
		return year + (year < 50 ? 2000 : 1900);
	if (digits == 3)
		return year + 1900;
	return year;
}

/* hour, minute and maybe second, with ':' (or blanks, as seen) between. */
static bool take_time(struct cursor *c, struct date *d)
{
	size_t digits;

	d->hour = take_number(c, &digits);
	lex_cfws(c);
	take_char(c, ':');
	d->minute = take_number(c, &digits);
	lex_cfws(c);
	if (take_char(c, ':') || take_char(c, '.') || ascii_digit(peek_char(c)))
		d->second = take_number(c, &digits);
	return d->hour >= 0 && d->minute >= 0 && d->second >= 0;
}

static int named_zone(struct view name)
{
	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (view_starts_i(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static int take_zone(struct cursor *c)
{
	struct view digits;
	int sign, zone = 0;

	lex_cfws(c);
	if (peek_char(c) != '+' && peek_char(c) != '-')
		return named_zone(take_while(c, is_letter));
	sign = take_char(c, '-') ? -1 : 1;
	take_char(c, '+');
	digits = take_while(c, ascii_digit);
	if (digits.n != 4)
		return 0;
	zone = ((digits.p[0] - '0') * 10 + (digits.p[1] - '0')) * 60 +
		(digits.p[2] - '0') * 10 + (digits.p[3] - '0');
	return zone < ZONE_MAX ? sign * zone : 0;
}

static bool possible(const struct date *d)
{
	return d->year >= 1900 && d->month >= 1 && d->month <= 12 && d->day >= 1 && d->day <= 31 &&
		d->hour <= 24 && d->minute <= 59 && d->second <= 60;
}

enum status date_parse(struct view field, struct date *ret)
{
	struct cursor c = cursor_over(field);
	struct date d = { 0 };
	size_t digits;

	lex_cfws(&c);
	take_while(&c, is_letter);	/* the day's name says nothing new */
	lex_cfws(&c);
	while (take_char(&c, ',') || take_char(&c, '.'))
		lex_cfws(&c);
	d.day = take_number(&c, &digits);
	d.month = take_month(&c);
	d.year = take_year(&c);
	if (!take_time(&c, &d) || !possible(&d))
		return ST_SYNTAX;
	d.zone = take_zone(&c);
	*ret = d;
	return ST_OK;
}

/* Days since 1970-01-01 in the Gregorian calendar, counting years from March
 * so that the leap day is the last one. */
static int64_t days(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t m = month + (month <= 2 ? 9 : -3);

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

wall_ms date_wall(const struct date *d)
{
	int64_t minutes = (days(d->year, d->month, d->day) * 24 + d->hour) * 60 + d->minute - d->zone;

	return (minutes * 60 + d->second) * 1000;
}
