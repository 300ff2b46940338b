/* inspect.h - what the files of `waxwing inspect` and `waxwing verify` share. */
#ifndef WAXWING_ADMIN_INSPECT_H
#define WAXWING_ADMIN_INSPECT_H

#include "admin/command.h"

#include <jansson.h>

/* The kinds that check who sent a letter.  The exit status; complains itself. */
int inspect_trust(struct invocation *in);

#endif
