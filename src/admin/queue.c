/* queue.c - waxwing queue list, show, remove: asks the running queue. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include <stdio.h>

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now; what is in its spool is delivered when one does" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

static void add_row(void *arg, struct view json)
{
	json_t *row = json_loadb(json.p, json.n, 0, NULL);

	if (row)
		json_array_append_new(arg, row);
}

/* The rows of the answer; NULL after having complained. */
static json_t *ask(struct invocation *in, const char *verb)
{
	const char *id = in->n ? in->args[0] : "";
	struct control_answer answer;
	json_t *rows = json_array();
	enum status st = control_ask(in->dir, verb, id, add_row, rows, &answer);
	enum verdict v = VERDICT_OK;

	if (st == ST_OK) {
		v = answer.verdict;
		buf_free(&answer.text);
	}
	if (st == ST_OK && v == VERDICT_OK)
		return rows;
	json_decref(rows);
	if (st != ST_OK)
		complain(in->dir, st, not_asked);
	else if (v == VERDICT_LATER)
		tell("%s: it is being handed over just now; try again", id);
	else
		tell("%s: there is no such letter in the queue; `waxwing queue list` shows them, "
		     "`waxwing trace %s` tells what became of it", id, id);
	return NULL;
}

int cmd_queue_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "id", "ID", COLUMN_TEXT },	     { "received", "RECEIVED", COLUMN_TEXT },
		{ "size", "SIZE", COLUMN_BYTES },    { "recipients", "TO", COLUMN_NUMBER },
		{ "from", "FROM", COLUMN_TEXT },
	};
	json_t *rows = ask(in, "queue-list");

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
		{ "id", "ID", COLUMN_TEXT },	  { "received", "RECEIVED", COLUMN_TEXT },
		{ "size", "SIZE", COLUMN_BYTES }, { "from", "FROM", COLUMN_TEXT },
		{ "to", "TO", COLUMN_TEXT },	  { "state", "STATE", COLUMN_TEXT },
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
	json_t *rows;

	if (!in->given[OPTION_yes] &&
	    !ask_yes("Forget letter %s?  Its sender is not told.", in->args[0]))
		return FAILED;
	rows = ask(in, "queue-remove");
	if (rows == NULL)
		return FAILED;
	json_decref(rows);
	printf("Letter %s is forgotten.\n", in->args[0]);
	return DONE;
}
