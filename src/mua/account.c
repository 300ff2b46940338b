#include "mua/account.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTINGS_ARENA = 4 * 1024 * 1024, PATIENCE_S = 60, LETTER_MAX = 256 * 1024 * 1024 };

#define AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

/* ---- the two tables of settings ---- */

enum kind { KIND_TEXT, KIND_BOOL, KIND_INT, KIND_SERVER, KIND_PROTECT, KIND_REVOCATION };

struct row {
	const char *key;
	enum kind kind;
	size_t at;
	int64_t least, most;
};

static const struct row general[] = {
	{ "default", KIND_TEXT, offsetof(struct settings, standard), 0, 0 },
	{ "authorities", KIND_TEXT, offsetof(struct settings, authorities), 0, 0 },
	{ "editor", KIND_TEXT, offsetof(struct settings, editor), 0, 0 },
	{ "resolver", KIND_TEXT, offsetof(struct settings, resolver), 0, 0 },
	{ "trust_anchor", KIND_TEXT, offsetof(struct settings, trust_anchor), 0, 0 },
	{ "autoconfig", KIND_TEXT, offsetof(struct settings, autoconfig), 0, 0 },
	{ "autodiscover", KIND_TEXT, offsetof(struct settings, autodiscover), 0, 0 },
	{ "dane", KIND_BOOL, offsetof(struct settings, dane), 0, 0 },
	{ "revocation", KIND_REVOCATION, offsetof(struct settings, revocation), 0, 0 },
	{ "review", KIND_BOOL, offsetof(struct settings, review), 0, 0 },
	{ "patience", KIND_INT, offsetof(struct settings, patience_s), 1, 3600 },
	{ "letter_size", KIND_INT, offsetof(struct settings, letter_max), 65536, 512 * 1024 * 1024 },
};
static const struct row of_account[] = {
	{ "address", KIND_TEXT, offsetof(struct account, address), 0, 0 },
	{ "name", KIND_TEXT, offsetof(struct account, name), 0, 0 },
	{ "user", KIND_TEXT, offsetof(struct account, user), 0, 0 },
	{ "read", KIND_SERVER, offsetof(struct account, read), 0, 0 },
	{ "send", KIND_SERVER, offsetof(struct account, send), 0, 0 },
	{ "password_command", KIND_TEXT, offsetof(struct account, password_command), 0, 0 },
	{ "authserv_id", KIND_TEXT, offsetof(struct account, authserv_id), 0, 0 },
	{ "signature", KIND_TEXT, offsetof(struct account, signature), 0, 0 },
	{ "ldap", KIND_TEXT, offsetof(struct account, ldap), 0, 0 },
	{ "save_sent", KIND_BOOL, offsetof(struct account, save_sent), 0, 0 },
	{ "leave_on_server", KIND_BOOL, offsetof(struct account, leave), 0, 0 },
	{ "flowed", KIND_BOOL, offsetof(struct account, flowed), 0, 0 },
	{ "user_agent", KIND_BOOL, offsetof(struct account, user_agent), 0, 0 },
	{ "local_time", KIND_BOOL, offsetof(struct account, local_time), 0, 0 },
	{ "protect", KIND_PROTECT, offsetof(struct account, protect), 0, 0 },
};
enum { GENERAL = sizeof general / sizeof *general, OF_ACCOUNT = sizeof of_account / sizeof *of_account };

static const struct account fresh = {
	.address = "", .name = "", .user = "", .password_command = "", .authserv_id = "", .signature = "", .ldap = "",
	.save_sent = true, .leave = true, .flowed = true, .local_time = true,
	.protect = PROTECTION_AUTO,
};

static const char *const protection_words[] = { "off", "sign", "auto", "protect", "encrypt" };

const char *protection_word(enum protection p)
{
	return protection_words[p];
}

bool protection_take(struct view word, enum protection *ret)
{
	for (size_t i = 0; i < sizeof protection_words / sizeof *protection_words; i++)
		if (view_eq_i(word, view_cstr(protection_words[i]))) {
			*ret = (enum protection)i;
			return true;
		}
	return false;
}

/* ---- reading ---- */

static const struct row *find_row(const struct row *rows, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	return NULL;
}

