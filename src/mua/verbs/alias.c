/* alias.c - waxmail alias: the address book. */
#include "mua/compose/aliases.h"
#include "mua/compose/letter.h"
#include "mua/copy/show.h"
#include "mua/say.h"
#include "mua/verb.h"

#include <stdio.h>

static bool good_name(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= 0x20 || strchr("#,;:@<>()\"\\", name.p[i]))
			return false;
	return name.n > 0;
}

/* All lines but those of that name; *ret_found: there was one. */
static void put_others(struct view text, struct view name, struct buf *out, bool *ret_found)
{
	*ret_found = false;
	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));
		struct alias a;
		size_t at = 0;

		text = view_skip(text, line.n + 1);
		if (alias_next(line, &at, &a) && view_eq_i(a.name, name)) {
			*ret_found = true;
			continue;
		}
		buf_put(out, line);
		buf_putc(out, '\n');
	}
}

static int stored(enum status st)
{
	return st == ST_OK ? DONE : say_failed("address book", st);
}

int verb_alias_add(struct invocation *in)
{
	struct buf old = BUF(ALIASES_MAX), fresh = BUF(ALIASES_MAX), list = BUF(ALIASES_MAX);
	struct view name = view_cstr(in->args[0]);
	enum status st = aliases_read(&old);
	bool found;
	int status;

	for (int i = 1; i < in->n; i++)
		buf_putf(&list, "%s%s", list.n ? ", " : "", in->args[i]);
	if (!good_name(name) || view_find(buf_view(&list), '\n') < list.n) {
		say("a nickname is one word, without the characters of addresses");
		status = WRONG_USE;
	} else {
		put_others(buf_view(&old), name, &fresh, &found);
		buf_putf(&fresh, "%.*s\t%.*s\n", VIEW_ARG(name), VIEW_ARG(buf_view(&list)));
		if (st == ST_OK)
			st = buf_status(&fresh);
		status = stored(st == ST_OK ? aliases_write(buf_view(&fresh)) : st);
	}
	buf_free(&old);
	buf_free(&fresh);
	buf_free(&list);
	return status;
}

int verb_alias_remove(struct invocation *in)
{
	struct buf old = BUF(ALIASES_MAX), fresh = BUF(ALIASES_MAX);
	enum status st = aliases_read(&old);
	bool found = false;
	int status;

	put_others(buf_view(&old), view_cstr(in->args[0]), &fresh, &found);
	if (st == ST_OK && !found) {
		say("no nickname %.80s", in->args[0]);
		status = FAILED;
	} else {
		status = stored(st == ST_OK ? aliases_write(buf_view(&fresh)) : st);
	}
	buf_free(&old);
	buf_free(&fresh);
	return status;
}

int verb_alias_list(struct invocation *in)
{
	struct buf text = BUF(ALIASES_MAX);
	json_t *rows = json_array();
	struct alias a;
	enum status st = aliases_read(&text);
	int status;

	for (size_t at = 0; st == ST_OK && alias_next(buf_view(&text), &at, &a);) {
		struct buf line = BUF(ALIASES_MAX);

		if (GIVEN(in, json)) {
			json_array_append_new(rows, json_pack("{so,so}", "name", say_text(a.name), "addresses",
							      say_text(a.addresses)));
			continue;
		}
		show_line(a.name, 0, &line);
		buf_putc(&line, '\t');
		show_line(a.addresses, 0, &line);
		printf("%.*s\n", VIEW_ARG(buf_view(&line)));
		buf_free(&line);
	}
	status = st != ST_OK ? stored(st) : GIVEN(in, json) ? print_array(json_incref(rows)) : printed();
	json_decref(rows);
	buf_free(&text);
	return status;
}
