/* bench_queue.c - what the queue costs as it grows: not a test, it only says.
 *
 *     bench_queue FOLDER [LETTERS [DOMAINS [BYTES]]]
 *
 * One JSON line. In real time, by the queue's own functions, without the
 * other processes: add (into spool and memory, a commit for 100), start (the
 * spool opened, each letter waiting its turn), turn (the choice of the next
 * letter), done (forgotten, a commit for 100); each as processor time a
 * letter. And by a clock of our own, how much longer the live half of the
 * domains takes when the other half is dead. FOLDER must be new. */
#include "mta/queue/internal.h"

#include "base/log.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { SENDERS = 100, BATCH = 100, ANSWER_MS = 100, NAME_SIZE = 64 };

struct setup {
	const char *folder;
	unsigned letters, domains;
	size_t bytes;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double processor(void)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void must(enum status st, const char *what)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "bench_queue: %s: %s\n", what, status_name(st));
	exit(1);
}

/* ---- a queue without processes ---- */

static struct queue *queue_alone(void)
{
	struct queue *q = queue_new();

	must(q ? ST_OK : ST_NOMEM, "queue");
	must(conf_defaults(&q->proc.conf), "settings");
	must(loop_new(&q->proc.loop), "loop");
	remote_init(q);
	return q;
}

static void open_spool(struct queue *q, const struct setup *s)
{
	uint64_t damaged = 0;

	must(spool_open(s->folder, (uint64_t)q->proc.conf.queue_segment, queue_found, q, &q->spool, &damaged), s->folder);
}

static void put_envelope(const struct setup *s, unsigned i, char names[3][NAME_SIZE], struct recipient *to,
			 struct envelope *e)
{
	snprintf(names[0], NAME_SIZE, "%016x", i);
	snprintf(names[1], NAME_SIZE, "u%u@foo.com", i % SENDERS);
	snprintf(names[2], NAME_SIZE, "jones%u@site%u.example", i, i % s->domains);
	*to = (struct recipient){ .address = view_cstr(names[2]) };
	*e = (struct envelope){
		.id = view_cstr(names[0]), .received = clock_wall(), .sender = view_cstr(names[1]),
		.recipients = to, .n_recipients = 1,
	};
}

static void add(struct queue *q, const struct setup *s, unsigned i, struct view body)
{
	struct buf bytes = BUF(ENVELOPE_MAX);
	char names[3][NAME_SIZE];
	struct recipient to;
	struct envelope e;
	struct letter *l;

	put_envelope(s, i, names, &to, &e);
	envelope_put(&bytes, &e);
	l = letter_new(q, &e);
	must(l ? ST_OK : ST_NOMEM, "letter");
	must(spool_add(q->spool, buf_view(&bytes), body, -1, 0, &l->id, &l->at), "spool_add");
	must(letter_add(q, l), "letter_add");
	letter_schedule(q, l, &e);
	buf_free(&bytes);
}

static void fill(struct queue *q, const struct setup *s)
{
	char *body = malloc(s->bytes);

	must(body ? ST_OK : ST_NOMEM, "body");
	memset(body, 'x', s->bytes);
	for (unsigned i = 0; i < s->letters; i++) {
		add(q, s, i, view_make(body, s->bytes));
		if (i % BATCH == BATCH - 1)
			must(spool_commit(q->spool), "commit");
	}
	must(spool_commit(q->spool), "commit");
	free(body);
}

/* Every letter once: the turn, and what comes of it. */
static void empty(struct queue *q, double *ret_turns, double *ret_done)
{
	double begin = processor(), turns = 0;
	unsigned n = 0;

	for (;;) {
		double at = processor();
		struct task *task = share_next(&q->share);
		struct trip *t = task ? RING_OF(task, struct trip, task) : NULL;

		if (t == NULL)
			break;
		share_back(&q->share, task, CAME_THROUGH, queue_now(q));
		turns += processor() - at;
		recipient_sent(q, RING_OF(ring_first(&t->recipients), struct handover, link), false);
		q->dirty.n = 0;		/* gone, as queue_commit finds */
		if (++n % BATCH == 0)
			must(spool_commit(q->spool), "commit");
	}
	must(spool_commit(q->spool), "commit");
	*ret_turns = turns;
	*ret_done = processor() - begin - turns;
}

/* ---- dead and living, by a clock of our own ---- */

struct event {
	steady_ms at;
	struct task *task;	/* it comes back, or */
	struct site *site;	/* its pause is over */
};

struct future {
	struct event *heap;	/* [0] is the first */
	size_t n;
};

static void future_add(struct future *f, struct event e)
{
	size_t i = f->n++;

	for (; i && f->heap[(i - 1) / 2].at > e.at; i = (i - 1) / 2)
		f->heap[i] = f->heap[(i - 1) / 2];
	f->heap[i] = e;
}

