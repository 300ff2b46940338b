#include "admin/admin.h"

#include "conf/conf.h"
#include "directory/directory.h"
#include "ms/journal.h"
#include "parent/parent.h"
#include "role/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, PASSWORD_MAX = 1024 };

struct invocation {
	const char *dir;
	bool json, password_stdin;
	char **args;	/* without options */
	int n;
};

static int complain(const char *what, enum status st)
{
	fprintf(stderr, "waxwing: %s: %s\n", what, status_name(st));
	return 1;
}

static enum status open_directory(const char *dir, struct directory **ret)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "%s/directory", dir);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return status_of_errno(errno);
	snprintf(path, sizeof path, "%s/directory/directory.db", dir);
	return directory_open(path, ret);
}

static enum status write_example(const char *dir)
{
	char path[PATH_SIZE];
	struct buf text = BUF(1024 * 1024);
	FILE *f;

	snprintf(path, sizeof path, "%s/waxwing.conf", dir);
	if (access(path, F_OK) == 0)
		return ST_OK;
	conf_example(&text);
	f = fopen(path, "wxe");
	if (f == NULL)
		return status_of_errno(errno);
	fwrite(text.p, 1, text.n, f);
	buf_free(&text);
	return fclose(f) == 0 ? ST_OK : ST_IO;
}

static int cmd_setup(struct invocation *in)
{
	struct directory *d;
	enum status st;

	if (mkdir(in->dir, 0711) != 0 && errno != EEXIST)
		return complain(in->dir, status_of_errno(errno));
	st = write_example(in->dir);
	if (st == ST_OK)
		st = open_directory(in->dir, &d);
	if (st != ST_OK)
		return complain(in->dir, st);
	st = directory_add_domain(d, view_cstr(in->args[0]));
	directory_close(d);
	if (st != ST_OK && st != ST_EXISTS)
		return complain(in->args[0], st);
	return 0;
}

static int cmd_serve(struct invocation *in)
{
	return parent_serve(in->dir);
}

static struct view read_password(char out[PASSWORD_MAX])
{
	size_t n = fread(out, 1, PASSWORD_MAX - 1, stdin);

	while (n && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	return view_make(out, n);
}

static int cmd_account_add(struct invocation *in)
{
	char password[PASSWORD_MAX];
	struct buf verifier = BUF(512);
	struct directory *d;
	uint64_t id;
	enum status st = verifier_make(read_password(password), 32 << 20, 2, &verifier);

	if (st == ST_OK)
		st = open_directory(in->dir, &d);
	if (st != ST_OK)
		return complain(in->dir, st);
	st = directory_add_account(d, view_cstr(in->args[0]), buf_view(&verifier), 0, &id);
	directory_close(d);
	buf_free(&verifier);
	return st == ST_OK ? 0 : complain(in->args[0], st);
}

static int cmd_domain_add(struct invocation *in)
{
	struct directory *d;
	enum status st = open_directory(in->dir, &d);

	if (st != ST_OK)
		return complain(in->dir, st);
	st = directory_add_domain(d, view_cstr(in->args[0]));
	directory_close(d);
	return st == ST_OK ? 0 : complain(in->args[0], st);
}

static const struct {
	const char *words[2];
	int least, most;
	int (*run)(struct invocation *in);
	const char *usage;
} commands[] = {
	{ { "setup", NULL }, 1, 1, cmd_setup, "setup DOMAIN [--dir DIR]" },
	{ { "serve", NULL }, 0, 0, cmd_serve, "serve [--dir DIR]" },
	{ { "account", "add" }, 1, 1, cmd_account_add, "account add ADDRESS [--password-stdin]" },
	{ { "domain", "add" }, 1, 1, cmd_domain_add, "domain add DOMAIN" },
};

static int usage(void)
{
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(stderr, "  waxwing %s\n", commands[i].usage);
	return 2;
}

int admin_command(int argc, char **argv)
{
	struct invocation in = { .dir = "/var/lib/waxwing", .args = argv + 1 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
			in.dir = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			in.json = true;
		else if (strcmp(argv[i], "--password-stdin") == 0)
			in.password_stdin = true;
		else
			in.args[in.n++] = argv[i];
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		int words = commands[i].words[1] ? 2 : 1;

		if (in.n < words || strcmp(in.args[0], commands[i].words[0]) != 0 ||
		    (words == 2 && strcmp(in.args[1], commands[i].words[1]) != 0))
			continue;
		in.args += words;
		in.n -= words;
		if (in.n < commands[i].least || in.n > commands[i].most)
			break;
		return commands[i].run(&in);
	}
	return usage();
}
