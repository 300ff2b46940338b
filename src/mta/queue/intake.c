/* intake.c - taking charge of letters: one write and one flush for all that
 * came in a turn of the loop, and only then the answers. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct letter *letter_new(uint64_t id, const struct spool_place *at, const struct envelope *e)
{
	struct letter *l = calloc(1, sizeof *l + e->n_recipients * sizeof l->to[0]);

	if (l == NULL)
		return NULL;
	l->id = id;
	l->at = *at;
	l->n = l->owed = e->n_recipients;
	l->fd = -1;
	memcpy(l->name, e->id.p ? e->id.p : "", view_head(e->id, sizeof l->name - 1).n);
	for (uint32_t i = 0; i < l->n; i++)
		l->to[i] = (struct handover){ .letter = l, .recipient = i };
	return l;
}

/* From now on it is owed: put each recipient into its lane. */
static void schedule(struct queue *q, struct letter *l, const struct envelope *e)
{
	for (uint32_t i = 0; i < l->n; i++) {
		uint64_t account = e->recipients[i].account;

		if (account == 0 || lane_add(q, account, &l->to[i]) != ST_OK)
			log_event(LOG_WARN_, "unroutable", "id=%s recipient=%u", l->name, i);
	}
}

enum status queue_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope)
{
	struct queue *q = arg;
	struct envelope e;
	struct letter *l;
	enum status st;

	arena_free(&q->arena);
	st = envelope_take(envelope, &q->arena, &e);
	if (st != ST_OK)
		return st;
	l = letter_new(id, at, &e);
	if (l == NULL || map_set(&q->letters, id, l) != ST_OK) {
		free(l);
		return ST_NOMEM;
	}
	schedule(q, l, &e);
	return ST_OK;
}

static void answer(struct queue *q, struct channel *ch, uint32_t call, uint64_t sid, enum verdict v,
		   uint64_t id)
{
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

/* Takes rec->fd where it is of use (and leaves -1). */
static enum status promise(struct queue *q, struct channel *ch, struct record *rec,
			   const struct rec_letter *in)
{
	struct promise *p;
	struct spool_place at;
	struct envelope e;
	uint64_t id;
	enum status st;

	arena_free(&q->arena);
	st = envelope_take(in->envelope, &q->arena, &e);
	if (st != ST_OK || e.n_recipients == 0 || in->size > INT32_MAX)
		return st == ST_OK ? ST_SYNTAX : st;
	p = malloc(sizeof *p);
	if (p == NULL)
		return ST_NOMEM;
	st = spool_add(q->spool, in->envelope, in->body, rec->fd, in->size, &id, &at);
	if (st != ST_OK) {
		free(p);
		return st;
	}
	*p = (struct promise){ NULL, ch, rec->call, rec->sid, letter_new(id, &at, &e) };
	if (hold(q, p->letter, rec->fd))
		rec->fd = -1;
	*q->promises_end = p;
	q->promises_end = &p->next;
	return ST_OK;
}

void queue_take_letter(struct queue *q, struct channel *ch, struct record *rec)
{
	struct rec_letter in;
	enum status st = rec_take_letter(rec->body, &in) ? promise(q, ch, rec, &in) : ST_SYNTAX;

	if (rec->fd >= 0)
		close(rec->fd);
	if (st != ST_OK)
		answer(q, ch, rec->call, rec->sid, verdict_of(st), 0);
}

static void keep(struct queue *q, struct letter *l)
{
	struct view env;
	struct envelope e;

	arena_free(&q->arena);
	if (spool_envelope(q->spool, &l->at, &env) == ST_OK &&
	    envelope_take(env, &q->arena, &e) == ST_OK) {
		log_begin(LOG_INFO_, "queued");
		log_str("id", l->name);
		log_hex("queue", l->id);
		log_view("from", e.sender);
		log_u64("size", l->at.body_n);
		log_u64("recipients", l->n);
		log_end();
		schedule(q, l, &e);
	}
}

void queue_commit(struct turn_hook *h)
{
	struct queue *q = (struct queue *)((char *)h - offsetof(struct queue, commit));
	struct promise *p = q->promises, *next;
	enum status st;

	if (p == NULL && !(q->done_waiting && q->proc.stopping))
		return;
	q->promises = NULL;
	q->promises_end = &q->promises;
	q->done_waiting = false;
	st = spool_commit(q->spool);
	if (st != ST_OK)
		log_event(LOG_ERROR_, "spool", "why=\"%s\"", status_name(st));
	/* All answers first, so that no client waits for a delivery. */
	for (struct promise *a = p; a; a = a->next) {
		bool kept = st == ST_OK && a->letter && map_set(&q->letters, a->letter->id, a->letter) == ST_OK;

		answer(q, a->ch, a->call, a->sid, kept ? VERDICT_OK : verdict_of(st ? st : ST_NOMEM),
		       kept ? a->letter->id : 0);
		if (!kept) {
			if (a->letter)
				letter_let_go(q, a->letter);
			free(a->letter);
			a->letter = NULL;
		}
	}
	for (; p; p = next) {
		next = p->next;
		if (p->letter)
			keep(q, p->letter);
		free(p);
	}
}
