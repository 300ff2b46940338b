/* secret.c - waxwing account secret, totp, setup-code, app, identity, log: what an account
 * has besides its password, and who logged in with it. */
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/qr.h"
#include "admin/tell.h"

#include "directory/logins.h"
#include "directory/totp.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ACCOUNT_ARENA = 128 * 1024, DAY_MS = 86400000, CODE_MAX = 256 * 1024, ADDRESS_TEXT = 2048, HTTPS_PORT = 443 };

static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_OK, NULL },
};

/* The directory and the account of the first argument; complains itself.
 * Both are the caller's to give back, also after a failure. */
static enum status open_account(const struct invocation *in, struct directory **ret_d, struct arena *a,
				struct account *ret)
{
	enum status st = instance_directory(in, ret_d);

	if (st != ST_OK)
		return st;
	st = directory_account(*ret_d, view_cstr(in->args[0]), a, ret);
	if (st != ST_OK)
		complain(in->args[0], st, no_such);
	return st;
}

/* ---- secret ---- */

static enum status keep_plain(const struct invocation *in, struct directory *d, const struct account *acc)
{
	struct buf password = BUF(PASSWORD_MOST + 2), prepared = BUF(4 * PASSWORD_MOST);
	enum status st = read_password(in->given[OPTION_password_stdin] != NULL, in->args[0], &password);

	if (st == ST_OK && !verifier_check(acc->verifier, buf_view(&password))) {
		tell("%s: that is not its password; nothing was changed", in->args[0]);
		st = ST_DENIED;
	} else if (st == ST_OK) {
		st = password_prepare(buf_view(&password), PREPARE_STORED, &prepared);
		if (st == ST_OK)
			st = directory_set_secret(d, acc->id, SECRET_PLAIN, buf_view(&prepared));
		if (st != ST_OK)
			complain(in->args[0], st, NULL);
	}
	buf_wipe(&password);
	buf_wipe(&prepared);
	return st;
}

static int say_secret(struct directory *d, const struct account *acc)
{
	struct buf value = BUF(8 * PASSWORD_MOST);
	bool on = directory_secret(d, acc->id, SECRET_PLAIN, &value) == ST_OK;

	printf("%.*s: the password itself is %s.\n", VIEW_ARG(acc->address),
	       on ? "stored, for CRAM-MD5, DIGEST-MD5 and APOP" : "not stored");
	buf_wipe(&value);
	return DONE;
}

int cmd_account_secret(struct invocation *in)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	bool on = in->given[OPTION_on] != NULL, off = in->given[OPTION_off] != NULL;
	struct directory *d = NULL;
	struct account acc;
	int status = FAILED;
	enum status st = open_account(in, &d, &a, &acc);

	if (st == ST_OK && on && off) {
		tell("--on and --off exclude each other");
		status = WRONG_USE;
	} else if (st == ST_OK && on) {
		status = keep_plain(in, d, &acc) == ST_OK ? DONE : FAILED;
		if (status == DONE)
			printf("The password of %.*s is stored as it is: whoever reads directory.db, or a copy of it, has "
			       "it.\nIt serves the mechanisms CRAM-MD5, DIGEST-MD5 and APOP, where login.mechanisms names "
			       "them.\n", VIEW_ARG(acc.address));
	} else if (st == ST_OK && off) {
		st = directory_drop_secret(d, acc.id, SECRET_PLAIN);
		status = st == ST_OK || st == ST_MISSING ? say_secret(d, &acc) : complain(in->args[0], st, NULL);
	} else if (st == ST_OK) {
		status = say_secret(d, &acc);
	}
	directory_close(d);
	arena_free(&a);
	return status;
}

/* ---- what a telephone reads ---- */

/* The text, and the same as a code, on a terminal or where it is asked for. */
static enum status show(const struct invocation *in, const char *text)
{
	struct buf code = BUF(CODE_MAX);
	bool drawn = in->given[OPTION_qr] || isatty(STDOUT_FILENO);
	enum status st = drawn ? qr_put(text, &code) : ST_OK;

