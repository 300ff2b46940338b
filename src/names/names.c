#include "names/names.h"

#include "base/log.h"
#include "role/role.h"

#include <stdlib.h>
#include <unistd.h>

/* The roles that may ask, and how many of each. */
enum { ASKERS_MAX = 64 };

struct names {
	struct role_process proc;
	struct channel askers[ROLE_COUNT][ASKERS_MAX];
};

static void asker_says(struct channel *ch, struct record *rec)
{
	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct names *n = (struct names *)((char *)p - offsetof(struct names, proc));
	struct rec_channel_to to;
	struct channel *ch;

	if (rec->type != REC_channel_to || !rec_take_channel_to(rec->body, &to) ||
	    to.role >= ROLE_COUNT || to.index >= ASKERS_MAX) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	ch = &n->askers[to.role][to.index];
	channel_close(ch);
	*ch = (struct channel){
		.receive = asker_says, .allowed = record_allowed, .owner = n,
		.peer_id = to.index, .self = ROLE_NAMES, .peer = to.role,
	};
	if (channel_open(ch, p->loop, rec->fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

int names_main(void)
{
	struct names *n = calloc(1, sizeof *n);

	if (n == NULL)
		return 1;
	for (size_t r = 0; r < ROLE_COUNT; r++)
		for (size_t i = 0; i < ASKERS_MAX; i++)
			n->askers[r][i].watch.fd = -1;
	n->proc.parent.watch.fd = -1;
	role_begin(&n->proc, ROLE_NAMES);
	n->proc.receive = parent_says;
	role_lock_in(&n->proc);
	role_run(&n->proc);
	return 0;
}
