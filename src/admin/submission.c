/* submission.c - waxwing account limit, release, sent, protect: what an account may
 * hand in, letting its letters go, copies of them, and how they are protected. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "directory/numbers.h"
#include "ipc/envelope.h"
#include "wire/smtp_values.h"

#include <stdio.h>
#include <string.h>

enum { ACCOUNT_ARENA = 64 * 1024 };

static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_OK, NULL },
};

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now; held letters are let go while one does" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

/* Complains itself; *ret_d is the caller's to close, also after a failure. */
static enum status find_account(const struct invocation *in, struct directory **ret_d, uint64_t *ret_id)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct account acc;
	enum status st = instance_directory(in, ret_d);

	if (st != ST_OK)
		return st;
	st = directory_account(*ret_d, view_cstr(in->args[0]), &a, &acc);
	if (st == ST_OK)
		*ret_id = acc.id;
	else
		complain(in->args[0], st, no_such);
	arena_free(&a);
	return st;
}

/* ---- limit ---- */

struct change {
	enum number number;
	bool own;		/* else the setting's again */
	int64_t value;
};

/* "letters-hour=100" or "letters-hour=default"; complains itself. */
static enum status take_change(const char *text, struct change *ret)
{
	struct view v = view_cstr(text);
	size_t n = view_find(v, '=');
	struct view value = view_skip(v, n + 1);
	uint64_t most, number = 0;

	if (number_take(view_head(v, n), &ret->number) != ST_OK) {
		tell("%.80s: there is no such limit; they are letters-hour, letters-day, recipients-hour, recipients-day, "
		     "new-recipients and priority", text);
		return ST_SYNTAX;
	}
	most = ret->number == NUMBER_PRIORITY ? SMTP_PRIORITY_MOST : 1000000000;
	ret->own = !view_eq(value, VIEW("default"));
	if (n == v.n || (ret->own && (!view_u64(value, &number) || number > most))) {
		tell("%.80s: should be as %s=NUMBER, at most %llu, or %s=default", text, number_name(ret->number),
		     (unsigned long long)most, number_name(ret->number));
		return ST_SYNTAX;
	}
	ret->value = (int64_t)number;
	return ST_OK;
}

static enum status apply(struct directory *d, uint64_t account, const struct change *changes, int n)
{
	enum status st = directory_begin(d);

	if (st != ST_OK)
		return st;
	for (int i = 0; i < n && st == ST_OK; i++)
		st = changes[i].own ? directory_set_number(d, account, changes[i].number, changes[i].value)
				    : directory_drop_number(d, account, changes[i].number);
	if (directory_end(d, st == ST_OK) != ST_OK && st == ST_OK)
		st = ST_IO;
	return st;
}

/* What the running server has counted; an empty object where none runs. */
static json_t *counted(const struct invocation *in, uint64_t account)
{
	json_t *rows = json_array(), *first;
	char argument[24];

	snprintf(argument, sizeof argument, "%llu", (unsigned long long)account);
	first = control_rows(in->dir, "submission-show", argument, rows, NULL) == ST_OK ? json_array_get(rows, 0) : NULL;
	if (first)
		json_incref(first);
	json_decref(rows);
	return first ? first : json_object();
}

static int show_limits(struct invocation *in, const struct numbers *n, json_t *now)
{
	static const struct column columns[] = {
		{ "limit", "LIMIT", COLUMN_TEXT },
		{ "most", "AT MOST", COLUMN_NUMBER },
		{ "own", "OWN", COLUMN_TEXT },
		{ "now", "NOW", COLUMN_NUMBER },
	};
	struct conf c = { 0 };
	json_t *rows = json_array(), *row;
	enum status st = instance_conf(in, &c);
	const int64_t settings[NUMBER_LIMITS] = {
		c.letters_hour, c.letters_day, c.recipients_hour, c.recipients_day, c.new_recipients, c.submission_priority,
	};

	for (int i = 0; i < NUMBER_LIMITS && st == ST_OK; i++) {
		const char *name = number_name((enum number)i);

		row = json_pack("{ss,sI,ss}", "limit", name, "most", (json_int_t)(n->has[i] ? n->value[i] : settings[i]),
				"own", n->has[i] ? "yes" : "no");
		if (json_object_get(now, name))
			json_object_set(row, "now", json_object_get(now, name));
		json_array_append_new(rows, row);
	}
	if (st == ST_OK && json_is_true(json_object_get(now, "held")))
		tell("%s: its letters are held; `waxwing account release %s` lets them go", in->args[0], in->args[0]);
	conf_free(&c);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "It has no limit.");
	json_decref(rows);
	return FAILED;
}

int cmd_account_limit(struct invocation *in)
{
	struct change changes[NUMBER_LIMITS];
	struct directory *d = NULL;
	struct numbers n = { 0 };
	uint64_t account = 0;
	json_t *now;
	int status = FAILED;
	enum status st;

	for (int i = 1; i < in->n; i++)
		if (take_change(in->args[i], &changes[i - 1]) != ST_OK)
			return WRONG_USE;
	st = find_account(in, &d, &account);
	if (st == ST_OK) {
		if (in->n > 1)
			st = apply(d, account, changes, in->n - 1);
		if (st == ST_OK)
			st = directory_numbers(d, account, &n);
		if (st == ST_OK) {
			now = counted(in, account);
			status = show_limits(in, &n, now);
			json_decref(now);
		} else {
			complain(in->args[0], st, NULL);
		}
	}
	directory_close(d);
	return status;
}

