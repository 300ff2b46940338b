#include "directory/acme.h"
#include "directory/internal.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS acme (account BIGINT PRIMARY KEY, asked BIGINT NOT NULL, tried BIGINT NOT NULL,"
	" due BIGINT NOT NULL, failures BIGINT NOT NULL, why TEXT NOT NULL, opened BIGINT NOT NULL, sender TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS acme_challenge (account BIGINT NOT NULL, sender TEXT NOT NULL, token TEXT NOT NULL,"
	" message_id TEXT NOT NULL, reply_to TEXT NOT NULL, PRIMARY KEY (account, sender));";

#define ROW "SELECT acme.account, account.shown, asked, tried, due, failures, why" \
	    " FROM acme JOIN account ON account.id = acme.account "

static const char *const texts[A_COUNT] = {
	[A_ONE] = ROW "WHERE acme.account = $1",
	[A_EACH] = ROW "ORDER BY account.address",
	[A_ADD] = "INSERT INTO acme (account, asked, tried, due, failures, why, opened, sender)"
		  " VALUES ($1, $2, 0, 0, 0, '', 0, '')"
		  " ON CONFLICT (account) DO UPDATE SET asked = CASE WHEN acme.asked > excluded.asked THEN acme.asked"
		  " ELSE excluded.asked END",
	[A_REMOVE] = "DELETE FROM acme WHERE account = $1",
	[A_TRIED] = "UPDATE acme SET tried = $2, due = $3, why = $4,"
		    " failures = CASE WHEN $4 = '' THEN 0 ELSE failures + 1 END WHERE account = $1",
	[A_OPEN] = "UPDATE acme SET opened = $2, sender = '' WHERE account = $1",
	[A_EXPECT] = "UPDATE acme SET sender = $2 WHERE account = $1",
	[A_NOTE] = "INSERT INTO acme_challenge (account, sender, token, message_id, reply_to) SELECT $1, $2, $3, $4, $5"
		   " WHERE EXISTS (SELECT 1 FROM acme WHERE account = $1 AND opened >= $6 AND sender IN ('', $2))"
		   " AND (SELECT COUNT(*) FROM acme_challenge WHERE account = $1 AND sender <> $2) < $7"
		   " ON CONFLICT (account, sender) DO UPDATE SET token = excluded.token, message_id = excluded.message_id,"
		   " reply_to = excluded.reply_to",
	[A_CHALLENGE] = "SELECT sender, token, message_id, reply_to FROM acme_challenge WHERE account = $1 AND sender = $2",
	[A_FORGET] = "DELETE FROM acme_challenge WHERE account = $1",
};

enum status acme_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, A_COUNT, d->a);
}

/* ---- rows ---- */

static struct acme_row row_of(struct sql_stmt *q)
{
	return (struct acme_row){
		.account = (uint64_t)sql_col_int(q, 0), .address = sql_col_view(q, 1), .asked = sql_col_int(q, 2) != 0,
		.tried = sql_col_int(q, 3), .due = sql_col_int(q, 4), .failures = (uint32_t)sql_col_int(q, 5),
		.why = sql_col_view(q, 6),
	};
}

enum status directory_acme_one(struct directory *d, uint64_t account, struct arena *a, struct acme_row *ret)
{
	struct sql_stmt *q = d->a[A_ONE];
	struct acme_row r = { 0 };
	bool more = false;
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	st = sql_step(q, &more);
	if (st == ST_OK && more) {
		r = row_of(q);
		r.address = arena_copy(a, r.address);
		r.why = arena_copy(a, r.why);
		st = arena_status(a);
	} else if (st == ST_OK) {
		st = ST_MISSING;
	}
	sql_reset(q);
	if (st == ST_OK)
		*ret = r;
	return st;
}

enum status directory_acme_each(struct directory *d, acme_seen *row, void *arg)
{
	struct sql_stmt *q = d->a[A_EACH];
	struct acme_row r;
	bool more = false;
	enum status st;

