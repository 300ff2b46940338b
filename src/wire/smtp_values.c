#include "wire/smtp_values.h"

#include "base/cursor.h"

enum { DIGITS_MAX = 9 };

static bool take_seconds(struct view text, uint32_t *ret)
{
	uint64_t n;

	if (text.n > DIGITS_MAX || !view_u64(text, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

enum status smtp_take_hold_for(struct view text, uint32_t *ret_seconds)
{
	uint32_t n;

	if (!take_seconds(text, &n) || n == 0)
		return ST_SYNTAX;
	*ret_seconds = n;
	return ST_OK;
}

/* Two digits, most at most. */
static bool take_two(struct cursor *c, int most)
{
	struct view v = take_bytes(c, 2);

	return cursor_ok(c) && ascii_digit(v.p[0]) && ascii_digit(v.p[1]) && (v.p[0] - '0') * 10 + v.p[1] - '0' <= most;
}

static bool take_zone(struct cursor *c)
{
	if (take_char(c, 'Z') || take_char(c, 'z'))
		return true;
	return (take_char(c, '+') || take_char(c, '-')) && take_two(c, 23) && take_char(c, ':') && take_two(c, 59);
}

/* RFC 3339 5.6, to the letter: what reads it is kinder. */
static bool is_time(struct view text)
{
	struct cursor c = cursor_over(text);
	bool good = take_two(&c, 99) && take_two(&c, 99) && take_char(&c, '-') && take_two(&c, 12) && take_char(&c, '-') &&
		    take_two(&c, 31) && (take_char(&c, 'T') || take_char(&c, 't')) && take_two(&c, 23) && take_char(&c, ':') &&
		    take_two(&c, 59) && take_char(&c, ':') && take_two(&c, 60);

	if (good && take_char(&c, '.'))
		good = take_while(&c, ascii_digit).n > 0;
	return good && take_zone(&c) && cursor_end(&c);
}

enum status smtp_take_hold_until(struct view text, wall_ms *ret_at)
{
	return is_time(text) ? clock_parse_rfc3339(text, ret_at) : ST_SYNTAX;
}

enum status smtp_take_by(struct view text, struct smtp_by *ret)
{
	size_t n = view_find(text, ';');
	struct view number = view_head(text, n), rest = view_skip(text, n + 1);
	bool late = number.n && number.p[0] == '-';
	struct smtp_by by = { 0 };
	uint32_t seconds;

	if (!take_seconds(view_skip(number, late), &seconds) || rest.n == 0 || rest.n > 2)
		return ST_SYNTAX;
	by.seconds = late ? -(int32_t)seconds : (int32_t)seconds;
	by.mode = ascii_upper(rest.p[0]);
	by.trace = rest.n == 2;
	if ((by.trace && ascii_upper(rest.p[1]) != 'T') || (by.mode != 'N' && by.mode != 'R') ||
	    (by.mode == 'R' && by.seconds <= 0))
		return ST_SYNTAX;
	*ret = by;
	return ST_OK;
}

void smtp_put_by(const struct smtp_by *by, struct buf *out)
{
	buf_putf(out, "%d;%c%s", by->seconds, by->mode, by->trace ? "T" : "");
}

enum status smtp_take_priority(struct view text, int8_t *ret)
{
	bool less = text.n == 2 && text.p[0] == '-';

	text = view_skip(text, less);
	if (text.n != 1 || !ascii_digit(text.p[0]) || (less && text.p[0] == '0'))
		return ST_SYNTAX;
	*ret = (int8_t)(less ? '0' - text.p[0] : text.p[0] - '0');
	return ST_OK;
}
