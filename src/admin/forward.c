/* forward.c - waxwing account forward. */
#include "admin/instance.h"
#include "admin/tell.h"

#include <stdio.h>

static const struct reason why_not[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_SYNTAX, "it can be forwarded to addresses of the form NAME@DOMAIN only" },
	{ ST_LIMIT, "it can be forwarded to 16 addresses at most" },
	{ ST_EXISTS, "an address stands there twice" },
	{ ST_OK, NULL },
};

static void say(void *arg, struct view target, struct view none, uint64_t id)
{
	unsigned *n = arg;

	(void)none;
	(void)id;
	++*n;
	if (target.n)
		printf("%.*s\n", VIEW_ARG(target));
	else
		printf("(its mailbox)\n");
}

static enum status show(struct directory *d, struct view address)
{
	struct arena a = ARENA(8192);
	struct account acc;
	unsigned n = 0;
	enum status st = directory_account(d, address, &a, &acc);

	if (st == ST_OK)
		st = directory_each_forward(d, acc.id, say, &n);
	if (st == ST_OK && n == 0)
		printf("The letters of %.*s stay in its mailbox.\n", VIEW_ARG(address));
	arena_free(&a);
	return st;
}

int cmd_account_forward(struct invocation *in)
{
	struct view targets[FORWARDS_MAX];
	size_t n = (size_t)in->n - 1;
	bool off = in->given[OPTION_off] != NULL, keep = in->given[OPTION_keep] != NULL;
	struct directory *d;
	enum status st;

	if (off ? n || keep : keep && n == 0) {
		tell(off ? "--off takes no TARGETS and no --keep" : "--keep wants TARGETS");
		return WRONG_USE;
	}
	if (instance_directory(in, &d) != ST_OK)
		return FAILED;
	for (size_t i = 0; i < n && i < FORWARDS_MAX; i++)
		targets[i] = view_cstr(in->args[i + 1]);
	st = n || off ? directory_set_forward(d, view_cstr(in->args[0]), targets, n, keep)
		      : show(d, view_cstr(in->args[0]));
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, why_not);
}
