/* status.c - waxwing status: what the parent says of its processes, what each
 * of them says of itself, and what the kernel says of both. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* All rows of one answer; NULL where there was none. */
static json_t *ask(const char *dir, const char *verb, const char *argument, enum status *ret_st)
{
	json_t *rows = json_array();
	enum status st = control_rows(dir, verb, argument, rows, NULL);

	if (ret_st)
		*ret_st = st;
	if (st == ST_OK)
		return rows;
	json_decref(rows);
	return NULL;
}

/* ---- what the kernel says ---- */

/* Resident memory and processor time of a process; nothing where it is gone. */
static void add_usage(json_t *row, json_int_t pid)
{
	char path[64];
	long long rss = 0, user = 0, kernel = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%lld/statm", (long long)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%*d %lld", &rss) == 1)
		json_object_set_new(row, "memory", json_integer(rss * sysconf(_SC_PAGESIZE)));
	fclose(f);
	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	/* The name, in parentheses, has no parenthesis: it is our own. */
	if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user, &kernel) == 2)
		json_object_set_new(row, "cpu_ms", json_integer((user + kernel) * 1000 / sysconf(_SC_CLK_TCK)));
	fclose(f);
}

/* ---- people ---- */

static void say_time(json_int_t ms, struct buf *out)
{
	long long s = ms / 1000;

	if (s >= 86400)
		buf_putf(out, "%lldd%lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		buf_putf(out, "%lldh%lldmin", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		buf_putf(out, "%lldmin%llds", s / 60, s % 60);
	else
		buf_putf(out, "%lld.%llds", s, ms % 1000 / 100);
}

static void add_time(json_t *row, const char *from, const char *to)
{
	const json_t *ms = json_object_get(row, from);
	struct buf text = BUF(64);

	if (!json_is_integer(ms))
		return;
	say_time(json_integer_value(ms), &text);
	json_object_set_new(row, to, json_stringn(text.p, text.n));
	buf_free(&text);
}

/* What a process says of itself, as one column. */
static void add_words(json_t *row)
{
	struct buf text = BUF(256);
	const char *comma = "";
	static const char *const keys[] = { "connections", "letters", "waiting", "in_hand", "unflushed", "held", "later",
					    "asked", "in_flight", "failed", "bogus" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const json_t *n = json_object_get(row, keys[i]);

		if (!n)
			continue;
		buf_putf(&text, "%s%lld %s", comma, (long long)json_integer_value(n), keys[i]);
		comma = ", ";
	}
	if (!json_is_true(json_object_get(row, "ready")))
		buf_putf(&text, "%sstarting", comma);
	json_object_set_new(row, "says", json_stringn(text.p ? text.p : "", text.n));
	buf_free(&text);
}

/* ---- the command ---- */

static void ask_process(const char *dir, json_t *row)
{
	const char *process = json_string_value(json_object_get(row, "process"));
	json_t *said = NULL;
	char index[24];

	snprintf(index, sizeof index, "%lld", (long long)json_integer_value(json_object_get(row, "index")));
	if (process && strcmp(process, "door") == 0)
		said = ask(dir, "door-status", index, NULL);
	else if (process && strcmp(process, "queue") == 0)
		said = ask(dir, "queue-status", "", NULL);
	else if (process && strcmp(process, "names") == 0)
		said = ask(dir, "names-status", "", NULL);
	if (said && json_array_size(said))
		json_object_update_missing(row, json_array_get(said, 0));
	json_decref(said);
}

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now; `waxwing serve` does" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

int cmd_status(struct invocation *in)
{
	static const struct column columns[] = {
		{ "process", "PROCESS", COLUMN_TEXT },	{ "index", "INDEX", COLUMN_NUMBER },
		{ "account", "ACCOUNT", COLUMN_NUMBER }, { "pid", "PID", COLUMN_NUMBER },
		{ "up", "UP", COLUMN_TEXT },		{ "restarts", "RESTARTS", COLUMN_NUMBER },
		{ "cpu", "CPU", COLUMN_TEXT },		{ "memory", "MEMORY", COLUMN_BYTES },
		{ "says", "SAYS", COLUMN_TEXT },
	};
	enum status st;
	json_t *rows = ask(in->dir, "status", "", &st), *row;
	size_t i;

	if (rows == NULL)
		return complain(in->dir, st, not_asked);
	json_array_foreach(rows, i, row) {
		add_usage(row, json_integer_value(json_object_get(row, "pid")));
		ask_process(in->dir, row);
		if (in->given[OPTION_json])
			continue;
		add_time(row, "uptime_ms", "up");
		add_time(row, "cpu_ms", "cpu");
		add_words(row);
	}
	return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "Nothing runs.");
}
