/* open.c - opening, the databases, and transactions. */
#include "mua/copy/internal.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* In version 1 the names of files had no letters for keywords. */
enum { INDEX_VERSION = 2, INDEX_WITHOUT_LETTERS = 1 };

/*     message    what lists read, one row each; texts are packed (summary.c).
 *                `pending` is a bit of flags, so that counting reads by_date alone
 *     header     header sections of letters that are not here whole
 *     words      of the text, without the text (FTS5); row ids are never used
 *                again, so what is of a removed message finds nothing */
static const char index_schema[] =
	"BEGIN;"
	"CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER NOT NULL,"
	" server_folder INTEGER NOT NULL, uid INTEGER NOT NULL, hidden INTEGER NOT NULL, copied INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, server_flags INTEGER NOT NULL, keywords TEXT NOT NULL, server_keywords TEXT NOT NULL,"
	" modseq INTEGER NOT NULL, size INTEGER NOT NULL, date INTEGER NOT NULL, received INTEGER NOT NULL,"
	" file TEXT NOT NULL, name INTEGER NOT NULL, packed BLOB NOT NULL,"
	" worded INTEGER NOT NULL);"
	"CREATE INDEX IF NOT EXISTS by_date ON message (folder, hidden, date, id, flags);"
	"CREATE INDEX IF NOT EXISTS by_arrival ON message (folder, hidden, received, id);"
	"CREATE UNIQUE INDEX IF NOT EXISTS by_uid ON message (server_folder, uid) WHERE uid > 0 AND copied = 0;"
	"CREATE INDEX IF NOT EXISTS by_name ON message (name);"
	"CREATE UNIQUE INDEX IF NOT EXISTS by_file ON message (file);"
	"CREATE INDEX IF NOT EXISTS by_pending ON message (id) WHERE flags & 2048;"
	"CREATE INDEX IF NOT EXISTS by_worded ON message (id) WHERE worded = 0 AND flags & 256;"
	"CREATE TABLE IF NOT EXISTS header (id INTEGER PRIMARY KEY, text BLOB NOT NULL);"
	"CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='', detail=none,"
	" tokenize='unicode61 remove_diacritics 2');"
	"COMMIT";

/*     folder     what a sync keeps of each
 *     uidl       POP3: what has been fetched
 *     wish       what is wanted of a message that the server does not have that
 *                way yet; a copy of what the index says, for when it is lost
 *     out        the outbox */
static const char state_schema[] =
	"BEGIN;"
	"CREATE TABLE IF NOT EXISTS state.folder (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
	" uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL, at INTEGER NOT NULL,"
	" server_name BLOB NOT NULL, special INTEGER NOT NULL, subscribed INTEGER NOT NULL, no_select INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS state.uidl (folder INTEGER NOT NULL, text BLOB NOT NULL,"
	" PRIMARY KEY (folder, text)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS state.wish (file TEXT PRIMARY KEY, folder INTEGER NOT NULL,"
	" server_folder INTEGER NOT NULL, uid INTEGER NOT NULL, hidden INTEGER NOT NULL, copied INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, server_flags INTEGER NOT NULL, keywords TEXT NOT NULL,"
	" server_keywords TEXT NOT NULL, received INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS state.out (id INTEGER PRIMARY KEY AUTOINCREMENT, sender BLOB NOT NULL,"
	" recipients BLOB NOT NULL, options BLOB NOT NULL, queued INTEGER NOT NULL, next INTEGER NOT NULL,"
	" tries INTEGER NOT NULL, problem BLOB NOT NULL, answers INTEGER NOT NULL);"
	"COMMIT";

#define SELECT_ROWS "SELECT " ROW_COLUMNS " FROM message "
#define FOLDER_COLUMNS "id, name, uidvalidity, uidnext, modseq, at, server_name, special, subscribed, no_select"

