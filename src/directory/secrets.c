#include "directory/internal.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS secret (account BIGINT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,"
	" PRIMARY KEY (account, kind));"
	"CREATE TABLE IF NOT EXISTS app (id INTEGER PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL,"
	" scope BIGINT NOT NULL, verifier TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL,"
	" used BIGINT NOT NULL, UNIQUE (account, name));"
	"CREATE TABLE IF NOT EXISTS identity (account BIGINT NOT NULL, address TEXT NOT NULL, shown TEXT NOT NULL,"
	" PRIMARY KEY (account, address));";

#define APP_COLUMNS "id, account, name, scope, verifier, created, expires, used"

static const char *const texts[S_COUNT] = {
	[S_SECRET] = "SELECT value FROM secret WHERE account = $1 AND kind = $2",
	[S_SET_SECRET] = "INSERT INTO secret (account, kind, value) VALUES ($1, $2, $3)"
			 " ON CONFLICT (account, kind) DO UPDATE SET value = $3",
	[S_DROP_SECRET] = "DELETE FROM secret WHERE account = $1 AND kind = $2",
	[S_DROP_KEYS] = "DELETE FROM secret WHERE account = $1 AND kind <> 'TOTP'",
	[S_DROP_SECRETS] = "DELETE FROM secret WHERE account = $1",
	[S_DROP_APPS] = "DELETE FROM app WHERE account = $1",
	[S_DROP_IDENTITIES] = "DELETE FROM identity WHERE account = $1",
	[S_APPS] = "SELECT " APP_COLUMNS " FROM app WHERE account = $1 ORDER BY name",
	[S_APP_BY_ID] = "SELECT " APP_COLUMNS " FROM app WHERE id = $1",
	[S_ADD_APP] = "INSERT INTO app (account, name, scope, verifier, created, expires, used)"
		      " SELECT $1, $2, $3, $4, $5, $6, 0"
		      " WHERE (SELECT COUNT(*) FROM app WHERE account = $1) < $7",
	[S_REMOVE_APP] = "DELETE FROM app WHERE account = $1 AND name = $2",
	[S_APP_USED] = "UPDATE app SET used = $2 WHERE id = $1",
	[S_IDENTITY] = "SELECT 1 FROM identity WHERE account = $1 AND (address = $2 OR address = $3)",
	[S_IDENTITIES] = "SELECT account.shown, identity.shown, account.id FROM identity"
			 " JOIN account ON account.id = identity.account ORDER BY account.address, identity.address",
	[S_ADD_IDENTITY] = "INSERT INTO identity (account, address, shown) VALUES ($1, $2, $3)",
	[S_REMOVE_IDENTITY] = "DELETE FROM identity WHERE account = $1 AND address = $2",
};

enum status secrets_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, S_COUNT, d->s);
}

/* ---- secrets ---- */

enum status directory_secret(struct directory *d, uint64_t account, const char *kind, struct buf *ret)
{
	struct sql_stmt *q = d->s[S_SECRET];
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, view_cstr(kind));
	st = sql_step(q, &row);
	if (st == ST_OK && !row)
		st = ST_MISSING;
	if (st == ST_OK) {
		buf_put(ret, sql_col_view(q, 0));
		st = buf_status(ret);
	}
	sql_reset(q);
	return st;
}

enum status directory_set_secret(struct directory *d, uint64_t account, const char *kind, struct view value)
{
	struct sql_stmt *q = d->s[S_SET_SECRET];

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, view_cstr(kind));
	sql_bind_text(q, 3, value);
	return sql_run(q);
}

enum status directory_drop_secret(struct directory *d, uint64_t account, const char *kind)
{
	struct sql_stmt *q = d->s[S_DROP_SECRET];
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, view_cstr(kind));
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status directory_set_scram(struct directory *d, uint64_t account, const struct scram_texts *t)
{
	enum status st = ST_OK;

	for (int h = 0; h < SCRAM_HASHES && st == ST_OK; h++)
		st = directory_set_secret(d, account, scram_name((enum scram_hash)h), buf_view(&t->text[h]));
	return st;
}

enum status directory_upgrade(struct directory *d, uint64_t account, struct view verifier,
			      const struct scram_texts *t)
{
	struct arena arena = ARENA(8192);
	struct account acc;
	enum status st = directory_begin(d);

	if (st != ST_OK)
		return st;
	st = directory_account_by_id(d, account, &arena, &acc);
	if (st == ST_OK)
		st = view_eq(acc.verifier, verifier) ? directory_set_scram(d, account, t) : ST_DENIED;
	arena_free(&arena);
	if (st == ST_OK)
		return directory_end(d, true);
	return directory_end(d, false) == ST_OK ? st : ST_IO;
}

static enum status drop(struct directory *d, enum secret_query q, uint64_t account)
{
	sql_bind_int(d->s[q], 1, (int64_t)account);
	return sql_run(d->s[q]);
}

enum status secrets_forget_keys(struct directory *d, uint64_t account)
{
	return drop(d, S_DROP_KEYS, account);
}

enum status secrets_forget_all(struct directory *d, uint64_t account)
{
	enum status st = drop(d, S_DROP_SECRETS, account);

