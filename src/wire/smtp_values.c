#include "wire/smtp_values.h"

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

enum status smtp_take_hold_until(struct view text, wall_ms *ret_at)
{
	return clock_parse_rfc3339(text, ret_at);
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
