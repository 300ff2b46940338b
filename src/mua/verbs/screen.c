/* screen.c - waxmail alone: the full-screen reader, and what it needs of the
 * network and the editor. */
#include "mua/screen/screen.h"

#include "mua/compose/write.h"
#include "mua/say.h"
#include "mua/seal.h"
#include "mua/secret.h"
#include "mua/sync/sync.h"
#include "mua/verb.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE_S = 120, COMMAND_MAX = 4096 };

struct desk {
	struct place *places;	/* one an account */
	size_t n;
};

/* What went wrong, for the status line. */
static enum status tell(enum status st, const struct sync *s, struct buf *said)
{
	if (st != ST_OK && st != ST_AGAIN && s->why[0])
		put_harmless(view_head(view_cstr(s->why), 500), said);
	return st == ST_AGAIN ? ST_OK : st;
}

static bool do_locked(void *arg, size_t account)
{
	const struct desk *d = arg;

	return d->places[account].password.n == 0 && d->places[account].account->password_command[0] == '\0';
}

static enum status do_unlock(void *arg, size_t account, struct buf *said)
{
	struct place *p = &((struct desk *)arg)->places[account];
	enum status st;

	p->may_ask = true;
	say_into(said);
	st = place_password(p);
	say_into(NULL);
	p->may_ask = false;
	return st;
}

/* One that was refused is asked for anew. */
static void forget_refused(struct place *p, enum status st)
{
	if (st == ST_DENIED && p->account->password_command[0] == '\0')
		buf_wipe(&p->password);
}

static struct sync sync_of(struct desk *d, size_t account, screen_progress *progress, void *arg)
{
	return (struct sync){ .place = &d->places[account], .progress = progress, .progress_arg = arg };
}

static enum status do_sync(void *arg, size_t account, int64_t folder, bool idle, screen_progress *progress,
			   void *progress_arg, struct buf *said)
{
	struct desk *d = arg;
	struct sync s = sync_of(d, account, progress, progress_arg);
	struct arena a = ARENA((size_t)64 * 1024 * 1024);
	struct copy_folder *all;
	size_t n = 0;
	enum status st = ST_OK;

	/* Nobody types: no question about a password. */
	if (idle && do_locked(arg, account))
		return ST_OK;
	if (folder)
		st = copy_folders(d->places[account].copy, &a, &all, &n);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		if (all[i].id == folder)
			s.folder = all[i].sync.server_name.n ? all[i].name : VIEW_NONE;
	say_into(said);
	if (st == ST_OK)
		st = sync_outbox(&s, 0, NULL);
	if (st == ST_OK)
		st = sync_run(&s);
	say_into(NULL);
	if (st == ST_OK && !idle)
		buf_putf(said, "%llu new, %llu gone, %llu told", (unsigned long long)s.headers,
			 (unsigned long long)s.gone, (unsigned long long)s.told);
	forget_refused(&d->places[account], st);
	st = tell(st, &s, said);
	arena_free(&a);
	return st;
}

static enum status do_fetch(void *arg, size_t account, int64_t id, screen_progress *progress, void *progress_arg,
			    struct buf *said)
{
	struct sync s = sync_of(arg, account, progress, progress_arg);
	enum status st;

	say_into(said);
	st = sync_fetch(&s, id);
	say_into(NULL);
	forget_refused(s.place, st);
	return tell(st, &s, said);
}

static enum status do_outbox(void *arg, size_t account, screen_progress *progress, void *progress_arg,
			     struct buf *said)
{
	struct sync s = sync_of(arg, account, progress, progress_arg);
	enum status st;

	say_into(said);
	st = sync_outbox(&s, 0, NULL);
	say_into(NULL);
	if (st == ST_OK)
		buf_putf(said, "%llu sent", (unsigned long long)s.sent);
	return tell(st, &s, said);
}

