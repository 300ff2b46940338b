/* load.c - the benchmark's clients: one thread, epoll.
 *
 *     load MODE key=value... [COMMAND...]
 *
 * A mode is a table of steps: what to send, and what ends the reply.  Every
 * connection walks its mode's table; from MARK to COUNT is one round, timed,
 * and a session does `per` of them.  The result is one JSON line.  A reply that is no success counts as an error and ends its
 * session: figures beside errors mean nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_MAX = 32, LINE_HEAD = 16, SEND_MAX = 1024, READ_SIZE = 256 * 1024 };

/* What ends a reply. */
enum until {
	SMTP,	/* "250 ", not "250-" */
	TAGGED,	/* IMAP: a line that begins with our tag */
	PLUS,	/* IMAP: a line that begins with "+" */
	POP,	/* "+OK" */
	DOT,	/* "+OK" and all lines up to "." */
};

enum { MARK = 1, COUNT = 2, LETTER = 4, HOLD = 8, LAST = 16 };

/* In what is sent, %a is the address of the session's user, %s the size of a
 * letter, %i the number of this round, from 1, %f the domain of the sender: of
 * a letter from a file it is sender.example. */
struct step {
	const char *send;	/* NULL: wait only */
	enum until until;
	unsigned flags;
};

static const struct step smtp[] = {
	{ NULL, SMTP, 0 },
	{ "EHLO bench.invalid\r\n", SMTP, 0 },
	{ "MAIL FROM:<sender@%f>\r\n", SMTP, MARK },
	{ "RCPT TO:<%a>\r\n", SMTP, 0 },
	{ "DATA\r\n", SMTP, 0 },
	{ ".\r\n", SMTP, LETTER | COUNT },
	{ "QUIT\r\n", SMTP, LAST },
};
static const struct step append[] = {
	{ NULL, TAGGED, 0 },
	{ "bench1 LOGIN %a secret\r\n", TAGGED, 0 },
	{ "bench1 APPEND INBOX {%s}\r\n", PLUS, MARK },
	{ "\r\n", TAGGED, LETTER | COUNT },
	{ "bench1 LOGOUT\r\n", TAGGED, LAST },
};
static const struct step idle[] = {
	{ NULL, TAGGED, 0 },
	{ "bench1 LOGIN %a secret\r\n", TAGGED, 0 },
	{ "bench1 SELECT INBOX\r\n", TAGGED, 0 },
	{ "bench1 IDLE\r\n", PLUS, HOLD },
};
static const struct step pop3[] = {
	{ NULL, POP, 0 },
	{ "USER %a\r\n", POP, 0 },
	{ "PASS secret\r\n", POP, 0 },
	{ "RETR %i\r\n", DOT, MARK | COUNT },
	{ "QUIT\r\n", POP, LAST },
};
static const struct step hello[] = { { NULL, SMTP, MARK | COUNT | LAST } };

/* imap: LOGIN, SELECT, the commands of the command line, LOGOUT. */
static struct step imap[STEPS_MAX] = {
	{ NULL, TAGGED, MARK },
	{ "bench1 LOGIN %a secret\r\n", TAGGED, 0 },
	{ "bench1 SELECT INBOX\r\n", TAGGED, 0 },
};

static const struct {
	const char *name;
	const struct step *steps;
} modes[] = { { "smtp", smtp }, { "append", append }, { "imap", imap },
	      { "idle", idle }, { "pop3", pop3 },     { "hello", hello } };

static struct {
	long port, count, conc, per, size, boxes, first, away;
} opt = { .count = 1, .conc = 1, .per = 1, .size = 4096, .boxes = 100 };

static const struct {
	const char *name;
	long *value;
} options[] = {
	{ "port", &opt.port }, { "count", &opt.count }, { "conc", &opt.conc }, { "per", &opt.per },
	{ "size", &opt.size }, { "boxes", &opt.boxes }, { "first", &opt.first },
	{ "away", &opt.away },	/* 1: to people of relay.example */
};

struct conn {
	int fd, step;
	uint32_t events;
	long user, round;
	char head[LINE_HEAD];	/* of the line now coming in */
	size_t head_n;
	bool said_ok;		/* DOT: the first line was good */
	char *out;
	size_t out_n, out_at;
	double began, marked;
};

