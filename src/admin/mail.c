/* mail.c - waxwing import, export, rebuild, undelete: an account's mail, while no
 * process of the server has it. */
#include "admin/mail.h"
#include "admin/tell.h"

#include "ms/port.h"
#include "role/role.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRESS_EVERY = 100, REST_TRIES = 200, REST_US = 50000 };

static const struct reason why_closed[] = {
	{ ST_EXISTS, "somebody else has this mailbox open and does not leave it" },
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_NOSPACE, "the disk, or the account's quota, is full" },
	{ ST_OK, NULL },
};
static const struct reason why_not_exported[] = {
	{ ST_EXISTS, "there are files already; give an empty folder" },
	{ ST_OK, NULL },
};

static const struct reason why_not_brought_back[] = {
	{ ST_SYNTAX, "that cannot be the name of a mailbox" },
	{ ST_NOSPACE, "the disk, or the account's quota, is full" },
	{ ST_OK, NULL },
};

/* What we made as root belongs to the account's room. */
static void give_files(const struct mail *m)
{
	DIR *d = m->uid ? opendir(m->folder) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' &&
		    fchownat(dirfd(d), e->d_name, m->uid, m->uid, AT_SYMLINK_NOFOLLOW) != 0)
			tell("%s/%s: its owner could not be set", m->folder, e->d_name);
	if (d)
		closedir(d);
}

static enum status make_folder(struct mail *m)
{
	char up[MAIL_PATH];

	if (snprintf(up, sizeof up, "%s/mail", m->conf.dir) >= (int)sizeof up)
		return ST_LIMIT;
	/* Whatever the umask: the rooms' user ids pass through it. */
	if (mkdir(up, 0711) == 0 ? chmod(up, 0711) != 0 : errno != EEXIST)
		return status_of_errno(errno);
	if (mkdir(m->folder, 0700) == 0)
		return m->uid && chown(m->folder, m->uid, m->uid) != 0 ? ST_DENIED : ST_OK;
	return errno == EEXIST ? ST_OK : status_of_errno(errno);
}

/* A running server's room of the account ends, and none starts until we are
 * done: letters wait in the queue meanwhile, and people are asked to come back.
 * ST_CLOSED: no server runs. */
static enum status keep_server_out(struct mail *m, uint64_t account)
{
	enum verdict v = VERDICT_NO;
	char id[24];
	enum status st;

	snprintf(id, sizeof id, "%llu", (unsigned long long)account);
	st = control_hold(m->conf.dir, "room-rest", id, &v, &m->rest);
	return st == ST_OK && v != VERDICT_OK ? ST_EXISTS : st;
}

static enum status open_store(struct mail *m, uint64_t account, const struct store_settings *set,
			      struct store_findings *ret)
{
	enum status st = keep_server_out(m, account);

	if (st != ST_OK && st != ST_CLOSED)
		return st;
	for (int i = 0; i < REST_TRIES; i++) {
		st = store_open(m->folder, set, &m->store, ret);
		if (st != ST_EXISTS || m->rest < 0)
			break;
		usleep(REST_US);
	}
	return st;
}

enum status mail_open(struct mail *m, uint64_t account, int64_t quota)
{
	struct store_settings set = {
		.segment_size = (uint64_t)m->conf.store_segment, .undelete_ms = (uint64_t)m->conf.undelete,
		.quota = quota ? quota : m->conf.quota,
	};
	struct store_findings f;
	enum status st;

	m->rest = -1;
	m->uid = role_uid(&m->conf, ROLE_ROOM, account);
	if (snprintf(m->folder, sizeof m->folder, "%s/mail/%llu", m->conf.dir, (unsigned long long)account) >=
	    (int)sizeof m->folder)
		return ST_LIMIT;
	st = make_folder(m);
	if (st == ST_OK)
		st = open_store(m, account, &set, &f);
	if (st == ST_OK && f.damaged)
		tell("%s: %llu places are damaged; what they held is lost", m->folder,
		     (unsigned long long)f.damaged);
	return st;
}

void mail_close(struct mail *m)
{
	store_close(m->store);
	m->store = NULL;
	give_files(m);
	if (m->rest >= 0)
		close(m->rest);
	m->rest = -1;
}

/* The account's mail; complains itself. */
static enum status begin(struct invocation *in, const char *address, struct mail *m)
{
	struct arena a = ARENA(1024 * 1024);
	struct directory *d = NULL;
	struct account account;
	enum status st = instance_conf(in, &m->conf);

	if (st != ST_OK)
		return st;
	st = instance_directory(in, &d);
	if (st == ST_OK) {
		st = directory_account(d, view_cstr(address), &a, &account);
		if (st == ST_OK)
			st = mail_open(m, account.id, account.quota);
		if (st != ST_OK)
			complain(address, st, why_closed);
	}
	directory_close(d);
	arena_free(&a);
	if (st != ST_OK)
		conf_free(&m->conf);
	return st;
}

static void end(struct mail *m)
{
	mail_close(m);
	conf_free(&m->conf);
}

/* ---- progress ---- */

