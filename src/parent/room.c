/* room.c - one process for each account that has something to do. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <stdlib.h>

static struct child *room_child(struct parent *p, uint64_t account)
{
	struct child *c = map_get(&p->rooms, account);

	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->parent = p;
	c->role = ROLE_ROOM;
	c->account = account;
	c->ch.watch.fd = -1;
	if (map_set(&p->rooms, account, c) != ST_OK) {
		free(c);
		return NULL;
	}
	return c;
}

static void say_failed(struct parent *p, uint64_t account, enum role role, uint32_t index)
{
	struct child *asker = parent_child(p, role, index);
	struct buf b = BUF(64);

	rec_put_room_failed(&b, 0, 0, &(struct rec_room_failed){ account });
	if (asker && channel_is_open(&asker->ch) && role_send(&asker->ch, &b, -1) != ST_OK)
		log_event(LOG_WARN_, "room-failed-unsaid", "account=%llu", (unsigned long long)account);
	buf_free(&b);
}

static enum status wait_for(struct child *room, enum role role, uint32_t index)
{
	struct waiter *w = malloc(sizeof *w);

	if (w == NULL)
		return ST_NOMEM;
	*w = (struct waiter){ room->waiters, role, index };
	room->waiters = w;
	return ST_OK;
}

void parent_open_room(struct parent *p, uint64_t account, enum role role, uint32_t index)
{
	struct child *asker = parent_child(p, role, index);
	struct child *room = room_child(p, account);
	enum status st = room ? ST_OK : ST_NOMEM;

	if (asker == NULL || p->stopping)
		return;
	if (st == ST_OK && room->pid && (room->leaving || !channel_is_open(&room->ch))) {
		st = wait_for(room, role, index);
		if (st == ST_OK)
			return;
	}
	if (st == ST_OK && room->pid == 0)
		st = child_start(room);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "room-start", "account=%llu why=\"%s\"",
			  (unsigned long long)account, status_name(st));
		say_failed(p, account, role, index);
		return;
	}
	child_join(asker, room);
}

void parent_room_ended(struct child *c)
{
	struct parent *p = c->parent;
	struct waiter *w = c->waiters;
	uint64_t account = c->account;

	c->waiters = NULL;
	map_remove(&p->rooms, account);
	free(c);
	while (w) {
		struct waiter *next = w->next;

		parent_open_room(p, account, w->role, w->index);
		free(w);
		w = next;
	}
}