static struct {
	const struct step *steps;
	char *letter;
	size_t letter_n;
	const char *file;	/* that it comes from, or NULL */
	long opened, ended, held, rounds, errors;
	double *times;		/* of each round, seconds */
	struct {
		double secs;
		unsigned long long bytes;
	} step[STEPS_MAX];
	int epoll;
} all;

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* size bytes of a plain letter, in whole lines. */
static void make_letter(void)
{
	static const char head[] = "From: Sender <sender@bench.invalid>\r\nTo: You <you@bench.example>\r\n"
				   "Subject: quarterly figures\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
				   "Message-ID: <1@bench.invalid>\r\nMIME-Version: 1.0\r\n"
				   "Content-Type: text/plain; charset=utf-8\r\n\r\n";
	static const char line[] = "The figures of this quarter are better than those of the last one.\r\n";
	size_t size = (size_t)opt.size < sizeof head ? sizeof head : (size_t)opt.size;

	all.letter = malloc(size + 1);
	if (all.letter == NULL)
		fail("letter");
	memcpy(all.letter, head, sizeof head - 1);
	all.letter_n = sizeof head - 1;
	while (all.letter_n < size) {
		size_t n = sizeof line - 1, left = size - all.letter_n;

		/* The last line is cut to fit, but ends as a line must. */
		if (left <= n + 2) {
			memset(all.letter + all.letter_n, 'x', left);
			memcpy(all.letter + size - (left < 2 ? left : 2), "\r\n", left < 2 ? left : 2);
			all.letter_n = size;
			break;
		}
		memcpy(all.letter + all.letter_n, line, n);
		all.letter_n += n;
	}
}

/* All of the file, with line ends as they go over the wire. */
static void read_letter(void)
{
	FILE *f = fopen(all.file, "rb");
	long n = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;

	all.letter = n > 0 ? malloc((size_t)n) : NULL;
	if (all.letter == NULL || fseek(f, 0, SEEK_SET) != 0 || fread(all.letter, 1, (size_t)n, f) != (size_t)n)
		fail(all.file);
	all.letter_n = (size_t)n;
	fclose(f);
}

static void fill_in(const struct conn *c, const char *from, char out[SEND_MAX])
{
	size_t n = 0;

	for (; *from && n + 300 < SEND_MAX; from++) {
		if (*from != '%') {
			out[n++] = *from;
			continue;
		}
		switch (*++from) {
		case 'a':
			n += (size_t)sprintf(out + n, "user%ld@%s.example", c->user, opt.away ? "relay" : "bench");
			break;
		case 's':
			n += (size_t)sprintf(out + n, "%zu", all.letter_n);
			break;
		case 'f':
			n += (size_t)sprintf(out + n, "%s", all.file ? "sender.example" : "bench.invalid");
			break;
		case 'i':
			n += (size_t)sprintf(out + n, "%ld", c->round + 1);
			break;
		default:
			out[n++] = *from;
		}
	}
	out[n] = '\0';
}

static void hang_up(struct conn *c, bool good);

static void wait_for(struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (c->events != events)
		epoll_ctl(all.epoll, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev);
	c->events = events;
}

static void write_more(struct conn *c)
{
	while (c->out_at < c->out_n) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			wait_for(c, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			hang_up(c, false);
			return;
		}
		c->out_at += (size_t)n;
	}
	wait_for(c, EPOLLIN);
}

static void begin_step(struct conn *c)
{
	const struct step *s = &all.steps[c->step];
	char text[SEND_MAX];
	size_t letter = s->flags & LETTER ? all.letter_n : 0, n;

	c->began = now();
	c->said_ok = false;
	if (s->flags & MARK)
		c->marked = c->began;
	if (s->send == NULL)
		return;
	fill_in(c, s->send, text);
	n = strlen(text);
	c->out = realloc(c->out, letter + n);
	if (c->out == NULL)
		fail("memory");
	memcpy(c->out, all.letter, letter);
	memcpy(c->out + letter, text, n);
	c->out_n = letter + n;
	c->out_at = 0;
	write_more(c);
}

static void next_step(struct conn *c)
{
	const struct step *s = &all.steps[c->step];

	all.step[c->step].secs += now() - c->began;
	if (s->flags & HOLD) {
		all.held++;
		return;
	}
	if (s->flags & COUNT) {
		all.times[all.rounds++] = now() - c->marked;
		if (++c->round < opt.per && !(s->flags & LAST)) {
			while (!(all.steps[c->step].flags & MARK))
				c->step--;
			begin_step(c);
			return;
		}
	}
	if (s->flags & LAST) {
		hang_up(c, true);
		return;
	}
	c->step++;
	begin_step(c);
}

/* A line has ended: 1 the reply is complete, -1 it is bad, 0 more must come. */
static int judge(struct conn *c)
{
	const char *h = c->head;
	bool greeting = c->step == 0;

	switch (all.steps[c->step].until) {
	case SMTP:
		if (all.steps == hello)
			return 1;
		return c->head_n < 4 || h[3] == '-' ? 0 : h[0] == '2' || h[0] == '3' ? 1 : -1;
	case TAGGED:
		if (greeting)
			return strncmp(h, "* OK", 4) == 0 ? 1 : -1;
		return strncmp(h, "bench1 ", 7) != 0 ? 0 : strncmp(h + 7, "OK", 2) == 0 ? 1 : -1;
	case PLUS:
		return h[0] == '+' ? 1 : strncmp(h, "bench1 ", 7) == 0 ? -1 : 0;
	case POP:
		return h[0] == '+' ? 1 : -1;
	case DOT:
		if (c->said_ok)
			return c->head_n == 2 && h[0] == '.';
		c->said_ok = h[0] == '+';
		return c->said_ok ? 0 : -1;
	}
	return -1;
}

