#include "admin/tlsa_lines.h"

#include "base/cursor.h"

static bool is_graphic(char c)
{
	return c > ' ';
}

static struct view take_word(struct view *line)
{
	struct cursor c = cursor_over(view_trim(*line));
	struct view word = take_while(&c, is_graphic);

	*line = view_skip(view_trim(*line), word.n);
	return word;
}

static enum status take_hex(struct view hex, struct arena *a, struct view *ret)
{
	char *bytes;

	if (hex.n == 0 || hex.n % 2)
		return ST_SYNTAX;
	bytes = arena_alloc(a, hex.n / 2);
	if (bytes == NULL)
		return arena_status(a);
	if (!view_unhex(hex, bytes))
		return ST_SYNTAX;
	*ret = view_make(bytes, hex.n / 2);
	return ST_OK;
}

static enum status take_record(struct view line, struct arena *a, struct dns_tlsa *ret)
{
	uint64_t numbers[3];
	struct view data;
	enum status st;

	for (size_t i = 0; i < 3; i++)
		if (!view_u64(take_word(&line), &numbers[i]) || numbers[i] > UINT8_MAX)
			return ST_SYNTAX;
	st = take_hex(view_trim(line), a, &data);
	if (st == ST_OK)
		*ret = (struct dns_tlsa){ (uint8_t)numbers[0], (uint8_t)numbers[1], (uint8_t)numbers[2], data };
	return st;
}

enum status tlsa_lines_take(struct view in, struct arena *a, struct tlsa_lines *ret)
{
	struct tlsa_lines t = { .n = 0 };

	while (in.n && in.p[0] != '-') {
		struct view line = view_head(in, view_find(in, '\n'));
		enum status st;

		in = view_skip(in, line.n + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (view_trim(line).n == 0)
			continue;
		if (t.n == TLSA_LINES_MAX)
			return ST_LIMIT;
		st = take_record(line, a, &t.records[t.n]);
		if (st != ST_OK)
			return st;
		t.n++;
	}
	t.chain = in;
	*ret = t;
	return ST_OK;
}
