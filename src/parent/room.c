/* room.c - one process for each account that has something to do. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <stdlib.h>
#include <unistd.h>

enum { ASK_AGAIN_MS = 1000 };

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
	p->n_rooms++;
	return c;
}

/* ---- which doors want to hear of an account ---- */

static enum status hold(struct parent *p, uint64_t account, uint32_t door)
{
	struct holder *h = map_get(&p->holders, account);

	if (h == NULL) {
		h = calloc(1, sizeof *h);
		if (h == NULL || map_set(&p->holders, account, h) != ST_OK) {
			free(h);
			return ST_NOMEM;
		}
		h->account = account;
	}
	h->doors |= 1ull << door;
	return ST_OK;
}

void parent_room_done(struct parent *p, uint64_t account, uint32_t door)
{
	struct holder *h = map_get(&p->holders, account);

	if (h == NULL)
		return;
	h->doors &= ~(1ull << door);
	if (h->doors == 0)
		free(map_remove(&p->holders, account));
}

void parent_door_ended(struct parent *p, uint32_t door)
{
	struct holder *h;
	struct child *room;
	size_t at = 0;

	/* Those without doors go when a room of theirs ends. */
	while ((h = map_next(&p->holders, &at)) != NULL)
		h->doors &= ~(1ull << door);
	at = 0;
	while ((room = map_next(&p->rooms, &at)) != NULL)
		room->joined &= ~(1ull << door);
}

/* A fresh room: the doors come first, so that none misses what the delivery
 * changes for which it was started. */
static void join_door(struct child *door, struct child *room)
{
	/* It has a channel already, or one is on its way: it asked just when a
	 * letter had the room started. */
	if (room->joined & 1ull << door->index)
		return;
	room->joined |= 1ull << door->index;
	child_join(door, room);
}

static void join_holders(struct parent *p, struct child *room)
{
	const struct holder *h = map_get(&p->holders, room->account);

	for (uint32_t i = 0; h && i < p->n_doors; i++)
		if (h->doors & 1ull << i)
			join_door(&p->doors[i], room);
}

/* ---- not more rooms than should stay ---- */

static void ask_to_go(struct child *room)
{
	struct buf b = BUF(64);
	steady_ms now = clock_steady();

	if (!room->leaving && room->ready && now - room->asked_to_go > ASK_AGAIN_MS) {
		room->asked_to_go = now;
		rec_put_make_place(&b, 0, 0, &(struct rec_make_place){ room->account });
		if (role_send(&room->ch, &b, -1) != ST_OK)
			log_event(LOG_WARN_, "make-place", "account=%llu",
				  (unsigned long long)room->account);
	}
	buf_free(&b);
}

static void make_place(struct parent *p)
{
	struct child *c;
	size_t at = 0;

	if (p->n_rooms < (size_t)p->conf.rooms)
		return;
	while ((c = map_next(&p->rooms, &at)) != NULL)
		if (channel_is_open(&c->ch))
			ask_to_go(c);
}

/* ---- opening ---- */

static void say_failed(struct parent *p, uint64_t account, enum role role, uint32_t index)
{
	struct child *asker = parent_child(p, role, index);
	struct buf b = BUF(64);

	rec_put_room_failed(&b, 0, 0, &(struct rec_room_failed){ account });
	if (asker && channel_is_open(&asker->ch) && role_send(&asker->ch, &b, -1) != ST_OK)
		log_event(LOG_WARN_, "room-failed-unsaid", "account=%llu", (unsigned long long)account);
	buf_free(&b);
}

/* It ended before it had begun, which is no letter's fault. */
void parent_room_failed(struct parent *p, uint64_t account)
{
	say_failed(p, account, ROLE_QUEUE, 0);
}

static enum status wait_for(struct child *room, const struct waiter *who)
{
	struct waiter *w = malloc(sizeof *w);

	if (w == NULL)
		return ST_NOMEM;
	*w = *who;
	w->next = room->waiters;
	room->waiters = w;
	return ST_OK;
}

