/* tree.c - the Maildirs.
 *
 * A letter is written into tmp and flushed before the databases commit; what
 * is to be seen of the commit in the tree is done behind it, from a plan: a
 * file shown, renamed, removed.  So a row that is committed has its letter on
 * disk, and what a crash left undone of the plan can be seen from the rows.
 */
#include "mua/copy/internal.h"

#include "base/disk.h"
#include "base/mapped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum { LEVEL_MAX = 200, FLUSH_EACH = 32, PLAN_MAX = 1000000 };

struct copy_step_plan {
	char *from, *to;	/* below the account's folder; to NULL: remove */
	bool flush;		/* `from` is new */
};

/* ---- names ---- */

static bool is_word_of_maildir(struct view level)
{
	return view_eq(level, VIEW("cur")) || view_eq(level, VIEW("new")) || view_eq(level, VIEW("tmp")) ||
	       view_eq(level, VIEW(COPY_LETTERS_FILE));
}

/* One level.  One that is too long for a file system keeps its beginning. */
static void put_level(struct view level, struct buf *out)
{
	size_t from = out->n;

	for (size_t i = 0; i < level.n; i++) {
		uint8_t x = (uint8_t)level.p[i];

		if (x < ' ' || x == 0x7f || x == '%' || x == '/' ||
		    (i == 0 && (x == '.' || is_word_of_maildir(level))))
			buf_putf(out, "%%%02X", x);
		else
			buf_putc(out, (char)x);
	}
	if (buf_status(out) == ST_OK && out->n - from > LEVEL_MAX) {
		out->n = from + LEVEL_MAX;
		buf_putf(out, "%%+%016llx", (unsigned long long)XXH3_64bits(level.p, level.n));
	}
}

void copy_tree_path(struct view name, struct buf *out)
{
	buf_puts(out, "mail");
	for (;;) {
		size_t n = view_find(name, '/');

		buf_putc(out, '/');
		put_level(view_head(name, n), out);
		if (n == name.n)
			return;
		name = view_skip(name, n + 1);
	}
}

