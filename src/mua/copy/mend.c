/* mend.c - index and tree made to agree.
 *
 * Runs at an opening, alone, after a process ended without closing (`busy`), or
 * when the index is new.  The names of all files are read first:
 *
 *     a row without file, in cur or tmp        the letter is to be fetched again;
 *                                              one made here is gone (it was never
 *                                              acknowledged, or another program
 *                                              removed it)
 *     a row whose file is in tmp, or has       renamed to what the row says
 *     other flags, or another folder
 *     a file in cur or new without row         of another program, or the index is new:
 *                                              adopted, with its wish where state.db
 *                                              has one.  Of ours, with an index that
 *                                              is whole: it was being removed; it goes
 *     a file in tmp without row                removed, unless a wish knows it
 *     two files of one name                    one goes
 *
 * A new index knows no header that has no letter, so folders forget how far
 * they were: the next sync compares all.
 */
#include "mua/copy/mend.h"

#include "base/disk.h"
#include "base/map.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, ROW_ARENA = 1024 * 1024 };

/* ---- all files ---- */

/* Names of folders by their paths: a long one's path does not tell its name. */
static enum status read_folders(struct mending *m)
{
	struct sql_stmt *q = m->c->q[S_FOLDERS];
	struct buf path = BUF(COPY_PATH_MAX);
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		int64_t *id = ARENA_NEW(&m->arena, int64_t);

		buf_clear(&path);
		copy_tree_path(sql_col_view(q, 1), &path);
		st = id ? buf_status(&path) : arena_status(&m->arena);
		if (st == ST_OK) {
			*id = sql_col_int(q, 0);
			st = map_set(&m->folders, copy_hash(buf_view(&path)), id);
		}
	}
	sql_reset(q);
	buf_free(&path);
	return st;
}

/* One that another program has made, or whose row is lost. */
static int64_t make_folder(struct mending *m, struct view below)
{
	struct buf name = BUF(COPY_FOLDER_MAX + 1);
	struct sql_stmt *q = m->c->q[S_FOLDER_ADD];
	int64_t id = 0;
	bool row = false;

	if (copy_tree_name(below, &name) == ST_OK) {
		sql_bind_text(q, 1, buf_view(&name));
		sql_bind_int(q, 2, view_eq(buf_view(&name), VIEW("INBOX")) ? COPY_USE_INBOX : COPY_USE_NONE);
		if (sql_step(q, &row) == ST_OK && row)
			id = sql_col_int(q, 0);
		sql_reset(q);
	}
	buf_free(&name);
	return id;
}

static int64_t folder_of(struct mending *m, const char *path)
{
	int64_t *id = map_get(&m->folders, copy_hash(view_cstr(path)));

	return id ? *id : make_folder(m, view_cstr(path + strlen("mail/")));
}

/* It gets a name of its own, in v and path. */
static bool rename_twin(struct mending *m, const char *dir, struct view *v, struct buf *path)
{
	struct buf fresh = BUF(COPY_PATH_MAX);
	const char *colon = strchr(path->p, ':');
	size_t at = strlen(dir) + 1;
	bool good;

	buf_putf(&fresh, "%s/", dir);
	copy_file_new(m->c, &fresh);
	buf_puts(&fresh, colon ? colon : ":2,");
	buf_putc(&fresh, '\0');
	good = buf_status(&fresh) == ST_OK && disk_rename(m->c->root, path->p, fresh.p) == ST_OK;
	if (good) {
		fresh.n--;
		buf_free(path);
		*path = fresh;
		*v = arena_copy(&m->arena, view_skip(buf_view(path), at));
	} else {
		buf_free(&fresh);
	}
	return good && v->n;
}

/* The second file of one name goes: it is the same letter, left by a rename
 * that was not the last word. */