static enum status begin(struct writing *w, struct place *p, enum screen_compose how, int64_t id)
{
	switch (how) {
	case SCREEN_NEW:
		return ST_OK;
	case SCREEN_REPLY:
		return writing_answer(w, p, id, ANSWER_AUTHOR, true);
	case SCREEN_REPLY_ALL:
		return writing_answer(w, p, id, ANSWER_ALL, true);
	case SCREEN_REPLY_LIST:
		return writing_answer(w, p, id, ANSWER_TO_LIST, true);
	case SCREEN_FORWARD:
		return writing_forward(w, p, id, FORWARD_WHOLE);
	case SCREEN_RESUME:
		return writing_resume(w, p, id);
	}
	return ST_DENIED;
}

static void tell_fate(const struct fate_told *told, enum status st, struct buf *said)
{
	if (st == ST_OK && told->draft)
		buf_putf(said, "It is draft %lld.", (long long)told->draft);
	else if (st == ST_OK)
		buf_puts(said, told->held	? "It is held in the outbox: "
			       : told->queued ? "It waits in the outbox. "
					      : "It is sent.");
	else if (told->draft)
		buf_putf(said, "It is draft %lld now: ", (long long)told->draft);
	if (told->why.n)
		put_harmless(view_head(buf_view(&told->why), 400), said);
}

static enum status do_compose(void *arg, size_t account, enum screen_compose how, int64_t answers, struct buf *said)
{
	struct desk *d = arg;
	struct place *p = &d->places[account];
	struct writing *w = calloc(1, sizeof *w);
	struct fate_told told = { .message_id = BUF(0), .why = BUF(0) };
	enum status st;

	p->may_ask = true;
	say_into_too(said);
	st = w ? writing_begin(w, p) : ST_NOMEM;
	if (st == ST_OK)
		st = begin(w, p, how, answers);
	if (st == ST_OK)
		st = writing_edit(w, p);
	if (st == ST_OK) {
		buf_clear(said);	/* of what was edited again */
		st = writing_review(w, p, FATE_SEND, &told);
		if (st == ST_OK || st == ST_MISSING)
			buf_clear(said);	/* of what was mended before */
		if (st == ST_MISSING)
			buf_puts(said, "Nothing is sent.");
		tell_fate(&told, st, said);
		if (st == ST_OK && w->how_sealed.n) {
			buf_putc(said, ' ');
			put_harmless(view_head(buf_view(&w->how_sealed), 400), said);
		}
		st = st == ST_MISSING ? ST_OK : st;	/* thrown away */
	} else if (st == ST_MISSING) {
		buf_clear(said);
		buf_puts(said, "Nothing was written.");
		st = ST_OK;
	}
	say_into(NULL);
	p->may_ask = false;
	if (w)
		writing_end(w);
	free(w);
	buf_free(&told.message_id);
	buf_free(&told.why);
	return st;
}

static enum status do_resend(void *arg, size_t account, int64_t id, struct view to, struct buf *said)
{
	struct desk *d = arg;
	struct resend r = { .to = to, .protect = d->places[account].account->protect };
	struct fate_told told = { .message_id = BUF(0), .why = BUF(0) };
	enum status st;

	say_into(said);
	st = letter_resend(&d->places[account], id, &r, &told);
	say_into(NULL);
	if (st == ST_OK || told.why.n)
		tell_fate(&told, st, said);
	buf_free(&told.message_id);
	buf_free(&told.why);
	return st;
}

/* xdg-open knows the person's programs; the file's name is never part of the
 * command. */
static enum status do_view(void *arg, struct view path, struct view type, struct buf *said)
{
	char file[PATH_TEXT_MAX];
	int status = -1;
	pid_t pid;

	(void)arg;
	(void)type;
	if (snprintf(file, sizeof file, "%.*s", VIEW_ARG(path)) >= (int)sizeof file)
		return ST_LIMIT;
	pid = fork();
	if (pid == 0) {
		execlp("xdg-open", "xdg-open", file, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		;
	if (status != 0)
		buf_puts(said, "No program opens it (xdg-open).");
	return status == 0 ? ST_OK : ST_DENIED;
}

/* What it does not want to read it need not. */
static void write_all(int fd, struct view v)
{
	while (v.n) {
		ssize_t n = write(fd, v.p, v.n);

		if (n <= 0)
			return;
		v = view_skip(v, (size_t)n);
	}
}

static pid_t start_command(const char *command, int *ret_to)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGPIPE, SIG_DFL);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	*ret_to = ends[1];
	return pid;
}