static bool take_value(struct arena *a, const struct row *r, const config_setting_t *s, void *to)
{
	int type = config_setting_type(s);
	long long n;

	switch (r->kind) {
	case KIND_TEXT:
		if (type != CONFIG_TYPE_STRING)
			return false;
		*(const char **)to = arena_cstr(a, view_cstr(config_setting_get_string(s)));
		return true;
	case KIND_SERVER:
		return type == CONFIG_TYPE_STRING &&
		       server_parse(view_cstr(config_setting_get_string(s)), to) == ST_OK;
	case KIND_BOOL:
		if (type != CONFIG_TYPE_BOOL)
			return false;
		*(bool *)to = config_setting_get_bool(s) != 0;
		return true;
	case KIND_INT:
		n = config_setting_get_int64(s);
		if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || n < r->least || n > r->most)
			return false;
		*(int64_t *)to = n;
		return true;
	case KIND_PROTECT:	/* true and false are what it was before it had words */
		if (type == CONFIG_TYPE_BOOL)
			*(enum protection *)to = config_setting_get_bool(s) ? PROTECTION_AUTO : PROTECTION_OFF;
		return type == CONFIG_TYPE_BOOL ||
		       (type == CONFIG_TYPE_STRING && protection_take(view_cstr(config_setting_get_string(s)), to));
	case KIND_REVOCATION:
		return type == CONFIG_TYPE_STRING && revocation_wish_take(view_cstr(config_setting_get_string(s)), to);
	}
	return false;
}

static const char *wanted(const struct row *r)
{
	switch (r->kind) {
	case KIND_SERVER:
		return "a server such as \"imaps://mail.example.org\" or \"submission://mail.example.org:587\"";
	case KIND_BOOL:
		return "true or false";
	case KIND_INT:
		return "a number within its limits";
	case KIND_PROTECT:
		return PROTECTION_WORDS ", in quotes";
	case KIND_REVOCATION:
		return "\"\", \"crl\", \"ocsp\" or \"crl,ocsp\"";
	default:
		return "a text in quotes";
	}
}

static enum status take_settings(struct settings *s, const char *file, const struct row *rows, size_t n,
				 const config_setting_t *group, char *to, struct buf *why)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *one = config_setting_get_elem(group, (unsigned)i);
		const struct row *r = find_row(rows, n, config_setting_name(one));

		if (rows == general && strcmp(config_setting_name(one), "accounts") == 0)
			continue;
		if (r == NULL || !take_value(&s->arena, r, one, to + r->at)) {
			buf_putf(why, "%.500s:%u: %.100s %s%s", file, config_setting_source_line(one),
				 config_setting_name(one), r ? "wants " : "is no setting", r ? wanted(r) : "");
			return ST_SYNTAX;
		}
	}
	return arena_status(&s->arena);
}

static enum status take_accounts(struct settings *s, const char *file, const config_setting_t *list, struct buf *why)
{
	enum status st = ST_OK;

	if (list && !config_setting_is_list(list)) {
		buf_putf(why, "%.500s:%u: accounts wants a list: ( { ... } )", file,
			 config_setting_source_line(list));
		return ST_SYNTAX;
	}
	for (int i = 0; list && st == ST_OK && i < config_setting_length(list); i++) {
		const config_setting_t *one = config_setting_get_elem(list, (unsigned)i);
		struct account *a = &s->accounts[s->n];

		if (s->n == ACCOUNTS_MAX || !config_setting_is_group(one)) {
			buf_putf(why, "%.500s:%u: an account stands in { }, and there are at most %d", file,
				 config_setting_source_line(one), ACCOUNTS_MAX);
			return ST_SYNTAX;
		}
		*a = fresh;
		st = take_settings(s, file, of_account, OF_ACCOUNT, one, (char *)a, why);
		if (st == ST_OK && (strchr(a->address, '@') == NULL || a->read.protocol == PROTOCOL_SMTP ||
				    (a->send.port && a->send.protocol != PROTOCOL_SMTP))) {
			buf_putf(
				why,
				"%.500s:%u: an account wants an address, and read by imap or pop3, and send by submission",
				file, config_setting_source_line(one));
			return ST_SYNTAX;
		}
		s->n++;
	}
	return st;
}

enum status settings_load(struct settings *ret, struct buf *why)
{
	char path[PATH_TEXT_MAX];
	config_t c;
	enum status st = ST_OK;

	*ret = (struct settings){
		.arena = ARENA(SETTINGS_ARENA),
		.standard = "",
		.authorities = AUTHORITIES,
		.editor = "",
		.resolver = "",
		.trust_anchor = "",
		.autoconfig = "",
		.autodiscover = "",
		.dane = true,
		.review = true,
		.patience_s = PATIENCE_S,
		.letter_max = LETTER_MAX,
	};
	if (!path_config("config", path)) {
		buf_puts(why, "no home: neither HOME nor XDG_CONFIG_HOME is set");
		return ST_MISSING;
	}
	config_init(&c);
	if (config_read_file(&c, path) == CONFIG_TRUE) {
		st = take_settings(ret, path, general, GENERAL, config_root_setting(&c), (char *)ret, why);
		if (st == ST_OK)
			st = take_accounts(ret, path, config_lookup(&c, "accounts"), why);
	} else if (config_error_type(&c) == CONFIG_ERR_PARSE) {
		buf_putf(why, "%.500s:%d: %s", path, config_error_line(&c), config_error_text(&c));
		st = ST_SYNTAX;
	} else if (access(path, F_OK) == 0) {
		buf_putf(why, "%.500s: it cannot be read", path);
		st = ST_IO;
	}
	config_destroy(&c);
	return st;
}

