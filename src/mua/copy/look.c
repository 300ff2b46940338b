/* look.c - what other programs did in the Maildirs (maildir(5): mutt, mblaze, scripts).
 *
 * Rows and tree are the same as long as nobody but us changes it and no process is between
 * a commit and its renames; so, alone with the copy, what differs is what others did:
 *
 *     other letters behind ":2,"         flags and keywords, as the person wants them
 *     the same name in another folder    a move
 *     a file that no row knows           a new letter, which the server gets
 *     a letter without file              removed; but where its whole folder is gone,
 *                                        by accident perhaps, fetched again
 */
#include "mua/copy/mend.h"

#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { ROW_ARENA = 1024 * 1024 };

/* A row whose file is not as it says. */
struct other {
	int64_t id;
	struct file *file;	/* NULL: gone */
};

/* Maildir has no letter of its own for $MDNSent. */
static uint32_t flags_of(const struct file *f, uint32_t before)
{
	return copy_tree_flags_of(f->letters) | (before & (COPY_MDN_SENT | ~(uint32_t)COPY_FLAGS));
}

static bool is_in_new(const struct file *f)
{
	const char *slash = strrchr(f->path, '/');

	return slash && slash - f->path > 4 && memcmp(slash - 4, "/new", 4) == 0;
}

/* By the letters that mean something in its folder, to both of us; $Forwarded is P. */
static enum status same_words(struct mending *m, const struct file *f, uint32_t flags, struct view keywords, bool *ret)
{
	struct buf words = BUF(COPY_KEYWORDS_MAX + 16);
	const struct copy_letters *l;
	enum status st;

	copy_row_words(flags, keywords, &words);
	*ret = words.n == 0 && (f->letters.n == 0 || f->letters.p[f->letters.n - 1] < 'a');
	st = *ret ? ST_OK : mend_letters(m, f->folder, &l);
	if (st == ST_OK && !*ret)
		*ret = ((copy_letters_of_words(l, buf_view(&words)) ^ copy_letters_of_name(l, f->letters)) &
			~copy_letters_of_words(l, VIEW("$Forwarded"))) == 0;
	buf_free(&words);
	return st;
}

static enum status compare(struct mending *m, struct buf *others)
{
	struct sql_stmt *q = m->c->q[S_FILES];
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		struct file *f = map_get(&m->files, copy_hash(sql_col_view(q, 1)));
		struct other o = { sql_col_int(q, 0), f };
		uint32_t flags = (uint32_t)sql_col_int(q, 3);
		bool same = true;

		if (f)
			f->known = true;
		/* Removed here already, or on its way from tmp. */
		if (sql_col_int(q, 4) || (f && f->tmp))
			continue;
		if (f && f->folder == sql_col_int(q, 2) && flags_of(f, flags) == flags && !is_in_new(f)) {
			st = same_words(m, f, flags, sql_col_view(q, 5), &same);
			if (same)
				continue;
		}
		buf_put(others, view_make((const char *)&o, sizeof o));
		st = buf_status(others);
	}
	sql_reset(q);
	return st;
}

static bool has_folder(struct mending *m, int64_t folder)
{
	struct buf path = BUF(COPY_PATH_MAX);
	bool there;

	there = copy_folder_path(m->c, folder, &path) == ST_OK;
	buf_puts(&path, "/cur");
	buf_putc(&path, '\0');
	there = there && buf_status(&path) == ST_OK && faccessat(m->c->root, path.p, F_OK, 0) == 0;
	buf_free(&path);
	return there;
}

static enum status take_gone(struct mending *m, const struct copy_row_state *before, struct copy_row_state *r)
{
	bool lost = !has_folder(m, r->folder);

	r->flags &= ~(uint32_t)COPY_BODY;
	if (lost)
		m->f->lost++;
	else
		m->f->removed++;
	if (r->uid == 0 || r->copied)	/* the server never had it */
		return copy_row_remove(m->c, r);
	r->hidden = !lost;
	return copy_row_store(m->c, before, r);
}

/* Of a folder's words those that its letters name.  Where they would be too many, nothing. */
static enum status take_words(struct mending *m, const struct file *f, struct copy_row_state *r, struct arena *a)
{
	struct buf all = BUF(COPY_PATH_MAX), here = BUF(COPY_PATH_MAX);
	const struct copy_letters *l;
	uint32_t flags = r->flags, more = 0;
	struct view words;
	enum status st = mend_letters(m, f->folder, &l);

