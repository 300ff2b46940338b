/* watch.c - waxwing lab watch: the dialog of all hosts, as it happens. */
#include "admin/lab/dialog.h"

#include "admin/tell.h"

#include <stdio.h>

enum { LOOK_MS = 50 };

struct watcher {
	struct lab_sessions *sessions;
	bool json, explain;
};

static void show(void *arg, const struct lab_place *at, const struct log_line *l)
{
	struct watcher *w = arg;
	struct lab_turn t;

	if (!lab_turn_of(w->sessions, at, l, NULL, &t))
		return;
	if (w->json) {
		json_t *o = lab_turn_json(&t, l->at);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(o);
	} else {
		lab_turn_print(w->sessions, &t, l->at, w->explain);
	}
	buf_free(&t.text);
}

int cmd_lab_watch(struct invocation *in)
{
	struct watcher w = { .json = in->given[OPTION_json], .explain = in->given[OPTION_explain] };
	struct lab_tails *tails = NULL;
	struct lab l;
	int done = FAILED;

	if (lab_open(in, &l) == ST_OK) {
		tails = lab_tails_open(&l);
		w.sessions = lab_sessions_new(&l);
	}
	if (tails && w.sessions) {
		if (!w.json)
			tell("watching %s; Ctrl-C ends it", l.dir);
		/* Ends by a signal, or when nobody reads any more. */
		while (!ferror(stdout)) {
			lab_tails_poll(tails, show, &w);
			sleep_ms(LOOK_MS);
		}
		done = DONE;
	}
	lab_tails_close(tails);
	lab_sessions_free(w.sessions);
	lab_close(&l);
	return done;
}
