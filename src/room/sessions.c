/* sessions.c - the sessions of this account's person, from and to the doors. */
#include "room/internal.h"

#include "base/log.h"

#include <sys/socket.h>
#include <unistd.h>

static void say_end(struct room *r, struct channel *door, uint64_t sid, enum session_end why)
{
	rec_put_session_end(&r->out, 0, sid, &(struct rec_session_end){ (uint8_t)why });
	if (channel_is_open(door))
		(void)!role_send(door, &r->out, -1);
}

/* Forget it; the channel of its door, or NULL. */
static struct channel *let_go(struct room *r, uint64_t sid)
{
	struct channel *door = map_remove(&r->sessions.doors, sid);

	if (door)
		r->sessions.n--;
	room_busy(r);
	return door;
}

static void end_of(struct room *r, uint64_t sid, enum session_end why)
{
	struct channel *door = let_go(r, sid);

	if (door)
		say_end(r, door, sid, why);
	if (r->sessions.n == 0)
		room_no_sessions(r);
}

static void ended(void *arg, uint64_t sid)
{
	end_of(arg, sid, SESSION_OVER);
}

static enum status send_park(struct room *r, struct channel *door, const struct session_state *state,
			     struct view pending, int fd, bool again)
{
	struct buf b = BUF(SESSION_MAX);
	enum status st;

	session_put(&b, state);
	st = buf_status(&b);
	if (st == ST_OK) {
		rec_put_session_park(&r->out, 0, state->sid,
				     &(struct rec_session_park){ buf_view(&b), pending, again });
		st = role_send(door, &r->out, fd);
	}
	buf_free(&b);
	return st;
}

static void park(void *arg, const struct session_state *state, int fd, struct view pending)
{
	struct room *r = arg;
	struct channel *door = let_go(r, state->sid);

	if (door && channel_is_open(door) &&
	    send_park(r, door, state, pending, fd, false) != ST_OK)
		say_end(r, door, state->sid, SESSION_REFUSED);
	close(fd);
	if (r->sessions.n == 0)
		room_no_sessions(r);
}

static enum status open_session(struct room *r, const struct session_state *state, int fd,
				struct view pending)
{
	struct sessions *s = &r->sessions;

	switch (state->service) {
	case SERVICE_IMAP:
	case SERVICE_IMAPS:
		return imap_session_open(&s->imap, fd, state, pending);
	case SERVICE_POP3:
	case SERVICE_POP3S:
		return pop3_session_open(&s->pop3, fd, state, pending);
	default:
		close(fd);
		return ST_SYNTAX;
	}
}

/* Asked to leave already: the door asks for the next room. */
static void send_back(struct room *r, struct channel *door, const struct session_state *state, int fd,
		      struct view pending)
{
	if (send_park(r, door, state, pending, fd, true) != ST_OK)
		say_end(r, door, state->sid, SESSION_REFUSED);
	close(fd);
}

void sessions_take(struct room *r, struct channel *door, struct record *rec)
{
	struct rec_session in;
	struct session_state state;
	enum status st;

	if (!rec_take_session(rec->body, &in) || session_take(in.state, &state) != ST_OK ||
	    state.sid != rec->sid || state.account != r->proc.account ||
	    map_get(&r->sessions.doors, state.sid)) {
		log_event(LOG_WARN_, "bad-session", "sid=%llx", (unsigned long long)rec->sid);
		close(rec->fd);
		say_end(r, door, rec->sid, SESSION_REFUSED);
		return;
	}
	if (r->leaving) {
		send_back(r, door, &state, rec->fd, in.pending);
		return;
	}
	room_busy(r);
	st = map_set(&r->sessions.doors, state.sid, door);
	if (st != ST_OK) {
		close(rec->fd);
		say_end(r, door, state.sid, SESSION_REFUSED);
		return;
	}
	r->sessions.n++;
	st = open_session(r, &state, rec->fd, in.pending);
	if (st != ST_OK) {
		log_event(LOG_WARN_, "session-refused", "sid=%llx why=\"%s\"",
			  (unsigned long long)rec->sid, status_name(st));
		end_of(r, rec->sid, SESSION_REFUSED);
	}
}

/* Doors hold the parked ones, which want to know. */
static void changed(struct store_watcher *w, uint64_t mailbox, uint64_t modseq)
{
	struct room *r = (struct room *)((char *)w - offsetof(struct room, sessions.watcher));

	rec_put_changed(&r->out, 0, 0, &(struct rec_changed){ r->proc.account, mailbox, modseq });
	for (int i = 0; i < DOORS_MAX; i++)
		if (channel_is_open(&r->doors[i]))
			(void)!role_send(&r->doors[i], &r->out, -1);
}

void sessions_stop(struct room *r)
{
	imap_sessions_stop(&r->sessions.imap);
	pop3_sessions_stop(&r->sessions.pop3);
}

void sessions_begin(struct room *r)
{
	r->sessions.imap = (struct imap_host){
		.loop = r->proc.loop, .store = r->store, .conf = &r->proc.conf,
		.room = r, .ended = ended, .park = park,
	};
	r->sessions.pop3 = (struct pop3_host){
		.loop = r->proc.loop, .store = r->store, .conf = &r->proc.conf,
		.room = r, .ended = ended,
	};
	r->sessions.watcher.changed = changed;
	store_watch(r->store, &r->sessions.watcher);
}