	if (st == ST_OK)
		printf("%.*s%s\n", VIEW_ARG(buf_view(&code)), text);
	buf_wipe(&code);
	return st;
}

/* ---- totp (RFC 6238) ---- */

static enum status make_totp(const struct invocation *in, struct directory *d, const struct account *acc)
{
	struct buf secret = BUF(2 * TOTP_SECRET_SIZE + 8), text = BUF(ADDRESS_TEXT);
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	if (st == ST_OK)
		st = totp_make(&secret);
	if (st == ST_OK)
		st = totp_address(buf_view(&secret), acc->address, view_cstr(c.host_name), &text);
	if (st == ST_OK)
		st = directory_set_secret(d, acc->id, SECRET_TOTP, buf_view(&secret));
	buf_putc(&text, '\0');
	if (st == ST_OK)
		st = show(in, text.p);
	conf_free(&c);
	buf_wipe(&secret);
	buf_wipe(&text);
	return st;
}

/* Does the authenticator program say what we say? */
static enum status try_totp(const struct invocation *in, struct directory *d, const struct account *acc)
{
	struct buf secret = BUF(256);
	uint64_t step;
	enum status st = directory_secret(d, acc->id, SECRET_TOTP, &secret);

	if (st == ST_OK)
		st = totp_check(buf_view(&secret), view_cstr(in->given[OPTION_code]), clock_wall(), 0, &step);
	if (st == ST_OK)
		printf("%.*s: that is its code now.\n", VIEW_ARG(acc->address));
	buf_wipe(&secret);
	return st;
}

int cmd_account_totp(struct invocation *in)
{
	static const struct reason why_not[] = {
		{ ST_DENIED, "that is not its code now; do both clocks go right?" },
		{ ST_MISSING, "TOTP is off" },
		{ ST_OK, NULL },
	};
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct buf value = BUF(256);
	struct directory *d = NULL;
	struct account acc;
	enum status st = open_account(in, &d, &a, &acc);
	int status = st == ST_OK ? DONE : FAILED;

	if (st == ST_OK && in->given[OPTION_on])
		st = make_totp(in, d, &acc);
	else if (st == ST_OK && in->given[OPTION_off])
		st = directory_drop_secret(d, acc.id, SECRET_TOTP) == ST_IO ? ST_IO : ST_OK;
	else if (st == ST_OK && in->given[OPTION_code])
		st = try_totp(in, d, &acc);
	else if (st == ST_OK)
		printf("%.*s: TOTP is %s.\n", VIEW_ARG(acc.address),
		       directory_secret(d, acc.id, SECRET_TOTP, &value) == ST_OK ? "on" : "off");
	if (status == DONE && st != ST_OK)
		status = complain(in->args[0], st, why_not);
	buf_wipe(&value);
	directory_close(d);
	arena_free(&a);
	return status;
}

/* ---- setup-code ---- */

/* What a query may not hold as it is (RFC 3986 3.4). */
static void put_query(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '_')
			buf_putc(out, c);
		else
			buf_putf(out, "%%%02X", (unsigned char)c);
	}
}

/* The address of the account's profile, as door/web serves it. */
int cmd_account_setup_code(struct invocation *in)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct buf text = BUF(ADDRESS_TEXT);
	struct directory *d = NULL;
	struct account acc;
	struct conf c = { 0 };
	int status = FAILED;
	enum status st = open_account(in, &d, &a, &acc);
	uint16_t port;

	if (st == ST_OK)
		st = instance_conf(in, &c);
	port = st == ST_OK ? conf_port(c.listen[SERVICE_HTTPS]) : 0;
	if (st == ST_OK && port == 0) {
		tell("listen.https is empty: nothing serves the profile");
	} else if (st == ST_OK) {
		buf_putf(&text, "https://%s", c.host_name);
		if (port != HTTPS_PORT)
			buf_putf(&text, ":%u", port);
		buf_puts(&text, "/email.mobileconfig?email=");
		put_query(acc.address, &text);
		buf_putc(&text, '\0');
		st = buf_status(&text) == ST_OK ? show(in, text.p) : buf_status(&text);
		status = st == ST_OK ? DONE : complain(in->args[0], st, NULL);
	}
	buf_free(&text);
	conf_free(&c);
	directory_close(d);
	arena_free(&a);
	return status;
}

