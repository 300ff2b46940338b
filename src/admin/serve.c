/* serve.c - waxwing serve. */
#include "admin/instance.h"

#include "parent/parent.h"

#include <stdio.h>

int cmd_serve(struct invocation *in)
{
	struct conf c = { 0 };

	if (!in->given[OPTION_check]) {
		parent_become(in->dir);
		return parent_serve(in->dir);
	}
	if (instance_conf(in, &c) != ST_OK)
		return FAILED;
	printf("%s/waxwing.conf is right.\n", in->dir);
	conf_free(&c);
	return DONE;
}
