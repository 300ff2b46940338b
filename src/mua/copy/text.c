#include "mua/copy/text.h"

#include "msg/charset.h"
#include "mua/copy/show.h"

#include <unictype.h>
#include <unistr.h>
#include <uniwidth.h>

enum { PREFIX_MAX = 256, QUOTES_MAX = 40 };

/* ---- harmless ---- */

static bool is_hidden(ucs4_t u)
{
	return u == 0xad || u == 0x61c || u == 0x180e || u == 0x200b || u == 0x200e || u == 0x200f ||
	       (u >= 0x202a && u <= 0x202e) || (u >= 0x2060 && u <= 0x206f) || u == 0xfeff ||
	       (u >= 0xfff9 && u <= 0xfffb) || (u >= 0xe0000 && u <= 0xe0fff) || u == 0x034f ||
	       (u >= 0x1d173 && u <= 0x1d17a);
}

/* Blank to the eye, and no blank: in a name it would make two look like one. */
static bool is_filler(ucs4_t u)
{
	return u == 0x115f || u == 0x1160 || u == 0x3164 || u == 0xffa0 || u == 0x2800 || u == 0x00a0 ||
	       (u >= 0x2000 && u <= 0x200a) || u == 0x202f || u == 0x205f || u == 0x3000;
}

struct cleaning {
	struct buf *out;
	bool lines;
	size_t column;
	size_t marks;
	bool blank;	/* the last one put was a blank; where lines do not matter */
};

static void put_blank(struct cleaning *c)
{
	if (!c->lines && c->blank)
		return;
	buf_putc(c->out, ' ');
	c->blank = true;
	c->column++;
}

static void put_line(struct cleaning *c)
{
	if (!c->lines) {
		put_blank(c);
		return;
	}
	buf_putc(c->out, '\n');
	c->column = 0;
}

static void put_tab(struct cleaning *c)
{
	do
		put_blank(c);
	while (c->lines && c->column % TEXT_TAB);
}

static void put_char(struct cleaning *c, ucs4_t u, const uint8_t *p, int n)
{
	int width = uc_width(u, "UTF-8");

	c->marks = width == 0 ? c->marks + 1 : 0;
	if (c->marks > TEXT_MARKS_MAX)
		return;
	c->blank = false;
	c->column += width > 0 ? (size_t)width : 0;
	buf_put(c->out, view_make((const char *)p, (size_t)n));
}

static void clean(struct cleaning *c, ucs4_t u, const uint8_t *p, int n)
{
	if (u == '\n' || u == 0x2028 || u == 0x2029 || u == 0x85)
		put_line(c);
	else if (u == '\t')
		put_tab(c);
	else if (u == '\r' || is_hidden(u))
		return;
	else if (u == ' ' || is_filler(u))
		put_blank(c);
	else if (u < ' ' || (u >= 0x7f && u < 0xa0) || uc_is_property_not_a_character(u))
		put_char(c, 0xfffd, (const uint8_t *)"\xef\xbf\xbd", 3);
	else
		put_char(c, u, p, n);
}

void text_harmless(struct view text, bool lines, struct buf *out)
{
	struct buf valid = BUF(4 * text.n + 16);
	struct cleaning c = { .out = out, .lines = lines };
	const uint8_t *p, *end;

	if (utf8_valid(text) != text.n) {
		charset_text(VIEW("utf-8"), text, &valid);
		text = buf_view(&valid);
	}
	p = (const uint8_t *)(text.n ? text.p : "");
	end = p + text.n;
	while (p < end && buf_status(out) == ST_OK) {
		ucs4_t u;
		int n = u8_mbtouc(&u, p, (size_t)(end - p));

		clean(&c, u, p, n);
		p += n;
	}
	buf_free(&valid);
}

/* ---- columns ---- */

size_t text_fit(struct view text, size_t columns, size_t *ret_columns)
{
	const uint8_t *p = (const uint8_t *)(text.n ? text.p : ""), *end = p + text.n;
	size_t used = 0;

	while (p < end) {
		ucs4_t u;
		int n = u8_mbtouc(&u, p, (size_t)(end - p)), w = uc_width(u, "UTF-8");

		if (w > 0 && used + (size_t)w > columns)
			break;
		used += w > 0 ? (size_t)w : 0;
		p += n;
	}
	*ret_columns = used;
	return text.n - (size_t)(end - p);
}

size_t show_columns(struct view text)
{
	size_t columns;

	(void)text_fit(text, SIZE_MAX, &columns);
	return columns;
}

void show_line(struct view text, size_t columns, struct buf *out)
{
	struct buf clean = BUF(4 * text.n + 16);
	size_t used;
	struct view v;

	text_harmless(text, false, &clean);
	v = view_trim(buf_view(&clean));
	if (columns)
		v = view_head(v, text_fit(v, columns, &used));
	buf_put(out, v);
	buf_free(&clean);
}

/* ---- wrapping ---- */

/* Where to end a line of that width: how many octets stand on it, and how many
 * are passed over behind them. */