static void note_file(struct mending *m, const char *dir, const char *name, int64_t folder, bool tmp)
{
	struct view v = view_cstr(name);
	size_t n = view_find(v, ':');
	uint64_t key = copy_hash(view_head(v, n));
	struct file *old = map_get(&m->files, key), *f;
	struct buf path = BUF(COPY_PATH_MAX);

	buf_putf(&path, "%s/%s", dir, name);
	if (buf_status(&path) != ST_OK || (old && !view_eq(old->base, view_head(v, n)))) {
		buf_free(&path);
		return;
	}
	if (old && m->theirs && faccessat(m->c->root, old->path, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		/* Renamed since it was read. */
		old = NULL;
	} else if (old && m->theirs) {
		/* What another program copied under its name is a letter of its own. */
		if (strcmp(old->path, path.p) == 0 || tmp || old->tmp || !rename_twin(m, dir, &v, &path)) {
			buf_free(&path);
			return;
		}
		n = view_find(v, ':');
		key = copy_hash(view_head(v, n));
		old = NULL;
	}
	if (old && (tmp || !old->tmp)) {
		(void)!disk_unlink(m->c->root, path.p);
		buf_free(&path);
		return;
	}
	f = ARENA_NEW(&m->arena, struct file);
	if (f) {
		*f = (struct file){ .path = arena_cstr(&m->arena, buf_view(&path)), .folder = folder, .tmp = tmp };
		f->base = arena_copy(&m->arena, view_head(v, n));
		if (view_starts_i(view_skip(v, n), VIEW(":2,")))
			f->letters = arena_copy(&m->arena, view_skip(v, n + 3));
	}
	if (arena_status(&m->arena) == ST_OK)
		m->st = map_set(&m->files, key, f);
	else
		m->st = arena_status(&m->arena);
	buf_free(&path);
}

static DIR *open_dir(struct mending *m, const char *path)
{
	int fd;
	DIR *d = NULL;

	if (disk_open(m->c->root, path, O_RDONLY | O_DIRECTORY, 0, &fd) == ST_OK) {
		d = fdopendir(fd);
		if (d == NULL)
			close(fd);
	}
	return d;
}

static void read_files(struct mending *m, const char *path, int64_t folder, bool tmp)
{
	DIR *d = open_dir(m, path);
	struct dirent *e;

	while (d && m->st == ST_OK && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			note_file(m, path, e->d_name, folder, tmp);
	if (d)
		closedir(d);
}

/* One folder of the tree: a Maildir where it has cur. */
static void read_level(struct mending *m, const char *path, int depth)
{
	static const char *const inner[] = { "cur", "new", "tmp" };
	DIR *d = open_dir(m, path);
	struct dirent *e;
	char below[COPY_PATH_MAX];
	int64_t folder = 0;

	if (d == NULL || depth == DEPTH_MAX) {
		if (d)
			closedir(d);
		return;
	}
	snprintf(below, sizeof below, "%s/cur", path);
	if (depth && faccessat(m->c->root, below, F_OK, 0) == 0)
		folder = folder_of(m, path);
	for (int i = 0; i < 3 && folder; i++) {
		snprintf(below, sizeof below, "%s/%s", path, inner[i]);
		read_files(m, below, folder, i == 2);
	}
	while (m->st == ST_OK && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "cur") == 0 || strcmp(e->d_name, "new") == 0 ||
		    strcmp(e->d_name, "tmp") == 0)
			continue;
		if ((size_t)snprintf(below, sizeof below, "%s/%s", path, e->d_name) < sizeof below)
			read_level(m, below, depth + 1);
	}
	closedir(d);
}

enum status mend_read_tree(struct mending *m)
{
	enum status st = read_folders(m);

	if (st == ST_OK) {
		read_level(m, "mail", 0);
		st = m->st;
	}
	return st;
}

/* Once a folder; one whose file cannot be read has none. */
enum status mend_letters(struct mending *m, int64_t folder, const struct copy_letters **ret)
{
	struct buf path = BUF(COPY_PATH_MAX), text = BUF(COPY_PATH_MAX * 64);
	struct copy_letters *l = map_get(&m->letters, (uint64_t)folder), none = { .taken = 0 };
	enum status st = ST_OK;

	if (l == NULL) {
		if (copy_folder_path(m->c, folder, &path) != ST_OK ||
		    copy_letters_read(m->c, buf_view(&path), &text, &none) != ST_OK)
			buf_clear(&text);
		l = ARENA_NEW(&m->arena, struct copy_letters);
		if (l)
			copy_letters_parse(arena_copy(&m->arena, buf_view(&text)), l);
		st = arena_status(&m->arena);
		if (st == ST_OK)
			st = map_set(&m->letters, (uint64_t)folder, l);
	}
	buf_free(&path);
	buf_free(&text);
	if (st == ST_OK)
		*ret = l;
	return st;
}

void mend_free(struct mending *m)
{
	map_free(&m->letters);
	map_free(&m->files);
	map_free(&m->folders);
	arena_free(&m->arena);
}

