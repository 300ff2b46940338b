/* trace.c - waxwing trace: one letter's or session's story from the log.
 *
 * Two passes over the log's files, oldest first.  The first finds which
 * session an id belongs to and which letters it brought; the second prints
 * each line that names one of them.
 */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/logline.h"
#include "admin/tell.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096, FILES_MOST = 100, ID_MOST = 64, LINES_MOST = 100000, EXPLANATION_MAX = 4096 };

struct story {
	char session[ID_MOST];	/* hexadecimal; empty: not known */
	char letter[ID_MOST];	/* "SESSION.N"; empty: the whole session */
	char queue[ID_MOST];
	json_t *lines;
};

static void keep_id(char out[ID_MOST], struct view v)
{
	if (out[0] == '\0' && v.n && v.n < ID_MOST) {
		memcpy(out, v.p, v.n);
		out[v.n] = '\0';
	}
}

static bool same_id(const char *id, struct view v)
{
	return id[0] && view_eq_i(view_cstr(id), v);
}

/* First pass: a line that names the queue number may name the letter too. */
static void learn(struct story *s, const struct log_line *l)
{
	struct view id = log_line_pair(l->rest, "id");

	if (same_id(s->queue, log_line_pair(l->rest, "queue")))
		keep_id(s->letter, id);
	if (s->letter[0] && s->session[0] == '\0')
		keep_id(s->session, view_head(view_cstr(s->letter), view_find(view_cstr(s->letter), '.')));
}

/* Is the line about it?  A session's own lines belong to the letter's story
 * too, but not the other letters of that session. */
static bool concerns(const struct story *s, const struct log_line *l)
{
	struct view id = log_line_pair(l->rest, "id"), sid = log_line_pair(l->rest, "sid");
	struct view of = view_head(id, view_find(id, '.'));

	if (id.n)
		return s->letter[0] ? same_id(s->letter, id) : same_id(s->session, of);
	return same_id(s->session, sid);
}

/* ---- a letter that was sent on ---- */

static bool says(const struct log_line *l, const char *key, const char *value)
{
	return view_eq(log_line_pair(l->rest, key), view_cstr(value));
}

/* Which check fails at the next host, and why. */
static void put_onward(const struct log_line *l, struct buf *out)
{
	struct view spf = log_line_pair(l->rest, "spf-domain"), dkim = log_line_pair(l->rest, "dkim-domain");
	struct view author = log_line_pair(l->rest, "author");

	if (says(l, "spf", "pass"))
		buf_putf(out, "SPF passes there, for %.*s, which sends it on; that is not the author's domain.", VIEW_ARG(spf));
	else
		buf_putf(out, "SPF fails there: no record of %.*s names this host, and its address could not be made one of ours.",
			 VIEW_ARG(spf));
	if (says(l, "dkim", "pass"))
		buf_putf(out, " DKIM passes: the signature of %.*s holds, since nothing that it covers is changed.", VIEW_ARG(dkim));
	else if (says(l, "dkim", "none"))
		buf_puts(out, " DKIM: the letter has no signature.");
	else if (says(l, "changed", "yes"))
		buf_puts(out, " DKIM fails: that host takes 7 bits only, and the letter had to be converted.");
	else
		buf_puts(out, " DKIM fails, as it did here.");
	if (says(l, "dmarc", "pass"))
		buf_putf(out, " DMARC passes for %.*s, by DKIM alone.", VIEW_ARG(author));
	else if (says(l, "dmarc", "fail"))
		buf_putf(out, " DMARC fails: nothing that holds is of %.*s.%s", VIEW_ARG(author),
			 says(l, "arc", "pass") ? " Our seal (ARC) tells what was found here; only a host that trusts us heeds it."
						: "");
	else
		buf_puts(out, " DMARC: the author's domain has no policy.");
}

static void explain(const struct log_line *l, json_t *row)
{
	struct buf text = BUF(EXPLANATION_MAX);

	if (view_eq(l->event, VIEW("onward"))) {
		put_onward(l, &text);
		json_object_set_new(row, "explanation", json_text(buf_view(&text)));
	}
	buf_free(&text);
}

/* For people, below the table. */
static void print_explanations(const json_t *lines)
{
	const json_t *row;
	size_t i;

	json_array_foreach(lines, i, row) {
		const char *text = json_string_value(json_object_get(row, "explanation"));

		if (text)
			printf("\nAt the next host: %s\n", text);
	}
}

/* ---- lines ---- */

static void tell_line(struct story *s, const struct log_line *l)
{
	json_t *row;

	if (json_array_size(s->lines) == LINES_MOST)
		return;
	row = json_pack("{so,so,so,so}", "at", json_text(l->at), "process", json_text(l->process), "event",
			json_text(l->event), "says", json_text(l->rest));
	explain(l, row);
	json_array_append_new(s->lines, row);
}

typedef void visit_line(struct story *s, const struct log_line *l);

static void learn_or_tell(struct story *s, const struct log_line *l)
{
	if (concerns(s, l))
		tell_line(s, l);
}

