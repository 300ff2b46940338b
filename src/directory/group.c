#include "directory/group.h"
#include "directory/internal.h"

static const char *const words[] = {
	[POST_ANYONE] = "anyone", [POST_MEMBERS] = "members", [POST_DOMAIN] = "domain",
};
enum { WORDS_N = sizeof words / sizeof *words };

enum status group_post_take(struct view word, enum group_post *ret)
{
	for (unsigned i = 0; i < WORDS_N; i++) {
		if (view_eq(word, view_cstr(words[i]))) {
			*ret = (enum group_post)i;
			return ST_OK;
		}
	}
	return ST_SYNTAX;
}

const char *group_post_word(enum group_post post)
{
	return words[post];
}

static enum status has(struct sql_stmt *q, bool *ret_has)
{
	enum status st = sql_step(q, ret_has);

	sql_reset(q);
	return st;
}

enum status directory_group(struct directory *d, struct view address, struct arena *a, struct group *ret)
{
	char low[ADDRESS_MAX];
	struct sql_stmt *q = d->r[R_GROUP];
	struct group g;
	bool row;
	enum status st;

	sql_bind_text(q, 1, directory_folded(address, low));
	st = sql_step(q, &row);
	if (st == ST_OK && !row)
		st = ST_MISSING;
	if (st == ST_OK) {
		g.address = arena_copy(a, sql_col_view(q, 0));
		g.owner = arena_copy(a, sql_col_view(q, 1));
		st = group_post_take(sql_col_view(q, 2), &g.post);
	}
	sql_reset(q);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = g;
	return st;
}

/* ---- who may post ---- */

static enum verdict is_member(struct directory *d, const struct group *g, struct view address)
{
	char low[ADDRESS_MAX], group[ADDRESS_MAX];
	bool member = false;

	sql_bind_text(d->r[R_IS_MEMBER], 1, directory_folded(g->address, group));
	sql_bind_text(d->r[R_IS_MEMBER], 2, directory_folded(address, low));
	if (has(d->r[R_IS_MEMBER], &member) != ST_OK)
		return VERDICT_LATER;
	return member || view_eq_i(address, g->owner) ? VERDICT_OK : VERDICT_DENIED;
}

/* Who has logged in is a member also when he writes by another address of his. */
static enum verdict is_members_account(struct directory *d, const struct group *g, uint64_t account)
{
	struct arena arena = ARENA(8192);
	struct account acc;
	enum status st = directory_account_by_id(d, account, &arena, &acc);
	enum verdict v = st == ST_OK ? is_member(d, g, acc.address) : st == ST_MISSING ? VERDICT_DENIED : VERDICT_LATER;

	arena_free(&arena);
	return v;
}

enum verdict group_may_post(struct directory *d, const struct group *g, const struct asked *q)
{
	struct view domain = directory_domain_of(q->sender);
	enum verdict v;

	if (q->sender.n == 0)
		return VERDICT_DENIED;
	if (g->post == POST_ANYONE)
		return VERDICT_OK;
	v = q->account ? VERDICT_NO : directory_has_domain(d, domain);
	if (v != VERDICT_NO)
		return v == VERDICT_OK ? VERDICT_DENIED : v;
	if (g->post == POST_DOMAIN)
		return view_eq_i(domain, directory_domain_of(g->address)) ? VERDICT_OK : VERDICT_DENIED;
	v = is_member(d, g, q->sender);
	return v == VERDICT_DENIED && q->account ? is_members_account(d, g, q->account) : v;
}

/* ---- changes ---- */

static enum status ours(struct directory *d, struct view address)
{
	enum verdict v;

	if (!directory_is_address(address))
		return ST_SYNTAX;
	v = directory_has_domain(d, directory_domain_of(address));
	return v == VERDICT_OK ? ST_OK : v == VERDICT_NO ? ST_MISSING : ST_IO;
}

enum status directory_add_group(struct directory *d, const struct group *g)
{
	char low[ADDRESS_MAX];
	struct sql_stmt *q = d->r[R_ADD_GROUP];
	bool taken = false;
	enum status st = ours(d, g->address);

	if (st == ST_OK)
		st = ours(d, g->owner);
	if (st != ST_OK)
		return st;
	sql_bind_text(d->r[R_TAKEN], 1, directory_folded(g->address, low));
	st = has(d->r[R_TAKEN], &taken);
	if (st != ST_OK || taken)
		return taken ? ST_EXISTS : st;
	sql_bind_text(q, 1, directory_folded(g->address, low));
	sql_bind_text(q, 2, g->address);
	sql_bind_text(q, 3, g->owner);
	sql_bind_text(q, 4, view_cstr(group_post_word(g->post)));
	return sql_run(q);
}

static enum status drop(struct directory *d, struct view key)
{
	enum status st;

	sql_bind_text(d->r[R_DROP_MEMBERS], 1, key);
	st = sql_run(d->r[R_DROP_MEMBERS]);
	if (st != ST_OK)
		return st;
	sql_bind_text(d->r[R_REMOVE_GROUP], 1, key);
	st = sql_run(d->r[R_REMOVE_GROUP]);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status directory_remove_group(struct directory *d, struct view address)
{
	char low[ADDRESS_MAX];
	enum status st = directory_begin(d);

	if (st != ST_OK)
		return st;
	st = drop(d, directory_folded(address, low));
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

enum status directory_add_member(struct directory *d, struct view group, struct view member)
{
	char key[ADDRESS_MAX], low[ADDRESS_MAX];
	struct arena arena = ARENA(8192);
	struct sql_stmt *q = d->r[R_ADD_MEMBER];
	struct group g;
	enum status st = directory_group(d, group, &arena, &g);

	arena_free(&arena);
	if (st != ST_OK)
		return st;
	if (!directory_is_address(member))
		return ST_SYNTAX;
	sql_bind_text(q, 1, directory_folded(group, key));
	sql_bind_text(q, 2, directory_folded(member, low));
	sql_bind_text(q, 3, member);
	sql_bind_int(q, 4, GROUP_MEMBERS);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_LIMIT : st;
}

enum status directory_remove_member(struct directory *d, struct view group, struct view member)
{
	char key[ADDRESS_MAX], low[ADDRESS_MAX];
	struct sql_stmt *q = d->r[R_REMOVE_MEMBER];
	enum status st;

	sql_bind_text(q, 1, directory_folded(group, key));
	sql_bind_text(q, 2, directory_folded(member, low));
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

/* ---- listings ---- */

enum status directory_each_group(struct directory *d, directory_row *row, void *arg)
{
	return directory_each(d->r[R_EACH_GROUP], row, arg);
}

enum status directory_each_member(struct directory *d, struct view group, directory_row *row, void *arg)
{
	char low[ADDRESS_MAX];

	sql_bind_text(d->r[R_MEMBERS], 1, directory_folded(group, low));
	return directory_each(d->r[R_MEMBERS], row, arg);
}
