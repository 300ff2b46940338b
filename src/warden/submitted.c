#include "warden/submitted.h"

#include "base/buf.h"
#include "base/cursor.h"
#include "base/map.h"
#include "sql/sql.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOUR_MS = 3600000, DAY_MS = 86400000, ADDRESS_MOST = 512, WRITTEN_MOST = 8192,
       KNOWN_USUAL = 20000 };

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS counts (account BIGINT PRIMARY KEY, held BIGINT NOT NULL, letters BLOB NOT NULL);"
	"CREATE TABLE IF NOT EXISTS written (account BIGINT NOT NULL, hash BIGINT NOT NULL, at BIGINT NOT NULL,"
	" held BIGINT NOT NULL, PRIMARY KEY (account, hash));";

enum { Q_COUNTS, Q_SET_COUNTS, Q_WRITTEN, Q_SET_WRITTEN, Q_N_WRITTEN, Q_TRIM, Q_LET_GO, Q_DROP, Q_ACCOUNTS, Q_FORGET_COUNTS,
       Q_FORGET_WRITTEN, Q_COUNT };

static const char *const texts[Q_COUNT] = {
	[Q_COUNTS] = "SELECT held, letters FROM counts WHERE account = $1",
	[Q_SET_COUNTS] = "INSERT INTO counts (account, held, letters) VALUES ($1, $2, $3)"
			 " ON CONFLICT (account) DO UPDATE SET held = $2, letters = $3",
	[Q_WRITTEN] = "SELECT at FROM written WHERE account = $1 AND hash = $2 AND held = 0",
	[Q_SET_WRITTEN] = "INSERT INTO written (account, hash, at, held) VALUES ($1, $2, $3, $4)"
			  " ON CONFLICT (account, hash) DO UPDATE SET at = $3, held = $4",
	[Q_N_WRITTEN] = "SELECT COUNT(*) FROM written WHERE account = $1",
	[Q_TRIM] = "DELETE FROM written WHERE account = $1 AND hash IN"
		   " (SELECT hash FROM written WHERE account = $1 ORDER BY at LIMIT $2)",
	[Q_LET_GO] = "UPDATE written SET held = 0 WHERE account = $1",
	[Q_DROP] = "DELETE FROM written WHERE account = $1 AND held = 1",
	[Q_ACCOUNTS] = "SELECT account FROM counts WHERE account > $1 ORDER BY account LIMIT 1",
	[Q_FORGET_COUNTS] = "DELETE FROM counts WHERE account = $1",
	[Q_FORGET_WRITTEN] = "DELETE FROM written WHERE account = $1",
};

/* The column held. */
enum { HELD_NOT, HELD_UNTOLD, HELD_TOLD };

/* A window that slides: since when, how many, and how many in the one before. */
struct window {
	wall_ms begin;
	uint64_t now, before;
};

enum { W_LETTERS_HOUR, W_LETTERS_DAY, W_RECIPIENTS_HOUR, W_RECIPIENTS_DAY, W_NEW_DAY, W_COUNT };
static const int64_t lengths[W_COUNT] = { HOUR_MS, DAY_MS, HOUR_MS, DAY_MS, DAY_MS };

struct counted {
	uint64_t account;
	struct window windows[W_COUNT];
	uint64_t more;		/* recipients remembered since they were counted last */
	wall_ms telling;	/* a letter was said to be to tell of; not again before */
	bool held, told, dirty, trim;
};

/* Written to, and not yet on disk. */
struct written {
	uint64_t account;
	int64_t hash;
	wall_ms at;
	bool held;
};

struct submitted {
	struct sql *db;
	struct sql_stmt *q[Q_COUNT];
	struct mac key;
	struct map accounts;	/* number -> struct counted */
	struct written *written;
	size_t n;
	struct map fresh;	/* hash -> struct written */
	int64_t known;		/* as the last limits had it */
	uint64_t looked_at;	/* the last account that was, whether it is still there */
	bool dirty;
};

/* ---- windows ---- */

static void slide(struct window *w, int64_t length, wall_ms now)
{
	int64_t gone = now - w->begin;

	if (gone >= 0 && gone < length)
		return;
	/* A clock that went back begins anew. */
	w->before = gone >= length && gone < 2 * length ? w->now : 0;
	w->begin = gone >= length && gone < 2 * length ? w->begin + length : now;
	w->now = 0;
}

