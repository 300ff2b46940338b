/* session.c - the life of a session: taken over from the door, commands,
 * IDLE, given back or ended. */
#include "ms/imap/internal.h"

#include "base/log.h"
#include "ipc/records.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	LIFE_MAX = 16 * 1024,
	WORK_MAX = 64 * 1024 * 1024,	/* one command's sets and search results */
	REST_IDLE = 1000,		/* ms in IDLE before the session is parked */
	REST_SILENT = 4000,		/* ms of silence outside of IDLE */
	GATHER = 5,			/* ms in which changes come together */
	SAVED_MAX = 64,			/* "$" longer than this is not parked */
	/* COPYUID of a few million messages that do not follow each other. */
	CODE_MAX = 64 * 1024 * 1024,
};

static struct imap_session *of_timer(struct timer *t, size_t at)
{
	return (struct imap_session *)((char *)t - at);
}

static void set_timer(struct imap_session *s, struct timer *t, steady_ms in)
{
	if (loop_timer(s->host->loop, t, loop_now(s->host->loop) + in) != ST_OK)
		conn_close(&s->conn);
}

/* ---- the end ---- */

static void drop(struct imap_session *s)
{
	struct imap_session **at = &s->host->sessions;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	loop_timer_clear(s->host->loop, &s->nudge);
	loop_timer_clear(s->host->loop, &s->rest);
	store_unwatch(s->host->store, &s->watcher);
	imap_deselect(s);
	imap_reader_free(&s->reader);
	buf_free(&s->code);
	buf_free(&s->idle_tag);
	arena_free(&s->work);
}

static void ended(struct conn *c)
{
	struct imap_session *s = (struct imap_session *)c;
	struct imap_host *host = s->host;
	uint64_t sid = s->record.sid;

	log_begin(LOG_INFO_, "imap-end");
	log_hex("sid", sid);
	log_u64("errors", s->errors);
	log_end();
	drop(s);
	arena_free(&s->life);
	free(s);
	host->ended(host->room, sid);
}

static void late(struct conn *c)
{
	struct imap_session *s = (struct imap_session *)c;

	buf_puts(out_of(s), "* BYE too long silent\r\n");
}

/* ---- giving it back to the door ---- */

/* What the record has no field for. */
static void put_extra(struct imap_session *s, struct buf *b)
{
	put_u64(b, s->sel.view_modseq);
	put_u32(b, s->sel.n_keywords);
	put_u32(b, s->errors);
	put_u32(b, s->n_saved);
	for (uint32_t i = 0; i < s->n_saved; i++)
		put_u32(b, s->saved[i]);
}

static bool may_park(const struct imap_session *s)
{
	return !s->conn.running && !s->conn.closing && !s->conn.broken && out_of((struct imap_session *)s)->n == 0 &&
	       imap_reader_rests(&s->reader) && s->n_saved <= SAVED_MAX && s->bye == NULL &&
	       !(s->sel.m && s->sel.m->deleted);
}

static void park(struct imap_session *s)
{
	struct imap_host *host = s->host;
	struct buf extra = BUF(1024), pending = BUF(CONN_IN);
	struct session_state state = s->record;
	const struct mailbox *m = s->sel.m;
	int fd;

	put_extra(s, &extra);
	state.flags &= ~(uint32_t)(SESSION_FRESH | SESSION_IDLE | SESSION_READ_ONLY);
	state.flags |= (s->idling ? SESSION_IDLE : 0) | (s->sel.read_only ? SESSION_READ_ONLY : 0);
	state.tag = s->idling ? buf_view(&s->idle_tag) : VIEW_NONE;
	state.enabled = s->enabled;
	state.mailbox = m ? m->id : 0;
	/* A copy: the mailbox is let go before the record is. */
	state.mailbox_name = m ? arena_copy(&s->work, m->name) : VIEW_NONE;
	state.uidvalidity = m ? m->uidvalidity : 0;
	state.uidnext = s->sel.uidnext;
	state.exists = s->sel.n;
	state.modseq = s->sel.flags_modseq;
	state.extra = buf_view(&extra);
	if (buf_status(&extra) != ST_OK || arena_status(&s->work) != ST_OK) {
		buf_free(&extra);
		arena_free(&s->work);
		return;
	}
	fd = conn_release(&s->conn, &pending);
	log_begin(LOG_DEBUG_, "imap-park");
	log_hex("sid", state.sid);
	log_end();
	loop_timer_clear(host->loop, &s->rest);
	host->park(host->room, &state, fd, buf_view(&pending));
	drop(s);
	arena_free(&s->life);
	free(s);
	buf_free(&extra);
	buf_free(&pending);
}

static void rest_due(struct timer *t)
{
	struct imap_session *s = of_timer(t, offsetof(struct imap_session, rest));
	steady_ms now = loop_now(s->host->loop), wait = s->idling ? REST_IDLE : REST_SILENT;

	if (s->nudge.slot || now < s->active + wait || !may_park(s))
		set_timer(s, t, now < s->active + wait ? s->active + wait - now : wait);
	else
		park(s);
}

