/* input.c - what the commands that look at letters read and write: files, standard
 * input, JSON. */
#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "base/mapped.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_MAX = 512 * 1024 * 1024 };

static enum status read_all(int fd, struct buf *out)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0 && buf_status(out) == ST_OK)
		buf_put(out, view_make(piece, (size_t)n));
	return n < 0 ? ST_IO : buf_status(out);
}

enum status read_input(struct buf *out)
{
	return read_all(STDIN_FILENO, out);
}

enum status read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status st;

	if (fd < 0)
		return ST_MISSING;
	st = read_all(fd, out);
	close(fd);
	return st;
}

bool input_open(struct input *i, int fd, const char *what)
{
	struct stat s;

	*i = (struct input){ .held = BUF(INPUT_MAX) };
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0) {
		i->mapped = mapped_file(fd, (uint64_t)s.st_size, &i->letter) == ST_OK;
	}
	if (i->mapped)
		return true;
	if (read_all(fd, &i->held) == ST_OK) {
		i->letter = buf_view(&i->held);
		return true;
	}
	tell("%s: cannot be read", what);
	buf_free(&i->held);
	return false;
}

void input_close(struct input *i)
{
	if (i->mapped)
		mapped_free(i->letter);
	buf_free(&i->held);
}

bool take_time(const struct invocation *in)
{
	wall_ms now;

	if (in->given[OPTION_time] == NULL)
		return true;
	if (clock_parse_rfc3339(view_cstr(in->given[OPTION_time]), &now) != ST_OK) {
		tell("--time wants a time such as 2026-11-22T10:31:05Z");
		return false;
	}
	clock_override(now);
	return true;
}

int print_json(json_t *o)
{
	int failed = json_dumpf(o, stdout, JSON_COMPACT) || putchar('\n') == EOF || fflush(stdout);

	json_decref(o);
	return failed ? FAILED : DONE;
}

json_t *json_text(struct view v)
{
	json_t *good = json_stringn(v.p ? v.p : "", v.n);
	struct buf b = BUF(v.n * 2 + 1);

	if (good)
		return good;
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 0x80) {
			buf_putc(&b, (char)c);
		} else {
			buf_putc(&b, (char)(0xc0 | c >> 6));
			buf_putc(&b, (char)(0x80 | (c & 0x3f)));
		}
	}
	good = json_stringn(b.p ? b.p : "", b.n);
	buf_free(&b);
	return good;
}

json_t *json_text_or_null(struct view v)
{
	return v.n ? json_text(v) : json_null();
}

json_t *author_json(const struct author *a)
{
	const char *why = author_problem(a->kind);
	json_t *all = json_array(), *problem = why ? json_string(why) : json_null();

	for (size_t i = 0; i < a->n; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "name", json_text_or_null(a->all[i].name));
		json_object_set_new(one, "address", json_text_or_null(a->all[i].address));
		json_object_set_new(one, "domain", json_text_or_null(a->all[i].domain));
		json_array_append_new(all, one);
	}
	return json_pack("{s:o, s:o, s:b}", "addresses", all, "problem", problem,
			 "name_lies", (int)a->name_lies);
}
