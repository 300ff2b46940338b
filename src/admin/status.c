/* status.c - waxwing status. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

static void add_row(void *arg, struct view json)
{
	json_t *row = json_loadb(json.p, json.n, 0, NULL);

	if (row)
		json_array_append_new(arg, row);
}

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

int cmd_status(struct invocation *in)
{
	static const struct column columns[] = {
		{ "process", "PROCESS", COLUMN_TEXT },
		{ "index", "INDEX", COLUMN_NUMBER },
		{ "account", "ACCOUNT", COLUMN_NUMBER },
		{ "pid", "PID", COLUMN_NUMBER },
		{ "ready", "READY", COLUMN_TEXT },
	};
	json_t *rows = json_array();
	struct control_answer answer;
	enum status st = control_ask(in->dir, "status", "", add_row, rows, &answer);

	if (st != ST_OK) {
		json_decref(rows);
		return complain(in->dir, st, not_asked);
	}
	buf_free(&answer.text);
	return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "Nothing runs.");
}