static const char *const texts[S_COUNT] = {
	[S_VERSION] = "PRAGMA user_version",
	[S_FOLDERS] = "SELECT " FOLDER_COLUMNS " FROM state.folder ORDER BY name <> 'INBOX', name",
	[S_COUNTS] = "SELECT count(*), sum(flags & 1 = 0), sum(flags & 4 <> 0), sum(flags & 256 <> 0),"
		     " sum(flags & 2048 <> 0) FROM message INDEXED BY by_date WHERE folder = $1 AND hidden = 0",
	[S_FOLDER] = "SELECT " FOLDER_COLUMNS " FROM state.folder WHERE name = $1",
	[S_FOLDER_NAME] = "SELECT name, uidvalidity, uidnext FROM state.folder WHERE id = $1",
	[S_FOLDER_USE] = "SELECT " FOLDER_COLUMNS " FROM state.folder WHERE special = $1 ORDER BY id LIMIT 1",
	[S_FOLDER_ADD] = "INSERT INTO state.folder (name, uidvalidity, uidnext, modseq, at, server_name, special,"
			 " subscribed, no_select) VALUES ($1, 0, 0, 0, 0, '', $2, 1, 0) RETURNING id",
	[S_FOLDER_SYNC] = "UPDATE state.folder SET uidvalidity = $2, uidnext = $3, modseq = $4, at = $5,"
			  " server_name = $6, special = $7, subscribed = $8, no_select = $9 WHERE id = $1",
	[S_FOLDER_RENAME] = "UPDATE state.folder SET name = $2 WHERE id = $1",
	[S_FOLDER_REMOVE] = "DELETE FROM state.folder WHERE id = $1",
	[S_FOLDER_IDS] = "SELECT id FROM message WHERE folder = $1 OR server_folder = $1",
	[S_FOLDERS_FORGET] = "UPDATE state.folder SET uidnext = 0, modseq = 0",
	[S_ADD] = "INSERT INTO message (folder, server_folder, uid, hidden, copied, flags, server_flags, keywords,"
		  " server_keywords, modseq, size, date, received, file, name, packed, worded)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0) RETURNING id",
	[S_UPDATE] = "UPDATE message SET folder = $2, server_folder = $3, uid = $4, hidden = $5, copied = $6,"
		     " flags = $7, server_flags = $8, keywords = $9, server_keywords = $10, modseq = $11,"
		     " file = $12 WHERE id = $1",
	[S_FILL] = "UPDATE message SET size = $2, date = $3, name = $4, packed = $5, worded = 0 WHERE id = $1",
	[S_DELETE] = "DELETE FROM message WHERE id = $1",
	[S_ROW] = SELECT_ROWS "WHERE id = $1",
	[S_BY_UID] = SELECT_ROWS "WHERE server_folder = $1 AND uid = $2 AND uid > 0 AND copied = 0",
	[S_BY_NAME] = SELECT_ROWS "WHERE name = $1 AND hidden = 0 ORDER BY id",
	[S_SERVER_ALL] = "SELECT uid, server_flags, modseq, id, flags & 256 FROM message"
			 " WHERE server_folder = $1 AND uid > 0 AND copied = 0 ORDER BY uid",
	[S_UID_TOP] = "SELECT coalesce(max(uid), 0) FROM message WHERE server_folder = $1 AND uid > 0 AND copied = 0",
	[S_HEADER] = "SELECT text FROM header WHERE id = $1",
	[S_HEADER_PUT] = "INSERT OR REPLACE INTO header (id, text) VALUES ($1, $2)",
	[S_HEADER_DROP] = "DELETE FROM header WHERE id = $1",
	[S_UIDL] = "SELECT text FROM state.uidl WHERE folder = $1 ORDER BY text",
	[S_UIDL_PUT] = "INSERT OR IGNORE INTO state.uidl (folder, text) VALUES ($1, $2)",
	[S_UIDL_DROP_ALL] = "DELETE FROM state.uidl WHERE folder = $1",
	[S_WISH_PUT] = "INSERT OR REPLACE INTO state.wish (file, folder, server_folder, uid, hidden, copied, flags,"
		       " server_flags, keywords, server_keywords, received) SELECT file, folder, server_folder, uid,"
		       " hidden, copied, flags, server_flags, keywords, server_keywords, received"
		       " FROM main.message WHERE id = $1",
	[S_WISH_DROP] = "DELETE FROM state.wish WHERE file = $1",
	[S_WISH] = "SELECT folder, server_folder, uid, hidden, copied, flags, server_flags, keywords,"
		   " server_keywords, received FROM state.wish WHERE file = $1",
	[S_WISHES] = "DELETE FROM state.wish",
	[S_WISHES_PUT] = "INSERT INTO state.wish (file, folder, server_folder, uid, hidden, copied, flags,"
			 " server_flags, keywords, server_keywords, received) SELECT file, folder, server_folder, uid,"
			 " hidden, copied, flags, server_flags, keywords, server_keywords, received"
			 " FROM main.message WHERE flags & 2048",
	[S_PENDING] = SELECT_ROWS "WHERE flags & 2048 ORDER BY server_folder, id",
	[S_LIST_DATE] = SELECT_ROWS "WHERE folder = $1 AND hidden = 0 ORDER BY date DESC, id DESC LIMIT $2 OFFSET $3",
	[S_LIST_DATE_UP] = SELECT_ROWS "WHERE folder = $1 AND hidden = 0 ORDER BY date, id LIMIT $2 OFFSET $3",
	[S_LIST_ARRIVAL] = SELECT_ROWS "WHERE folder = $1 AND hidden = 0"
				       " ORDER BY received DESC, id DESC LIMIT $2 OFFSET $3",
	[S_LIST_ARRIVAL_UP] = SELECT_ROWS "WHERE folder = $1 AND hidden = 0 ORDER BY received, id LIMIT $2 OFFSET $3",
	/* In the order of the table: fastest where all are wanted. */
	[S_LIST_ALL] = SELECT_ROWS "NOT INDEXED WHERE ($1 = 0 OR folder = $1) AND hidden = 0",
	[S_TOTAL] = "SELECT count(*) FROM message WHERE ($1 = 0 OR folder = $1) AND hidden = 0",
	[S_FIND_ROW] = SELECT_ROWS "WHERE id = $1 AND hidden = 0",
	[S_ROWS] = SELECT_ROWS,
	[S_UNREAD_WORDS] = SELECT_ROWS "WHERE worded = 0 AND flags & 256 LIMIT $1",
	[S_WORDS_PUT] = "INSERT INTO words (rowid, text) VALUES ($1, $2)",
	[S_WORDS_DONE] = "UPDATE message SET worded = 1 WHERE id = $1",
	[S_WORDS] = "SELECT rowid FROM words WHERE words MATCH $1 ORDER BY rowid",
	[S_WORDS_LEFT] = "SELECT id FROM message WHERE worded = 0 AND flags & 256 ORDER BY id",
	[S_FILES] = "SELECT id, file, folder, flags, hidden, keywords FROM message WHERE flags & 256",
	[S_OUT_ADD] = "INSERT INTO state.out (sender, recipients, options, queued, next, tries, problem, answers)"
		      " VALUES ($1, $2, $3, $4, $5, 0, '', $6) RETURNING id",
	[S_OUT_ALL] = "SELECT id, sender, recipients, options, queued, next, tries, problem, answers"
		      " FROM state.out ORDER BY id",
	[S_OUT_FAIL] = "UPDATE state.out SET tries = tries + 1, problem = $2, next = $3 WHERE id = $1",
	[S_OUT_RELEASE] = "UPDATE state.out SET options = $2, next = 0 WHERE id = $1 RETURNING id",
	[S_OUT_REMOVE] = "DELETE FROM state.out WHERE id = $1",
};

