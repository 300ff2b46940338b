/* intake.c - taking charge of letters: one write and one flush for all that
 * came in a turn of the loop, and only then the answers. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct letter *letter_new(const struct envelope *e)
{
	struct letter *l = calloc(1, sizeof *l + e->n_recipients * sizeof l->to[0]);

	if (l == NULL)
		return NULL;
	l->n = l->owed = e->n_recipients;
	l->fd = -1;
	memcpy(l->name, e->id.p ? e->id.p : "", view_head(e->id, sizeof l->name - 1).n);
	for (uint32_t i = 0; i < l->n; i++)
		l->to[i] = (struct handover){ .letter = l, .recipient = i };
	return l;
}

/* From now on it is owed: put each recipient into its lane.  ST_NOMEM. */
static enum status schedule(struct queue *q, struct letter *l, const struct envelope *e)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < l->n && st == ST_OK; i++) {
		uint64_t account = e->recipients[i].account;

		if (account)
			st = lane_add(q, account, &l->to[i]);
		else
			log_event(LOG_WARN_, "unroutable", "id=%s recipient=%u", l->name, i);
	}
	return st;
}

enum status queue_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope)
{
	struct queue *q = arg;
	struct envelope e;
	struct letter *l;
	enum status st;

	arena_free(&q->arena);
	st = envelope_take(envelope, &q->arena, &e);
	if (st == ST_SYNTAX) {
		/* It stays in the spool for people to look at. */
		log_event(LOG_ERROR_, "held", "queue=%llx why=\"its envelope cannot be read\"",
			  (unsigned long long)id);
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	l = letter_new(&e);
	if (l == NULL || known_add(q, id, envelope, at->body_n) != ST_OK ||
	    map_set(&q->letters, id, l) != ST_OK) {
		free(l);
		return ST_NOMEM;
	}
	l->id = id;
	l->at = *at;
	return schedule(q, l, &e);
}

static void answer(struct queue *q, struct channel *ch, uint32_t call, uint64_t sid, enum verdict v,
		   uint64_t id)
{
	if (ch == NULL)
		return;
	rec_put_letter_kept(&q->out, call, sid, &(struct rec_letter_kept){ (uint8_t)v, id });
	(void)!role_send(ch, &q->out, -1);
}

/* Hold a long letter's memory file for its room, so that its bytes need not
 * be read back.  Only one that nobody can change any more: the room must get
 * what the spool's checksum was made of. */
static bool hold(struct queue *q, struct letter *l, int fd)
{
	const int sealed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fd >= 0 && l ? fcntl(fd, F_GET_SEALS) : -1;

	if (seals < 0 || (seals & sealed) != sealed || l->at.body_n <= LETTER_INLINE ||
	    q->held == HELD_MAX || q->held_bytes + l->at.body_n > HELD_BYTES)
		return false;
	l->fd = fd;
	q->held++;
	q->held_bytes += l->at.body_n;
	return true;
}

static enum verdict verdict_of(enum status st)
{
	return st == ST_OK ? VERDICT_OK : st == ST_NOSPACE ? VERDICT_FULL : VERDICT_LATER;
}

static void add_promise(struct queue *q, struct promise *p)
{
	q->promised++;
	*q->promises_end = p;
	q->promises_end = &p->next;
}

/* One that the queue before us has kept: its answer waits for the commit too. */
static enum status promise_known(struct queue *q, struct channel *ch, const struct record *rec, uint64_t id)
{
	struct promise *p = malloc(sizeof *p);