static size_t break_at(struct view v, size_t width, size_t *ret_skip)
{
	const uint8_t *p = (const uint8_t *)(v.n ? v.p : ""), *end = p + v.n;
	size_t used = 0, at = 0, best = 0, skip = 0;
	bool wide = false;

	while (p + at < end) {
		ucs4_t u;
		int n = u8_mbtouc(&u, p + at, (size_t)(end - p) - at), w = uc_width(u, "UTF-8");

		if (u == ' ' && at > 0) {
			best = at;
			skip = 1;
		} else if (wide || w == 2) {
			if (at > 0 && w != 0) {
				best = at;
				skip = 0;
			}
		}
		wide = w == 2;
		used += w > 0 ? (size_t)w : 0;
		if (used > width && u != ' ' && best)
			break;
		at += (size_t)n;
		if (used > width && best)
			break;
	}
	if (used <= width) {
		*ret_skip = 0;
		return v.n;
	}
	*ret_skip = skip;
	return best ? best : v.n;
}

static struct view without_blanks(struct view v, bool front)
{
	while (front && v.n && v.p[0] == ' ')
		v = view_skip(v, 1);
	while (!front && v.n && v.p[v.n - 1] == ' ')
		v.n--;
	return v;
}

void text_wrap(struct view line, struct view first, struct view rest, size_t width, struct buf *out)
{
	struct view prefix = first;

	line = without_blanks(line, false);
	for (;;) {
		size_t taken = show_columns(prefix), skip = 0, n = line.n;

		if (width)
			n = break_at(line, width > taken + SHOW_WIDTH_LEAST / 2 ? width - taken : SHOW_WIDTH_LEAST / 2,
				     &skip);
		buf_put(out, n ? prefix : without_blanks(prefix, false));
		buf_put(out, without_blanks(view_head(line, n), false));
		buf_putc(out, '\n');
		line = view_skip(line, n + skip);
		if (skip)
			line = without_blanks(line, true);
		if (line.n == 0 || buf_status(out) != ST_OK)
			return;
		prefix = rest;
	}
}

/* ---- plain text ---- */

static struct view take_line(struct view *text)
{
	size_t n = view_find(*text, '\n');
	struct view line = view_head(*text, n);

	*text = view_skip(*text, n + 1);
	return line;
}

/* How many octets of quote marks a line begins with ("> > "). */
static size_t quote_marks(struct view line, size_t *ret_depth)
{
	size_t n = 0, depth = 0;

	for (size_t i = 0; i < line.n && (line.p[i] == '>' || (line.p[i] == ' ' && n)); i++)
		if (line.p[i] == '>') {
			depth++;
			n = i + 1;
		}
	*ret_depth = depth;
	return n;
}

static void put_marks(size_t depth, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < depth && i < QUOTES_MAX; i++)
		buf_putc(out, '>');
	if (depth)
		buf_putc(out, ' ');
}

void text_plain(struct view text, size_t width, struct buf *out)
{
	struct buf marks = BUF(PREFIX_MAX);

	while (text.n && buf_status(out) == ST_OK) {
		struct view line = take_line(&text);
		size_t depth, n = quote_marks(line, &depth);

		if (depth == 0 || width == 0 || show_columns(line) <= width) {
			text_wrap(line, VIEW_NONE, VIEW_NONE, width, out);
			continue;
		}
		put_marks(depth, &marks);
		text_wrap(without_blanks(view_skip(line, n), true), buf_view(&marks), buf_view(&marks), width, out);
	}
	buf_free(&marks);
}

/* RFC 3676 4.5: depth of quotes, without blanks between. */
static size_t flowed_depth(struct view line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	return n;
}

static void put_paragraph(struct buf *paragraph, size_t depth, size_t width, struct buf *out)
{
	struct buf marks = BUF(PREFIX_MAX);

	put_marks(depth, &marks);
	text_wrap(buf_view(paragraph), buf_view(&marks), buf_view(&marks), width, out);
	buf_clear(paragraph);
	buf_free(&marks);
}

void text_flowed(struct view text, bool delsp, size_t width, struct buf *out)
{
	struct buf paragraph = BUF(SHOW_TEXT_MAX);
	size_t open_depth = 0;
	bool open = false;

	while (text.n && buf_status(out) == ST_OK) {
		struct view line = take_line(&text);
		size_t depth = flowed_depth(line);
		bool flowed, signature;

		line = view_skip(line, depth);
		if (line.n && line.p[0] == ' ')		/* stuffed (4.4) */
			line = view_skip(line, 1);
		signature = view_eq(line, VIEW("-- "));
		flowed = line.n && line.p[line.n - 1] == ' ' && !signature;
		/* Another depth ends a paragraph whatever its line says (4.5). */
		if (open && (depth != open_depth || signature)) {
			put_paragraph(&paragraph, open_depth, width, out);
			open = false;
		}
		if (signature) {
			buf_puts(out, "-- \n");
			continue;
		}
		if (flowed && delsp)
			line.n--;
		buf_put(&paragraph, line);
		open = flowed;
		open_depth = depth;
		if (!flowed)
			put_paragraph(&paragraph, depth, width, out);
	}
	if (open)
		put_paragraph(&paragraph, open_depth, width, out);
	buf_free(&paragraph);
}
