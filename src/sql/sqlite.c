/* sqlite.c - the embedded driver of sql.h. */
#include "sql/sql.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { BUSY_MS = 10000 };

struct lite {
	struct sql base;
	sqlite3 *db;
	sqlite3_stmt *version;
};

struct lite_stmt {
	struct sql_stmt base;
	sqlite3_stmt *st;
	sqlite3 *db;
	const char *text;
	enum status failed;	/* why it could not be compiled */
	bool bad_bind;
};

static enum status status_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return ST_OK;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ST_CORRUPT;
	case SQLITE_FULL:
		return ST_NOSPACE;
	case SQLITE_NOMEM:
		return ST_NOMEM;
	case SQLITE_CONSTRAINT:
		return ST_EXISTS;
	case SQLITE_ERROR:
	case SQLITE_MISUSE:
		return ST_SYNTAX;
	default:
		return ST_IO;
	}
}

static void lite_close(struct sql *db)
{
	struct lite *l = (struct lite *)db;

	sqlite3_finalize(l->version);
	sqlite3_close_v2(l->db);
	free(l);
}

static enum status lite_exec(struct sql *db, const char *text)
{
	return status_of(sqlite3_exec(((struct lite *)db)->db, text, NULL, NULL, NULL));
}

/* Said before journal_mode, which writes and flushes a new file.  A cache has
 * one owner: with the file locked for good there is no shared memory file, and
 * no lock to take and give back in each transaction. */
static const char durable[] = "PRAGMA synchronous=FULL";
static const char cache[] = "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
			    "PRAGMA wal_autocheckpoint=4000";

static enum status lite_open(const char *where, enum sql_durability d, struct sql **ret)
{
	struct lite *l = calloc(1, sizeof *l);
	enum status st;
	int rc;

	if (l == NULL)
		return ST_NOMEM;
	l->base.driver = &sql_sqlite;
	/* Counts that nobody reads; refused, and of no matter, after the first. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	/* One thread uses a handle at a time. */
	rc = sqlite3_open_v2(where, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc != SQLITE_OK) {
		lite_close(&l->base);
		return status_of(rc);
	}
	sqlite3_extended_result_codes(l->db, 1);
	sqlite3_busy_timeout(l->db, BUSY_MS);
	st = lite_exec(&l->base, d == SQL_DURABLE ? durable : cache);
	if (st == ST_OK)
		st = lite_exec(&l->base, "PRAGMA journal_mode=WAL; PRAGMA temp_store=MEMORY;"
					 "PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=OFF");
	/* From here on a checkpoint flushes: without that it can be half on disk
	 * while the log that would mend it is overwritten, and nothing notices. */
	if (st == ST_OK && d == SQL_DERIVED)
		st = lite_exec(&l->base, "PRAGMA synchronous=NORMAL");
	if (st != ST_OK) {
		lite_close(&l->base);
		return st;
	}
	*ret = &l->base;
	return ST_OK;
}

/* $2 to ?2: SQLite takes the former for a name and counts names in the order
 * in which they stand. */
static char *numbered(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; p && (p = strchr(p, '$')) != NULL; p++)
		if (ascii_digit(p[1]))
			*p = '?';
	return copy;
}

/* The text is compiled when the statement is first used: a store has dozens of
 * them and most of its openings use a few. */
static enum status lite_prepare(struct sql *db, const char *text, struct sql_stmt **ret)
{
	struct lite_stmt *s = calloc(1, sizeof *s);

	if (s == NULL)
		return ST_NOMEM;
	s->base.driver = &sql_sqlite;
	s->db = ((struct lite *)db)->db;
	s->text = text;
	*ret = &s->base;
	return ST_OK;
}

/* The compiled statement, or NULL; then step says why.  Our statements are
 * right, so one that does not compile has met a table that does not fit it. */
