#include "directory/internal.h"

#include <stdlib.h>

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS domain (name TEXT PRIMARY KEY);"
	"CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE,"
	" shown TEXT NOT NULL, verifier TEXT NOT NULL, quota BIGINT NOT NULL, created BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS alias (address TEXT NOT NULL, shown TEXT NOT NULL,"
	" target TEXT NOT NULL, PRIMARY KEY (address, target));"
	"CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);";

/* Every statement, in one place; the enum names them. */
enum {
	Q_DOMAIN,
	Q_ACCOUNT,
	Q_ACCOUNT_BY_ID,
	Q_ADD_DOMAIN,
	Q_REMOVE_DOMAIN,
	Q_NEXT_ID,
	Q_LAST_ID,
	Q_ADD_ACCOUNT,
	Q_SET_VERIFIER,
	Q_REMOVE_ACCOUNT,
	Q_ADD_ALIAS,
	Q_REMOVE_ALIAS,
	Q_REMOVE_ALIASES,
	Q_DOMAIN_USED,
	Q_EACH_DOMAIN,
	Q_EACH_ACCOUNT,
	Q_EACH_ALIAS,
	Q_COUNT,
};

static const char *const texts[Q_COUNT] = {
	[Q_DOMAIN] = "SELECT 1 FROM domain WHERE name = $1",
	[Q_ACCOUNT] = "SELECT id, shown, verifier, quota, created FROM account WHERE address = $1",
	[Q_ACCOUNT_BY_ID] = "SELECT id, shown, verifier, quota, created FROM account WHERE id = $1",
	[Q_ADD_DOMAIN] = "INSERT INTO domain (name) VALUES ($1)",
	[Q_REMOVE_DOMAIN] = "DELETE FROM domain WHERE name = $1",
	[Q_NEXT_ID] = "INSERT INTO counter (name, value) VALUES ('account', 1)"
		      " ON CONFLICT (name) DO UPDATE SET value = counter.value + 1",
	[Q_LAST_ID] = "SELECT value FROM counter WHERE name = 'account'",
	[Q_ADD_ACCOUNT] = "INSERT INTO account (id, address, shown, verifier, quota, created)"
			  " VALUES ($1, $2, $3, $4, $5, $6)",
	[Q_SET_VERIFIER] = "UPDATE account SET verifier = $2 WHERE address = $1",
	[Q_REMOVE_ACCOUNT] = "DELETE FROM account WHERE address = $1",
	[Q_ADD_ALIAS] = "INSERT INTO alias (address, shown, target) VALUES ($1, $2, $3)",
	[Q_REMOVE_ALIAS] = "DELETE FROM alias WHERE address = $1 AND target = $2",
	[Q_REMOVE_ALIASES] = "DELETE FROM alias WHERE address = $1",
	[Q_DOMAIN_USED] = "SELECT 1 FROM account WHERE address LIKE '%@' || $1"
			  " UNION SELECT 1 FROM alias WHERE address LIKE '%@' || $1",
	[Q_EACH_DOMAIN] = "SELECT name, '', 0 FROM domain ORDER BY name",
	[Q_EACH_ACCOUNT] = "SELECT shown, '', id FROM account ORDER BY address",
	[Q_EACH_ALIAS] = "SELECT shown, target, 0 FROM alias ORDER BY address, target",
};

_Static_assert((int)Q_COUNT <= (int)DIRECTORY_QUERIES, "the struct has room for all");

enum status directory_prepare(struct directory *d, const char *schema_of, const char *const *texts_of, size_t n,
			      struct sql_stmt **ret)
{
	enum status st = sql_exec(d->db, schema_of);

	for (size_t i = 0; i < n && st == ST_OK; i++)
		st = sql_prepare(d->db, texts_of[i], &ret[i]);
	return st;
}

static void finish(struct sql_stmt **q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sql_finish(q[i]);
}

enum status directory_open(const char *path, struct directory **ret)
{
	struct directory *d = calloc(1, sizeof *d);
	enum status st;

