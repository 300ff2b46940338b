#include "directory/internal.h"

enum status forward_forget(struct directory *d, uint64_t account)
{
	sql_bind_int(d->r[R_DROP_FORWARD], 1, (int64_t)account);
	return sql_run(d->r[R_DROP_FORWARD]);
}

static enum status add(struct directory *d, uint64_t account, struct view target)
{
	sql_bind_int(d->r[R_ADD_FORWARD], 1, (int64_t)account);
	sql_bind_text(d->r[R_ADD_FORWARD], 2, target);
	return sql_run(d->r[R_ADD_FORWARD]);
}

/* Within a transaction. */
static enum status set(struct directory *d, struct view address, const struct view *targets, size_t n, bool keep)
{
	struct arena arena = ARENA(8192);
	struct account acc;
	enum status st = directory_account(d, address, &arena, &acc);

	if (st == ST_OK)
		st = forward_forget(d, acc.id);
	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = add(d, acc.id, targets[i]);
	if (st == ST_OK && n && keep)
		st = add(d, acc.id, VIEW(""));
	arena_free(&arena);
	return st;
}

enum status directory_set_forward(struct directory *d, struct view address, const struct view *targets,
				  size_t n, bool keep)
{
	enum status st;

	if (n > FORWARDS_MAX)
		return ST_LIMIT;
	for (size_t i = 0; i < n; i++)
		if (!directory_is_address(targets[i]))
			return ST_SYNTAX;
	st = directory_begin(d);
	if (st != ST_OK)
		return st;
	st = set(d, address, targets, n, keep);
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

enum status directory_each_forward(struct directory *d, uint64_t account, directory_row *row, void *arg)
{
	sql_bind_int(d->r[R_FORWARD], 1, (int64_t)account);
	return directory_each(d->r[R_FORWARD], row, arg);
}
