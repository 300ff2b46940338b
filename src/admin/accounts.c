/* accounts.c - waxwing account import, remove. */
#include "admin/cert.h"
#include "admin/instance.h"
#include "admin/tell.h"

#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, LINE_MOST = 4096, VERIFIER_MAX = 512, STOP_MOST = 100, DEPTH_MOST = 4, CERTIFICATES_NOW = 50,
       ADDRESSES_MAX = CERTIFICATES_NOW * 512 };

/* ---- import ---- */

struct import {
	struct directory *d;
	struct conf conf;
	const char *file;
	unsigned line, made;
	struct buf addresses;	/* of the first that were made, each with its NUL */
};

static enum status wrong_line(const struct import *im, const char *why)
{
	tell("%s:%u: %s; no account was made", im->file, im->line, why);
	return ST_SYNTAX;
}

static const char *why_not(enum status st)
{
	switch (st) {
	case ST_EXISTS:
		return "there is such an account already";
	case ST_MISSING:
		return "its domain is not one of ours";
	case ST_SYNTAX:
		return "that is not an address of the form NAME@DOMAIN";
	default:
		return status_name(st);
	}
}

static enum status secret_to_verifier(const struct import *im, struct view secret, struct buf *ret)
{
	if (!view_starts_i(secret, VIEW("$argon2id$")) && !view_starts_i(secret, VIEW("{PLAIN}")))
		return verifier_make(secret, im->conf.argon2_memory, im->conf.argon2_passes, ret);
	buf_put(ret, secret);
	return buf_status(ret);
}

/* Takes the next word and the blanks behind it. */
static struct view next_word(struct view *left)
{
	size_t n = 0;
	struct view word;

	while (n < left->n && left->p[n] != ' ' && left->p[n] != '\t')
		n++;
	word = view_head(*left, n);
	*left = view_trim(view_skip(*left, n));
	return word;
}

static enum status import_line(struct import *im, struct view line)
{
	struct view left = view_trim(line), address, secret, quota;
	struct buf verifier = BUF(VERIFIER_MAX), why = BUF(1024);
	struct conf scratch = { 0 };
	uint64_t id;
	enum status st = ST_OK;

	if (left.n == 0 || left.p[0] == '#')
		return ST_OK;
	address = next_word(&left);
	secret = next_word(&left);
	quota = next_word(&left);
	if (secret.n == 0 || left.n)
		return wrong_line(im, "a line reads ADDRESS SECRET [QUOTA]");
	if (quota.n && conf_set(&scratch, VIEW("store.quota"), quota, &why) != ST_OK)
		st = wrong_line(im, "the quota should be a number of bytes, as 500m or 2g");
	if (st == ST_OK && secret_to_verifier(im, secret, &verifier) != ST_OK)
		st = wrong_line(im, "the secret is too long");
	if (st == ST_OK) {
		st = directory_add_account(im->d, address, buf_view(&verifier), scratch.quota, &id);
		if (st != ST_OK)
			st = wrong_line(im, why_not(st));
	}
	if (st == ST_OK && im->made++ < CERTIFICATES_NOW) {
		buf_put(&im->addresses, address);
		buf_putc(&im->addresses, '\0');
	}
	buf_wipe(&verifier);
	buf_free(&why);
	conf_free(&scratch);
	return st;
}

static enum status import_lines(struct import *im, FILE *f)
{
	char line[LINE_MOST];
	enum status st = ST_OK;

	while (st == ST_OK && fgets(line, sizeof line, f)) {
		size_t n = strlen(line);

		im->line++;
		if (n && line[n - 1] != '\n' && !feof(f))
			st = wrong_line(im, "the line is too long");
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (st == ST_OK)
			st = import_line(im, view_make(line, n));
	}
	explicit_bzero(line, sizeof line);
	return st == ST_OK && ferror(f) ? wrong_line(im, "cannot be read") : st;
}

/* All or nothing, in one commit. */
static int import_all(struct import *im, FILE *f)
{
	enum status st = directory_begin(im->d);

	if (st != ST_OK)
		return complain("the directory", st, NULL);
	st = import_lines(im, f);
	if (directory_end(im->d, st == ST_OK) != ST_OK && st == ST_OK)
		return complain("the directory", ST_IO, NULL);
	if (st != ST_OK)
		return FAILED;
	printf("%u accounts made.\n", im->made);
	return DONE;
}

/* Keys take a moment each: those of many accounts are left to the server, which makes what
 * is missing. */
static void give_certificates(const struct invocation *in, const struct import *im)
{
	struct view left = buf_view(&im->addresses), one;
	enum status st = buf_status(&im->addresses);

	for (; st == ST_OK && left.n; left = view_skip(left, one.n + 1)) {
		one = view_cstr(left.p);
		st = cert_account(in, one);
	}
	if (st != ST_OK)
		tell("the accounts are there, but not all have certificates: %s; the running server makes them", status_name(st));
	else if (im->made > CERTIFICATES_NOW && im->conf.smime_issue)
		printf("%d of them have certificates; the running server makes the others (`waxwing cert renew --all`: at once).\n",
		       CERTIFICATES_NOW);
}