	if (d == NULL)
		return ST_NOMEM;
	st = sql_open(&sql_sqlite, path, SQL_DURABLE, &d->db);
	if (st == ST_OK)
		st = directory_prepare(d, schema, texts, Q_COUNT, d->q);
	if (st == ST_OK)
		st = secrets_open(d);
	if (st == ST_OK)
		st = routes_open(d);
	if (st == ST_OK)
		st = signing_open(d);
	if (st == ST_OK)
		st = numbers_open(d);
	if (st == ST_OK)
		st = certificates_open(d);
	if (st == ST_OK)
		st = acme_open(d);
	if (st != ST_OK) {
		directory_close(d);
		return st;
	}
	*ret = d;
	return ST_OK;
}

void directory_close(struct directory *d)
{
	if (d == NULL)
		return;
	finish(d->q, Q_COUNT);
	finish(d->s, S_COUNT);
	finish(d->r, R_COUNT);
	finish(d->k, K_COUNT);
	finish(d->n, N_COUNT);
	finish(d->c, C_COUNT);
	finish(d->a, A_COUNT);
	sql_close(d->db);
	free(d);
}

struct view directory_folded(struct view v, char out[FOLDED_MAX])
{
	if (v.n > ADDRESS_MAX)
		return VIEW_NONE;
	for (size_t i = 0; i < v.n; i++)
		out[i] = ascii_lower(v.p[i]);
	return view_make(out, v.n);
}

struct view directory_domain_of(struct view address)
{
	return view_skip(address, view_behind_last(address, '@'));
}

enum status directory_word(struct view word, const char *const *words, unsigned n, unsigned *ret)
{
	for (unsigned i = 0; i < n; i++)
		if (view_eq(word, view_cstr(words[i]))) {
			*ret = i;
			return ST_OK;
		}
	return ST_SYNTAX;
}

static enum status has(struct directory *d, int q, struct view key, bool *ret_has)
{
	enum status st;

	sql_bind_text(d->q[q], 1, key);
	st = sql_step(d->q[q], ret_has);
	sql_reset(d->q[q]);
	return st;
}

static enum status account_row(struct sql_stmt *q, struct arena *a, struct account *ret)
{
	struct account acc;
	bool row;
	enum status st = sql_step(q, &row);

	if (st == ST_OK && !row)
		st = ST_MISSING;
	if (st == ST_OK) {
		acc.id = (uint64_t)sql_col_int(q, 0);
		acc.address = arena_copy(a, sql_col_view(q, 1));
		acc.verifier = arena_copy(a, sql_col_view(q, 2));
		acc.quota = sql_col_int(q, 3);
		acc.created = sql_col_int(q, 4);
		st = arena_status(a);
	}
	sql_reset(q);
	if (st == ST_OK)
		*ret = acc;
	return st;
}

enum status directory_account(struct directory *d, struct view address, struct arena *a,
			      struct account *ret)
{
	char low[ADDRESS_MAX];

	sql_bind_text(d->q[Q_ACCOUNT], 1, directory_folded(address, low));
	return account_row(d->q[Q_ACCOUNT], a, ret);
}

enum status directory_account_by_id(struct directory *d, uint64_t id, struct arena *a,
				    struct account *ret)
{
	sql_bind_int(d->q[Q_ACCOUNT_BY_ID], 1, (int64_t)id);
	return account_row(d->q[Q_ACCOUNT_BY_ID], a, ret);
}

/* ---- changes ---- */

static enum status change(struct directory *d, int q, struct view a, struct view b)
{
	char low[ADDRESS_MAX];
	enum status st;

