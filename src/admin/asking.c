/* asking.c - where the commands that check letters get their answers and
 * their input from. */
#include "admin/inspect.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "trust/records.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WHY_MAX = 1024, INPUT_MAX = 512 * 1024 * 1024 };

enum status read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char piece[65536];
	size_t n;

	if (f == NULL)
		return ST_MISSING;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_status(out) == ST_OK)
		buf_put(out, view_make(piece, n));
	fclose(f);
	return buf_status(out);
}

static bool read_all(int fd, struct input *i)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0 && buf_status(&i->held) == ST_OK)
		buf_put(&i->held, view_make(piece, (size_t)n));
	i->letter = buf_view(&i->held);
	return n == 0 && buf_status(&i->held) == ST_OK;
}

bool input_open(struct input *i, int fd, const char *what)
{
	struct stat s;

	*i = (struct input){ .held = BUF(INPUT_MAX) };
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0) {
		i->map = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (i->map == MAP_FAILED)
			i->map = NULL;
		i->letter = view_make(i->map, i->map ? (size_t)s.st_size : 0);
	}
	if (i->map || read_all(fd, i))
		return true;
	tell("%s: cannot be read", what);
	buf_free(&i->held);
	return false;
}

void input_close(struct input *i)
{
	if (i->map)
		munmap(i->map, i->letter.n);
	buf_free(&i->held);
}

enum status conf_or_defaults(const struct invocation *in, struct conf *ret)
{
	struct buf why = BUF(WHY_MAX);
	struct conf c = { 0 };
	enum status st = conf_load(in->dir, &c, &why);

	/* No instance is needed. */
	if (st != ST_OK)
		st = conf_defaults(&c);
	buf_free(&why);
	if (st == ST_OK)
		*ret = c;
	else
		complain("settings", st, NULL);
	return st;
}

struct lookup_settings asked_of(const struct invocation *in, const struct conf *c)
{
	struct lookup_settings s = lookup_settings(c);

	if (in->given[OPTION_resolver])
		s.resolver = in->given[OPTION_resolver];
	if (in->given[OPTION_trust_anchor])
		s.anchor = in->given[OPTION_trust_anchor];
	return s;
}

enum status open_direct(const struct invocation *in, struct direct **ret)
{
	struct buf why = BUF(WHY_MAX);
	struct lookup_settings s;
	struct conf c = { 0 };
	enum status st = conf_or_defaults(in, &c);

	if (st != ST_OK)
		return st;
	s = asked_of(in, &c);
	st = direct_open(&s, &why, ret);
	if (st != ST_OK)
		tell("%.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	buf_free(&why);
	conf_free(&c);
	return st;
}

static struct records *open_records(const char *path)
{
	struct buf text = BUF(RECORDS_MAX);
	struct records *r = NULL;
	unsigned line = 0;
	enum status st = read_file(path, &text);

	if (st == ST_OK)
		st = records_open(buf_view(&text), &r, &line);
	if (st == ST_SYNTAX)
		tell("%s:%u: no record; they are NAME TYPE DATA", path, line);
	else if (st != ST_OK)
		tell("%s: %s", path, status_name(st));
	buf_free(&text);
	return r;
}

struct resolver *asker_open(struct asker *a, const struct invocation *in)
{
	*a = (struct asker){ 0 };
	if (in->given[OPTION_records]) {
		a->records = open_records(in->given[OPTION_records]);
		return a->records ? records_resolver(a->records) : NULL;
	}
	return open_direct(in, &a->direct) == ST_OK ? direct_resolver(a->direct) : NULL;
}

void asker_close(struct asker *a)
{
	records_free(a->records);
	if (a->direct)
		direct_free(a->direct);
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

