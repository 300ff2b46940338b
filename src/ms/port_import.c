#include "ms/port_name.h"

#include "base/disk.h"
#include "base/mapped.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 20, LETTER_MAX = 1024 * 1024 * 1024, FLUSH_EVERY = 1000, KEYWORDS = 26 };

struct import {
	struct store *s;
	struct port *port;
	struct buf text;		/* the letter with CRLF */
	uint64_t keywords[KEYWORDS];	/* of the Maildir folder that is read */
};

/* ---- one letter ---- */

/* Each line ends with CRLF; mboxrd's quoting undone where asked. */
static void put_crlf(struct buf *out, struct view v, bool quoted)
{
	while (v.n && buf_status(out) == ST_OK) {
		size_t end = view_find(v, '\n'), i = 0;
		struct view line = view_head(v, end);

		if (line.n && line.p[line.n - 1] == '\r' && end < v.n)
			line.n--;
		while (quoted && i < line.n && line.p[i] == '>')
			i++;
		if (i && view_eq(view_head(view_skip(line, i), 5), VIEW("From ")))
			line = view_skip(line, 1);
		buf_put(out, line);
		if (end < v.n)
			buf_puts(out, "\r\n");
		v = view_skip(v, end + 1);
	}
}

/* A letter that cannot be stored for its own sake costs itself. */
static enum status add(struct import *im, struct mailbox *m, uint64_t flags, wall_ms date)
{
	uint32_t uid;
	enum status st = buf_status(&im->text);

	if (st == ST_LIMIT || im->text.n == 0) {
		im->port->failed++;
		return ST_OK;
	}
	if (st == ST_OK)
		st = mailbox_append(m, flags, date, buf_view(&im->text), &uid);
	if (st != ST_OK)
		return st;
	im->port->letters++;
	im->port->bytes += im->text.n;
	if (im->port->progress)
		im->port->progress(im->port);
	st = store_turn(im->s);
	if (st == ST_OK && im->port->letters % FLUSH_EVERY == 0)
		st = store_flush(im->s);
	return st;
}

/* The file's bytes, mapped; its date. */
static enum status map_file(int dir, const char *name, struct view *ret, wall_ms *ret_date)
{
	struct stat sb;
	int fd;
	enum status st = disk_open(dir, name, O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return st;
	if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode))
		st = ST_IO;
	else
		st = mapped_file(fd, (uint64_t)sb.st_size, ret);
	close(fd);
	if (st != ST_OK)
		return st;
	*ret_date = (wall_ms)sb.st_mtime * 1000;
	return ST_OK;
}

static enum status import_letter(struct import *im, int dir, const char *name, struct mailbox *m, uint64_t flags)
{
	struct view bytes;
	wall_ms date;
	enum status st = map_file(dir, name, &bytes, &date);

	if (st != ST_OK) {
		im->port->failed++;
		return st == ST_NOMEM ? st : ST_OK;
	}
	buf_clear(&im->text);
	put_crlf(&im->text, bytes, false);
	mapped_free(bytes);
	return add(im, m, flags, date);
}

/* ---- mbox ---- */

/* "From someone Sun Nov 22 10:31:05 2026" */
static wall_ms date_of_from(struct view line)
{
	char text[128];
	struct tm tm = { 0 };
	int n = snprintf(text, sizeof text, "%.*s", VIEW_ARG(line));

	for (int i = n < 127 ? n : 127; i > 5; i--)
		if (text[i - 1] == ' ' && strptime(text + i, "%a %b %d %H:%M:%S %Y", &tm))
			return (wall_ms)timegm(&tm) * 1000;
	return clock_wall();
}

static uint64_t flags_of_status(struct view value)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == 'R')
			flags |= FLAG_SEEN;
		for (int k = 0; k < FLAG_LETTERS; k++)
			if (flag_letters[k].status && value.p[i] == flag_letters[k].status)
				flags |= flag_letters[k].flag;
	}
	return flags;
}

/* Header without Status: and X-Status:, then the rest. */
static uint64_t put_mbox_letter(struct buf *out, struct view v)
{
	uint64_t flags = 0;

	while (v.n && v.p[0] != '\n' && v.p[0] != '\r') {
		size_t end = view_find(v, '\n');
		struct view line = view_head(v, end < v.n ? end + 1 : end);

		if (view_starts_i(line, VIEW("Status:")) || view_starts_i(line, VIEW("X-Status:")))
			flags |= flags_of_status(view_skip(line, view_find(line, ':')));
		else
			put_crlf(out, line, true);
		v = view_skip(v, line.n);
	}
	put_crlf(out, v, true);
	return flags;
}