	if (st == ST_OK)
		st = drop(d, S_DROP_APPS, account);
	return st == ST_OK ? drop(d, S_DROP_IDENTITIES, account) : st;
}

/* ---- scopes ---- */

static const struct {
	const char *word;
	unsigned bit;
} scopes[] = { { "smtp", SCOPE_SMTP }, { "imap", SCOPE_IMAP }, { "pop3", SCOPE_POP3 }, { "web", SCOPE_WEB } };
enum { SCOPES_N = sizeof scopes / sizeof *scopes };

enum status scope_take(struct view text, unsigned *ret)
{
	unsigned set = 0;

	while (text.n) {
		size_t n = view_find(text, ',');
		struct view word = view_trim(view_head(text, n));
		unsigned bit = 0;

		for (size_t i = 0; i < SCOPES_N; i++)
			if (view_eq_i(word, view_cstr(scopes[i].word)))
				bit = scopes[i].bit;
		if (bit == 0)
			return ST_SYNTAX;
		set |= bit;
		text = view_skip(text, n + 1);
	}
	if (set == 0)
		return ST_SYNTAX;
	*ret = set;
	return ST_OK;
}

void scope_put(unsigned scope, struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < SCOPES_N; i++)
		if (scope & scopes[i].bit) {
			buf_puts(out, between);
			buf_puts(out, scopes[i].word);
			between = ",";
		}
}

unsigned scope_of_service(enum service s)
{
	static const unsigned of[SERVICE_COUNT] = {
		[SERVICE_SMTP] = SCOPE_SMTP,	    [SERVICE_SUBMISSION] = SCOPE_SMTP,
		[SERVICE_SUBMISSIONS] = SCOPE_SMTP, [SERVICE_IMAP] = SCOPE_IMAP,
		[SERVICE_IMAPS] = SCOPE_IMAP,	    [SERVICE_POP3] = SCOPE_POP3,
		[SERVICE_POP3S] = SCOPE_POP3,	    [SERVICE_HTTP] = SCOPE_WEB,
		[SERVICE_HTTPS] = SCOPE_WEB,
	};

	return (unsigned)s < SERVICE_COUNT ? of[s] : 0;
}

/* ---- app passwords ---- */

static const char app_kind[] = "{SHA256}";

enum { APP_DIGITS = 25, DIGEST = 32 };

/* What it is made of, without what people put between; 0 where it is none. */
static size_t app_digits(struct view password, char out[APP_DIGITS])
{
	size_t n = 0;

	for (size_t i = 0; i < password.n; i++) {
		char c = ascii_lower(password.p[i]);

		if (c == ' ' || c == '-')
			continue;
		if (n == APP_DIGITS || (!ascii_digit(c) && !ascii_alpha(c)))
			return 0;
		out[n++] = c;
	}
	return n == APP_DIGITS ? n : 0;
}

static bool app_hash(const char digits[APP_DIGITS], unsigned char out[DIGEST])
{
	return EVP_Digest(digits, APP_DIGITS, out, NULL, EVP_sha256(), NULL) == 1;
}

static void put_verifier(const unsigned char hash[DIGEST], struct buf *out)
{
	buf_puts(out, app_kind);
	buf_put_hex(out, hash, DIGEST);
}

enum status app_password_make(char ret_password[APP_PASSWORD_SIZE + 1], struct buf *ret_verifier)
{
	/* 32 of them, without those that are mistaken for others. */
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[APP_DIGITS], hash[DIGEST];
	char digits[APP_DIGITS];
	size_t n = 0;

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return ST_IO;
	for (size_t i = 0; i < APP_DIGITS; i++) {
		digits[i] = alphabet[random[i] & 31];
		if (i && i % 5 == 0)
			ret_password[n++] = '-';
		ret_password[n++] = digits[i];
	}
	ret_password[n] = '\0';
	if (!app_hash(digits, hash))
		return ST_NOMEM;
	put_verifier(hash, ret_verifier);
	explicit_bzero(random, sizeof random);
	explicit_bzero(digits, sizeof digits);
	return buf_status(ret_verifier);
}

bool app_password_is(struct view password)
{
	char digits[APP_DIGITS];
	bool is = app_digits(password, digits) > 0;

	explicit_bzero(digits, sizeof digits);
	return is;
}

bool app_password_check(struct view verifier, struct view password)
{
	struct buf made = BUF(128);
	unsigned char hash[DIGEST];
	char digits[APP_DIGITS];
	bool right = false;

	if (app_digits(password, digits) && app_hash(digits, hash)) {
		put_verifier(hash, &made);
		/* Both are hashes: where they differ tells nothing of a password. */
		right = view_eq(buf_view(&made), verifier);
	}
	explicit_bzero(digits, sizeof digits);
	buf_free(&made);
	return right;
}

enum status directory_add_app(struct directory *d, const struct app *app)
{
	struct sql_stmt *q = d->s[S_ADD_APP];
	enum status st;

