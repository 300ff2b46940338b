/* account.c - waxwing account add, list, passwd. */
#include "admin/cert.h"
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

/* What is stored of a password. */
struct stored {
	struct buf verifier, prepared;
	struct scram_texts scram;
	bool has_scram;
};

static void stored_free(struct stored *s)
{
	buf_wipe(&s->verifier);
	buf_wipe(&s->prepared);
	scram_texts_free(&s->scram);
}

static enum status make_stored(const struct conf *c, struct view password, struct stored *ret)
{
	enum status st = verifier_make(password, c->argon2_memory, c->argon2_passes, &ret->verifier);

	if (st != ST_OK) {
		complain("argon2id", st, NULL);
		return st;
	}
	st = scram_texts_make(password, (uint32_t)c->scram_iterations, &ret->scram);
	if (st == ST_OK)
		st = password_prepare(password, PREPARE_STORED, &ret->prepared);
	ret->has_scram = st == ST_OK;
	if (st != ST_SYNTAX)
		return st;
	tell("the password has characters that no SCRAM client can send; it will work by PLAIN and LOGIN only");
	return ST_OK;
}

/* A password, asked for.  Complains itself. */
static enum status ask_stored(const struct invocation *in, const char *whose, struct stored *ret)
{
	struct buf password = BUF(PASSWORD_MOST + 2);
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	*ret = (struct stored){ .verifier = BUF(VERIFIER_MAX), .prepared = BUF(4 * PASSWORD_MOST) };
	if (st == ST_OK)
		st = read_password(in->given[OPTION_password_stdin] != NULL, whose, &password);
	if (st == ST_OK)
		st = make_stored(&c, buf_view(&password), ret);
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

/* Within a transaction. */
static enum status add_account(struct directory *d, struct view address, const struct stored *s, int64_t quota)
{
	uint64_t id;
	enum status st = directory_add_account(d, address, buf_view(&s->verifier), quota, &id);

	return st == ST_OK && s->has_scram ? directory_set_scram(d, id, &s->scram) : st;
}

int cmd_account_add(struct invocation *in)
{
	struct stored s = { 0 };
	const char *address = in->args[0];
	struct directory *d = NULL;
	int64_t quota = 0;
	int status = FAILED;
	enum status st = take_quota(in, &quota);

	if (st == ST_OK)
		st = instance_directory(in, &d);
	if (st == ST_OK)
		st = ask_stored(in, address, &s);
	if (st == ST_OK) {
		st = directory_begin(d);
		if (st == ST_OK) {
			st = add_account(d, view_cstr(address), &s, quota);
			if (directory_end(d, st == ST_OK) != ST_OK && st == ST_OK)
				st = ST_IO;
		}
		status = st == ST_OK ? DONE : complain(address, st, why_not);
	}
	directory_close(d);
	if (status == DONE && (st = cert_account(in, view_cstr(address))) != ST_OK)
		tell("the account %s is there, but has no certificates: %s; the running server makes them", address,
		     status_name(st));
	stored_free(&s);
	return status;
}

/* Within a transaction.  Who had a plain equivalent has one of the new
 * password too. */
static enum status change_password(struct directory *d, struct view address, const struct stored *s)
{
	struct arena a = ARENA(64 * 1024);
	struct buf old = BUF(8 * PASSWORD_MOST);
	struct account acc;
	bool plain = false;
	enum status st = directory_account(d, address, &a, &acc);

	if (st == ST_OK)
		plain = directory_secret(d, acc.id, SECRET_PLAIN, &old) == ST_OK;
	if (st == ST_OK)
		st = directory_set_verifier(d, address, buf_view(&s->verifier));
	if (st == ST_OK && s->has_scram)
		st = directory_set_scram(d, acc.id, &s->scram);
	if (st == ST_OK && s->has_scram && plain)
		st = directory_set_secret(d, acc.id, SECRET_PLAIN, buf_view(&s->prepared));
	buf_wipe(&old);
	arena_free(&a);
	return st;
}

int cmd_account_passwd(struct invocation *in)
{
	struct stored s = { 0 };
	struct directory *d = NULL;
	int status = FAILED;
	enum status st = instance_directory(in, &d);

	if (st == ST_OK)
		st = ask_stored(in, in->args[0], &s);
	if (st == ST_OK) {
		st = directory_begin(d);
		if (st == ST_OK) {
			st = change_password(d, view_cstr(in->args[0]), &s);
			if (directory_end(d, st == ST_OK) != ST_OK && st == ST_OK)
				st = ST_IO;
		}
		status = st == ST_OK ? DONE : complain(in->args[0], st, no_such);
	}
	directory_close(d);
	stored_free(&s);
	return status;
}

/* ---- list ---- */

static void add_row(void *arg, struct view address, struct view b, uint64_t id)
{
	(void)b;
	json_array_append_new(arg, json_pack("{so,sI}", "address", json_text(address), "account",
					     (json_int_t)id));
}

static void add_forward(void *arg, struct view target, struct view none, uint64_t id)
{
	json_t *row = arg;

	(void)none;
	(void)id;
	if (target.n == 0)
		json_object_set_new(row, "keep", json_true());
	else
		json_array_append_new(json_object_get(row, "forward"), json_text(target));
}

static enum status add_details(struct directory *d, json_t *row)
{
	struct arena a = ARENA(64 * 1024);
	struct account acc;
	const char *address = json_string_value(json_object_get(row, "address"));
	char at[RFC3339_SIZE];
	enum status st = directory_account(d, view_cstr(address), &a, &acc);

	if (st == ST_OK) {
		json_object_set_new(row, "quota", json_integer(acc.quota));
		json_object_set_new(row, "created", json_string(clock_rfc3339(acc.created, at)));
		json_object_set_new(row, "forward", json_array());
		json_object_set_new(row, "keep", json_false());
		st = directory_each_forward(d, acc.id, add_forward, row);
	}
	arena_free(&a);
	/* Removed since. */
	return st == ST_MISSING ? ST_OK : st;
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
		if (st == ST_OK)
			st = add_details(d, row);
	directory_close(d);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
				     "No account yet; `waxwing account add ADDRESS` makes one.");
	json_decref(rows);
	return complain(in->dir, st, NULL);
}
