/* queue.c - waxwing queue ...: asks the running queue. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "ipc/route.h"

#include <stdio.h>
#include <string.h>

enum { ARGUMENT_MAX = 2048 };

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now; what is in its spool is delivered when one does" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

static void say_refused(enum verdict v, const char *id)
{
	if (v == VERDICT_LATER)
		tell("%s: it is being handed over just now; try again", id);
	else if (v == VERDICT_QUOTA)
		tell("%s: it is held; `waxwing queue release %s` lets it go", id, id);
	else
		tell("%s: there is no such letter in the queue; `waxwing queue list` shows them, "
		     "`waxwing trace %s` tells what became of it", id, id);
}

/* The rows of the answer; NULL after having complained. */
static json_t *ask_about(struct invocation *in, const char *verb, const char *argument)
{
	json_t *rows = json_array();
	enum verdict v = VERDICT_LATER;
	enum status st = control_rows(in->dir, verb, argument, rows, &v);

	if (st == ST_OK && v == VERDICT_OK)
		return rows;
	json_decref(rows);
	if (st != ST_OK)
		complain(in->dir, st, not_asked);
	else
		say_refused(v, in->n ? in->args[0] : "");
	return NULL;
}

static json_t *ask(struct invocation *in, const char *verb)
{
	return ask_about(in, verb, in->n ? in->args[0] : "");
}

/* One that answers with a verdict alone. */
static int order(struct invocation *in, const char *verb, const char *argument, const char *done)
{
	json_t *rows = ask_about(in, verb, argument);

	if (rows == NULL)
		return FAILED;
	json_decref(rows);
	printf("%s: %s\n", in->args[0], done);
	return DONE;
}

/* As the queue reads it: a line for each. */
static void put_filter(const struct invocation *in, struct buf *out)
{
	if (in->given[OPTION_domain])
		buf_putf(out, "domain=%s\n", in->given[OPTION_domain]);
	if (in->given[OPTION_sender])
		buf_putf(out, "sender=%s\n", in->given[OPTION_sender]);
	if (in->given[OPTION_held])
		buf_puts(out, "held\n");
	buf_putc(out, '\0');
}

int cmd_queue_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "id", "ID", COLUMN_TEXT },	     { "received", "RECEIVED", COLUMN_TEXT },
		{ "size", "SIZE", COLUMN_BYTES },    { "recipients", "TO", COLUMN_NUMBER },
		{ "owed", "OWED", COLUMN_NUMBER },   { "leaves", "LEAVES", COLUMN_TEXT },
		{ "from", "FROM", COLUMN_TEXT },
	};
	struct buf filter = BUF(ARGUMENT_MAX);
	json_t *rows;

	put_filter(in, &filter);
	rows = buf_status(&filter) == ST_OK ? ask_about(in, "queue-list", filter.p) : NULL;
	buf_free(&filter);
	if (rows == NULL)
		return FAILED;
	return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "The queue is empty.");
}

/* One row for each recipient, for people. */
static json_t *recipients_of(const json_t *letter)
{
	const json_t *to = json_object_get(letter, "to");
	json_t *rows = json_array(), *one;
	size_t i;

	json_array_foreach(to, i, one) {
		json_t *row = json_deep_copy(letter);

		json_object_del(row, "to");
		json_object_update(row, one);
		json_array_append_new(rows, row);
	}
	return rows;
}

int cmd_queue_show(struct invocation *in)
{
	static const struct column columns[] = {
		{ "id", "ID", COLUMN_TEXT },	   { "from", "FROM", COLUMN_TEXT },
		{ "to", "TO", COLUMN_TEXT },	   { "state", "STATE", COLUMN_TEXT },
		{ "tries", "TRIES", COLUMN_NUMBER }, { "next", "NEXT", COLUMN_TEXT },
		{ "host", "HOST", COLUMN_TEXT },   { "reply", "LAST REPLY", COLUMN_TEXT },
	};
	json_t *rows = ask(in, "queue-show"), *flat;

	if (rows == NULL)
		return FAILED;
	if (!in->given[OPTION_json]) {
		flat = recipients_of(json_array_get(rows, 0));
		json_decref(rows);
		rows = flat;
	}
	return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "It has no recipient.");
}

int cmd_queue_remove(struct invocation *in)
{
	bool bounce = in->given[OPTION_bounce] != NULL;

	if (!in->given[OPTION_yes] &&
	    !ask_yes("Forget letter %s?  Its sender is %s.", in->args[0], bounce ? "told" : "not told"))
		return FAILED;
	return order(in, bounce ? "queue-bounce" : "queue-remove", in->args[0], "forgotten");
}

int cmd_queue_retry(struct invocation *in)
{
	return order(in, "queue-retry", in->args[0], "tried now");
}

int cmd_queue_flush(struct invocation *in)
{
	struct control_answer answer;
	enum status st = control_ask(in->dir, "queue-flush", in->args[0], NULL, NULL, &answer);

	if (st != ST_OK)
		return complain(in->dir, st, not_asked);
	buf_free(&answer.text);
	if (answer.verdict != VERDICT_OK) {
		tell("nothing in the queue is for %s", in->args[0]);
		return FAILED;
	}
	printf("%s: all that waits is tried now\n", in->args[0]);
	return DONE;
}

int cmd_queue_hold(struct invocation *in)
{
	return order(in, "queue-hold", in->args[0], "held");
}

int cmd_queue_release(struct invocation *in)
{
	bool unprotected = in->given[OPTION_unprotected] != NULL;
	struct buf argument = BUF(ARGUMENT_MAX);
	int done;

	buf_putf(&argument, "%s%s", in->args[0], unprotected ? " unprotected" : "");
	buf_putc(&argument, '\0');
	done = buf_status(&argument) == ST_OK ? order(in, "queue-release", argument.p, "released") : FAILED;
	buf_free(&argument);
	return done;
}

int cmd_queue_route(struct invocation *in)
{
	bool own = strcmp(in->args[1], "-") != 0;
	struct buf argument = BUF(ARGUMENT_MAX);
	struct route route;
	int done;

	if (own && route_parse(view_cstr(in->args[1]), &route) != ST_OK) {
		tell("%s is no route; one is as smtp://smart.example.net:587 or smtps://[192.0.2.1]", in->args[1]);
		return WRONG_USE;
	}
	buf_putf(&argument, "%s %s", in->args[0], in->args[1]);
	buf_putc(&argument, '\0');
	done = buf_status(&argument) == ST_OK
		       ? order(in, "queue-route", argument.p, own ? "goes by that route" : "goes as all others")
		       : FAILED;
	buf_free(&argument);
	return done;
}
