#include "directory/signing.h"
#include "directory/internal.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS signing_key (domain TEXT NOT NULL, selector TEXT NOT NULL,"
	" algorithm TEXT NOT NULL, state TEXT NOT NULL, public TEXT NOT NULL, created BIGINT NOT NULL,"
	" seen BIGINT NOT NULL, activated BIGINT NOT NULL, retired BIGINT NOT NULL,"
	" PRIMARY KEY (domain, selector));";

#define COLUMNS "domain, selector, algorithm, state, public, created, seen, activated, retired"

static const char *const texts[K_COUNT] = {
	[K_EACH] = "SELECT " COLUMNS " FROM signing_key WHERE domain = $1 ORDER BY created, selector",
	[K_ALL] = "SELECT " COLUMNS " FROM signing_key ORDER BY domain, created, selector",
	/* Selectors are never used twice (RFC 6376 6.1.2 has answers remembered). */
	[K_ADD] = "INSERT INTO signing_key (" COLUMNS ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9"
		  " WHERE (SELECT COUNT(*) FROM signing_key WHERE domain = $1) < $10",
	[K_SEEN] = "UPDATE signing_key SET seen = $3 WHERE domain = $1 AND selector = $2",
	[K_HAS_NEXT] = "SELECT 1 FROM signing_key WHERE domain = $1 AND state = 'next'",
	[K_RETIRE] = "UPDATE signing_key SET state = 'retired', retired = $2 WHERE domain = $1 AND state = 'active'",
	[K_ACTIVATE] = "UPDATE signing_key SET state = 'active', activated = $2 WHERE domain = $1 AND state = 'next'",
	[K_STATE] = "SELECT state FROM signing_key WHERE domain = $1 AND selector = $2",
	[K_REMOVE] = "DELETE FROM signing_key WHERE domain = $1 AND selector = $2",
	[K_FORGET] = "DELETE FROM signing_key WHERE domain = $1",
};

static const char *const algorithms[] = { [SIGNING_RSA] = "rsa", [SIGNING_ED25519] = "ed25519" };
static const char *const states[] = {
	[SIGNING_NEXT] = "next", [SIGNING_ACTIVE] = "active", [SIGNING_RETIRED] = "retired",
};

enum status signing_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, K_COUNT, d->k);
}

/* ---- words ---- */

const char *signing_algorithm_word(enum signing_algorithm a)
{
	return algorithms[a];
}

const char *signing_state_word(enum signing_state s)
{
	return states[s];
}

void signing_put_record(const struct signing_key *k, struct buf *out)
{
	buf_putf(out, "v=DKIM1; k=%s; p=%.*s", algorithms[k->algorithm], VIEW_ARG(k->public_key));
}

static bool is_selector(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!(v.p[i] >= 'a' && v.p[i] <= 'z') && !ascii_digit(v.p[i]))
			return false;
	return v.n > 0 && v.n <= SIGNING_SELECTOR_MAX;
}

/* ---- reading ---- */

static enum status read_row(struct sql_stmt *q, struct signing_key *ret)
{
	unsigned algorithm = 0, state = 0;
	enum status st = directory_word(sql_col_view(q, 2), algorithms, sizeof algorithms / sizeof *algorithms, &algorithm);

	if (st == ST_OK)
		st = directory_word(sql_col_view(q, 3), states, sizeof states / sizeof *states, &state);
	if (st == ST_OK)
		*ret = (struct signing_key){
			.domain = sql_col_view(q, 0), .selector = sql_col_view(q, 1),
			.algorithm = (enum signing_algorithm)algorithm, .state = (enum signing_state)state,
			.public_key = sql_col_view(q, 4), .created = sql_col_int(q, 5), .seen = sql_col_int(q, 6),
			.activated = sql_col_int(q, 7), .retired = sql_col_int(q, 8),
		};
	return st;
}

enum status signing_each(struct directory *d, struct view domain, signing_row *row, void *arg)
{
	struct sql_stmt *q = d->k[domain.n ? K_EACH : K_ALL];
	char low[FOLDED_MAX];
	struct signing_key k;
	bool more = false;
	enum status st;

