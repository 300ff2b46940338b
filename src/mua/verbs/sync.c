/* sync.c - waxmail sync, outbox. */
#include "mua/sync/sync.h"

#include "mua/compose/write.h"
#include "mua/say.h"
#include "mua/verbs/ids.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { SMALL_ARENA = 64 * 1024 * 1024, AGAIN_LEAST_S = 1, AGAIN_MOST_S = 300 };

/* Ctrl-C ends at the next step, so that what is half done is whole. */
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	/* The second one ends at once. */
	if (ended)
		_Exit(130);
	ended = 1;
}

static bool show_progress(void *arg, struct view what, uint64_t done, uint64_t all)
{
	char name[64];

	snprintf(name, sizeof name, "%.*s", VIEW_ARG(view_head(what, sizeof name - 1)));
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = '?';
	progress_show(arg, name, done, all);
	return !ended;
}

static int tell(const struct invocation *in, const struct sync *s)
{
	if (GIVEN(in, json))
		return print_object(json_pack("{ss,sI,sI,sI,sI,sI,sI,sI}", "account",
					      s->place->account->address, "headers", (json_int_t)s->headers,
					      "letters", (json_int_t)s->bodies, "flags", (json_int_t)s->flags,
					      "gone", (json_int_t)s->gone, "told", (json_int_t)s->told,
					      "refused", (json_int_t)s->refused, "sent", (json_int_t)s->sent));
	if (s->headers || s->bodies || s->gone || s->told || s->sent)
		printf("%s: %llu new, %llu fetched, %llu gone, %llu told, %llu sent\n", s->place->account->address,
		       (unsigned long long)s->headers, (unsigned long long)s->bodies, (unsigned long long)s->gone,
		       (unsigned long long)s->told, (unsigned long long)s->sent);
	return printed();
}

/* ret_why (or NULL): how reading ended. */
static int sync_one(const struct invocation *in, struct place *p, enum status *ret_why)
{
	struct progress bar;
	struct sync s = { .place = p, .folder = view_cstr(in->n ? in->args[0] : ""), .watch = GIVEN(in, watch),
			  .headers_only = GIVEN(in, headers_first), .progress = show_progress, .progress_arg = &bar };
	enum status out = ST_OK, st;

	progress_begin(&bar, GIVEN(in, quiet));
	if (!s.headers_only)
		out = sync_outbox(&s, 0, NULL);
	if (out != ST_OK || s.refused) {
		progress_end(&bar);
		say("sending: %s", s.why[0] ? s.why : status_name(out));
		s.why[0] = '\0';
	}
	st = p->account->read.port ? sync_run(&s) : ST_OK;
	progress_end(&bar);
	if (ret_why)
		*ret_why = st;
	if (st == ST_AGAIN)
		say("ended; the next sync goes on from here");
	else if (st != ST_OK && s.why[0])
		say("%s", s.why);
	else if (st != ST_OK && p->password.n)
		say_failed("sync", st);
	if (st != ST_OK || out != ST_OK)
		return FAILED;
	return tell(in, &s);
}

/* A connection that breaks is no end of watching: the network comes back, the server starts
 * again.  What does not mend itself, a wrong password say, ends it. */
static int watch(const struct invocation *in, struct place *p)
{
	unsigned wait_s = AGAIN_LEAST_S;
	bool worked = false;

	for (;;) {
		steady_ms begun = clock_steady();
		enum status why = ST_OK;
		int status = sync_one(in, p, &why);

		worked |= why != ST_MISSING;
		/* Without a network there is no DNS, and so no such host. */
		if (why != ST_CLOSED && why != ST_TIMEOUT && (why != ST_MISSING || !worked))
			return status;
		wait_s = clock_steady() - begun > (steady_ms)wait_s * 2000 ? AGAIN_LEAST_S :
			 wait_s * 2 > AGAIN_MOST_S		       ? AGAIN_MOST_S :
									 wait_s * 2;
		say("tried again in %u seconds", wait_s);
		sleep(wait_s);
	}
}

