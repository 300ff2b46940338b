#include "sendmail/pickup.h"

#include "msg/dsn.h"
#include "sendmail/drop.h"
#include "sendmail/user.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 * 1024, REPORT_MAX = 64 * 1024 * 1024, RETURN_MAX = 100 * 1024 };

/* Whoever wrote the file has no more rights here than he has anyway. */
static bool become(uint32_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return geteuid() == uid;
	return uid == 0 || (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
			    setresuid(uid, uid, uid) == 0 && geteuid() == uid && setuid(0) != 0);
}

/* The next server hands the file in anew, and must be the only one that does. */
static bool end_with_the_server(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != 1;
}

/* ---- who could not get it ---- */

static void put_recipients(const struct outcome *out, const struct outgoing *o, wall_ms now, struct arena *a,
			   struct dsn *d)
{
	bool whole = out->n_refused == 1 && out->refused[0].address.n == 0;
	size_t n = whole ? o->to.n : out->n_refused;
	struct dsn_recipient *to = arena_array(a, n, sizeof *to);

	for (size_t i = 0; to && i < n; i++) {
		const struct refusal *r = &out->refused[whole ? 0 : i];

		to[i] = (struct dsn_recipient){
			.action = DSN_FAILED, .address = whole ? o->to.p[i] : r->address, .status = r->status,
			.reply = r->text, .last_attempt = now,
		};
	}
	d->recipients = to;
	d->n = to ? n : 0;
}

/* To the sender or, where he cannot be told, to the postmaster. */
static enum status send_report(struct server *s, const struct about *about, struct view to, struct view report,
			       struct arena *a)
{
	struct outgoing o = { .letter = report };
	struct outcome out;
	struct view bad;
	enum status st = recipients_take(&o.to, to, view_cstr(about->host), a, &bad);

	if (st == ST_OK)
		st = server_submit(s, &o, a, &out);
	return st == ST_OK && out.taken == 0 ? ST_DENIED : st;
}

static enum status tell(struct server *s, const struct about *about, const struct outgoing *o,
			const struct outcome *out, const struct options *options, struct arena *a)
{
	struct buf report = BUF(REPORT_MAX), id = BUF(64), own = BUF(512), from = BUF(512);
	struct dsn_form form;
	struct user user;
	enum status st;
	struct dsn d = {
		.reporting_mta = view_cstr(about->host), .now = clock_wall(), .envid = o->envid,
		.letter_max = RETURN_MAX, .whole = !view_eq_i(o->ret, VIEW("hdrs")),
	};

	user_of(options->uid, &user);
	buf_putf(&own, "%s@%s", user.name, about->host);
	buf_putf(&from, "postmaster@%s", about->host);
	buf_putf(&id, "%s.%u", options->key, options->uid);
	d.id = buf_view(&id);
	/* It goes the way of his letters, and by that way he is nobody else. */
	d.from = buf_view(&own);
	d.postmaster = buf_view(&from);
	/* Not who he said he was, where just that was refused. */
	d.sender = out->n_refused && out->refused[0].exit != EX_NOPERM && o->sender.n ? o->sender : buf_view(&own);
	d.arrived = d.now;
	put_recipients(out, o, d.now, a, &d);
	st = dsn_build(&d, o->letter, &report, &form);
	if (st == ST_OK)
		st = send_report(s, about, d.sender, buf_view(&report), a);
	if (st == ST_DENIED)
		st = send_report(s, about, VIEW("postmaster"), buf_view(&report), a);
	buf_free(&report);
	buf_free(&id);
	buf_free(&own);
	buf_free(&from);
	return st;
}

/* ---- the file ---- */

static int hand_in(const struct options *options, struct outgoing *o, struct arena *a)
{
	struct outcome out = { 0 };
	struct server *s = NULL;
	struct about about;
	enum status st = about_read(options->dir, &about);

	o->key = view_cstr(options->key);
	if (st == ST_OK)
		st = server_open(options->dir, false, &s);
	if (st == ST_OK)
		st = server_submit(s, o, a, &out);
	/* One recipient that has to wait: all of them, since the file is one. */
	if (st == ST_OK && out.later.n)
		st = ST_AGAIN;
	if (st == ST_OK && out.n_refused && o->sender.n)
		st = tell(s, &about, o, &out, options, a);
	server_close(s);
	return st == ST_OK ? EX_OK : EX_TEMPFAIL;
}

int pickup(const struct options *options)
{
	struct arena a = ARENA(ARENA_MAX);
	struct outgoing o;
	struct stat sb;
	int status = EX_TEMPFAIL;
	enum status st;
	void *bytes;

	if (fstat(STDIN_FILENO, &sb) != 0 || sb.st_uid != options->uid || !become(options->uid, sb.st_gid) ||
	    !end_with_the_server())
		return EX_NOPERM;
	if (sb.st_size == 0)
		return EX_DATAERR;
	/* Its owner may cut it off meanwhile; then this process ends by that. */
	bytes = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	if (bytes == MAP_FAILED)
		return EX_TEMPFAIL;
	st = drop_take(view_make(bytes, (size_t)sb.st_size), &a, &o);
	if (st == ST_OK)
		status = hand_in(options, &o, &a);
	else if (st == ST_SYNTAX || st == ST_LIMIT)
		status = EX_DATAERR;
	arena_free(&a);
	munmap(bytes, (size_t)sb.st_size);
	return status;
}
