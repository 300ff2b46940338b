/* ids.h - which letters a verb is about: its arguments, or standard input. */
#ifndef WAXWING_MUA_VERBS_IDS_H
#define WAXWING_MUA_VERBS_IDS_H

#include "mua/verb.h"

enum { IDS_MAX = 1000000, IDS_INPUT_MAX = 256 * 1024 * 1024 };

struct ids {
	int64_t *all;	/* heap */
	size_t n;
};

/* From the argument `first` on; where there is none, the first word of each
 * line of standard input, or the "id" of each object of JSON there.  Complains
 * itself; DONE or WRONG_USE. */
int ids_take(const struct invocation *in, int first, struct ids *ret);
bool id_take(const char *text, int64_t *ret);
void ids_free(struct ids *ids);

#endif
