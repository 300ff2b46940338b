/* show.c - waxmail show, raw, save. */
#include "base/disk.h"
#include "msg/mime.h"
#include "msg/word.h"
#include "mua/compose/write.h"
#include "mua/copy/show.h"
#include "mua/say.h"
#include "mua/seal.h"
#include "mua/verbs/ids.h"
#include "mua/verbs/rows.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_MOST = 1000, SMALL_ARENA = 64 * 1024 * 1024, SAVED_MAX = 512 * 1024 * 1024 };

/* ---- show ---- */

static const char *const colours[] = {
	[SHOW_TEXT] = "",    [SHOW_HEADER_NAME] = "1", [SHOW_HEADER] = "",  [SHOW_GOOD] = "32",
	[SHOW_BAD] = "31;1", [SHOW_UNSURE] = "33",     [SHOW_QUOTE] = "36", [SHOW_SIGNATURE] = "2",
	[SHOW_LINK] = "34",  [SHOW_ATTACHMENT] = "35", [SHOW_NOTE] = "2",
};

/* Where which style begins, while the text is made. */
struct styles {
	struct {
		size_t at;
		enum show_style style;
	} runs[65536];
	size_t n;
};

static void on_style(void *arg, size_t at, enum show_style style)
{
	struct styles *s = arg;

	if (s->n < sizeof s->runs / sizeof *s->runs) {
		s->runs[s->n].at = at;
		s->runs[s->n++].style = style;
	}
}

static void print_coloured(const struct buf *text, const struct styles *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t to = s->runs[i].at < text->n ? s->runs[i].at : text->n;

		if (to > at)
			fwrite(text->p + at, 1, to - at, stdout);
		at = to > at ? to : at;
		printf("\033[0m");
		if (colours[s->runs[i].style][0])
			printf("\033[%sm", colours[s->runs[i].style]);
	}
	fwrite(text->p + at, 1, text->n - at, stdout);
	fputs("\033[0m", stdout);
}

static struct show_options options(const struct invocation *in, const struct place *p)
{
	return (struct show_options){
		.width = terminal_width(), .all_headers = GIVEN(in, all), .prefer_html = GIVEN(in, html),
		.authserv_id = account_authserv_id(p->account),
	};
}

/* The letter that a report is about, where it is here: "letter 17 in Sent: Blah".  Its id, or 0. */
static int64_t find_about(struct place *p, struct view letter, struct buf *text, struct buf *about)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct buf id = BUF(SHOW_TEXT_MAX);
	struct copy_message m;
	struct folder_names names;
	int64_t found = 0;

	if (show_report(letter, text, &id) == ST_OK && id.n && folder_names(p->copy, &a, &names) == ST_OK &&
	    copy_by_message_id(p->copy, buf_view(&id), &a, &m) == ST_OK) {
		found = m.id;
		buf_putf(about, "letter %lld in %.*s: %.*s", (long long)m.id, VIEW_ARG(folder_name(&names, m.folder)),
			 VIEW_ARG(m.subject));
	}
	arena_free(&a);
	buf_free(&id);
	return found;
}

static enum status print_text(const struct invocation *in, struct place *p, int64_t id, const struct copy_letter *letter)
{
	struct styles *styles = calloc(1, sizeof *styles);
	struct show_options o = options(in, p);
	struct arena a = ARENA(SMALL_ARENA);
	struct copy_message m;
	struct buf out = BUF(SHOW_TEXT_MAX), line = BUF(4096), inner = BUF(SAVED_MAX);
	struct buf report = BUF(SHOW_TEXT_MAX), about = BUF(SHOW_TEXT_MAX);
	struct view bytes = letter->bytes;
	enum status st;

	if (styles && say_colours()) {
		o.style = on_style;
		o.style_arg = styles;
	}
	if (seal_look(p, bytes, &line, &o.seal_style, &inner) == ST_OK) {
		o.seal = buf_view(&line);
		bytes = inner.n ? buf_view(&inner) : bytes;
	}
	if (copy_message(p->copy, id, &a, &m) == ST_OK)
		o.keywords = m.keywords;
	if (find_about(p, bytes, &report, &about))
		o.about = buf_view(&about);
	st = show_letter(bytes, letter->whole, &o, &out);
	if (st == ST_OK || (st == ST_LIMIT && out.n)) {
		if (o.style)
			print_coloured(&out, styles);
		else
			fwrite(out.p, 1, out.n, stdout);
		st = ST_OK;
	}
	free(styles);
	buf_free(&out);
	buf_free(&line);
	buf_free(&inner);
	buf_free(&report);
	buf_free(&about);
	arena_free(&a);
	return st;
}

/* ---- parts ---- */

static json_t *part_json(const struct show_part *s)
{
	return json_pack("{sI,so,so,sI,sb}", "part", (json_int_t)s->number, "name", say_text(s->name), "type",
			 say_text(s->type), "size", (json_int_t)s->size, "attachment", s->attachment ? 1 : 0);
}

