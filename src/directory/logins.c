#include "directory/logins.h"

#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS login (id INTEGER PRIMARY KEY, account BIGINT NOT NULL, good BIGINT NOT NULL,"
	" at BIGINT NOT NULL, times BIGINT NOT NULL, service TEXT NOT NULL, peer TEXT NOT NULL,"
	" mechanism TEXT NOT NULL, tls TEXT NOT NULL, result TEXT NOT NULL, app TEXT NOT NULL);"
	"CREATE INDEX IF NOT EXISTS login_by_account ON login (account, good, id);";

enum { Q_ADD, Q_TRIM, Q_EACH, Q_COUNT };

static const char *const texts[Q_COUNT] = {
	[Q_ADD] = "INSERT INTO login (account, good, at, times, service, peer, mechanism, tls, result, app)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	[Q_TRIM] = "DELETE FROM login WHERE account = $1 AND good = $2 AND id <="
		   " (SELECT id FROM login WHERE account = $1 AND good = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)",
	[Q_EACH] = "SELECT at, times, good, service, peer, mechanism, tls, result, app FROM login"
		   " WHERE account = $1 ORDER BY id DESC",
};

struct login_log {
	struct sql *db;
	struct sql_stmt *q[Q_COUNT];
	size_t n;
	uint64_t lost;
	struct login_event pending[LOGIN_PENDING];
};

void login_log_close(struct login_log *l)
{
	if (l == NULL)
		return;
	for (int i = 0; i < Q_COUNT; i++)
		sql_finish(l->q[i]);
	sql_close(l->db);
	free(l);
}

enum status login_log_open(const char *path, struct login_log **ret)
{
	struct login_log *l = calloc(1, sizeof *l);
	enum status st;

	if (l == NULL)
		return ST_NOMEM;
	st = sql_open(&sql_sqlite, path, SQL_DURABLE, &l->db);
	if (st == ST_OK)
		st = sql_exec(l->db, schema);
	for (int i = 0; i < Q_COUNT && st == ST_OK; i++)
		st = sql_prepare(l->db, texts[i], &l->q[i]);
	if (st != ST_OK) {
		login_log_close(l);
		return st;
	}
	*ret = l;
	return ST_OK;
}

static bool alike(const struct login_event *a, const struct login_event *b)
{
	return a->account == b->account && a->right == b->right && strcmp(a->service, b->service) == 0 &&
	       strcmp(a->peer, b->peer) == 0 && strcmp(a->mechanism, b->mechanism) == 0 &&
	       strcmp(a->tls, b->tls) == 0 && strcmp(a->result, b->result) == 0 && strcmp(a->app, b->app) == 0;
}

/* Only the newest are looked at: a storm is alike in a row. */
bool login_log_add(struct login_log *l, const struct login_event *e)
{
	enum { LOOK_BACK = 16 };
	size_t from = l->n > LOOK_BACK ? l->n - LOOK_BACK : 0;

	for (size_t i = from; i < l->n; i++)
		if (alike(&l->pending[i], e)) {
			l->pending[i].times += e->times;
			return false;
		}
	if (l->n == LOGIN_PENDING) {
		l->lost++;
		return false;
	}
	l->pending[l->n++] = *e;
	return l->n == 1;
}

static enum status add(struct login_log *l, const struct login_event *e)
{
	struct sql_stmt *q = l->q[Q_ADD];
	const char *words[] = { e->service, e->peer, e->mechanism, e->tls, e->result, e->app };

	sql_bind_int(q, 1, (int64_t)e->account);
	sql_bind_int(q, 2, e->right);
	sql_bind_int(q, 3, e->at);
	sql_bind_int(q, 4, (int64_t)e->times);
	for (int i = 0; i < 6; i++)
		sql_bind_text(q, 5 + i, view_cstr(words[i]));
	return sql_run(q);
}

static enum status trim(struct login_log *l, const struct login_event *e, int64_t keep)
{
	struct sql_stmt *q = l->q[Q_TRIM];

	sql_bind_int(q, 1, (int64_t)e->account);
	sql_bind_int(q, 2, e->right);
	sql_bind_int(q, 3, keep);
	return sql_run(q);
}

enum status login_log_flush(struct login_log *l, int64_t keep, uint64_t *ret_lost)
{
	enum status st = ST_OK;

	if (l->n == 0) {
		*ret_lost = 0;
		return ST_OK;
	}
	st = sql_exec(l->db, "BEGIN IMMEDIATE");
	for (size_t i = 0; i < l->n && st == ST_OK; i++)
		st = add(l, &l->pending[i]);
	for (size_t i = 0; i < l->n && st == ST_OK; i++)
		st = trim(l, &l->pending[i], keep);
	if (st == ST_OK)
		st = sql_exec(l->db, "COMMIT");
	if (st != ST_OK && sql_exec(l->db, "ROLLBACK") != ST_OK)
		st = ST_IO;
	/* What cannot be written is lost: it must not pile up. */
	if (st != ST_OK)
		l->lost += l->n;
	l->n = 0;
	*ret_lost = l->lost;
	l->lost = 0;
	return st;
}

static void copy(char *to, size_t size, struct sql_stmt *q, int column)
{
	struct view v = sql_col_view(q, column);

	snprintf(to, size, "%.*s", VIEW_ARG(v));
}

enum status login_log_each(struct login_log *l, uint64_t account, login_log_row *row, void *arg)
{
	struct sql_stmt *q = l->q[Q_EACH];
	bool more = false;
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	while ((st = sql_step(q, &more)) == ST_OK && more) {
		struct login_event e = {
			.at = sql_col_int(q, 0), .account = account, .times = (uint64_t)sql_col_int(q, 1),
			.right = sql_col_int(q, 2) != 0,
		};

		copy(e.service, sizeof e.service, q, 3);
		copy(e.peer, sizeof e.peer, q, 4);
		copy(e.mechanism, sizeof e.mechanism, q, 5);
		copy(e.tls, sizeof e.tls, q, 6);
		copy(e.result, sizeof e.result, q, 7);
		copy(e.app, sizeof e.app, q, 8);
		row(arg, &e);
	}
	sql_reset(q);
	return st;
}