/* ---- commands ---- */

void imap_idle_begin(struct imap_session *s, struct view tag)
{
	buf_clear(&s->idle_tag);
	buf_put(&s->idle_tag, tag);
	s->idling = true;
	buf_puts(out_of(s), "+ idling\r\n");
	set_timer(s, &s->rest, REST_IDLE);
}

/* The line that ends IDLE (RFC 9051 6.3.13). */
static void end_idle(struct imap_session *s, struct view line)
{
	s->idling = false;
	imap_sync(s, true);
	imap_say(s, buf_view(&s->idle_tag), view_eq_i(line, VIEW("DONE")) ? SAY_OK : SAY_BAD_SYNTAX);
}

static void take_event(struct imap_session *s, enum imap_event e)
{
	struct view text = buf_view(&s->reader.text);

	switch (e) {
	case IMAP_MORE:
		break;
	case IMAP_COMMAND:
		if (s->idling)
			end_idle(s, text);
		else
			imap_command(s, text);
		break;
	case IMAP_CONTINUE:
		buf_puts(out_of(s), "+ go on\r\n");
		break;
	case IMAP_TOO_BIG:
		imap_say(s, imap_tag_of(text),
			 view_starts_i(view_skip(text, view_find(text, ' ')), VIEW(" APPEND ")) ?
				 SAY_TOO_BIG : SAY_BAD_LITERAL);
		break;
	case IMAP_TOO_LONG:
		imap_say(s, imap_tag_of(text), SAY_BAD_LENGTH);
		break;
	case IMAP_BAD_BYTES:
		imap_say(s, imap_tag_of(text), SAY_BAD_BYTES);
		break;
	case IMAP_HOPELESS:
	case IMAP_NO_MEMORY:
		buf_puts(out_of(s), "* BYE that is too much\r\n");
		conn_close(&s->conn);
		break;
	}
}

static void say_welcome(struct imap_session *s)
{
	struct buf *b = out_of(s);

	s->greet = false;
	buf_put(b, s->record.tag);
	buf_puts(b, " OK [CAPABILITY ");
	imap_put_capabilities(s, b);
	buf_puts(b, "] Logged in\r\n");
}

static void serve(struct conn *c)
{
	struct imap_session *s = (struct imap_session *)c;
	size_t used;

	s->active = loop_now(s->host->loop);
	if (s->greet)
		say_welcome(s);
	if (s->idling && s->bye == NULL)
		imap_sync(s, true);
	while (s->bye == NULL && !c->closing && !c->broken) {
		struct view in = conn_view(c);
		enum imap_event e;

		if (in.n == 0) {
			if (conn_fill(c) != ST_OK)
				break;
			continue;
		}
		e = imap_read(&s->reader, in, &used);
		conn_take(c, used);
		take_event(s, e);
		if (!imap_flow(s))
			break;
	}
	if (s->bye && !c->closing) {
		buf_putf(out_of(s), "* BYE %s\r\n", s->bye);
		conn_close(c);
	}
	if (imap_reader_rests(&s->reader))
		imap_reader_free(&s->reader);
	s->active = loop_now(s->host->loop);
}

/* ---- IDLE: others change the mailbox ---- */

static void nudge_due(struct timer *t)
{
	struct imap_session *s = of_timer(t, offsetof(struct imap_session, nudge));

	if (s->conn.running)
		set_timer(s, t, GATHER);	/* it is being told of what was before */
	else
		conn_begin(&s->conn);
}

static void changed(struct store_watcher *w, uint64_t mailbox, uint64_t modseq)
{
	struct imap_session *s = (struct imap_session *)((char *)w - offsetof(struct imap_session, watcher));

	(void)modseq;
	if (s->idling && s->sel.m && s->sel.m->id == mailbox && s->nudge.slot == 0)
		set_timer(s, &s->nudge, GATHER);
}

/* ---- taking it over ---- */

static enum status keep_record(struct imap_session *s, const struct session_state *state)
{
	s->record = *state;
	s->record.address = arena_copy(&s->life, state->address);
	s->record.peer = arena_copy(&s->life, state->peer);
	s->record.tag = arena_copy(&s->life, state->tag);
	s->record.mailbox_name = arena_copy(&s->life, state->mailbox_name);
	s->record.extra = arena_copy(&s->life, state->extra);
	s->enabled = state->enabled;
	s->greet = state->flags & SESSION_FRESH;
	s->idling = (state->flags & SESSION_IDLE) && !s->greet;
	buf_put(&s->idle_tag, s->record.tag);
	return arena_status(&s->life) == ST_OK ? buf_status(&s->idle_tag) : arena_status(&s->life);
}