static void show(struct port *p)
{
	if (p->letters % PROGRESS_EVERY == 0)
		fprintf(stderr, "\r%llu letters, %llu MB ", (unsigned long long)p->letters,
			(unsigned long long)(p->bytes / 1000000));
}

static void sum_up(const struct port *p, const char *done)
{
	if (p->progress)
		fputs("\r\033[K", stderr);
	printf("%llu letters %s.\n", (unsigned long long)p->letters, done);
	if (p->failed)
		tell("%llu could not be read", (unsigned long long)p->failed);
}

static struct port port_begin(void)
{
	return (struct port){ .progress = isatty(STDERR_FILENO) ? show : NULL };
}

/* ---- commands ---- */

int cmd_import(struct invocation *in)
{
	struct mail m = { .store = NULL };
	struct port p = port_begin();
	enum status st = begin(in, in->args[0], &m);

	if (st != ST_OK)
		return FAILED;
	st = port_import(m.store, in->args[1], in->n > 2 ? view_cstr(in->args[2]) : VIEW_NONE, &p);
	end(&m);
	sum_up(&p, "imported");
	if (st != ST_OK)
		return complain(in->args[1], st, NULL);
	return p.failed ? FAILED : DONE;
}

int cmd_export(struct invocation *in)
{
	const char *name = in->given[OPTION_format] ? in->given[OPTION_format] : "maildir";
	struct mail m = { .store = NULL };
	struct port p = port_begin();
	enum port_format f;
	enum status st;

	if (port_format(view_cstr(name), &f) != ST_OK) {
		tell("--format: maildir, mbox or eml, not %s", name);
		return WRONG_USE;
	}
	st = begin(in, in->args[0], &m);
	if (st != ST_OK)
		return FAILED;
	st = port_export(m.store, in->args[1], f, &p);
	end(&m);
	sum_up(&p, "exported");
	if (st != ST_OK)
		return complain(in->args[1], st, why_not_exported);
	return p.failed ? FAILED : DONE;
}

static enum status rebuild_one(struct mail *m, const char *what)
{
	struct store_findings f;
	struct store_usage u;
	enum status st = store_rebuild(m->store, &f);

	if (st == ST_OK && f.damaged)
		tell("%s: %llu places are damaged; what they held is lost", what, (unsigned long long)f.damaged);

	if (st == ST_OK)
		st = store_usage(m->store, &u);
	if (st == ST_OK)
		printf("%s: %llu messages\n", what, (unsigned long long)u.messages);
	else
		complain(what, st, NULL);
	return st;
}

struct all {
	struct mail mail;
	int status;
};

static void rebuild_row(void *arg, struct view address, struct view verifier, uint64_t id)
{
	struct all *all = arg;
	char name[ADDRESS_MAX + 1];
	enum status st;

	(void)verifier;
	snprintf(name, sizeof name, "%.*s", VIEW_ARG(address));
	st = mail_open(&all->mail, id, 0);
	if (st != ST_OK) {
		all->status = complain(name, st, why_closed);
		return;
	}
	if (rebuild_one(&all->mail, name) != ST_OK)
		all->status = FAILED;
	mail_close(&all->mail);
}

static int rebuild_all(struct invocation *in)
{
	struct all all = { .status = DONE };
	struct directory *d = NULL;
	enum status st = instance_conf(in, &all.mail.conf);

	if (st != ST_OK)
		return FAILED;
	st = instance_directory(in, &d);
	if (st == ST_OK)
		st = directory_each_account(d, rebuild_row, &all);
	directory_close(d);
	conf_free(&all.mail.conf);
	return st == ST_OK ? all.status : FAILED;
}

int cmd_rebuild(struct invocation *in)
{
	struct mail m = { .store = NULL };
	enum status st;

	if ((in->given[OPTION_all] != NULL) == (in->n == 1)) {
		tell("give an address, or --all");
		return WRONG_USE;
	}
	if (in->n == 0)
		return rebuild_all(in);
	if (begin(in, in->args[0], &m) != ST_OK)
		return FAILED;
	st = rebuild_one(&m, in->args[0]);
	end(&m);
	return st == ST_OK ? DONE : FAILED;
}

/* ---- removed letters ---- */

int cmd_undelete(struct invocation *in)
{
	const char *name = in->n > 1 ? in->args[1] : "Undeleted";
	struct mail m = { .store = NULL };
	wall_ms since = 0;
	uint32_t n = 0;
	enum status st;

	if (!take_days(in->given[OPTION_days], &since))
		return WRONG_USE;
	if (begin(in, in->args[0], &m) != ST_OK)
		return FAILED;
	st = store_create(m.store, view_cstr(name), USE_NONE);
	if (st == ST_OK || st == ST_EXISTS)
		st = store_undelete(m.store, since, view_cstr(name), &n);
	if (st == ST_OK)
		st = store_flush(m.store);
	end(&m);
	if (st != ST_OK)
		return complain(name, st, why_not_brought_back);
	printf("%s: %u letters are back, in %s\n", in->args[0], n, name);
	return DONE;
}
