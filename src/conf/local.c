/* local.c - local.accounts and local.trusted: the users of this machine. */
#include "conf/conf.h"

#include <stdio.h>

/* The next row of "A = B, C = D"; false at the end.  Empty where it is none. */
static bool next_row(struct view *list, struct view *ret_name, struct view *ret_address)
{
	struct view row = view_head(*list, view_find(*list, ','));
	size_t eq = view_find(row, '=');

	if (list->n == 0)
		return false;
	*list = view_skip(*list, row.n + 1);
	*ret_name = view_trim(view_head(row, eq));
	*ret_address = view_trim(view_skip(row, eq + 1));
	return true;
}

struct view conf_local_account(const struct conf *c, struct view user)
{
	struct view list = view_cstr(c->local_accounts), name, address;

	while (next_row(&list, &name, &address))
		if (view_eq(name, user))
			return address;
	return VIEW_NONE;
}

bool conf_is_here(const struct conf *c, struct view address)
{
	return view_eq_i(view_skip(address, view_find(address, '@') + 1), view_cstr(c->host_name));
}

struct view conf_local_mailbox(const struct conf *c, struct view address)
{
	struct view name = view_head(address, view_find(address, '@')), to;

	if (!conf_is_here(c, address))
		return VIEW_NONE;
	to = conf_local_account(c, name);
	return to.n || !view_eq(name, VIEW("root")) ? to : VIEW("postmaster");
}

bool conf_local_trusted(const struct conf *c, struct view user)
{
	struct view list = view_cstr(c->local_trusted), one;

	while ((one = view_take_word(&list)).n)
		if (view_eq(one, user))
			return true;
	return false;
}

enum status conf_check_local(const struct conf *c, struct buf *why)
{
	struct view list = view_cstr(c->local_accounts), name, address;

	while (next_row(&list, &name, &address)) {
		size_t at = view_find(address, '@');

		if (name.n && at && at + 1 < address.n && view_find(address, ' ') == address.n)
			continue;
		buf_putf(why, "local.accounts has \"%.*s = %.*s\", but should be as \"root = Jones@example.org, www-data = "
			 "web@example.org\"", VIEW_ARG(view_head(name, 80)), VIEW_ARG(view_head(address, 80)));
		return ST_SYNTAX;
	}
	return ST_OK;
}

static bool fits_address(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && name[n] == '\0' && n <= LOCAL_NAME_MAX;
}

void local_name(const char *name, uint32_t uid, char ret[LOCAL_NAME_MAX + 1])
{
	if (name && fits_address(name))
		snprintf(ret, LOCAL_NAME_MAX + 1, "%s", name);
	else
		snprintf(ret, LOCAL_NAME_MAX + 1, "uid%u", uid);
}
