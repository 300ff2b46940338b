/* serve.c - waxwing serve. */
#include "admin/instance.h"

#include "parent/parent.h"
#include "warden/keys.h"

#include <stdio.h>

int cmd_serve(struct invocation *in)
{
	struct conf c = { 0 };

	if (!in->given[OPTION_check]) {
		/* What a crash left of `tls switch`; what is wrong with it the parent says. */
		(void)!certificate_finish(in->dir);
		parent_become(in->dir);
		return parent_serve(in->dir);
	}
	if (instance_conf(in, &c) != ST_OK)
		return FAILED;
	printf("%s/waxwing.conf is right.\n", in->dir);
	conf_free(&c);
	return DONE;
}
