/* rooms.c - channels to rooms, and the sessions that travel by them.
 *
 * One link for each account that has somebody here.  When the room leaves, we
 * answer `left` and use that link no more; sessions that were on their way
 * come back by it.
 */
#include "door/login/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

enum { ASK_MS = 30000, CHANNEL_MS = 15000, MOVES = 4, TRIES = 10, TRY_AGAIN_MS = 200 };

/* A coroutine that waits for a link. */
struct mover {
	struct mover *next;
	struct co *co;
	struct timer late;
	bool done;
};

/* ---- rooms and who belongs to them ---- */

struct door_room *rooms_get(struct people *h, uint64_t account)
{
	struct door_room *room = map_get(&h->rooms, account);

	if (room)
		return room;
	room = calloc(1, sizeof *room);
	if (room == NULL || map_set(&h->rooms, account, room) != ST_OK) {
		free(room);
		return NULL;
	}
	room->account = account;
	room->host = h;
	return room;
}

/* Nobody here and no link, nor one by which a room is still leaving: forget it, and say so. */
static void maybe_forget(struct door_room *room)
{
	struct people *h = room->host;

	if (room->people || room->links || room->opening || room->waiting)
		return;
	rec_put_room_done(&h->out, 0, 0, &(struct rec_room_done){ room->account });
	if (channel_is_open(h->parent) && channel_send(h->parent, &h->out, -1) != ST_OK)
		log_event(LOG_WARN_, "room-done", "account=%llu", (unsigned long long)room->account);
	map_remove(&h->rooms, room->account);
	free(room);
}

void rooms_join(struct person *p, struct door_room *room)
{
	p->room = room;
	p->next = room->people;
	if (p->next)
		p->next->prev = &p->next;
	p->prev = &room->people;
	room->people = p;
}

void rooms_leave(struct person *p)
{
	if (p->room == NULL)
		return;
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	maybe_forget(p->room);
	p->room = NULL;
}

/* ---- getting a link ---- */

static void wake_movers(struct door_room *room)
{
	struct mover *m = room->waiting;

	room->waiting = NULL;
	room->opening = false;
	while (m) {
		struct mover *next = m->next;

		m->done = true;
		co_wake(m->co);
		m = next;
	}
}

static void mover_late(struct timer *t)
{
	struct mover *m = (struct mover *)((char *)t - offsetof(struct mover, late));

	co_wake(m->co);
}

static void unlist(struct door_room *room, struct mover *m)
{
	struct mover **at = &room->waiting;

	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
}

static void wait_for_link(struct door_room *room)
{
	struct loop *l = room->host->loop;
	struct mover m = { .next = room->waiting, .co = co_self(), .late = { .fire = mover_late } };

	if (loop_timer(l, &m.late, clock_steady() + CHANNEL_MS) != ST_OK)
		return;
	room->waiting = &m;
	co_wait();
	loop_timer_clear(l, &m.late);
	if (!m.done) {
		unlist(room, &m);
		room->opening = false;
	}
}

static enum verdict take_ticket(struct person *p, struct view body)
{
	struct rec_room_answer a;

	if (!rec_take_room_answer(body, &a))
		return VERDICT_LATER;
	if (a.verdict == VERDICT_OK) {
		buf_clear(&p->ticket);
		buf_put(&p->ticket, a.ticket);
	}
	return a.verdict;
}

/* Is the ticket still good, and a fresh one; with open, also the room. */
static enum verdict ask_warden(struct person *p, bool open)
{
	struct buf b = BUF(1024), answer = BUF(1024);
	uint16_t type = REC_NONE;
	enum status st = ST_CLOSED;
	enum verdict v = VERDICT_LATER;

	for (int i = 0; i < TRIES && st == ST_CLOSED && !*p->host->stopping; i++) {
		if (i)
			loop_sleep(p->host->loop, TRY_AGAIN_MS);
		rec_put_room_ask(&b, 0, p->sid, &(struct rec_room_ask){ buf_view(&p->ticket), open });
		st = channel_ask(p->host->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	}
	if (st == ST_OK && type == REC_room_answer)
		v = take_ticket(p, buf_view(&answer));
	buf_free(&b);
	buf_free(&answer);
	return v;
}

/* A link that can be used now, or not.  p->room stays, since p is in it. */
static enum verdict get_link(struct person *p)
{
	struct door_room *room = p->room;
	bool open = room->link == NULL && !room->opening;
	enum verdict v = VERDICT_OK;

