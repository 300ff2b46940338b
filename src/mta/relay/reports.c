#include "mta/relay/reports.h"

#include "mta/relay/shared.h"

#include "base/log.h"
#include "base/map.h"

#include <stdlib.h>
#include <xxhash.h>

enum { PENDING_MAX = 4096, PENDING_BYTES = 4 * 1024 * 1024, SPREAD_S = 3600, LINES_ARENA = 64 };

/* One more of a line, not yet on disk. */
struct pending {
	enum report_kind kind;
	struct view domain, policy, line;	/* in the arena */
	int64_t day;
	int64_t n;
	struct pending *next;
};

struct reports {
	struct sql *db;
	struct sql_stmt *find, *make, *grow, *more, *line, *total;
	struct sql_stmt *end_days, *due, *lines, *drop_lines, *drop, *later, *each, *told, *tell, *sent, *note_sent, *drop_sent, *cut, *read_cut, *forget_told;
	const struct conf *conf;
	struct loop *loop;
	struct timer timer;
	struct arena arena;
	struct map by_hash;
	struct pending *first;
	size_t n;
	uint64_t dropped;
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS batch (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, day INTEGER NOT NULL, "
	"domain TEXT NOT NULL, policy BLOB NOT NULL, begin INTEGER NOT NULL, ended INTEGER NOT NULL, "
	"due INTEGER NOT NULL, tries INTEGER NOT NULL, lines INTEGER NOT NULL);"
	"CREATE INDEX IF NOT EXISTS batch_open ON batch (domain, kind, day);"
	"CREATE INDEX IF NOT EXISTS batch_due ON batch (due);"
	"CREATE TABLE IF NOT EXISTS line (batch INTEGER NOT NULL, line BLOB NOT NULL, n INTEGER NOT NULL, "
	"PRIMARY KEY (batch, line));"
	"CREATE TABLE IF NOT EXISTS told (day INTEGER NOT NULL, domain TEXT NOT NULL, n INTEGER NOT NULL, "
	"PRIMARY KEY (day, domain));"
	"CREATE TABLE IF NOT EXISTS sent (batch INTEGER NOT NULL, address TEXT NOT NULL, PRIMARY KEY (batch, address));"
	/* Until when all has been told: one row. */
	"CREATE TABLE IF NOT EXISTS cut (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)";

static int64_t today(void)
{
	return clock_wall() / 1000 / DAY_S;
}

/* ---- the file ---- */

static const struct {
	size_t at;
	const char *text;
} statements[] = {
	{ offsetof(struct reports, find),
	  "SELECT id, lines FROM batch WHERE domain = $1 AND kind = $2 AND day = $3 AND policy = $4 AND ended = 0" },
	{ offsetof(struct reports, make),
	  "INSERT INTO batch (kind, day, domain, policy, begin, ended, due, tries, lines) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0)" },
	{ offsetof(struct reports, grow), "UPDATE batch SET lines = lines + 1 WHERE id = $1" },
	{ offsetof(struct reports, more), "UPDATE line SET n = n + $3 WHERE batch = $1 AND line = $2" },
	{ offsetof(struct reports, line), "INSERT INTO line (batch, line, n) VALUES ($1, $2, $3)" },
	{ offsetof(struct reports, total), "SELECT COALESCE(SUM(lines), 0) FROM batch" },
	{ offsetof(struct reports, end_days), "SELECT id, domain, day FROM batch WHERE ended = 0 AND day < $1" },
	{ offsetof(struct reports, cut), "UPDATE batch SET ended = CASE WHEN begin > $2 THEN begin ELSE $2 END, due = $3 WHERE id = $1" },
	{ offsetof(struct reports, due),
	  "SELECT id, kind, domain, policy, begin, ended, tries FROM batch WHERE ended > 0 AND due <= $1 ORDER BY due, id LIMIT 1" },
	{ offsetof(struct reports, lines), "SELECT line, n FROM line WHERE batch = $1 ORDER BY n DESC, line" },
	{ offsetof(struct reports, drop_lines), "DELETE FROM line WHERE batch = $1" },
	{ offsetof(struct reports, drop), "DELETE FROM batch WHERE id = $1" },
	{ offsetof(struct reports, later), "UPDATE batch SET due = $2, tries = tries + 1 WHERE id = $1" },
	{ offsetof(struct reports, each),
	  "SELECT id, kind, domain, policy, begin, ended, tries, due, lines, "
	  "(SELECT COALESCE(SUM(n), 0) FROM line WHERE line.batch = batch.id) FROM batch ORDER BY kind, domain, begin" },
	{ offsetof(struct reports, told), "SELECT n FROM told WHERE day = $1 AND domain = $2" },
	{ offsetof(struct reports, tell),
	  "INSERT INTO told (day, domain, n) VALUES ($1, $2, 1) ON CONFLICT (day, domain) DO UPDATE SET n = told.n + 1" },
	{ offsetof(struct reports, sent), "SELECT 1 FROM sent WHERE batch = $1 AND address = $2" },
	{ offsetof(struct reports, note_sent), "INSERT INTO sent (batch, address) VALUES ($1, $2)" },
	{ offsetof(struct reports, drop_sent), "DELETE FROM sent WHERE batch = $1" },
	{ offsetof(struct reports, forget_told), "DELETE FROM told WHERE day < $1" },
	{ offsetof(struct reports, read_cut), "SELECT at FROM cut WHERE id = 1" },
};

static struct sql_stmt **statement(struct reports *r, size_t i)
{
	return (struct sql_stmt **)((char *)r + statements[i].at);
}

static void write_late(struct timer *t)
{
	reports_write((struct reports *)((char *)t - offsetof(struct reports, timer)));
}

static void forget_pending(struct reports *r)
{
	map_free(&r->by_hash);
	arena_free(&r->arena);
	r->first = NULL;
	r->n = 0;
}

void reports_close(struct reports *r)
{
	if (r == NULL)
		return;
	if (r->db)
		reports_write(r);
	loop_timer_clear(r->loop, &r->timer);
	forget_pending(r);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		sql_finish(*statement(r, i));
	sql_close(r->db);
	free(r);
}

enum status reports_open(const char *folder, struct loop *l, const struct conf *c, struct reports **ret)
{
	struct reports *r = calloc(1, sizeof *r);
	enum status st;

	if (r == NULL)
		return ST_NOMEM;
	r->loop = l;
	r->conf = c;
	r->timer.fire = write_late;
	r->arena = ARENA(PENDING_BYTES);
	st = shared_open(folder, "reports.db", schema, &r->db);
	for (size_t i = 0; i < sizeof statements / sizeof *statements && st == ST_OK; i++)
		st = sql_prepare(r->db, statements[i].text, statement(r, i));
	if (st != ST_OK) {
		reports_close(r);
		return st;
	}
	*ret = r;
	return ST_OK;
}

/* ---- counting ---- */

static struct view copy(struct reports *r, struct view v)
{
	return v.n ? arena_copy(&r->arena, v) : VIEW_NONE;
}

static bool is_same(const struct pending *p, const struct pending *q)
{
	return p->kind == q->kind && p->day == q->day && view_eq(p->domain, q->domain) && view_eq(p->policy, q->policy) &&
	       view_eq(p->line, q->line);
}

static uint64_t hash_of(const struct pending *p)
{
	XXH64_hash_t h = XXH3_64bits_withSeed(p->domain.p, p->domain.n, (XXH64_hash_t)p->kind + (XXH64_hash_t)p->day * 8);

	h = XXH3_64bits_withSeed(p->policy.p, p->policy.n, h);
	return XXH3_64bits_withSeed(p->line.p, p->line.n, h);
}

static void add(struct reports *r, const struct pending *new, uint64_t hash)
{
	struct pending *p = ARENA_NEW(&r->arena, struct pending);

	if (p == NULL) {
		r->dropped++;
		return;
	}
	*p = *new;
	p->domain = copy(r, new->domain);
	p->policy = copy(r, new->policy);
	p->line = copy(r, new->line);
	if (arena_status(&r->arena) != ST_OK) {
		r->dropped++;
		return;
	}
	p->next = r->first;
	r->first = p;
	r->n++;
	/* One that is not found again is written twice, and added up there. */
	(void)!map_set(&r->by_hash, hash, p);
}

/* It will stand in names, header fields and the name of a file. */
static bool is_plain(struct view domain)
{
	for (size_t i = 0; i < domain.n; i++)
		if (!ascii_alpha(domain.p[i]) && !ascii_digit(domain.p[i]) && strchr(".-_", domain.p[i]) == NULL)
			return false;
	return domain.n && memchr(domain.p, '\0', domain.n) == NULL;
}

void reports_count(struct reports *r, enum report_kind kind, struct view domain, struct view policy, struct view line)
{
	struct pending new = { .kind = kind, .domain = domain, .policy = policy, .line = line, .n = 1, .day = today() };
	struct pending *p;
	uint64_t hash;

	if (r == NULL || !is_plain(domain))
		return;
	if (r->n == PENDING_MAX || arena_status(&r->arena) != ST_OK)
		reports_write(r);
	hash = hash_of(&new);
	p = map_get(&r->by_hash, hash);
	if (p && is_same(p, &new))
		p->n++;
	else
		add(r, &new, hash);
	if (r->timer.slot == 0 && loop_timer(r->loop, &r->timer, clock_steady() + REPORTS_WRITE_MS) != ST_OK)
		reports_write(r);
}

/* ---- writing ---- */

static int64_t number(struct sql_stmt *s, int64_t otherwise)
{
	bool row = false;
	int64_t n = sql_step(s, &row) == ST_OK && row ? sql_col_int(s, 0) : otherwise;

	sql_reset(s);
	return n;
}

/* A day begins at midnight, or where the operator had all told before. */
static int64_t begin_of(struct reports *r, int64_t day)
{
	int64_t cut = number(r->read_cut, 0);

	return cut > day * DAY_S && cut < (day + 1) * DAY_S ? cut : day * DAY_S;
}

static enum status find_batch(struct reports *r, const struct pending *p, int64_t *ret_id, int64_t *ret_lines)
{
	bool row = false;
	enum status st;

	sql_bind_text(r->find, 1, p->domain);
	sql_bind_int(r->find, 2, p->kind);
	sql_bind_int(r->find, 3, p->day);
	sql_bind_blob(r->find, 4, p->policy);
	st = sql_step(r->find, &row);
	if (st == ST_OK && row) {
		*ret_id = sql_col_int(r->find, 0);
		*ret_lines = sql_col_int(r->find, 1);
	}
	sql_reset(r->find);
	return st != ST_OK ? st : row ? ST_OK : ST_MISSING;
}

static enum status make_batch(struct reports *r, const struct pending *p)
{
	sql_bind_int(r->make, 1, p->kind);
	sql_bind_int(r->make, 2, p->day);
	sql_bind_text(r->make, 3, p->domain);
	sql_bind_blob(r->make, 4, p->policy);
	sql_bind_int(r->make, 5, begin_of(r, p->day));
	return sql_run(r->make);
}

static enum status add_line(struct reports *r, const struct pending *p, int64_t batch)
{
	enum status st;

	sql_bind_int(r->line, 1, batch);
	sql_bind_blob(r->line, 2, p->line);
	sql_bind_int(r->line, 3, p->n);
	st = sql_run(r->line);
	sql_bind_int(r->grow, 1, batch);
	return st == ST_OK ? sql_run(r->grow) : st;
}

static enum status write_one(struct reports *r, const struct pending *p, int64_t *total)
{
	int64_t id = 0, lines = 0;
	enum status st = find_batch(r, p, &id, &lines);

	if (st == ST_MISSING && *total < r->conf->reports_rows) {
		st = make_batch(r, p);
		if (st == ST_OK)
			st = find_batch(r, p, &id, &lines);
	}
	if (st == ST_OK) {
		sql_bind_int(r->more, 1, id);
		sql_bind_blob(r->more, 2, p->line);
		sql_bind_int(r->more, 3, p->n);
		st = sql_run(r->more);
		if (st != ST_OK || sql_changed(r->db) > 0)
			return st;
		if (lines < r->conf->reports_domain_rows && *total < r->conf->reports_rows) {
			(*total)++;
			return add_line(r, p, id);
		}
		st = ST_MISSING;
	}
	if (st == ST_MISSING)
		r->dropped += (uint64_t)p->n;
	return st == ST_MISSING ? ST_OK : st;
}

void reports_write(struct reports *r)
{
	int64_t total = 0;
	enum status st;

	if (r->n == 0)
		return;
	st = sql_exec(r->db, "BEGIN IMMEDIATE");
	if (st == ST_OK) {
		total = number(r->total, 0);
		for (const struct pending *p = r->first; p && st == ST_OK; p = p->next)
			st = write_one(r, p, &total);
		if (st == ST_OK)
			st = sql_exec(r->db, "COMMIT");
		if (st != ST_OK)
			(void)!sql_exec(r->db, "ROLLBACK");
	}
	/* Not tried again: a disk that is full must not fill the memory too. */
	if (st != ST_OK)
		log_event(LOG_WARN_, "reports", "lost=%zu why=\"%s\"", r->n, status_name(st));
	if (r->dropped)
		log_event(LOG_WARN_, "reports", "not-counted=%llu why=\"reports.rows or reports.domain_rows\"",
			  (unsigned long long)r->dropped);
	r->dropped = 0;
	forget_pending(r);
}

bool reports_may_tell(struct reports *r, struct view domain, int64_t most)
{
	int64_t before;

	if (r == NULL || !is_plain(domain))
		return false;
	sql_bind_int(r->told, 1, today());
	sql_bind_text(r->told, 2, domain);
	before = number(r->told, 0);
	if (before >= most)
		return false;
	sql_bind_int(r->tell, 1, today());
	sql_bind_text(r->tell, 2, domain);
	return sql_run(r->tell) == ST_OK;
}

/* ---- what is due ---- */

struct ending {
	int64_t id, day;
	uint32_t spread;
};

/* Of the batches whose day is over; in the arena. */
static enum status list_ending(struct reports *r, int64_t before, struct arena *a, struct ending **ret, uint32_t *ret_n)
{
	uint32_t n = 0, room = LINES_ARENA;
	struct ending *all = arena_array(a, room, sizeof *all), *more;
	bool row = false;
	enum status st = ST_OK;

	sql_bind_int(r->end_days, 1, before);
	while (all && (st = sql_step(r->end_days, &row)) == ST_OK && row) {
		struct view domain = sql_col_view(r->end_days, 1);

		if (n == room) {
			more = arena_array(a, room * 2, sizeof *more);
			if (more == NULL)
				break;
			memcpy(more, all, n * sizeof *more);
			all = more;
			room *= 2;
		}
		all[n++] = (struct ending){ sql_col_int(r->end_days, 0), sql_col_int(r->end_days, 2),
					    (uint32_t)(XXH3_64bits(domain.p, domain.n) % SPREAD_S) };
	}
	sql_reset(r->end_days);
	*ret = all;
	*ret_n = n;
	return st != ST_OK ? st : arena_status(a);
}

static enum status end_each(struct reports *r, const struct ending *all, uint32_t n)
{
	int64_t now = clock_wall() / 1000;
	enum status st = ST_OK;

	for (uint32_t i = 0; i < n && st == ST_OK; i++) {
		int64_t night = (all[i].day + 1) * DAY_S;
		bool over = night <= now;

		sql_bind_int(r->cut, 1, all[i].id);
		sql_bind_int(r->cut, 2, over ? night - 1 : now);
		sql_bind_int(r->cut, 3, over ? night + all[i].spread : now);
		st = sql_run(r->cut);
	}
	return st;
}

/* The rest of the day is another report, and nothing waits for its hour. */
static enum status all_now(struct reports *r)
{
	struct buf b = BUF(512);
	long long now = clock_wall() / 1000;
	enum status st;

	buf_putf(&b, "UPDATE batch SET due = %lld WHERE ended > 0; INSERT INTO cut (id, at) VALUES (1, %lld) "
		     "ON CONFLICT (id) DO UPDATE SET at = excluded.at", now, now + 1);
	buf_putc(&b, '\0');
	st = buf_status(&b) == ST_OK ? sql_exec(r->db, b.p) : buf_status(&b);
	buf_free(&b);
	return st;
}

enum status reports_end_day(struct reports *r, bool all)
{
	struct arena a = ARENA(PENDING_BYTES);
	struct ending *list;
	uint32_t n = 0;
	enum status st;

	reports_write(r);
	st = sql_exec(r->db, "BEGIN IMMEDIATE");
	if (st == ST_OK) {
		st = list_ending(r, today() + all, &a, &list, &n);
		if (st == ST_OK)
			st = end_each(r, list, n);
		if (st == ST_OK && all)
			st = all_now(r);
		sql_bind_int(r->forget_told, 1, today() - 1);
		if (st == ST_OK)
			st = sql_run(r->forget_told);
		st = st == ST_OK ? sql_exec(r->db, "COMMIT") : st;
		if (st != ST_OK)
			(void)!sql_exec(r->db, "ROLLBACK");
	}
	arena_free(&a);
	return st;
}

static enum status read_lines(struct reports *r, int64_t batch, struct arena *a, struct batch_line **ret, uint32_t *ret_n)
{
	uint32_t most = (uint32_t)r->conf->reports_domain_rows, n = 0;
	struct batch_line *all = arena_array(a, most, sizeof *all);
	bool row = false;
	enum status st = ST_OK;

	sql_bind_int(r->lines, 1, batch);
	while (all && n < most && (st = sql_step(r->lines, &row)) == ST_OK && row)
		all[n++] = (struct batch_line){ arena_copy(a, sql_col_view(r->lines, 0)), (uint64_t)sql_col_int(r->lines, 1) };
	sql_reset(r->lines);
	*ret = all;
	*ret_n = n;
	return st != ST_OK ? st : arena_status(a);
}

static struct batch batch_of(struct sql_stmt *s)
{
	return (struct batch){
		.id = sql_col_int(s, 0), .kind = (enum report_kind)sql_col_int(s, 1), .domain = sql_col_view(s, 2),
		.policy = sql_col_view(s, 3), .begin = sql_col_int(s, 4), .end = sql_col_int(s, 5), .tries = sql_col_int(s, 6),
	};
}

enum status reports_due(struct reports *r, struct arena *a, struct batch *ret, struct batch_line **ret_lines,
			uint32_t *ret_n)
{
	struct batch b = { 0 };
	bool row = false;
	enum status st;

	sql_bind_int(r->due, 1, clock_wall() / 1000);
	st = sql_step(r->due, &row);
	if (st == ST_OK && row) {
		b = batch_of(r->due);
		b.domain = arena_copy(a, b.domain);
		b.policy = arena_copy(a, b.policy);
	}
	sql_reset(r->due);
	if (st != ST_OK || !row)
		return st != ST_OK ? st : ST_MISSING;
	st = read_lines(r, b.id, a, ret_lines, ret_n);
	if (st == ST_OK)
		*ret = b;
	return st;
}

enum status reports_done(struct reports *r, int64_t batch)
{
	enum status st = sql_exec(r->db, "BEGIN IMMEDIATE");

	if (st != ST_OK)
		return st;
	sql_bind_int(r->drop_lines, 1, batch);
	st = sql_run(r->drop_lines);
	sql_bind_int(r->drop_sent, 1, batch);
	if (st == ST_OK)
		st = sql_run(r->drop_sent);
	sql_bind_int(r->drop, 1, batch);
	if (st == ST_OK)
		st = sql_run(r->drop);
	st = st == ST_OK ? sql_exec(r->db, "COMMIT") : st;
	if (st != ST_OK)
		(void)!sql_exec(r->db, "ROLLBACK");
	return st;
}

bool reports_was_sent(struct reports *r, int64_t batch, struct view address)
{
	sql_bind_int(r->sent, 1, batch);
	sql_bind_text(r->sent, 2, address);
	return number(r->sent, 0) != 0;
}

/* One that cannot be written down may be sent again. */
void reports_note_sent(struct reports *r, int64_t batch, struct view address)
{
	sql_bind_int(r->note_sent, 1, batch);
	sql_bind_text(r->note_sent, 2, address);
	(void)!sql_run(r->note_sent);
}

enum status reports_later(struct reports *r, int64_t batch, int64_t ms)
{
	sql_bind_int(r->later, 1, batch);
	sql_bind_int(r->later, 2, (clock_wall() + ms) / 1000);
	return sql_run(r->later);
}

enum status reports_each(struct reports *r, batch_visit *visit, void *arg)
{
	bool row = false;
	enum status st;

	reports_write(r);
	while ((st = sql_step(r->each, &row)) == ST_OK && row) {
		struct batch b = batch_of(r->each);

		visit(arg, &b, sql_col_int(r->each, 7), (uint64_t)sql_col_int(r->each, 8), (uint64_t)sql_col_int(r->each, 9));
	}
	sql_reset(r->each);
	return st;
}