static uint64_t count_of(const struct window *w, int64_t length, wall_ms now)
{
	uint64_t left = (uint64_t)(length - (now - w->begin));

	return w->now + w->before * left / (uint64_t)length;
}

static void slide_all(struct counted *c, wall_ms now)
{
	for (int i = 0; i < W_COUNT; i++)
		slide(&c->windows[i], lengths[i], now);
}

/* How many more are allowed. */
static uint64_t room(const struct counted *c, int window, int64_t limit, wall_ms now)
{
	uint64_t n = count_of(&c->windows[window], lengths[window], now);

	if (limit <= 0)
		return UINT32_MAX;
	return n < (uint64_t)limit ? (uint64_t)limit - n : 0;
}

/* Are so many too many, and until about when? */
static void fits(const struct counted *c, int window, int64_t limit, uint64_t n, wall_ms now, struct submit_state *st)
{
	const struct window *w = &c->windows[window];
	int64_t ms;

	if (room(c, window, limit, now) >= n)
		return;
	/* What lies in the window before fades until this one ends; what lies in
	 * this one begins to fade then. */
	ms = w->begin + lengths[window] - now;
	if (w->now + n > (uint64_t)limit)
		ms += lengths[window] / 8;
	st->slow = true;
	if ((uint32_t)(ms / 1000) + 1 > st->wait)
		st->wait = (uint32_t)(ms / 1000) + 1;
}

/* ---- what lies on disk ---- */

static enum status open_db(const char *path, struct submitted *s)
{
	enum status st = sql_open(&sql_sqlite, path, SQL_DERIVED, &s->db);

	if (st == ST_OK)
		st = sql_exec(s->db, schema);
	for (int i = 0; i < Q_COUNT && st == ST_OK; i++)
		st = sql_prepare(s->db, texts[i], &s->q[i]);
	return st;
}

static void close_db(struct submitted *s)
{
	for (int i = 0; i < Q_COUNT; i++) {
		sql_finish(s->q[i]);
		s->q[i] = NULL;
	}
	sql_close(s->db);
	s->db = NULL;
}

enum status submitted_open(const char *path, struct mac key, struct submitted **ret, bool *ret_lost)
{
	struct submitted *s = calloc(1, sizeof *s);
	enum status st;

	*ret_lost = false;
	if (s && (s->written = calloc(WRITTEN_MOST, sizeof *s->written)) == NULL) {
		free(s);
		s = NULL;
	}
	if (s == NULL) {
		mac_free(&key);
		return ST_NOMEM;
	}
	s->key = key;
	s->known = KNOWN_USUAL;
	st = open_db(path, s);
	if (st == ST_CORRUPT) {
		close_db(s);
		*ret_lost = unlink(path) == 0;
		st = open_db(path, s);
	}
	if (st != ST_OK) {
		submitted_close(s);
		return st;
	}
	*ret = s;
	return ST_OK;
}

void submitted_close(struct submitted *s)
{
	struct counted *c;
	size_t at = 0;

	if (s == NULL)
		return;
	while ((c = map_next(&s->accounts, &at)) != NULL)
		free(c);
	map_free(&s->accounts);
	map_free(&s->fresh);
	free(s->written);
	close_db(s);
	mac_free(&s->key);
	free(s);
}

static void take_counts(struct view bytes, struct counted *c)
{
	struct cursor cur = cursor_over(bytes);

	for (int i = 0; i < W_COUNT; i++)
		c->windows[i] = (struct window){ (wall_ms)take_u64(&cur), take_u64(&cur), take_u64(&cur) };
	if (!cursor_end(&cur))
		memset(c->windows, 0, sizeof c->windows);
}

static void put_counts(const struct counted *c, struct buf *out)
{
	for (int i = 0; i < W_COUNT; i++) {
		put_u64(out, (uint64_t)c->windows[i].begin);
		put_u64(out, c->windows[i].now);
		put_u64(out, c->windows[i].before);
	}
}

static struct counted *counted_of(struct submitted *s, uint64_t account, wall_ms now)
{
	struct counted *c = map_get(&s->accounts, account);
	struct sql_stmt *q = s->q[Q_COUNTS];
	bool row = false;