static bool begins_letter(struct view v)
{
	return view_eq(view_head(v, 5), VIEW("From "));
}

/* Where the next From_ line stands: at the beginning of a line behind an
 * empty one; or the end. */
static size_t next_letter(struct view v)
{
	for (size_t at = view_find(v, '\n') + 1; at < v.n;) {
		struct view rest = view_skip(v, at);
		bool empty = at >= 2 && (v.p[at - 2] == '\n' || (at >= 3 && v.p[at - 2] == '\r' && v.p[at - 3] == '\n'));

		if (empty && begins_letter(rest))
			return at;
		at += view_find(rest, '\n') + 1;
	}
	return v.n;
}

static enum status import_mbox(struct import *im, struct view v, struct mailbox *m)
{
	enum status st = ST_OK;

	while (v.n && st == ST_OK) {
		size_t n = next_letter(v), line = view_find(v, '\n');
		struct view letter = view_skip(view_head(v, n), line + 1);
		uint64_t flags;

		/* The empty line before the next From_ line is the mbox's. */
		if (letter.n && letter.p[letter.n - 1] == '\n')
			letter.n -= letter.n > 1 && letter.p[letter.n - 2] == '\r' ? 2 : 1;
		buf_clear(&im->text);
		flags = put_mbox_letter(&im->text, letter);
		st = add(im, m, flags, date_of_from(view_head(v, line)));
		v = view_skip(v, n);
	}
	return st;
}

/* ---- a file ---- */

static enum status open_box(struct import *im, struct view name, struct mailbox **ret)
{
	enum status st = mailbox_open(im->s, name, ret);

	if (st != ST_MISSING)
		return st;
	st = store_create(im->s, name, USE_NONE);
	return st == ST_OK ? mailbox_open(im->s, name, ret) : st;
}

static uint64_t flags_of_letters(struct view letters, const uint64_t keywords[KEYWORDS])
{
	uint64_t flags = 0;

	for (size_t i = 0; i < letters.n; i++) {
		char c = letters.p[i];

		for (int k = 0; k < FLAG_LETTERS; k++)
			if (c == flag_letters[k].letter)
				flags |= flag_letters[k].flag;
		if (keywords && c >= 'a' && c <= 'z')
			flags |= keywords[c - 'a'];
	}
	return flags;
}

/* "00000012,FS.eml" */
static uint64_t flags_of_eml(struct view name)
{
	struct view tail = view_skip(name, view_find(name, ',') + 1);

	return flags_of_letters(view_head(tail, view_find(tail, '.')), NULL);
}

static enum status import_file(struct import *im, int dir, const char *name, struct view into)
{
	struct view bytes;
	struct mailbox *m = NULL;
	wall_ms date;
	enum status st = map_file(dir, name, &bytes, &date);

	if (st != ST_OK)
		return st;
	st = open_box(im, into, &m);
	if (st == ST_OK && begins_letter(bytes))
		st = import_mbox(im, bytes, m);
	else if (st == ST_OK)
		st = import_letter(im, dir, name, m, flags_of_eml(view_cstr(name)));
	mailbox_release(m);
	mapped_free(bytes);
	return st;
}

/* ---- folders ---- */

/* Calls one for each name of the folder, in no order. */
typedef enum status each_name(struct import *im, int dir, const char *name, void *arg);

static enum status each(struct import *im, int dir, each_name *one, void *arg)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	enum status st = d ? ST_OK : ST_IO;

	while (st == ST_OK && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			st = one(im, dir, e->d_name, arg);
	if (d)
		closedir(d);
	return st;
}

static bool is_folder(int dir, const char *name)
{
	struct stat sb;

	return fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(sb.st_mode);
}

static enum status maildir_letter(struct import *im, int dir, const char *name, void *arg)
{
	struct view v = view_cstr(name), info = view_skip(v, view_find(v, ':'));

	if (name[0] == '.' || is_folder(dir, name))
		return ST_OK;
	if (!view_eq(view_head(info, 3), VIEW(":2,")))
		info = VIEW_NONE;
	return import_letter(im, dir, name, arg, flags_of_letters(view_skip(info, 3), im->keywords));
}

/* dovecot-keywords: "0 $Label1", a line each. */
static void read_keywords(struct import *im, int dir, struct mailbox *m)
{
	struct view v, all;
	wall_ms date;

	memset(im->keywords, 0, sizeof im->keywords);
	if (map_file(dir, "dovecot-keywords", &all, &date) != ST_OK)
		return;
	for (v = all; v.n;) {
		struct view line = view_head(v, view_find(v, '\n'));
		size_t blank = view_find(line, ' ');
		uint64_t k;

		if (view_u64(view_head(line, blank), &k) && k < KEYWORDS)
			(void)!mailbox_keyword(m, view_skip(line, blank + 1), true, &im->keywords[k]);
		v = view_skip(v, line.n + 1);
	}
	mapped_free(all);
}

