/* group.c - waxwing group. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "directory/group.h"

static const struct reason why_not[] = {
	{ ST_EXISTS, "somebody has that address already" },
	{ ST_MISSING, "its domain, or that of the owner, is not one of ours; `waxwing domain add DOMAIN` makes it so" },
	{ ST_SYNTAX, "group and owner must be addresses of the form NAME@DOMAIN" },
	{ ST_OK, NULL },
};
static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such group; `waxwing group list` shows them" },
	{ ST_SYNTAX, "a member must be an address of the form NAME@DOMAIN" },
	{ ST_EXISTS, "that is a member already" },
	{ ST_LIMIT, "it has as many members as a group can have" },
	{ ST_OK, NULL },
};
static const struct reason no_member[] = {
	{ ST_MISSING, "there is no such group or member; `waxwing group show GROUP` shows them" },
	{ ST_OK, NULL },
};

int cmd_group_add(struct invocation *in)
{
	struct group g = { view_cstr(in->args[0]), view_cstr(in->args[1]), POST_MEMBERS };
	struct directory *d;
	enum status st;

	if (in->n > 2 && group_post_take(view_cstr(in->args[2]), &g.post) != ST_OK) {
		tell("who may post: anyone, members or domain, and not %s", in->args[2]);
		return WRONG_USE;
	}
	if (instance_directory(in, &d) != ST_OK)
		return FAILED;
	st = directory_add_group(d, &g);
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, why_not);
}

int cmd_group_remove(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_remove_group(d, view_cstr(in->args[0]));
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, no_such);
}

int cmd_group_member_add(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_add_member(d, view_cstr(in->args[0]), view_cstr(in->args[1]));
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, no_such);
}

int cmd_group_member_remove(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_remove_member(d, view_cstr(in->args[0]), view_cstr(in->args[1]));
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[1], st, no_member);
}

/* ---- listings ---- */

static void add_group(void *arg, struct view address, struct view owner, uint64_t members)
{
	json_array_append_new(arg, json_pack("{so,so,sI}", "group", json_text(address), "owner", json_text(owner),
					     "members", (json_int_t)members));
}

static void add_post(struct directory *d, json_t *row)
{
	struct arena a = ARENA(8192);
	struct group g;

	if (directory_group(d, view_cstr(json_string_value(json_object_get(row, "group"))), &a, &g) == ST_OK)
		json_object_set_new(row, "post", json_string(group_post_word(g.post)));
	arena_free(&a);
}

int cmd_group_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "members", "MEMBERS", COLUMN_NUMBER }, { "post", "MAY POST", COLUMN_TEXT },
		{ "group", "GROUP", COLUMN_TEXT }, { "owner", "OWNER", COLUMN_TEXT },
	};
	json_t *rows = json_array(), *row;
	struct directory *d;
	size_t i;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK) {
		json_decref(rows);
		return FAILED;
	}
	st = directory_each_group(d, add_group, rows);
	json_array_foreach(rows, i, row)
		add_post(d, row);
	directory_close(d);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
				     "No group yet; `waxwing group add ADDRESS OWNER` makes one.");
	json_decref(rows);
	return complain(in->dir, st, NULL);
}

static void add_member(void *arg, struct view member, struct view none, uint64_t id)
{
	(void)none;
	(void)id;
	json_array_append_new(arg, json_pack("{so}", "member", json_text(member)));
}

int cmd_group_show(struct invocation *in)
{
	static const struct column columns[] = { { "member", "MEMBER", COLUMN_TEXT } };
	struct view address = view_cstr(in->args[0]);
	struct arena a = ARENA(8192);
	json_t *rows = json_array();
	struct directory *d;
	struct group g;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK) {
		json_decref(rows);
		return FAILED;
	}
	st = directory_group(d, address, &a, &g);
	if (st == ST_OK)
		st = directory_each_member(d, address, add_member, rows);
	directory_close(d);
	arena_free(&a);
	if (st == ST_OK)
		return listing_print(in, columns, 1, rows,
				     "No member yet; `waxwing group member add GROUP ADDRESS` makes one.");
	json_decref(rows);
	return complain(in->args[0], st, no_such);
}
