/* list.c - waxmail list, search, folders. */
#include "mua/copy/query.h"
#include "mua/copy/show.h"
#include "mua/place.h"
#include "mua/verbs/rows.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALL_MAX = 10000000, PAGE = 100000, QUERY_TEXT_MAX = 64 * 1024, FOLDERS_ARENA = 64 * 1024 * 1024 };

/* --limit, or everything.  False: it is no number. */
static bool take_limit(const struct invocation *in, size_t *ret)
{
	const char *text = VALUE(in, limit);
	uint64_t n = ALL_MAX;

	if (text && (!view_u64(view_cstr(text), &n) || n == 0 || n > ALL_MAX)) {
		say("--limit wants a number");
		return false;
	}
	*ret = (size_t)n;
	return true;
}

/* What rows are printed to, as they come. */
struct printer {
	const struct invocation *in;
	struct folder_names names;
	bool json, with_folder;
	size_t width, n;
	struct buf out;
};

static void print_row(struct printer *p, const struct copy_message *m, uint32_t depth)
{
	if (p->json) {
		json_t *row = message_json(m, &p->names);

		fputs(p->n ? ",\n" : "[\n", stdout);
		if (GIVEN(p->in, threads))
			json_object_set_new(row, "depth", json_integer(depth));
		json_dumpf(row, stdout, JSON_COMPACT);
		json_decref(row);
	} else {
		buf_clear(&p->out);
		message_line(m, p->with_folder ? folder_name(&p->names, m->folder) : VIEW_NONE, depth, p->width,
			     &p->out);
		fwrite(p->out.p, 1, p->out.n, stdout);
	}
	p->n++;
}

static int print_end(struct printer *p, const char *none)
{
	if (p->json)
		fputs(p->n ? "\n]\n" : "[]\n", stdout);
	else if (p->n == 0)
		fprintf(stderr, "%s\n", none);
	buf_free(&p->out);
	return printed();
}

static struct printer printer(const struct invocation *in)
{
	return (struct printer){
		.in = in, .json = GIVEN(in, json), .width = terminal_width(), .out = BUF(1024 * 1024)
	};
}

/* Page by page, so that the first ones cost what they are. */
static enum status list_flat(struct place *p, int64_t folder, size_t limit, struct printer *to)
{
	enum status st = ST_OK;
	size_t at = 0, total = 1;

	while (st == ST_OK && at < total && at < limit) {
		size_t n = limit - at < PAGE ? limit - at : PAGE;
		struct arena a = ARENA(COPY_LIST_ARENA(n));
		struct copy_list l = { 0 };

		st = copy_list(p->copy, folder, COPY_BY_DATE, !GIVEN(to->in, oldest), at, n, &a, &l);
		for (size_t i = 0; st == ST_OK && i < l.n; i++)
			print_row(to, &l.all[i], 0);
		total = l.total;
		at += l.n;
		if (l.n == 0)
			total = 0;
		arena_free(&a);
	}
	return st;
}

static enum status list_threads(struct place *p, int64_t folder, size_t limit, struct printer *to)
{
	struct arena a = ARENA(COPY_LIST_ARENA(ALL_MAX));
	struct copy_list l;
	struct copy_row *rows;
	enum status st = copy_list(p->copy, folder, COPY_BY_DATE, false, 0, ALL_MAX, &a, &l);

	if (st == ST_OK)
		st = copy_threads(&l, !GIVEN(to->in, oldest), &a, &rows);
	for (size_t i = 0; st == ST_OK && i < l.n && i < limit; i++)
		print_row(to, &l.all[rows[i].message], rows[i].depth);
	arena_free(&a);
	return st;
}

/* Its id, 0 for all.  Complains itself. */
static enum status find_folder(struct place *p, const char *name, int64_t *ret)
{
	struct arena a = ARENA(FOLDERS_ARENA);
	struct copy_folder f;
	/* INBOX is always there (RFC 9051 5.1), if not yet here. */
	enum status st = copy_folder(p->copy, view_cstr(name), view_eq_i(view_cstr(name), VIEW("INBOX")), &a, &f);

	if (st == ST_OK)
		*ret = f.id;
	else if (st == ST_MISSING)
		say("no folder %.200s here; `waxmail folders` shows them, `waxmail sync` fetches them", name);
	else
		say_failed(name, st);
	arena_free(&a);
	return st;
}

int verb_list(struct invocation *in)
{
	struct place p;
	struct arena a = ARENA(FOLDERS_ARENA);
	struct printer to = printer(in);
	int64_t folder = 0;
	size_t limit;
	enum status st;
	int status = FAILED;

	if (!take_limit(in, &limit))
		return WRONG_USE;
	st = place_open(&p, in);
	if (st == ST_OK && !GIVEN(in, all))
		st = find_folder(&p, in->n ? in->args[0] : "INBOX", &folder);
	if (st == ST_OK) {
		to.with_folder = GIVEN(in, all);
		st = folder_names(p.copy, &a, &to.names);
		if (st == ST_OK)
			st = GIVEN(in, threads) ? list_threads(&p, folder, limit, &to)
						: list_flat(&p, folder, limit, &to);
		status = st == ST_OK ? print_end(&to, "No letters.") : say_failed("letters", st);
	}
	arena_free(&a);
	place_close(&p);
	return status;
}

