/* main.c - waxwing-sendmail(1): what cron, git, mutt, PHP and scripts call to
 * send a letter.
 *
 * The letter goes to the running server, over local/submit.  Where none runs,
 * or it cannot take the letter now, it goes into the drop folder.  Exit statuses
 * are those of sysexits(3). */
#include "sendmail/dialog.h"
#include "sendmail/drop.h"
#include "sendmail/options.h"
#include "sendmail/pickup.h"
#include "sendmail/user.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { ARENA_MAX = 64 * 1024 * 1024, HEAD_SPARE = 1024 * 1024, ADDRESS_BUF = 1024, PIECE = 64 * 1024 };

static int complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "waxwing-sendmail: %s%s%s\n", what, why[0] ? ": " : "", why);
	return status;
}

static int exit_of(enum status st)
{
	switch (st) {
	case ST_SYNTAX:
	case ST_LIMIT:
		return EX_DATAERR;
	case ST_DENIED:
	case ST_MISSING:
	case ST_NOSPACE:
		return EX_TEMPFAIL;
	default:
		return EX_OSERR;
	}
}

/* ---- the letter ---- */

/* Standard input, to its end or to a line with only a dot. */
static enum status read_letter(bool dots, struct buf *out)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while (buf_status(out) == ST_OK && (n = getline(&line, &cap, stdin)) > 0) {
		struct view v = view_make(line, (size_t)n);

		if (!dots && (view_eq(v, VIEW(".\n")) || view_eq(v, VIEW(".\r\n")) || view_eq(v, VIEW("."))))
			break;
		buf_put(out, v);
	}
	free(line);
	return ferror(stdin) ? ST_IO : buf_status(out);
}

/* What -f says: "<>" and the empty word are the null sender. */
static enum status take_sender(const char *word, const struct about *about, struct arena *a, struct view *ret)
{
	struct recipients one = { 0 };
	struct view v = view_trim(view_cstr(word)), bad;
	enum status st;

	*ret = VIEW("");
	if (v.n == 0 || view_eq(v, VIEW("<>")))
		return ST_OK;
	st = recipients_take(&one, v, view_cstr(about->host), a, &bad);
	if (st == ST_OK && one.n == 1)
		*ret = one.p[0];
	return st == ST_OK && one.n != 1 ? ST_SYNTAX : st;
}

/* Everything about the letter but its bytes. */
struct job {
	const struct options *options;
	struct about about;
	struct user user;
	struct arena arena;
	struct buf raw, mended, own, id;
	struct outgoing out;
};

static enum status take_arguments(struct job *j, struct view *ret_bad)
{
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && i < j->options->n; i++) {
		size_t n = j->out.to.n;

		st = recipients_take(&j->out.to, view_cstr(j->options->recipients[i]), view_cstr(j->about.host),
				     &j->arena, ret_bad);
		if (st == ST_OK && j->out.to.n == n && n == 0) {
			*ret_bad = view_cstr(j->options->recipients[i]);
			st = ST_SYNTAX;
		}
	}
	return st;
}

static enum status mend(struct job *j, struct view *ret_bad)
{
	const struct options *o = j->options;
	char key[DROP_KEY + 1];
	struct author who = {
		.host = view_cstr(j->about.host), .user = view_cstr(j->user.name), .now = clock_wall(),
		.recipients = o->header,
		.full_name = view_cstr(o->full_name ? o->full_name : j->user.full_name),
	};
	enum status st = drop_key(key);

	if (st != ST_OK)
		return st;
	buf_putf(&j->id, "%llx.%s", (unsigned long long)who.now, key);
	who.id = buf_view(&j->id);
	who.address = j->out.sender.n ? j->out.sender : buf_view(&j->own);
	return letter_mend(buf_view(&j->raw), &who, &j->arena, &j->mended, &j->out.to, ret_bad);
}

/* EX_OK: j->out is whole. */
static int prepare(struct job *j)
{
	const struct options *o = j->options;
	struct view bad = VIEW_NONE;
	enum status st = about_read(o->dir, &j->about);

	if (st != ST_OK)
		return complain(EX_TEMPFAIL, "no server has run here yet, or it is closed to you", o->dir);
	user_of(getuid(), &j->user);
	buf_putf(&j->own, "%s@%s", j->user.name, j->about.host);
	j->out.sender = buf_view(&j->own);
	if (o->sender && take_sender(o->sender, &j->about, &j->arena, &j->out.sender) != ST_OK)
		return complain(EX_USAGE, "that is no sender address", o->sender);
	j->out.notify = view_cstr(o->notify);
	j->out.ret = view_cstr(o->ret);
	j->out.envid = view_cstr(o->envid);
	if (o->n == 0 && !o->header)
		return complain(EX_USAGE, "to whom?  Name recipients, or give -t", "");
	st = take_arguments(j, &bad);
	if (st == ST_SYNTAX) {
		fprintf(stderr, "waxwing-sendmail: that is no address: %.*s\n", VIEW_ARG(view_head(bad, 200)));
		return EX_NOUSER;
	}
	j->raw = BUF(j->about.size);
	j->mended = BUF(j->about.size + HEAD_SPARE);
	if (st == ST_OK)
		st = read_letter(o->dots, &j->raw);
	if (st == ST_OK)
		st = mend(j, &bad);
	if (st == ST_SYNTAX)
		fprintf(stderr, "waxwing-sendmail: the header has what is no address: %.*s\n", VIEW_ARG(view_head(bad, 200)));
	else if (st != ST_OK)
		return complain(exit_of(st), "the letter cannot be taken", st == ST_LIMIT ? "it is too large" : status_name(st));
	j->out.letter = buf_view(&j->mended);
	if (st == ST_OK && j->out.to.n == 0)
		return complain(EX_DATAERR, "the header names no recipient", "");
	return st == ST_OK ? EX_OK : EX_DATAERR;
}

