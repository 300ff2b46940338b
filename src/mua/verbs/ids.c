#include "mua/verbs/ids.h"

#include "mua/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void ids_free(struct ids *ids)
{
	free(ids->all);
	*ids = (struct ids){ 0 };
}

static bool take(struct view v, int64_t *ret)
{
	uint64_t n;

	if (!view_u64(v, &n) || n == 0 || n > INT64_MAX)
		return false;
	*ret = (int64_t)n;
	return true;
}

bool id_take(const char *text, int64_t *ret)
{
	if (take(view_cstr(text), ret))
		return true;
	say("%.40s is not the number of a letter; `waxmail list` shows them", text);
	return false;
}

static bool add(struct ids *ids, size_t *cap, int64_t id)
{
	int64_t *more;

	if (ids->n == IDS_MAX)
		return false;
	if (ids->n == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		more = realloc(ids->all, *cap * sizeof *more);
		if (more == NULL)
			return false;
		ids->all = more;
	}
	ids->all[ids->n++] = id;
	return true;
}

static bool from_json(struct view text, struct ids *ids)
{
	json_t *root = json_loadb(text.p, text.n, 0, NULL), *row;
	size_t cap = 0, i;
	bool good = root != NULL;

	if (json_is_object(root))
		good = add(ids, &cap, json_integer_value(json_object_get(root, "id")));
	json_array_foreach(root, i, row)
		good = good && json_is_integer(json_object_get(row, "id")) &&
		       add(ids, &cap, json_integer_value(json_object_get(row, "id")));
	json_decref(root);
	return good;
}

/* A line without a number in front is a heading. */
static bool from_lines(struct view text, struct ids *ids)
{
	size_t cap = 0;
	int64_t id;

	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n')), left = view_trim(line);

		text = view_skip(text, line.n + 1);
		if (take(view_head(left, view_find(left, ' ')), &id) && !add(ids, &cap, id))
			return false;
	}
	return true;
}

static int from_input(struct ids *ret)
{
	struct buf text = BUF(IDS_INPUT_MAX);
	char piece[65536];
	size_t n;
	bool good;

	while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
		buf_put(&text, view_make(piece, n));
	good = buf_status(&text) == ST_OK;
	if (good && text.n)
		good = text.p[0] == '[' || text.p[0] == '{' ? from_json(buf_view(&text), ret)
							    : from_lines(buf_view(&text), ret);
	buf_free(&text);
	if (!good)
		say("standard input is neither a list of letters nor JSON with an id in each object");
	return good ? DONE : WRONG_USE;
}

int ids_take(const struct invocation *in, int first, struct ids *ret)
{
	size_t cap = 0;
	int64_t id;

	*ret = (struct ids){ 0 };
	if (in->n <= first && isatty(STDIN_FILENO)) {
		say("which letters?  Name their numbers, or pipe a list here");
		return WRONG_USE;
	}
	if (in->n <= first)
		return from_input(ret);
	for (int i = first; i < in->n; i++)
		if (!id_take(in->args[i], &id) || !add(ret, &cap, id))
			return WRONG_USE;
	return DONE;
}