	if (c == NULL) {
		c = calloc(1, sizeof *c);
		if (c == NULL || map_set(&s->accounts, account, c) != ST_OK) {
			free(c);
			return NULL;
		}
		c->account = account;
		c->trim = true;
		sql_bind_int(q, 1, (int64_t)account);
		if (sql_step(q, &row) == ST_OK && row) {
			c->held = sql_col_int(q, 0) != HELD_NOT;
			c->told = sql_col_int(q, 0) == HELD_TOLD;
			take_counts(sql_col_view(q, 1), c);
		}
		sql_reset(q);
	}
	slide_all(c, now);
	return c;
}

static void changed(struct submitted *s, struct counted *c)
{
	c->dirty = s->dirty = true;
}

/* ---- recipients ---- */

static bool hash_of(const struct submitted *s, uint64_t account, struct view address, int64_t *ret)
{
	unsigned char mac[MAC_SIZE];
	char low[ADDRESS_MOST];
	struct view parts[2] = { { (const char *)&account, sizeof account }, { low, 0 } };

	parts[1].n = view_head(address, sizeof low).n;
	for (size_t i = 0; i < parts[1].n; i++)
		low[i] = ascii_lower(address.p[i]);
	if (mac_of(&s->key, parts, 2, mac) != ST_OK)
		return false;
	memcpy(ret, mac, sizeof *ret);
	return true;
}

/* When he was last written to; 0: never, or nothing can be said. */
static wall_ms written_at(struct submitted *s, uint64_t account, int64_t hash)
{
	const struct written *w = map_get(&s->fresh, (uint64_t)hash);
	struct sql_stmt *q = s->q[Q_WRITTEN];
	wall_ms at = 0;
	bool row = false;

	if (w && w->account == account && w->hash == hash)
		return w->held ? 0 : w->at;
	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_int(q, 2, hash);
	if (sql_step(q, &row) == ST_OK && row)
		at = sql_col_int(q, 0);
	sql_reset(q);
	return at;
}

static void remember(struct submitted *s, struct counted *c, int64_t hash, wall_ms at)
{
	struct written *w = &s->written[s->n];

	/* Forgotten where there is no room: he counts as new once more. */
	if (s->n == WRITTEN_MOST || map_set(&s->fresh, (uint64_t)hash, w) != ST_OK)
		return;
	*w = (struct written){ c->account, hash, at, c->held };
	s->n++;
	c->more++;
	s->dirty = true;
}

/* Of a letter. */
struct recipients {
	int64_t *hashes;
	wall_ms *when;		/* it was last written to him; 0: never */
	size_t n;
	uint64_t fresh;		/* so many never */
};

/* As many as came: a door cannot claim more. */
static enum status look_up(struct submitted *s, uint64_t account, struct view addresses, struct recipients *ret)
{
	struct cursor c = cursor_over(addresses);
	size_t most = addresses.n / sizeof(uint32_t) + 1;

	ret->hashes = calloc(most, sizeof *ret->hashes);
	ret->when = calloc(most, sizeof *ret->when);
	if (ret->hashes == NULL || ret->when == NULL)
		return ST_NOMEM;
	while (cursor_left(&c)) {
		struct view address = take_view(&c);

		if (!cursor_ok(&c) || !hash_of(s, account, address, &ret->hashes[ret->n]))
			break;
		ret->when[ret->n] = written_at(s, account, ret->hashes[ret->n]);
		ret->fresh += ret->when[ret->n++] == 0;
	}
	return ST_OK;
}

/* ---- questions ---- */

enum status submitted_look(struct submitted *s, uint64_t account, const struct submit_limits *l, wall_ms now,
			   struct submit_state *ret)
{
	struct counted *c = counted_of(s, account, now);
	struct submit_state st = { 0 };
	uint64_t hour, day;

	if (c == NULL)
		return ST_NOMEM;
	fits(c, W_LETTERS_HOUR, l->letters_hour, 1, now, &st);
	fits(c, W_LETTERS_DAY, l->letters_day, 1, now, &st);
	hour = room(c, W_RECIPIENTS_HOUR, l->recipients_hour, now);
	day = room(c, W_RECIPIENTS_DAY, l->recipients_day, now);
	st.left = (uint32_t)(hour < day ? hour : day);
	st.held = c->held;
	*ret = st;
	return ST_OK;
}