static struct event future_take(struct future *f)
{
	struct event first = f->heap[0], last = f->heap[--f->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < f->n) {
		child += child + 1 < f->n && f->heap[child + 1].at < f->heap[child].at;
		if (last.at <= f->heap[child].at)
			break;
		f->heap[i] = f->heap[child];
		i = child;
	}
	f->heap[i] = last;
	return first;
}

static bool is_dead(const struct site *site)
{
	return site->name[0] == 'd';
}

/* What one event brings; true for a letter that came through. */
static bool happen(struct share *s, struct future *f, const struct event *e)
{
	struct site *site = e->site ? e->site : e->task->site;
	bool dead = is_dead(site);

	if (e->task == NULL) {
		share_site_open(s, site, e->at);
		return false;
	}
	share_back(s, e->task, dead ? SITE_FAILED : CAME_THROUGH, e->at);
	if (!dead) {
		share_task_end(s, e->task, e->at);
		return true;
	}
	must(share_wait(s, e->task, e->at), "share_wait");
	future_add(f, (struct event){ site->closed_until, NULL, site });
	return false;
}

/* Milliseconds until the living have all of theirs; dead letters come first. */
static steady_ms run(const struct setup *s, const struct conf *c, bool with_dead)
{
	unsigned half = s->letters / 2, left = half, first = with_dead ? 0 : half;
	struct task *tasks = calloc(s->letters, sizeof *tasks), *t;
	struct future f = { .heap = calloc(2 * (size_t)s->letters + 1, sizeof *f.heap) };
	struct share share;
	steady_ms now = 1;
	char name[NAME_SIZE];

	must(tasks && f.heap ? ST_OK : ST_NOMEM, "run");
	share_init(&share, 1);
	share.limits = (struct share_limits){
		(uint32_t)c->attempts, (uint32_t)c->site_first, (uint32_t)c->site_attempts, c->retry,
	};
	for (unsigned i = first; i < s->letters; i++) {
		snprintf(name, sizeof name, "%s%u.example", i < half ? "dead" : "live", i % (s->domains / 2));
		share_task(&share, &tasks[i], share_site(&share, view_cstr(name)), i % SENDERS, 0);
		must(share_wait(&share, &tasks[i], now), "share_wait");
	}
	while (left) {
		struct event e;

		while ((t = share_next(&share)) != NULL)
			future_add(&f, (struct event){ now + (is_dead(t->site) ? (steady_ms)c->relay_connect_timeout : ANSWER_MS),
						       t, NULL });
		if (f.n == 0)
			break;
		e = future_take(&f);
		now = e.at;
		left -= happen(&share, &f, &e);
	}
	share_free(&share);
	free(tasks);
	free(f.heap);
	return left ? 0 : now;
}

/* ---- all of it ---- */

static size_t heap_now(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void measure(const struct setup *s)
{
	double n = s->letters, filled, begun, turns, done, at = processor(), wall;
	struct queue *q = queue_alone();
	size_t heap;
	steady_ms alone, beside;

	open_spool(q, s);
	fill(q, s);
	filled = processor() - at;
	spool_close(q->spool);		/* the first queue is left as it is: a crash frees nothing either */
	q = queue_alone();
	heap = heap_now();
	at = processor();
	wall = seconds(CLOCK_MONOTONIC);
	open_spool(q, s);
	known_begin(q);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	begun = processor() - at;
	heap = heap_now() - heap;
	empty(q, &turns, &done);
	alone = run(s, &q->proc.conf, false);
	beside = run(s, &q->proc.conf, true);
	printf("{\"letters\": %u, \"domains\": %u, \"bytes\": %zu, \"start_s\": %.2f, \"memory_a_letter\": %.0f, "
	       "\"add_us\": %.2f, \"start_us\": %.2f, \"turn_us\": %.2f, \"done_us\": %.2f, "
	       "\"live_alone_s\": %.1f, \"live_beside_dead_s\": %.1f, \"left\": %zu}\n",
	       s->letters, s->domains, s->bytes, wall, (double)heap / n, filled / n * 1e6, begun / n * 1e6,
	       turns / n * 1e6, done / n * 1e6, (double)alone / 1e3, (double)beside / 1e3, q->letters.used);
	spool_close(q->spool);
}

int main(int argc, char **argv)
{
	struct setup s = { .letters = 100000, .domains = 1000, .bytes = 4096 };

	if (argc < 2 || mkdir(argv[1], 0700) != 0) {
		fprintf(stderr, "usage: bench_queue FOLDER [LETTERS [DOMAINS [BYTES]]], FOLDER new\n");
		return 2;
	}
	s.folder = argv[1];
	s.letters = argc > 2 ? (unsigned)atoi(argv[2]) : s.letters;
	s.domains = argc > 3 ? (unsigned)atoi(argv[3]) : s.domains;
	s.bytes = argc > 4 ? (size_t)atoi(argv[4]) : s.bytes;
	if (s.letters < 2 || s.domains < 2)
		return 2;
	log_start("bench", 2, LOG_ERROR_);
	measure(&s);
	return 0;
}