void settings_free(struct settings *s)
{
	arena_free(&s->arena);
	s->n = 0;
}

/* ---- writing ---- */

static bool put_wish(config_setting_t *group, const char *key, const struct revocation_wish *w)
{
	struct buf words = BUF(64);
	config_setting_t *s;
	bool good = true;

	revocation_wish_put(w, &words);
	if (words.n) {
		buf_putc(&words, '\0');
		s = config_setting_add(group, key, CONFIG_TYPE_STRING);
		good = s && config_setting_set_string(s, words.p);
	}
	buf_free(&words);
	return good;
}

static bool put_value(config_setting_t *group, const struct row *r, const void *from)
{
	struct buf url = BUF(HOST_MAX + 64);
	const struct server *server = from;
	config_setting_t *s;
	bool good;

	switch (r->kind) {
	case KIND_TEXT:
		if ((*(const char *const *)from)[0] == '\0')
			return true;
		s = config_setting_add(group, r->key, CONFIG_TYPE_STRING);
		return s && config_setting_set_string(s, *(const char *const *)from);
	case KIND_SERVER:
		if (server->port == 0)
			return true;
		s = config_setting_add(group, r->key, CONFIG_TYPE_STRING);
		server_put(server, &url);
		buf_putc(&url, '\0');
		good = s && buf_status(&url) == ST_OK && config_setting_set_string(s, url.p);
		buf_free(&url);
		return good;
	case KIND_BOOL:
		s = config_setting_add(group, r->key, CONFIG_TYPE_BOOL);
		return s && config_setting_set_bool(s, *(const bool *)from);
	case KIND_INT:
		s = config_setting_add(group, r->key, CONFIG_TYPE_INT64);
		return s && config_setting_set_int64(s, *(const int64_t *)from);
	case KIND_PROTECT:
		s = config_setting_add(group, r->key, CONFIG_TYPE_STRING);
		return s && config_setting_set_string(s, protection_word(*(const enum protection *)from));
	case KIND_REVOCATION:
		return put_wish(group, r->key, from);
	}
	return false;
}

static bool put_all(config_t *c, const struct settings *s)
{
	config_setting_t *root = config_root_setting(c), *list, *one;
	bool good = true;

	for (size_t i = 0; i < GENERAL; i++)
		good = good && put_value(root, &general[i], (const char *)s + general[i].at);
	list = config_setting_add(root, "accounts", CONFIG_TYPE_LIST);
	for (size_t i = 0; good && list && i < s->n; i++) {
		one = config_setting_add(list, NULL, CONFIG_TYPE_GROUP);
		for (size_t k = 0; one && good && k < OF_ACCOUNT; k++)
			good = put_value(one, &of_account[k], (const char *)&s->accounts[i] + of_account[k].at);
		good = good && one;
	}
	return good && list;
}

enum status settings_store(const struct settings *s)
{
	char path[PATH_TEXT_MAX], fresh_path[PATH_TEXT_MAX + 8];
	enum status st;
	FILE *f = NULL;
	config_t c;
	int fd = -1;

	if (!path_config("", path))
		return ST_MISSING;
	st = make_folders(path);
	if (st != ST_OK || !path_config("config", path))
		return st == ST_OK ? ST_LIMIT : st;
	snprintf(fresh_path, sizeof fresh_path, "%s.new", path);
	config_init(&c);
	if (!put_all(&c, s))
		st = ST_NOMEM;
	if (st == ST_OK)
		st = disk_open(AT_FDCWD, fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, &fd);
	if (st == ST_OK && (f = fdopen(fd, "w")) == NULL) {
		close(fd);
		st = ST_NOMEM;
	}
	if (f) {
		config_write(&c, f);
		if (fflush(f) != 0 || ferror(f))
			st = ST_NOSPACE;
		else
			st = disk_flush(fileno(f));
		fclose(f);
	}
	if (st == ST_OK)
		st = disk_rename(AT_FDCWD, fresh_path, path);
	config_destroy(&c);
	return st;
}

/* ---- accounts ---- */