/* ---- the databases ---- */

static enum status put_path(const struct copy *c, const char *name, struct buf *out)
{
	buf_puts(out, c->path);
	buf_putc(out, '/');
	buf_puts(out, name);
	buf_putc(out, '\0');
	return buf_status(out);
}

/* The name stands in SQL as a string: quotes are doubled. */
static enum status attach(struct copy *c)
{
	struct buf path = BUF(COPY_PATH_MAX), text = BUF(2 * COPY_PATH_MAX + 64);
	enum status st = put_path(c, "state.db", &path);

	buf_puts(&text, "ATTACH '");
	for (const char *p = st == ST_OK ? path.p : ""; *p; p++) {
		if (*p == '\'')
			buf_putc(&text, '\'');
		buf_putc(&text, *p);
	}
	buf_puts(&text, "' AS state; PRAGMA state.journal_mode=WAL; PRAGMA state.synchronous=FULL;"
			"PRAGMA mmap_size=1073741824; PRAGMA cache_size=-16384; PRAGMA foreign_keys=OFF");
	buf_putc(&text, '\0');
	if (st == ST_OK)
		st = buf_status(&text);
	if (st == ST_OK)
		st = sql_exec(c->db, text.p);
	buf_free(&path);
	buf_free(&text);
	return st;
}

static enum status number_of(struct sql_stmt *q, int64_t *ret)
{
	bool row;
	enum status st = sql_step(q, &row);

	if (st == ST_OK && row)
		*ret = sql_col_int(q, 0);
	sql_reset(q);
	return st == ST_OK && !row ? ST_CORRUPT : st;
}

