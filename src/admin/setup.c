/* setup.c - waxwing setup: makes what is missing, leaves what is there. */
#include "admin/cert.h"
#include "admin/instance.h"
#include "admin/tell.h"

#include "base/disk.h"
#include "parent/parent.h"
#include "warden/keys.h"
#include "warden/signing_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static void report(enum status st, const char *what, const char *name)
{
	printf("%-7s %s %s\n", st == ST_OK ? "made" : "kept", what, name);
}

/* Each step answers ST_OK (made), ST_EXISTS (was there), or what is wrong;
 * ret_name is what it is about. */
static enum status step_folder(struct invocation *in, struct buf *ret_name)
{
	buf_puts(ret_name, in->dir);
	if (mkdir(in->dir, 0711) != 0)
		return status_of_errno(errno);
	/* Whatever the umask: the processes' user ids pass through it. */
	return chmod(in->dir, 0711) == 0 ? ST_OK : status_of_errno(errno);
}

/* This host's own name if it is a full one, else mail.DOMAIN. */
static void guess_host(struct invocation *in, struct buf *ret)
{
	char name[256] = "";

	if (gethostname(name, sizeof name - 1) == 0 && strchr(name, '.'))
		buf_puts(ret, name);
	else
		buf_putf(ret, "mail.%s", in->args[0]);
	buf_putc(ret, '\0');
}

static enum status step_conf(struct invocation *in, struct buf *ret_name)
{
	struct buf text = BUF(1024 * 1024), host = BUF(512);
	struct iovec iov;
	char path[PATH_SIZE];
	int fd;
	enum status st;

	snprintf(path, sizeof path, "%s/waxwing.conf", in->dir);
	buf_puts(ret_name, path);
	st = disk_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644, &fd);
	if (st != ST_OK)
		return st;
	guess_host(in, &host);
	conf_example(&text, host.p ? host.p : "localhost");
	buf_free(&host);
	iov = (struct iovec){ text.p, text.n };
	st = buf_status(&text);
	if (st == ST_OK)
		st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush_all(fd);
	close(fd);
	buf_free(&text);
	return st;
}

static enum status step_directory(struct invocation *in, struct buf *ret_name)
{
	char path[PATH_SIZE];
	struct directory *d;
	bool there;
	enum status st;

	snprintf(path, sizeof path, "%s/directory", in->dir);
	st = disk_mkdir(AT_FDCWD, path, 0700);
	if (st != ST_OK && st != ST_EXISTS)
		return st;
	snprintf(path, sizeof path, "%s/directory/directory.db", in->dir);
	buf_puts(ret_name, path);
	there = access(path, F_OK) == 0;
	st = directory_open(path, &d);
	if (st != ST_OK)
		return st;
	directory_close(d);
	return there ? ST_EXISTS : ST_OK;
}

static enum status step_domain(struct invocation *in, struct buf *ret_name)
{
	struct directory *d;
	enum status st = instance_directory(in, &d);

	buf_puts(ret_name, in->args[0]);
	if (st != ST_OK)
		return st;
	st = directory_add_domain(d, view_cstr(in->args[0]));
	directory_close(d);
	return st;
}

static void note_key(void *any, const struct signing_key *k)
{
	(void)k;
	*(bool *)any = true;
}

/* Active at once: nothing was signed before that somebody could miss. */
static enum status step_signing(struct invocation *in, struct buf *ret_name)
{
	struct view domain = view_cstr(in->args[0]);
	bool any = false;
	struct directory *d;
	enum status st = instance_directory(in, &d);

	buf_putf(ret_name, "keys/dkim/%s", in->args[0]);
	if (st != ST_OK)
		return st;
	st = signing_each(d, domain, note_key, &any);
	if (st == ST_OK)
		st = any ? ST_EXISTS : signing_keys_setup(in->dir, d, domain, SIGNING_ACTIVE, clock_wall());
	directory_close(d);
	return st;
}

/* The key after that one, whose record can be published ahead (RFC 7671 8.1).
 * Where the operator has certificates of his own, so he has keys. */
static enum status step_next_key(struct invocation *in, struct buf *ret_name)
{
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	buf_puts(ret_name, "keys/next.pem");
	if (st == ST_OK)
		st = c.tls_certificate[0] ? ST_EXISTS : certificate_next(in->dir);
	conf_free(&c);
	return st;
}

