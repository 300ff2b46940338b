/* read_copy.c - the full-screen reader over a local copy alone, for tests:
 *
 *     read_copy FOLDER                   the screen; what needs the program says so
 *     read_copy FOLDER put MAILDIR|N     letters of a folder of files into INBOX, or N made ones
 *     read_copy FOLDER threads           as a list, for times
 *     read_copy FOLDER search QUERY
 *     read_copy FOLDER show ID [WIDTH]
 */
#include "mua/copy/query.h"
#include "mua/screen/screen.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 5000 };

static int fail(enum status st, const char *what)
{
	fprintf(stderr, "read_copy: %s: %s\n", what, status_name(st));
	return 1;
}

static int64_t inbox_of(struct copy *c)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f = { .id = 0 };

	if (copy_folder(c, VIEW("INBOX"), true, &a, &f) != ST_OK)
		f.id = 0;
	arena_free(&a);
	return f.id;
}

/* ---- letters ---- */

/* Every fifth one answers one that came before. */
static void make_letter(uint32_t i, struct buf *out)
{
	static const char *const names[] = { "Mary Smith", "Jones", "J\xc3\xbcrgen Gro\xc3\x9f", "Brown", "Green" };
	char date[RFC5322_DATE_SIZE];

	buf_clear(out);
	clock_rfc5322(1600000000000 + (wall_ms)i * 600000, date);
	buf_putf(out, "From: \"%s\" <p%u@example.net>\r\nTo: jones@foo.com\r\nDate: %s\r\nMessage-ID: <m%u@example.net>\r\n",
		 names[i % 5], i % 997, date, i);
	if (i % 5)
		buf_putf(out, "Subject: Re: matter %u\r\nReferences: <m%u@example.net> <m%u@example.net>\r\n",
			 i / 5, i - i % 5, i - 1);
	else
		buf_putf(out, "Subject: matter %u\r\n", i / 5);
	buf_putf(out, "Content-Type: text/plain; charset=utf-8\r\n\r\nLetter %u speaks of matter %u and word%u.\r\n", i,
		 i / 5, i % 5000);
}

static enum status put_made(struct copy *c, int64_t inbox, uint32_t n)
{
	struct buf b = BUF(65536);
	enum status st = copy_begin(c);

	for (uint32_t i = 0; i < n && st == ST_OK; i++) {
		struct copy_arrival w = { .folder = inbox, .uid = i + 1, .modseq = i + 1,
					  .flags = i % 3 ? COPY_SEEN : 0,
					  .received = 1600000000000 + (wall_ms)i * 600000 };
		int64_t id;

		make_letter(i, &b);
		st = copy_put(c, &w, buf_view(&b), &id);
		if (st == ST_OK && (i + 1) % BATCH == 0) {
			st = copy_commit(c);
			if (st == ST_OK)
				st = copy_begin(c);
		}
	}
	buf_free(&b);
	return st == ST_OK ? copy_commit(c) : st;
}

static enum status put_folder(struct copy *c, int64_t inbox, const char *path)
{
	struct dirent **all;
	int n = scandir(path, &all, NULL, alphasort);
	uint32_t uid = 0;
	enum status st = n < 0 ? ST_MISSING : copy_begin(c);

	for (int i = 0; i < n; i++) {
		struct copy_arrival w = { .folder = inbox, .uid = uid + 1, .received = 1700000000000 + (wall_ms)i };
		char name[4096];
		int64_t id;
		int fd;

		snprintf(name, sizeof name, "%s/%s", path, all[i]->d_name);
		fd = all[i]->d_name[0] == '.' || st != ST_OK ? -1 : open(name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			st = copy_put_fd(c, &w, fd, &id);
			uid += st == ST_OK;
			close(fd);
		}
		free(all[i]);
	}
	if (n >= 0)
		free(all);
	return st == ST_OK ? copy_commit(c) : st;
}