static void close_db(struct copy *c)
{
	for (size_t i = 0; i < S_COUNT; i++) {
		sql_finish(c->q[i]);
		c->q[i] = NULL;
	}
	sql_close(c->db);
	c->db = NULL;
}

static const char set_version[] = "PRAGMA main.user_version=2";

static enum status make_tables(struct copy *c)
{
	enum status st = sql_exec(c->db, state_schema);

	if (st == ST_OK)
		st = sql_exec(c->db, index_schema);
	if (st != ST_OK)
		(void)!sql_exec(c->db, "ROLLBACK");
	return st == ST_OK ? sql_exec(c->db, set_version) : st;
}

static enum status open_db(struct copy *c, bool *ret_fresh)
{
	struct buf path = BUF(COPY_PATH_MAX);
	int64_t version = 0;
	enum status st = put_path(c, "index.db", &path);

	if (st == ST_OK)
		st = sql_open(&sql_sqlite, path.p, SQL_DURABLE, &c->db);
	buf_free(&path);
	if (st == ST_OK)
		st = attach(c);
	for (size_t i = 0; i < S_COUNT && st == ST_OK; i++)
		if (texts[i])
			st = sql_prepare(c->db, texts[i], &c->q[i]);
	if (st == ST_OK)
		st = number_of(c->q[S_VERSION], &version);
	*ret_fresh = version == 0;
	if (st == ST_OK && version == 0)
		st = make_tables(c);
	else if (st == ST_OK && version != INDEX_VERSION && version != INDEX_WITHOUT_LETTERS)
		st = ST_CORRUPT;	/* of another time: made anew */
	c->old = version == INDEX_WITHOUT_LETTERS;
	if (st != ST_OK)
		close_db(c);
	return st;
}

static const char *const index_files[] = { "index.db", "index.db-wal", "index.db-shm", "damaged" };

static void drop_index(struct copy *c)
{
	for (size_t i = 0; i < sizeof index_files / sizeof *index_files; i++)
		(void)!disk_unlink(c->root, index_files[i]);
}