/* Self-signed, for the domain, its usual mail host, and this host's name. */
static enum status step_certificate(struct invocation *in, struct buf *ret_name)
{
	char mail[256], host[256] = "";

	buf_puts(ret_name, "keys/tls.pem");
	snprintf(mail, sizeof mail, "mail.%.200s", in->args[0]);
	if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof host, "localhost");
	return certificate_setup(in->dir, (struct view[]){ view_cstr(mail), view_cstr(in->args[0]),
							   view_cstr(host), VIEW("localhost") }, 4);
}

static void note_authority(void *any, const struct certificate_row *c)
{
	*(bool *)any |= c->kind == CERTIFICATE_AUTHORITY;
}

static enum status step_authority(struct invocation *in, struct buf *ret_name)
{
	bool any = false;
	struct directory *d;
	enum status st = instance_directory(in, &d);

	buf_putf(ret_name, "keys/smime/%s", in->args[0]);
	if (st != ST_OK)
		return st;
	st = directory_certificates(d, view_cstr(in->args[0]), 0, note_authority, &any);
	directory_close(d);
	if (st != ST_OK)
		return st;
	return any ? ST_EXISTS : cert_authority(in, view_cstr(in->args[0]));
}

/* What setup makes, in this order: the only list. */
static const struct {
	const char *what;
	enum status (*make)(struct invocation *in, struct buf *ret_name);
} steps[] = {
	{ "the folder", step_folder },
	{ "the configuration", step_conf },
	{ "the directory of accounts", step_directory },
	{ "the domain", step_domain },
	{ "the certificate", step_certificate },
	{ "the next certificate", step_next_key },
	{ "the keys that letters are signed with", step_signing },
	{ "the authority for its people's certificates", step_authority },
};

static const struct reason why_not[] = {
	{ ST_SYNTAX, "is not the name of a domain, such as example.org" },
	{ ST_MISSING, "the folder above it does not exist" },
	{ ST_OK, NULL },
};

/* Could a server run here?  Says what to do where not. */
static int check_place(struct invocation *in)
{
	struct buf why = BUF(PATH_SIZE * 2);
	struct conf c = { 0 };
	enum status st = instance_conf(in, &c);

	if (st != ST_OK)
		return FAILED;
	st = parent_reachable(&c, &why);
	if (st != ST_OK)
		tell("made, but it cannot be served yet: %.*s", VIEW_ARG(buf_view(&why)));
	else
		printf("\nThis host calls itself %s (host.name in waxwing.conf).\n", c.host_name);
	conf_free(&c);
	buf_free(&why);
	return st == ST_OK ? DONE : FAILED;
}

/* The way from here to mail that arrives. */
static void say_next(const struct invocation *in)
{
	static const struct {
		const char *command, *name, *good_for;
	} next[] = {
		{ "account add", "NAME@", "asks for the password" },
		{ "serve", NULL, "runs it" },
		{ "dns", "", "every record to publish" },
		{ "check", "", "does the world see it?" },
	};
	const char *dir = in->given[OPTION_dir];
	struct buf line = BUF(2 * PATH_SIZE);

	puts("\nNext:");
	for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
		buf_clear(&line);
		buf_putf(&line, "waxwing %s", next[i].command);
		if (next[i].name)
			buf_putf(&line, " %s%s", next[i].name, in->args[0]);
		if (dir)
			buf_putf(&line, " --dir %s", dir);
		printf("  %-44.*s %s\n", VIEW_ARG(buf_view(&line)), next[i].good_for);
	}
	buf_free(&line);
}

int cmd_setup(struct invocation *in)
{
	struct buf name = BUF(PATH_SIZE);

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		enum status st;

		buf_clear(&name);
		st = steps[i].make(in, &name);
		buf_putc(&name, '\0');
		if (st != ST_OK && st != ST_EXISTS) {
			complain(name.p, st, why_not);
			buf_free(&name);
			return FAILED;
		}
		report(st, steps[i].what, name.p);
	}
	buf_free(&name);
	if (check_place(in) != DONE)
		return FAILED;
	say_next(in);
	return DONE;
}
