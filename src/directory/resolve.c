/* resolve.c - where letters for an address go: accounts and where they
 * forward to, groups, aliases, details, catch-alls. */
#include "directory/group.h"
#include "directory/internal.h"

#include <string.h>

enum { TARGETS_MAX = 64, ARENA_MAX = 1024 * 1024 };

static const char schema[] =
	/* target empty: the account keeps a copy */
	"CREATE TABLE IF NOT EXISTS forward (account BIGINT NOT NULL, target TEXT NOT NULL,"
	" PRIMARY KEY (account, target));"
	"CREATE TABLE IF NOT EXISTS list (address TEXT PRIMARY KEY, shown TEXT NOT NULL,"
	" owner TEXT NOT NULL, post TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS member (list TEXT NOT NULL, address TEXT NOT NULL, shown TEXT NOT NULL,"
	" PRIMARY KEY (list, address));";

static const char *const texts[R_COUNT] = {
	[R_DOMAIN] = "SELECT 1 FROM domain WHERE name = $1",
	[R_ALIAS] = "SELECT target FROM alias WHERE address = $1 ORDER BY target",
	[R_POSTMASTER] = "SELECT address FROM account WHERE address LIKE 'postmaster@%'"
			 " UNION SELECT address FROM alias WHERE address LIKE 'postmaster@%' ORDER BY 1 LIMIT 1",
	[R_FIRST_ACCOUNT] = "SELECT address FROM account ORDER BY id LIMIT 1",
	[R_FORWARD] = "SELECT target, '', 0 FROM forward WHERE account = $1 ORDER BY target",
	[R_ADD_FORWARD] = "INSERT INTO forward (account, target) VALUES ($1, $2)",
	[R_DROP_FORWARD] = "DELETE FROM forward WHERE account = $1",
	[R_GROUP] = "SELECT shown, owner, post FROM list WHERE address = $1",
	[R_MEMBERS] = "SELECT shown, '', 0 FROM member WHERE list = $1 ORDER BY address",
	[R_IS_MEMBER] = "SELECT 1 FROM member WHERE list = $1 AND address = $2",
	[R_TAKEN] = "SELECT 1 FROM account WHERE address = $1 UNION SELECT 1 FROM alias WHERE address = $1",
	[R_ADD_GROUP] = "INSERT INTO list (address, shown, owner, post) VALUES ($1, $2, $3, $4)",
	[R_REMOVE_GROUP] = "DELETE FROM list WHERE address = $1",
	[R_ADD_MEMBER] = "INSERT INTO member (list, address, shown)"
			 " SELECT $1, $2, $3 WHERE (SELECT COUNT(*) FROM member WHERE list = $1) < $4",
	[R_REMOVE_MEMBER] = "DELETE FROM member WHERE list = $1 AND address = $2",
	[R_DROP_MEMBERS] = "DELETE FROM member WHERE list = $1",
	[R_EACH_GROUP] = "SELECT shown, owner, (SELECT COUNT(*) FROM member WHERE member.list = list.address)"
			 " FROM list ORDER BY address",
};

enum status routes_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, R_COUNT, d->r);
}

/* ---- one question ---- */

struct resolving {
	struct directory *d;
	const struct asked *asked;
	struct arena *arena;
	struct buf *out;
	struct target as;			/* how what is put now is reached */
	struct view chain[ALIAS_DEPTH];		/* what leads here */
	unsigned depth, found;
};

static enum verdict resolve(struct resolving *r, struct view address);

static void put(struct resolving *r, uint64_t account, struct view address)
{
	struct cursor c = cursor_over(buf_view(r->out));
	struct target t = r->as, before;

	t.account = account;
	t.address = address;
	/* Once is enough, by whatever way. */
	while (target_take(&c, &before))
		if (before.account == account && view_eq_i(before.address, address))
			return;
	target_put(r->out, &t);
}

static bool leads_here(const struct resolving *r, struct view key)
{
	for (unsigned i = 0; i < r->depth; i++)
		if (view_eq(r->chain[i], key))
			return true;
	return false;
}