int verb_sync(struct invocation *in)
{
	struct place p;
	enum status st = place_open(&p, in);
	int status = DONE;

	/* Who watches waits most of the time, and may end at any. */
	if (!GIVEN(in, watch)) {
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
	}
	if (st == ST_OK && GIVEN(in, watch))
		status = watch(in, &p);
	else if (st == ST_OK && !GIVEN(in, all))
		status = sync_one(in, &p, NULL);
	for (size_t i = 0; st == ST_OK && GIVEN(in, all) && !GIVEN(in, watch) && i < p.settings.n && !ended; i++) {
		st = place_use(&p, &p.settings.accounts[i]);
		if (st == ST_OK && sync_one(in, &p, NULL) != DONE)
			status = FAILED;
	}
	place_close(&p);
	return st == ST_OK ? status : FAILED;
}

/* ---- outbox ---- */

static void out_line(const struct copy_out *o)
{
	char at[RFC3339_SIZE];

	printf("%6llu  %s  %u tries  %s%.*s%s%s%.*s\n", (unsigned long long)o->id, clock_rfc3339(o->queued, at),
	       o->tries, o->next == COPY_OUT_HELD ? "held  " : "", VIEW_ARG(o->n_to ? o->to[0] : VIEW("-")), o->n_to > 1 ? ", ..." : "",
	       o->problem.n ? "  " : "", VIEW_ARG(o->problem));
}

static json_t *out_json(const struct copy_out *o)
{
	json_t *to = json_array();

	for (size_t i = 0; i < o->n_to; i++)
		json_array_append_new(to, say_text(o->to[i]));
	return json_pack("{sI,so,so,so,sb,so,sI,so}", "number", (json_int_t)o->id, "from", say_text(o->from), "to",
			 to, "queued", say_time(o->queued), "held", o->next == COPY_OUT_HELD, "next",
			 o->next == COPY_OUT_HELD ? json_null() : say_time(o->next), "tries",
			 (json_int_t)o->tries, "problem", o->problem.n ? say_text(o->problem) : json_null());
}

int verb_outbox_list(struct invocation *in)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct copy_out *all;
	struct place p;
	size_t n = 0;
	json_t *rows = json_array();
	enum status st = place_open(&p, in);
	int status = FAILED;

	if (st == ST_OK && (st = copy_out_all(p.copy, &a, &all, &n)) != ST_OK)
		say_failed("outbox", st);
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		if (GIVEN(in, json))
			json_array_append_new(rows, out_json(&all[i]));
		else
			out_line(&all[i]);
	}
	if (st == ST_OK)
		status = GIVEN(in, json) ? print_array(json_incref(rows)) : printed();
	json_decref(rows);
	arena_free(&a);
	place_close(&p);
	return status;
}

static int tell_sent(const struct invocation *in, const struct fate_told *told, enum status st)
{
	const char *state = st != ST_OK ? "refused" : told->held ? "held" : told->queued ? "queued" : "sent";

	if (told->why.n)
		say("%s: %.*s", state, VIEW_ARG(buf_view(&told->why)));
	else if (st != ST_OK)
		say_failed(in->args[0], st);
	if (told->draft)
		say("it is draft %lld now", (long long)told->draft);
	if (GIVEN(in, json))
		(void)print_object(json_pack("{ss}", "state", state));
	return st == ST_OK && !told->queued ? printed() : FAILED;
}

int verb_outbox_send(struct invocation *in)
{
	struct fate_told told = { .why = BUF(WHY_MAX) };
	enum protection level = PROTECTION_FULL;
	struct place p;
	int64_t id;
	int status = FAILED;
	enum status st;

	if (!id_take(in->args[0], &id))
		return WRONG_USE;
	if (GIVEN(in, protect) && (!protection_take(view_cstr(VALUE(in, protect)), &level) ||
				   (level != PROTECTION_OFF && level != PROTECTION_FULL))) {
		say("a letter that waits is sealed already: --protect off or --protect protect");
		return WRONG_USE;
	}
	st = place_open(&p, in);
	if (st == ST_OK) {
		st = post_release(&p, (uint64_t)id, level == PROTECTION_OFF, &told);
		status = tell_sent(in, &told, st);
	}
	buf_free(&told.why);
	place_close(&p);
	return status;
}

int verb_outbox_remove(struct invocation *in)
{
	struct place p;
	int64_t id;
	enum status st;

	if (!id_take(in->args[0], &id))
		return WRONG_USE;
	st = place_open(&p, in);
	if (st == ST_OK && (st = copy_out_remove(p.copy, (uint64_t)id)) != ST_OK)
		say_failed(in->args[0], st);
	place_close(&p);
	return st == ST_OK ? DONE : FAILED;
}