/* ---- app ---- */

static bool is_name(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0 && name.n <= APP_NAME_MAX;
}

/* --scope, --expires, and the name; complains itself. */
static enum status take_app(const struct invocation *in, struct app *ret)
{
	const char *scope = in->given[OPTION_scope], *expires = in->given[OPTION_expires];
	uint64_t days;

	ret->name = view_cstr(in->args[1]);
	ret->scope = SCOPE_SMTP | SCOPE_IMAP | SCOPE_POP3;
	if (!is_name(ret->name)) {
		tell("a name has 1 to %d bytes and no control characters", APP_NAME_MAX);
		return ST_SYNTAX;
	}
	if (scope && scope_take(view_cstr(scope), &ret->scope) != ST_OK) {
		tell("--scope: should be of smtp, imap, pop3 and web, with commas between");
		return ST_SYNTAX;
	}
	if (expires && clock_parse_rfc3339(view_cstr(expires), &ret->expires) != ST_OK) {
		struct view number = view_cstr(expires);

		if (number.n < 2 || number.p[number.n - 1] != 'd' ||
		    !view_u64(view_head(number, number.n - 1), &days) || days > 36500) {
			tell("--expires: should be a number of days, as 90d, or a time, as 2027-01-31T00:00:00Z");
			return ST_SYNTAX;
		}
		ret->expires = clock_wall() + (wall_ms)days * DAY_MS;
	}
	ret->created = clock_wall();
	return ST_OK;
}

static enum status add_app(struct directory *d, struct app *app)
{
	struct buf verifier = BUF(128);
	char password[APP_PASSWORD_SIZE + 1];
	enum status st = app_password_make(password, &verifier);

	app->verifier = buf_view(&verifier);
	if (st == ST_OK)
		st = directory_add_app(d, app);
	if (st == ST_OK)
		printf("%s\n", password);
	explicit_bzero(password, sizeof password);
	buf_free(&verifier);
	return st;
}

int cmd_account_app_add(struct invocation *in)
{
	static const struct reason why_not[] = {
		{ ST_EXISTS, "there is an app password of that name already" },
		{ ST_LIMIT, "it has too many app passwords; remove one first" },
		{ ST_OK, NULL },
	};
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct directory *d = NULL;
	struct account acc;
	struct app app = { 0 };
	int status = FAILED;
	enum status st = take_app(in, &app);

	if (st != ST_OK)
		return WRONG_USE;
	st = open_account(in, &d, &a, &acc);
	if (st == ST_OK) {
		app.account = acc.id;
		st = add_app(d, &app);
		status = st == ST_OK ? DONE : complain(in->args[1], st, why_not);
	}
	directory_close(d);
	arena_free(&a);
	return status;
}

/* Changes one thing of an account: that named by the second argument. */
static int change_named(struct invocation *in,
			enum status (*fn)(struct directory *d, uint64_t account, struct view name),
			const struct reason *why_not)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct directory *d = NULL;
	struct account acc;
	int status = FAILED;
	enum status st = open_account(in, &d, &a, &acc);

	if (st == ST_OK) {
		st = fn(d, acc.id, view_cstr(in->args[1]));
		status = st == ST_OK ? DONE : complain(in->args[1], st, why_not);
	}
	directory_close(d);
	arena_free(&a);
	return status;
}

int cmd_account_app_remove(struct invocation *in)
{
	static const struct reason why_not[] = {
		{ ST_MISSING, "there is no app password of that name; `waxwing account app list` shows them" },
		{ ST_OK, NULL },
	};

	return change_named(in, directory_remove_app, why_not);
}

static json_t *time_text(wall_ms at)
{
	char text[RFC3339_SIZE];

	return at ? json_string(clock_rfc3339(at, text)) : json_string("-");
}

static json_t *app_row(const struct app *app)
{
	struct buf scope = BUF(64);
	json_t *row;

	scope_put(app->scope, &scope);
	row = json_pack("{so,so,so,so,so}", "name", json_text(app->name), "scope", json_text(buf_view(&scope)),
			"created", time_text(app->created), "expires", time_text(app->expires), "used",
			time_text(app->used));
	buf_free(&scope);
	return row;
}