	if (domain.n)
		sql_bind_text(q, 1, directory_folded(domain, low));
	while ((st = sql_step(q, &more)) == ST_OK && more) {
		st = read_row(q, &k);
		if (st != ST_OK)
			break;
		row(arg, &k);
	}
	sql_reset(q);
	return st;
}

/* ---- changes ---- */

enum status signing_add(struct directory *d, const struct signing_key *k)
{
	enum verdict ours = directory_has_domain(d, k->domain);
	struct sql_stmt *q = d->k[K_ADD];
	char low[FOLDED_MAX];
	enum status st;

	if (!is_selector(k->selector) || k->public_key.n > SIGNING_PUBLIC_MAX)
		return ST_SYNTAX;
	if (ours != VERDICT_OK)
		return ours == VERDICT_NO ? ST_MISSING : ST_IO;
	sql_bind_text(q, 1, directory_folded(k->domain, low));
	sql_bind_text(q, 2, k->selector);
	sql_bind_text(q, 3, view_cstr(algorithms[k->algorithm]));
	sql_bind_text(q, 4, view_cstr(states[k->state]));
	sql_bind_text(q, 5, k->public_key);
	sql_bind_int(q, 6, k->created);
	sql_bind_int(q, 7, k->seen);
	sql_bind_int(q, 8, k->activated);
	sql_bind_int(q, 9, k->retired);
	sql_bind_int(q, 10, SIGNING_KEYS_MOST);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_LIMIT : st;
}

enum status signing_set_seen(struct directory *d, struct view domain, struct view selector, wall_ms seen)
{
	struct sql_stmt *q = d->k[K_SEEN];
	char low[FOLDED_MAX];
	enum status st;

	sql_bind_text(q, 1, directory_folded(domain, low));
	sql_bind_text(q, 2, selector);
	sql_bind_int(q, 3, seen);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

static enum status move(struct directory *d, enum signing_query which, struct view low, wall_ms now)
{
	sql_bind_text(d->k[which], 1, low);
	sql_bind_int(d->k[which], 2, now);
	return sql_run(d->k[which]);
}

/* Within a transaction. */
static enum status switch_all(struct directory *d, struct view low, wall_ms now)
{
	bool any = false;
	enum status st;

	sql_bind_text(d->k[K_HAS_NEXT], 1, low);
	st = sql_step(d->k[K_HAS_NEXT], &any);
	sql_reset(d->k[K_HAS_NEXT]);
	if (st == ST_OK && !any)
		return ST_MISSING;
	if (st == ST_OK)
		st = move(d, K_RETIRE, low, now);
	return st == ST_OK ? move(d, K_ACTIVATE, low, now) : st;
}

enum status signing_switch(struct directory *d, struct view domain, wall_ms now)
{
	char low[FOLDED_MAX];
	enum status st = directory_begin(d);

	if (st != ST_OK)
		return st;
	st = switch_all(d, directory_folded(domain, low), now);
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

static enum status may_remove(struct directory *d, struct view low, struct view selector)
{
	struct sql_stmt *q = d->k[K_STATE];
	bool there = false;
	enum status st;

	sql_bind_text(q, 1, low);
	sql_bind_text(q, 2, selector);
	st = sql_step(q, &there);
	if (st == ST_OK)
		st = !there ? ST_MISSING : view_eq(sql_col_view(q, 0), VIEW("active")) ? ST_DENIED : ST_OK;
	sql_reset(q);
	return st;
}

enum status signing_remove(struct directory *d, struct view domain, struct view selector)
{
	char buf[FOLDED_MAX];
	struct view low = directory_folded(domain, buf);
	enum status st = may_remove(d, low, selector);

	if (st != ST_OK)
		return st;
	sql_bind_text(d->k[K_REMOVE], 1, low);
	sql_bind_text(d->k[K_REMOVE], 2, selector);
	return sql_run(d->k[K_REMOVE]);
}

enum status signing_forget(struct directory *d, struct view domain)
{
	char low[FOLDED_MAX];

	sql_bind_text(d->k[K_FORGET], 1, directory_folded(domain, low));
	return sql_run(d->k[K_FORGET]);
}
