#include "mua/compose/aliases.h"

#include "msg/address.h"
#include "mua/account.h"

enum status aliases_read(struct buf *ret)
{
	char path[PATH_TEXT_MAX];

	return path_config("aliases", path) ? file_load(path, ret) : ST_MISSING;
}

enum status aliases_write(struct view text)
{
	char path[PATH_TEXT_MAX];
	enum status st = path_config("", path) ? make_folders(path) : ST_MISSING;

	if (st == ST_OK && !path_config("aliases", path))
		st = ST_LIMIT;
	return st == ST_OK ? file_store(path, text) : st;
}

bool alias_next(struct view text, size_t *at, struct alias *ret)
{
	while (*at < text.n) {
		struct view line = view_skip(text, *at);

		line = view_head(line, view_find(line, '\n'));
		*at += line.n + 1;
		line = view_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		ret->name =
			view_head(line, view_find(line, ' ') < view_find(line, '\t') ? view_find(line, ' ')
										     : view_find(line, '\t'));
		ret->addresses = view_trim(view_skip(line, ret->name.n));
		if (ret->addresses.n)
			return true;
	}
	return false;
}

static bool find_alias(struct view aliases, struct view name, struct view *ret)
{
	struct alias a;

	for (size_t at = 0; alias_next(aliases, &at, &a);)
		if (view_eq_i(a.name, name)) {
			*ret = a.addresses;
			return true;
		}
	return false;
}

static void expand(struct view aliases, struct view list, int depth, struct buf *out)
{
	struct address_reader r = address_reader(list);
	struct address a;

	while (buf_status(out) == ST_OK && address_next(&r, &a)) {
		struct view means, name = a.local.n ? a.local : a.phrase;

		if (a.kind != ADDRESS_MAILBOX)
			continue;
		if (a.domain.n == 0 && depth < ALIAS_DEPTH && find_alias(aliases, view_trim(name), &means)) {
			expand(aliases, means, depth + 1, out);
			continue;
		}
		buf_puts(out, out->n ? ", " : "");
		if (a.phrase.n) {
			buf_put(out, a.phrase);
			buf_puts(out, " <");
		}
		address_put(&a, out);
		if (a.phrase.n)
			buf_putc(out, '>');
	}
}

enum status aliases_expand(struct view aliases, struct view list, struct buf *out)
{
	expand(aliases, list, 0, out);
	return buf_status(out);
}
