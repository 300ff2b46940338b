#include "parent/said.h"

#include "base/log.h"

#include <stdio.h>

/* RFC 3339 as base/log.c writes it; 0 stands for a digit. */
static const struct view form = { "0000-00-00T00:00:00.000Z ", 25 };

static bool has_time(struct view line)
{
	if (line.n <= form.n)
		return false;
	for (size_t i = 0; i < form.n; i++)
		if (form.p[i] == '0' ? line.p[i] < '0' || line.p[i] > '9' : line.p[i] != form.p[i])
			return false;
	return true;
}

/* Of printable ASCII alone.  No exit within: so the compiler takes many bytes at once. */
static bool is_clean(struct view line)
{
	unsigned char bad = 0;

	for (size_t i = 0; i < line.n; i++)
		bad |= (unsigned char)((unsigned char)(line.p[i] - ' ') > '~' - ' ');
	return bad == 0;
}

struct taking {
	struct view name;
	wall_ms now;
	struct buf *out;
	unsigned strays;
};

static void put_stray(struct taking *t, const char *key, struct view text)
{
	char at[RFC3339_SIZE];

	buf_puts(t->out, clock_rfc3339(t->now, at));
	buf_putc(t->out, ' ');
	buf_put(t->out, t->name);
	buf_puts(t->out, " warning stray ");
	buf_puts(t->out, key);
	log_put_value(t->out, text);
	buf_putc(t->out, '\n');
}

/* Of a line that began there. */
static void all_or_nothing(struct taking *t, size_t from)
{
	if (buf_status(t->out) != ST_OK)
		t->out->n = from;
}

static void put_line(struct taking *t, struct view line)
{
	struct view said = view_skip(line, form.n);
	size_t from = t->out->n;

	if (has_time(line) && said.p[0] >= 'a' && said.p[0] <= 'z' && is_clean(said)) {
		buf_put(t->out, view_head(line, form.n));
		buf_put(t->out, t->name);
		buf_putc(t->out, ' ');
		buf_put(t->out, said);
		buf_putc(t->out, '\n');
	} else if (line.n && ++t->strays <= STRAYS_MOST) {
		put_stray(t, "text=", line);
	}
	all_or_nothing(t, from);
}

static void put_rest(struct taking *t, struct buf *rest)
{
	put_line(t, buf_view(rest));
	buf_free(rest);
}

/* Of a line that is too long as much as fits, then the rest of it. */
static void keep(struct taking *t, struct buf *rest, struct view bytes)
{
	while (bytes.n > rest->max - rest->n) {
		size_t fits = rest->max - rest->n;

		buf_put(rest, view_head(bytes, fits));
		bytes = view_skip(bytes, fits);
		put_rest(t, rest);
	}
	buf_put(rest, bytes);
}

static void count_strays(struct taking *t)
{
	char lines[24];
	size_t from = t->out->n;

	if (t->strays <= STRAYS_MOST)
		return;
	snprintf(lines, sizeof lines, "%u", t->strays - STRAYS_MOST);
	put_stray(t, "more=", view_cstr(lines));
	all_or_nothing(t, from);
}

void said_take(struct buf *rest, struct view bytes, struct view name, wall_ms now, struct buf *out)
{
	struct taking t = { name, now, out, 0 };

	while (bytes.n) {
		size_t n = view_find(bytes, '\n');
		bool whole = n < bytes.n;

		if (whole && rest->n == 0) {
			put_line(&t, view_head(bytes, n));
		} else {
			keep(&t, rest, view_head(bytes, n));
			if (whole)
				put_rest(&t, rest);
		}
		bytes = view_skip(bytes, n + 1);
	}
	count_strays(&t);
}

void said_end(struct buf *rest, struct view name, wall_ms now, struct buf *out)
{
	struct taking t = { name, now, out, 0 };

	put_rest(&t, rest);
}