static void count(struct counted *c, uint32_t n, uint64_t fresh)
{
	c->windows[W_LETTERS_HOUR].now++;
	c->windows[W_LETTERS_DAY].now++;
	c->windows[W_RECIPIENTS_HOUR].now += n;
	c->windows[W_RECIPIENTS_DAY].now += n;
	c->windows[W_NEW_DAY].now += fresh;
}

/* Whether it is held from now on, and whom it has written to. */
static void charge(struct submitted *s, struct counted *c, const struct submit_limits *l, const struct recipients *to,
		   uint32_t n, wall_ms now, struct submit_state *st)
{
	c->held = c->held || to->fresh > room(c, W_NEW_DAY, l->new_recipients, now);
	st->held = c->held;
	st->tell = c->held && !c->told && (c->telling == 0 || now - c->telling >= TELL_AGAIN_MS);
	if (st->tell)
		c->telling = now;
	count(c, n, to->fresh);
	for (size_t i = 0; i < to->n; i++)
		if (to->when[i] == 0 || (now - to->when[i] > DAY_MS && !c->held))
			remember(s, c, to->hashes[i], now);
	changed(s, c);
}

enum status submitted_charge(struct submitted *s, uint64_t account, const struct submit_limits *l, struct view addresses,
			     uint32_t n, wall_ms now, struct submit_state *ret)
{
	struct counted *c = counted_of(s, account, now);
	struct submit_state st = { 0 };
	struct recipients to = { 0 };
	enum status failed = ST_OK;

	if (c == NULL)
		return ST_NOMEM;
	fits(c, W_LETTERS_HOUR, l->letters_hour, 1, now, &st);
	fits(c, W_LETTERS_DAY, l->letters_day, 1, now, &st);
	fits(c, W_RECIPIENTS_HOUR, l->recipients_hour, n, now, &st);
	fits(c, W_RECIPIENTS_DAY, l->recipients_day, n, now, &st);
	if (!st.slow) {
		s->known = l->known;
		/* Where it fails some are forgotten, and the flush is tried again. */
		if (s->n + n > WRITTEN_MOST)
			(void)!submitted_flush(s);
		failed = look_up(s, account, addresses, &to);
		if (failed == ST_OK)
			charge(s, c, l, &to, n, now, &st);
	}
	free(to.hashes);
	free(to.when);
	if (failed == ST_OK)
		*ret = st;
	return failed;
}

enum status submitted_counts(struct submitted *s, uint64_t account, wall_ms now, struct submit_counts *ret)
{
	struct counted *c = counted_of(s, account, now);
	uint64_t n[W_COUNT];

	if (c == NULL)
		return ST_NOMEM;
	for (int i = 0; i < W_COUNT; i++)
		n[i] = count_of(&c->windows[i], lengths[i], now);
	*ret = (struct submit_counts){
		n[W_LETTERS_HOUR], n[W_LETTERS_DAY], n[W_RECIPIENTS_HOUR], n[W_RECIPIENTS_DAY], n[W_NEW_DAY], c->held,
	};
	return ST_OK;
}

/* ---- to disk ---- */

bool submitted_dirty(const struct submitted *s)
{
	return s->dirty;
}

static enum status write_counts(struct submitted *s, const struct counted *c)
{
	struct sql_stmt *q = s->q[Q_SET_COUNTS];
	struct buf b = BUF(512);
	enum status st;

	put_counts(c, &b);
	sql_bind_int(q, 1, (int64_t)c->account);
	sql_bind_int(q, 2, !c->held ? HELD_NOT : c->told ? HELD_TOLD : HELD_UNTOLD);
	sql_bind_blob(q, 3, buf_view(&b));
	st = buf_status(&b) == ST_OK ? sql_run(q) : buf_status(&b);
	buf_free(&b);
	return st;
}

static enum status write_written(struct submitted *s)
{
	struct sql_stmt *q = s->q[Q_SET_WRITTEN];
	enum status st = ST_OK;

	for (size_t i = 0; i < s->n && st == ST_OK; i++) {
		sql_bind_int(q, 1, (int64_t)s->written[i].account);
		sql_bind_int(q, 2, s->written[i].hash);
		sql_bind_int(q, 3, s->written[i].at);
		sql_bind_int(q, 4, s->written[i].held);
		st = sql_run(q);
	}
	return st;
}