int cmd_account_app_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "name", "NAME", COLUMN_TEXT },       { "scope", "SCOPE", COLUMN_TEXT },
		{ "created", "CREATED", COLUMN_TEXT }, { "expires", "EXPIRES", COLUMN_TEXT },
		{ "used", "LAST USE", COLUMN_TEXT },
	};
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct directory *d = NULL;
	struct account acc;
	struct app *apps = NULL;
	size_t n = 0;
	json_t *rows = json_array();
	enum status st = open_account(in, &d, &a, &acc);

	if (st == ST_OK && (st = directory_apps(d, acc.id, &a, &apps, &n)) != ST_OK)
		complain(in->args[0], st, NULL);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, app_row(&apps[i]));
	directory_close(d);
	arena_free(&a);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
				     "No app password; `waxwing account app add ADDRESS NAME` makes one.");
	json_decref(rows);
	return FAILED;
}

/* ---- identity ---- */

static const struct reason no_identity[] = {
	{ ST_EXISTS, "it has that identity already" },
	{ ST_MISSING, "it has no such identity; `waxwing account identity list` shows them" },
	{ ST_SYNTAX, "is no address, nor @DOMAIN" },
	{ ST_OK, NULL },
};

int cmd_account_identity_add(struct invocation *in)
{
	return change_named(in, directory_add_identity, no_identity);
}

int cmd_account_identity_remove(struct invocation *in)
{
	return change_named(in, directory_remove_identity, no_identity);
}

static void identity_row(void *arg, struct view account, struct view identity, uint64_t id)
{
	(void)id;
	json_array_append_new(arg, json_pack("{so,so}", "account", json_text(account), "identity",
					     json_text(identity)));
}

int cmd_account_identity_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "account", "ACCOUNT", COLUMN_TEXT },
		{ "identity", "MAY SEND AS", COLUMN_TEXT },
	};

	return listing_of_directory(in, columns, sizeof columns / sizeof *columns, directory_each_identity, identity_row,
				    "No identity: everybody sends as addresses whose letters he gets.");
}

/* ---- log ---- */

static void log_row(void *arg, const struct login_event *e)
{
	char at[RFC3339_SIZE];

	json_array_append_new(
		arg, json_pack("{ss,so,ss,so,so,so,so,sI}", "time", clock_rfc3339(e->at, at), "result",
			       json_text(view_cstr(e->result)), "service", e->service, "address",
			       json_text(view_cstr(e->peer)), "mechanism", json_text(view_cstr(e->mechanism)), "app",
			       json_text(view_cstr(e->app)), "tls", json_text(view_cstr(e->tls)), "times",
			       (json_int_t)e->times));
}

int cmd_account_log(struct invocation *in)
{
	static const struct column columns[] = {
		{ "time", "TIME", COLUMN_TEXT },	   { "result", "RESULT", COLUMN_TEXT },
		{ "service", "SERVICE", COLUMN_TEXT },	   { "mechanism", "MECHANISM", COLUMN_TEXT },
		{ "address", "FROM", COLUMN_TEXT },	   { "times", "TIMES", COLUMN_NUMBER },
		{ "app", "APP", COLUMN_TEXT },		   { "tls", "TLS", COLUMN_TEXT },
	};
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct directory *d = NULL;
	struct login_log *log = NULL;
	struct account acc;
	char path[4200];
	json_t *rows = json_array();
	enum status st = open_account(in, &d, &a, &acc);

	snprintf(path, sizeof path, "%s/directory/logins.db", in->dir);
	if (st == ST_OK) {
		st = login_log_open(path, &log);
		if (st == ST_OK)
			st = login_log_each(log, acc.id, log_row, rows);
		if (st != ST_OK)
			complain(path, st, NULL);
	}
	login_log_close(log);
	directory_close(d);
	arena_free(&a);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "Nobody has logged in yet.");
	json_decref(rows);
	return FAILED;
}