/* The uids that the client knew: those still there, and those that left. */
static enum status recover_uids(struct imap_session *s, struct selected *sel)
{
	const struct session_state *r = &s->record;
	const struct mailbox *m = sel->m;
	uint32_t *gone = NULL, n_gone = 0, i = 0, j = 0;
	enum status st = mailbox_vanished(sel->m, sel->view_modseq, &s->work, &gone, &n_gone);

	if (st != ST_OK)
		return st;
	sel->uids = malloc(((size_t)r->exists + 1) * sizeof *sel->uids);
	if (sel->uids == NULL)
		return ST_NOMEM;
	sel->cap = r->exists + 1;
	while (sel->n <= r->exists) {
		uint32_t here = i < m->n ? m->messages[i].uid : UINT32_MAX;
		uint32_t left = j < n_gone ? gone[j] : UINT32_MAX;
		uint32_t uid = here < left ? here : left;

		if (uid >= r->uidnext)
			break;
		if (sel->n == r->exists)
			return ST_CORRUPT;
		sel->uids[sel->n++] = uid;
		i += here == uid;
		j += left == uid;
	}
	return sel->n == r->exists ? ST_OK : ST_CORRUPT;
}

static enum status recover_extra(struct imap_session *s, struct selected *sel)
{
	struct cursor c = cursor_over(s->record.extra);

	sel->view_modseq = take_u64(&c);
	sel->n_keywords = take_u32(&c);
	s->errors = take_u32(&c);
	s->n_saved = take_u32(&c);
	if (!cursor_ok(&c) || s->n_saved > SAVED_MAX) {
		s->n_saved = 0;
		return ST_SYNTAX;
	}
	s->saved = malloc((s->n_saved + 1) * sizeof *s->saved);
	if (s->saved == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < s->n_saved; i++)
		s->saved[i] = take_u32(&c);
	return cursor_end(&c) ? ST_OK : ST_SYNTAX;
}

/* Back from the door: the mailbox is as the client last saw it. */
static enum status resume(struct imap_session *s)
{
	const struct session_state *r = &s->record;
	struct selected sel = { .read_only = r->flags & SESSION_READ_ONLY, .uidnext = r->uidnext,
				.flags_modseq = r->modseq };
	enum status st = recover_extra(s, &sel);

	if (st != ST_OK || r->mailbox == 0)
		return st;
	st = mailbox_open(s->host->store, r->mailbox_name, &sel.m);
	if (st != ST_OK)
		return st;
	st = sel.m->id == r->mailbox && sel.m->uidvalidity == r->uidvalidity ? recover_uids(s, &sel) : ST_MISSING;
	/* One less than now: what has left is looked for at the next sync. */
	sel.expunges = sel.m->expunges - 1;
	arena_free(&s->work);
	s->sel = sel;
	return st;
}

static struct imap_session *new_session(struct imap_host *host)
{
	struct imap_session *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->host = host;
	s->life = ARENA(LIFE_MAX);
	s->work = ARENA(WORK_MAX);
	s->code = BUF(CODE_MAX);
	s->idle_tag = BUF(IMAP_TAG_MAX);
	imap_reader_begin(&s->reader, (size_t)host->conf->imap_line, (size_t)host->conf->imap_literal);
	s->nudge.fire = nudge_due;
	s->rest.fire = rest_due;
	s->watcher.changed = changed;
	s->conn.serve = serve;
	s->conn.late = late;
	s->conn.ended = ended;
	s->conn.patience = (uint64_t)host->conf->imap_timeout;
	return s;
}

static void discard(struct imap_session *s)
{
	imap_deselect(s);
	buf_free(&s->idle_tag);
	arena_free(&s->life);
	arena_free(&s->work);
	free(s);
}

enum status imap_session_open(struct imap_host *host, int fd, const struct session_state *state,
			      struct view pending)
{
	struct imap_session *s = new_session(host);
	enum status st;

	if (s == NULL) {
		close(fd);
		return ST_NOMEM;
	}
	st = keep_record(s, state);
	if (st == ST_OK)
		st = conn_open(&s->conn, host->loop, fd);
	else
		close(fd);
	if (st != ST_OK) {
		discard(s);
		return st;
	}
	s->next = host->sessions;
	host->sessions = s;
	store_watch(host->store, &s->watcher);
	set_timer(s, &s->rest, s->idling ? REST_IDLE : REST_SILENT);
	buf_put(&s->conn.in, pending);
	st = s->greet ? ST_OK : resume(s);
	if (st != ST_OK)
		s->bye = "the mailbox has changed too much; come again";
	log_begin(LOG_INFO_, s->greet ? "imap" : "imap-resume");
	log_hex("sid", state->sid);
	if (st != ST_OK)
		log_str("why", status_name(st));
	log_end();
	conn_begin(&s->conn);
	return ST_OK;
}

void imap_sessions_stop(struct imap_host *host)
{
	struct imap_session *next;

	for (struct imap_session *s = host->sessions; s; s = next) {
		next = s->next;
		s->bye = "the server stops";
		if (!s->conn.running)
			conn_begin(&s->conn);
	}
}
