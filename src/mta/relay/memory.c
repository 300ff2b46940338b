#include "mta/relay/memory.h"

#include "mta/relay/shared.h"

#include <stdlib.h>

/* How often the same is written again. */
enum { FRESH_MS = 86400000 };

struct memory {
	struct sql *db;
	struct sql_stmt *find, *keep;
	wall_ms most;
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS site (name TEXT PRIMARY KEY, level INTEGER NOT NULL, "
			     "seen INTEGER NOT NULL, how TEXT NOT NULL)";

void memory_close(struct memory *m)
{
	if (m == NULL)
		return;
	sql_finish(m->find);
	sql_finish(m->keep);
	sql_close(m->db);
	free(m);
}

static enum status prepare(struct memory *m)
{
	enum status st = sql_prepare(m->db, "SELECT level, seen, how FROM site WHERE name = $1", &m->find);

	if (st == ST_OK)
		st = sql_prepare(m->db, "INSERT INTO site (name, level, seen, how) VALUES ($1, $2, $3, $4) ON CONFLICT (name) "
				 "DO UPDATE SET level = excluded.level, seen = excluded.seen, how = excluded.how", &m->keep);
	return st;
}

enum status memory_open(const char *folder, wall_ms keep, struct memory **ret)
{
	struct memory *m = calloc(1, sizeof *m);
	enum status st;

	if (m == NULL)
		return ST_NOMEM;
	m->most = keep;
	st = shared_open(folder, "memory.db", schema, &m->db);
	if (st == ST_OK)
		st = prepare(m);
	if (st != ST_OK) {
		memory_close(m);
		return st;
	}
	*ret = m;
	return ST_OK;
}

static void keep(struct memory *m, struct view site, enum secured level, wall_ms now, struct view how)
{
	sql_bind_text(m->keep, 1, site);
	sql_bind_int(m->keep, 2, level);
	sql_bind_int(m->keep, 3, now);
	sql_bind_text(m->keep, 4, how);
	/* One that is not written is seen again. */
	(void)!sql_run(m->keep);
}

bool memory_note(struct memory *m, struct view site, enum secured level, struct view how, struct buf *was)
{
	wall_ms now = clock_wall(), seen = 0;
	bool row = false, weaker = false;
	int64_t before = SECURED_NOT;

	if (m == NULL)
		return false;
	sql_bind_text(m->find, 1, site);
	if (sql_step(m->find, &row) == ST_OK && row) {
		before = sql_col_int(m->find, 0);
		seen = sql_col_int(m->find, 1);
		weaker = (int64_t)level < before && now - seen < m->most;
		if (weaker)
			buf_put(was, sql_col_view(m->find, 2));
	}
	sql_reset(m->find);
	if (!weaker && (!row || (int64_t)level != before || now - seen > FRESH_MS))
		keep(m, site, level, now, how);
	return weaker;
}