static enum status import_maildir(struct import *im, int dir, struct view into)
{
	static const char *const subs[] = { "cur", "new" };
	struct mailbox *m;
	enum status st = open_box(im, into, &m);

	if (st != ST_OK)
		return st;
	read_keywords(im, dir, m);
	for (int i = 0; i < 2 && st == ST_OK; i++) {
		int sub;

		if (disk_open(dir, subs[i], O_RDONLY | O_DIRECTORY, 0, &sub) != ST_OK)
			continue;
		st = each(im, sub, maildir_letter, m);
		close(sub);
	}
	mailbox_release(m);
	return st;
}

/* ".Work.Deep" */
static enum status maildir_folder(struct import *im, int dir, const char *name, void *arg)
{
	struct buf into = BUF(MAILBOX_NAME_MAX);
	struct view rest = view_cstr(name + 1);
	int sub;
	enum status st;

	(void)arg;
	if (name[0] != '.' || !is_folder(dir, name))
		return ST_OK;
	while (rest.n) {
		size_t n = view_find(rest, '.');

		if (into.n)
			buf_putc(&into, '/');
		name_of_level(view_head(rest, n), &into);
		rest = view_skip(rest, n + 1);
	}
	st = disk_open(dir, name, O_RDONLY | O_DIRECTORY, 0, &sub);
	if (st == ST_OK) {
		st = buf_status(&into) == ST_OK ? import_maildir(im, sub, buf_view(&into)) : ST_SYNTAX;
		close(sub);
	}
	if (st == ST_SYNTAX) {
		im->port->failed++;	/* no name that a mailbox can have */
		st = ST_OK;
	}
	buf_free(&into);
	return st;
}

struct level {
	struct view name;	/* of the mailbox that the folder is */
	int depth;
};

static enum status tree_entry(struct import *im, int dir, const char *name, void *arg)
{
	const struct level *up = arg;
	struct view v = view_cstr(name);
	struct buf into = BUF(MAILBOX_NAME_MAX);
	bool folder = is_folder(dir, name), mbox = v.n > 5 && view_eq(view_skip(v, v.n - 5), VIEW(".mbox"));
	bool eml = v.n > 4 && view_eq_i(view_skip(v, v.n - 4), VIEW(".eml"));
	enum status st = ST_OK;

	buf_put(&into, up->name);
	if (folder || mbox) {
		if (into.n)
			buf_putc(&into, '/');
		name_of_level(view_head(v, mbox ? v.n - 5 : v.n), &into);
	}
	if (into.n == 0)
		buf_puts(&into, "INBOX");
	if (buf_status(&into) != ST_OK || up->depth >= DEPTH_MAX)
		st = ST_SYNTAX;
	else if (folder) {
		struct level level = { buf_view(&into), up->depth + 1 };
		int sub;

		st = disk_open(dir, name, O_RDONLY | O_DIRECTORY, 0, &sub);
		if (st == ST_OK) {
			st = each(im, sub, tree_entry, &level);
			close(sub);
		}
	} else if (mbox || eml)
		st = import_file(im, dir, name, buf_view(&into));
	if (st == ST_SYNTAX) {
		im->port->failed++;
		st = ST_OK;
	}
	buf_free(&into);
	return st;
}

static enum status import_folder(struct import *im, const char *path, struct view into)
{
	struct level top = { into, 0 };
	int dir;
	enum status st = disk_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &dir);

	if (st != ST_OK)
		return st;
	if (is_folder(dir, "cur") && is_folder(dir, "new")) {
		st = import_maildir(im, dir, into.n ? into : VIEW("INBOX"));
		if (st == ST_OK)
			st = each(im, dir, maildir_folder, NULL);
	} else {
		st = each(im, dir, tree_entry, &top);
	}
	close(dir);
	return st;
}

enum status port_import(struct store *s, const char *path, struct view into, struct port *p)
{
	struct import im = { .s = s, .port = p, .text = BUF(LETTER_MAX) };
	enum status st;

	if (is_folder(AT_FDCWD, path))
		st = import_folder(&im, path, into);
	else
		st = import_file(&im, AT_FDCWD, path, into.n ? into : VIEW("INBOX"));
	buf_free(&im.text);
	if (st != ST_OK)
		(void)!store_flush(s);
	return st == ST_OK ? store_flush(s) : st;
}