/* Those longest not written to go; some at a time, since they are to be sorted. */
static enum status trim(struct submitted *s, struct counted *c, int64_t known)
{
	struct sql_stmt *q = s->q[Q_N_WRITTEN];
	bool row = false;
	int64_t n = 0;
	enum status st;

	if (!c->trim && c->more < (uint64_t)known / 16)
		return ST_OK;
	sql_bind_int(q, 1, (int64_t)c->account);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		n = sql_col_int(q, 0);
	sql_reset(q);
	if (st == ST_OK && n > known) {
		sql_bind_int(s->q[Q_TRIM], 1, (int64_t)c->account);
		sql_bind_int(s->q[Q_TRIM], 2, n - known);
		st = sql_run(s->q[Q_TRIM]);
	}
	c->trim = false;
	c->more = 0;
	return st;
}

static enum status write_all(struct submitted *s)
{
	struct counted *c;
	size_t at = 0;
	enum status st = write_written(s);

	while (st == ST_OK && (c = map_next(&s->accounts, &at)) != NULL) {
		if (!c->dirty)
			continue;
		st = write_counts(s, c);
		if (st == ST_OK)
			st = trim(s, c, s->known);
	}
	return st;
}

enum status submitted_flush(struct submitted *s)
{
	struct counted *c;
	size_t at = 0;
	enum status st = sql_exec(s->db, "BEGIN IMMEDIATE");

	if (st != ST_OK)
		return st;
	st = write_all(s);
	if (st == ST_OK)
		st = sql_exec(s->db, "COMMIT");
	if (st != ST_OK) {
		(void)!sql_exec(s->db, "ROLLBACK");
		return st;
	}
	while ((c = map_next(&s->accounts, &at)) != NULL)
		c->dirty = false;
	s->n = 0;
	map_free(&s->fresh);
	s->dirty = false;
	return ST_OK;
}

void submitted_told(struct submitted *s, uint64_t account)
{
	struct counted *c = counted_of(s, account, clock_wall());

	if (c == NULL || !c->held)
		return;
	c->told = true;
	changed(s, c);
}

enum status submitted_release(struct submitted *s, uint64_t account, bool drop, bool *ret_held)
{
	struct counted *c = counted_of(s, account, clock_wall());
	struct sql_stmt *q = s->q[drop ? Q_DROP : Q_LET_GO];
	bool held;
	enum status st;

	if (c == NULL)
		return ST_NOMEM;
	held = c->held;
	c->held = c->told = false;
	c->telling = 0;
	c->windows[W_NEW_DAY] = (struct window){ 0 };
	slide_all(c, clock_wall());
	changed(s, c);
	/* What it wrote while held must be there to be let go. */
	st = submitted_flush(s);
	if (st == ST_OK) {
		sql_bind_int(q, 1, (int64_t)account);
		st = sql_run(q);
	}
	if (st == ST_OK)
		*ret_held = held;
	return st;
}

/* The next account of which something is known; 0: none. */
static uint64_t account_after(struct submitted *s, uint64_t account)
{
	struct sql_stmt *q = s->q[Q_ACCOUNTS];
	uint64_t next = 0;
	bool row = false;

	sql_bind_int(q, 1, (int64_t)account);
	if (sql_step(q, &row) == ST_OK && row)
		next = (uint64_t)sql_col_int(q, 0);
	sql_reset(q);
	return next;
}

enum status submitted_prune(struct submitted *s, unsigned n, bool (*is_there)(void *arg, uint64_t account), void *arg)
{
	static const int forget[] = { Q_FORGET_COUNTS, Q_FORGET_WRITTEN };
	enum status st = ST_OK;
	struct counted *c;

	while (n-- && st == ST_OK) {
		s->looked_at = account_after(s, s->looked_at);
		if (s->looked_at == 0)	/* from the beginning, the next time */
			break;
		c = map_get(&s->accounts, s->looked_at);
		/* What is not yet written would come back; the next round finds it. */
		if (is_there(arg, s->looked_at) || (c && c->dirty))
			continue;
		free(map_remove(&s->accounts, s->looked_at));
		for (int i = 0; i < 2 && st == ST_OK; i++) {
			sql_bind_int(s->q[forget[i]], 1, (int64_t)s->looked_at);
			st = sql_run(s->q[forget[i]]);
		}
	}
	return st;
}
