/* internal.h - the process `names`, for the files of this folder. */
#ifndef WAXWING_NAMES_INTERNAL_H
#define WAXWING_NAMES_INTERNAL_H

#include "names/lookups.h"
#include "role/role.h"

/* The roles that may ask, and how many of each. */
enum { ASKERS_MAX = 64 };

/* A process that asks, by the channel it has now. */
struct asker {
	struct channel ch;
	uint64_t came;		/* how many channels it has had: a question of an older one is not answered */
	unsigned in_flight;
};

struct names {
	struct role_process proc;
	struct lookups *lookups;
	struct conf begun;	/* the settings that libunbound was set up with */
	struct asker askers[ROLE_COUNT][ASKERS_MAX];
	struct buf out;
	uint64_t asked, failed, bogus;	/* since the start */
};

/* command.c */
enum verdict names_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd);

#endif