	while ((st = sql_step(q, &more)) == ST_OK && more) {
		r = row_of(q);
		row(arg, &r);
	}
	sql_reset(q);
	return st;
}

enum status directory_acme_add(struct directory *d, uint64_t account, bool asked)
{
	sql_bind_int(d->a[A_ADD], 1, (int64_t)account);
	sql_bind_int(d->a[A_ADD], 2, asked);
	return sql_run(d->a[A_ADD]);
}

static enum status run_on(struct directory *d, enum acme_query q, uint64_t account)
{
	sql_bind_int(d->a[q], 1, (int64_t)account);
	return sql_run(d->a[q]);
}

enum status directory_acme_remove(struct directory *d, uint64_t account)
{
	enum status st = run_on(d, A_FORGET, account);

	if (st == ST_OK)
		st = run_on(d, A_REMOVE, account);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status acme_forget(struct directory *d, uint64_t account)
{
	enum status st = directory_acme_remove(d, account);

	return st == ST_MISSING ? ST_OK : st;
}

enum status directory_acme_tried(struct directory *d, uint64_t account, wall_ms now, wall_ms due, struct view why)
{
	struct sql_stmt *q = d->a[A_TRIED];

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_int(q, 2, now);
	sql_bind_int(q, 3, due);
	sql_bind_text(q, 4, view_head(why, ACME_WHY_MAX));
	return sql_run(q);
}

/* ---- an order ---- */

enum status directory_acme_open(struct directory *d, uint64_t account, wall_ms now)
{
	enum status st = run_on(d, A_FORGET, account);

	sql_bind_int(d->a[A_OPEN], 1, (int64_t)account);
	sql_bind_int(d->a[A_OPEN], 2, now);
	return st == ST_OK ? sql_run(d->a[A_OPEN]) : st;
}

enum status directory_acme_expect(struct directory *d, uint64_t account, struct view sender)
{
	char low[FOLDED_MAX];

	sql_bind_int(d->a[A_EXPECT], 1, (int64_t)account);
	sql_bind_text(d->a[A_EXPECT], 2, directory_folded(sender, low));
	return sql_run(d->a[A_EXPECT]);
}

enum status directory_acme_close(struct directory *d, uint64_t account)
{
	return directory_acme_open(d, account, 0);
}

enum status directory_acme_note(struct directory *d, uint64_t account, wall_ms since, const struct acme_challenge *c)
{
	struct sql_stmt *q = d->a[A_NOTE];
	char low[FOLDED_MAX];
	enum status st;

	/* One that was never opened has 0. */
	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, directory_folded(c->sender, low));
	sql_bind_text(q, 3, c->token);
	sql_bind_text(q, 4, c->message_id);
	sql_bind_text(q, 5, c->reply_to);
	sql_bind_int(q, 6, since > 0 ? since : 1);
	sql_bind_int(q, 7, ACME_SENDERS_MOST);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status directory_acme_challenge(struct directory *d, uint64_t account, struct view sender, struct arena *a,
				     struct acme_challenge *ret)
{
	struct sql_stmt *q = d->a[A_CHALLENGE];
	struct acme_challenge c = { .sender = VIEW_NONE };
	char low[FOLDED_MAX];
	bool more = false;
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, directory_folded(sender, low));
	st = sql_step(q, &more);
	if (st == ST_OK && more) {
		c = (struct acme_challenge){
			.sender = arena_copy(a, sql_col_view(q, 0)), .token = arena_copy(a, sql_col_view(q, 1)),
			.message_id = arena_copy(a, sql_col_view(q, 2)), .reply_to = arena_copy(a, sql_col_view(q, 3)),
		};
		st = arena_status(a);
	} else if (st == ST_OK) {
		st = ST_MISSING;
	}
	sql_reset(q);
	if (st == ST_OK)
		*ret = c;
	return st;
}