	if (open)
		room->opening = true;
	if (open || !p->fresh)
		v = ask_warden(p, open);
	p->fresh = false;
	if (v != VERDICT_OK) {
		if (open)
			wake_movers(room);
		return v;
	}
	if (room->link == NULL && room->opening)
		wait_for_link(room);
	return room->link ? VERDICT_OK : VERDICT_LATER;
}

/* ---- there ---- */

static enum status carry_all(struct person *p)
{
	buf_put(&p->carry, conn_view(&p->conn));
	conn_take(&p->conn, conn_view(&p->conn).n);
	return buf_status(&p->carry);
}

static enum status send_session(struct person *p)
{
	struct people *h = p->host;
	int fd = p->conn.watch.fd;
	enum status st = ST_OK;

	/* Where the pair came back as it was, what it holds comes before what we
	 * have read since. */
	if (p->spare < 0)
		st = carry_all(p);
	if (st == ST_OK && conn_has_tls(&p->conn) && p->spare < 0)
		st = carry_open(&p->pair, &p->spare);
	if (st != ST_OK)
		return st;
	rec_put_session(&h->out, 0, p->sid,
			&(struct rec_session){ (uint8_t)p->service, buf_view(&p->state),
					       buf_view(&p->carry) });
	return channel_send(&p->room->link->ch, &h->out, p->spare >= 0 ? p->spare : fd);
}

static void arrived(struct person *p)
{
	const struct conf *conf = p->host->conf;

	p->link = p->room->link;
	p->phase = PERSON_IN_ROOM;
	p->wake = false;
	buf_free(&p->state);
	buf_free(&p->carry);
	if (!conn_has_tls(&p->conn)) {
		conn_lend(&p->conn);
		return;
	}
	close(p->spare);
	p->spare = -1;
	/* The room knows when he has been silent for too long. */
	p->conn.patience = 60000 + (uint64_t)(conf->imap_timeout > conf->pop3_timeout ? conf->imap_timeout
										      : conf->pop3_timeout);
	conn_alive(&p->conn);
}

void rooms_move(struct person *p)
{
	enum verdict v = VERDICT_LATER;

	p->phase = PERSON_MOVING;
	/* What we have said so far must not come behind what the room says. */
	if (p->conn.out.n && conn_flush(&p->conn) != ST_OK)
		return;
	for (int i = 0; i < MOVES && v == VERDICT_LATER; i++) {
		v = get_link(p);
		if (p->last_words)
			return;
		if (v == VERDICT_OK && send_session(p) == ST_OK) {
			arrived(p);
			return;
		}
		if (v == VERDICT_OK)
			v = VERDICT_LATER;
	}
	person_bye(p, v == VERDICT_NO ? BYE_TICKET : BYE_ROOM);
}

/* ---- and back ---- */

static struct person *by_sid(struct room_link *link, uint64_t sid)
{
	struct person *p = map_get(&link->room->host->by_sid, sid);

	return p && p->link == link && p->phase == PERSON_IN_ROOM ? p : NULL;
}

static void session_over(struct room_link *link, const struct record *rec)
{
	struct person *p = by_sid(link, rec->sid);
	struct rec_session_end in;

	if (p == NULL || !rec_take_session_end(rec->body, &in))
		return;
	p->link = NULL;
	carry_drain(&p->pair);
	if (in.reason == SESSION_OVER)
		person_finish(p);
	else
		person_bye(p, BYE_ROOM);
}

/* Keep what the room said of it. */
static enum status keep_state(struct person *p, struct view state)
{
	struct session_state s;
	enum status st = session_take(state, &s);

	if (st != ST_OK)
		return st;
	if (s.sid != p->sid || s.account != p->account)
		return ST_SYNTAX;
	p->idles = s.flags & SESSION_IDLE;
	p->mailbox = s.mailbox;
	p->modseq = s.modseq;
	/* To the octet: this is what a parked session costs. */
	p->state = BUF(state.n);
	buf_put(&p->state, state);
	return buf_status(&p->state);
}

/* TLS: the pair is done with, unless it goes to the next room as it is. */
static enum status pair_back(struct person *p, bool again, int other)
{
	size_t before = p->carry.n;