/* ---- rows ---- */

void mend_show(struct mending *m, const struct file *f, const struct copy_row_state *r)
{
	struct buf want = BUF(COPY_PATH_MAX), path = BUF(COPY_PATH_MAX);

	if (copy_folder_path(m->c, r->folder, &path) == ST_OK &&
	    copy_tree_shown(m->c, buf_view(&path), r, true, &want) == ST_OK && strcmp(want.p, f->path) != 0) {
		(void)!copy_tree_make(m->c, buf_view(&path));
		(void)!disk_rename(m->c->root, f->path, want.p);
	}
	buf_free(&want);
	buf_free(&path);
}

static enum status check_row(struct mending *m, int64_t id)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r, before;
	struct file *f;
	enum status st = copy_row_get(m->c, id, &a, &r);

	if (st == ST_OK && (r.flags & COPY_BODY)) {
		before = r;
		f = map_get(&m->files, copy_hash(r.file));
		if (f) {
			f->known = true;
			mend_show(m, f, &r);
		} else if (r.uid && !r.copied) {
			m->f->lost++;
			r.flags &= ~(uint32_t)COPY_BODY;
			st = copy_row_store(m->c, &before, &r);
		} else {
			r.flags &= ~(uint32_t)COPY_BODY;
			st = copy_row_remove(m->c, &r);
		}
	}
	arena_free(&a);
	return st;
}

static enum status check_rows(struct mending *m)
{
	struct sql_stmt *q = m->c->q[S_ROWS];
	struct buf ids = BUF((size_t)1 << 30);
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		int64_t id = sql_col_int(q, 0);

		buf_put(&ids, view_make((const char *)&id, sizeof id));
		st = buf_status(&ids);
	}
	sql_reset(q);
	for (size_t i = 0; i + sizeof(int64_t) <= ids.n && st == ST_OK; i += sizeof(int64_t)) {
		int64_t id;

		memcpy(&id, ids.p + i, sizeof id);
		st = check_row(m, id);
	}
	buf_free(&ids);
	return st;
}

/* ---- files without a row ---- */

/* FOLDER.VALIDITY_UID.waxmail,U=UID, of today's UIDVALIDITY. */
static bool is_of_server(struct mending *m, const struct file *f, int64_t *ret_folder, uint32_t *ret_uid)
{
	struct buf want = BUF(256);
	struct sql_stmt *q = m->c->q[S_FOLDER_NAME];
	size_t dot = view_find(f->base, '.'), at = view_find(f->base, '=');
	uint64_t folder, uid;
	bool row = false, same = false;

	if (!view_u64(view_head(f->base, dot), &folder) || !view_u64(view_skip(f->base, at + 1), &uid) ||
	    folder > INT64_MAX || uid == 0 || uid > UINT32_MAX)
		return false;
	sql_bind_int(q, 1, (int64_t)folder);
	if (sql_step(q, &row) == ST_OK && row) {
		copy_file_of_uid((int64_t)folder, (uint32_t)sql_col_int(q, 1), (uint32_t)uid, &want);
		same = view_eq(buf_view(&want), f->base);
	}
	sql_reset(q);
	buf_free(&want);
	*ret_folder = (int64_t)folder;
	*ret_uid = (uint32_t)uid;
	return same;
}

/* What was wanted of it when the index was lost. */
static enum status take_wish(struct mending *m, struct arena *a, struct copy_row_state *r, bool *ret_any)
{
	struct sql_stmt *q = m->c->q[S_WISH];
	enum status st;

	sql_bind_text(q, 1, r->file);
	st = sql_step(q, ret_any);
	if (st == ST_OK && *ret_any) {
		r->folder = sql_col_int(q, 0);
		r->server_folder = sql_col_int(q, 1);
		r->uid = (uint32_t)sql_col_int(q, 2);
		r->hidden = sql_col_int(q, 3) != 0;
		r->copied = sql_col_int(q, 4) != 0;
		r->flags = (r->flags & ~(uint32_t)COPY_FLAGS) | ((uint32_t)sql_col_int(q, 5) & COPY_FLAGS);
		r->server_flags = (uint32_t)sql_col_int(q, 6);
		r->keywords = arena_copy(a, sql_col_view(q, 7));
		r->server_keywords = arena_copy(a, sql_col_view(q, 8));
		r->received = sql_col_int(q, 9);
	}
	sql_reset(q);
	return st;
}