	sql_bind_text(d->q[q], 1, directory_folded(a, low));
	if (b.p)
		sql_bind_text(d->q[q], 2, b);
	st = sql_run(d->q[q]);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

/* Labels of letters, digits, hyphens and UTF-8, with dots between (RFC 5321
 * 4.1.2, RFC 6531 3.3). */
static bool is_domain(struct view v)
{
	char before = '.';

	if (v.n == 0 || v.n > ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < v.n; before = v.p[i++]) {
		bool edge = i + 1 == v.n || v.p[i + 1] == '.';

		if (v.p[i] == '.' ? before == '.' : v.p[i] == '-' ? before == '.' || edge
			 : !ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && !(v.p[i] & 0x80))
			return false;
	}
	return before != '.';
}

/* A local part without blanks and controls, and a domain. */
bool directory_is_address(struct view v)
{
	struct view domain = directory_domain_of(v);

	if (v.n > ADDRESS_MAX || domain.n == v.n || domain.n + 1 == v.n)
		return false;
	for (size_t i = 0; i < v.n - domain.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || v.p[i] == 0x7f)
			return false;
	return is_domain(domain);
}

/* "@DOMAIN": every address of it that is nobody's. */
static bool is_catch_all(struct view v)
{
	return v.n && v.p[0] == '@' && is_domain(view_skip(v, 1));
}

enum verdict directory_has_domain(struct directory *d, struct view domain)
{
	char low[ADDRESS_MAX];
	bool ours = false;

	if (!is_domain(domain))
		return VERDICT_NO;
	if (has(d, Q_DOMAIN, directory_folded(domain, low), &ours) != ST_OK)
		return VERDICT_LATER;
	return ours ? VERDICT_OK : VERDICT_NO;
}

enum status directory_add_domain(struct directory *d, struct view domain)
{
	if (!is_domain(domain))
		return ST_SYNTAX;
	return change(d, Q_ADD_DOMAIN, domain, VIEW_NONE);
}

enum status directory_remove_domain(struct directory *d, struct view domain)
{
	char low[ADDRESS_MAX];
	bool used = false;
	enum status st = is_domain(domain) ? has(d, Q_DOMAIN_USED, directory_folded(domain, low), &used) : ST_MISSING;

	if (st != ST_OK)
		return st;
	if (used)
		return ST_DENIED;
	/* Keys without a domain sign nothing: a crash between the two costs nobody. */
	st = change(d, Q_REMOVE_DOMAIN, domain, VIEW_NONE);
	if (st == ST_OK)
		st = certificates_forget(d, domain);
	return st == ST_OK ? signing_forget(d, domain) : st;
}

enum status directory_begin(struct directory *d)
{
	enum status st = sql_exec(d->db, "BEGIN IMMEDIATE");

	d->batch = st == ST_OK;
	return st;
}

enum status directory_end(struct directory *d, bool keep)
{
	enum status st = sql_exec(d->db, keep ? "COMMIT" : "ROLLBACK");