	sql_bind_int(q, 1, (int64_t)app->account);
	sql_bind_text(q, 2, app->name);
	sql_bind_int(q, 3, app->scope);
	sql_bind_text(q, 4, app->verifier);
	sql_bind_int(q, 5, app->created);
	sql_bind_int(q, 6, app->expires);
	sql_bind_int(q, 7, APPS_MAX);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_LIMIT : st;
}

enum status directory_remove_app(struct directory *d, uint64_t account, struct view name)
{
	struct sql_stmt *q = d->s[S_REMOVE_APP];
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, name);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

static struct app app_row(struct sql_stmt *q, struct arena *a)
{
	return (struct app){
		.id = (uint64_t)sql_col_int(q, 0), .account = (uint64_t)sql_col_int(q, 1),
		.name = arena_copy(a, sql_col_view(q, 2)), .scope = (unsigned)sql_col_int(q, 3),
		.verifier = arena_copy(a, sql_col_view(q, 4)), .created = sql_col_int(q, 5),
		.expires = sql_col_int(q, 6), .used = sql_col_int(q, 7),
	};
}

enum status directory_apps(struct directory *d, uint64_t account, struct arena *a, struct app **ret,
			   size_t *ret_n)
{
	struct sql_stmt *q = d->s[S_APPS];
	struct app *apps = arena_array(a, APPS_MAX, sizeof *apps);
	size_t n = 0;
	bool row = false;
	enum status st = apps ? ST_OK : arena_status(a);

	sql_bind_int(q, 1, (int64_t)account);
	while (st == ST_OK && n < APPS_MAX && (st = sql_step(q, &row)) == ST_OK && row)
		apps[n++] = app_row(q, a);
	sql_reset(q);
	if (st == ST_OK)
		st = arena_status(a);
	if (st != ST_OK)
		return st;
	*ret = apps;
	*ret_n = n;
	return ST_OK;
}

enum status directory_app(struct directory *d, uint64_t id, struct arena *a, struct app *ret)
{
	struct sql_stmt *q = d->s[S_APP_BY_ID];
	struct app app = { 0 };
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)id);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		app = app_row(q, a);
	sql_reset(q);
	if (st == ST_OK && !row)
		return ST_MISSING;
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = app;
	return st;
}

enum status directory_app_used(struct directory *d, uint64_t id, wall_ms when)
{
	sql_bind_int(d->s[S_APP_USED], 1, (int64_t)id);
	sql_bind_int(d->s[S_APP_USED], 2, when);
	return sql_run(d->s[S_APP_USED]);
}

/* ---- identities ---- */

/* "@DOMAIN" is a pattern; as an address it needs a local part. */
static bool is_identity(struct view v)
{
	char whole[FOLDED_MAX + 1];

	if (v.n == 0 || v.n > ADDRESS_MAX - 1 || v.p[0] != '@')
		return directory_is_address(v);
	whole[0] = 'x';
	memcpy(whole + 1, v.p, v.n);
	return directory_is_address(view_make(whole, v.n + 1));
}

enum status directory_add_identity(struct directory *d, uint64_t account, struct view address)
{
	struct sql_stmt *q = d->s[S_ADD_IDENTITY];
	char low[FOLDED_MAX];

	if (!is_identity(address))
		return ST_SYNTAX;
	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, directory_folded(address, low));
	sql_bind_text(q, 3, address);
	return sql_run(q);
}

enum status directory_remove_identity(struct directory *d, uint64_t account, struct view address)
{
	struct sql_stmt *q = d->s[S_REMOVE_IDENTITY];
	char low[FOLDED_MAX];
	enum status st;

	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, directory_folded(address, low));
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status directory_has_identity(struct directory *d, uint64_t account, struct view address, bool *ret_has)
{
	struct sql_stmt *q = d->s[S_IDENTITY];
	char low[FOLDED_MAX];
	struct view folded = directory_folded(address, low);
	size_t at = view_behind_last(folded, '@');
	enum status st;

	if (at == 0) {
		*ret_has = false;
		return ST_OK;
	}
	sql_bind_int(q, 1, (int64_t)account);
	sql_bind_text(q, 2, folded);
	sql_bind_text(q, 3, view_skip(folded, at - 1));
	st = sql_step(q, ret_has);
	sql_reset(q);
	return st;
}

enum verdict directory_may_send(struct directory *d, uint64_t account, struct view address,
				struct view separators, bool *ret_own)
{
	struct buf targets = BUF(RECORD_MAX / 2);
	struct target t;
	bool has = false;
	struct asked asked = { .address = address, .separators = separators, .owners = true };
	enum verdict v = directory_resolve(d, &asked, &targets);
	struct cursor c = cursor_over(v == VERDICT_OK ? buf_view(&targets) : VIEW(""));

	while (!has && target_take(&c, &t))
		has = t.account == account;
	buf_free(&targets);
	*ret_own = has;
	if (has)
		return VERDICT_OK;
	if (v == VERDICT_LATER || directory_has_identity(d, account, address, &has) != ST_OK)
		return VERDICT_LATER;
	return has ? VERDICT_OK : VERDICT_NO;
}

enum status directory_each_identity(struct directory *d, directory_row *row, void *arg)
{
	return directory_each(d->s[S_IDENTITIES], row, arg);
}