static sqlite3_stmt *compiled(struct sql_stmt *s)
{
	struct lite_stmt *ls = (struct lite_stmt *)s;
	char *mine;
	int rc;

	if (ls->st || ls->failed)
		return ls->st;
	mine = numbered(ls->text);
	rc = mine ? sqlite3_prepare_v3(ls->db, mine, -1, SQLITE_PREPARE_PERSISTENT, &ls->st, NULL)
		  : SQLITE_NOMEM;
	free(mine);
	if (rc != SQLITE_OK)
		ls->failed = rc == SQLITE_ERROR ? ST_CORRUPT : status_of(rc);
	return ls->st;
}

static void lite_finish(struct sql_stmt *s)
{
	sqlite3_finalize(((struct lite_stmt *)s)->st);
	free(s);
}

static void note(struct sql_stmt *s, int rc)
{
	if (rc != SQLITE_OK)
		((struct lite_stmt *)s)->bad_bind = true;
}

static void lite_bind_int(struct sql_stmt *s, int i, int64_t v)
{
	note(s, sqlite3_bind_int64(compiled(s), i, v));
}

static void lite_bind_text(struct sql_stmt *s, int i, struct view v)
{
	note(s, sqlite3_bind_text64(compiled(s), i, v.p ? v.p : "", v.n, SQLITE_STATIC,
				    SQLITE_UTF8));
}

static void lite_bind_blob(struct sql_stmt *s, int i, struct view v)
{
	note(s, sqlite3_bind_blob64(compiled(s), i, v.p ? v.p : "", v.n, SQLITE_STATIC));
}

static void lite_bind_null(struct sql_stmt *s, int i)
{
	note(s, sqlite3_bind_null(compiled(s), i));
}

static enum status lite_step(struct sql_stmt *s, bool *ret_row)
{
	struct lite_stmt *ls = (struct lite_stmt *)s;
	int rc;

	if (compiled(s) == NULL)
		return ls->failed;
	if (ls->bad_bind)
		return ST_NOMEM;
	rc = sqlite3_step(ls->st);
	*ret_row = rc == SQLITE_ROW;
	return status_of(rc);
}

static void lite_reset(struct sql_stmt *s)
{
	struct lite_stmt *ls = (struct lite_stmt *)s;

	sqlite3_reset(ls->st);
	ls->bad_bind = false;
	ls->failed = ST_OK;	/* it may do better next time */
}

static int64_t lite_col_int(struct sql_stmt *s, int i)
{
	return sqlite3_column_int64(((struct lite_stmt *)s)->st, i);
}

static struct view lite_col_view(struct sql_stmt *s, int i)
{
	sqlite3_stmt *st = ((struct lite_stmt *)s)->st;
	const char *p = sqlite3_column_blob(st, i);

	return view_make(p, (size_t)sqlite3_column_bytes(st, i));
}

static bool lite_col_null(struct sql_stmt *s, int i)
{
	return sqlite3_column_type(((struct lite_stmt *)s)->st, i) == SQLITE_NULL;
}

static int64_t lite_changed(struct sql *db)
{
	return sqlite3_changes64(((struct lite *)db)->db);
}

static int64_t lite_version(struct sql *db)
{
	struct lite *l = (struct lite *)db;
	int64_t v = -1;

	if (l->version == NULL &&
	    sqlite3_prepare_v3(l->db, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT, &l->version,
			       NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(l->version) == SQLITE_ROW)
		v = sqlite3_column_int64(l->version, 0);
	sqlite3_reset(l->version);
	return v;
}

static const char *lite_error(struct sql *db)
{
	return sqlite3_errmsg(((struct lite *)db)->db);
}

const struct sql_driver sql_sqlite = {
	.name = "sqlite",
	.open = lite_open,
	.close = lite_close,
	.exec = lite_exec,
	.prepare = lite_prepare,
	.finish = lite_finish,
	.bind_int = lite_bind_int,
	.bind_text = lite_bind_text,
	.bind_blob = lite_bind_blob,
	.bind_null = lite_bind_null,
	.step = lite_step,
	.reset = lite_reset,
	.col_int = lite_col_int,
	.col_view = lite_col_view,
	.col_null = lite_col_null,
	.changed = lite_changed,
	.version = lite_version,
	.error = lite_error,
};
