/* account.c - waxwing account add, list, passwd. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include <stdio.h>

enum { VERIFIER_MAX = 512 };

static const struct reason why_not[] = {
	{ ST_EXISTS, "there is such an account already" },
	{ ST_SYNTAX, "is not an address of the form NAME@DOMAIN" },
	{ ST_MISSING, "its domain is not one of ours; `waxwing domain add DOMAIN` makes it so" },
	{ ST_OK, NULL },
};
static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_OK, NULL },
};

/* A password, asked for, as its verifier.  Complains itself. */
static enum status ask_verifier(const struct invocation *in, const char *whose, struct buf *ret)
{
	struct buf password = BUF(PASSWORD_MOST + 2);
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	if (st == ST_OK)
		st = read_password(in->given[OPTION_password_stdin] != NULL, whose, &password);
	if (st == ST_OK) {
		st = verifier_make(buf_view(&password), c.argon2_memory, c.argon2_passes, ret);
		if (st != ST_OK)
			complain("argon2id", st, NULL);
	}
	buf_wipe(&password);
	conf_free(&c);
	return st;
}

/* --quota as bytes; 0 where not given. */
static enum status take_quota(const struct invocation *in, int64_t *ret)
{
	struct conf c = { 0 };
	struct buf why = BUF(1024);
	const char *text = in->given[OPTION_quota] ? in->given[OPTION_quota] : "0";
	enum status st = conf_set(&c, VIEW("store.quota"), view_cstr(text), &why);

	if (st == ST_OK)
		*ret = c.quota;
	else
		tell("--quota: %.*s", VIEW_ARG(buf_view(&why)));
	buf_free(&why);
	conf_free(&c);
	return st;
}

int cmd_account_add(struct invocation *in)
{
	struct buf verifier = BUF(VERIFIER_MAX);
	const char *address = in->args[0];
	struct directory *d = NULL;
	int64_t quota = 0;
	uint64_t id;
	int status = FAILED;
	enum status st = take_quota(in, &quota);

	if (st == ST_OK)
		st = instance_directory(in, &d);
	if (st == ST_OK)
		st = ask_verifier(in, address, &verifier);
	if (st == ST_OK) {
		st = directory_add_account(d, view_cstr(address), buf_view(&verifier), quota, &id);
		status = st == ST_OK ? DONE : complain(address, st, why_not);
	}
	directory_close(d);
	buf_wipe(&verifier);
	return status;
}

int cmd_account_passwd(struct invocation *in)
{
	struct buf verifier = BUF(VERIFIER_MAX);
	struct directory *d = NULL;
	int status = FAILED;
	enum status st = instance_directory(in, &d);

	if (st == ST_OK)
		st = ask_verifier(in, in->args[0], &verifier);
	if (st == ST_OK) {
		st = directory_set_verifier(d, view_cstr(in->args[0]), buf_view(&verifier));
		status = st == ST_OK ? DONE : complain(in->args[0], st, no_such);
	}
	directory_close(d);
	buf_wipe(&verifier);
	return status;
}

/* ---- list ---- */

static void add_row(void *arg, struct view address, struct view b, uint64_t id)
{
	(void)b;
	json_array_append_new(arg, json_pack("{so,sI}", "address", json_text(address), "account",
					     (json_int_t)id));
}

static void add_details(struct directory *d, json_t *row)
{
	struct arena a = ARENA(64 * 1024);
	struct account acc;
	const char *address = json_string_value(json_object_get(row, "address"));
	char at[RFC3339_SIZE];

	if (directory_account(d, view_cstr(address), &a, &acc) == ST_OK) {
		json_object_set_new(row, "quota", json_integer(acc.quota));
		json_object_set_new(row, "created", json_string(clock_rfc3339(acc.created, at)));
	}
	arena_free(&a);
}

int cmd_account_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "account", "ACCOUNT", COLUMN_NUMBER },
		{ "quota", "QUOTA", COLUMN_BYTES },
		{ "created", "CREATED", COLUMN_TEXT },
		{ "address", "ADDRESS", COLUMN_TEXT },
	};
	json_t *rows = json_array(), *row;
	struct directory *d;
	enum status st = instance_directory(in, &d);
	size_t i;

	if (st != ST_OK) {
		json_decref(rows);
		return FAILED;
	}
	st = directory_each_account(d, add_row, rows);
	json_array_foreach(rows, i, row)
		add_details(d, row);
	directory_close(d);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
				     "No account yet; `waxwing account add ADDRESS` makes one.");
	json_decref(rows);
	return complain(in->dir, st, NULL);
}