static bool is_ours(struct view base)
{
	return memmem(base.p, base.n, ".waxmail", 8) != NULL;
}

/* Flags and keywords that its name tells. */
static enum status take_name(struct mending *m, const struct file *f, struct arena *a, struct copy_row_state *r)
{
	struct buf words = BUF(COPY_LETTERS * (COPY_KEYWORDS_MAX / 8));
	const struct copy_letters *l;
	enum status st = mend_letters(m, f->folder, &l);

	r->flags |= copy_tree_flags_of(f->letters);
	if (st == ST_OK) {
		copy_letters_words(l, copy_letters_of_name(l, f->letters), &words);
		st = copy_words_flags(buf_view(&words), a, &r->flags, &r->keywords);
	}
	buf_free(&words);
	return st == ST_LIMIT ? ST_OK : st;	/* more words than a letter can have: none */
}

static enum status adopt_letter(struct mending *m, const struct file *f, struct view letter, wall_ms received)
{
	struct arena a = ARENA(ROW_ARENA);
	uint64_t own = copy_hash(f->base);
	struct copy_summary s;
	struct copy_row_state r = { .folder = f->folder, .server_folder = f->folder, .file = f->base,
				    .size = letter.n, .received = received };
	bool wished = false;
	enum status st = copy_summarise(letter, true, received, own, &s);

	if (st != ST_OK)
		return st;
	r.flags = s.flags | COPY_BODY;
	r.date = s.date;
	r.name = s.name;
	r.packed = buf_view(&s.packed);
	st = take_name(m, f, &a, &r);
	if (!m->theirs && is_of_server(m, f, &r.server_folder, &r.uid)) {
		r.server_flags = r.flags & COPY_FLAGS;
		r.server_keywords = r.keywords;
	} else {
		r.server_folder = r.folder;
	}
	if (st == ST_OK)
		st = take_wish(m, &a, &r, &wished);
	if (st == ST_OK && (wished || (!f->tmp && (m->fresh || m->theirs || !is_ours(f->base))))) {
		st = copy_row_add(m->c, &r);
		m->f->adopted += st == ST_OK;
		if (st == ST_EXISTS && !m->theirs)	/* its uid has a file already */
			st = disk_unlink(m->c->root, f->path);
		else if (st == ST_OK)
			mend_show(m, f, &r);
	} else if (st == ST_OK) {
		(void)!disk_unlink(m->c->root, f->path);
	}
	buf_free(&s.packed);
	arena_free(&a);
	return st;
}

static enum status adopt(struct mending *m, const struct file *f)
{
	struct copy_letter l;
	struct stat sb;
	int fd;
	enum status st = disk_open(m->c->root, f->path, O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return ST_OK;	/* no letter of ours: a link, or not readable */
	st = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) ? copy_map(fd, &l) : ST_MISSING;
	close(fd);
	if (st == ST_OK) {
		st = adopt_letter(m, f, l.bytes, (wall_ms)sb.st_mtime * 1000);
		copy_letter_close(&l);
	}
	return st == ST_NOMEM || st == ST_CORRUPT || st == ST_NOSPACE ? st : ST_OK;
}

enum status mend_adopt(struct mending *m)
{
	size_t at = 0;
	struct file *f;
	enum status st = ST_OK;

	while (st == ST_OK && (f = map_next(&m->files, &at)) != NULL)
		/* Another program may be writing in tmp. */
		if (!f->known && !(m->theirs && f->tmp))
			st = adopt(m, f);
	return st;
}

static enum status mend(struct mending *m)
{
	enum status st = mend_read_tree(m);

	if (st == ST_OK)
		st = check_rows(m);
	if (st == ST_OK)
		st = mend_adopt(m);
	if (st == ST_OK && m->fresh)
		st = sql_run(m->c->q[S_FOLDERS_FORGET]);
	/* Wishes say what the rows say, whatever came between the two commits. */
	if (st == ST_OK)
		st = sql_run(m->c->q[S_WISHES]);
	return st == ST_OK ? sql_run(m->c->q[S_WISHES_PUT]) : st;
}

enum status copy_mend(struct copy *c, bool fresh, struct copy_findings *f)
{
	struct mending m = { .c = c, .arena = ARENA((size_t)4 << 30), .f = f, .fresh = fresh };
	enum status st = copy_enter(c);

	if (st == ST_OK)
		st = copy_leave(c, mend(&m));
	mend_free(&m);
	return st;
}