static void part_line(const struct show_part *s)
{
	struct buf out = BUF(8192);

	buf_putf(&out, "%4u  %c ", s->number, s->attachment ? 'a' : '-');
	show_line(s->type, 32, &out);
	buf_puts(&out, "  ");
	say_size(s->size, &out);
	buf_puts(&out, "  ");
	show_line(s->name, 0, &out);
	printf("%.*s\n", VIEW_ARG(buf_view(&out)));
	buf_free(&out);
}

static enum status print_parts(struct view letter)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct show_part *parts;
	size_t n = 0;
	enum status st = show_parts(letter, &a, &parts, &n);

	for (size_t i = 0; st == ST_OK && i < n; i++)
		part_line(&parts[i]);
	arena_free(&a);
	return st;
}

static bool take_part(const struct invocation *in, uint32_t *ret)
{
	uint64_t n = 0;

	if (GIVEN(in, part) && (!view_u64(view_cstr(VALUE(in, part)), &n) || n == 0 || n > UINT32_MAX)) {
		say("--part wants a number; --parts lists them");
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static enum status print_part(struct view letter, uint32_t number)
{
	struct buf octets = BUF(SAVED_MAX);
	enum status st = show_part_octets(letter, number, &octets);

	if (st == ST_OK)
		fwrite(octets.p, 1, octets.n, stdout);
	buf_free(&octets);
	return st;
}

/* ---- JSON ---- */

static json_t *fields_json(struct view letter)
{
	json_t *list = json_array();
	struct field f;

	for (size_t at = 0; field_next(letter, &at, &f);) {
		struct buf value = BUF(1024 * 1024);

		if (f.name.n == 0)
			continue;
		words_decode(f.value, &value);
		json_array_append_new(list, json_pack("{so,so}", "name", say_text(f.name), "value",
						      say_text(view_trim(buf_view(&value)))));
		buf_free(&value);
	}
	return list;
}

static json_t *report_json(struct place *p, struct view letter)
{
	struct buf text = BUF(SHOW_TEXT_MAX), about = BUF(SHOW_TEXT_MAX);
	int64_t id = find_about(p, letter, &text, &about);
	json_t *o = text.n ? json_pack("{so,so}", "says", say_text(buf_view(&text)), "about",
				       id ? json_integer((json_int_t)id) : json_null())
			   : json_null();

	buf_free(&text);
	buf_free(&about);
	return o;
}

static enum status letter_json(struct place *p, int64_t id, struct view letter, json_t **ret)
{
	struct arena a = ARENA(MIME_ARENA_MAX), small = ARENA(SMALL_ARENA);
	struct buf text = BUF(SHOW_TEXT_MAX), verdict = BUF(4096);
	json_t *parts = json_array(), *o = NULL;
	struct show_part *all;
	struct folder_names names;
	struct copy_message m;
	enum show_style style;
	size_t n = 0;
	enum status st = copy_message(p->copy, id, &small, &m);

	if (st == ST_OK)
		st = folder_names(p->copy, &small, &names);
	if (st == ST_OK)
		st = show_parts(letter, &a, &all, &n);
	if (st == ST_OK)
		st = show_body(letter, 0, &text);
	if (st == ST_OK)
		st = show_verdict(letter, account_authserv_id(p->account), &verdict, &style);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		json_array_append_new(parts, part_json(&all[i]));
	if (st == ST_OK) {
		o = message_json(&m, &names);
		json_object_set_new(o, "verdict", verdict.n ? say_text(buf_view(&verdict)) : json_null());
		json_object_set_new(o, "report", report_json(p, letter));
		json_object_set_new(o, "fields", fields_json(letter));
		json_object_set_new(o, "text", say_text(buf_view(&text)));
		json_object_set_new(o, "parts", json_incref(parts));
		*ret = o;
	}
	json_decref(parts);
	buf_free(&text);
	buf_free(&verdict);
	arena_free(&a);
	arena_free(&small);
	return st;
}

static enum status show_one(const struct invocation *in, struct place *p, int64_t id, uint32_t part, json_t *rows)
{
	struct copy_letter letter;
	json_t *o = NULL;
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	if (GIVEN(in, part)) {
		st = print_part(letter.bytes, part);
	} else if (GIVEN(in, json)) {
		st = letter_json(p, id, letter.bytes, &o);
		json_array_append_new(rows, o ? o : json_null());
	} else {
		st = GIVEN(in, parts) ? print_parts(letter.bytes) : print_text(in, p, id, &letter);
	}
	copy_letter_close(&letter);
	if (st != ST_OK)
		say_failed(GIVEN(in, part) ? "part" : "letter", st);
	return st;
}

int verb_show(struct invocation *in)
{
	struct place p;
	struct ids ids;
	json_t *rows = json_array();
	uint32_t part;
	enum status st;
	int status = take_part(in, &part) ? ids_take(in, 0, &ids) : WRONG_USE;

	if (status != DONE) {
		json_decref(rows);
		return status;
	}
	st = place_open(&p, in);
	for (size_t i = 0; st == ST_OK && i < ids.n; i++) {
		if (i && !GIVEN(in, json) && !GIVEN(in, part))
			puts("\n----\n");
		st = show_one(in, &p, ids.all[i], part, rows);
	}
	status = st != ST_OK ? FAILED : GIVEN(in, json) ? print_array(json_incref(rows)) : printed();
	json_decref(rows);
	ids_free(&ids);
	place_close(&p);
	return status;
}

int verb_raw(struct invocation *in)
{
	struct place p;
	struct ids ids;
	int status = ids_take(in, 0, &ids);
	enum status st;

	if (status != DONE)
		return status;
	st = place_open(&p, in);
	for (size_t i = 0; st == ST_OK && i < ids.n; i++) {
		struct copy_letter letter;

		st = place_letter(&p, ids.all[i], &letter);
		if (st != ST_OK)
			break;
		fwrite(letter.bytes.p, 1, letter.bytes.n, stdout);
		copy_letter_close(&letter);
	}
	ids_free(&ids);
	place_close(&p);
	return st == ST_OK ? printed() : FAILED;
}

/* ---- save ---- */

/* NAME, else NAME-1.EXT and so on: nothing that is there is written over, and
 * no link is followed. */
static enum status open_fresh(int dir, struct view name, char out[NAME_MAX + 1], int *ret_fd)
{
	size_t dot = name.n;
	enum status st = ST_EXISTS;

	for (size_t i = name.n; i > 1; i--)
		if (name.p[i - 1] == '.') {
			dot = i - 1;
			break;
		}
	for (int i = 0; st == ST_EXISTS && i < NAMES_MOST; i++) {
		char number[16] = "";
		int n;

		if (i)
			snprintf(number, sizeof number, "-%d", i);
		n = snprintf(out, NAME_MAX + 1, "%.*s%s%.*s", (int)(dot < 200 ? dot : 200), name.p, number,
			     (int)(name.n - dot < 40 ? name.n - dot : 40), name.p + dot);
		st = n > 0 ? disk_open(dir, out, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600,
				       ret_fd)
			   : ST_LIMIT;
	}
	return st;
}

static enum status save_part(const struct invocation *in, int dir, int64_t id, struct view letter,
			     const struct show_part *s, json_t *rows)
{
	struct buf octets = BUF(SAVED_MAX);
	char name[NAME_MAX + 1];
	int fd = -1;
	enum status st = show_part_octets(letter, s->number, &octets);

	if (st == ST_OK)
		st = open_fresh(dir, s->name, name, &fd);
	if (st == ST_OK && octets.n)
		st = disk_write_at(fd, &(struct iovec){ octets.p, octets.n }, 1, 0);
	if (fd >= 0)
		close(fd);
	if (st == ST_OK && GIVEN(in, json))
		json_array_append_new(rows, json_pack("{sI,sI,so,so,sI}", "id", (json_int_t)id, "part",
						      (json_int_t)s->number, "file", say_text(view_cstr(name)),
						      "type", say_text(s->type), "size", (json_int_t)octets.n));
	else if (st == ST_OK)
		puts(name);
	buf_free(&octets);
	return st;
}

static enum status save_one(const struct invocation *in, struct place *p, int dir, int64_t id, uint32_t part,
			    json_t *rows)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct copy_letter letter;
	struct show_part *all;
	size_t n = 0;
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	st = show_parts(letter.bytes, &a, &all, &n);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		if (part ? all[i].number == part : all[i].attachment || GIVEN(in, all))
			st = save_part(in, dir, id, letter.bytes, &all[i], rows);
	copy_letter_close(&letter);
	arena_free(&a);
	if (st != ST_OK)
		say_failed("attachment", st);
	return st;
}

int verb_save(struct invocation *in)
{
	const char *folder = GIVEN(in, dir) ? VALUE(in, dir) : ".";
	struct place p;
	struct ids ids;
	json_t *rows = json_array();
	uint32_t part;
	int dir = -1, status = take_part(in, &part) ? ids_take(in, 0, &ids) : WRONG_USE;
	enum status st;

	if (status != DONE) {
		json_decref(rows);
		return status;
	}
	st = place_open(&p, in);
	if (st == ST_OK) {
		st = disk_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &dir);
		if (st != ST_OK)
			say_failed(folder, st);
	}
	for (size_t i = 0; st == ST_OK && i < ids.n; i++)
		st = save_one(in, &p, dir, ids.all[i], part, rows);
	if (dir >= 0)
		close(dir);
	status = st != ST_OK ? FAILED : GIVEN(in, json) ? print_array(json_incref(rows)) : printed();
	json_decref(rows);
	ids_free(&ids);
	place_close(&p);
	return status;
}
