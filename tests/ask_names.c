/* ask_names.c - for tests/test_dns.py: plays the parent and one door for a
 * process `names`, and asks it what lines on standard input say:
 *
 *     ask TYPE NAME N     N times at once; each answer is a line of JSON
 *     hint TYPE NAME
 *     bench TYPE NAME N   N times, 100 at once; says how long that took
 *     restart             kill the process in the middle and start another
 *
 * ask_names WAXWING DIR: the settings of DIR/waxwing.conf.
 */
#include "conf/conf.h"
#include "ipc/records.h"
#include "names/describe.h"
#include "role/role.h"
#include "role/walls.h"
#include "wire/rdata.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JSON_MAX = 1024 * 1024, AT_ONCE = 100 };

struct play {
	struct loop *loop;
	struct channel parent, door;
	struct dns_over_channel dns;
	struct buf settings;
	const char *program;
	int pid;
	struct watch in;
	struct buf line;
	size_t waiting;
	bool end;
};

struct task {
	struct play *p;
	enum dns_type type;
	struct view name;
	char text[512];
	unsigned times;		/* 0: prints the answer */
	steady_ms began;
};

/* ---- the process ---- */

static void ignore(struct channel *ch, struct record *rec)
{
	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
}

static void must(enum status st)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "ask_names: %s\n", status_name(st));
	exit(1);
}

static void send_record(struct channel *ch, struct buf *b, int fd)
{
	must(channel_send(ch, b, fd));
	buf_free(b);
}

static void start(struct play *p)
{
	char *argv[] = { (char *)p->program, "--role", "names", NULL };
	posix_spawn_file_actions_t fa;
	struct buf b = BUF(RECORD_MAX);
	int fds[2], ends[2], filter;

	must(sandbox_filter_make(walls_calls(ROLE_NAMES), &filter));
	must(channel_pair(fds));
	must(channel_pair(ends));
	p->parent = (struct channel){ .receive = ignore, .self = ROLE_PARENT, .peer = ROLE_NAMES };
	must(channel_open(&p->parent, p->loop, fds[0]));
	p->door = (struct channel){
		.receive = ignore, .allowed = record_allowed, .self = ROLE_DOOR, .peer = ROLE_NAMES,
	};
	must(channel_open(&p->door, p->loop, ends[0]));
	posix_spawn_file_actions_init(&fa);
	/* Not where the channel shall be. */
	filter = fcntl(filter, F_DUPFD_CLOEXEC, ROLE_FILTER_FD + 1);
	posix_spawn_file_actions_adddup2(&fa, fds[1], ROLE_PARENT_FD);
	posix_spawn_file_actions_adddup2(&fa, filter, ROLE_FILTER_FD);
	if (posix_spawn(&p->pid, p->program, &fa, NULL, argv, environ) != 0)
		must(ST_IO);
	posix_spawn_file_actions_destroy(&fa);
	rec_put_settings(&b, 0, 0, &(struct rec_settings){ 0, 0, buf_view(&p->settings) });
	send_record(&p->parent, &b, -1);
	rec_put_channel_to(&b, 0, 0, &(struct rec_channel_to){ ROLE_DOOR, 0, 0 });
	send_record(&p->parent, &b, ends[1]);
	close(fds[1]);
	close(ends[1]);
	dns_over_channel(&p->dns, &p->door);
}

static void end(struct play *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	channel_close(&p->door);
	channel_close(&p->parent);
}

/* ---- questions ---- */

static void print_answer(struct task *t, const struct dns_answer *a)
{
	struct buf json = BUF(JSON_MAX);

	describe_answer(t->name, t->type, a, &json);
	must(buf_status(&json));
	printf("%.*s\n", VIEW_ARG(buf_view(&json)));
	fflush(stdout);
	buf_free(&json);
}

static void finished(struct play *p)
{
	p->waiting--;
	if (p->end && p->waiting == 0)
		loop_stop(p->loop);
}

static void asks(void *arg)
{
	struct task *t = arg;
	unsigned n = t->times ? t->times : 1;

	for (unsigned i = 0; i < n; i++) {
		struct arena arena = ARENA(JSON_MAX);
		struct dns_answer a;

		must(dns_ask(&t->p->dns.resolver, t->name, t->type, &arena, &a));
		if (t->times == 0)
			print_answer(t, &a);
		arena_free(&arena);
	}
	if (t->times && t->p->waiting == 1) {
		printf("{\"ms\":%llu}\n", (unsigned long long)(clock_steady() - t->began));
		fflush(stdout);
	}
	finished(t->p);
	free(t);
}

static void begin(struct play *p, const struct task *like)
{
	struct task *t = malloc(sizeof *t);

	if (t == NULL)
		must(ST_NOMEM);
	*t = *like;
	t->name = view_make(t->text, t->name.n);
	p->waiting++;
	must(co_start(asks, t));
}

static void obey(struct play *p, char *line)
{
	struct task t = { .p = p, .began = clock_steady() };
	char verb[16] = "", type[16] = "";
	unsigned n = 1;

	if (sscanf(line, "%15s %15s %511s %u", verb, type, t.text, &n) < 1)
		return;
	t.name = view_cstr(t.text);
	if (strcmp(verb, "restart") == 0) {
		end(p);
		start(p);
		return;
	}
	if (!dns_type_of(view_cstr(type), &t.type))
		must(ST_SYNTAX);
	if (strcmp(verb, "hint") == 0) {
		dns_hint(&p->dns.resolver, t.name, t.type);
		return;
	}
	if (strcmp(verb, "bench") == 0) {
		t.times = n / AT_ONCE;
		n = AT_ONCE;
	}
	while (n--)
		begin(p, &t);
}

static void read_lines(struct watch *w, uint32_t events)
{
	struct play *p = (struct play *)((char *)w - offsetof(struct play, in));
	char piece[4096];
	ssize_t n = read(w->fd, piece, sizeof piece);
	size_t eol;

	(void)events;
	if (n <= 0) {
		p->end = true;
		loop_unwatch(p->loop, w);
		if (p->waiting == 0)
			loop_stop(p->loop);
		return;
	}
	buf_put(&p->line, view_make(piece, (size_t)n));
	while ((eol = view_find(buf_view(&p->line), '\n')) < p->line.n) {
		p->line.p[eol] = '\0';
		obey(p, p->line.p);
		buf_drop(&p->line, eol + 1);
	}
}

int main(int argc, char **argv)
{
	struct play p = { .settings = BUF(RECORD_MAX), .line = BUF(65536), .in = { .ready = read_lines } };
	struct buf why = BUF(4096);
	struct conf c;

	if (argc != 3)
		return 2;
	must(conf_load(argv[2], &c, &why));
	conf_text(&c, &p.settings);
	p.program = argv[1];
	must(loop_new(&p.loop));
	start(&p);
	must(loop_watch(p.loop, &p.in, EPOLLIN));
	loop_run(p.loop);
	end(&p);
	conf_free(&c);
	buf_free(&p.settings);
	buf_free(&p.line);
	loop_free(p.loop);
	return 0;
}