/* What the statement says, at most TARGETS_MAX.  False: it cannot be said now. */
static bool read_targets(struct resolving *r, struct sql_stmt *q, struct view *targets, size_t most, size_t *ret_n)
{
	size_t n = 0;
	bool row = false;
	enum status st = ST_OK;

	while (n < most && (st = sql_step(q, &row)) == ST_OK && row)
		targets[n++] = arena_copy(r->arena, sql_col_view(q, 0));
	sql_reset(q);
	*ret_n = n;
	return st == ST_OK && arena_status(r->arena) == ST_OK;
}

/* To each of them.  VERDICT_OK: to one at least. */
static enum verdict lead(struct resolving *r, struct view key, const struct view *targets, size_t n)
{
	enum verdict v = VERDICT_NO;

	if (r->depth >= ALIAS_DEPTH)
		return n ? VERDICT_LATER : VERDICT_NO;
	r->chain[r->depth++] = key;
	for (size_t i = 0; i < n && v != VERDICT_LATER; i++) {
		enum verdict one = resolve(r, targets[i]);

		if (one == VERDICT_RELAY) {
			put(r, 0, targets[i]);
			one = VERDICT_OK;
		}
		if (one == VERDICT_OK || one == VERDICT_LATER || v == VERDICT_NO)
			v = one;
	}
	r->depth--;
	return v;
}

static enum verdict resolve_alias(struct resolving *r, struct view key)
{
	struct view targets[TARGETS_MAX];
	size_t n;

	sql_bind_text(r->d->r[R_ALIAS], 1, key);
	if (!read_targets(r, r->d->r[R_ALIAS], targets, TARGETS_MAX, &n))
		return VERDICT_LATER;
	return n ? lead(r, key, targets, n) : VERDICT_NO;
}

/* The account's own copy, or where it sends its letters on to.  What would
 * come back to it, or leads nowhere, stays: nothing is lost by a forward. */
static enum verdict resolve_account(struct resolving *r, struct view key, const struct account *acc)
{
	struct view targets[FORWARDS_MAX + 1];
	struct target as = r->as;
	size_t n = 0, keep;
	enum verdict v = VERDICT_NO;

	sql_bind_int(r->d->r[R_FORWARD], 1, (int64_t)acc->id);
	if (!r->asked->owners && !leads_here(r, key) &&
	    !read_targets(r, r->d->r[R_FORWARD], targets, FORWARDS_MAX + 1, &n))
		return VERDICT_LATER;
	keep = n && targets[0].n == 0;
	if (n > keep) {
		/* A member stays one: the fields of the list go with the letter. */
		if (r->as.via_kind != VIA_GROUP) {
			r->as.via_kind = VIA_FORWARD;
			r->as.via = acc->address;
		}
		r->as.detail = VIEW_NONE;
		v = lead(r, key, targets + keep, n - keep);
		r->as = as;
	}
	if (v == VERDICT_LATER)
		return v;
	if (keep || v != VERDICT_OK)
		put(r, acc->id, acc->address);
	return VERDICT_OK;
}

static enum verdict resolve_group(struct resolving *r, struct view key)
{
	struct view *members = arena_array(r->arena, GROUP_MEMBERS, sizeof *members);
	struct target as = r->as;
	struct group g;
	size_t n;
	enum status st = directory_group(r->d, key, r->arena, &g);
	enum verdict v;

	if (st == ST_MISSING || r->asked->owners)
		return VERDICT_NO;
	if (st != ST_OK || members == NULL)
		return VERDICT_LATER;
	/* A group that is a member of another gets what that one took. */
	if (r->as.via_kind != VIA_GROUP) {
		v = group_may_post(r->d, &g, r->asked);
		if (v != VERDICT_OK)
			return v;
	}
	sql_bind_text(r->d->r[R_MEMBERS], 1, key);
	if (!read_targets(r, r->d->r[R_MEMBERS], members, GROUP_MEMBERS, &n))
		return VERDICT_LATER;
	r->as = (struct target){ .via_kind = VIA_GROUP, .via = g.address, .sender = g.owner };
	v = lead(r, key, members, n);
	r->as = as;
	return v;
}

