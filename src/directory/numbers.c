#include "directory/numbers.h"

#include "directory/internal.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS account_number (account BIGINT NOT NULL, name TEXT NOT NULL,"
	" value BIGINT NOT NULL, PRIMARY KEY (account, name));";

static const char *const texts[N_COUNT] = {
	[N_ALL] = "SELECT name, value FROM account_number WHERE account = $1",
	[N_SET] = ("INSERT INTO account_number (account, name, value) VALUES ($1, $2, $3)"
		   " ON CONFLICT (account, name) DO UPDATE SET value = $3"),
	[N_DROP] = "DELETE FROM account_number WHERE account = $1 AND name = $2",
	[N_FORGET] = "DELETE FROM account_number WHERE account = $1",
};

static const char *const names[NUMBER_COUNT] = {
	[NUMBER_LETTERS_HOUR] = "letters-hour",
	[NUMBER_LETTERS_DAY] = "letters-day",
	[NUMBER_RECIPIENTS_HOUR] = "recipients-hour",
	[NUMBER_RECIPIENTS_DAY] = "recipients-day",
	[NUMBER_NEW_RECIPIENTS] = "new-recipients",
	[NUMBER_PRIORITY] = "priority",
	[NUMBER_SENT] = "sent",
	[NUMBER_PROTECT] = "protect",
	[NUMBER_ENCRYPT] = "encrypt",
};

enum status numbers_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, N_COUNT, d->n);
}

const char *number_name(enum number n)
{
	return names[n];
}

static int of_name(struct view name)
{
	for (int i = 0; i < NUMBER_COUNT; i++)
		if (view_eq(name, view_cstr(names[i])))
			return i;
	return -1;
}

enum status number_take(struct view name, enum number *ret)
{
	int n = of_name(name);

	if (n < 0 || n >= NUMBER_LIMITS)
		return ST_MISSING;
	*ret = (enum number)n;
	return ST_OK;
}

enum status directory_numbers(struct directory *d, uint64_t account, struct numbers *ret)
{
	struct sql_stmt *q = d->n[N_ALL];
	struct numbers found = { 0 };
	bool row = false;
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	while ((st = sql_step(q, &row)) == ST_OK && row) {
		int n = of_name(sql_col_view(q, 0));

		if (n < 0)
			continue;
		found.has[n] = true;
		found.value[n] = sql_col_int(q, 1);
	}
	sql_reset(q);
	if (st == ST_OK)
		*ret = found;
	return st;
}

enum status directory_set_number(struct directory *d, uint64_t account, enum number n, int64_t value)
{
	sql_bind_int(d->n[N_SET], 1, (int64_t)account);
	sql_bind_text(d->n[N_SET], 2, view_cstr(names[n]));
	sql_bind_int(d->n[N_SET], 3, value);
	return sql_run(d->n[N_SET]);
}

enum status directory_drop_number(struct directory *d, uint64_t account, enum number n)
{
	sql_bind_int(d->n[N_DROP], 1, (int64_t)account);
	sql_bind_text(d->n[N_DROP], 2, view_cstr(names[n]));
	return sql_run(d->n[N_DROP]);
}

enum status numbers_forget(struct directory *d, uint64_t account)
{
	sql_bind_int(d->n[N_FORGET], 1, (int64_t)account);
	return sql_run(d->n[N_FORGET]);
}