	if (p == NULL)
		return ST_NOMEM;
	*p = (struct promise){ .ch = ch, .call = rec->call, .sid = rec->sid, .known = id };
	add_promise(q, p);
	return ST_OK;
}

/* Takes rec->fd where it is of use (and leaves -1). */
static enum status promise(struct queue *q, struct channel *ch, struct record *rec,
			   const struct rec_letter *in)
{
	struct promise *p = NULL;
	struct letter *l = NULL;
	struct envelope e;
	enum status st;

	arena_free(&q->arena);
	st = envelope_take(in->envelope, &q->arena, &e);
	if (st == ST_OK && (e.n_recipients == 0 || in->size > INT32_MAX))
		st = ST_SYNTAX;
	/* All that can fail comes before the letter is in the batch. */
	if (st == ST_OK)
		st = map_reserve(&q->letters, q->promised + 1);
	if (st == ST_OK) {
		l = letter_new(&e);
		p = malloc(sizeof *p);
		st = l && p ? ST_OK : ST_NOMEM;
	}
	if (st == ST_OK)
		st = spool_add(q->spool, in->envelope, in->body, rec->fd, in->size, &l->id, &l->at);
	if (st != ST_OK) {
		free(l);
		free(p);
		return st;
	}
	*p = (struct promise){ .ch = ch, .call = rec->call, .sid = rec->sid, .letter = l };
	if (hold(q, l, rec->fd))
		rec->fd = -1;
	add_promise(q, p);
	return ST_OK;
}

void queue_door_gone(struct channel *ch)
{
	struct queue *q = ch->owner;

	for (struct promise *p = q->promises; p; p = p->next)
		if (p->ch == ch)
			p->ch = NULL;
}

void queue_take_letter(struct queue *q, struct channel *ch, struct record *rec)
{
	struct rec_letter in;
	enum status st = ST_SYNTAX;
	uint64_t known = 0;

	if (rec_take_letter(rec->body, &in)) {
		if (in.again)
			known = known_find(q, in.envelope, in.size);
		st = known ? promise_known(q, ch, rec, known) : promise(q, ch, rec, &in);
	}
	if (rec->fd >= 0)
		close(rec->fd);
	if (st != ST_OK)
		answer(q, ch, rec->call, rec->sid, verdict_of(st), 0);
}

static void keep(struct queue *q, struct letter *l)
{
	struct view env;
	struct envelope e;
	enum status st;

	arena_free(&q->arena);
	st = spool_envelope(q->spool, &l->at, &env);
	if (st == ST_OK)
		st = envelope_take(env, &q->arena, &e);
	if (st == ST_OK) {
		log_begin(LOG_INFO_, "queued");
		log_str("id", l->name);
		log_hex("queue", l->id);
		log_view("from", e.sender);
		log_u64("size", l->at.body_n);
		log_u64("recipients", l->n);
		log_end();
		st = schedule(q, l, &e);
	}
	if (st == ST_NOMEM)
		queue_give_up(q, "letter");
	else if (st != ST_OK)
		log_event(LOG_ERROR_, "held", "id=%s why=\"%s\"", l->name, status_name(st));
}

/* Letters that have stayed long move out of the oldest segment. */
static void move_stale(struct queue *q)
{
	uint64_t number = spool_stale(q->spool), bytes = 0;
	struct moved {
		struct letter *letter;
		struct spool_place to;
	} *moved = number ? calloc(MOVE_LETTERS, sizeof *moved) : NULL;
	struct letter *l;
	size_t at = 0, n = 0;

	while (moved && n < MOVE_LETTERS && bytes < MOVE_BYTES && (l = map_next(&q->letters, &at)) != NULL) {
		if (l->at.segment != number ||
		    spool_copy(q->spool, l->id, &l->at, &moved[n].to) != ST_OK)
			continue;
		moved[n++].letter = l;
		bytes += l->at.body_n;
	}
	if (n && spool_commit(q->spool) == ST_OK) {
		for (size_t i = 0; i < n; i++) {
			spool_moved(q->spool, &moved[i].letter->at);
			moved[i].letter->at = moved[i].to;
		}
		log_event(LOG_INFO_, "moved", "letters=%zu bytes=%llu", n, (unsigned long long)bytes);
		queue_flush_in(q, ROOM_AGAIN_MS);
	}
	free(moved);
}

/* The answers of one commit; letters that were not kept are gone. */
static void answer_all(struct queue *q, struct promise *p, enum status st)
{
	for (; p; p = p->next) {
		if (p->known) {
			enum status kept = st == ST_OK ? known_kept(q, p) : st;

			answer(q, p->ch, p->call, p->sid, verdict_of(kept), p->known);
			continue;
		}
		/* Cannot fail: the place was reserved. */
		if (st == ST_OK && map_set(&q->letters, p->letter->id, p->letter) == ST_OK) {
			answer(q, p->ch, p->call, p->sid, VERDICT_OK, p->letter->id);
			continue;
		}
		answer(q, p->ch, p->call, p->sid, verdict_of(st), 0);
		letter_let_go(q, p->letter);
		free(p->letter);
		p->letter = NULL;
	}
}

void queue_commit(struct turn_hook *h)
{
	struct queue *q = (struct queue *)((char *)h - offsetof(struct queue, commit));
	struct promise *p = q->promises, *next;
	bool tidy = q->commit_now;
	enum status st;

	if (p == NULL && !tidy && !(q->done_waiting && q->proc.stopping))
		return;
	q->promises = NULL;
	q->promises_end = &q->promises;
	q->promised = 0;
	q->done_waiting = q->commit_now = false;
	for (next = p; next; next = next->next)
		if (next->known)
			known_write_again(q, next);
	st = spool_commit(q->spool);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "spool", "why=\"%s\"", status_name(st));
		queue_flush_in(q, ROOM_AGAIN_MS);	/* DONEs are still to be written */
	}
	/* All answers first, so that no client waits for a delivery. */
	answer_all(q, p, st);
	for (; p; p = next) {
		next = p->next;
		if (p->letter)
			keep(q, p->letter);
		free(p);
	}
	if (tidy && st == ST_OK)
		move_stale(q);
}