/* ---- search ---- */

/* An argument of several words that is not a term with quotes of its own is
 * one text, as the shell's quotes have it. */
static void put_term(const char *arg, struct buf *out)
{
	const char *colon = strchr(arg, ':');
	const char *text = colon && strcspn(arg, " ") > (size_t)(colon - arg) ? colon + 1 : arg;

	buf_puts(out, out->n ? " " : "");
	if (strchr(text, ' ') == NULL || strchr(arg, '"')) {
		buf_puts(out, arg);
		return;
	}
	buf_putf(out, "%.*s\"%s\"", (int)(text - arg), arg, text);
}

static enum status search(struct place *p, int64_t folder, struct view text, size_t limit, struct printer *to)
{
	struct arena a = ARENA(COPY_LIST_ARENA(ALL_MAX));
	struct copy_list l;
	struct query q;
	bool more = true;
	enum status st = query_parse(text, clock_wall(), &a, &q);

	/* Words of letters are taken in when somebody looks for them. */
	while (st == ST_OK && q.bodies && more)
		st = copy_step(p->copy, &more);
	if (st == ST_OK)
		st = copy_find(p->copy, folder, &q, !GIVEN(to->in, oldest), &a, &l);
	for (size_t i = 0; st == ST_OK && i < l.n && i < limit; i++)
		print_row(to, &l.all[i], 0);
	arena_free(&a);
	return st;
}

int verb_search(struct invocation *in)
{
	struct place p;
	struct arena a = ARENA(FOLDERS_ARENA);
	struct buf text = BUF(QUERY_TEXT_MAX);
	struct printer to = printer(in);
	int64_t folder = 0;
	size_t limit;
	enum status st;
	int status = FAILED;

	if (!take_limit(in, &limit))
		return WRONG_USE;
	for (int i = 0; i < in->n; i++)
		put_term(in->args[i], &text);
	st = place_open(&p, in);
	if (st == ST_OK && GIVEN(in, folder))
		st = find_folder(&p, VALUE(in, folder), &folder);
	if (st == ST_OK) {
		to.with_folder = folder == 0;
		st = folder_names(p.copy, &a, &to.names);
		if (st == ST_OK)
			st = search(&p, folder, buf_view(&text), limit, &to);
		status = st == ST_OK ? print_end(&to, "Nothing found.") : say_failed("search", st);
	}
	buf_free(&text);
	arena_free(&a);
	place_close(&p);
	return status;
}

/* ---- folders ---- */

static json_t *folder_json(const struct copy_folder *f)
{
	static const char *const uses[] = { "",	    "inbox",   "drafts", "sent",   "trash",
					    "junk", "archive", "all",	 "flagged" };

	return json_pack("{so,sI,sI,sI,sI,sI,ss,so}", "name", say_text(f->name), "messages",
			 (json_int_t)f->messages, "unseen", (json_int_t)f->unseen, "flagged",
			 (json_int_t)f->flagged, "whole", (json_int_t)f->bodies, "pending",
			 (json_int_t)f->pending, "use", uses[f->sync.use], "synced", say_time(f->sync.at));
}

static void folder_line(const struct copy_folder *f)
{
	struct buf name = BUF(4096);

	show_line(f->name, 0, &name);
	printf("%8u %8u  %.*s%s\n", f->messages, f->unseen, VIEW_ARG(buf_view(&name)), f->pending ? "  +" : "");
	buf_free(&name);
}

int verb_folders(struct invocation *in)
{
	struct place p;
	struct arena a = ARENA(FOLDERS_ARENA);
	struct folder_names f = { 0 };
	json_t *rows = json_array();
	enum status st = place_open(&p, in);
	int status = FAILED;

	if (st == ST_OK)
		st = folder_names(p.copy, &a, &f);
	if (st == ST_OK && !GIVEN(in, json))
		printf("%8s %8s  %s\n", "LETTERS", "UNREAD", "FOLDER");
	for (size_t i = 0; st == ST_OK && i < f.n; i++) {
		if (GIVEN(in, json))
			json_array_append_new(rows, folder_json(&f.all[i]));
		else if (!f.all[i].sync.no_select)
			folder_line(&f.all[i]);
	}
	if (st == ST_OK && GIVEN(in, json)) {
		status = print_array(rows);
		rows = NULL;
	} else if (st == ST_OK) {
		status = printed();
	}
	json_decref(rows);
	arena_free(&a);
	place_close(&p);
	return status;
}