/* ---- where it goes ---- */

static int into_drop(struct job *j, const struct recipients *to)
{
	struct outgoing o = j->out;
	enum status st;

	o.to = *to;
	st = drop_write(j->options->dir, &o);
	if (st == ST_OK)
		return EX_OK;
	return complain(st == ST_DENIED || st == ST_MISSING || st == ST_NOSPACE || st == ST_IO ? EX_TEMPFAIL : EX_OSERR,
			"no server takes the letter, and it cannot be kept for one", status_name(st));
}

static int say_refused(const struct outcome *out)
{
	int status = EX_OK;

	for (size_t i = 0; i < out->n_refused; i++) {
		const struct refusal *r = &out->refused[i];

		fprintf(stderr, "waxwing-sendmail: %.*s%s%.*s\n", VIEW_ARG(r->address), r->address.n ? ": " : "",
			VIEW_ARG(r->text));
		status = r->exit;
	}
	return status;
}

static int send_letter(struct job *j)
{
	struct outcome out = { 0 };
	struct server *s = NULL;
	int refused, kept = EX_OK;
	enum status st = server_open(j->options->dir, j->options->verbose, &s);

	if (st == ST_OK)
		st = server_submit(s, &j->out, &j->arena, &out);
	server_close(s);
	if (st == ST_NOMEM)
		return complain(EX_OSERR, "no memory", "");
	if (st != ST_OK)
		out.later = j->out.to;
	refused = say_refused(&out);
	if (out.later.n && !(out.n_refused && out.refused[0].address.n == 0))
		kept = into_drop(j, &out.later);
	return kept != EX_OK ? kept : refused;
}

static int letter(const struct options *o)
{
	struct job j = { .options = o, .arena = ARENA(ARENA_MAX), .own = BUF(ADDRESS_BUF), .id = BUF(64) };
	int status = prepare(&j);

	if (status == EX_OK)
		status = send_letter(&j);
	arena_free(&j.arena);
	buf_free(&j.raw);
	buf_free(&j.mended);
	buf_free(&j.own);
	buf_free(&j.id);
	return status;
}

/* ---- -bs: SMTP, as it is said ---- */

/* What can be read there goes out here.  False: it has ended. */
static bool carry(int from, int to)
{
	char piece[PIECE];
	ssize_t n = read(from, piece, sizeof piece);

	for (ssize_t done = 0, k; n > 0 && done < n; done += k) {
		k = write(to, piece + done, (size_t)(n - done));
		if (k <= 0)
			return false;
	}
	return n > 0 || (n < 0 && errno == EINTR);
}

static int talk(const struct options *o)
{
	int fd = server_connect(o->dir);
	struct about about;
	struct pollfd p[2] = { { STDIN_FILENO, POLLIN, 0 }, { fd, POLLIN, 0 } };

	if (fd < 0) {
		if (about_read(o->dir, &about) == ST_OK)
			return dialog(o->dir, &about);
		printf("421 4.3.2 No server has run here yet\r\n");
		return EX_TEMPFAIL;
	}
	while (poll(p, 2, -1) > 0 || errno == EINTR) {
		if (p[1].revents && !carry(fd, STDOUT_FILENO))
			break;
		if (p[0].revents && !carry(STDIN_FILENO, fd)) {
			p[0].fd = -1;
			shutdown(fd, SHUT_WR);
		}
	}
	close(fd);
	return EX_OK;
}

/* ---- -bp ---- */

/* The queue is the operator's to see; `waxwing queue list` says so to others. */
static int list(const struct options *o)
{
	static const char *const places[] = { "", "../bin/" };
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	while (n > 0 && self[n - 1] != '/')
		n--;
	for (size_t i = 0; i < sizeof places / sizeof *places && n > 0; i++) {
		snprintf(path, sizeof path, "%.*s%swaxwing", (int)n, self, places[i]);
		execl(path, "waxwing", "queue", "list", "--dir", o->dir, (char *)NULL);
	}
	return complain(EX_UNAVAILABLE, "there is no waxwing beside this program", "");
}

int main(int argc, char **argv)
{
	struct options o;

	signal(SIGPIPE, SIG_IGN);
	if (!options_take(argc, argv, &o))
		return EX_USAGE;
	switch (o.mode) {
	case MODE_SMTP:
		return talk(&o);
	case MODE_LIST:
		return list(&o);
	case MODE_PICKUP:
		return pickup(&o);
	case MODE_VERSION:
		puts("waxwing-sendmail " WAXWING_VERSION);
		return EX_OK;
	case MODE_NOTHING:
		return EX_OK;
	default:
		return letter(&o);
	}
}
