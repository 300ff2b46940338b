/* sql.h - the one seam under all SQL.
 *
 * Callers write SQL that SQLite and PostgreSQL both run, with $1, $2 ... as
 * parameters, and see neither library.  A driver is one const table
 * (struct sql_driver); adding one touches no caller.  INTEGER in a CREATE
 * TABLE means 64 bits (SQLite's row id; a driver for PostgreSQL reads BIGINT
 * for it, and BYTEA for BLOB).
 *
 * Ownership: sql_open gives a handle that sql_close frees (NULL is fine).  A
 * statement belongs to its handle and lives until sql_finish; views of
 * columns are valid until the next step or reset.
 *
 * Errors: ST_CORRUPT (the database is damaged: the caller rebuilds),
 * ST_NOSPACE, ST_NOMEM, ST_EXISTS (a unique key is there already), ST_IO,
 * ST_SYNTAX (the statement is wrong: our own mistake).
 */
#ifndef WAXWING_SQL_SQL_H
#define WAXWING_SQL_SQL_H

#include "base/status.h"
#include "base/view.h"

struct sql;
struct sql_stmt;

enum sql_durability {
	SQL_DERIVED,	/* can be made again from elsewhere: a commit may be lost by a
			 * power loss, but what is there then is whole */
	SQL_DURABLE,	/* a commit is on disk when it returns */
};

struct sql_driver {
	const char *name;
	enum status (*open)(const char *where, enum sql_durability d, struct sql **ret);
	void (*close)(struct sql *db);
	enum status (*exec)(struct sql *db, const char *text);
	enum status (*prepare)(struct sql *db, const char *text, struct sql_stmt **ret);
	void (*finish)(struct sql_stmt *s);
	void (*bind_int)(struct sql_stmt *s, int i, int64_t v);
	void (*bind_text)(struct sql_stmt *s, int i, struct view v);
	void (*bind_blob)(struct sql_stmt *s, int i, struct view v);
	void (*bind_null)(struct sql_stmt *s, int i);
	enum status (*step)(struct sql_stmt *s, bool *ret_row);
	void (*reset)(struct sql_stmt *s);
	int64_t (*col_int)(struct sql_stmt *s, int i);
	struct view (*col_view)(struct sql_stmt *s, int i);
	bool (*col_null)(struct sql_stmt *s, int i);
	int64_t (*changed)(struct sql *db);
	int64_t (*version)(struct sql *db);
	const char *(*error)(struct sql *db);
};

/* A handle begins with its driver, so that the calls below find it. */
struct sql {
	const struct sql_driver *driver;
};
struct sql_stmt {
	const struct sql_driver *driver;
};

extern const struct sql_driver sql_sqlite;

static inline enum status sql_open(const struct sql_driver *d, const char *where,
				   enum sql_durability du, struct sql **ret)
{
	return d->open(where, du, ret);
}

static inline void sql_close(struct sql *db)
{
	if (db)
		db->driver->close(db);
}

/* One or more statements without parameters. */
static inline enum status MUST_USE sql_exec(struct sql *db, const char *text)
{
	return db->driver->exec(db, text);
}

/* The text must last as long as the statement; a driver may look at it only
 * when the statement is first used (a table that does not fit it is then
 * ST_CORRUPT). */
static inline enum status MUST_USE sql_prepare(struct sql *db, const char *text, struct sql_stmt **ret)
{
	return db->driver->prepare(db, text, ret);
}

static inline void sql_finish(struct sql_stmt *s)
{
	if (s)
		s->driver->finish(s);
}

/* Parameters count from 1.  A failed bind shows at the next step. */
static inline void sql_bind_int(struct sql_stmt *s, int i, int64_t v)
{
	s->driver->bind_int(s, i, v);
}

static inline void sql_bind_text(struct sql_stmt *s, int i, struct view v)
{
	s->driver->bind_text(s, i, v);
}

static inline void sql_bind_blob(struct sql_stmt *s, int i, struct view v)
{
	s->driver->bind_blob(s, i, v);
}

static inline void sql_bind_null(struct sql_stmt *s, int i)
{
	s->driver->bind_null(s, i);
}

/* *ret_row: there is a row to read.  Bound views must live until reset. */
static inline enum status MUST_USE sql_step(struct sql_stmt *s, bool *ret_row)
{
	return s->driver->step(s, ret_row);
}

static inline void sql_reset(struct sql_stmt *s)
{
	s->driver->reset(s);
}

/* Step a statement that returns no row, and reset it. */
static inline enum status MUST_USE sql_run(struct sql_stmt *s)
{
	bool row;
	enum status st = s->driver->step(s, &row);

	s->driver->reset(s);
	return st;
}

/* Columns count from 0. */
static inline int64_t sql_col_int(struct sql_stmt *s, int i)
{
	return s->driver->col_int(s, i);
}

static inline struct view sql_col_view(struct sql_stmt *s, int i)
{
	return s->driver->col_view(s, i);
}

static inline bool sql_col_null(struct sql_stmt *s, int i)
{
	return s->driver->col_null(s, i);
}

/* Rows that the last statement changed. */
static inline int64_t sql_changed(struct sql *db)
{
	return db->driver->changed(db);
}

/* A number that differs once another connection has committed. */
static inline int64_t sql_version(struct sql *db)
{
	return db->driver->version(db);
}

/* The library's own words for the last failure, for logs. */
static inline const char *sql_error(struct sql *db)
{
	return db->driver->error(db);
}

#endif
