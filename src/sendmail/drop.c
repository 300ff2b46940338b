#include "sendmail/drop.h"

#include "base/disk.h"
#include "wire/smtp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { HEAD_MAX = 4 * 1024 * 1024, TRIES = 8 };

static const char first_line[] = "waxwing-drop 1\n";

enum status drop_key(char ret[DROP_KEY + 1])
{
	uint64_t x;

	if (getrandom(&x, sizeof x, 0) != (ssize_t)sizeof x)
		return ST_IO;
	snprintf(ret, DROP_KEY + 1, "%016llx", (unsigned long long)x);
	return ST_OK;
}

/* ---- writing ---- */

static void put_line(struct buf *b, const char *what, struct view value)
{
	buf_putf(b, "%s ", what);
	buf_put(b, value);
	buf_putc(b, '\n');
}

static void put_head(const struct outgoing *o, struct buf *b)
{
	buf_puts(b, first_line);
	put_line(b, "sender", o->sender);
	for (size_t i = 0; i < o->to.n; i++)
		put_line(b, "recipient", o->to.p[i]);
	if (o->notify.n)
		put_line(b, "notify", o->notify);
	if (o->ret.n)
		put_line(b, "ret", o->ret);
	if (o->envid.n)
		put_line(b, "envid", o->envid);
	buf_putc(b, '\n');
}

/* The name is durable: the folder's, or where it may not be read (and so not
 * be flushed) that of the whole file system. */
static enum status flush_name(int folder, int file)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status st;

	if (fd < 0)
		return syncfs(file) == 0 ? ST_OK : ST_IO;
	st = disk_flush_all(fd);
	close(fd);
	return st;
}

static enum status write_file(int fd, const struct outgoing *o)
{
	struct buf head = BUF(HEAD_MAX);
	struct iovec iov[2];
	enum status st;

	put_head(o, &head);
	st = buf_status(&head);
	iov[0] = (struct iovec){ head.p, head.n };
	iov[1] = (struct iovec){ (char *)o->letter.p, o->letter.n };
	if (st == ST_OK && fchmod(fd, 0600) != 0)
		st = status_of_errno(errno);
	if (st == ST_OK)
		st = disk_write_at(fd, iov, 2, 0);
	if (st == ST_OK)
		st = disk_flush_all(fd);
	buf_free(&head);
	return st;
}

/* Never over another file. */
static enum status name_it(int folder, const char *from, const char *to)
{
	return renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0 ? ST_OK : status_of_errno(errno);
}

static enum status write_under(int folder, const char *key, const struct outgoing *o)
{
	char unfinished[DROP_KEY + 8];
	enum status st;
	int fd;

	snprintf(unfinished, sizeof unfinished, "%s.new", key);
	st = disk_open(folder, unfinished, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd);
	if (st != ST_OK)
		return st;
	st = write_file(fd, o);
	if (st == ST_OK)
		st = name_it(folder, unfinished, key);
	if (st != ST_OK && disk_unlink(folder, unfinished) != ST_OK)
		st = ST_IO;
	if (st == ST_OK)
		st = flush_name(folder, fd);
	close(fd);
	return st;
}

enum status drop_write(const char *dir, const struct outgoing *o)
{
	char path[4200], key[DROP_KEY + 1];
	enum status st = ST_EXISTS;
	int folder;

	snprintf(path, sizeof path, "%s/local/drop", dir);
	folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return status_of_errno(errno);
	for (int i = 0; i < TRIES && st == ST_EXISTS; i++) {
		st = drop_key(key);
		if (st == ST_OK)
			st = write_under(folder, key, o);
	}
	close(folder);
	return st;
}

/* ---- reading: whatever a user may have put there ---- */

static bool is_address(struct view v)
{
	struct smtp_path path;

	return smtp_take_mailbox(v, &path) == ST_OK;
}

static enum status take_recipient(struct outgoing *o, struct view value, struct arena *a)
{
	struct view bad;
	size_t n = o->to.n;
	enum status st = is_address(value) ? recipients_take(&o->to, value, VIEW_NONE, a, &bad) : ST_SYNTAX;

	/* The same twice is once, here too. */
	return st == ST_OK && o->to.n > n + 1 ? ST_SYNTAX : st;
}

static enum status take_line(struct outgoing *o, struct view line, struct arena *a)
{
	struct view what = view_head(line, view_find(line, ' ')), value = view_skip(line, what.n + 1);
	uint8_t set;

	if (view_eq(what, VIEW("recipient")))
		return take_recipient(o, value, a);
	if (view_eq(what, VIEW("sender"))) {
		o->sender = value;
		return value.n == 0 || is_address(value) ? ST_OK : ST_SYNTAX;
	}
	if (view_eq(what, VIEW("notify"))) {
		o->notify = value;
		return smtp_take_notify(value, &set);
	}
	if (view_eq(what, VIEW("envid"))) {
		o->envid = value;
		return smtp_is_xtext(value) ? ST_OK : ST_SYNTAX;
	}
	if (!view_eq(what, VIEW("ret")) || !(view_eq_i(value, VIEW("full")) || view_eq_i(value, VIEW("hdrs"))))
		return ST_SYNTAX;
	o->ret = value;
	return ST_OK;
}

enum status drop_take(struct view bytes, struct arena *a, struct outgoing *ret)
{
	struct outgoing o = { 0 };
	enum status st = view_starts_i(bytes, view_cstr(first_line)) ? ST_OK : ST_SYNTAX;

	bytes = view_skip(bytes, sizeof first_line - 1);
	while (st == ST_OK) {
		size_t n = view_find(bytes, '\n');
		struct view line = view_head(bytes, n);

		if (n == bytes.n)
			return ST_SYNTAX;
		bytes = view_skip(bytes, n + 1);
		if (n == 0)
			break;
		st = take_line(&o, line, a);
	}
	o.letter = bytes;
	if (st != ST_OK || o.to.n == 0)
		return st == ST_OK ? ST_SYNTAX : st;
	*ret = o;
	return ST_OK;
}
