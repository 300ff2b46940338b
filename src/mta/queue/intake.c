/* intake.c - taking charge of letters: one write and one flush for all that
 * came in a turn of the loop, and only then the answers. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum status queue_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			const struct spool_place *progress_at, struct view progress)
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
	l = letter_new(q, &e);
	if (l == NULL || known_add(q, id, envelope, at->body_n) != ST_OK) {
		free(l);
		return ST_NOMEM;
	}
	l->id = id;
	if (dropped_note(q, l) != ST_OK) {
		free(l);
		return ST_NOMEM;
	}
	/* It was let go, and came to something. */
	l->dropped = l->dropped && progress.n == 0;
	l->at = *at;
	l->progress_at = *progress_at;
	st = letter_take_progress(q, l, &e, progress);
	if (st != ST_SYNTAX)
		return st;
	/* As if it had made none: some may get it twice, nobody not at all. */
	log_event(LOG_ERROR_, "progress", "id=%s why=\"it cannot be read\"", l->name);
	return letter_take_progress(q, l, &e, VIEW_NONE);
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
	if (st == ST_OK && in->again == LETTER_DROPPED)
		st = map_reserve(&q->dropped, 1);
	if (st == ST_OK) {
		l = letter_new(q, &e);
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
	if (in->again == LETTER_DROPPED && dropped_note(q, l) != ST_OK)
		log_event(LOG_ERROR_, "dropped", "id=%s", l->name);	/* cannot be: the place was reserved */
	if (hold(q, l, rec->fd))
		rec->fd = -1;
	add_promise(q, p);
	return ST_OK;
}

void queue_nobody_waits(struct queue *q, const struct channel *ch)
{
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
		if (in.again == LETTER_DROPPED)
			known = dropped_find(q, in.envelope);
		else if (in.again == LETTER_AGAIN)
			known = known_find(q, in.envelope, in.size);
		st = known ? promise_known(q, ch, rec, known) : promise(q, ch, rec, &in);
	}
	if (rec->fd >= 0)
		close(rec->fd);
	if (st != ST_OK)
		answer(q, ch, rec->call, rec->sid, verdict_of(st), 0);
}

void queue_keep(struct queue *q, struct letter *l)
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
		letter_schedule(q, l, &e);
	} else if (st == ST_NOMEM) {
		queue_give_up(q, "letter");
	} else {
		letter_log_held(l, status_name(st));
	}
}

/* Letters that have stayed long move out of the oldest segment. */
static void move_stale(struct queue *q)
{
	uint64_t number = spool_stale(q->spool), bytes = 0;
	struct moved {
		struct letter *letter;
		struct spool_place to, progress_to;
	} *moved = number ? calloc(MOVE_LETTERS, sizeof *moved) : NULL;
	size_t n = 0;

	for (struct ring *r = ring_first(&q->by_place); moved && r && n < MOVE_LETTERS && bytes < MOVE_BYTES;
	     r = ring_after(&q->by_place, r)) {
		struct letter *l = RING_OF(r, struct letter, by_place);

		if (l->at.segment != number)
			break;
		if (letter_copy(q, l, &moved[n].to, &moved[n].progress_to) != ST_OK)
			continue;
		moved[n++].letter = l;
		bytes += l->at.body_n;
	}
	if (n && spool_commit(q->spool) == ST_OK) {
		for (size_t i = 0; i < n; i++)
			letter_moved(q, moved[i].letter, &moved[i].to, &moved[i].progress_to);
		log_event(LOG_INFO_, "moved", "letters=%zu bytes=%llu", n, (unsigned long long)bytes);
		queue_flush_in(q, ROOM_AGAIN_MS);
	}
	free(moved);
}

/* What letters have come to, into the batch; those whose progress could not
 * be put there stay on the list. */
struct written {
	uint64_t id;
	struct spool_place at;
};

/* Behind a report upon it that is in the same batch it would bring back what
 * that settles.  One of very many recipients is not written each time that
 * one of them is done. */
static bool may_write(const struct queue *q, const struct letter *l)
{
	return !l->in_report && (l->settle_at <= clock_steady() || q->proc.stopping);
}

static struct written *put_progress(struct queue *q, size_t *ret_n)
{
	struct written *written = q->dirty.n ? calloc(q->dirty.n, sizeof *written) : NULL;
	struct buf b = BUF(SPOOL_BATCH_MAX);
	size_t n = 0;

	for (size_t i = 0; written && i < q->dirty.n; i++) {
		struct letter *l = map_get(&q->letters, q->dirty.p[i]);

		if (l == NULL)		/* nothing of it is owed any more */
			continue;
		buf_clear(&b);
		written[n].id = l->id;
		if (may_write(q, l) && letter_progress(q, l, false, &b) == ST_OK)
			(void)!spool_progress(q->spool, l->id, buf_view(&b), &written[n].at);
		n++;
	}
	buf_free(&b);
	*ret_n = n;
	return written;
}

/* After the commit: where each now lies, or that it is still to be written. */
static void progress_committed(struct queue *q, struct written *written, size_t n, enum status st)
{
	q->dirty.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct letter *l = map_get(&q->letters, written[i].id);

		/* There is room for it: it was on the list. */
		l->dirty = (st != ST_OK || written[i].at.segment == 0) && ids_add(&q->dirty, l->id) == ST_OK;
		if (l->dirty) {
			queue_flush_in(q, ROOM_AGAIN_MS);
			continue;
		}
		spool_moved(q->spool, &l->progress_at);
		l->progress_at = written[i].at;
	}
	free(written);
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
		if (st == ST_OK && letter_add(q, p->letter) == ST_OK) {
			answer(q, p->ch, p->call, p->sid, VERDICT_OK, p->letter->id);
			continue;
		}
		answer(q, p->ch, p->call, p->sid, verdict_of(st), 0);
		dropped_forget(q, p->letter);
		letter_free(q, p->letter);
		p->letter = NULL;
	}
}

static bool anything_to_commit(const struct queue *q)
{
	return q->promises || q->reports || q->commit_now || ((q->done_waiting || q->dirty.n) && q->proc.stopping);
}

static enum status commit(struct queue *q, struct promise *p)
{
	size_t n = 0;
	struct written *written = put_progress(q, &n);
	enum status st;

	for (; p; p = p->next)
		if (p->known)
			known_write_again(q, p);
	st = spool_commit(q->spool);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "spool", "why=\"%s\"", status_name(st));
		queue_flush_in(q, ROOM_AGAIN_MS);	/* DONEs are still to be written */
	}
	if (written)
		progress_committed(q, written, n, st);
	reports_committed(q, st);
	return st;
}

void queue_commit(struct turn_hook *h)
{
	struct queue *q = (struct queue *)((char *)h - offsetof(struct queue, commit));
	struct promise *p = q->promises, *next;
	bool tidy = q->tidy;
	enum status st;

	if (!anything_to_commit(q)) {
		remote_run(q);
		return;
	}
	q->promises = NULL;
	q->promises_end = &q->promises;
	q->promised = 0;
	q->done_waiting = q->commit_now = q->tidy = false;
	st = commit(q, p);
	/* All answers first, so that no client waits for a delivery. */
	answer_all(q, p, st);
	for (; p; p = next) {
		next = p->next;
		if (p->letter)
			queue_keep(q, p->letter);
		free(p);
	}
	remote_run(q);
	if (tidy && st == ST_OK)
		move_stale(q);
}