struct account *settings_account(struct settings *s, const char *address)
{
	if (address == NULL || address[0] == '\0')
		address = s->standard;
	for (size_t i = 0; i < s->n; i++)
		if (view_eq_i(view_cstr(s->accounts[i].address), view_cstr(address)))
			return &s->accounts[i];
	return address[0] == '\0' && s->n ? &s->accounts[0] : NULL;
}

enum status settings_add(struct settings *s, const char *address, struct account **ret)
{
	struct account *a;

	for (size_t i = 0; i < s->n; i++)
		if (view_eq_i(view_cstr(s->accounts[i].address), view_cstr(address)))
			return ST_EXISTS;
	if (s->n == ACCOUNTS_MAX)
		return ST_LIMIT;
	a = &s->accounts[s->n];
	*a = fresh;
	a->address = arena_cstr(&s->arena, view_cstr(address));
	if (a->address == NULL)
		return ST_NOMEM;
	s->n++;
	*ret = a;
	return ST_OK;
}

void settings_remove(struct settings *s, const struct account *a)
{
	size_t at = (size_t)(a - s->accounts);

	memmove(&s->accounts[at], &s->accounts[at + 1], (s->n - at - 1) * sizeof *s->accounts);
	s->n--;
}

/* ---- paths ---- */

static bool path_of(const char *variable, const char *below_home, char out[PATH_TEXT_MAX])
{
	const char *top = getenv(variable), *home = getenv("HOME");
	int n;

	/* The specification wants relative ones ignored. */
	if (top && top[0] == '/')
		n = snprintf(out, PATH_TEXT_MAX, "%s/waxmail", top);
	else if (home && home[0])
		n = snprintf(out, PATH_TEXT_MAX, "%s/%s/waxmail", home, below_home);
	else
		return false;
	return n > 0 && n < PATH_TEXT_MAX;
}

static bool append(char out[PATH_TEXT_MAX], const char *what)
{
	size_t n = strlen(out);

	return n + strlen(what) < PATH_TEXT_MAX && snprintf(out + n, PATH_TEXT_MAX - n, "%s", what) >= 0;
}

bool path_config(const char *file, char out[PATH_TEXT_MAX])
{
	return path_of("XDG_CONFIG_HOME", ".config", out) &&
	       (file[0] == '\0' || (append(out, "/") && append(out, file)));
}

/* In lower case, since addresses are found in any; what could lead elsewhere
 * is %XX. */
bool path_copy(const struct account *a, char out[PATH_TEXT_MAX])
{
	char piece[4];

	if (!path_of("XDG_DATA_HOME", ".local/share", out) || !append(out, "/"))
		return false;
	for (const char *p = a->address; *p; p++) {
		bool odd = *p == '/' || *p == '%' || (unsigned char)*p < 0x20 || (p == a->address && *p == '.');

		snprintf(piece, sizeof piece, odd ? "%%%02X" : "%c", odd ? (unsigned char)*p : ascii_lower(*p));
		if (!append(out, piece))
			return false;
	}
	return true;
}

enum status make_folders(const char *path)
{
	char part[PATH_TEXT_MAX];
	size_t n = strlen(path);
	enum status st;

	if (n >= sizeof part)
		return ST_LIMIT;
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		st = disk_mkdir(AT_FDCWD, part, 0700);
		if (st != ST_OK && st != ST_EXISTS && access(part, F_OK) != 0)
			return st;
	}
	return ST_OK;
}

enum status file_load(const char *path, struct buf *ret)
{
	char piece[65536];
	size_t n;
	FILE *f = fopen(path, "re");
	bool bad = f == NULL && errno != ENOENT;

	while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(ret, view_make(piece, n));
	if (f) {
		bad = ferror(f) != 0;
		fclose(f);
	}
	OPENSSL_cleanse(piece, sizeof piece);
	return bad ? ST_IO : buf_status(ret);
}

enum status file_store(const char *path, struct view text)
{
	char fresh_path[PATH_TEXT_MAX + 8];
	struct iovec iov = { (char *)(uintptr_t)text.p, text.n };
	int fd = -1;
	enum status st;

	snprintf(fresh_path, sizeof fresh_path, "%.*s.new", PATH_TEXT_MAX, path);
	st = disk_open(AT_FDCWD, fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, &fd);
	if (st == ST_OK && text.n)
		st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush(fd);
	if (fd >= 0)
		close(fd);
	return st == ST_OK ? disk_rename(AT_FDCWD, fresh_path, path) : st;
}

struct view account_authserv_id(const struct account *a)
{
	return a->authserv_id[0] ? view_cstr(a->authserv_id) : view_cstr(a->read.host);
}