static enum status read_file(struct story *s, const char *path, visit_line *visit)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL)
		return status_of_errno(errno);
	while ((n = getline(&text, &cap, f)) > 0) {
		struct view v = view_make(text, (size_t)n - (text[n - 1] == '\n'));
		struct log_line l;

		if (log_line_split(v, &l))
			visit(s, &l);
	}
	free(text);
	fclose(f);
	return ST_OK;
}

/* LOG.n ... LOG.1, LOG: as rotation leaves them. */
static enum status read_all(struct story *s, const char *log, visit_line *visit)
{
	char path[PATH_SIZE];

	for (int i = FILES_MOST; i > 0; i--) {
		enum status st;

		snprintf(path, sizeof path, "%s.%d", log, i);
		st = read_file(s, path, visit);
		if (st != ST_OK && st != ST_MISSING) {
			complain(path, st, NULL);
			return st;
		}
	}
	return read_file(s, log, visit);
}

static int by_time(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

	return strcmp(json_string_value(json_object_get(x, "at")), json_string_value(json_object_get(y, "at")));
}

/* Processes write when their turn ends, so lines may stand a little out of
 * order in the file. */
static json_t *in_order(json_t *lines)
{
	size_t n = json_array_size(lines), i;
	json_t **rows = calloc(n + 1, sizeof *rows), *row, *sorted = json_array();

	if (rows == NULL || sorted == NULL) {
		free(rows);
		json_decref(sorted);
		return lines;
	}
	json_array_foreach(lines, i, row)
		rows[i] = row;
	/* Equal times keep their order: compare by place then. */
	for (i = 1; i < n; i++)
		for (size_t k = i; k > 0 && by_time(&rows[k - 1], &rows[k]) > 0; k--) {
			json_t *swap = rows[k];

			rows[k] = rows[k - 1];
			rows[k - 1] = swap;
		}
	for (i = 0; i < n; i++)
		json_array_append(sorted, rows[i]);
	free(rows);
	json_decref(lines);
	return sorted;
}

/* Time of the day and since the first line, for people. */
static void add_times(json_t *lines)
{
	wall_ms first = 0;
	json_t *row;
	size_t i;

	json_array_foreach(lines, i, row) {
		struct view at = view_cstr(json_string_value(json_object_get(row, "at")));
		char since[32];
		wall_ms now;

		if (clock_parse_rfc3339(at, &now) != ST_OK)
			continue;
		if (i == 0)
			first = now;
		snprintf(since, sizeof since, "+%lld.%03llds", (long long)(now - first) / 1000,
			 (long long)(now - first) % 1000);
		json_object_set_new(row, "since", json_string(since));
	}
}

/* An id with a dot is a letter's; else it is a session's or a queue number:
 * whichever the log has. */
static void take_id(struct story *s, const char *id)
{
	const char *dot = strchr(id, '.');

	if (dot)
		keep_id(s->letter, view_cstr(id));
	else
		keep_id(s->queue, view_cstr(id));
}

static enum status log_path(const struct invocation *in, char out[PATH_SIZE])
{
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	if (st != ST_OK)
		return st;
	if (strcmp(c.log_file, "stderr") == 0) {
		tell("log.file is stderr: there is no log to look into");
		st = ST_MISSING;
	} else if (c.log_file[0]) {
		snprintf(out, PATH_SIZE, "%s", c.log_file);
	} else {
		snprintf(out, PATH_SIZE, "%s/log/waxwing.log", in->dir);
	}
	conf_free(&c);
	return st;
}

int cmd_trace(struct invocation *in)
{
	static const struct column columns[] = {
		{ "at", "TIME", COLUMN_TEXT },	     { "since", "SINCE", COLUMN_TEXT },
		{ "process", "PROCESS", COLUMN_TEXT }, { "event", "EVENT", COLUMN_TEXT },
		{ "says", "SAYS", COLUMN_TEXT },
	};
	struct story s = { .lines = json_array() };
	char log[PATH_SIZE];
	json_t *kept;
	enum status st;
	int done;

	take_id(&s, in->args[0]);
	if (log_path(in, log) != ST_OK) {
		json_decref(s.lines);
		return FAILED;
	}
	st = read_all(&s, log, learn);
	if (s.session[0] == '\0')
		keep_id(s.session, view_cstr(in->args[0]));
	if (st == ST_OK)
		st = read_all(&s, log, learn_or_tell);
	if (st != ST_OK || json_array_size(s.lines) == 0) {
		json_decref(s.lines);
		if (st != ST_OK)
			return complain(log, st, NULL);
		tell("the log knows no %s; its id stands in the reply to DATA and in Received:", in->args[0]);
		return FAILED;
	}
	s.lines = in_order(s.lines);
	add_times(s.lines);
	kept = in->given[OPTION_json] ? NULL : json_incref(s.lines);
	done = listing_print(in, columns, sizeof columns / sizeof *columns, s.lines, "");
	print_explanations(kept);
	json_decref(kept);
	return done;
}
