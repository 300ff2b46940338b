#include "ms/port_name.h"

#include "base/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const struct flag_letter flag_letters[FLAG_LETTERS] = {
	{ 'D', 'T', FLAG_DRAFT }, { 'F', 'F', FLAG_FLAGGED }, { 'R', 'A', FLAG_ANSWERED },
	{ 'S', 0, FLAG_SEEN }, { 'T', 'D', FLAG_DELETED },
};

static const char *const format_names[PORT_FORMATS] = { "maildir", "mbox", "eml" };

enum status port_format(struct view name, enum port_format *ret)
{
	for (int i = 0; i < PORT_FORMATS; i++)
		if (view_eq(name, view_cstr(format_names[i]))) {
			*ret = (enum port_format)i;
			return ST_OK;
		}
	return ST_SYNTAX;
}

void path_of_name(struct view name, bool dots, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool first = i == 0 || name.p[i - 1] == '/';

		if (c == '/')
			buf_putc(out, dots ? '.' : '/');
		else if (c < 0x20 || c == 0x7f || c == '%' || c == ':' || c == '\\' || (c == '.' && (dots || first)))
			buf_putf(out, "%%%02X", c);
		else
			buf_putc(out, (char)c);
	}
}

static int hex(char c)
{
	return ascii_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void name_of_level(struct view level, struct buf *out)
{
	for (size_t i = 0; i < level.n; i++)
		if (level.p[i] == '%' && i + 2 < level.n && hex(level.p[i + 1]) >= 0 && hex(level.p[i + 2]) >= 0) {
			buf_putc(out, (char)(hex(level.p[i + 1]) * 16 + hex(level.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, level.p[i]);
		}
}

/* ---- writing ---- */

struct export {
	struct port *port;
	int dir;		/* of the whole */
	struct buf path, text;
	struct mailbox *m;
	int out;		/* mbox: the file */
	off_t at;
};

/* The folder of that path, with those above it. */
static enum status make_folders(int dir, const char *path)
{
	enum status st = ST_OK;
	struct buf part = BUF(4096);

	for (const char *p = path; *p && st == ST_OK; p++) {
		if (*p == '/' && p != path) {
			buf_putc(&part, '\0');
			st = buf_status(&part) == ST_OK ? disk_mkdir(dir, part.p, 0700) : ST_LIMIT;
			part.n--;
		}
		buf_putc(&part, *p);
		if (st == ST_EXISTS)
			st = ST_OK;
	}
	buf_free(&part);
	return st;
}

static enum status open_path(struct export *x, int *ret_fd)
{
	enum status st;

	buf_putc(&x->path, '\0');
	st = buf_status(&x->path);
	if (st == ST_OK)
		st = make_folders(x->dir, x->path.p);
	return st == ST_OK ? disk_open(x->dir, x->path.p, O_WRONLY | O_CREAT | O_EXCL, 0600, ret_fd) : st;
}

static enum status write_text(int fd, struct view v, off_t at)
{
	struct iovec iov = { (void *)v.p, v.n };

	return v.n ? disk_write_at(fd, &iov, 1, at) : ST_OK;
}

static void put_flags(struct buf *b, uint64_t flags)
{
	for (int i = 0; i < FLAG_LETTERS; i++)
		if (flags & flag_letters[i].flag)
			buf_putc(b, flag_letters[i].letter);
}

static void put_keywords(struct buf *b, uint64_t flags, uint32_t n)
{
	for (uint32_t k = 0; k < n && k < 26; k++)
		if (flags >> (KEYWORD_BIT + k) & 1)
			buf_putc(b, (char)('a' + k));
}

/* CRLF as LF. */
static void put_lines(struct buf *b, struct view v)
{
	while (v.n) {
		size_t i = view_find(v, '\r');

		buf_put(b, view_head(v, i));
		if (i < v.n && (i + 1 >= v.n || v.p[i + 1] != '\n'))
			buf_putc(b, '\r');
		v = view_skip(v, i + 1);
	}
}

static enum status write_file(struct export *x, const struct message *m, struct view text)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = m->date / 1000 } };
	int fd;
	enum status st = open_path(x, &fd);

	if (st != ST_OK)
		return st;
	st = write_text(fd, text, 0);
	(void)!futimens(fd, times);
	close(fd);
	return st;
}

/* ---- the formats ---- */

static enum status letter_maildir(struct export *x, const struct message *m, struct view body)
{
	if (!view_eq(x->m->name, VIEW("INBOX"))) {
		buf_putc(&x->path, '.');
		path_of_name(x->m->name, true, &x->path);
		buf_putc(&x->path, '/');
	}
	buf_putf(&x->path, "cur/%lld.W%u.waxwing:2,", (long long)(m->date / 1000), m->uid);
	put_flags(&x->path, m->flags);
	put_keywords(&x->path, m->flags, x->m->n_keywords);
	put_lines(&x->text, body);
	return buf_status(&x->text) == ST_OK ? write_file(x, m, buf_view(&x->text)) : buf_status(&x->text);
}

static enum status letter_eml(struct export *x, const struct message *m, struct view body)
{
	path_of_name(x->m->name, false, &x->path);
	buf_putf(&x->path, "/%08u%s", m->uid, m->flags & FLAG_SYSTEM ? "," : "");
	put_flags(&x->path, m->flags);
	buf_puts(&x->path, ".eml");
	return write_file(x, m, body);
}

/* mboxrd: a '>' before each line that is "From " behind any number of them. */
static void put_quoted(struct buf *b, struct view v)
{
	while (v.n) {
		size_t end = view_find(v, '\n'), i = 0;
		struct view line = view_head(v, end < v.n ? end + 1 : end);

		while (i < line.n && line.p[i] == '>')
			i++;
		if (view_eq(view_head(view_skip(line, i), 5), VIEW("From ")))
			buf_putc(b, '>');
		put_lines(b, line);
		v = view_skip(v, line.n);
	}
}