	if (st == ST_OK) {
		copy_letters_words(l, ~UINT32_C(0), &all);
		copy_letters_words(l, copy_letters_of_name(l, f->letters), &here);
		if (copy_word_in(buf_view(&all), VIEW("$MDNSent")))
			flags &= ~(uint32_t)COPY_MDN_SENT;
		st = copy_words_flags(buf_view(&here), a, &more, &words);
	}
	if (st == ST_OK)
		st = copy_words_change(r->keywords, words, buf_view(&all), a, &r->keywords);
	if (st == ST_OK)
		r->flags = flags | (more & COPY_MDN_SENT);
	buf_free(&all);
	buf_free(&here);
	return st == ST_LIMIT ? ST_OK : st;
}

/* In another folder letters may mean other words: what moves a file does not know. */
static enum status take_moved(struct mending *m, const struct file *f, struct copy_row_state *before,
			      struct copy_row_state *r, struct arena *a)
{
	enum status st = ST_OK;

	m->f->changed++;
	r->flags = flags_of(f, r->flags);
	if (f->folder == r->folder)
		st = take_words(m, f, r, a);
	if (st != ST_OK)
		return st;
	if (r->uid == 0)
		r->server_folder = f->folder;
	r->folder = f->folder;
	/* The file is there already: nothing follows but its name. */
	before->folder = r->folder;
	before->keywords = r->keywords;
	before->flags = (r->flags & ~(uint32_t)COPY_PENDING) | (before->flags & COPY_PENDING);
	st = copy_row_store(m->c, before, r);
	if (st == ST_OK)
		mend_show(m, f, r);
	return st;
}

static enum status take(struct mending *m, const struct other *o)
{
	struct arena a = ARENA(ROW_ARENA);
	struct copy_row_state r, before;
	enum status st = copy_row_get(m->c, o->id, &a, &r);

	if (st == ST_OK) {
		before = r;
		st = o->file ? take_moved(m, o->file, &before, &r, &a) : take_gone(m, &before, &r);
	}
	arena_free(&a);
	return st;
}

static bool any_is_gone(const struct buf *others)
{
	for (size_t i = 0; i + sizeof(struct other) <= others->n; i += sizeof(struct other)) {
		struct other o;

		memcpy(&o, others->p + i, sizeof o);
		if (o.file == NULL)
			return true;
	}
	return false;
}

static enum status look(struct mending *m)
{
	struct buf others = BUF((size_t)1 << 30);
	enum status st = mend_read_tree(m);

	if (st == ST_OK)
		st = compare(m, &others);
	/* A file that somebody renames while its folder is read can be missed (readdir(3)); and what
	 * is told to the server as removed is lost.  So only what is not there twice is gone. */
	if (st == ST_OK && any_is_gone(&others)) {
		buf_clear(&others);
		st = mend_read_tree(m);
		if (st == ST_OK)
			st = compare(m, &others);
	}
	for (size_t i = 0; st == ST_OK && i + sizeof(struct other) <= others.n; i += sizeof(struct other)) {
		struct other o;

		memcpy(&o, others.p + i, sizeof o);
		st = take(m, &o);
	}
	buf_free(&others);
	return st == ST_OK ? mend_adopt(m) : st;
}

enum status copy_look(struct copy *c, struct copy_findings *ret)
{
	struct copy_findings f = { .rebuilt = false };
	struct mending m = { .c = c, .arena = ARENA((size_t)4 << 30), .f = &f, .theirs = true };
	enum status st;

	/* A bad end is mended by who opens it next, and so are names of another time. */
	if (c->old)
		return ST_OK;
	if (!c->busy && faccessat(c->root, "busy", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ST_OK;
	if (flock(c->lock, LOCK_EX | LOCK_NB) != 0) {
		/* It may have been let go on the way. */
		return flock(c->lock, LOCK_SH) == 0 ? ST_OK : ST_IO;
	}
	st = copy_enter(c);
	if (st == ST_OK)
		st = copy_leave(c, look(&m));
	mend_free(&m);
	if (flock(c->lock, LOCK_SH) != 0 && st == ST_OK)
		st = ST_IO;
	if (st == ST_OK && ret)
		*ret = f;
	return st;
}