int cmd_account_import(struct invocation *in)
{
	struct import im = { .file = in->args[0], .addresses = BUF(ADDRESSES_MAX) };
	bool input = strcmp(im.file, "-") == 0;
	FILE *f = input ? stdin : fopen(im.file, "re");
	int status = FAILED;

	if (f == NULL)
		return complain(im.file, status_of_errno(errno), NULL);
	if (instance_conf(in, &im.conf) == ST_OK && instance_directory(in, &im.d) == ST_OK)
		status = import_all(&im, f);
	directory_close(im.d);
	if (status == DONE)
		give_certificates(in, &im);
	buf_free(&im.addresses);
	conf_free(&im.conf);
	if (!input)
		fclose(f);
	return status;
}

/* ---- remove ---- */

static const struct reason no_such[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_OK, NULL },
};

/* The folder belongs to the room's user, who is not trusted: no step follows
 * a link, and each goes by the descriptor of the folder above. */
static enum status delete_below(int above, const char *name, unsigned depth)
{
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	enum status st = ST_OK;

	if (dir == NULL)
		return status_of_errno(errno);
	while (st == ST_OK && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type != DT_DIR)
			st = disk_unlink(fd, e->d_name);
		else
			st = depth ? delete_below(fd, e->d_name, depth - 1) : ST_LIMIT;
	}
	closedir(dir);
	if (st == ST_OK && unlinkat(above, name, AT_REMOVEDIR) != 0)
		st = status_of_errno(errno);
	return st;
}

static enum status delete_mail(const char *dir, uint64_t account)
{
	char path[PATH_SIZE], name[24];
	int fd;
	enum status st;

	snprintf(path, sizeof path, "%s/mail", dir);
	snprintf(name, sizeof name, "%llu", (unsigned long long)account);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return status_of_errno(errno);
	st = delete_below(fd, name, DEPTH_MOST);
	close(fd);
	return st;
}

struct rooms {
	uint64_t account;
	bool runs;
};

static void look_for_room(void *arg, struct view json)
{
	struct rooms *r = arg;
	json_t *row = json_loadb(json.p, json.n, 0, NULL);
	const char *process = json_string_value(json_object_get(row, "process"));

	if (process && strcmp(process, "room") == 0 &&
	    (uint64_t)json_integer_value(json_object_get(row, "account")) == r->account)
		r->runs = true;
	json_decref(row);
}

/* Ends the account's room, where a server runs, and waits until it is gone. */
static enum status end_room(const char *dir, uint64_t account)
{
	struct control_answer answer;
	char id[24];
	enum status st;

	snprintf(id, sizeof id, "%llu", (unsigned long long)account);
	for (int i = 0; i < STOP_MOST; i++) {
		struct rooms r = { account, false };

		st = control_ask(dir, "room-stop", id, NULL, NULL, &answer);
		if (st == ST_OK)
			buf_free(&answer.text);
		if (st == ST_OK)
			st = control_ask(dir, "status", "", look_for_room, &r, &answer);
		if (st != ST_OK)
			return st == ST_CLOSED ? ST_OK : st;
		buf_free(&answer.text);
		if (!r.runs)
			return ST_OK;
		usleep(100000);
	}
	return ST_TIMEOUT;
}

static bool sure(const struct invocation *in, uint64_t account)
{
	if (in->given[OPTION_yes])
		return true;
	return in->given[OPTION_purge]
		? ask_yes("Remove the account %s and delete its mail for ever?", in->args[0])
		: ask_yes("Remove the account %s?  Its mail stays in %s/mail/%llu.", in->args[0], in->dir,
			  (unsigned long long)account);
}

static int finish_removal(const struct invocation *in, uint64_t account)
{
	enum status st = end_room(in->dir, account);

	printf("The account %s is removed.\n", in->args[0]);
	if (st == ST_OK && in->given[OPTION_purge])
		st = delete_mail(in->dir, account);
	if (in->given[OPTION_purge] && (st == ST_OK || st == ST_MISSING)) {
		printf("Its mail is deleted.\n");
		return DONE;
	}
	printf("Its mail is in %s/mail/%llu.\n", in->dir, (unsigned long long)account);
	if (st == ST_OK)
		return DONE;
	return complain(in->given[OPTION_purge] ? "its mail could not be deleted"
						: "sessions of it may still be open", st, NULL);
}

int cmd_account_remove(struct invocation *in)
{
	struct arena a = ARENA(64 * 1024);
	struct view address = view_cstr(in->args[0]);
	struct directory *d;
	struct account acc;
	int status = FAILED;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_account(d, address, &a, &acc);
	if (st == ST_OK && sure(in, acc.id)) {
		st = directory_remove_account(d, address);
		if (st == ST_OK)
			status = finish_removal(in, acc.id);
	}
	if (st != ST_OK)
		complain(in->args[0], st, no_such);
	directory_close(d);
	arena_free(&a);
	return status;
}