static int put(struct copy *c, const char *what)
{
	uint64_t n;
	enum status st;

	if (view_u64(view_cstr(what), &n))
		st = put_made(c, inbox_of(c), (uint32_t)n);
	else
		st = put_folder(c, inbox_of(c), what);
	return st == ST_OK ? 0 : fail(st, "put");
}

/* ---- lists ---- */

static enum status all_of(struct copy *c, struct arena *a, struct copy_list *l)
{
	return copy_list(c, inbox_of(c), COPY_BY_DATE, true, 0, SIZE_MAX, a, l);
}

static int threads(struct copy *c)
{
	struct arena a = ARENA(COPY_LIST_ARENA(2000000));
	struct copy_list l;
	struct copy_row *rows;
	enum status st = all_of(c, &a, &l);

	if (st == ST_OK)
		st = copy_threads(&l, true, &a, &rows);
	for (size_t i = 0; i < l.n && st == ST_OK; i++)
		printf("%*s%.*s  %.*s\n", (int)(2 * rows[i].depth), "", VIEW_ARG(l.all[rows[i].message].from),
		       VIEW_ARG(l.all[rows[i].message].subject));
	arena_free(&a);
	return st == ST_OK ? 0 : fail(st, "threads");
}

static int search(struct copy *c, const char *text)
{
	struct arena a = ARENA(COPY_LIST_ARENA(2000000));
	struct copy_list l;
	struct query q;
	enum status st = query_parse(view_cstr(text), clock_wall(), &a, &q);

	l.n = 0;
	if (st == ST_OK)
		st = copy_find(c, 0, &q, true, &a, &l);
	for (size_t i = 0; i < l.n; i++)
		printf("%lld %.*s\n", (long long)l.all[i].id, VIEW_ARG(l.all[i].subject));
	arena_free(&a);
	return st == ST_OK ? 0 : fail(st, "search");
}

static int show(struct copy *c, const char *id, const char *width)
{
	struct show_options o = { .width = width ? (size_t)atoi(width) : 80 };
	struct buf out = BUF(SHOW_TEXT_MAX);
	struct copy_letter l;
	enum status st = copy_read(c, atoll(id), &l);

	if (st != ST_OK)
		return fail(st, "show");
	st = show_letter(l.bytes, l.whole, &o, &out);
	fwrite(out.p, 1, out.n, stdout);
	copy_letter_close(&l);
	buf_free(&out);
	return st == ST_OK ? 0 : fail(st, "show");
}

static int words(struct copy *c)
{
	bool more = true;
	enum status st = ST_OK;

	while (more && st == ST_OK)
		st = copy_step(c, &more);
	return st == ST_OK ? 0 : fail(st, "words");
}

static int screen(struct copy *c)
{
	struct screen_account a = { .name = VIEW("test"), .copy = c, .authserv_id = VIEW("mx.foo.com") };
	struct screen_program p = { .arg = NULL };
	struct screen_options o = { .accounts = &a, .n_accounts = 1, .program = &p };
	enum status st = screen_run(&o);

	return st == ST_OK ? 0 : fail(st, "screen");
}

int main(int n, char **words_of)
{
	struct copy *c;
	int rc = 2;
	enum status st = n > 1 ? copy_open(words_of[1], &c, NULL) : ST_SYNTAX;

	if (st != ST_OK)
		return fail(st, "open");
	if (n == 2)
		rc = screen(c);
	else if (strcmp(words_of[2], "put") == 0 && n == 4)
		rc = put(c, words_of[3]);
	else if (strcmp(words_of[2], "words") == 0)
		rc = words(c);
	else if (strcmp(words_of[2], "threads") == 0)
		rc = threads(c);
	else if (strcmp(words_of[2], "search") == 0 && n == 4)
		rc = search(c, words_of[3]);
	else if (strcmp(words_of[2], "show") == 0 && n >= 4)
		rc = show(c, words_of[3], n > 4 ? words_of[4] : NULL);
	copy_close(c);
	return rc;
}