static bool is_there(const struct copy *c, const char *name)
{
	return faccessat(c->root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- opening ---- */

static enum status make_folder(const char *path)
{
	if (mkdir(path, COPY_KEEP) != 0 && errno != EEXIST)
		return status_of_errno(errno);
	return ST_OK;
}

static enum status open_folders(struct copy *c)
{
	static const char *const needed[] = { "mail", "outbox" };
	enum status st = make_folder(c->path);

	c->root = st == ST_OK ? open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (st == ST_OK && c->root < 0)
		st = status_of_errno(errno);
	for (size_t i = 0; i < 2 && st == ST_OK; i++) {
		st = disk_mkdir(c->root, needed[i], COPY_KEEP);
		if (st == ST_EXISTS)
			st = ST_OK;
	}
	if (st == ST_OK)
		st = disk_open(c->root, "lock", O_RDWR | O_CREAT, 0600, &c->lock);
	return st;
}

/* Alone with it: whatever the last one left half done is mended now. */
static enum status open_alone(struct copy *c, struct copy_findings *f)
{
	bool fresh = false, busy = is_there(c, "busy");
	enum status st;

	if (is_there(c, "damaged"))
		drop_index(c);
	f->rebuilt = !is_there(c, "index.db") && is_there(c, "state.db");
	st = open_db(c, &fresh);
	if (st == ST_CORRUPT) {
		drop_index(c);
		f->rebuilt = true;
		st = open_db(c, &fresh);
	}
	if (st == ST_OK && (busy || fresh || c->old))
		st = copy_mend(c, fresh, f);
	if (st == ST_OK && c->old) {
		st = sql_exec(c->db, set_version);
		c->old = false;
	}
	if (st == ST_OK && busy)
		(void)!disk_unlink(c->root, "busy");
	return st;
}

static enum status open_beside(struct copy *c)
{
	bool fresh = false;
	enum status st;

	/* Waits for one that mends. */
	if (flock(c->lock, LOCK_SH) != 0)
		return ST_IO;
	if (!is_there(c, "index.db"))
		return ST_EXISTS;
	st = open_db(c, &fresh);
	return st == ST_OK && fresh ? ST_EXISTS : copy_note(c, st);
}

enum status copy_open(const char *folder, struct copy **ret, struct copy_findings *ret_findings)
{
	struct copy_findings f = { .rebuilt = false };
	struct copy *c = calloc(1, sizeof *c);
	enum status st;

	if (c == NULL)
		return ST_NOMEM;
	c->root = c->lock = -1;
	c->path = strdup(folder);
	st = c->path ? open_folders(c) : ST_NOMEM;
	if (st == ST_OK && flock(c->lock, LOCK_EX | LOCK_NB) == 0) {
		st = open_alone(c, &f);
		if (st == ST_OK && flock(c->lock, LOCK_SH) != 0)
			st = ST_IO;
	} else if (st == ST_OK) {
		st = open_beside(c);
	}
	if (st != ST_OK) {
		copy_close(c);
		return st;
	}
	if (ret_findings)
		*ret_findings = f;
	*ret = c;
	return ST_OK;
}

/* Renames are not flushed one by one; before `busy` goes all of them are. */
static void end_well(struct copy *c)
{
	if (!c->busy || flock(c->lock, LOCK_EX | LOCK_NB) != 0)
		return;
	if (syncfs(c->root) == 0)
		(void)!disk_unlink(c->root, "busy");
}

void copy_close(struct copy *c)
{
	if (c == NULL)
		return;
	if (c->db)
		copy_roll_back(c);
	close_db(c);
	if (c->lock >= 0) {
		end_well(c);
		close(c->lock);
	}
	copy_claims_drop(c, 0);
	if (c->root >= 0)
		close(c->root);
	copy_plan_drop(c);
	free(c->plan);
	free(c->claims);
	free(c->path);
	free(c);
}

/* ---- transactions ---- */

enum status copy_note(struct copy *c, enum status st)
{
	int fd;

	if (st == ST_CORRUPT && disk_open(c->root, "damaged", O_WRONLY | O_CREAT, 0600, &fd) == ST_OK)
		close(fd);
	return st;
}

/* Before the tree is touched: whoever opens it after a bad end looks. */
static enum status mark_busy(struct copy *c)
{
	int fd;
	enum status st;

	if (c->busy)
		return ST_OK;
	st = disk_open(c->root, "busy", O_WRONLY | O_CREAT, 0600, &fd);
	if (st == ST_OK) {
		close(fd);
		st = disk_flush_all(c->root);
	}
	c->busy = st == ST_OK;
	return st;
}

static enum status begin(struct copy *c, bool tree)
{
	enum status st = tree ? mark_busy(c) : ST_OK;

	return st == ST_OK ? sql_exec(c->db, "BEGIN IMMEDIATE") : st;
}

static void roll_back(struct copy *c)
{
	(void)!sql_exec(c->db, "ROLLBACK");
	copy_plan_undo(c);
	copy_plan_drop(c);
}

static enum status commit(struct copy *c)
{
	enum status st = copy_plan_flush(c);

	if (st == ST_OK)
		st = sql_exec(c->db, "COMMIT");
	if (st == ST_OK)
		copy_plan_run(c);
	else
		roll_back(c);
	copy_plan_drop(c);
	return st;
}

enum status copy_enter(struct copy *c)
{
	if (c->batch)
		return c->spoilt;
	return copy_note(c, begin(c, true));
}

enum status copy_enter_index(struct copy *c)
{
	if (c->batch)
		return c->spoilt;
	return copy_note(c, begin(c, false));
}

enum status copy_leave(struct copy *c, enum status st)
{
	if (c->batch) {
		if (st != ST_OK && st != ST_MISSING && st != ST_SYNTAX && st != ST_EXISTS && st != ST_LIMIT)
			c->spoilt = st;
	} else if (st == ST_OK) {
		st = commit(c);
	} else {
		roll_back(c);
	}
	return copy_note(c, st);
}

enum status copy_begin(struct copy *c)
{
	enum status st = c->batch ? ST_EXISTS : begin(c, true);

	if (st == ST_OK) {
		c->batch = true;
		c->spoilt = ST_OK;
	}
	return copy_note(c, st);
}

enum status copy_commit(struct copy *c)
{
	enum status st = c->spoilt;

	if (!c->batch)
		return ST_OK;
	c->batch = false;
	if (st == ST_OK)
		return copy_note(c, commit(c));
	roll_back(c);
	return copy_note(c, st);
}

void copy_roll_back(struct copy *c)
{
	if (c->batch)
		roll_back(c);
	c->batch = false;
}

int64_t copy_version(struct copy *c)
{
	return sql_version(c->db);
}

const char *copy_error(struct copy *c)
{
	return sql_error(c->db);
}
