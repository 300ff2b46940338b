/* alias.c - waxwing alias add, list, remove. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

static const struct reason why_not[] = {
	{ ST_EXISTS, "leads there already" },
	{ ST_MISSING, "its domain is not one of ours; `waxwing domain add DOMAIN` makes it so" },
	{ ST_SYNTAX, "alias and target must be addresses of the form NAME@DOMAIN" },
	{ ST_OK, NULL },
};
static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such alias; `waxwing alias list` shows them" },
	{ ST_OK, NULL },
};

int cmd_alias_add(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_add_alias(d, view_cstr(in->args[0]), view_cstr(in->args[1]));
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, why_not);
}

int cmd_alias_remove(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_remove_alias(d, view_cstr(in->args[0]),
				    in->n > 1 ? view_cstr(in->args[1]) : VIEW_NONE);
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, no_such);
}

static void add_row(void *arg, struct view address, struct view target, uint64_t id)
{
	(void)id;
	json_array_append_new(arg, json_pack("{so,so}", "alias", json_text(address), "target",
					     json_text(target)));
}

int cmd_alias_list(struct invocation *in)
{
	static const struct column columns[] = { { "alias", "ALIAS", COLUMN_TEXT },
						 { "target", "TARGET", COLUMN_TEXT } };

	return listing_of_directory(in, columns, 2, directory_each_alias, add_row,
				    "No alias yet; `waxwing alias add ADDRESS TARGET` makes one.");
}