/* ---- sent ---- */

int cmd_account_sent(struct invocation *in)
{
	bool on = in->n > 1 && strcmp(in->args[1], "on") == 0;
	struct directory *d = NULL;
	struct numbers n = { 0 };
	uint64_t account = 0;
	int status = FAILED;
	enum status st;

	if (in->n > 1 && !on && strcmp(in->args[1], "off") != 0) {
		tell("%.40s: should be on or off", in->args[1]);
		return WRONG_USE;
	}
	st = find_account(in, &d, &account);
	if (st == ST_OK) {
		if (in->n > 1)
			st = on ? directory_set_number(d, account, NUMBER_SENT, 1)
				: directory_drop_number(d, account, NUMBER_SENT);
		if (st == ST_OK)
			st = directory_numbers(d, account, &n);
		status = st == ST_OK ? DONE : complain(in->args[0], st, NULL);
	}
	if (status == DONE)
		printf("%s: copies of what it sends are %s.\n", in->args[0],
		       n.value[NUMBER_SENT] ? "put into its Sent mailbox" : "not kept, but where a letter asks for it");
	directory_close(d);
	return status;
}

/* ---- protect ---- */

static const char *protect_text(int64_t p)
{
	static const char *const texts[] = {
		[PROTECT_OFF] = "go as they are", [PROTECT_SIGN] = "are signed",
		[PROTECT_BEST] = "are signed, and encrypted or else only sent with REQUIRETLS",
		[PROTECT_ENCRYPT] = "are signed and encrypted, or refused",
	};

	return p >= PROTECT_OFF && p <= PROTECT_ENCRYPT ? texts[p] : "are refused: the directory holds a word that is none";
}

int cmd_account_protect(struct invocation *in)
{
	enum protect wish = PROTECT_OFF;
	struct directory *d = NULL;
	struct numbers n = { 0 };
	uint64_t account = 0;
	int status = FAILED;
	enum status st;

	if (in->n > 1 && protect_take(view_cstr(in->args[1]), &wish) != ST_OK) {
		tell("%.40s: should be off, sign, protect or encrypt", in->args[1]);
		return WRONG_USE;
	}
	st = find_account(in, &d, &account);
	if (st == ST_OK) {
		if (in->n > 1)
			st = wish ? directory_set_number(d, account, NUMBER_PROTECT, wish)
				  : directory_drop_number(d, account, NUMBER_PROTECT);
		if (st == ST_OK)
			st = directory_numbers(d, account, &n);
		status = st == ST_OK ? DONE : complain(in->args[0], st, NULL);
	}
	if (status == DONE)
		printf("%s: its letters %s, unless one asks for something else.\n", in->args[0],
		       protect_text(n.value[NUMBER_PROTECT]));
	directory_close(d);
	return status;
}

/* ---- release ---- */

/* The account first, so that what comes meanwhile is not held; then what is. */
static enum status order(const struct invocation *in, uint64_t account, bool drop, json_t *rows, enum verdict *ret)
{
	static const char *const verbs[2][2] = {
		{ "submission-release", "queue-release-account" },
		{ "submission-drop", "queue-drop-account" },
	};
	char argument[24];
	enum status st = ST_OK;

	*ret = VERDICT_OK;
	snprintf(argument, sizeof argument, "%llu", (unsigned long long)account);
	for (int i = 0; i < 2 && st == ST_OK && *ret == VERDICT_OK; i++)
		st = control_rows(in->dir, verbs[drop][i], argument, rows, ret);
	return st;
}

int cmd_account_release(struct invocation *in)
{
	bool drop = in->given[OPTION_drop] != NULL;
	struct directory *d = NULL;
	json_t *rows = json_array();
	uint64_t account = 0;
	enum verdict v = VERDICT_LATER;
	int status = FAILED;
	enum status st = find_account(in, &d, &account);

	directory_close(d);
	if (st == ST_OK && drop && !in->given[OPTION_yes] &&
	    !ask_yes("Drop all letters of %s that are held?  Nobody gets them, and nobody is told.", in->args[0]))
		st = ST_DENIED;
	else if (st == ST_OK && (st = order(in, account, drop, rows, &v)) != ST_OK)
		complain(in->dir, st, not_asked);
	if (st == ST_OK && v == VERDICT_OK) {
		printf("%s: letters %s: %lld\n", in->args[0], drop ? "dropped" : "released",
		       (long long)json_integer_value(json_object_get(json_array_get(rows, 0), "letters")));
		status = DONE;
	} else if (st == ST_OK) {
		tell("%s: not all of it could be written down; say it again", in->args[0]);
	}
	json_decref(rows);
	return status;
}