/* It is going, and who wants it has to wait for its end. */
static bool is_going(const struct child *room)
{
	return room->pid && (room->leaving || !channel_is_open(&room->ch));
}

static enum status start_room(struct parent *p, struct child *room)
{
	enum status st;

	make_place(p);
	st = child_start(room);
	if (st == ST_OK)
		join_holders(p, room);
	return st;
}

void parent_open_room(struct parent *p, uint64_t account, enum role role, uint32_t index)
{
	struct child *asker = parent_child(p, role, index);
	struct child *room = map_get(&p->resting, account) ? NULL : room_child(p, account);
	enum status st = room ? ST_OK : ST_NOMEM;

	if (asker == NULL || p->stopping)
		return;
	/* The operator has its mail in hand; whoever asks asks again. */
	if (map_get(&p->resting, account)) {
		say_failed(p, account, role, index);
		return;
	}
	if (st == ST_OK && is_going(room)) {
		st = wait_for(room, &(struct waiter){ .role = role, .index = index });
		if (st == ST_OK)
			return;
	}
	if (st == ST_OK && room->pid == 0)
		st = start_room(p, room);
	if (st == ST_OK && role == ROLE_DOOR)
		st = hold(p, account, index);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "room-start", "account=%llu why=\"%s\"",
			  (unsigned long long)account, status_name(st));
		say_failed(p, account, role, index);
		return;
	}
	if (role == ROLE_DOOR)
		join_door(asker, room);
	else
		child_join(asker, room);
}

/* ---- for one URL ---- */

/* fd -1: it cannot be had now. */
static enum status give_url_channel(struct child *to, uint64_t account, uint64_t sid, int fd)
{
	struct buf b = BUF(64);
	enum status st;

	rec_put_url_channel(&b, 0, sid, &(struct rec_url_channel){ account });
	st = channel_is_open(&to->ch) ? role_send(&to->ch, &b, fd) : ST_CLOSED;
	buf_free(&b);
	return st;
}

static enum status join_url(struct child *door, struct child *room, uint64_t sid)
{
	int fds[2];
	enum status st = channel_pair(fds);

	if (st != ST_OK)
		return st;
	st = give_url_channel(room, room->account, sid, fds[1]);
	if (st == ST_OK)
		st = give_url_channel(door, room->account, sid, fds[0]);
	close(fds[0]);
	close(fds[1]);
	return st;
}

void parent_open_url(struct parent *p, uint64_t account, uint32_t index, uint64_t sid)
{
	struct child *door = parent_child(p, ROLE_DOOR, index);
	bool resting = map_get(&p->resting, account) != NULL;
	struct child *room = door == NULL || p->stopping || resting ? NULL : room_child(p, account);
	enum status st = room ? ST_OK : ST_MISSING;

	if (st == ST_OK && is_going(room)) {
		st = wait_for(room, &(struct waiter){ .index = index, .url = true, .sid = sid });
		if (st == ST_OK)
			return;
	}
	if (st == ST_OK && room->pid == 0)
		st = start_room(p, room);
	if (st == ST_OK)
		st = join_url(door, room, sid);
	if (st == ST_OK || door == NULL)
		return;
	log_event(LOG_WARN_, "url-room", "account=%llu why=\"%s\"", (unsigned long long)account, status_name(st));
	if (give_url_channel(door, account, sid, -1) != ST_OK)
		log_event(LOG_WARN_, "url-room-unsaid", "account=%llu", (unsigned long long)account);
}

void parent_room_ended(struct child *c)
{
	struct parent *p = c->parent;
	struct waiter *w = c->waiters;
	uint64_t account = c->account;
	const struct holder *h;

	c->waiters = NULL;
	map_remove(&p->rooms, account);
	p->n_rooms--;
	free(c);
	h = map_get(&p->holders, account);
	if (h && h->doors == 0)
		free(map_remove(&p->holders, account));
	while (w) {
		struct waiter *next = w->next;

		if (w->url)
			parent_open_url(p, account, w->index, w->sid);
		else
			parent_open_room(p, account, w->role, w->index);
		free(w);
		w = next;
	}
}
