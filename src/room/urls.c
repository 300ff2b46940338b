/* urls.c - what URLs name, for our submission server (RFC 4468).  Each question
 * has a channel of its own, on which nothing else is answered: so a door whose
 * person has not logged in to read gets no more than what a token opens. */
#include "room/internal.h"

#include "base/log.h"
#include "ms/urlauth.h"

#include <stdlib.h>
#include <unistd.h>

enum { VISITS_MAX = 8, PIECE = 64 * 1024 };

static void drop(struct url_visit *v)
{
	struct url_visit **at = &v->room->visits;

	while (*at && *at != v)
		at = &(*at)->next;
	if (*at)
		*at = v->next;
	v->room->n_visits--;
	channel_close(&v->ch);
	buf_free(&v->held);
	free(v);
}

static enum verdict verdict_of(enum status st)
{
	switch (st) {
	case ST_OK:
		return VERDICT_OK;
	case ST_DENIED:
	case ST_TIMEOUT:
		return VERDICT_DENIED;
	case ST_LIMIT:
		return VERDICT_FULL;
	case ST_SYNTAX:
	case ST_MISSING:
		return VERDICT_NO;
	default:
		return VERDICT_LATER;
	}
}

/* Nothing is given out that could still be lost. */
static enum status look(struct url_visit *v, const struct rec_url_ask *in)
{
	struct room *r = v->room;
	struct url_reader who = { .user = in->user, .submission = true };
	enum status st = store_flush(r->store);

	v->held = BUF(in->most < SIZE_MAX ? (size_t)in->most : SIZE_MAX - 1);
	if (st == ST_OK)
		st = url_fetch(r->store, &r->proc.conf, &who, in->url, &v->held);
	v->found = st == ST_OK;
	return st;
}

static void answer(struct url_visit *v, const struct record *rec, const struct rec_url_ask *in)
{
	struct rec_url_answer a = { 0 };
	struct view held;
	enum status st = v->found ? ST_OK : look(v, in);

	held = buf_view(&v->held);
	a.verdict = (uint8_t)verdict_of(st);
	if (st == ST_OK) {
		a.size = held.n;
		a.body = view_head(view_skip(held, in->from > held.n ? held.n : (size_t)in->from), PIECE);
	}
	if (in->from == 0) {
		log_begin(LOG_INFO_, "url");
		log_hex("sid", rec->sid);
		log_str("result", st == ST_OK ? "ok" : status_name(st));
		log_u64("size", a.size);
		log_end();
	}
	rec_put_url_answer(&v->room->out, rec->call, rec->sid, &a);
	(void)!role_send(&v->ch, &v->room->out, -1);
}

static void door_asks(struct channel *ch, struct record *rec)
{
	struct url_visit *v = ch->owner;
	struct rec_url_ask in;

	/* What else may go from a door to a room is not heard here. */
	if (rec->type == REC_url_ask && rec_take_url_ask(rec->body, &in)) {
		room_busy(v->room);
		answer(v, rec, &in);
	} else if (rec->fd >= 0) {
		close(rec->fd);
	}
}

static void door_gone(struct channel *ch)
{
	drop(ch->owner);
}

void urls_take(struct room *r, int fd)
{
	struct url_visit *v = r->n_visits < VISITS_MAX ? calloc(1, sizeof *v) : NULL;

	if (v == NULL) {
		close(fd);
		return;
	}
	v->room = r;
	v->ch = (struct channel){
		.receive = door_asks, .gone = door_gone, .allowed = record_allowed,
		.owner = v, .self = ROLE_ROOM, .peer = ROLE_DOOR,
	};
	if (channel_open(&v->ch, r->proc.loop, fd) != ST_OK) {
		free(v);
		return;
	}
	v->next = r->visits;
	r->visits = v;
	r->n_visits++;
	room_busy(r);
}

void urls_stop(struct room *r)
{
	while (r->visits)
		drop(r->visits);
}
