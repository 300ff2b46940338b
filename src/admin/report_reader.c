/* report_reader.c - reports are what any stranger may send, and `waxwing reports`
 * may run as root: so they are read by a child that has nothing but two pipes
 * (and iconv's modules, which a name in a rare charset needs). */
#include "admin/confined.h"
#include "admin/report_json.h"
#include "admin/listing.h"

#include "base/sandbox.h"
#include "msg/charset.h"
#include "msg/header.h"
#include "report/pack.h"
#include "trust/author.h"
#include "trust/authres.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CPU_SECONDS = 120, ANSWER_MAX = 64 * 1024 * 1024, CALLS = SANDBOX_FILES | SANDBOX_LIBRARIES };

struct report_reader {
	uint32_t uid;
	struct view host_name;
	struct sandbox_filter filter;
	struct confined child;
};

/* ---- the child ---- */

/* The door takes out whatever claims to be ours, so this one is. */
static bool is_proved(struct view letter, struct view host_name, struct arena *a)
{
	struct authres r;
	struct field f;
	size_t at = 0;

	while (field_next(letter, &at, &f)) {
		if (!view_eq_i(f.name, VIEW("Authentication-Results")) || !authres_is_ours(f.value, host_name))
			continue;
		if (authres_parse(f.value, a, &r) != ST_OK)
			return false;
		for (size_t i = 0; i < r.n; i++)
			if (view_eq_i(r.results[i].method, VIEW("dmarc")))
				return view_eq_i(r.results[i].result, VIEW("pass"));
		return false;
	}
	return false;
}

static enum status read_letter(struct view letter, struct view host_name, struct arena *a, json_t **ret)
{
	struct buf unpacked = BUF(REPORT_TEXT_MAX + 65536);
	struct report_found found = { 0 };
	struct author author = { 0 };
	enum status st = report_find(letter, a, &unpacked, &found);

	if (st == ST_OK)
		st = report_json(&found, a, ret);
	if (st == ST_OK) {
		json_object_set_new(*ret, "proved", json_boolean(is_proved(letter, host_name, a)));
		if (author_find(letter, a, &author) == ST_OK && author.n)
			json_object_set_new(*ret, "author", json_text(author.all[0].address));
	}
	buf_free(&unpacked);
	return st;
}

static enum status answer(struct view letter, struct view host_name)
{
	struct arena a = ARENA(REPORT_ARENA_MAX);
	json_t *o = NULL;
	char *text = NULL;
	enum status st = read_letter(letter, host_name, &a, &o);

	if (st == ST_OK && (text = json_dumps(o, JSON_COMPACT)) == NULL)
		st = ST_NOMEM;
	json_decref(o);
	arena_free(&a);
	st = piece_write(STDOUT_FILENO, st, view_cstr(text));
	free(text);
	return st;
}

static void lock_in(const struct report_reader *r)
{
	struct sandbox walls = { .calls = CALLS, .uid = r->uid, .filter = &r->filter };
	struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS };
	const char *why;

	for (int i = 0; CHARSET_FOLDERS[i] && i < SANDBOX_FOLDERS - 1; i++)
		walls.readable[i] = CHARSET_FOLDERS[i];
	if (setrlimit(RLIMIT_CPU, &cpu) != 0 || sandbox_enter(&walls, &why) != ST_OK)
		_exit(1);
}

static void child(void *arg)
{
	const struct report_reader *r = arg;
	struct buf letter = BUF(REPORT_LETTER_MAX);
	enum status st = ST_OK, ignored;

	lock_in(r);
	while (st == ST_OK) {
		st = piece_read(STDIN_FILENO, &letter, &ignored);
		if (st == ST_OK)
			st = answer(buf_view(&letter), r->host_name);
	}
	_exit(0);
}

/* ---- ours ---- */

enum status report_reader_new(uint32_t uid, const char *host_name, struct report_reader **ret)
{
	struct report_reader *r = calloc(1, sizeof *r);
	enum status st;

	if (r == NULL)
		return ST_NOMEM;
	st = confined_filter(CALLS, &r->filter);
	if (st != ST_OK) {
		free(r);
		return st;
	}
	r->uid = uid;
	r->host_name = view_cstr(host_name);
	/* jansson asks for it when the first object is made, from a file. */
	json_object_seed(0);
	*ret = r;
	return ST_OK;
}

void report_reader_free(struct report_reader *r)
{
	if (r == NULL)
		return;
	confined_end(&r->child);
	sandbox_filter_free(&r->filter);
	free(r);
}

enum status report_reader_ask(struct report_reader *r, struct view letter, json_t **ret)
{
	struct buf said = BUF(ANSWER_MAX);
	enum status st = ST_OK, found = ST_OK;

	if (letter.n > REPORT_LETTER_MAX)
		return ST_MISSING;
	if (r->child.pid == 0)
		st = confined_begin(&r->child, child, r);
	if (st == ST_OK)
		st = piece_write(r->child.to, ST_OK, letter);
	if (st == ST_OK)
		st = piece_read(r->child.from, &said, &found);
	if (st != ST_OK)
		confined_end(&r->child);
	else if (found != ST_OK)
		st = found;
	else if ((*ret = json_loadb(said.p ? said.p : "", said.n, 0, NULL)) == NULL)
		st = ST_CLOSED;
	buf_free(&said);
	return st;
}