static enum status do_pipe(void *arg, struct view octets, struct view command, struct buf *said)
{
	char text[COMMAND_MAX];
	void (*before)(int);
	int status = -1, to = -1, key;
	pid_t pid;

	(void)arg;
	if (snprintf(text, sizeof text, "%.*s", VIEW_ARG(command)) >= (int)sizeof text)
		return ST_LIMIT;
	before = signal(SIGPIPE, SIG_IGN);
	pid = start_command(text, &to);
	write_all(to, octets);
	close(to);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		;
	signal(SIGPIPE, before);
	buf_putf(said, "The command ended with status %d.", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fputs("\n(Enter goes back.) ", stdout);
	fflush(stdout);
	while ((key = getchar()) != '\n' && key != EOF)
		;
	return status == 0 ? ST_OK : ST_DENIED;
}

static enum status do_seal(void *arg, size_t account, struct view letter, struct buf *line, enum show_style *style,
			   struct buf *inner)
{
	struct desk *d = arg;

	return seal_look(&d->places[account], letter, line, style, inner);
}

/* ---- the accounts ---- */

/* Each account has a place of its own: a copy, a password, a network. */
static enum status open_all(struct desk *d, const struct invocation *in, struct screen_account *accounts)
{
	struct place first;
	enum status st = place_settings(&first);
	struct account *standard;

	if (st != ST_OK)
		return st;
	standard = settings_account(&first.settings, VALUE(in, account));
	if (standard == NULL)
		say("no account yet; `waxmail account add ADDRESS` makes one known");
	for (size_t i = 0; standard && st == ST_OK && i < first.settings.n; i++) {
		/* The one that is meant comes first. */
		size_t at = (size_t)(standard - first.settings.accounts), which = i == 0 ? at : i <= at ? i - 1 : i;
		struct place *p = &d->places[d->n];

		st = place_settings(p);
		if (st == ST_OK && which < p->settings.n)
			st = place_use(p, &p->settings.accounts[which]);
		d->n++;
		/* The one time that the terminal is ours; without a password the copy can
		 * be read. */
		if (st == ST_OK && p->account->password_command[0] == '\0')
			(void)!place_password(p);
		p->may_ask = false;
		if (st == ST_OK)
			accounts[i] = (struct screen_account){ view_cstr(p->account->address), p->copy,
							       account_authserv_id(p->account) };
	}
	place_close(&first);
	return standard ? st : ST_MISSING;
}

int verb_screen(struct invocation *in)
{
	static const struct screen_program functions = {
		.sync = do_sync, .locked = do_locked, .unlock = do_unlock, .fetch = do_fetch, .compose = do_compose,
		.resend = do_resend, .flush_outbox = do_outbox, .view = do_view, .pipe = do_pipe,
		.seal = do_seal,
	};
	struct screen_account accounts[ACCOUNTS_MAX] = { 0 };
	struct desk d = { .places = calloc(ACCOUNTS_MAX, sizeof *d.places) };
	struct screen_program program = functions;
	struct screen_options o = { .accounts = accounts, .program = &program, .idle_seconds = IDLE_S };
	enum status st = d.places ? open_all(&d, in, accounts) : ST_NOMEM;

	program.arg = &d;
	o.n_accounts = d.n;
	if (st == ST_OK && (st = screen_run(&o)) == ST_DENIED)
		say("the reader wants a terminal; `waxmail help` lists what works without one");
	for (size_t i = 0; i < d.n; i++)
		place_close(&d.places[i]);
	free(d.places);
	return st == ST_OK ? DONE : FAILED;
}