static int hex_of(char c)
{
	if (ascii_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum status copy_tree_name(struct view path, struct buf *out)
{
	for (size_t i = 0; i < path.n; i++) {
		int hi = i + 2 < path.n ? hex_of(path.p[i + 1]) : -1, lo = hi < 0 ? -1 : hex_of(path.p[i + 2]);

		if (path.p[i] == '%' && lo >= 0 && hi * 16 + lo != 0) {
			buf_putc(out, (char)(hi * 16 + lo));
			i += 2;
		} else {
			buf_putc(out, path.p[i]);
		}
	}
	return buf_status(out) == ST_OK && out->n && out->n <= COPY_FOLDER_MAX ? ST_OK : ST_SYNTAX;
}

enum status copy_tree_make(struct copy *c, struct view path)
{
	static const char *const last[] = { "", "/cur", "/new", "/tmp" };
	struct buf b = BUF(COPY_PATH_MAX);
	enum status st = ST_OK;

	for (size_t i = 0; i < path.n && st == ST_OK; i++) {
		if (path.p[i] != '/')
			continue;
		buf_clear(&b);
		buf_putf(&b, "%.*s", (int)i, path.p);
		st = buf_status(&b) == ST_OK ? disk_mkdir(c->root, b.p, COPY_KEEP) : buf_status(&b);
		st = st == ST_EXISTS ? ST_OK : st;
	}
	for (size_t i = 0; i < 4 && st == ST_OK; i++) {
		buf_clear(&b);
		buf_putf(&b, "%.*s%s", VIEW_ARG(path), last[i]);
		st = buf_status(&b) == ST_OK ? disk_mkdir(c->root, b.p, COPY_KEEP) : buf_status(&b);
		st = st == ST_EXISTS ? ST_OK : st;
	}
	buf_free(&b);
	return st;
}

static const struct {
	uint32_t flag;
	char letter;
} letters[] = {		/* in the order of ASCII, as Maildir wants it */
	{ COPY_DRAFT, 'D' }, { COPY_FLAGGED, 'F' }, { COPY_FORWARDED, 'P' },
	{ COPY_ANSWERED, 'R' }, { COPY_SEEN, 'S' }, { COPY_DELETED, 'T' },
};

void copy_tree_flags(uint32_t flags, struct buf *out)
{
	buf_puts(out, ":2,");
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (flags & letters[i].flag)
			buf_putc(out, letters[i].letter);
}

uint32_t copy_tree_flags_of(struct view v)
{
	uint32_t flags = 0;

	for (size_t k = 0; k < v.n; k++)
		for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
			if (v.p[k] == letters[i].letter)
				flags |= letters[i].flag;
	return flags;
}

enum status copy_tree_shown(struct copy *c, struct view path, const struct copy_row_state *r, bool make,
			    struct buf *out)
{
	enum status st;

	buf_putf(out, "%.*s/cur/%.*s", VIEW_ARG(path), VIEW_ARG(r->file));
	st = copy_tree_letters(c, path, r, make, out);
	buf_putc(out, '\0');
	return st == ST_OK ? buf_status(out) : st;
}

static void put_new(struct view path, struct view file, struct buf *out)
{
	buf_putf(out, "%.*s/tmp/%.*s", VIEW_ARG(path), VIEW_ARG(file));
	buf_putc(out, '\0');
}

/* ---- letters ---- */

enum status copy_tree_write(struct copy *c, struct view path, struct view file, struct view letter)
{
	struct buf b = BUF(COPY_PATH_MAX);
	struct iovec iov = { (void *)(uintptr_t)letter.p, letter.n };
	enum status st;
	int fd = -1;

	put_new(path, file, &b);
	st = buf_status(&b);
	if (st == ST_OK)
		st = disk_open(c->root, b.p, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);
	if (st == ST_MISSING) {
		st = copy_tree_make(c, path);
		if (st == ST_OK)
			st = disk_open(c->root, b.p, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);
	}
	if (st == ST_OK) {
		st = disk_write_at(fd, &iov, 1, 0);
		if (close(fd) != 0 && st == ST_OK)
			st = ST_IO;
		if (st != ST_OK)
			(void)!disk_unlink(c->root, b.p);
	}
	buf_free(&b);
	return st;
}

/* The name in a folder that begins with FILE and ":". */
static bool find_name(int dir, struct view file, struct buf *out)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	bool found = false;

	if (d == NULL) {
		close(dir);
		return false;
	}
	while (!found && (e = readdir(d)) != NULL) {
		struct view name = view_cstr(e->d_name);

		found = name.n > file.n && view_eq(view_head(name, file.n), file) && name.p[file.n] == ':';
		if (found)
			buf_put(out, name);
	}
	closedir(d);
	return found && buf_status(out) == ST_OK;
}

/* Under other flags, which another program has set: as slow as the folder is
 * large, and seldom. */
static enum status open_other(struct copy *c, struct view path, struct view file, int *ret_fd)
{
	struct buf b = BUF(COPY_PATH_MAX), name = BUF(COPY_PATH_MAX);
	enum status st = ST_MISSING;
	int dir = -1;

	buf_putf(&b, "%.*s/cur", VIEW_ARG(path));
	if (buf_status(&b) == ST_OK && disk_open(c->root, b.p, O_RDONLY | O_DIRECTORY, 0, &dir) == ST_OK &&
	    find_name(dir, file, &name)) {
		buf_clear(&b);
		buf_putf(&b, "%.*s/cur/%.*s", VIEW_ARG(path), VIEW_ARG(buf_view(&name)));
		if (buf_status(&b) == ST_OK)
			st = disk_open(c->root, b.p, O_RDONLY, 0, ret_fd);
	}
	buf_free(&b);
	buf_free(&name);
	return st;
}

enum status copy_tree_open(struct copy *c, struct view path, const struct copy_row_state *r, int *ret_fd)
{
	struct buf b = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_shown(c, path, r, false, &b);

	if (st == ST_OK)
		st = disk_open(c->root, b.p, O_RDONLY, 0, ret_fd);
	if (st == ST_MISSING) {
		buf_clear(&b);
		put_new(path, r->file, &b);
		st = disk_open(c->root, b.p, O_RDONLY, 0, ret_fd);
	}
	buf_free(&b);
	return st == ST_MISSING ? open_other(c, path, r->file, ret_fd) : st;
}

enum status copy_map(int fd, struct copy_letter *ret)
{
	struct view bytes;
	struct stat sb;
	enum status st;

	if (fstat(fd, &sb) != 0)
		return status_of_errno(errno);
	if (sb.st_size < 0 || (uint64_t)sb.st_size > COPY_LETTER_MAX)
		return ST_LIMIT;
	st = mapped_file(fd, (uint64_t)sb.st_size, &bytes);
	if (st == ST_OK)
		*ret = (struct copy_letter){ bytes, true, (void *)bytes.p, bytes.n };
	return st;
}

void copy_letter_close(struct copy_letter *l)
{
	if (l->map && l->whole && l->map_n)
		mapped_free(view_make(l->map, l->map_n));
	else if (l->map)
		free(l->map);
	*l = (struct copy_letter){ .whole = false };
}

/* ---- the plan ---- */

static enum status plan(struct copy *c, struct buf *from, struct buf *to, bool flush)
{
	enum status st = buf_status(from);

	if (st == ST_OK && to)
		st = buf_status(to);
	if (st == ST_OK && c->n_plan == PLAN_MAX)
		st = ST_LIMIT;
	if (st == ST_OK && c->n_plan == c->cap_plan) {
		size_t cap = c->cap_plan ? 2 * c->cap_plan : 16;
		struct copy_step_plan *p = realloc(c->plan, cap * sizeof *p);

		if (p == NULL) {
			st = ST_NOMEM;
		} else {
			c->plan = p;
			c->cap_plan = cap;
		}
	}
	if (st == ST_OK) {
		/* The bytes go over to the plan. */
		c->plan[c->n_plan++] = (struct copy_step_plan){ from->p, to ? to->p : NULL, flush };
		return ST_OK;
	}
	buf_free(from);
	if (to)
		buf_free(to);
	return st;
}

enum status copy_plan_show(struct copy *c, struct view path, const struct copy_row_state *r)
{
	struct buf from = BUF(COPY_PATH_MAX), to = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_shown(c, path, r, true, &to);

	if (st != ST_OK) {
		buf_free(&to);
		return st;
	}
	put_new(path, r->file, &from);
	return plan(c, &from, &to, true);
}

enum status copy_plan_move(struct copy *c, struct view path, const struct copy_row_state *before, struct view to_path,
			   const struct copy_row_state *r)
{
	struct buf from = BUF(COPY_PATH_MAX), to = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_make(c, to_path);

	if (st == ST_OK)
		st = copy_tree_shown(c, path, before, false, &from);
	if (st == ST_OK)
		st = copy_tree_shown(c, to_path, r, true, &to);
	if (st == ST_OK && !view_eq(buf_view(&from), buf_view(&to)))
		return plan(c, &from, &to, false);
	buf_free(&from);
	buf_free(&to);
	return st;
}

enum status copy_plan_remove(struct copy *c, struct view path, const struct copy_row_state *r)
{
	struct buf from = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_shown(c, path, r, false, &from);

	if (st == ST_OK)
		return plan(c, &from, NULL, false);
	buf_free(&from);
	return st;
}

static enum status flush_file(struct copy *c, const char *name)
{
	int fd;
	enum status st = disk_open(c->root, name, O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return st;
	st = disk_flush_all(fd);
	close(fd);
	return st;
}

/* A folder's entry for a new file is part of it. */
static enum status flush_folder_of(struct copy *c, const char *name)
{
	char path[COPY_PATH_MAX];
	const char *slash = strrchr(name, '/');

	if (slash == NULL)
		return ST_OK;
	snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
	return flush_file(c, path);
}

/* A few are flushed one by one, many by one flush of the whole file system. */
enum status copy_plan_flush(struct copy *c)
{
	size_t n = 0;
	enum status st = ST_OK;

	for (size_t i = 0; i < c->n_plan; i++)
		n += c->plan[i].flush;
	if (n > FLUSH_EACH)
		return syncfs(c->root) == 0 ? ST_OK : ST_IO;
	for (size_t i = 0; i < c->n_plan && st == ST_OK; i++) {
		if (!c->plan[i].flush)
			continue;
		st = flush_file(c, c->plan[i].from);
		if (st == ST_OK)
			st = flush_folder_of(c, c->plan[i].from);
	}
	return st;
}

/* Another program may have renamed it: looked for under its other flags. */
static void rename_other(struct copy *c, const struct copy_step_plan *p)
{
	char folder[COPY_PATH_MAX];
	const char *slash = strrchr(p->from, '/'), *colon = slash ? strchr(slash, ':') : NULL;
	struct buf name = BUF(COPY_PATH_MAX), from = BUF(COPY_PATH_MAX);
	int dir;

	if (colon == NULL)
		return;
	snprintf(folder, sizeof folder, "%.*s", (int)(slash - p->from), p->from);
	if (disk_open(c->root, folder, O_RDONLY | O_DIRECTORY, 0, &dir) == ST_OK &&
	    find_name(dir, view_make(slash + 1, (size_t)(colon - slash - 1)), &name)) {
		buf_putf(&from, "%s/%.*s", folder, VIEW_ARG(buf_view(&name)));
		if (buf_status(&from) == ST_OK && p->to)
			(void)!disk_rename(c->root, from.p, p->to);
		else if (buf_status(&from) == ST_OK)
			(void)!disk_unlink(c->root, from.p);
	}
	buf_free(&name);
	buf_free(&from);
}

void copy_plan_run(struct copy *c)
{
	for (size_t i = 0; i < c->n_plan; i++) {
		const struct copy_step_plan *p = &c->plan[i];
		enum status st = p->to ? disk_rename(c->root, p->from, p->to) : disk_unlink(c->root, p->from);

		if (st == ST_MISSING)
			rename_other(c, p);
	}
}

void copy_plan_undo(struct copy *c)
{
	for (size_t i = 0; i < c->n_plan; i++)
		if (c->plan[i].flush)
			(void)!disk_unlink(c->root, c->plan[i].from);
}

void copy_plan_drop(struct copy *c)
{
	for (size_t i = 0; i < c->n_plan; i++) {
		free(c->plan[i].from);
		free(c->plan[i].to);
	}
	c->n_plan = 0;
}
