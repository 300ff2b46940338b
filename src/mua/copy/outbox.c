/* outbox.c - letters that wait to be sent: outbox/N, and a row in state.db.
 *
 * The file is flushed before the row commits; a file without a row is what a
 * crash left, and goes when its number is given again.
 */
#include "mua/copy/internal.h"

#include "base/cursor.h"
#include "base/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { NAME_SIZE = 64, RECIPIENTS_SIZE = 4 * 1024 * 1024 };

static const char *name_of(uint64_t id, char *out)
{
	snprintf(out, NAME_SIZE, "outbox/%llu", (unsigned long long)id);
	return out;
}

static enum status write_letter(struct copy *c, uint64_t id, struct view letter)
{
	struct iovec iov = { (void *)(uintptr_t)letter.p, letter.n };
	char name[NAME_SIZE];
	int fd, dir;
	enum status st = disk_open(c->root, name_of(id, name), O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);

	if (st != ST_OK)
		return st;
	st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush_all(fd);
	close(fd);
	if (st == ST_OK)
		st = disk_open(c->root, "outbox", O_RDONLY | O_DIRECTORY, 0, &dir);
	if (st == ST_OK) {
		st = disk_flush_all(dir);
		close(dir);
	}
	return st;
}

static enum status put(struct copy *c, const struct copy_out *o, struct view letter, uint64_t *ret_id)
{
	struct sql_stmt *q = c->q[S_OUT_ADD];
	struct buf to = BUF(RECIPIENTS_SIZE);
	uint64_t id = 0;
	bool row;
	enum status st;

	for (size_t i = 0; i < o->n_to; i++)
		put_view(&to, o->to[i]);
	st = buf_status(&to);
	sql_bind_blob(q, 1, o->from);
	sql_bind_blob(q, 2, buf_view(&to));
	sql_bind_blob(q, 3, o->options);
	sql_bind_int(q, 4, clock_wall());
	sql_bind_int(q, 5, o->next);
	sql_bind_int(q, 6, o->answers);
	if (st == ST_OK)
		st = sql_step(q, &row);
	if (st == ST_OK && row)
		id = (uint64_t)sql_col_int(q, 0);
	sql_reset(q);
	buf_free(&to);
	if (st == ST_OK)
		st = write_letter(c, id, letter);
	if (st == ST_OK)
		*ret_id = id;
	return st;
}

enum status copy_out_put(struct copy *c, const struct copy_out *o, struct view letter, uint64_t *ret_id)
{
	enum status st;

	if (o->n_to == 0 || o->n_to > COPY_RECIPIENTS_MAX || letter.n > COPY_LETTER_MAX)
		return ST_LIMIT;
	st = copy_enter(c);
	return st == ST_OK ? copy_leave(c, put(c, o, letter, ret_id)) : st;
}

static enum status read_out(struct sql_stmt *q, struct arena *a, struct copy_out *o)
{
	struct view to = arena_copy(a, sql_col_view(q, 2)), *all;
	struct cursor c = cursor_over(to);
	size_t n = 0;

	*o = (struct copy_out){
		.id = (uint64_t)sql_col_int(q, 0),
		.from = arena_copy(a, sql_col_view(q, 1)),
		.options = arena_copy(a, sql_col_view(q, 3)),
		.queued = sql_col_int(q, 4),
		.next = sql_col_int(q, 5),
		.tries = (uint32_t)sql_col_int(q, 6),
		.problem = arena_copy(a, sql_col_view(q, 7)),
		.answers = sql_col_int(q, 8),
	};
	while (cursor_left(&c) && n <= COPY_RECIPIENTS_MAX) {
		take_view(&c);
		n++;
	}
	all = arena_array(a, n + 1, sizeof *all);
	if (!cursor_ok(&c))
		return ST_CORRUPT;
	c = cursor_over(to);
	for (size_t i = 0; all && i < n; i++)
		all[i] = take_view(&c);
	o->to = all;
	o->n_to = n;
	return arena_status(a);
}