	if (again) {
		p->spare = dup(other);
		return p->spare >= 0 ? ST_OK : ST_NOMEM;
	}
	carry_drain(&p->pair);
	carry_unread(other, &p->carry);
	p->wake = p->carry.n > before;
	(void)!conn_push(&p->conn);	/* what fails is seen by the conn itself */
	if (p->conn.out.n == 0)
		buf_free(&p->conn.out);
	return buf_status(&p->carry);
}

static enum status come_back(struct person *p, const struct rec_session_park *in, int other)
{
	struct conn *c = &p->conn;
	enum status st = keep_state(p, in->state);

	p->link = NULL;
	p->phase = PERSON_PARKED;
	c->patience = (uint64_t)(p->service >= SERVICE_POP3 ? p->host->conf->pop3_timeout
							    : p->host->conf->imap_timeout);
	buf_put(&p->carry, in->pending);
	if (st == ST_OK && conn_has_tls(c))
		st = pair_back(p, in->again, other);
	if (st == ST_OK)
		st = conn_return(c);
	c->paused = false;
	conn_alive(c);
	if (in->again)
		p->wake = true;
	return st == ST_OK ? buf_status(&p->carry) : st;
}

static void parked(struct room_link *link, struct record *rec)
{
	struct person *p = by_sid(link, rec->sid);
	struct rec_session_park in;

	if (p == NULL || !rec_take_session_park(rec->body, &in))
		return;
	if (come_back(p, &in, rec->fd) != ST_OK) {
		person_bye(p, BYE_ROOM);
		return;
	}
	person_log(p, "parked", in.again ? "again" : NULL);
	/* May end him. */
	if (p->wake || p->conn.readable || p->conn.broken)
		conn_begin(&p->conn);
}

static void changed(struct room_link *link, const struct record *rec)
{
	struct rec_changed in;
	struct person *next;

	if (!rec_take_changed(rec->body, &in))
		return;
	for (struct person *p = link->room->people; p; p = next) {
		next = p->next;
		if (p->phase != PERSON_PARKED || !p->idles || p->mailbox != in.mailbox ||
		    p->modseq >= in.modseq)
			continue;
		p->wake = true;
		/* He may end, and be freed, but only he. */
		conn_begin(&p->conn);
	}
}

/* ---- links ---- */

static void link_leaves(struct room_link *link)
{
	struct people *h = link->room->host;

	link->left = true;
	if (link->room->link == link)
		link->room->link = NULL;
	rec_put_left(&h->out, 0, 0, &(struct rec_left){ link->room->account });
	if (channel_send(&link->ch, &h->out, -1) != ST_OK)
		log_event(LOG_WARN_, "left-unsaid", "account=%llu",
			  (unsigned long long)link->room->account);
}

static void room_says(struct channel *ch, struct record *rec)
{
	struct room_link *link = ch->owner;

	if (rec->type == REC_session_park)
		parked(link, rec);
	else if (rec->type == REC_session_end)
		session_over(link, rec);
	else if (rec->type == REC_changed)
		changed(link, rec);
	else if (rec->type == REC_leaving)
		link_leaves(link);
	if (rec->fd >= 0)
		close(rec->fd);
}

/* The room has ended.  Who was in it still is only where it died. */
static void link_gone(struct channel *ch)
{
	struct room_link *link = ch->owner;
	struct door_room *room = link->room;
	struct person *next;

	for (struct person *p = room->people; p; p = next) {
		next = p->next;
		if (p->link != link)
			continue;
		p->link = NULL;
		carry_drain(&p->pair);
		person_bye(p, *room->host->stopping ? BYE_STOPPING : BYE_ROOM);
	}
	if (room->link == link)
		room->link = NULL;
	room->links--;
	free(link);
	maybe_forget(room);
}

void people_room_channel(struct people *h, uint64_t account, int fd)
{
	struct door_room *room = rooms_get(h, account);
	struct room_link *link = room ? calloc(1, sizeof *link) : NULL;

	if (link == NULL) {
		close(fd);
		return;
	}
	link->room = room;
	link->ch = (struct channel){
		.receive = room_says, .gone = link_gone, .allowed = record_allowed,
		.owner = link, .self = ROLE_DOOR, .peer = ROLE_ROOM,
	};
	if (channel_open(&link->ch, h->loop, fd) != ST_OK) {
		free(link);
		wake_movers(room);
		return;
	}
	/* An older one that we did not hear the end of yet ends by itself. */
	room->link = link;
	room->links++;
	wake_movers(room);
}

void people_room_failed(struct people *h, uint64_t account)
{
	struct door_room *room = map_get(&h->rooms, account);

	if (room)
		wake_movers(room);
}