/* The letter's own Status: fields would be read as ours. */
static bool is_status(struct view line)
{
	return view_starts_i(line, VIEW("Status:")) || view_starts_i(line, VIEW("X-Status:"));
}

static struct view put_header(struct buf *b, struct view v)
{
	while (v.n) {
		size_t end = view_find(v, '\n');
		struct view line = view_head(v, end < v.n ? end + 1 : end);

		if (line.p[0] == '\r' || line.p[0] == '\n')
			break;
		if (!is_status(line))
			put_quoted(b, line);
		v = view_skip(v, line.n);
	}
	return v;
}

static enum status letter_mbox(struct export *x, const struct message *m, struct view body)
{
	time_t when = (time_t)(m->date / 1000);
	struct tm tm;
	char text[64];
	enum status st = ST_OK;

	if (x->out < 0) {
		path_of_name(x->m->name, false, &x->path);
		buf_puts(&x->path, ".mbox");
		st = open_path(x, &x->out);
		x->at = 0;
	}
	if (st != ST_OK)
		return st;
	gmtime_r(&when, &tm);
	strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm);
	buf_putf(&x->text, "From MAILER-DAEMON %s\n", text);
	body = put_header(&x->text, body);
	buf_putf(&x->text, "Status: %sO\n", m->flags & FLAG_SEEN ? "R" : "");
	buf_puts(&x->text, "X-Status: ");
	for (int i = 0; i < FLAG_LETTERS; i++)
		if ((m->flags & flag_letters[i].flag) && flag_letters[i].status)
			buf_putc(&x->text, flag_letters[i].status);
	buf_putc(&x->text, '\n');
	put_quoted(&x->text, body);
	buf_puts(&x->text, x->text.p && x->text.p[x->text.n - 1] == '\n' ? "\n" : "\n\n");
	st = buf_status(&x->text);
	if (st == ST_OK)
		st = write_text(x->out, buf_view(&x->text), x->at);
	x->at += (off_t)x->text.n;
	return st;
}

typedef enum status letter_writer(struct export *x, const struct message *m, struct view body);
static letter_writer *const writers[PORT_FORMATS] = { letter_maildir, letter_mbox, letter_eml };

/* ---- all of it ---- */

static enum status export_letters(struct export *x, enum port_format f)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < x->m->n && st == ST_OK; i++) {
		struct view body;

		if (message_body(x->m, &x->m->messages[i], &body) != ST_OK) {
			x->port->failed++;
			continue;
		}
		buf_clear(&x->path);
		buf_clear(&x->text);
		st = writers[f](x, &x->m->messages[i], body);
		if (st == ST_EXISTS)
			break;
		x->port->letters += st == ST_OK;
		x->port->bytes += st == ST_OK ? body.n : 0;
		if (x->port->progress)
			x->port->progress(x->port);
	}
	return st;
}

/* Folders that a Maildir must have, and the names of its keywords. */
static enum status finish_maildir(struct export *x)
{
	static const char *const subs[] = { "cur/", "new/", "tmp/" };
	struct buf base = BUF(4096), words = BUF(64 * 1024);
	enum status st = ST_OK;
	int fd;

	if (!view_eq(x->m->name, VIEW("INBOX"))) {
		buf_putc(&base, '.');
		path_of_name(x->m->name, true, &base);
		buf_putc(&base, '/');
	}
	for (int i = 0; i < 3 && st == ST_OK; i++) {
		buf_clear(&x->path);
		buf_put(&x->path, buf_view(&base));
		buf_puts(&x->path, subs[i]);
		buf_putc(&x->path, '\0');
		st = buf_status(&x->path) == ST_OK ? make_folders(x->dir, x->path.p) : ST_LIMIT;
	}
	for (uint32_t k = 0; k < x->m->n_keywords && k < 26; k++)
		buf_putf(&words, "%u %.*s\n", k, VIEW_ARG(x->m->keywords[k]));
	if (st == ST_OK && words.n) {
		buf_clear(&x->path);
		buf_put(&x->path, buf_view(&base));
		buf_puts(&x->path, "dovecot-keywords");
		st = open_path(x, &fd);
		if (st == ST_OK) {
			st = write_text(fd, buf_view(&words), 0);
			close(fd);
		}
	}
	buf_free(&base);
	buf_free(&words);
	return st;
}

static enum status export_box(struct export *x, struct store *s, struct view name, enum port_format f)
{
	enum status st = mailbox_open(s, name, &x->m);

	if (st != ST_OK)
		return st;
	x->out = -1;
	st = export_letters(x, f);
	if (st == ST_OK && f == PORT_MAILDIR)
		st = finish_maildir(x);
	if (x->out >= 0)
		close(x->out);
	mailbox_release(x->m);
	return st;
}

enum status port_export(struct store *s, const char *dir, enum port_format f, struct port *p)
{
	struct export x = { .port = p, .path = BUF(8192), .text = BUF(1024u * 1024 * 1024) };
	struct arena a = ARENA(64 * 1024 * 1024);
	struct mailbox_info *all;
	uint32_t n = 0;
	enum status st = disk_mkdir(AT_FDCWD, dir, 0700);

	if (st == ST_OK || st == ST_EXISTS)
		st = disk_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &x.dir);
	if (st != ST_OK)
		return st;
	st = store_mailboxes(s, &a, &all, &n);
	for (uint32_t i = 0; i < n && st == ST_OK; i++)
		st = export_box(&x, s, all[i].name, f);
	close(x.dir);
	buf_free(&x.path);
	buf_free(&x.text);
	arena_free(&a);
	return st;
}