/* The address as it stands. */
static enum verdict resolve_exact(struct resolving *r, struct view key)
{
	struct account acc;
	enum status st = directory_account(r->d, key, r->arena, &acc);
	enum verdict v;

	if (st == ST_OK)
		return resolve_account(r, key, &acc);
	if (st != ST_MISSING)
		return VERDICT_LATER;
	v = resolve_group(r, key);
	return v == VERDICT_NO ? resolve_alias(r, key) : v;
}

/* user+detail@domain as user@domain.  0: there is no detail. */
static size_t name_length(struct view address, struct view separators)
{
	size_t local = address.n - directory_domain_of(address).n;

	for (size_t i = 1; i + 1 < local; i++)
		if (separators.n && memchr(separators.p, address.p[i], separators.n))
			return i;
	return 0;
}

static enum verdict resolve_detail(struct resolving *r, struct view address, struct view key, size_t n)
{
	struct view domain = directory_domain_of(key), detail = r->as.detail;
	struct buf base = BUF(ADDRESS_MAX + 1);
	struct view text;
	enum verdict v;

	buf_put(&base, view_head(key, n));
	buf_putc(&base, '@');
	buf_put(&base, domain);
	text = arena_copy(r->arena, buf_view(&base));
	buf_free(&base);
	r->as.detail = arena_copy(r->arena, view_head(view_skip(address, n + 1), address.n - domain.n - n - 2));
	v = resolve_exact(r, text);
	r->as.detail = detail;
	return v;
}

static enum verdict resolve_ours(struct resolving *r, struct view address, struct view key)
{
	size_t n = name_length(address, r->asked->separators);
	struct view domain = directory_domain_of(key);
	enum verdict v = resolve_exact(r, key);

	if (v == VERDICT_NO && n)
		v = resolve_detail(r, address, key, n);
	return v == VERDICT_NO && domain.n < key.n ? resolve_alias(r, view_skip(key, key.n - domain.n - 1)) : v;
}

static enum verdict resolve(struct resolving *r, struct view address)
{
	char low[ADDRESS_MAX];
	struct view key = arena_copy(r->arena, directory_folded(address, low));
	struct sql_stmt *q = r->d->r[R_DOMAIN];
	bool ours;
	enum status st;

	if (key.n == 0 || ++r->found > ALIAS_FAN)
		return key.n ? VERDICT_LATER : VERDICT_NO;
	sql_bind_text(q, 1, directory_domain_of(key));
	st = sql_step(q, &ours);
	sql_reset(q);
	if (st != ST_OK)
		return VERDICT_LATER;
	return ours ? resolve_ours(r, address, key) : VERDICT_RELAY;
}

/* ---- postmaster ---- */

static enum verdict resolve_found(struct resolving *r, int q)
{
	struct view found;
	size_t n;

	if (!read_targets(r, r->d->r[q], &found, 1, &n))
		return VERDICT_LATER;
	return n ? resolve(r, found) : VERDICT_NO;
}

/* Postmaster is always at home (RFC 5321 4.5.1): with a domain of ours or
 * without one, as an account, as an alias, or else as the first account. */
static enum verdict resolve_postmaster(struct resolving *r, bool bare)
{
	enum verdict v = bare ? resolve_found(r, R_POSTMASTER) : VERDICT_NO;

	return v == VERDICT_NO ? resolve_found(r, R_FIRST_ACCOUNT) : v;
}

enum verdict directory_resolve(struct directory *d, const struct asked *q, struct buf *out)
{
	static const struct view postmaster = { "postmaster@", 11 };
	struct view address = q->address;
	struct arena arena = ARENA(ARENA_MAX);
	struct resolving r = { .d = d, .asked = q, .arena = &arena, .out = out };
	bool bare = address.n == postmaster.n - 1 && view_eq_i(address, view_head(postmaster, address.n));
	enum verdict v = bare ? VERDICT_NO : resolve(&r, address);

	if (v == VERDICT_NO && (bare || view_starts_i(address, postmaster)))
		v = resolve_postmaster(&r, bare);
	arena_free(&arena);
	return buf_status(out) == ST_OK ? v : VERDICT_LATER;
}