enum status copy_out_all(struct copy *c, struct arena *a, struct copy_out **ret, size_t *ret_n)
{
	struct sql_stmt *q = c->q[S_OUT_ALL];
	struct buf all = BUF((size_t)1 << 30);
	struct copy_out *array;
	bool row = true;
	enum status st = ST_OK;

	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		struct copy_out o;

		st = read_out(q, a, &o);
		buf_put(&all, view_make((const char *)&o, sizeof o));
		if (st == ST_OK)
			st = buf_status(&all);
	}
	sql_reset(q);
	array = copy_array(a, &all);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		*ret = array;
		*ret_n = all.n / sizeof *array;
	}
	buf_free(&all);
	return copy_note(c, st);
}

enum status copy_out_read(struct copy *c, uint64_t id, struct copy_letter *ret)
{
	char name[NAME_SIZE];
	int fd;
	enum status st = disk_open(c->root, name_of(id, name), O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return st;
	st = copy_map(fd, ret);
	close(fd);
	return st;
}

/* ---- sending: a lock on the file, until it is said what came of it ---- */

struct copy_claim {
	uint64_t id;
	int fd;
};

void copy_claims_drop(struct copy *c, uint64_t id)
{
	for (size_t i = 0; i < c->n_claims;) {
		if (id && c->claims[i].id != id) {
			i++;
			continue;
		}
		close(c->claims[i].fd);
		c->claims[i] = c->claims[--c->n_claims];
	}
}

static enum status keep_claim(struct copy *c, uint64_t id, int fd)
{
	struct copy_claim *more = realloc(c->claims, (c->n_claims + 1) * sizeof *more);

	if (more == NULL)
		return ST_NOMEM;
	c->claims = more;
	c->claims[c->n_claims++] = (struct copy_claim){ id, fd };
	return ST_OK;
}

enum status copy_out_claim(struct copy *c, uint64_t id, bool *ret_mine)
{
	char name[NAME_SIZE];
	struct stat sb;
	int fd;
	bool mine;
	enum status st = disk_open(c->root, name_of(id, name), O_RDONLY, 0, &fd);

	if (st != ST_OK)
		return st;
	/* Removed while we looked: sent by the other one. */
	mine = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &sb) == 0 && sb.st_nlink > 0;
	if (mine)
		st = keep_claim(c, id, fd);
	if (!mine || st != ST_OK)
		close(fd);
	if (st == ST_OK)
		*ret_mine = mine;
	return st;
}

enum status copy_out_failed(struct copy *c, uint64_t id, struct view problem, wall_ms next)
{
	struct sql_stmt *q = c->q[S_OUT_FAIL];
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	sql_bind_int(q, 1, (int64_t)id);
	sql_bind_blob(q, 2, view_head(problem, 1024));
	sql_bind_int(q, 3, next);
	st = copy_leave(c, sql_run(q));
	copy_claims_drop(c, id);
	return st;
}

enum status copy_out_release(struct copy *c, uint64_t id, struct view options)
{
	struct sql_stmt *q = c->q[S_OUT_RELEASE];
	bool row = false;
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	sql_bind_int(q, 1, (int64_t)id);
	sql_bind_blob(q, 2, options);
	st = sql_step(q, &row);
	sql_reset(q);
	return copy_leave(c, st == ST_OK && !row ? ST_MISSING : st);
}

enum status copy_out_remove(struct copy *c, uint64_t id)
{
	struct sql_stmt *q = c->q[S_OUT_REMOVE];
	char name[NAME_SIZE];
	enum status st = copy_enter(c);

	if (st != ST_OK)
		return st;
	sql_bind_int(q, 1, (int64_t)id);
	st = copy_leave(c, sql_run(q));
	if (st == ST_OK)
		(void)!disk_unlink(c->root, name_of(id, name));
	copy_claims_drop(c, id);
	return st;
}