	d->batch = false;
	/* A commit that failed leaves its transaction open. */
	if (st != ST_OK && keep && sql_exec(d->db, "ROLLBACK") != ST_OK)
		return ST_IO;
	return st;
}

static enum status insert_account(struct directory *d, struct view address, struct view verifier,
				  int64_t quota, uint64_t *ret_id)
{
	char low[ADDRESS_MAX];
	struct sql_stmt *q = d->q[Q_ADD_ACCOUNT];
	bool row;
	int64_t id;
	enum status st = sql_run(d->q[Q_NEXT_ID]);

	if (st == ST_OK)
		st = sql_step(d->q[Q_LAST_ID], &row);
	if (st != ST_OK)
		return st;
	id = sql_col_int(d->q[Q_LAST_ID], 0);
	sql_reset(d->q[Q_LAST_ID]);
	sql_bind_int(q, 1, id);
	sql_bind_text(q, 2, directory_folded(address, low));
	sql_bind_text(q, 3, address);
	sql_bind_text(q, 4, verifier);
	sql_bind_int(q, 5, quota);
	sql_bind_int(q, 6, clock_wall());
	st = sql_run(q);
	if (st == ST_OK)
		*ret_id = (uint64_t)id;
	return st;
}

enum status directory_add_account(struct directory *d, struct view address, struct view verifier,
				  int64_t quota, uint64_t *ret_id)
{
	char low[ADDRESS_MAX];
	bool ours;
	enum status st;

	if (!directory_is_address(address))
		return ST_SYNTAX;
	st = has(d, Q_DOMAIN, directory_domain_of(directory_folded(address, low)), &ours);
	if (st != ST_OK)
		return st;
	if (!ours)
		return ST_MISSING;
	if (d->batch)
		return insert_account(d, address, verifier, quota, ret_id);
	st = directory_begin(d);
	if (st != ST_OK)
		return st;
	st = insert_account(d, address, verifier, quota, ret_id);
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

/* What several statements do, in a transaction of their own where the caller
 * has none. */
static enum status together(struct directory *d, struct view address,
			    enum status (*fn)(struct directory *d, const struct account *acc, struct view arg),
			    struct view arg)
{
	struct arena arena = ARENA(8192);
	struct account acc;
	bool own = !d->batch;
	enum status st = own ? directory_begin(d) : ST_OK;

	if (st != ST_OK)
		return st;
	st = directory_account(d, address, &arena, &acc);
	if (st == ST_OK)
		st = fn(d, &acc, arg);
	arena_free(&arena);
	if (!own)
		return st;
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

static enum status set_verifier(struct directory *d, const struct account *acc, struct view verifier)
{
	enum status st = change(d, Q_SET_VERIFIER, acc->address, verifier);

	return st == ST_OK ? secrets_forget_keys(d, acc->id) : st;
}

enum status directory_set_verifier(struct directory *d, struct view address, struct view verifier)
{
	return together(d, address, set_verifier, verifier);
}

static enum status remove_account(struct directory *d, const struct account *acc, struct view none)
{
	enum status st = change(d, Q_REMOVE_ACCOUNT, acc->address, none);

	if (st == ST_OK)
		st = secrets_forget_all(d, acc->id);
	if (st == ST_OK)
		st = forward_forget(d, acc->id);
	if (st == ST_OK)
		st = certificates_revoke_account(d, acc->id);
	if (st == ST_OK)
		st = acme_forget(d, acc->id);
	return st == ST_OK ? numbers_forget(d, acc->id) : st;
}

enum status directory_remove_account(struct directory *d, struct view address)
{
	return together(d, address, remove_account, VIEW_NONE);
}

enum status directory_add_alias(struct directory *d, struct view address, struct view target)
{
	char low[ADDRESS_MAX];
	bool ours;
	enum status st;

	if ((!directory_is_address(address) && !is_catch_all(address)) || !directory_is_address(target))
		return ST_SYNTAX;
	st = has(d, Q_DOMAIN, directory_domain_of(directory_folded(address, low)), &ours);
	if (st != ST_OK)
		return st;
	if (!ours)
		return ST_MISSING;
	sql_bind_text(d->q[Q_ADD_ALIAS], 1, directory_folded(address, low));
	sql_bind_text(d->q[Q_ADD_ALIAS], 2, address);
	sql_bind_text(d->q[Q_ADD_ALIAS], 3, target);
	return sql_run(d->q[Q_ADD_ALIAS]);
}

enum status directory_remove_alias(struct directory *d, struct view address, struct view target)
{
	return target.n ? change(d, Q_REMOVE_ALIAS, address, target)
			: change(d, Q_REMOVE_ALIASES, address, VIEW_NONE);
}

/* ---- listings ---- */

enum status directory_each(struct sql_stmt *q, directory_row *row, void *arg)
{
	bool more = false;
	enum status st;

	while ((st = sql_step(q, &more)) == ST_OK && more)
		row(arg, sql_col_view(q, 0), sql_col_view(q, 1), (uint64_t)sql_col_int(q, 2));
	sql_reset(q);
	return st;
}

enum status directory_each_domain(struct directory *d, directory_row *row, void *arg)
{
	return directory_each(d->q[Q_EACH_DOMAIN], row, arg);
}

enum status directory_each_account(struct directory *d, directory_row *row, void *arg)
{
	return directory_each(d->q[Q_EACH_ACCOUNT], row, arg);
}

enum status directory_each_alias(struct directory *d, directory_row *row, void *arg)
{
	return directory_each(d->q[Q_EACH_ALIAS], row, arg);
}