static void take(struct conn *c, const char *p, size_t n)
{
	all.step[c->step].bytes += n;
	while (n) {
		const char *lf = memchr(p, '\n', n);
		size_t line = lf ? (size_t)(lf - p) : n, room = LINE_HEAD - 1 - c->head_n;
		int verdict;

		if (room > line)
			room = line;
		memcpy(c->head + c->head_n, p, room);
		c->head_n += room;
		c->head[c->head_n] = '\0';
		if (lf == NULL)
			return;
		p += line + 1;
		n -= line + 1;
		verdict = judge(c);
		c->head_n = 0;
		if (verdict < 0) {
			fprintf(stderr, "load: step %d: %s\n", c->step, c->head);
			hang_up(c, false);
			return;
		}
		if (verdict > 0) {
			next_step(c);
			return;
		}
	}
}

static void open_conn(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct conn *c = calloc(1, sizeof *c);
	int on = 1;

	if (c == NULL || (c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->user = opt.first + all.opened++ % opt.boxes;
	wait_for(c, EPOLLIN);
	begin_step(c);
}

static void hang_up(struct conn *c, bool good)
{
	close(c->fd);
	free(c->out);
	free(c);
	all.ended++;
	all.errors += !good;
	if (all.opened < opt.count)
		open_conn();
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *mode, double secs)
{
	struct rusage r;
	long n = all.rounds;

	getrusage(RUSAGE_SELF, &r);
	qsort(all.times, (size_t)n, sizeof *all.times, by_size);
	printf("{\"mode\":\"%s\",\"rounds\":%ld,\"held\":%ld,\"errors\":%ld,\"secs\":%.4f,\"rate\":%.1f,"
	       "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"client_cpu_s\":%.3f,\"steps\":[",
	       mode, n, all.held, all.errors, secs, (double)(n ? n : all.held) / secs,
	       n ? all.times[n / 2] * 1e3 : 0.0, n ? all.times[n * 99 / 100] * 1e3 : 0.0,
	       (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
		       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6);
	for (int i = 0; i < STEPS_MAX && (i == 0 || !(all.steps[i - 1].flags & (LAST | HOLD))); i++)
		printf("%s{\"secs\":%.6f,\"bytes\":%llu}", i ? "," : "", all.step[i].secs, all.step[i].bytes);
	printf("]}\n");
	fflush(stdout);
}

static void turn(void)
{
	static char bytes[READ_SIZE];
	struct epoll_event ev[64];
	int n = epoll_wait(all.epoll, ev, 64, 1000);

	for (int i = 0; i < n; i++) {
		struct conn *c = ev[i].data.ptr;
		ssize_t got;

		if (ev[i].events & EPOLLOUT) {
			write_more(c);
			continue;
		}
		got = recv(c->fd, bytes, sizeof bytes, 0);
		if (got > 0)
			take(c, bytes, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			hang_up(c, false);
	}
}

static void add_commands(char **commands, int n)
{
	static char text[STEPS_MAX][SEND_MAX];
	int at = 3;

	for (int i = 0; i < n && at < STEPS_MAX - 2; i++, at++) {
		snprintf(text[at], SEND_MAX, "bench1 %s\r\n", commands[i]);
		imap[at] = (struct step){ text[at], TAGGED, 0 };
	}
	imap[at] = (struct step){ "bench1 LOGOUT\r\n", TAGGED, COUNT | LAST };
}

static int take_options(int argc, char **argv)
{
	int i = 2;

	for (; i < argc; i++) {
		size_t k, n = sizeof options / sizeof *options;

		if (strncmp(argv[i], "file=", 5) == 0) {
			all.file = argv[i] + 5;
			continue;
		}
		for (k = 0; k < n; k++) {
			size_t len = strlen(options[k].name);

			if (strncmp(argv[i], options[k].name, len) == 0 && argv[i][len] == '=')
				break;
		}
		if (k == n)
			break;
		*options[k].value = atol(strchr(argv[i], '=') + 1);
	}
	return i;
}

int main(int argc, char **argv)
{
	double began;
	int rest = argc > 1 ? take_options(argc, argv) : 0;
	char byte;

	for (size_t i = 0; i < sizeof modes / sizeof *modes && argc > 1; i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			all.steps = modes[i].steps;
	if (all.steps == NULL || opt.port == 0) {
		fputs("usage: load smtp|append|imap|idle|pop3|hello port=N [count= conc= per= size= boxes= first= away= file=]"
		      " [COMMAND...]\n", stderr);
		return 2;
	}
	add_commands(argv + rest, argc - rest);
	if (all.file)
		read_letter();
	else
		make_letter();
	all.times = calloc((size_t)(opt.count * opt.per) + 1, sizeof *all.times);
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (all.times == NULL || all.epoll < 0)
		fail("start");
	began = now();
	for (long i = 0; i < opt.conc && i < opt.count; i++)
		open_conn();
	while (all.ended + all.held < opt.count)
		turn();
	report(argv[1], now() - began);
	/* Held sessions stay until we are told to let go. */
	while (all.held && read(0, &byte, 1) > 0)
		;
	return all.errors ? 1 : 0;
}
