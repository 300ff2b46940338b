#include "mta/relay/relay.h"

#include "base/log.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct relay {
	struct role_process proc;
	struct channel warden, queue, names;
};

static void peer_says(struct channel *ch, struct record *rec)
{
	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
}

static struct channel *channel_of(struct relay *r, uint8_t role)
{
	switch (role) {
	case ROLE_WARDEN:
		return &r->warden;
	case ROLE_QUEUE:
		return &r->queue;
	case ROLE_NAMES:
		return &r->names;
	default:
		return NULL;
	}
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct relay *r = (struct relay *)((char *)p - offsetof(struct relay, proc));
	struct rec_channel_to to;
	struct channel *ch = NULL;

	if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to))
		ch = channel_of(r, to.role);
	if (ch == NULL) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	channel_close(ch);
	*ch = (struct channel){
		.receive = peer_says, .allowed = record_allowed, .owner = r,
		.self = ROLE_RELAY, .peer = to.role,
	};
	if (channel_open(ch, p->loop, rec->fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

int relay_main(void)
{
	struct relay *r = calloc(1, sizeof *r);

	if (r == NULL)
		return 1;
	r->proc.parent.watch.fd = r->warden.watch.fd = r->queue.watch.fd = r->names.watch.fd = -1;
	role_begin(&r->proc, ROLE_RELAY);
	r->proc.receive = parent_says;
	role_lock_in(&r->proc);
	role_run(&r->proc);
	return 0;
}
