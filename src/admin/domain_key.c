/* domain_key.c - waxwing domain key: what letters are signed with. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "warden/signing_keys.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MS = 86400000, TXT_MOST = 255, RECORD_TEXT_MAX = SIGNING_PUBLIC_MAX + 64 };

static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such domain or key; `waxwing domain key list` shows them" },
	{ ST_EXISTS, "has its next keys already; `waxwing domain key list` shows what to publish" },
	{ ST_DENIED, "signs letters now; `waxwing domain key rotate DOMAIN` makes the next one" },
	{ ST_LIMIT, "has as many keys as a domain can have; remove retired ones" },
	{ ST_SYNTAX, "is not the name of a domain, such as example.org" },
	{ ST_OK, NULL },
};

/* ---- listing ---- */

struct listing {
	json_t *rows;
	wall_ms now, keep;
	struct view domain, selector;	/* only these, where not empty */
};

static json_t *time_text(wall_ms t)
{
	char text[RFC3339_SIZE];

	return t ? json_string(clock_rfc3339(t, text)) : json_null();
}

/* What the operator has to do about it. */
static const char *task(const struct listing *l, const struct signing_key *k)
{
	if (k->state == SIGNING_NEXT)
		return k->seen ? "seen in DNS, waits" : "publish its record";
	if (k->state == SIGNING_ACTIVE)
		return "keep its record";
	return l->now - k->retired < l->keep ? "keep its record yet" : "remove its record and it";
}

static void add_row(void *arg, const struct signing_key *k)
{
	struct listing *l = arg;
	struct buf name = BUF(512), record = BUF(RECORD_TEXT_MAX);

	if (l->selector.n && !view_eq(k->selector, l->selector))
		return;
	buf_putf(&name, "%.*s._domainkey.%.*s", VIEW_ARG(k->selector), VIEW_ARG(k->domain));
	signing_put_record(k, &record);
	json_array_append_new(l->rows, json_pack("{so,so,ss,ss,so,so,ss,so,so,so,so}", "domain", json_text(k->domain),
						 "selector", json_text(k->selector), "algorithm",
						 signing_algorithm_word(k->algorithm), "state",
						 signing_state_word(k->state), "name", json_text(buf_view(&name)),
						 "record", json_text(buf_view(&record)), "to_do", task(l, k),
						 "created", time_text(k->created), "seen", time_text(k->seen),
						 "activated", time_text(k->activated), "retired",
						 time_text(k->retired)));
	buf_free(&name);
	buf_free(&record);
}

/* The rows of the domain that the command line names, or of all. */
static enum status collect(const struct invocation *in, struct listing *l)
{
	struct conf c = { 0 };
	struct directory *d;
	enum status st = instance_conf(in, &c);

	l->now = clock_wall();
	l->keep = c.dkim_keep;
	conf_free(&c);
	if (st == ST_OK)
		st = instance_directory(in, &d);
	if (st != ST_OK)
		return ST_CLOSED;	/* it was said why */
	l->domain = in->n ? view_cstr(in->args[0]) : VIEW_NONE;
	st = signing_each(d, l->domain, add_row, l);
	if (st == ST_OK && json_array_size(l->rows) == 0 && l->domain.n &&
	    (l->selector.n || directory_has_domain(d, l->domain) != VERDICT_OK))
		st = ST_MISSING;
	directory_close(d);
	return st;
}

int cmd_domain_key_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "domain", "DOMAIN", COLUMN_TEXT }, { "selector", "SELECTOR", COLUMN_TEXT },
		{ "algorithm", "ALGORITHM", COLUMN_TEXT }, { "state", "STATE", COLUMN_TEXT },
		{ "to_do", "TO DO", COLUMN_TEXT },
	};
	struct listing l = { .rows = json_array() };
	enum status st = collect(in, &l);

	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, l.rows,
				     "No key yet; `waxwing domain key rotate DOMAIN` makes the first.");
	json_decref(l.rows);
	return st == ST_CLOSED ? FAILED : complain(in->n ? in->args[0] : in->dir, st, no_such);
}

/* As a zone file has it: strings of 255 octets at most (RFC 1035 3.3). */
static void print_record(const json_t *row)
{
	const char *record = json_string_value(json_object_get(row, "record"));

	printf("%s. IN TXT (", json_string_value(json_object_get(row, "name")));
	for (size_t n = strlen(record); n;) {
		size_t piece = n < TXT_MOST ? n : TXT_MOST;

		printf("%s\"%.*s\"", n == strlen(record) ? " " : "\n\t", (int)piece, record);
		record += piece;
		n -= piece;
	}
	puts(" )");
}

int cmd_domain_key_show(struct invocation *in)
{
	struct listing l = { .rows = json_array(), .selector = in->n > 1 ? view_cstr(in->args[1]) : VIEW_NONE };
	enum status st = collect(in, &l);
	json_t *row;
	size_t i;

	if (st == ST_OK)
		json_array_foreach(l.rows, i, row)
			print_record(row);
	json_decref(l.rows);
	return st == ST_OK ? DONE : st == ST_CLOSED ? FAILED : complain(in->args[0], st, no_such);
}

/* ---- changes ---- */

struct counting {
	unsigned active, next;
};

static void count(void *arg, const struct signing_key *k)
{
	struct counting *c = arg;

	c->active += k->state == SIGNING_ACTIVE;
	c->next += k->state == SIGNING_NEXT;
}

int cmd_domain_key_rotate(struct invocation *in)
{
	struct view domain = view_cstr(in->args[0]);
	struct counting had = { 0 };
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = signing_each(d, domain, count, &had);
	if (st == ST_OK && directory_has_domain(d, domain) != VERDICT_OK)
		st = ST_MISSING;
	/* The first ones: nothing was signed before that somebody could miss. */
	if (st == ST_OK)
		st = signing_keys_setup(in->dir, d, domain, had.active || had.next ? SIGNING_NEXT : SIGNING_ACTIVE,
					clock_wall());
	directory_close(d);
	if (st != ST_OK)
		return complain(in->args[0], st, no_such);
	printf("Made. Publish what `waxwing domain key show %s` says%s.\n", in->args[0],
	       had.active ? "; letters are signed with it once it has been seen in DNS for the time of dkim.wait" : "");
	return DONE;
}

int cmd_domain_key_remove(struct invocation *in)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = signing_remove(d, view_cstr(in->args[0]), view_cstr(in->args[1]));
	directory_close(d);
	if (st != ST_OK)
		return complain(in->args[1], st, no_such);
	st = signing_key_forget(in->dir, view_cstr(in->args[0]), view_cstr(in->args[1]));
	return st == ST_OK ? DONE : complain(in->args[1], st, NULL);
}

/* ---- the running server ---- */

static void print_found(void *arg, struct view json)
{
	json_t *row = json_loadb(json.p, json.n, 0, NULL);

	(void)arg;
	if (row)
		printf("%s._domainkey.%s: %s\n", json_string_value(json_object_get(row, "selector")),
		       json_string_value(json_object_get(row, "domain")),
		       json_string_value(json_object_get(row, "found")));
	json_decref(row);
}

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no server runs here; `waxwing serve` starts it" },
	{ ST_OK, NULL },
};

int cmd_domain_key_check(struct invocation *in)
{
	struct control_answer answer;
	enum status st = control_ask(in->dir, "keys-check", "", print_found, NULL, &answer);

	if (st != ST_OK)
		return complain(in->dir, st, not_asked);
	buf_free(&answer.text);
	if (answer.verdict == VERDICT_OK)
		return DONE;
	tell("the server looks just now; ask again");
	return FAILED;
}
